// The bar above every page: how the cluster is, which node tells it, and who is asking.

import { cluster } from "../lib/cluster.js";
import { h } from "../lib/dom.js";
import { span } from "../lib/format.js";
import { verdict } from "../lib/regions.js";
import { link } from "../lib/route.js";
import { session } from "../lib/session.js";
import { theme } from "../lib/theme.js";
import { badge } from "./marks.js";

const THEMES = { auto: "◐", light: "☀", dark: "☾" };

function who(login) {
  if (session.user) {
    return h(
      "button",
      { type: "button", class: "plain", title: "Forget the token", onclick: () => session.ended() },
      `${session.user}: log out`,
    );
  }
  return session.problem && h("button", { type: "button", onclick: login }, "Log in");
}

/** Other nodes' consoles, for when this node does not answer. */
function elsewhere() {
  const own = cluster.own?.node;
  return cluster
    .nodes()
    .filter((node) => node.id !== own && node.client_address)
    .slice(0, 5)
    .map((node) => [
      " ",
      h("a", { href: `${location.protocol}//${node.client_address}/ui/${location.hash}` }, node.name),
    ]);
}

export function bar({ login, help, theme: change }) {
  const { kind, text, more } = verdict();
  const own = cluster.own;
  return [
    h(
      "a",
      { class: "brand", href: link("map") },
      h("img", { src: "icon.svg", alt: "", width: 24, height: 24 }),
      "Hiraeth",
    ),
    h("span", { class: "verdict", title: more }, badge(kind, text)),
    h(
      "span",
      { class: "quiet told" },
      own ? `told by ${cluster.name(own.node)}, cluster ${(own.cluster ?? "").slice(0, 8)}` : "",
    ),
    h(
      "span",
      { class: "row end" },
      who(login),
      h(
        "button",
        {
          type: "button",
          class: "plain",
          "aria-label": `Colours: ${theme.now}`,
          title: `Colours: ${theme.now} (t)`,
          onclick: change,
        },
        THEMES[theme.now],
      ),
      h(
        "button",
        {
          type: "button",
          class: "plain",
          "aria-label": "Keys and help",
          title: "Keys and help (?)",
          onclick: help,
        },
        "?",
      ),
    ),
    cluster.problem &&
      h(
        "p",
        { class: "stale", role: "alert" },
        `This node does not answer (${cluster.problem.words}).`,
        own && ` What you see was true ${span(Date.now() - cluster.at)} ago.`,
        " It is asked again by itself.",
        own && " Ask another one:",
        own && elsewhere(),
      ),
  ];
}
