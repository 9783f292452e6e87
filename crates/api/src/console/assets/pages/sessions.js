// What ends by itself: leases with their keys, sessions of the registry, and who watches what.

import { consul, etcd } from "../lib/api.js";
import { fromBase64, keyText, rangeText } from "../lib/bytes.js";
import { askNodes, cluster } from "../lib/cluster.js";
import { h } from "../lib/dom.js";
import { bytes, count, number, plural } from "../lib/format.js";
import { choose, link } from "../lib/route.js";
import { every } from "../lib/stream.js";
import { problemBox } from "../parts/box.js";
import { badge, bar } from "../parts/marks.js";
import { pending } from "../parts/pending.js";
import { List } from "../parts/table.js";

const AGAIN_MS = 5_000;
/** Leases of which the rest of the life is asked, each by a request. */
const LEASES = 50,
  MOST = 4 * LEASES;
/** Keys that are named of a lease. */
const KEYS = 5;

const hex = (id) => BigInt.asUintN(64, BigInt(id)).toString(16);

function rest(lease) {
  if (!lease.granted) return "…";
  return [
    bar(
      lease.left,
      lease.granted,
      `${lease.left} of ${lease.granted} s`,
      lease.left * 4 < lease.granted ? "poor" : "well",
    ),
    ` ${count(lease.left)} of ${count(lease.granted)} s`,
  ];
}

function keysOf(lease, keyspace) {
  const keys = lease.keys ?? [];
  const one = (key) => [
    h(
      "a",
      { class: "key", href: link("keys", key, { keyspace: keyspace === "default" ? "" : keyspace }) },
      key,
    ),
    " ",
  ];
  return [keys.slice(0, KEYS).map(one), keys.length > KEYS && `and ${count(keys.length - KEYS)} more`];
}

const range = (watch) => rangeText(watch.start, watch.end);

class Sessions {
  constructor(view) {
    Object.assign(this, {
      view,
      keyspace: view.route.query.keyspace || "default",
      leases: null,
      total: 0,
      sessions: null,
      watches: null,
      watchTotal: 0,
      problems: {},
    });
    this.leaseList = new List({
      name: "leases",
      key: (it) => `lease-${it.id}`,
      empty: "No lease is alive in this keyspace.",
      rows: LEASES,
      columns: [
        { title: "Lease", cell: (it) => h("code", {}, it.id), text: (it) => it.id },
        { title: "Left", cell: rest },
        { title: "Keys", cell: (it) => keysOf(it, this.keyspace), text: (it) => (it.keys ?? []).join(" ") },
      ],
    });
    this.sessionList = new List({
      name: "sessions",
      key: (it) => `session-${it.ID}`,
      empty: "No session is alive.",
      columns: [
        { title: "Session", cell: (it) => h("code", {}, it.ID), text: (it) => it.ID },
        { title: "Name", cell: (it) => it.Name || "–", text: (it) => it.Name },
        { title: "Node", cell: (it) => it.Node, text: (it) => it.Node },
        { title: "Life", cell: (it) => it.TTL || "as its checks" },
        { title: "At its end", cell: (it) => `${it.Behavior} what it holds` },
      ],
    });
    this.watchList = new List({
      name: "watches",
      key: (it) => `watch-${it.node}-${it.region}-${it.stream}-${it.id ?? 0}`,
      empty: "Nobody watches anything.",
      columns: [
        { title: "Keys", cell: (it) => h("code", {}, range(it)), text: range },
        { title: "Keyspace", cell: (it) => it.keyspace_name || "(meta)", text: (it) => it.keyspace_name },
        { title: "Through", cell: (it) => cluster.name(it.node), text: (it) => cluster.name(it.node) },
        { title: "Stream", kind: "number", cell: (it) => `${it.stream}.${it.id ?? 0}` },
        { title: "Next revision", kind: "number", cell: (it) => count(it.next) },
        {
          title: "State",
          cell: (it) => (it.behind ? badge("poor", "reads what is old") : badge("well", "live")),
          text: (it) => (it.behind ? "old" : "live"),
        },
        {
          title: "Waiting",
          kind: "number",
          cell: (it) => (number(it.waiting) ? `${count(it.waiting)}, ${bytes(it.waiting_bytes)}` : "–"),
        },
      ],
    });
  }

  async part(name, work) {
    try {
      await work();
      delete this.problems[name];
    } catch (problem) {
      if (!this.view.isOver) this.problems[name] = problem;
    }
    this.draw();
  }

  async look(signal) {
    await Promise.all([
      this.part("leases", () => this.lookAtLeases(signal)),
      this.part("sessions", async () => {
        if (cluster.has("registry")) this.sessions = (await consul("session/list?stale", { signal })).value;
        else if (cluster.own) this.sessions = [];
      }),
      this.part("watches", async () => {
        const { answers, problems } = await askNodes("Node/Watches", {}, signal);
        if (problems.length && !answers.length) throw problems[0];
        this.watches = answers.flatMap(({ node, answer }) =>
          (answer.watches ?? []).map((watch) => ({ ...watch, node })),
        );
        this.watchTotal = answers.reduce((sum, { answer }) => sum + number(answer.total), 0);
      }),
    ]);
  }

  async lookAtLeases(signal) {
    const keyspace = this.keyspace;
    const told = await etcd("lease/leases", {}, { keyspace, signal });
    const ids = (told.leases ?? []).map((it) => it.ID ?? it.id);
    const known = ids.slice(0, Math.min(MOST, this.leaseList.most));
    const leases = await Promise.all(
      known.map(async (id) => {
        const told = await etcd("lease/timetolive", { ID: id, keys: true }, { keyspace, signal });
        const keys = (told.keys ?? []).map((key) => keyText(fromBase64(key)));
        return { id: hex(id), left: number(told.TTL), granted: number(told.grantedTTL), keys };
      }),
    );
    if (keyspace !== this.keyspace) return;
    this.total = ids.length;
    // Those that ended between the two questions have no rest.
    this.leases = leases.filter((lease) => lease.left >= 0 && lease.granted > 0);
  }

  section(name, what, list, more, all) {
    if (this.problems[name]) return problemBox(this.problems[name], () => this.look(this.view.signal));
    const changed = () => {
      this.draw();
      // What is to be shown more of is not read yet.
      if (all) this.look(this.view.signal);
    };
    return what ? [more, list.show(what, changed, all)] : pending(name);
  }

  draw() {
    const names = (cluster.own?.keyspaces ?? []).filter((it) => !it.sharded).map((it) => it.name);
    const choice = h(
      "label",
      {},
      "Keyspace ",
      h(
        "select",
        {
          value: this.keyspace,
          onchange: (event) => {
            Object.assign(this, { keyspace: event.target.value, leases: null });
            choose({ keyspace: this.keyspace });
            this.look(this.view.signal);
            this.draw();
          },
        },
        (names.length ? names : [this.keyspace]).map((name) =>
          h("option", { value: name, selected: name === this.keyspace }, name),
        ),
      ),
    );
    const note =
      this.total > LEASES &&
      h("p", { class: "quiet" }, `${count(this.total)} leases; the first ${MOST} at most are shown.`);
    this.view.draw("Leases & watches", () => [
      h("h2", {}, "Leases"),
      h("p", { class: "filter" }, choice),
      this.section("leases", this.leases, this.leaseList, note, Math.min(MOST, this.total)),
      h("h2", {}, "Sessions"),
      this.section("sessions", this.sessions, this.sessionList),
      h("h2", {}, "Watches"),
      this.section(
        "watches",
        this.watches,
        this.watchList,
        this.watches &&
          h(
            "p",
            { class: "quiet" },
            `${plural(this.watchTotal, "watch", "watches")} on all nodes that are there.`,
          ),
      ),
    ]);
  }
}

export function sessions(view) {
  const page = new Sessions(view);
  page.draw();
  let end = null;
  view.until(
    cluster.onchange(() => {
      if (!cluster.own || end) return end || page.draw();
      end = every(AGAIN_MS, (signal) => page.look(signal));
      view.until(end);
    }),
  );
}
