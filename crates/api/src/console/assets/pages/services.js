// The services of the registry, and how many of their instances pass.

import { cluster } from "../lib/cluster.js";
import { h } from "../lib/dom.js";
import { count, number } from "../lib/format.js";
import { link } from "../lib/route.js";
import { live } from "../lib/stream.js";
import { emptyBox, problemBox } from "../parts/box.js";
import { badge, bar } from "../parts/marks.js";
import { pending } from "../parts/pending.js";
import { List } from "../parts/table.js";

function passing(service) {
  const all = number(service.instances),
    good = number(service.passing);
  const kind = all === 0 ? "plain" : good === all ? "well" : good === 0 ? "bad" : "poor";
  return [
    badge(kind, all === 0 ? "no instance" : `${count(good)} of ${count(all)}`),
    " ",
    all > 0 && bar(good, all, `${good} of ${all} pass`, kind),
  ];
}

const tags = (service) => (service.tags ?? []).map((tag) => h("span", { class: "tag" }, tag));

function columns() {
  return [
    {
      title: "Service",
      cell: (it) => h("a", { href: link("services", it.name) }, it.name),
      text: (it) => it.name,
    },
    {
      title: "Passing",
      cell: passing,
      text: (it) => (number(it.passing) < number(it.instances) ? "failing" : "passing"),
    },
    { title: "Tags", cell: tags, text: (it) => (it.tags ?? []).join(" ") },
  ];
}

/** The first question to the registry makes its keyspace: looking is to change nothing. */
export function noRegistry() {
  return emptyBox(
    "Nothing was ever registered here",
    "Register something: ",
    h("code", {}, "hiraeth service register web 10.0.0.5:80"),
    ", or with Consul's clients at this very port.",
  );
}

export function services(view) {
  const list = new List({
    name: "services",
    key: (it) => `service-${it.name}`,
    columns: columns(),
    empty: "No service is registered.",
  });
  let told = null,
    problem = null,
    end = null;
  const draw = () =>
    view.draw("Services", () => {
      if (problem) return problemBox(problem, () => location.reload());
      if (!cluster.own) return pending("the cluster");
      if (!cluster.has("registry")) return noRegistry();
      if (!told) return pending("services");
      // What fails stands first.
      const fails = (it) => number(it.instances) - number(it.passing);
      const sorted = [...(told.services ?? [])].sort(
        (one, other) => fails(other) - fails(one) || one.name.localeCompare(other.name),
      );
      return [
        h("p", { class: "quiet" }, `As of revision ${count(told.version)} of the registry, live.`),
        list.show(sorted, draw),
      ];
    });
  const begin = () => {
    if (!end && cluster.has("registry")) {
      end = live(
        "Registry/Services",
        { stale: true },
        (answer) => {
          told = answer;
          problem = null;
          draw();
        },
        (error) => {
          problem = error;
          draw();
        },
      );
      view.until(end);
    } else if (!end) draw();
  };
  view.until(cluster.onchange(begin));
  draw();
}
