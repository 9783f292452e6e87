// Begins the console: the frame around the pages, and which page an address means.

import { cluster } from "./lib/cluster.js";
import { h, say, show } from "./lib/dom.js";
import { link, parse, replace } from "./lib/route.js";
import { session } from "./lib/session.js";
import { theme } from "./lib/theme.js";
import { View } from "./lib/view.js";
import { bar } from "./parts/frame.js";
import { emptyBox, problemBox } from "./parts/box.js";
import { openHelp, onKey } from "./parts/keyboard.js";
import { openLogin } from "./parts/login.js";
import { map } from "./pages/map.js";
import { replay } from "./pages/replay.js";
import { services } from "./pages/services.js";
import { service } from "./pages/service.js";
import { config } from "./pages/config.js";
import { configs } from "./pages/configs.js";
import { keys } from "./pages/keys.js";
import { key } from "./pages/key.js";
import { sessions } from "./pages/sessions.js";
import { hot } from "./pages/hot.js";

/** Pages in the order of the keys that open them: what is behind a name in the address, too. */
export const PAGES = [
  { name: "map", title: "Cluster map", open: () => map },
  { name: "replay", title: "Replay", open: () => replay },
  { name: "services", title: "Services", open: (route) => (route.rest.length ? service : services) },
  { name: "keys", title: "Keys", open: (route) => (route.rest.length ? key : keys) },
  { name: "config", title: "Configuration", open: (route) => (route.rest.length ? config : configs) },
  { name: "sessions", title: "Leases & watches", open: () => sessions },
  { name: "hot", title: "Hot keys", open: () => hot },
];

const main = document.getElementById("main");
let view = null;

function nav(page) {
  const one = ({ name, title }, at) =>
    h(
      "a",
      { href: link(name), "aria-current": name === page ? "page" : false },
      title,
      h("kbd", { "aria-hidden": "true" }, at + 1),
    );
  show(document.getElementById("nav"), PAGES.map(one));
}

/** Shows the page of the address. A page that breaks leaves a box that says so, never nothing. */
function go() {
  let route = parse(location.hash);
  if (route.page === "") {
    replace(link("map"));
    route = parse(link("map"));
  }
  view?.end();
  show(main);
  view = new View(main, route);
  const page = PAGES.find((page) => page.name === route.page);
  nav(route.page);
  if (!page) {
    view.show(
      "No such page",
      emptyBox(
        `There is no page “${route.page}”`,
        "Choose one of the pages beside this, or go to the ",
        h("a", { href: link("map") }, "cluster map"),
        ".",
      ),
    );
    return;
  }
  try {
    page.open(route)(view);
  } catch (error) {
    console.error(error);
    view.show(page.title, problemBox(error, go));
  }
  say(page.title);
}

function moved() {
  go();
  main.focus({ preventScroll: true });
  scrollTo(0, 0);
}

function frame() {
  show(
    document.getElementById("bar"),
    bar({
      login: openLogin,
      help: () => openHelp(PAGES),
      theme: () => {
        theme.next();
        frame();
      },
    }),
  );
}

/** What nobody caught is shown, too. */
function broke(error) {
  console.error(error);
  if (view && !view.isOver)
    main.prepend(problemBox(error instanceof Error ? error : new Error(String(error)), go));
}

theme.apply();
addEventListener("hashchange", moved);
addEventListener("error", (event) => event.error && broke(event.error));
addEventListener("unhandledrejection", (event) => event.reason?.name !== "AbortError" && broke(event.reason));
document.addEventListener("keydown", (event) =>
  onKey(event, PAGES, () => {
    theme.next();
    frame();
  }),
);
cluster.onchange(frame);
let user = session.token;
session.onchange(() => {
  frame();
  // Another user sees another cluster.
  if (session.token !== user) go();
  user = session.token;
});
cluster.start();
frame();
go();
