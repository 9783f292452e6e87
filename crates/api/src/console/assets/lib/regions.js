// Regions put together from what every node says of its replicas.

import { cluster } from "./cluster.js";
import { number } from "./format.js";

/** What is said of a region worst counts for it. */
const STATES = ["broken", "no-quorum", "electing", "read-only", "transferring", "active"];

/** What was put together last, and of what. */
let made = { round: -1, all: [] };

/** Every region that any node told of, by number: { id, keyspace, leader, term, revision, commit, state, detail, spare,
    replicas: Map(node → { role, lag, applied, leads, isThere }) }. A leader is believed before others. */
export function regions() {
  if (made.round !== cluster.round) made = { round: cluster.round, all: put() };
  return made.all;
}

function put() {
  const all = new Map();
  for (const [node, status] of cluster.of) {
    const isFresh = cluster.isThere(node);
    for (const told of status.regions ?? []) take(all, node, told, isFresh);
  }
  for (const region of all.values()) finish(region);
  return [...all.values()].sort((one, other) => one.id - other.id);
}

function take(all, node, told, isFresh) {
  const id = number(told.id);
  const region = all.get(id) ?? {
    id,
    keyspace: number(told.keyspace),
    leader: 0,
    term: 0,
    commit: 0,
    revision: 0,
    state: "",
    detail: "",
    nodes: [],
    replicas: new Map(),
  };
  all.set(id, region);
  region.nodes = told.nodes?.map(number) ?? region.nodes;
  region.replicas.set(node, {
    role: told.role ?? "UNKNOWN",
    applied: number(told.applied),
    commit: number(told.commit),
    isFresh,
  });
  if (!isFresh) return;
  const term = number(told.term);
  const leads = told.role === "LEADER";
  if (term > region.term || (term === region.term && leads)) {
    Object.assign(region, { term, leader: number(told.leader) });
  }
  if (leads && term >= region.term) region.leadsSaid = { state: told.state, detail: told.state_detail };
  region.commit = Math.max(region.commit, number(told.commit));
  region.revision = Math.max(region.revision, number(told.revision));
  const worse = (state) => STATES.indexOf(state) + 1 || STATES.length + 1;
  if (told.state && (!region.state || worse(told.state) < worse(region.state))) {
    Object.assign(region, { state: told.state, detail: told.state_detail ?? "" });
  }
}

function finish(region) {
  // One follower that has not heard of the leader yet is no region without one.
  if (region.leadsSaid?.state && region.state !== "broken") {
    Object.assign(region, { state: region.leadsSaid.state, detail: region.leadsSaid.detail ?? "" });
  }
  for (const id of region.nodes) {
    const replica = region.replicas.get(id) ?? { role: "UNKNOWN", applied: 0, commit: 0, isFresh: false };
    const isThere = cluster.isThere(id);
    replica.leads = isThere && id === region.leader;
    replica.isThere = isThere;
    replica.lag = replica.isFresh ? Math.max(0, region.commit - replica.applied) : null;
    region.replicas.set(id, replica);
  }
  // Learners receive everything and do not vote: it is no loss to a quorum when they go.
  const voters = region.nodes.filter((id) => region.replicas.get(id).role !== "LEARNER");
  const there = voters.filter((id) => cluster.isThere(id)).length;
  region.spare = spare(voters.length, there);
  if (region.leader && !cluster.isThere(region.leader)) region.leader = 0;
}

/** How many more of so many voters may go until more than half of them are not there any more; below 0 they are not. */
export const spare = (voters, there) => there - (Math.floor(voters / 2) + 1);

/** In one sentence how the cluster is: { kind: "well" | "poor" | "bad", text, more }. */
export function verdict() {
  if (!cluster.own) return { kind: "unknown", text: cluster.problem ? "not reached" : "asking…", more: "" };
  if (cluster.problem) return { kind: "bad", text: "connection lost", more: "What you see is old." };
  const lost = cluster.nodes().filter((node) => !cluster.isThere(node.id));
  const bad = regions().filter((region) => ["broken", "no-quorum", "electing"].includes(region.state));
  const full = cluster.nodes().filter((node) => cluster.seen(node.id).read_only);
  const names = lost
    .map((node) => cluster.name(node.id))
    .slice(0, 4)
    .join(", ");
  if (bad.length) {
    const more = lost.length ? `Not there: ${names}. ` : "";
    return {
      kind: "bad",
      text: bad.length === 1 ? "1 region does not serve" : `${bad.length} regions do not serve`,
      more: `${more}Start what is not there; a region serves again once more than half of its replicas are.`,
    };
  }
  if (full.length) {
    const who = full.map((node) => node.name).join(", ");
    return { kind: "poor", text: `disk full: ${who}`, more: "It takes no writes until there is room again." };
  }
  if (lost.length) {
    const text = lost.length === 1 ? `${names} is not there` : `${lost.length} nodes are not there`;
    const more = regions().some((region) => region.spare < 1)
      ? "Everything is served, but some regions stand no further loss."
      : "Everything is served, and one more may be lost.";
    return { kind: "poor", text, more };
  }
  return { kind: "well", text: "healthy", more: "All nodes are there; every region is led and served." };
}
