// The versions of a configuration that are kept: what each says, what differs between two, and the way back.

import { h } from "../lib/dom.js";
import { bytes, count, number } from "../lib/format.js";
import { badge } from "../parts/marks.js";
import { when } from "./configs.js";

const ORIGINS = { GRAY: "gray release", ROLLBACK: "rollback" };
const OUTCOMES = {
  PROMOTED: ["well", "promoted"],
  ABORTED: ["plain", "aborted"],
  ROLLED_BACK: ["bad", "rolled back"],
};

/** Lines of a difference, each with what it is. */
export function differences(text) {
  if (!text) return h("p", { class: "quiet" }, "Nothing differs.");
  const kind = (line) =>
    /^(---|\+\+\+|@@)/.test(line) ? "hunk" : line[0] === "-" ? "gone" : line[0] === "+" ? "new" : "same";
  const lines = text.replace(/\n$/, "").split("\n").slice(0, 4_000);
  return h(
    "pre",
    { class: "diff", tabindex: "0" },
    lines.map((line) => h("span", { class: kind(line) }, line + "\n")),
  );
}

function marks(page, version) {
  const [kind, word] = OUTCOMES[version.outcome] ?? [];
  const is = (other) => number(version.version) === number(other);
  return [
    is(page.history.stable) && badge("well", "current"),
    number(page.history.gray) > 0 && is(page.history.gray) && badge("poor", "for some"),
    word && badge(kind, word, version.outcome_why),
  ];
}

function one(page, version) {
  const at = number(version.version);
  const shown = page.contents.get(page.key(at));
  const how = ORIGINS[version.origin] ?? "release";
  return h(
    "details",
    { class: "version", "data-key": `version-${at}`, ontoggle: (event) => event.target.open && page.read(at) },
    h(
      "summary",
      {},
      h("span", { class: "revision" }, `version ${count(at)}`),
      marks(page, version),
      h("span", {}, version.origin === "ROLLBACK" ? `${how} to ${count(version.of)}` : how),
      h("span", { class: "quiet" }, `${when(version.at_ms)}, ${bytes(version.bytes)}`),
      version.author && h("span", {}, `by ${version.author}`),
      h("span", { class: "preview" }, version.comment || version.outcome_why || ""),
    ),
    version.outcome_why && h("p", { class: "quiet" }, `${version.outcome_why}, ${when(version.outcome_at_ms)}`),
    shown ? shown.show(() => page.draw()) : h("p", { class: "quiet" }, "Asking for its content…"),
    h(
      "p",
      { class: "row" },
      number(page.history.stable) !== at &&
        number(page.history.gray) === 0 &&
        h("button", { type: "button", class: "back", onclick: () => page.back(at) }, `Go back to version ${count(at)}`),
    ),
  );
}

function choice(page, name, label, selected) {
  const versions = page.history.versions ?? [];
  return h(
    "label",
    {},
    label,
    " ",
    h(
      "select",
      { name, value: String(selected), onchange: (event) => page.compare({ [name]: number(event.target.value) }) },
      versions.map((it) =>
        h("option", { value: it.version, selected: number(it.version) === selected }, `version ${it.version}`),
      ),
    ),
  );
}

export function versions(page) {
  const all = page.history.versions ?? [];
  return [
    all.length > 1 && [
      h("h2", {}, "What differs"),
      h("p", { class: "row" }, choice(page, "from", "From", page.from), choice(page, "to", "to", page.to)),
      page.diff === null ? h("p", { class: "quiet", "aria-busy": "true" }, "Comparing…") : differences(page.diff),
    ],
    h("h2", {}, `Versions, of which ${count(page.history.keep)} are kept`),
    all.map((version) => one(page, version)),
  ];
}
