// A value: as text, as JSON in order, or as bytes; never more of it than a screen can hold.

import { asText, dump, fromBase64 } from "../lib/bytes.js";
import { h } from "../lib/dom.js";
import { bytes as size } from "../lib/format.js";

const FIRST = 4 << 10,
  MOST = 256 << 10;

function pretty(text) {
  if (!/^\s*[[{]/.test(text)) return null;
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return null;
  }
}

/** A value on a page; it remembers how it is looked at. `changed` is called when it has to be shown again. */
export class Value {
  constructor(base64) {
    this.bytes = fromBase64(base64);
    this.text = asText(this.bytes);
    this.ordered = this.text === null ? null : pretty(this.text);
    this.how = this.text === null ? "bytes" : "text";
    this.most = FIRST;
  }

  /** On one line. */
  get preview() {
    return this.text === null
      ? `0x${Array.from(this.bytes.subarray(0, 24), (it) => it.toString(16).padStart(2, "0")).join("")}`
      : this.text.slice(0, 120).replaceAll("\n", "⏎");
  }

  show(changed) {
    const ways = [
      ["text", this.text !== null],
      ["JSON", this.ordered !== null],
      ["bytes", true],
    ];
    const choose = (how) => () => {
      this.how = how;
      changed();
    };
    const cut = this.bytes.subarray(0, this.most);
    const shown =
      this.how === "bytes" ? dump(cut) : (this.how === "JSON" ? this.ordered : this.text).slice(0, this.most);
    const hidden = this.bytes.length - this.most;
    return h(
      "div",
      { class: "value" },
      h(
        "p",
        { class: "row" },
        ways
          .filter(([, can]) => can)
          .map(([how]) =>
            h(
              "button",
              {
                type: "button",
                class: "plain choice",
                "aria-pressed": String(this.how === how),
                onclick: choose(how),
              },
              how,
            ),
          ),
        h("span", { class: "quiet" }, size(this.bytes.length)),
      ),
      this.bytes.length === 0
        ? h("p", { class: "quiet" }, "The value is empty.")
        : h("pre", { tabindex: "0" }, shown),
      hidden > 0 &&
        this.most < MOST &&
        h(
          "button",
          {
            type: "button",
            class: "plain",
            onclick: () => {
              this.most = Math.min(MOST, this.most * 8);
              changed();
            },
          },
          `More: ${size(hidden)} are not shown`,
        ),
      hidden > 0 &&
        this.most >= MOST &&
        h(
          "p",
          { class: "quiet" },
          `${size(hidden)} are not shown. The whole value: hiraeth kv get, or etcdctl get --print-value-only.`,
        ),
    );
  }
}
