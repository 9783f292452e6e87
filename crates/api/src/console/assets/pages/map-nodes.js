// A card for each node: how it is, and how much room it has.

import { cluster } from "../lib/cluster.js";
import { h } from "../lib/dom.js";
import { bytes, count, micros, number, span } from "../lib/format.js";
import { bar, badge, state } from "../parts/marks.js";

/** Cards; the rest is told as a number. */
const CARDS = 24;

function marks(node, seen) {
  return [
    node.phase && node.phase !== "member" && badge("poor", node.phase),
    node.learner && badge("plain", "learner", "It has everything, and does not vote"),
    node.draining && badge("poor", "draining", "It is to be rid of the replicas of sharded keyspaces"),
    seen.read_only && badge("bad", "read-only", "Its disk is too full for writes"),
    seen.disk_low && !seen.read_only && badge("poor", "disk low"),
    seen.stopping && badge("poor", "stopping"),
  ];
}

function heard(node, seen, isOwn) {
  if (isOwn) return "tells you this";
  if (seen.state === "ALIVE")
    return seen.round_trip_us ? `${micros(seen.round_trip_us)} there and back` : "heard";
  if (!seen.state || seen.state === "NEVER") return "never heard";
  return `silent for ${span(seen.silent_ms)}`;
}

function fact(title, ...what) {
  return [h("dt", {}, title), h("dd", {}, what)];
}

function room(health) {
  const total = number(health.disk_total_bytes),
    free = number(health.disk_free_bytes);
  if (!total) return "?";
  return [
    bar(total - free, total, `${bytes(free)} of ${bytes(total)} free`, health.read_only ? "bad" : undefined),
    ` ${bytes(free)} free`,
  ];
}

function card(node, all) {
  const id = number(node.id);
  const status = cluster.of.get(id),
    health = status?.health ?? {},
    seen = cluster.seen(id);
  const isOwn = id === number(cluster.own.node),
    isThere = cluster.isThere(id);
  const led = all.filter((region) => region.leader === id).length;
  const here = all.filter((region) => region.nodes.includes(id));
  const lag = isThere ? Math.max(0, ...here.map((region) => region.replicas.get(id)?.lag ?? 0)) : null;
  return h(
    "article",
    { class: `card ${isThere ? "" : "gone"}`, "data-key": `node-${id}`, "aria-label": `Node ${node.name}` },
    h(
      "h3",
      {},
      node.name,
      " ",
      h("small", { class: "quiet" }, `${id}`),
      " ",
      state(isOwn ? (isThere ? "ALIVE" : "LOST") : (seen.state ?? "NEVER")),
      marks(node, seen),
    ),
    h(
      "dl",
      { class: "facts" },
      fact("Clients", h("code", {}, node.client_address || "?")),
      fact("Heard", heard(node, seen, isOwn)),
      fact(
        "Leads",
        isThere
          ? `${count(led)} of ${count(here.length)} regions`
          : `nothing; has ${count(here.length)} replicas`,
      ),
      isThere && fact("Behind", lag ? `${count(lag)} entries` : "nothing"),
      node.zone && fact("Zone", node.zone),
      isThere &&
        status?.health && [
          fact("Disk", room(health)),
          fact("Data", bytes(status.db_bytes)),
          fact("Memory", `${bytes(health.rss_bytes)}, ${count(health.cpu_percent)} % CPU`),
          fact("Up", span(health.uptime_ms)),
          fact("Version", status.version),
        ],
      status?.problem && isThere && fact("Details", h("span", { class: "wrong" }, status.problem.came)),
    ),
  );
}

export function nodeCards(all) {
  const nodes = cluster.nodes();
  return h(
    "div",
    { class: "cards" },
    nodes.slice(0, CARDS).map((node) => card(node, all)),
    nodes.length > CARDS && h("p", { class: "quiet" }, `and ${nodes.length - CARDS} more`),
  );
}
