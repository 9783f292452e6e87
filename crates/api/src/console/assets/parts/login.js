// Asks who asks. The password goes to the server and is forgotten; the token stays in this page's memory.

import { etcd } from "../lib/api.js";
import { h, say, show } from "../lib/dom.js";
import { session } from "../lib/session.js";

let dialog = null;

function close() {
  dialog?.close();
  dialog?.remove();
  dialog = null;
}

async function submit(event) {
  event.preventDefault();
  const form = event.target;
  const name = form.elements.name.value;
  const wrong = form.querySelector(".wrong");
  show(wrong, "");
  try {
    const told = await etcd("auth/authenticate", { name, password: form.elements.password.value });
    session.began(name, told.token);
    say(`Logged in as ${name}`);
    close();
  } catch (problem) {
    show(wrong, problem.words ?? String(problem));
    form.elements.password.value = "";
    form.elements.password.focus();
  }
}

/** Opens the dialog; it is one, however often it is asked for. */
export function openLogin() {
  if (dialog) return;
  dialog = h(
    "dialog",
    { "aria-labelledby": "login-title", onclose: close },
    h(
      "form",
      { onsubmit: submit },
      h("h2", { id: "login-title" }, "Log in"),
      h(
        "p",
        { class: "quiet" },
        "A user of this cluster (etcdctl user add). Only this page knows the token, until it is closed or loaded again.",
      ),
      h(
        "label",
        {},
        "User",
        h("input", { name: "name", autocomplete: "username", required: true, autofocus: true }),
      ),
      h(
        "label",
        {},
        "Password",
        h("input", { name: "password", type: "password", autocomplete: "current-password" }),
      ),
      h("p", { class: "wrong", role: "alert" }),
      h(
        "p",
        { class: "row" },
        h("button", { type: "submit" }, "Log in"),
        h("button", { type: "button", class: "plain", onclick: close }, "Not now"),
      ),
    ),
  );
  document.body.append(dialog);
  dialog.showModal();
}
