// Everything by keyboard: numbers open pages, "/" goes to the filter, "t" changes the colours, "?" tells of it.

import { h } from "../lib/dom.js";
import { link } from "../lib/route.js";

function isTyping(element) {
  return element?.matches?.("input, textarea, select, [contenteditable]");
}

export function onKey(event, pages, changeTheme) {
  if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
  if (event.key === "Escape" && isTyping(event.target)) return event.target.blur();
  if (isTyping(event.target) || document.querySelector("dialog[open]")) return;
  const page = pages[Number(event.key) - 1];
  if (page) location.hash = link(page.name);
  else if (event.key === "t") changeTheme();
  else if (event.key === "?") openHelp(pages);
  else if (event.key === "/") document.querySelector("main .find")?.focus();
  else return;
  event.preventDefault();
}

export function openHelp(pages) {
  const line = (key, what) => [h("dt", {}, h("kbd", {}, key)), h("dd", {}, what)];
  const dialog = h(
    "dialog",
    { "aria-labelledby": "help-title" },
    h("h2", { id: "help-title" }, "Keys"),
    h(
      "dl",
      { class: "facts" },
      pages.map(({ title }, at) => line(at + 1, title)),
      line("/", "the filter of the page"),
      line("Space", "replay: play and pause"),
      line("← →", "replay: the event before, the event after"),
      line("t", "colours: as the system, light, dark"),
      line("Esc", "leave a field, close a dialog"),
    ),
    h(
      "p",
      { class: "quiet" },
      "The console changes nothing without asking first. What it shows can be had as text: ",
      h("code", {}, "hiraeth status | raft stats | hot | flight | service | kv | config"),
      ".",
    ),
    h(
      "p",
      { class: "row" },
      h("button", { type: "button", autofocus: true, onclick: () => dialog.close() }, "Close"),
    ),
  );
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
}
