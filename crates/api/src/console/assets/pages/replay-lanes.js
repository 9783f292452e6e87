// An episode as a drawing: a lane for each node, when it was there, and for each region, who led it when.

import { cluster } from "../lib/cluster.js";
import { s } from "../lib/dom.js";
import { clock, span } from "../lib/format.js";
import { take } from "../lib/flight.js";
import { places } from "./replay-events.js";

const WIDTH = 1000,
  LEFT = 130,
  LANE = 26,
  GAP = 6,
  TOP = 22;
/** Regions that get a lane, those that changed most. */
const LANES = 12;

/** The node's place among all, which is its colour. */
export function colour(id) {
  const at = cluster.nodes().findIndex((node) => Number(node.id) === Number(id));
  return at < 0 ? 0 : (at % 8) + 1;
}

/** What changed when: for each node and region its pieces { from, to, value }. */
function pieces(before, { events, from, to }) {
  const lanes = new Map();
  const set = (lane, value, at) => {
    const all = lanes.get(lane) ?? [];
    const last = all.at(-1);
    if (last && JSON.stringify(last.value) === JSON.stringify(value)) return;
    if (last) last.to = at;
    all.push({ from: at, to, value });
    lanes.set(lane, all);
  };
  for (const node of cluster.nodes())
    set(`node ${node.id}`, { there: before.nodes.get(Number(node.id)) ?? true }, from);
  const changed = new Map();
  for (const { kind, region } of events)
    if (kind === "leader") changed.set(region, (changed.get(region) ?? 0) + 1);
  const chosen = [...changed]
    .sort(([, one], [, other]) => other - one)
    .slice(0, LANES)
    .map(([region]) => region)
    .sort((a, b) => a - b);
  for (const region of chosen) set(`region ${region}`, before.regions.get(region) ?? null, from);
  const moved = [
    ...new Set(events.filter(({ kind }) => kind === "replicas").map(({ region }) => region)),
  ].slice(0, LANES);
  for (const region of moved) set(`region ${region} on`, before.replicas.get(region) ?? null, from);
  const known = before;
  for (const event of events) {
    take(known, event);
    for (const region of moved) set(`region ${region} on`, known.replicas.get(region) ?? null, event.at);
    for (const [id, there] of known.nodes)
      if (lanes.has(`node ${id}`)) set(`node ${id}`, { there }, event.at);
    for (const region of chosen) set(`region ${region}`, known.regions.get(region) ?? null, event.at);
  }
  return { lanes, hidden: changed.size - chosen.length };
}

function look(name, value) {
  if (name.startsWith("node")) {
    const id = Number(name.slice(5));
    return value.there
      ? { css: `piece node-${colour(id)}`, text: "there" }
      : { css: "piece nobody", text: "not there" };
  }
  if (!value) return { css: "piece unknown", text: "not told" };
  if (name.endsWith(" on")) return { css: "piece place", text: places(value) };
  if (value.leader === 0) return { css: "piece nobody", text: "nobody" };
  return {
    css: `piece node-${colour(value.leader)}`,
    text: `${cluster.name(value.leader)}, term ${value.term}`,
  };
}

/** Lanes, made once for an episode, since what is told does not change any more: { at, hidden }, where `at` gives the
    drawing at a moment. `before` is what was true when the episode began. */
export function lanes(before, episode) {
  const { lanes, hidden } = pieces(before, episode);
  const { from, to } = episode;
  const x = (at) => LEFT + ((at - from) / (to - from)) * (WIDTH - LEFT);
  const height = TOP + lanes.size * (LANE + GAP);
  const rows = [...lanes].map(([name, all], row) => {
    const y = TOP + row * (LANE + GAP);
    const label = name.startsWith("node") ? cluster.name(name.slice(5)) : name;
    return s(
      "g",
      {},
      s("text", { x: 4, y: y + 17, class: "lane" }, label),
      all.map((piece) => {
        const { css, text } = look(name, piece.value);
        const width = Math.max(1.5, x(piece.to) - x(piece.from));
        return s(
          "g",
          {},
          s("title", {}, `${label}: ${text}, ${span(piece.to - piece.from)} from ${clock(piece.from)}`),
          s("rect", { x: x(piece.from).toFixed(1), y, width: width.toFixed(1), height: LANE, class: css }),
          width > text.length * 7 &&
            s("text", { x: (x(piece.from) + 6).toFixed(1), y: y + 17, class: "in" }, text),
        );
      }),
    );
  });
  const marks = Array.from({ length: 5 }, (_, at) => from + ((to - from) * at) / 4);
  const drawing = s(
    "svg",
    {
      viewBox: `0 0 ${WIDTH} ${height}`,
      class: "lanes",
      role: "img",
      "aria-label": "Who was there, and who led which region when",
    },
    marks.map((at, index) =>
      s(
        "text",
        {
          x: x(at).toFixed(1),
          y: 14,
          class: "mark",
          "text-anchor": index === 0 ? "start" : index === 4 ? "end" : "middle",
        },
        index === 0 ? clock(at) : `+${span(at - from)}`,
      ),
    ),
    rows,
    s("line", { x1: LEFT, x2: LEFT, y1: TOP - 4, y2: height, class: "head" }),
  );
  const head = drawing.lastChild;
  const at = (moment) => {
    for (const name of ["x1", "x2"]) head.setAttribute(name, x(moment).toFixed(1));
    return drawing.cloneNode(true);
  };
  return { at, hidden };
}
