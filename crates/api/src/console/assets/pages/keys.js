// The keys of a keyspace, in their order, by how they begin.

import { etcd } from "../lib/api.js";
import { behind, keyBytes, keyText, fromBase64, toBase64 } from "../lib/bytes.js";
import { cluster } from "../lib/cluster.js";
import { h } from "../lib/dom.js";
import { count, number } from "../lib/format.js";
import { regions } from "../lib/regions.js";
import { choose, link } from "../lib/route.js";
import { every } from "../lib/stream.js";
import { emptyBox, problemBox } from "../parts/box.js";
import { pending } from "../parts/pending.js";

/** Keys in one answer, and how many are kept on the page. */
const STEP = 100,
  MOST = 2_000;
/** A page of which the keyspace has changed is asked for again after so long; where counting takes long, later. */
const AGAIN_MS = 3_000,
  MANY = 100_000,
  MANY_AGAIN_MS = 30_000;

const ZERO = Uint8Array.of(0);

class Keys {
  constructor(view) {
    const { keyspace = "default", prefix = "" } = view.route.query;
    Object.assign(this, {
      view,
      keyspace,
      prefix,
      kvs: null,
      total: 0,
      revision: 0,
      most: STEP,
      problem: null,
      asked: 0,
    });
  }

  /** Reads as many keys as were opened, the newest state of them. */
  async load() {
    const number_ = ++this.asked;
    try {
      const start = this.prefix === "" ? ZERO : keyBytes(this.prefix);
      const body = {
        key: toBase64(start),
        range_end: toBase64(this.prefix === "" ? ZERO : behind(start)),
        limit: String(this.most),
        keys_only: true,
      };
      const told = await etcd("kv/range", body, { keyspace: this.keyspace, signal: this.view.signal });
      if (number_ !== this.asked) return;
      Object.assign(this, {
        kvs: told.kvs ?? [],
        total: number(told.count),
        hasMore: Boolean(told.more),
        revision: number(told.header?.revision),
        problem: null,
      });
    } catch (problem) {
      if (this.view.isOver || number_ !== this.asked) return;
      this.problem = problem;
    }
    this.loadedAt = Date.now();
    this.draw();
  }

  /** Loads again if the keyspace has changed since. */
  async follow() {
    const pause = this.total > MANY ? MANY_AGAIN_MS : AGAIN_MS;
    if (!this.kvs || this.problem || Date.now() - this.loadedAt < pause) return;
    const newest = regions().filter((region) => cluster.keyspace(region.keyspace) === this.keyspace);
    if (newest.some((region) => region.revision > this.revision)) await this.load();
  }

  choose(what) {
    Object.assign(this, what, { most: STEP });
    choose({ keyspace: this.keyspace === "default" ? "" : this.keyspace, prefix: this.prefix });
    this.load();
  }

  draw() {
    this.view.draw("Keys", () => [
      this.form(),
      this.problem ? problemBox(this.problem, () => this.load()) : this.table(),
    ]);
  }

  form() {
    const names = (cluster.own?.keyspaces ?? []).map((it) => it.name);
    if (!names.includes(this.keyspace)) names.unshift(this.keyspace);
    return h(
      "form",
      {
        class: "row filter",
        onsubmit: (event) => {
          event.preventDefault();
          this.load();
        },
      },
      h(
        "label",
        {},
        "Keyspace ",
        h(
          "select",
          { value: this.keyspace, onchange: (event) => this.choose({ keyspace: event.target.value }) },
          names.map((name) => h("option", { value: name, selected: name === this.keyspace }, name)),
        ),
      ),
      h(
        "label",
        { class: "grow" },
        "Keys that begin with ",
        h("input", {
          type: "search",
          class: "find",
          value: this.prefix,
          placeholder: "all; 0x… for bytes",
          spellcheck: "false",
          autocapitalize: "off",
          oninput: (event) => {
            this.prefix = event.target.value;
            clearTimeout(this.timer);
            this.timer = setTimeout(() => this.choose({}), 250);
          },
        }),
      ),
      h("button", { type: "submit", class: "plain" }, "Load again"),
    );
  }

  table() {
    if (!this.kvs) return pending("keys");
    if (this.kvs.length === 0) {
      return emptyBox(
        this.prefix ? "No key begins so" : `Nothing is in ${this.keyspace}`,
        this.prefix
          ? ["A key that was deleted can have a history yet: ", this.key(keyBytes(this.prefix)), "."]
          : "Put something: hiraeth kv put NAME VALUE, or etcdctl put.",
      );
    }
    const shown = this.kvs.length;
    return [
      h(
        "p",
        { class: "quiet" },
        `${count(shown)} of ${count(this.total)} keys, as of revision ${count(this.revision)}.`,
      ),
      h(
        "div",
        { class: "scroll" },
        h(
          "table",
          { "aria-label": "keys" },
          h(
            "thead",
            {},
            h(
              "tr",
              {},
              ["Key", "Version", "Changed at", "Created at", "Lease"].map((it, at) =>
                h("th", { scope: "col", class: at && at < 4 ? "number" : false }, it),
              ),
            ),
          ),
          h(
            "tbody",
            {},
            this.kvs.map((kv) => this.row(kv)),
          ),
        ),
      ),
      this.hasMore &&
        (shown < MOST
          ? h(
              "button",
              {
                type: "button",
                class: "plain more",
                onclick: () => {
                  this.most += STEP;
                  this.load();
                },
              },
              `${STEP} more`,
            )
          : h("p", { class: "quiet" }, "No more are shown here: narrow it down by how the keys begin.")),
    ];
  }

  key(bytes) {
    const text = keyText(bytes);
    const keyspace = this.keyspace === "default" ? "" : this.keyspace;
    return h("a", { class: "key", href: link("keys", text, { keyspace }) }, text);
  }

  row(kv) {
    const bytes = fromBase64(kv.key);
    const lease =
      kv.lease && kv.lease !== "0"
        ? h(
            "a",
            { href: link("sessions", { keyspace: this.keyspace }) },
            BigInt.asUintN(64, BigInt(kv.lease)).toString(16),
          )
        : "–";
    return h(
      "tr",
      { "data-key": kv.key },
      h("td", { "data-title": "Key" }, this.key(bytes)),
      h("td", { class: "number", "data-title": "Version" }, count(kv.version)),
      h("td", { class: "number", "data-title": "Changed at" }, count(kv.mod_revision)),
      h("td", { class: "number", "data-title": "Created at" }, count(kv.create_revision)),
      h("td", { "data-title": "Lease" }, lease),
    );
  }
}

export function keys(view) {
  const page = new Keys(view);
  page.draw();
  page.load();
  view.until(cluster.onchange(() => page.follow()));
  view.until(() => clearTimeout(page.timer));
  // Names of keyspaces come with the cluster.
  view.until(every(AGAIN_MS, async () => page.draw()));
}
