// Which region is where: a line for each, a column for each node.

import { cluster } from "../lib/cluster.js";
import { h } from "../lib/dom.js";
import { count, number } from "../lib/format.js";
import { link } from "../lib/route.js";
import { state } from "../parts/marks.js";
import { List } from "../parts/table.js";

/** Columns; of more nodes the replicas are named in one. */
const COLUMNS = 7;

function replica(region, id) {
  if (!region.nodes.includes(id)) return h("span", { class: "quiet", title: "No replica" }, "·");
  const { leads, isThere, lag, role } = region.replicas.get(id) ?? {};
  if (!isThere)
    return h("span", { class: "replica gone", title: "A replica on a node that is not there" }, "lost");
  if (leads) return h("span", { class: "replica leads", title: "It leads" }, "leads");
  const late = lag === null || lag === undefined ? "?" : lag === 0 ? "0" : `−${count(lag)}`;
  const title =
    lag === null ? "Not told yet" : lag === 0 ? "It has everything" : `${count(lag)} entries behind`;
  return h(
    "span",
    { class: `replica ${lag ? "late" : ""}`, title },
    role === "LEARNER" ? `learner ${late}` : late,
  );
}

const name = (region) => cluster.keyspace(region.keyspace);

function keyspace(region) {
  return number(region.keyspace) === 0
    ? name(region)
    : h("a", { href: link("keys", { keyspace: name(region) }) }, name(region));
}

function columns() {
  const nodes = cluster.nodes();
  const each =
    nodes.length <= COLUMNS
      ? nodes.map((node) => ({
          title: node.name,
          kind: "place",
          cell: (region) => replica(region, number(node.id)),
        }))
      : [
          {
            title: "Replicas",
            cell: (region) => region.nodes.map((id) => [cluster.name(id), " ", replica(region, id), " "]),
          },
        ];
  return [
    { title: "Region", kind: "number", cell: (region) => region.id, text: (region) => `${region.id}` },
    { title: "Keyspace", cell: keyspace, text: name },
    { title: "State", cell: (region) => state(region.state, region.detail), text: (region) => region.state },
    {
      title: "Leader",
      cell: (region) =>
        region.leader ? cluster.name(region.leader) : h("strong", { class: "wrong" }, "nobody"),
      text: (region) => cluster.name(region.leader),
    },
    { title: "Term", kind: "number", cell: (region) => count(region.term) },
    { title: "Revision", kind: "number", cell: (region) => count(region.revision) },
    ...each,
  ];
}

const list = new List({
  name: "regions",
  key: (region) => `region-${region.id}`,
  columns: [],
  empty: "No node told of a region yet.",
});
const WORST = ["broken", "no-quorum", "electing", "read-only", "transferring"];

export function regionList(all, changed) {
  list.columns = columns();
  // What is wrong stands first.
  const weight = (region) => WORST.indexOf(region.state) + 1 || WORST.length + 1;
  const sorted = [...all].sort((one, other) => weight(one) - weight(other) || one.id - other.id);
  return [
    list.show(sorted, changed),
    h(
      "p",
      { class: "quiet" },
      "Under a node: “leads”, or how many entries of the log its replica is behind what is committed.",
    ),
  ];
}
