// What the flight recorders of all nodes have, put together, cut into episodes, and what was true at any moment of one.

import { askNodes, cluster } from "./cluster.js";
import { number, plural, span } from "./format.js";

/** Events that are this far apart belong to two episodes. */
const APART_MS = 5_000;
/** What an episode begins and ends with, so that one sees what was before and after. */
const AROUND_MS = 1_000;
/** Episodes that are offered, the newest. */
const EPISODES = 100;

/** Asks every node that is there: { events, problems, more }. Events are { at, node, kind, ...fields }, in order. */
export async function load(signal) {
  const { answers, problems } = await askNodes("Node/Flight", { events_only: true }, signal);
  const events = [];
  let more = false;
  for (const { node, answer } of answers) {
    more ||= Boolean(answer.more);
    for (const { at_ms, kind, fields } of answer.records ?? []) {
      // Of this program or a later one: what is not known is shown as it is.
      events.push(...apart({ ...JSON.parse(fields || "{}"), at: number(at_ms), kind, by: node }));
    }
  }
  events.sort((one, other) => one.at - other.at || one.by - other.by);
  return { events, problems, more };
}

/** An event; and of what was told together, who led each region last, at the moment it began to. */
export function apart(event) {
  if (event.kind !== "leaders") return [event];
  const { at, by, last = [] } = event;
  const one = ([region, leader, term, ago]) => ({ kind: "leader", region, leader, term, at: at - ago, by });
  return [event, ...last.map(one)];
}

/** Events that lie close together, the newest episode first: { events, from, to, title, gone }, where `gone` is which
    regions had no leader when. */
export function episodes(events) {
  const all = [];
  for (const event of events) {
    const last = all.at(-1);
    if (last && event.at - last.at(-1).at <= APART_MS) last.push(event);
    else all.push([event]);
  }
  const known = nothing();
  const told = all.map((events) => {
    const gone = outages(events, known);
    return {
      events,
      from: events[0].at - AROUND_MS,
      to: events.at(-1).at + AROUND_MS,
      title: title(events, gone),
      gone,
    };
  });
  return told.slice(-EPISODES).reverse();
}

const names = (ids) =>
  [...new Set(ids)]
    .map((id) => cluster.name(id))
    .slice(0, 3)
    .join(", ");

function title(events, gone) {
  const of = (kind, more = () => true) => events.filter((event) => event.kind === kind && more(event));
  const parts = [];
  const failed = [...of("failure"), ...of("panic")].map((it) => it.by);
  const started = of("start").map((it) => it.by),
    stopped = of("stop").map((it) => it.by);
  const lost = of("link", (it) => !it.there)
    .map((it) => it.node)
    .filter((id) => !stopped.includes(id));
  if (failed.length) parts.push(`${names(failed)} failed`);
  if (stopped.length) parts.push(`${names(stopped)} stopped`);
  if (lost.length) parts.push(`${names(lost)} was lost`);
  if (started.length) parts.push(`${names(started)} started`);
  const led = new Set(of("leader", (it) => it.leader !== 0).map((it) => `${it.region}/${it.term}`));
  const more = of("leaders", (it) => !it.last?.length).reduce((sum, it) => sum + number(it.regions), 0);
  if (led.size || more) parts.push(plural(led.size + more, "election"));
  const moved = new Set(of("replicas").map((it) => it.region));
  if (moved.size) parts.push(`replicas of ${plural(moved.size, "region")} moved`);
  if (gone.length) parts.push(`longest without a leader ${span(gone[0].to - gone[0].from)}`);
  return parts.join(", ") || plural(events.length, "event");
}

/** When a region had no leader: from when its leader was lost, or somebody saw nobody lead, to the first that saw
    another one. `known` is what was true before, and is taken along. */
function outages(events, known) {
  const open = new Map();
  const all = [];
  for (const event of events) {
    const { kind, region, leader, at, term } = event;
    take(known, event);
    const began = open.get(region);
    if (kind === "leader" && leader !== 0 && began && term >= began.term) {
      // The same one again: it was only out of sight.
      if (term > began.term) all.push({ region, from: began.at, to: at });
      open.delete(region);
    } else if (kind === "leader" && leader === 0 && !began && known.regions.get(region).term === term) {
      open.set(region, { at, term });
    } else if (["link", "stop", "failure"].includes(kind)) {
      for (const [id, now] of known.regions) {
        const isLost = now.leader !== 0 && known.nodes.get(now.leader) === false;
        if (isLost && !open.has(id)) open.set(id, { at, term: now.term });
      }
    }
  }
  return all.sort((one, other) => other.to - other.from - (one.to - one.from));
}

/** What is known before anything was told. */
export function nothing() {
  return { regions: new Map(), nodes: new Map(), links: new Map(), replicas: new Map() };
}

/** Takes one event into what is known. */
export function take(known, event) {
  const { kind, by, region, leader, term } = event;
  if (kind === "leader") {
    const before = known.regions.get(region);
    if (!before || term >= before.term) known.regions.set(region, { leader, term });
  } else if (kind === "link") {
    known.links.set(`${by}-${event.node}`, event.there);
    const heard = [...known.links].filter(([pair]) => pair.endsWith(`-${event.node}`));
    // One that is heard by somebody who is there is there.
    const tells = (pair) => known.nodes.get(Number(pair.split("-")[0])) !== false;
    known.nodes.set(
      event.node,
      heard.some(([pair, there]) => there && tells(pair)),
    );
  } else if (kind === "start") {
    known.nodes.set(by, true);
  } else if (kind === "stop" || kind === "failure") {
    known.nodes.set(by, false);
  } else if (kind === "replicas") {
    known.replicas.set(region, { nodes: event.nodes ?? [], learners: event.learners ?? [] });
  }
  return known;
}

/** What was true at a moment, from all events up to then. */
export function stateAt(events, at) {
  const known = nothing();
  for (const event of events) {
    if (event.at > at) break;
    take(known, event);
  }
  return known;
}
