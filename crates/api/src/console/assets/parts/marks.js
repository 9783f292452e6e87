// Small marks that mean the same everywhere. None says anything by its colour alone.

import { h } from "../lib/dom.js";

const KINDS = {
  ALIVE: ["well", "there"],
  SUSPECTED: ["poor", "silent"],
  LOST: ["bad", "lost"],
  NEVER: ["bad", "never heard"],
  active: ["well", "active"],
  transferring: ["poor", "transferring"],
  "read-only": ["poor", "read-only"],
  electing: ["bad", "electing"],
  "no-quorum": ["bad", "no quorum"],
  broken: ["bad", "broken"],
  passing: ["well", "passing"],
  warning: ["poor", "warning"],
  critical: ["bad", "critical"],
  PASSING: ["well", "passing"],
  WARNING: ["poor", "warning"],
  CRITICAL: ["bad", "critical"],
};

const SIGNS = { well: "●", poor: "▲", bad: "■", plain: "·" };

/** A state by its name. */
export function state(name, title) {
  const [kind, word] = KINDS[name] ?? ["plain", name || "unknown"];
  return badge(kind, word, title);
}

export function badge(kind, word, title) {
  return h(
    "span",
    { class: `badge ${kind}`, title: title || false },
    h("i", { "aria-hidden": "true" }, SIGNS[kind] ?? ""),
    word,
  );
}

/** A part of a whole, as a bar; `kind` from how full it is, unless it is said. */
export function bar(part, whole, label, kind) {
  const share = whole > 0 ? Math.min(1, Math.max(0, part / whole)) : 0;
  const full = kind ?? (share > 0.95 ? "bad" : share > 0.85 ? "poor" : "well");
  return h("meter", {
    class: full,
    min: 0,
    max: 1,
    value: share.toFixed(3),
    title: label,
    "aria-label": label,
  });
}
