// A value: as text, as JSON in order, or as bytes; never more of it than a screen can hold.

import { asText, dump, fromBase64 } from "../lib/bytes.js";
import { h } from "../lib/dom.js";
import { bytes as size } from "../lib/format.js";

const FIRST = 4 << 10,
  MOST = 256 << 10;

/** JSON in lines, or null if it is none. Only the space between its parts is changed: read and written again, numbers
    beyond 2^53 would be others, names that are numbers would stand first, and names that are there twice once. */
export function pretty(text) {
  const json = text.replace(/^\ufeff/, "");
  if (!/^\s*[[{]/.test(json)) return null;
  try {
    JSON.parse(json);
  } catch {
    return null;
  }
  let depth = 0,
    all = "";
  const line = () => "\n" + "  ".repeat(depth);
  // What it is made of: strings, numbers and words, and signs; an opening and its end are one if nothing is between.
  for (const [part] of json.matchAll(/"(?:[^"\\]|\\.)*"|\[\s*\]|\{\s*\}|[[\]{},:]|[^\s"[\]{},:]+/g)) {
    if (part === "{" || part === "[") {
      depth += 1;
      all += part + line();
    } else if (part === "}" || part === "]") {
      depth -= 1;
      all += line() + part;
    } else if (part === ",") all += part + line();
    else if (part === ":") all += ": ";
    else all += /^[[{]/.test(part) ? part[0] + part.at(-1) : part;
  }
  return all;
}

/** As much of a text as `most` characters are, without half of one at the end. */
export function begin(text, most) {
  const isHalf = /[\ud800-\udbff]/.test(text[most - 1] ?? "");
  return text.slice(0, most - (isHalf && most < text.length ? 1 : 0));
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

  /** What is shown, and how many bytes of that are not: of JSON in lines, which is longer than the value is. */
  cut() {
    if (this.how === "bytes") {
      const cut = this.bytes.subarray(0, this.most);
      return { shown: dump(cut), hidden: this.bytes.length - cut.length };
    }
    const whole = this.how === "JSON" ? this.ordered : this.text;
    const shown = begin(whole, this.most);
    return { shown, hidden: new TextEncoder().encode(whole.slice(shown.length)).length };
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
    const { shown, hidden } = this.cut();
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
