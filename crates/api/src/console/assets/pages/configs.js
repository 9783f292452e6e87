// The configurations, by namespace, group and name.

import { cluster } from "../lib/cluster.js";
import { h } from "../lib/dom.js";
import { bytes, clock, count, day } from "../lib/format.js";
import { link } from "../lib/route.js";
import { live } from "../lib/stream.js";
import { emptyBox, problemBox } from "../parts/box.js";
import { badge } from "../parts/marks.js";
import { pending } from "../parts/pending.js";
import { List } from "../parts/table.js";

/** The keyspace they are in; looking is not to make it. */
const KEYSPACE = "config";
/** Configurations that are told at once. */
const MOST = 1_000;

export const when = (at) => `${day(at)} ${clock(at).slice(0, 8)}`;

export function noConfigs() {
  return emptyBox(
    "No configuration was ever released here",
    "Release one: ",
    h("code", {}, "hiraeth config put shop/app.yaml app.yaml"),
    ", or with curl at ",
    h("code", {}, "/api/v1/config/NAMESPACE/GROUP/NAME"),
    ".",
  );
}

function columns() {
  const name = (it) => `${it.name.namespace}/${it.name.group}/${it.name.name}`;
  return [
    {
      title: "Configuration",
      cell: (it) => h("a", { href: link("config", it.name.namespace, it.name.group, it.name.name) }, name(it)),
      text: name,
    },
    {
      title: "Version",
      kind: "number",
      cell: (it) => [
        count(it.stable?.version),
        it.gray && [" ", badge("poor", `${count(it.gray.version)} for some`)],
      ],
      text: (it) => (it.gray ? "gray" : ""),
    },
    { title: "Type", cell: (it) => (it.stable?.content_type ?? "TEXT").toLowerCase() },
    { title: "Size", kind: "number", cell: (it) => bytes(it.stable?.bytes) },
    { title: "Released", cell: (it) => when(it.stable?.at_ms) },
    { title: "By", cell: (it) => it.stable?.author || "–", text: (it) => it.stable?.author ?? "" },
  ];
}

export function configs(view) {
  const list = new List({
    name: "configurations",
    key: (it) => `config-${it.name.namespace}/${it.name.group}/${it.name.name}`,
    columns: columns(),
    empty: "No configuration is released.",
  });
  let told = null,
    problem = null,
    end = null;
  const draw = () =>
    view.draw("Configuration", () => {
      if (problem) return problemBox(problem, () => location.reload());
      if (!cluster.own) return pending("the cluster");
      if (!cluster.has(KEYSPACE)) return noConfigs();
      if (!told) return pending("configurations");
      return [
        told.more && h("p", { class: "quiet" }, `The first ${count(MOST)}; hiraeth config list has all.`),
        list.show(told.configs ?? [], draw),
      ];
    });
  const begin = () => {
    if (!end && cluster.has(KEYSPACE)) {
      end = live(
        "Config/List",
        {},
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
