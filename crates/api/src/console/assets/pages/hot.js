// What is asked for most, over all nodes.

import { askNodes, cluster } from "../lib/cluster.js";
import { fromBase64, keyText } from "../lib/bytes.js";
import { h } from "../lib/dom.js";
import { count, number } from "../lib/format.js";
import { link } from "../lib/route.js";
import { every } from "../lib/stream.js";
import { emptyBox, problemBox } from "../parts/box.js";
import { badge, bar } from "../parts/marks.js";
import { pending } from "../parts/pending.js";
import { List } from "../parts/table.js";

const AGAIN_MS = 3_000;

/** Rates of one thing through several nodes, added. */
function gather(all, key, what, node, rate) {
  const known = all.get(key) ?? { ...what, rate: 0, through: new Map() };
  known.rate += rate;
  known.through.set(node, (known.through.get(node) ?? 0) + rate);
  known.bounded ||= Boolean(what.bounded);
  all.set(key, known);
}

function together(answers) {
  const regions = new Map(),
    keys = new Map();
  for (const { node, answer } of answers) {
    for (const region of answer.regions ?? []) {
      const keyspace = region.keyspace_name || "(meta)";
      gather(regions, region.region, { region: region.region, keyspace }, node, number(region.rate));
      for (const hot of region.keys ?? []) {
        gather(
          keys,
          `${keyspace}/${hot.key}`,
          { key: keyText(fromBase64(hot.key)), keyspace, bounded: hot.bounded },
          node,
          number(hot.rate),
        );
      }
    }
  }
  const sorted = (all) => [...all.values()].sort((one, other) => other.rate - one.rate);
  return { regions: sorted(regions), keys: sorted(keys) };
}

const through = (it) =>
  [...it.through].map(([node, rate]) => `${cluster.name(node)} ${count(rate)}`).join(", ");

export function hot(view) {
  let told = null,
    problems = [],
    most = 1;
  const rate = (it) => [bar(it.rate, most, `${it.rate} a second`, "plain"), ` ${count(it.rate)}/s`];
  const keys = new List({
    name: "keys",
    key: (it) => `${it.keyspace}/${it.key}`,
    empty: "No key stands out.",
    columns: [
      {
        title: "Key",
        cell: (it) =>
          h(
            "a",
            {
              class: "key",
              href: link("keys", it.key, { keyspace: it.keyspace === "default" ? "" : it.keyspace }),
            },
            it.key,
          ),
        text: (it) => it.key,
      },
      { title: "Keyspace", cell: (it) => it.keyspace, text: (it) => it.keyspace },
      { title: "Requests", cell: rate },
      { title: "Through", cell: through, text: through },
      { title: "Bound", cell: (it) => (it.bounded ? badge("poor", "refused above --key-requests") : "–") },
    ],
  });
  const regions = new List({
    name: "regions",
    key: (it) => `region-${it.region}`,
    empty: "No region is asked for anything.",
    columns: [
      { title: "Region", kind: "number", cell: (it) => it.region, text: (it) => `${it.region}` },
      { title: "Keyspace", cell: (it) => it.keyspace, text: (it) => it.keyspace },
      { title: "Requests", cell: rate },
      { title: "Through", cell: through, text: through },
    ],
  });
  const draw = () =>
    view.draw("Hot keys", () => {
      if (!told && problems.length) return problemBox(problems[0], () => location.reload());
      if (!told) return pending("rates");
      if (told.regions.length === 0) {
        return emptyBox(
          "Nobody asks for anything",
          "This is a sample of the last seconds, of what clients ask through each node.",
        );
      }
      most = Math.max(told.regions[0].rate, 1);
      return [
        h("p", { class: "quiet" }, "A sample of the last seconds: one request in 64 is looked at."),
        problems.map((problem) =>
          h("p", { class: "wrong" }, `${cluster.name(problem.node)} did not answer: ${problem.came}`),
        ),
        h("h2", {}, "Keys"),
        keys.show(told.keys, draw),
        h("h2", {}, "Regions"),
        regions.show(told.regions, draw),
      ];
    });
  const look = async (signal) => {
    const found = await askNodes("Node/Hot", {}, signal);
    if (view.isOver) return;
    problems = found.problems;
    if (found.answers.length) told = together(found.answers);
    draw();
  };
  draw();
  let end = null;
  view.until(
    cluster.onchange(() => {
      if (!cluster.own || end) return end || draw();
      end = every(AGAIN_MS, look);
      view.until(end);
    }),
  );
}
