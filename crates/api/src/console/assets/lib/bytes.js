// Keys and values are bytes. In JSON they are base64; people read text, or hexadecimal where it is none.

export function fromBase64(text) {
  return Uint8Array.from(atob(text ?? ""), (character) => character.charCodeAt(0));
}

export function toBase64(bytes) {
  let text = "";
  for (const byte of bytes) text += String.fromCharCode(byte);
  return btoa(text);
}

// A mark of the order of bytes (U+FEFF) at the beginning is a part of a key, and of a value.
const strict = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** The text that the bytes are, or null if they are none that can be shown. */
export function asText(bytes) {
  try {
    const text = strict.decode(bytes);
    // Control characters but tabs and ends of lines, and what turns the direction of text.
    return /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/.test(text)
      ? null
      : text;
  } catch {
    return null;
  }
}

export const hexOf = (bytes) => Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");

/** A key as it is shown and written into addresses: text, or `0x` and hexadecimal, as where something in it cannot be
    seen. */
export function keyText(bytes) {
  const text = asText(bytes);
  const isPlain = text !== null && text !== "" && !text.startsWith("0x") && !/[\u200b-\u200f\ufeff]/.test(text);
  return isPlain ? text : "0x" + hexOf(bytes);
}

/** The key that is written so. */
export function keyBytes(text) {
  const hex = /^0x((?:[0-9a-fA-F]{2})*)$/.exec(text);
  if (hex) return Uint8Array.from(hex[1].match(/../g) ?? [], (pair) => parseInt(pair, 16));
  return new TextEncoder().encode(text);
}

/** The first key behind all that begin with these bytes; as etcd has it, a zero byte for "all". */
export function behind(prefix) {
  for (let at = prefix.length - 1; at >= 0; at--) {
    if (prefix[at] < 255) {
      const end = prefix.slice(0, at + 1);
      end[at] += 1;
      return end;
    }
  }
  return Uint8Array.of(0);
}

const same = (one, other) => one.length === other.length && one.every((byte, at) => byte === other[at]);

/** The keys from `start` (in base64) on, up to but without `end`, in words: `name`, `prefix…`, `from up to end`. Without
    an end, or with etcd's zero byte for it, they go on to the last. */
export function rangeText(start64, end64) {
  const start = fromBase64(start64 ?? "");
  const from = start.length === 0 || same(start, [0]) ? "" : keyText(start);
  const end = end64 === undefined ? Uint8Array.of(0) : fromBase64(end64);
  // The first key behind one is that and a zero byte; and all that begin with it end with the first that does not.
  if (start.length > 0 && same(end, [...start, 0])) return keyText(start);
  if (same(end, [0])) return from === "" ? "all keys" : `${from} and all behind it`;
  if (from !== "" && same(end, behind(start))) return `${from}…`;
  return `${from || "the first"} up to ${keyText(end)}`;
}

/** Lines of sixteen bytes: where, hexadecimal, text. */
export function dump(bytes) {
  const lines = [];
  for (let at = 0; at < bytes.length; at += 16) {
    const row = bytes.subarray(at, at + 16);
    const hex = Array.from(row, (byte) => byte.toString(16).padStart(2, "0")).join(" ");
    const text = Array.from(row, (byte) => (byte > 31 && byte < 127 ? String.fromCharCode(byte) : ".")).join(
      "",
    );
    lines.push(`${at.toString(16).padStart(6, "0")}  ${hex.padEnd(47)}  ${text}`);
  }
  return lines.join("\n");
}
