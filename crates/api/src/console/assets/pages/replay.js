// An election or a move as it happened, out of the flight recorders of all nodes.

import { cluster } from "../lib/cluster.js";
import { h } from "../lib/dom.js";
import { episodes, load, stateAt } from "../lib/flight.js";
import { clock, day, number, plural, span } from "../lib/format.js";
import { choose } from "../lib/route.js";
import { emptyBox, problemBox } from "../parts/box.js";
import { pending } from "../parts/pending.js";
import { ring } from "../parts/ring.js";
import { eventList } from "./replay-events.js";
import { colour, lanes } from "./replay-lanes.js";

const SPEEDS = [0.1, 0.25, 1, 4];
/** Between two drawings while it plays. */
const FRAME_MS = 60;

class Replay {
  constructor(view) {
    Object.assign(this, {
      view,
      events: null,
      all: [],
      episode: null,
      at: 0,
      playing: false,
      speed: 0.25,
      problems: [],
      problem: null,
    });
  }

  async load() {
    try {
      const { events, problems, more } = await load(this.view.signal);
      if (problems.length && events.length === 0) throw problems[0];
      Object.assign(this, { events, problems, more, problem: null, all: episodes(events) });
      const { at, t } = this.view.route.query;
      const wanted =
        this.all.find((it) => it.from === number(at)) ??
        this.all.find((it) =>
          it.events.some((event) => event.kind === "leader" || event.kind === "replicas"),
        ) ??
        this.all[0];
      if (wanted) this.open(wanted, wanted.from === number(at) ? number(t) : 0);
    } catch (problem) {
      if (this.view.isOver) return;
      this.problem = problem;
    }
    this.draw();
  }

  open(episode, offset = 0) {
    Object.assign(this, { episode, at: Math.min(episode.to, episode.from + offset), playing: false });
    this.lanes = lanes(stateAt(this.events, episode.from), episode);
    this.go(this.at);
  }

  go(at) {
    const { from, to } = this.episode;
    this.at = Math.max(from, Math.min(to, at));
    if (!this.playing) choose({ at: from, t: Math.round(this.at - from) || "" });
    this.draw();
    const now = document.querySelector("main [aria-current=step]");
    const list = now?.closest("ol");
    if (list) list.scrollTop = now.offsetTop - list.offsetTop - list.clientHeight / 2;
  }

  step(direction) {
    const { events, from, to } = this.episode;
    const next =
      direction > 0
        ? events.find((event) => event.at > this.at)
        : events.findLast((event) => event.at < this.at);
    this.playing = false;
    this.go(next?.at ?? (direction > 0 ? to : from));
  }

  play() {
    if (this.playing) {
      this.playing = false;
      return this.go(this.at);
    }
    if (this.at >= this.episode.to) this.at = this.episode.from;
    this.playing = true;
    let last = performance.now();
    const frame = (now) => {
      if (!this.playing || this.view.isOver) return;
      if (now - last >= FRAME_MS) {
        this.at += (now - last) * this.speed;
        last = now;
        if (this.at >= this.episode.to) this.playing = false;
        this.go(this.at);
      }
      requestAnimationFrame(frame);
    };
    requestAnimationFrame(frame);
    this.draw();
  }

  onKey(event) {
    if (
      !this.episode ||
      (event.target.matches?.("input, select, textarea, button, summary, a") && event.key === " ")
    )
      return;
    if (event.target.matches?.("input, select, textarea")) return;
    const does = { " ": () => this.play(), ArrowRight: () => this.step(1), ArrowLeft: () => this.step(-1) }[
      event.key
    ];
    if (!does || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    does();
  }

  draw() {
    this.view.draw("Replay", () => {
      if (this.problem) return problemBox(this.problem, () => this.load());
      if (!this.events) return pending("the flight recorders");
      if (!this.episode)
        return emptyBox(
          "Nothing has happened that was recorded",
          "The recorders keep the last hours of each node.",
        );
      return [
        this.chooser(),
        this.problems.map((problem) =>
          h("p", { class: "wrong" }, `${cluster.name(problem.node)} did not tell: ${problem.came}`),
        ),
        this.controls(),
        h("div", { class: "scroll" }, this.lanes.at(this.at)),
        this.lanes.hidden > 0 &&
          h("p", { class: "quiet" }, `${plural(this.lanes.hidden, "region")} changed less and have no lane.`),
        h(
          "div",
          { class: "beside" },
          h("figure", {}, this.drawing(), h("figcaption", { class: "quiet" }, this.caption())),
          h(
            "div",
            {},
            eventList(this.episode.events, this.at, (event) => {
              this.playing = false;
              this.go(event.at);
            }),
          ),
        ),
      ];
    });
  }

  chooser() {
    const option = (it) =>
      h(
        "option",
        { value: it.from, selected: it === this.episode },
        `${day(it.from)} ${clock(it.events[0].at)}  ${it.title}`,
      );
    return h(
      "p",
      { class: "filter row" },
      h(
        "label",
        { class: "grow" },
        "What happened ",
        h(
          "select",
          {
            class: "find",
            value: String(this.episode.from),
            onchange: (event) => this.open(this.all.find((it) => it.from === number(event.target.value))),
          },
          this.all.map(option),
        ),
      ),
      h("button", { type: "button", class: "plain", onclick: () => this.load() }, "Load again"),
    );
  }

  controls() {
    const { from, to } = this.episode;
    const button = (label, text, onclick) =>
      h("button", { type: "button", class: "plain", "aria-label": label, title: label, onclick }, text);
    return h(
      "div",
      { class: "controls" },
      button("The event before (←)", "←", () => this.step(-1)),
      button(this.playing ? "Pause (Space)" : "Play (Space)", this.playing ? "❚❚" : "▶", () => this.play()),
      button("The event after (→)", "→", () => this.step(1)),
      h(
        "label",
        {},
        "Speed ",
        h(
          "select",
          {
            value: String(this.speed),
            onchange: (event) => {
              this.speed = number(event.target.value);
            },
          },
          SPEEDS.map((it) => h("option", { value: it, selected: it === this.speed }, `${it}×`)),
        ),
      ),
      h("input", {
        type: "range",
        class: "grow",
        min: 0,
        max: to - from,
        step: 1,
        value: Math.round(this.at - from),
        "aria-label": "Moment",
        "aria-valuetext": clock(this.at),
        oninput: (event) => {
          this.playing = false;
          this.go(from + number(event.target.value));
        },
      }),
      h("output", {}, clock(this.at)),
    );
  }

  drawing() {
    const known = stateAt(this.events, this.at);
    const led = (id) => [...known.regions.values()].filter((region) => region.leader === id).length;
    const nodes = cluster.nodes().map((node) => {
      const id = number(node.id),
        there = known.nodes.get(id) ?? true;
      return {
        id,
        name: node.name,
        kind: there ? "well" : "bad",
        big: node.name,
        small: there ? `leads ${led(id)}` : "not there",
        colour: there ? colour(id) : 0,
      };
    });
    const heard = (from, to) => known.links.get(`${from}-${to}`);
    const links = nodes.flatMap((one, at) =>
      nodes.slice(at + 1).map((other) => {
        const both = [heard(one.id, other.id), heard(other.id, one.id)].filter((it) => it !== undefined);
        const isThere = known.nodes.get(one.id) !== false && known.nodes.get(other.id) !== false;
        const kind =
          !isThere || (both.length && both.every((it) => !it))
            ? "bad"
            : both.includes(false)
              ? "poor"
              : "well";
        return { from: one.id, to: other.id, kind, title: `${one.name} and ${other.name}` };
      }),
    );
    return ring(nodes, links, "Nodes at this moment");
  }

  caption() {
    const known = stateAt(this.events, this.at);
    const without = [...known.regions].filter(([, region]) => region.leader === 0).map(([region]) => region);
    const gone = this.episode.gone
      .slice(0, 3)
      .map((it) => `region ${it.region} was without a leader for ${span(it.to - it.from)}`);
    const now = without.length
      ? `Now without a leader: ${without
          .slice(0, 8)
          .map((it) => `region ${it}`)
          .join(", ")}. `
      : "";
    return `${now}${gone.length ? `In this episode ${gone.join(", ")}. ` : ""}As each node told it, by its own clock.`;
  }
}

export function replay(view) {
  const page = new Replay(view);
  page.draw();
  const onKey = (event) => page.onKey(event);
  document.addEventListener("keydown", onKey);
  view.until(() => document.removeEventListener("keydown", onKey));
  let begun = false;
  view.until(
    cluster.onchange(() => {
      if (cluster.own && !begun) {
        begun = true;
        page.load();
      } else if (!begun) page.draw();
    }),
  );
}
