// Answers that come line by line for as long as somebody listens, and again when they break off.

import { ask, unreachable } from "./api.js";
import { Problem } from "./problem.js";
import { session } from "./session.js";

/** A line that is longer is given up. */
const LINE_CHARACTERS = 32 << 20;
const PAUSES_MS = [500, 1_000, 2_000, 5_000];
/** The server says something at least every ten seconds. */
const SILENCE_MS = 25_000;

/** Calls `line` with each JSON object of one answer, until it ends. */
export async function lines(path, { body, header, signal, silence = 0 }, line) {
  const asked = `POST ${path}`;
  const own = new AbortController();
  const both = AbortSignal.any([signal, own.signal].filter(Boolean));
  let timer = 0;
  const watchdog = () => {
    clearTimeout(timer);
    if (silence) timer = setTimeout(() => own.abort(), silence);
  };
  try {
    watchdog();
    const response = await ask("POST", path, { body, header, signal: both, patience: 0 });
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    let held = "";
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      watchdog();
      held += value;
      if (held.length > LINE_CHARACTERS) throw new Problem(asked, 200, "a line that does not end");
      for (let end; (end = held.indexOf("\n")) >= 0; held = held.slice(end + 1)) {
        if (end > 0) obey(asked, held.slice(0, end), line);
      }
    }
  } catch (error) {
    if (signal?.aborted || error instanceof Problem) throw error;
    throw unreachable(asked, error);
  } finally {
    clearTimeout(timer);
    own.abort();
  }
}

function obey(asked, text, line) {
  const told = JSON.parse(text);
  if (told.error) {
    const { http_code, grpc_code, message } = told.error;
    const problem = new Problem(asked, http_code ?? 500, message ?? text, grpc_code);
    if (problem.wantsUser) session.needed(problem);
    throw problem;
  }
  line(told.result ?? told);
}

/** Until the page can be seen. A browser opens six connections to a server, over all its tabs: those that nobody looks
    at are to keep none. */
export function seen(signal) {
  if (!document.hidden) return Promise.resolve();
  return new Promise((go) => {
    const look = () => {
      if (document.hidden && !signal.aborted) return;
      document.removeEventListener("visibilitychange", look);
      go();
    };
    document.addEventListener("visibilitychange", look);
    signal.addEventListener("abort", look, { once: true });
  });
}

/** A signal that ends when the page cannot be seen any more. */
function whileSeen() {
  const hidden = new AbortController();
  const look = () => document.hidden && hidden.abort();
  document.addEventListener("visibilitychange", look, { signal: hidden.signal });
  return hidden;
}

const pause = (milliseconds) => new Promise((go) => setTimeout(go, milliseconds));

/** Keeps a method of hiraeth.v1 up to date: `told` gets each answer, `lost` each Problem; it is asked again
    by itself, later and later. Answers with a function that ends it. */
export function live(method, body, told, lost) {
  const path = `/ui/live/hiraeth.v1.${method}`;
  const stop = new AbortController();
  const run = async () => {
    for (let failures = 0; !stop.signal.aborted;) {
      await seen(stop.signal);
      const hidden = whileSeen();
      try {
        const signal = AbortSignal.any([stop.signal, hidden.signal]);
        await lines(path, { body, signal, silence: SILENCE_MS }, (answer) => {
          failures = 0;
          told(answer);
        });
      } catch (error) {
        if (stop.signal.aborted) return;
        if (hidden.signal.aborted) continue;
        lost(error);
        await pause(PAUSES_MS[Math.min(failures, PAUSES_MS.length - 1)]);
        failures += 1;
      } finally {
        hidden.abort();
      }
    }
  };
  run();
  return () => stop.abort();
}

/** Calls `work` now and then every `milliseconds`, while the page can be seen and one call is over before the next.
    Answers with a function that ends it. */
export function every(milliseconds, work) {
  const stop = new AbortController();
  const run = async () => {
    while (!stop.signal.aborted) {
      await seen(stop.signal);
      await work(stop.signal).catch((error) => console.warn(error));
      await pause(milliseconds);
    }
  };
  run();
  return () => stop.abort();
}
