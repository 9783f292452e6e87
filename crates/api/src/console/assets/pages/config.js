// One configuration: what is current, the gray release if there is one, and the versions that are kept.

import { native } from "../lib/api.js";
import { cluster } from "../lib/cluster.js";
import { h } from "../lib/dom.js";
import { count, number, plural } from "../lib/format.js";
import { link } from "../lib/route.js";
import { every, live } from "../lib/stream.js";
import { emptyBox, problemBox } from "../parts/box.js";
import { confirm } from "../parts/confirm.js";
import { pending } from "../parts/pending.js";
import { Value } from "../parts/value.js";
import { versions } from "./config-versions.js";
import { noConfigs, when } from "./configs.js";

/** Between two looks at what clients reported. */
const REPORTS_MS = 2_000;

class Config {
  constructor(view) {
    const [namespace, group, name] = view.route.rest;
    Object.assign(this, {
      view,
      name: { namespace, group, name },
      title: `${namespace}/${group}/${name}`,
      history: null,
      problem: null,
      gray: null,
      contents: new Map(),
      asked: new Set(),
      from: 0,
      to: 0,
      diff: null,
    });
  }

  ask(method, body = {}) {
    return native(`Config/${method}`, { name: this.name, ...body }, { signal: this.view.signal });
  }

  begin() {
    if (this.begun || !cluster.has("config")) return this.begun || this.draw();
    this.begun = true;
    const end = live(
      "Config/History",
      { name: this.name },
      (told) => this.told(told),
      (problem) => {
        this.problem = problem;
        this.draw();
      },
    );
    this.view.until(end);
    this.view.until(every(REPORTS_MS, () => this.look()));
  }

  told(history) {
    const all = (history.versions ?? []).map((it) => number(it.version));
    const [stable, gray] = [number(history.stable), number(history.gray)];
    const before = [this.key(this.history?.stable), this.key(this.history?.gray)];
    Object.assign(this, { history, problem: null });
    const isNew = before[0] !== this.key(stable) || before[1] !== this.key(gray);
    if (isNew || !all.includes(this.from) || !all.includes(this.to)) {
      // What some get beside what everybody gets; else what everybody gets beside what was before.
      const older = all.find((version) => version < stable) ?? stable;
      this.compare(gray ? { from: stable, to: gray } : { from: older, to: stable });
    }
    this.asked.add(stable);
    for (const version of this.asked) if (version === stable || all.includes(version)) this.read(version);
    if (gray) this.look();
    else this.gray = null;
    this.draw();
  }

  /** What clients reported on the gray release. */
  async look() {
    if (!number(this.history?.gray)) return;
    try {
      this.gray = await this.ask("GrayStatus");
    } catch (problem) {
      // It has ended, and the history says so in a moment.
      if (problem.status !== 404) throw problem;
      this.gray = null;
    }
    this.draw();
  }

  /** A version by number and digest: of what is removed and made anew the numbers count from 1. */
  key(version) {
    const known = this.history?.versions?.find((it) => number(it.version) === number(version));
    return `${number(version)} ${known?.digest ?? ""}`;
  }

  /** The content of a version, once. */
  async read(version) {
    if (!version) return;
    this.asked.add(version);
    const key = this.key(version);
    if (this.contents.has(key)) return;
    const told = await this.ask("GetVersion", { version: String(version) });
    // Of one that was made anew since, the next history tells, and it is asked for again.
    if (!key.endsWith(" ") && key !== `${version} ${told.version?.digest ?? ""}`) return;
    this.contents.set(key, new Value(told.content ?? ""));
    this.draw();
  }

  async compare(which) {
    Object.assign(this, which, { diff: null });
    const { from, to } = this;
    this.draw();
    if (from === to) {
      this.diff = "";
      return this.draw();
    }
    const told = await this.ask("Diff", { from: String(from), to: String(to) });
    // Others may have been chosen meanwhile.
    if (this.from === from && this.to === to) this.diff = told.diff ?? "";
    this.draw();
  }

  back(version) {
    const stable = this.history.stable;
    confirm({
      title: `Go back to version ${count(version)}?`,
      text: `Everybody gets the content of version ${count(version)} in place of version ${count(stable)}, at once, as a new version.`,
      button: "Go back",
      reason: "Why (kept with the version)",
      act: (comment) => this.ask("Rollback", { to: String(version), comment, expected: String(stable) }),
      done: () => this.draw(),
    });
  }

  end(method, title, text, button) {
    confirm({
      title,
      text,
      button,
      reason: "Why (kept with the version)",
      act: (why) => this.ask(method, { version: String(this.history.gray), why }),
      done: () => this.draw(),
    });
  }

  draw() {
    this.view.draw(this.title, () => [
      h("p", { class: "quiet" }, h("a", { href: link("config") }, "Configuration")),
      this.body(),
    ]);
  }

  body() {
    if (!cluster.own) return pending("the cluster");
    if (!cluster.has("config")) return noConfigs();
    if (this.problem?.status === 404) {
      return emptyBox(
        `There is no configuration “${this.title}”`,
        "It may have been removed. ",
        h("a", { href: link("config") }, "All configurations"),
      );
    }
    if (this.problem) return problemBox(this.problem, () => location.reload());
    if (!this.history) return pending("its versions");
    const stable = number(this.history.stable);
    const content = this.contents.get(this.key(stable));
    return [
      h("h2", {}, `What everybody gets: version ${count(stable)}`),
      content ? content.show(() => this.draw()) : pending("the content"),
      number(this.history.gray) > 0 && this.trial(),
      versions(this),
    ];
  }

  /** The gray release under way. */
  trial() {
    const gray = number(this.history.gray);
    const told = this.gray;
    const rules = (told?.rules ?? []).map((it) => `${it.label} is ${it.values.join(" or ")}`);
    const canary = told?.canary;
    const fact = (what, ...is) => [h("dt", {}, what), h("dd", {}, ...is)];
    return h(
      "section",
      { class: "box" },
      h("h2", {}, `What some get: version ${count(gray)}`),
      told &&
        h(
          "dl",
          { class: "facts" },
          fact("Who", `${number(told.basis_points) / 100} %`, rules.length > 0 && ` of those whose ${rules.join(" and ")}`),
          told.ids?.length > 0 && fact("Also", told.ids.slice(0, 20).join(", ")),
          fact("Reported", `${plural(told.ok, "client")} success, ${plural(told.failed, "client")} failure`),
          canary &&
            fact(
              "Ends by itself",
              `${canary.promote ? "promoted" : "aborted"} at ${when(canary.ends_at_ms)} UTC; `,
              `rolled back once ${plural(canary.failures ?? 1, "client")} reported failure`,
            ),
          (told.failures ?? []).map((it) => fact(it.client, it.message || "failed")),
        ),
      h(
        "p",
        { class: "row" },
        h(
          "button",
          {
            type: "button",
            onclick: () =>
              this.end(
                "PromoteGray",
                `Give version ${count(gray)} to everybody?`,
                "Those who have another one get it at once.",
                "Give it to everybody",
              ),
          },
          "Give it to everybody",
        ),
        h(
          "button",
          {
            type: "button",
            class: "plain",
            onclick: () =>
              this.end(
                "AbortGray",
                `Take version ${count(gray)} back?`,
                "Those who have it get what everybody gets, at once.",
                "Take it back",
              ),
          },
          "Take it back",
        ),
      ),
    );
  }
}

export function config(view) {
  const page = new Config(view);
  page.draw();
  view.until(cluster.onchange(() => page.begin()));
}
