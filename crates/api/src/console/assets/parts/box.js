// What stands where something else was hoped for.

import { h } from "../lib/dom.js";
import { openLogin } from "./login.js";

/** What went wrong: what was asked, what came back, what to do. */
export function problemBox(problem, again) {
  const wantsUser = problem.wantsUser || problem.isForbidden;
  return h(
    "section",
    { class: "box bad", role: "alert" },
    h(
      "h2",
      {},
      problem.wantsUser ? "Who is asking?" : problem.isForbidden ? "This user may not" : "This did not work",
    ),
    h(
      "dl",
      { class: "facts" },
      h("dt", {}, "Asked"),
      h("dd", {}, h("code", {}, problem.asked ?? location.hash)),
      h("dt", {}, "Came back"),
      h("dd", {}, h("code", {}, problem.came ?? String(problem.message ?? problem))),
      h("dt", {}, "What to do"),
      h(
        "dd",
        {},
        problem.advice ??
          "Load the page again. If it stays, this is a bug of the console: please tell us what it says here.",
      ),
    ),
    h(
      "p",
      { class: "row" },
      wantsUser && h("button", { type: "button", onclick: openLogin }, "Log in"),
      again && h("button", { type: "button", class: "plain", onclick: again }, "Try again"),
    ),
  );
}

/** Nothing is there, and why. */
export function emptyBox(title, ...more) {
  return h("section", { class: "box" }, h("h2", {}, title), h("p", {}, ...more));
}

export function waiting(what) {
  return h("p", { class: "quiet", "aria-busy": "true" }, `Asking for ${what}…`);
}
