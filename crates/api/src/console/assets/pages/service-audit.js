// The push audit of a service on the node that is asked: its readers, and the newest pushes.

import { cluster } from "../lib/cluster.js";
import { h } from "../lib/dom.js";
import { count, micros, number, span } from "../lib/format.js";
import { badge } from "../parts/marks.js";
import { pending } from "../parts/pending.js";
import { List } from "../parts/table.js";

const readers = new List({
  name: "readers",
  key: (it) => `reader-${it.label}`,
  rows: 20,
  empty: "Nobody is subscribed through this node.",
  columns: [
    { title: "Reader", cell: (it) => h("code", {}, it.label), text: (it) => it.label },
    { title: "Sent", kind: "number", cell: (it) => count(it.sent) },
    {
      title: "Acknowledged",
      kind: "number",
      cell: (it) =>
        number(it.acknowledged) >= number(it.sent)
          ? badge("well", count(it.acknowledged))
          : badge("poor", `${count(it.acknowledged)}, behind`),
    },
    { title: "Took", kind: "number", cell: (it) => (number(it.took_us) ? micros(it.took_us) : "–") },
  ],
});

const pushes = new List({
  name: "pushes",
  key: (it) => `push-${it.version}`,
  rows: 20,
  empty: "Nothing was pushed by this node yet.",
  columns: [
    { title: "Version", kind: "number", cell: (it) => count(it.version) },
    { title: "When", kind: "number", cell: (it) => `${span(it.ago_ms)} ago` },
    { title: "Changed", kind: "number", cell: (it) => count(it.changed) },
    { title: "Gone", kind: "number", cell: (it) => count(it.gone) },
    {
      title: "Have it",
      cell: (it) =>
        badge(
          number(it.acknowledged) >= number(it.readers) ? "well" : "poor",
          `${count(it.acknowledged)} of ${count(it.readers)}`,
        ),
    },
    { title: "Slowest", kind: "number", cell: (it) => (number(it.slowest_us) ? micros(it.slowest_us) : "–") },
  ],
});

/** `changed` is called when it has to be shown again. */
export function audit(told, changed) {
  if (!told) return pending("the audit");
  return [
    h(
      "p",
      { class: "quiet" },
      `What ${cluster.name(cluster.own?.node)} pushed to its own subscribers; other nodes have others. `,
      `The service is at version ${count(told.version)}, with ${count(told.instances)} instances.`,
    ),
    h("h3", {}, "Readers"),
    readers.show(told.readers ?? [], changed),
    h("h3", {}, "Pushes, the newest first"),
    pushes.show([...(told.pushes ?? [])].reverse(), changed),
  ];
}
