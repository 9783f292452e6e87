// What the console's modules work out by themselves, without a browser: node --test compat/console/units.test.mjs
import assert from "node:assert/strict";
import { test } from "node:test";

const from = (path) => import(new URL(`../../crates/api/src/console/assets/${path}`, import.meta.url));
const { asText, fromBase64, keyBytes, keyText, rangeText, toBase64 } = await from("lib/bytes.js");
const { spare } = await from("lib/regions.js");
const { cluster } = await from("lib/cluster.js");
const { Value, begin, pretty } = await from("parts/value.js");
const { apart, episodes } = await from("lib/flight.js");
const { choose } = await from("lib/route.js");

const base64 = (bytes) => toBase64(typeof bytes === "string" ? new TextEncoder().encode(bytes) : bytes);

test("JSON keeps its numbers, its order and what is there twice", () => {
  const text = '{"b":9007199254740993,"10":[],"2":[ 1.50 , {"x" : "a, \\"{b\\" "} ],"b":{ },"c":1e999}';
  const lines = pretty(text);
  assert.equal(
    lines,
    [
      "{",
      '  "b": 9007199254740993,',
      '  "10": [],',
      '  "2": [',
      "    1.50,",
      "    {",
      '      "x": "a, \\"{b\\" "',
      "    }",
      "  ],",
      '  "b": {},',
      '  "c": 1e999',
      "}",
    ].join("\n"),
  );
  assert.equal(lines.replaceAll(/\s/g, ""), text.replaceAll(/\s/g, ""));
  assert.equal(pretty(lines), lines);
  assert.equal(pretty("\ufeff[1]"), "[\n  1\n]");
  for (const none of ["{", "7", "[1,]", "{'a':1}", ""]) assert.equal(pretty(none), null, none);
});

test("what is not shown is counted in bytes of what would be", () => {
  const value = new Value(base64("ä".repeat(5_000)));
  assert.deepEqual([value.cut().shown.length, value.cut().hidden], [4_096, 2 * 904]);
  const json = new Value(base64(JSON.stringify(Array(1_000).fill(1))));
  assert.equal(json.cut().hidden, 0);
  json.how = "JSON";
  assert.equal(json.cut().shown.length + json.cut().hidden, json.ordered.length);
  assert.ok(json.cut().hidden > 0);
  const bytes = new Value(base64(new Uint8Array(5_000).fill(255)));
  assert.equal(bytes.cut().hidden, 904);
  assert.equal(begin("a😀b", 2), "a");
  assert.equal(begin("a😀", 3), "a😀");
});

test("keys are written so that they are found again, and nothing in them is invisible", () => {
  for (const text of ["app/name", "ä", "\ufeffa", "a\u200b", "0x41", " "]) {
    const bytes = new TextEncoder().encode(text);
    assert.deepEqual(keyBytes(keyText(bytes)), bytes, text);
  }
  assert.equal(keyText(new TextEncoder().encode("\ufeffa")), "0xefbbbf61");
  assert.equal(asText(fromBase64(base64("\ufeffa"))), "\ufeffa");
});

test("ranges are told as what was asked for", () => {
  const told = (start, end) => rangeText(base64(start), end === undefined ? undefined : base64(end));
  assert.equal(told("a", "a\0"), "a");
  assert.equal(told("app/", "app0"), "app/…");
  assert.equal(told(Uint8Array.of(97, 255), "b"), "0x61ff…");
  // The last byte alone makes no prefix.
  assert.equal(told("xpp/", "app0"), "xpp/ up to app0");
  assert.equal(told("a", "c"), "a up to c");
  assert.equal(told("a"), "a and all behind it");
  assert.equal(told("a", "\0"), "a and all behind it");
  assert.equal(told(Uint8Array.of(255), "\0"), "0xff and all behind it");
  for (const all of [told("", undefined), told("\0", "\0"), told("\0", undefined)])
    assert.equal(all, "all keys");
  assert.equal(told("", "b"), "the first up to b");
});

test("how many more may be lost", () => {
  const all = [
    [1, 1, 0],
    [2, 2, 0],
    [3, 3, 1],
    [3, 2, 0],
    [4, 4, 1],
    [4, 3, 0],
    [5, 4, 1],
    [5, 3, 0],
    [5, 2, -1],
  ];
  for (const [voters, there, more] of all) assert.equal(spare(voters, there), more, `${there} of ${voters}`);
});

test("who is suspected is there, who is lost is not", () => {
  const seen = ["ALIVE", "SUSPECTED", "LOST", "NEVER", undefined].map((state, at) => ({ node: at + 2, state }));
  cluster.own = { node: 1, seen };
  assert.deepEqual(
    [1, 2, 3, 4, 5, 6, 7].map((id) => cluster.isThere(id)),
    [true, true, true, false, false, false, false],
  );
  cluster.own = null;
});

test("a region of which was told together with others is not without a leader for ever", () => {
  const told = [
    { kind: "leader", region: 2, leader: 1, term: 2, at: 1_000, by: 3 },
    { kind: "link", node: 1, there: false, at: 5_000, by: 3 },
    { kind: "leaders", regions: 3, by_leader: { 0: 1, 2: 2 }, last: [[2, 2, 3, 800]], at: 5_907, by: 3 },
  ];
  const events = told.flatMap(apart).sort((one, other) => one.at - other.at);
  const [episode] = episodes(events);
  assert.deepEqual(episode.gone, [{ region: 2, from: 5_000, to: 5_107 }]);
  assert.match(episode.title, /2 elections, longest without a leader 107 ms/);
  // Of too many, and of a version that did not say it.
  const { last, ...before } = told[2];
  assert.deepEqual(apart(before), [before]);
  assert.match(episodes([told[0], before])[0].title, /4 elections/);
});

test("a choice holds though the browser takes no more addresses", () => {
  globalThis.location = { hash: "#/keys" };
  let asked = 0;
  globalThis.history = {
    replaceState() {
      asked += 1;
      throw new DOMException("too many calls", "SecurityError");
    },
  };
  const warn = console.warn;
  console.warn = () => {};
  choose({ prefix: "a" });
  console.warn = warn;
  assert.equal(asked, 1);
});
