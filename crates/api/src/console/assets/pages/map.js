// The cluster map: who is there, who hears whom, who leads what, and how far behind everybody is.

import { cluster, isHeard } from "../lib/cluster.js";
import { h } from "../lib/dom.js";
import { number, plural } from "../lib/format.js";
import { regions, verdict } from "../lib/regions.js";
import { badge } from "../parts/marks.js";
import { pending } from "../parts/pending.js";
import { ring } from "../parts/ring.js";
import { nodeCards } from "./map-nodes.js";
import { regionList } from "./map-regions.js";

/** How node `from` hears node `to`: true, false, or null where nobody can tell. */
function hears(from, to) {
  const status = cluster.of.get(from);
  if (!status || !cluster.isThere(from)) return null;
  const seen = (status.seen ?? []).find((it) => number(it.node) === to);
  return isHeard(seen?.state);
}

/** A link for each pair of nodes. */
function links(ids) {
  const pairs = ids.flatMap((from, at) => ids.slice(at + 1).map((to) => [from, to]));
  return pairs.map(([from, to]) => {
    const [there, back] = [hears(from, to), hears(to, from)];
    const [one, other] = [cluster.name(from), cluster.name(to)];
    const known = [there, back].filter((it) => it !== null);
    if (known.length === 0)
      return { from, to, kind: "unknown", title: `${one} and ${other}: nobody can tell` };
    if (known.every((it) => it))
      return { from, to, kind: "well", title: `${one} and ${other} hear each other` };
    if (known.every((it) => !it))
      return { from, to, kind: "bad", title: `${one} and ${other} do not hear each other` };
    const [deaf, mute] = there ? [other, one] : [one, other];
    return { from, to, kind: "poor", title: `${deaf} does not hear ${mute}, the other way it works` };
  });
}

function drawing(all) {
  const nodes = cluster.nodes().map((node) => {
    const id = number(node.id);
    const led = all.filter((region) => region.leader === id).length;
    const isThere = cluster.isThere(id);
    return {
      id,
      name: node.name,
      kind: isThere ? (node.draining ? "poor" : "well") : "bad",
      big: node.name,
      small: isThere ? `leads ${led}` : "lost",
      title: `${node.name}: ${isThere ? `leads ${plural(led, "region")}` : "not there"}`,
    };
  });
  return ring(nodes, links(nodes.map((node) => node.id)), "Nodes, and which of them hear each other");
}

function summary(all) {
  const { kind, text, more } = verdict();
  const there = cluster.nodes().filter((node) => cluster.isThere(node.id)).length;
  const led = all.filter((region) => region.leader).length;
  return h(
    "section",
    { class: `headline ${kind}`, role: "status" },
    h("p", { class: "large" }, badge(kind, text)),
    h("p", {}, more),
    h(
      "p",
      { class: "quiet" },
      `${there} of ${plural(cluster.nodes().length, "node")} there, `,
      `${led} of ${plural(all.length, "region")} led, `,
      plural((cluster.own.keyspaces ?? []).length, "keyspace"),
      ".",
    ),
  );
}

export function map(view) {
  const draw = () => {
    if (!cluster.own) return pending("the cluster");
    const all = regions();
    return [
      summary(all),
      h("div", { class: "beside" }, h("figure", {}, drawing(all), legend()), nodeCards(all)),
      h("h2", {}, "Regions"),
      regionList(all, again),
    ];
  };
  const again = () => view.draw("Cluster map", draw);
  view.until(cluster.onchange(again));
  again();
}

function legend() {
  return h(
    "figcaption",
    { class: "quiet legend" },
    h("span", { class: "key well" }, "hear each other"),
    h("span", { class: "key poor" }, "one way only"),
    h("span", { class: "key bad" }, "do not"),
    h("span", { class: "key unknown" }, "nobody can tell"),
  );
}
