// Keys and values are bytes. In JSON they are base64; people read text, or hexadecimal where it is none.

export function fromBase64(text) {
  return Uint8Array.from(atob(text ?? ""), (character) => character.charCodeAt(0));
}

export function toBase64(bytes) {
  let text = "";
  for (const byte of bytes) text += String.fromCharCode(byte);
  return btoa(text);
}

const strict = new TextDecoder("utf-8", { fatal: true });

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

/** A key as it is shown and written into addresses: text, or `0x` and hexadecimal. */
export function keyText(bytes) {
  const text = asText(bytes);
  return text !== null && text !== "" && !text.startsWith("0x") ? text : "0x" + hexOf(bytes);
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
