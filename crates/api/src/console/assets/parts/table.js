// A list: bounded, with a filter, and more on request.

import { h } from "../lib/dom.js";
import { count } from "../lib/format.js";

/** Rows at first, and how many more each time. */
const ROWS = 50;

/** A list that remembers what was typed and how much was opened. `columns` are { title, cell(row), kind, text(row) };
    `text` is what the filter looks at. `changed` is called when it has to be shown again. */
export class List {
  constructor({ name, key, columns, empty, rows = ROWS }) {
    Object.assign(this, { name, key, columns, empty, most: rows, step: rows, filter: "" });
  }

  /** `known` is how many there are, where only the first of them are in `all` until more are wanted. */
  show(all, changed, known = 0) {
    const wanted = this.filter.toLowerCase();
    const matches = (row) => this.columns.some(({ text }) => text?.(row)?.toLowerCase().includes(wanted));
    const found = wanted ? all.filter(matches) : all;
    const shown = found.slice(0, this.most);
    const rest = (wanted ? found.length : Math.max(found.length, known)) - shown.length;
    return h(
      "div",
      { class: "list" },
      (all.length > 5 || wanted) && this.field(all, found, changed),
      shown.length > 0
        ? h("div", { class: "scroll" }, this.table(shown))
        : h("p", { class: "quiet" }, wanted ? `Nothing has “${this.filter}” in it.` : this.empty),
      rest > 0 &&
        h(
          "button",
          {
            type: "button",
            class: "plain more",
            onclick: () => {
              this.most += this.step;
              changed();
            },
          },
          `${count(Math.min(rest, this.step))} more of ${count(rest)}`,
        ),
    );
  }

  field(all, found, changed) {
    return h(
      "p",
      { class: "filter" },
      h("input", {
        type: "search",
        class: "find",
        placeholder: `Filter ${this.name}`,
        "aria-label": `Filter ${this.name}`,
        value: this.filter,
        oninput: (event) => {
          this.filter = event.target.value;
          this.most = this.step;
          changed();
        },
      }),
      h(
        "span",
        { class: "quiet" },
        found.length === all.length ? count(all.length) : `${count(found.length)} of ${count(all.length)}`,
      ),
    );
  }

  table(rows) {
    return h(
      "table",
      { "aria-label": this.name },
      h(
        "thead",
        {},
        h(
          "tr",
          {},
          this.columns.map((it) => h("th", { scope: "col", class: it.kind }, it.title)),
        ),
      ),
      h(
        "tbody",
        {},
        rows.map((row) =>
          h(
            "tr",
            { "data-key": this.key(row) },
            this.columns.map(({ cell, kind, title }) =>
              h("td", { class: kind, "data-title": title }, cell(row)),
            ),
          ),
        ),
      ),
    );
  }
}
