// Nodes on a circle and the links between them.

import { s } from "../lib/dom.js";
import { cut } from "../lib/format.js";

const SIZE = 320,
  MIDDLE = SIZE / 2,
  RADIUS = 108,
  NODE = 30;
/** More would be a blot; the list beside it has them all. */
const MOST = 12;

/** Where the nodes are drawn: number → [x, y]. */
function places(nodes) {
  const turn = (at) => -Math.PI / 2 + (2 * Math.PI * at) / nodes.length;
  return new Map(
    nodes.map(({ id }, at) => [
      id,
      nodes.length === 1
        ? [MIDDLE, MIDDLE]
        : [MIDDLE + RADIUS * Math.cos(turn(at)), MIDDLE + RADIUS * Math.sin(turn(at))],
    ]),
  );
}

function line([x1, y1], [x2, y2], kind, title) {
  return s(
    "line",
    { x1: x1.toFixed(1), y1: y1.toFixed(1), x2: x2.toFixed(1), y2: y2.toFixed(1), class: `link ${kind}` },
    s("title", {}, title),
  );
}

/** `nodes` are { id, name, kind, big, small, title, colour }, `links` { from, to, kind, title }. */
export function ring(nodes, links, label) {
  const shown = nodes.slice(0, MOST);
  const at = places(shown);
  const drawn = links.filter(({ from, to }) => at.has(from) && at.has(to));
  return s(
    "svg",
    { viewBox: `0 0 ${SIZE} ${SIZE}`, class: "ring", role: "img", "aria-label": label },
    drawn.map(({ from, to, kind, title }) => line(at.get(from), at.get(to), kind, title)),
    shown.map((node) => {
      const [x, y] = at.get(node.id);
      return s(
        "g",
        { class: `node ${node.kind}`, transform: `translate(${x.toFixed(1)} ${y.toFixed(1)})` },
        s("title", {}, node.title ?? node.name),
        s("circle", { r: NODE, class: node.colour ? `node-${node.colour}` : false }),
        s("text", { y: -4, class: "big" }, cut(node.big ?? node.name, 8)),
        s("text", { y: 12, class: "small" }, cut(node.small ?? "", 12)),
      );
    }),
  );
}
