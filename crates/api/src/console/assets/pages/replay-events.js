// Events of the flight recorder in words.

import { cluster } from "../lib/cluster.js";
import { h } from "../lib/dom.js";
import { bytes, clock, plural, span } from "../lib/format.js";
import { badge } from "../parts/marks.js";

/** On which nodes a region's replicas are. */
export function places({ nodes = [], learners = [] }) {
  const name = (id) => cluster.name(id);
  return (
    nodes.map(name).join(", ") + (learners.length ? `, learning on ${learners.map(name).join(", ")}` : "")
  );
}

const KINDS = {
  leader: (it) =>
    it.leader === 0
      ? ["bad", `region ${it.region}: nobody leads, term ${it.term}`]
      : ["well", `region ${it.region}: ${cluster.name(it.leader)} leads, term ${it.term}`],
  leaders: (it) => [
    "poor",
    `${plural(it.regions, "more change")} of leaders: ` +
      Object.entries(it.by_leader ?? {})
        .map(([node, count]) =>
          node === "0" ? `nobody leads ${count}` : `${cluster.name(node)} leads ${count}`,
        )
        .join(", "),
  ],
  link: (it) =>
    it.there
      ? ["well", `link to ${cluster.name(it.node)} is up`]
      : ["bad", `link to ${cluster.name(it.node)} is down`],
  start: (it) => ["well", `${it.name} was started, version ${it.version}`],
  stop: (it) => ["poor", `stops: ${it.reason}`],
  failure: (it) => ["bad", `failed: ${it.reason}`],
  panic: (it) => ["bad", `panic in ${it.thread} at ${it.place}: ${it.message}`],
  states: (it) => {
    const states = Object.entries(it.by_state ?? {});
    const isWell = states.every(([state]) => state === "active");
    return [
      isWell ? "well" : "poor",
      `regions here: ${states.map(([state, count]) => `${count} ${state}`).join(", ")}`,
    ];
  },
  replicas: (it) => ["plain", `region ${it.region}: replicas on ${places(it)}`],
  quarantine: (it) => ["bad", `region ${it.region} was set aside here: ${it.reason}`],
  snapshot_sent: (it) => ["plain", `region ${it.region}: snapshot to ${cluster.name(it.to)}`],
  snapshot_failed: (it) => [
    "poor",
    `region ${it.region}: snapshot to ${cluster.name(it.to)} failed: ${it.reason}`,
  ],
  snapshot_installed: (it) => ["plain", `region ${it.region}: snapshot installed`],
  slow_sync: (it) => ["poor", `a sync of the log took ${span(it.ms)}`],
  paused: (it) => ["poor", `the process did not run for ${span(it.ms)}`],
  read_only: (it) => [
    "bad",
    `read-only: ${bytes(it.free_bytes)} free, ${bytes(it.reserve_bytes)} are kept back`,
  ],
  writable: (it) => ["well", `room again: ${bytes(it.free_bytes)} free`],
  clock_jump: (it) => [
    "poor",
    `the clock was set by ${span(Math.abs(it.by_ms))} ${it.by_ms < 0 ? "back" : "forward"}`,
  ],
  dropped: (it) => ["poor", `${plural(it.records, "record")} lost`],
};

/** { kind, words } of an event; one of a later version as it is. */
export function told(event) {
  const known = KINDS[event.kind];
  if (known) {
    const [kind, words] = known(event);
    return { kind, words };
  }
  const { at, by, kind, ...fields } = event;
  return { kind: "plain", words: `${kind} ${JSON.stringify(fields)}` };
}

/** Lines that are shown around the present one. */
const AROUND = 60;

/** The events of an episode; `choose` is called with the one that was chosen. */
export function eventList(events, at, choose) {
  const now = events.findLastIndex((event) => event.at <= at);
  const from = Math.max(0, Math.min(now - AROUND / 2, events.length - AROUND));
  const shown = events.slice(from, from + AROUND);
  const one = (event, place) => {
    const { kind, words } = told(event);
    const index = from + place;
    return h(
      "li",
      {
        "data-key": `event-${index}`,
        class: index > now ? "later" : "",
        "aria-current": index === now ? "step" : false,
      },
      h(
        "button",
        { type: "button", class: "line", onclick: () => choose(event) },
        h("time", {}, clock(event.at)),
        h("span", { class: "by" }, cluster.name(event.by)),
        badge(kind, words),
      ),
    );
  };
  return [
    from > 0 && h("p", { class: "quiet" }, `${plural(from, "earlier event")}`),
    h("ol", { class: "events" }, shown.map(one)),
    from + shown.length < events.length &&
      h("p", { class: "quiet" }, `${plural(events.length - from - shown.length, "later event")}`),
  ];
}
