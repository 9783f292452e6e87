// What a key was: its versions back to the compaction, read from etcd's API.

import { etcd } from "./api.js";
import { toBase64 } from "./bytes.js";
import { number } from "./format.js";
import { lines } from "./stream.js";

/** Versions that are read in one step. */
const STEP = 20;
/** Events of earlier lives that are taken, and for how long they are waited for. */
const EVENTS = 300,
  PATIENCE_MS = 4_000;

/** A record as the pages have it. */
export function record(kv, gone = false) {
  return {
    revision: number(kv.mod_revision),
    created: number(kv.create_revision),
    version: number(kv.version),
    lease: kv.lease ?? "0",
    value: kv.value ?? "",
    gone,
  };
}

/** The key as it is, or was at a revision; null where there is none. `now` is the newest revision. */
export async function read(bytes, { keyspace, revision, signal }) {
  const body = { key: toBase64(bytes), ...(revision ? { revision: String(revision) } : {}) };
  const told = await etcd("kv/range", body, { keyspace, signal });
  return { kv: told.kvs?.[0] ? record(told.kvs[0]) : null, now: number(told.header?.revision) };
}

/** The versions before `from` of the same life, the newest first: { versions, end } with end "begun" where the
    first was reached, "compacted", or "more". */
export async function before(bytes, from, { keyspace, signal }) {
  const versions = [];
  for (let last = from; versions.length < STEP;) {
    if (last.version <= 1) return { versions, end: "begun" };
    let kv;
    try {
      kv = (await read(bytes, { keyspace, revision: last.revision - 1, signal })).kv;
    } catch (problem) {
      if (/compacted/.test(problem.words ?? "")) return { versions, end: "compacted" };
      throw problem;
    }
    if (!kv) return { versions, end: "begun" };
    versions.push(kv);
    last = kv;
  }
  return { versions, end: "more" };
}

/** What happened to the key between two revisions, deletes and earlier lives too, the newest first: { versions, end },
    end "whole", or "more" where there was too much or it took too long. */
export async function lives(bytes, first, last, { keyspace, signal }) {
  const events = [];
  const stop = new AbortController();
  const timer = setTimeout(() => stop.abort(), PATIENCE_MS);
  let end = "more";
  // The answer to the second comes when everything that is old was told.
  const body = [
    { create_request: { key: toBase64(bytes), start_revision: String(first) } },
    { progress_request: {} },
  ];
  const header = keyspace && keyspace !== "default" ? { "hiraeth-keyspace": keyspace } : {};
  try {
    await lines("/v3/watch", { body, header, signal: AbortSignal.any([signal, stop.signal]) }, (told) => {
      for (const { type, kv } of told.events ?? []) {
        if (number(kv.mod_revision) <= last) events.push(record(kv, type === "DELETE"));
      }
      const isOver = !told.created && !told.events && number(told.header?.revision) >= last;
      if (isOver || told.canceled) end = told.canceled ? "more" : "whole";
      if (isOver || told.canceled || events.length >= EVENTS) stop.abort();
    });
  } catch (problem) {
    if (!stop.signal.aborted) throw problem;
  } finally {
    clearTimeout(timer);
  }
  return { versions: events.reverse(), end };
}
