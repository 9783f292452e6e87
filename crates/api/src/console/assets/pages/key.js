// One key: what it is now, and what it was.

import { keyBytes } from "../lib/bytes.js";
import { cluster } from "../lib/cluster.js";
import { h } from "../lib/dom.js";
import { count } from "../lib/format.js";
import { before, lives, read } from "../lib/history.js";
import { regions } from "../lib/regions.js";
import { link } from "../lib/route.js";
import { emptyBox, problemBox } from "../parts/box.js";
import { pending } from "../parts/pending.js";
import { Value } from "../parts/value.js";
import { versions } from "./key-versions.js";

/** Between two looks at a key whose keyspace goes on. */
const AGAIN_MS = 2_000;

class Key {
  constructor(view) {
    Object.assign(this, {
      view,
      text: view.route.rest.join("/"),
      keyspace: view.route.query.keyspace ?? "default",
      known: null,
      now: 0,
      loadedAt: 0,
      all: [],
      end: "",
      earlier: "",
      problem: null,
      values: new Map(),
    });
    this.bytes = keyBytes(this.text);
  }

  get region() {
    const name = (region) => cluster.keyspace(region.keyspace);
    return regions().filter((region) => name(region) === this.keyspace);
  }

  get isSharded() {
    return (cluster.own?.keyspaces ?? []).some((it) => it.name === this.keyspace && it.sharded);
  }

  /** Nothing below this can be read any more. */
  get compacted() {
    const own = (cluster.own?.regions ?? []).find(
      (region) => cluster.keyspace(region.keyspace) === this.keyspace,
    );
    return Number(own?.compacted ?? 0);
  }

  asking() {
    return { keyspace: this.keyspace, signal: this.view.signal };
  }

  async load() {
    await this.careful(async () => {
      const { kv, now } = await read(this.bytes, this.asking());
      const isNew = !this.known || kv?.revision !== this.all[0]?.revision;
      Object.assign(this, { known: kv ?? "none", now, loadedAt: Date.now() });
      if (!isNew) return;
      Object.assign(this, { all: kv ? [kv] : [], end: kv ? "more" : "begun", earlier: "" });
      if (this.isSharded) this.end = "sharded";
      else if (kv) await this.older();
      else await this.lives();
    });
  }

  async older() {
    const { versions, end } = await before(this.bytes, this.all.at(-1), this.asking());
    this.all.push(...versions);
    this.end = end;
  }

  /** What was before the key was made, and how it ended. */
  async lives() {
    const last = this.all.length > 0 ? this.all.at(-1).created - 1 : this.now;
    const first = this.compacted + 1;
    if (last < first) {
      this.earlier = "whole";
      return;
    }
    this.earlier = "asking";
    this.draw();
    const { versions, end } = await lives(this.bytes, first, last, this.asking());
    this.all.push(...versions);
    this.earlier = end;
  }

  /** Does something, and shows what came of it. */
  async careful(work) {
    try {
      await work();
      this.problem = null;
    } catch (problem) {
      if (this.view.isOver) return;
      this.problem = problem;
    }
    this.draw();
  }

  async follow() {
    if (!this.known || this.problem || Date.now() - this.loadedAt < AGAIN_MS) return;
    if (!this.isSharded && this.region.every((region) => region.revision <= this.now)) return;
    this.loadedAt = Date.now();
    await this.load();
  }

  value(version) {
    const known = this.values.get(version.revision) ?? new Value(version.value);
    this.values.set(version.revision, known);
    return known;
  }

  draw() {
    const title = h("h1", { tabindex: "-1", class: "key" }, this.text);
    this.view.draw(title, () => [
      h(
        "p",
        { class: "quiet" },
        h(
          "a",
          { href: link("keys", { keyspace: this.keyspace === "default" ? "" : this.keyspace }) },
          "Keys",
        ),
        ` of ${this.keyspace}, as of revision ${count(this.now)}`,
      ),
      this.problem ? problemBox(this.problem, () => this.load()) : this.body(),
    ]);
    document.title = `${this.text} · Hiraeth`;
  }

  body() {
    if (!this.known) return pending("the key");
    const changed = () => this.draw();
    return [
      this.known === "none"
        ? emptyBox(
            "There is no such key now",
            this.all.length
              ? "It was deleted; what it was is below."
              : "No revision since the compaction has it, either.",
          )
        : [h("h2", {}, "Now"), facts(this.known), this.value(this.known).show(changed)],
      h("h2", {}, "History"),
      versions(this, {
        older: () => this.careful(() => this.older()),
        lives: () => this.careful(() => this.lives()),
        changed,
      }),
    ];
  }
}

function facts(kv) {
  const lease = kv.lease !== "0" ? BigInt.asUintN(64, BigInt(kv.lease)).toString(16) : null;
  return h(
    "dl",
    { class: "facts wide" },
    h("dt", {}, "Changed at"),
    h("dd", {}, `revision ${count(kv.revision)}`),
    h("dt", {}, "Version"),
    h("dd", {}, `${count(kv.version)} since it was made at revision ${count(kv.created)}`),
    lease && [h("dt", {}, "Lease"), h("dd", {}, h("a", { href: link("sessions") }, lease))],
  );
}

export function key(view) {
  const page = new Key(view);
  page.draw();
  page.load();
  view.until(cluster.onchange(() => page.follow()));
}
