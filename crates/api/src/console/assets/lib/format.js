// Numbers, sizes and times as people read them.

/** JSON has 64-bit numbers as texts, and leaves out what is 0. */
export const number = (value) => Number(value ?? 0);

export function count(value) {
  return number(value).toLocaleString("en");
}

export function plural(value, one, many) {
  return `${count(value)} ${number(value) === 1 ? one : (many ?? one + "s")}`;
}

export function bytes(value) {
  let size = number(value);
  if (size < 1024) return `${size} B`;
  for (const unit of ["KiB", "MiB", "GiB", "TiB"]) {
    size /= 1024;
    if (size < 1024 || unit === "TiB") return `${size.toFixed(size < 10 ? 1 : 0)} ${unit}`;
  }
}

/** A length of time, from milliseconds. */
export function span(milliseconds) {
  const value = number(milliseconds);
  if (value < 1) return value === 0 ? "0 ms" : `${Math.round(value * 1000)} µs`;
  if (value < 1000) return `${Math.round(value)} ms`;
  const seconds = value / 1000;
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  if (seconds < 120) return `${Math.round(seconds)} s`;
  if (seconds < 7200) return `${Math.round(seconds / 60)} min`;
  if (seconds < 172800) return `${Math.round(seconds / 3600)} h`;
  return `${Math.round(seconds / 86400)} days`;
}

export const micros = (value) => span(number(value) / 1000);

const two = (value) => String(value).padStart(2, "0");

/** The time of day, with milliseconds; clocks of servers are told as UTC. */
export function clock(at) {
  const date = new Date(number(at));
  const day = `${two(date.getUTCHours())}:${two(date.getUTCMinutes())}:${two(date.getUTCSeconds())}`;
  return `${day}.${String(date.getUTCMilliseconds()).padStart(3, "0")}`;
}

export function day(at) {
  return new Date(number(at)).toISOString().slice(0, 10);
}

/** As much of a text as fits. */
export function cut(text, most) {
  return text.length > most ? text.slice(0, most - 1) + "…" : text;
}
