// One service: its instances with their checks, and who was pushed what, when.

import { consul, native } from "../lib/api.js";
import { cluster } from "../lib/cluster.js";
import { h } from "../lib/dom.js";
import { count } from "../lib/format.js";
import { link } from "../lib/route.js";
import { every, seen } from "../lib/stream.js";
import { emptyBox, problemBox } from "../parts/box.js";
import { state } from "../parts/marks.js";
import { pending } from "../parts/pending.js";
import { List } from "../parts/table.js";
import { noRegistry } from "./services.js";
import { audit } from "./service-audit.js";

const AUDIT_MS = 5_000,
  PAUSE_MS = 2_000;

/** The worst of an instance's checks, as Consul has it. */
function status(entry) {
  const all = (entry.Checks ?? []).map((check) => check.Status);
  return ["critical", "warning"].find((it) => all.includes(it)) ?? "passing";
}

const address = ({ Service, Node }) => `${Service.Address || Node.Address}:${Service.Port}`;

function checks(entry) {
  return (entry.Checks ?? []).map((check) =>
    h(
      "details",
      { class: "check", "data-key": `check-${check.CheckID}`, open: false },
      h("summary", {}, state(check.Status), check.Name || check.CheckID),
      h("pre", { tabindex: "0" }, check.Output || check.Notes || "It said nothing."),
    ),
  );
}

function columns() {
  return [
    { title: "Instance", cell: (it) => h("code", {}, it.Service.ID), text: (it) => it.Service.ID },
    { title: "Status", cell: (it) => state(status(it)), text: status },
    { title: "Endpoint", cell: (it) => h("code", {}, address(it)), text: address },
    { title: "Node", cell: (it) => it.Node.Node, text: (it) => it.Node.Node },
    {
      title: "Tags",
      cell: (it) => (it.Service.Tags ?? []).map((tag) => h("span", { class: "tag" }, tag)),
      text: (it) => (it.Service.Tags ?? []).join(" "),
    },
    { title: "Weight", kind: "number", cell: (it) => count(it.Service.Weights?.Passing ?? 1) },
    { title: "Checks", cell: checks, text: (it) => (it.Checks ?? []).map((check) => check.Name).join(" ") },
  ];
}

class Service {
  constructor(view) {
    Object.assign(this, {
      view,
      name: view.route.rest.join("/"),
      entries: null,
      audit: null,
      problem: null,
      auditProblem: null,
    });
    this.list = new List({
      name: "instances",
      key: (it) => `${it.Node.Node}/${it.Service.ID}`,
      columns: columns(),
      empty: "It has no instance now.",
    });
  }

  /** Waits for changes, one long answer after the other. */
  async follow() {
    for (let index = 0; !this.view.isOver;) {
      try {
        const told = await consul(`health/service/${encodeURIComponent(this.name)}?stale`, {
          index,
          signal: this.view.signal,
        });
        // An index that went back is that of another life.
        index = told.index < index ? 0 : told.index;
        Object.assign(this, { entries: told.value, problem: null });
      } catch (problem) {
        if (this.view.isOver) return;
        this.problem = problem;
        index = 0;
        this.draw();
        await new Promise((go) => setTimeout(go, PAUSE_MS));
      }
      this.draw();
    }
  }

  async look(signal) {
    try {
      this.audit = await native("Registry/Audit", { service: this.name }, { signal });
      this.auditProblem = null;
    } catch (problem) {
      this.auditProblem = problem;
    }
    this.draw();
  }

  begin() {
    if (this.begun || !cluster.has("registry")) return this.begun || this.draw();
    this.begun = true;
    this.follow();
    this.view.until(every(AUDIT_MS, (signal) => this.look(signal)));
  }

  draw() {
    this.view.draw(this.name, () => [
      h("p", { class: "quiet" }, h("a", { href: link("services") }, "Services")),
      this.body(),
    ]);
  }

  body() {
    if (!cluster.own) return pending("the cluster");
    if (!cluster.has("registry")) return noRegistry();
    if (this.problem) return problemBox(this.problem, () => this.draw());
    if (!this.entries) return pending("instances");
    if (this.entries.length === 0 && !this.audit?.pushes?.length) {
      return emptyBox(
        `There is no service “${this.name}”`,
        "It may have been taken back. ",
        h("a", { href: link("services") }, "All services"),
      );
    }
    return [
      h("h2", {}, "Instances"),
      this.list.show(this.entries, () => this.draw()),
      h("h2", {}, "Who was told"),
      this.auditProblem
        ? problemBox(this.auditProblem, () => this.look())
        : audit(this.audit, () => this.draw()),
    ];
  }
}

export function service(view) {
  const page = new Service(view);
  page.draw();
  view.until(cluster.onchange(() => page.begin()));
}
