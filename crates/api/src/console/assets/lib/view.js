// A page on the screen, for as long as it is there.

import { h, show } from "./dom.js";
import { problemBox } from "../parts/box.js";

export class View {
  constructor(root, route) {
    Object.assign(this, { root, route, ends: [], stop: new AbortController() });
  }

  get signal() {
    return this.stop.signal;
  }

  get isOver() {
    return this.stop.signal.aborted;
  }

  /** Has `end` called when the page is left. */
  until(end) {
    this.ends.push(end);
  }

  /** Shows the page. Nothing is shown of one that was left. */
  show(title, ...parts) {
    if (this.isOver) return;
    document.title = `${title} · Hiraeth`;
    const heading = typeof title === "string" ? h("h1", { tabindex: "-1" }, title) : title;
    show(this.root, heading, ...parts);
  }

  /** Shows what `draw` makes; what it throws is shown in its place. */
  draw(title, draw) {
    try {
      this.show(title, draw());
    } catch (error) {
      console.error(error);
      this.show(
        title,
        problemBox(error, () => location.reload()),
      );
    }
  }

  end() {
    this.stop.abort();
    for (const end of this.ends) end();
  }
}
