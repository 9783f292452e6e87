// What differs between two texts, line by line.

/** Longer texts are not compared: it takes the product of their lines. */
const LINES = 400;

/** Lines as { kind: "same" | "gone" | "new", text }, or null where the texts are too long. */
export function diff(before, after) {
  const one = before.split("\n"),
    other = after.split("\n");
  if (one.length > LINES || other.length > LINES) return null;
  const common = lengths(one, other);
  const lines = [];
  let i = 0,
    j = 0;
  while (i < one.length || j < other.length) {
    if (i < one.length && j < other.length && one[i] === other[j]) {
      lines.push({ kind: "same", text: one[i] });
      i += 1;
      j += 1;
    } else if (j >= other.length || (i < one.length && common[i + 1][j] >= common[i][j + 1])) {
      lines.push({ kind: "gone", text: one[i++] });
    } else {
      lines.push({ kind: "new", text: other[j++] });
    }
  }
  return lines;
}

/** How many lines the ends from i and from j on have in common. */
function lengths(one, other) {
  const table = Array.from({ length: one.length + 1 }, () => new Uint16Array(other.length + 1));
  for (let i = one.length - 1; i >= 0; i--) {
    for (let j = other.length - 1; j >= 0; j--) {
      table[i][j] =
        one[i] === other[j] ? table[i + 1][j + 1] + 1 : Math.max(table[i + 1][j], table[i][j + 1]);
    }
  }
  return table;
}
