// Asks before something is done, and says what will be; tells in the same place what went wrong.

import { h, say, show } from "../lib/dom.js";

/** Opens a dialog. `act` is called with what was typed as the reason, and may throw a Problem; `done` afterwards. */
export function confirm({ title, text, button, reason, act, done }) {
  const wrong = h("p", { class: "wrong", role: "alert" });
  const go = h("button", { type: "submit" }, button);
  const submit = async (event) => {
    event.preventDefault();
    go.disabled = true;
    show(wrong, "");
    try {
      await act(event.target.elements.reason.value);
      dialog.close();
      say(`${title}: done`);
      done();
    } catch (problem) {
      show(wrong, problem.words ?? String(problem));
      go.disabled = false;
    }
  };
  const dialog = h(
    "dialog",
    { "aria-labelledby": "confirm-title" },
    h(
      "form",
      { onsubmit: submit },
      h("h2", { id: "confirm-title" }, title),
      h("p", {}, text),
      h("label", {}, reason, h("input", { name: "reason", maxlength: 200, autocomplete: "off" })),
      wrong,
      h(
        "p",
        { class: "row" },
        go,
        h("button", { type: "button", class: "plain", autofocus: true, onclick: () => dialog.close() }, "Cancel"),
      ),
    ),
  );
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
}
