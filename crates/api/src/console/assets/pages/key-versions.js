// The versions of a key, the newest first, each with its value and what differs from the one before.

import { h } from "../lib/dom.js";
import { diff } from "../lib/diff.js";
import { count } from "../lib/format.js";
import { badge } from "../parts/marks.js";

function title(page, version) {
  const value = version.gone ? "" : page.value(version).preview;
  return h(
    "summary",
    {},
    h("span", { class: "revision" }, `revision ${count(version.revision)}`),
    version.gone
      ? badge("bad", "deleted")
      : badge("well", version.version === 1 ? "made" : `version ${count(version.version)}`),
    h("code", { class: "preview" }, value),
  );
}

/** What the one before this was, if it is there and a text. */
function differences(page, version, older) {
  if (!older || older.gone || version.gone) return null;
  const [one, other] = [page.value(older), page.value(version)];
  if (one.text === null || other.text === null) return null;
  const lines = diff(one.ordered ?? one.text, other.ordered ?? other.text);
  if (!lines?.some((line) => line.kind !== "same"))
    return h("p", { class: "quiet" }, lines ? "The same value as before." : "Too long to compare.");
  const signs = { same: "  ", gone: "− ", new: "+ " };
  return [
    h("h4", {}, `What differs from revision ${count(older.revision)}`),
    h(
      "pre",
      { class: "diff", tabindex: "0" },
      lines.map(({ kind, text }) => h("span", { class: kind }, signs[kind] + text + "\n")),
    ),
  ];
}

function one(page, version, older, changed) {
  return h(
    "details",
    { class: "version", "data-key": `revision-${version.revision}` },
    title(page, version),
    version.gone
      ? h("p", { class: "quiet" }, "The key was deleted, or its lease ended.")
      : [page.value(version).show(changed), differences(page, version, older)],
  );
}

function end(page, { older, lives }) {
  const button = (text, onclick) => h("button", { type: "button", class: "plain more", onclick }, text);
  if (page.end === "sharded") return h("p", { class: "quiet" }, "Sharded keyspaces keep no older revisions.");
  if (page.end === "compacted")
    return h("p", { class: "quiet" }, "What was before was compacted: it is gone for good.");
  if (page.end === "more") return button("Older versions", older);
  if (page.earlier === "asking")
    return h("p", { class: "quiet", "aria-busy": "true" }, "Looking for earlier lives of the key…");
  if (page.earlier === "") return button("Look for what was before it was made", lives);
  if (page.earlier === "more")
    return h(
      "p",
      { class: "quiet" },
      "There may be more: this looks for some seconds, and takes 300 changes at most.",
    );
  return h("p", { class: "quiet" }, page.all.length ? "That is all since the compaction." : "");
}

export function versions(page, { older, lives, changed }) {
  return [
    page.all.map((version, at) => one(page, version, page.all[at + 1], changed)),
    end(page, { older, lives }),
  ];
}
