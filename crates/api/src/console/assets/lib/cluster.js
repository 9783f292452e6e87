// The cluster as this page knows it: what the node that served it says, live, and what each other node says of itself,
// over that one, every few seconds.

import { native } from "./api.js";
import { number } from "./format.js";
import { every, live } from "./stream.js";

/** Between two questions to the other nodes. */
const OTHERS_MS = 5_000;
/** Nodes that are asked in one round. */
const NODES = 32;

const listeners = new Set();

/** Whether a node is there, by how another one hears it: one that is suspected is, until it is lost. */
export const isHeard = (state) => state === "ALIVE" || state === "SUSPECTED";

export const cluster = {
  /** What hiraeth.v1.Node/Status answered last; null before that. */
  own: null,
  /** The same of each node, by number, with `at`, when it was heard; or `problem`. */
  of: new Map(),
  /** Why there is nothing new, if there is not. */
  problem: null,
  /** When `own` was true. */
  at: 0,
  /** Goes up whenever something of this changes. */
  round: 0,
  /** Whether the others were asked once. */
  askedOthers: false,

  nodes() {
    return this.own?.nodes ?? [];
  },

  node(id) {
    return this.nodes().find((node) => number(node.id) === number(id));
  },

  name(id) {
    return number(id) === 0 ? "nobody" : this.node(id)?.name || `node ${id}`;
  },

  keyspace(id) {
    const found = (this.own?.keyspaces ?? []).find((it) => number(it.id) === number(id));
    return found?.name ?? (number(id) === 0 ? "(meta)" : `keyspace ${id}`);
  },

  has(keyspace) {
    return (this.own?.keyspaces ?? []).some((it) => it.name === keyspace);
  },

  /** How the node that is asked hears another one. */
  seen(id) {
    return (this.own?.seen ?? []).find((it) => number(it.node) === number(id)) ?? {};
  },

  isThere(id) {
    return number(id) === number(this.own?.node) ? !this.problem : isHeard(this.seen(id).state);
  },

  onchange(listener) {
    listeners.add(listener);
    if (this.own || this.problem) listener(this);
    return () => listeners.delete(listener);
  },

  start() {
    live(
      "Node/Status",
      {},
      (status) => {
        Object.assign(this, { own: status, at: Date.now(), problem: null });
        this.of.set(number(status.node), { ...status, at: Date.now() });
        tell();
        if (!this.askedOthers) this.askOthers();
      },
      (problem) => {
        this.problem = problem;
        tell();
      },
    );
    every(OTHERS_MS, (signal) => this.askOthers(signal));
  },

  async askOthers(signal) {
    if (!this.own || this.problem) return;
    this.askedOthers = true;
    const others = this.nodes()
      .map((node) => number(node.id))
      .filter((id) => id !== number(this.own.node));
    for (const id of this.of.keys()) if (!this.node(id)) this.of.delete(id);
    await Promise.all(
      others.slice(0, NODES).map(async (id) => {
        if (!this.isThere(id)) {
          const known = this.of.get(id);
          if (known) this.of.set(id, { ...known, problem: null });
          return;
        }
        try {
          this.of.set(id, { ...(await native("Node/Status", {}, { node: id, signal })), at: Date.now() });
        } catch (problem) {
          this.of.set(id, { ...this.of.get(id), problem });
        }
      }),
    );
    tell();
  },
};

function tell() {
  cluster.round += 1;
  for (const listener of [...listeners]) listener(cluster);
}

/** Asks a method of every node that is there; answers [{ node, answer }] of those that answered, and the Problems. */
export async function askNodes(method, body, signal) {
  const there = cluster
    .nodes()
    .filter((node) => cluster.isThere(node.id))
    .slice(0, NODES);
  const answers = [],
    problems = [];
  await Promise.all(
    there.map(async ({ id }) => {
      const node = number(id);
      const over = node === number(cluster.own?.node) ? undefined : node;
      try {
        answers.push({ node, answer: await native(method, body, { node: over, signal }) });
      } catch (problem) {
        if (!signal?.aborted) problems.push(Object.assign(problem, { node }));
      }
    }),
  );
  answers.sort((one, other) => one.node - other.node);
  return { answers, problems };
}
