// Asking the server. Every failure is a Problem.

import { Problem } from "./problem.js";
import { session } from "./session.js";

/** An answer that does not come in this time is none. */
const PATIENCE_MS = 15_000;
/** The node's number, for which node is to answer. */
const NODE = "hiraeth-node";

function headers(more) {
  const all = { "content-type": "application/json", "hiraeth-console": "1", ...more };
  if (session.token) all.authorization = session.token;
  return all;
}

/** What an error's body says. */
async function refusal(asked, response) {
  const text = await response.text().catch(() => "");
  try {
    const told = JSON.parse(text);
    const inner = told.error?.message ? told.error : told;
    return new Problem(asked, response.status, inner.message ?? text, inner.code ?? inner.grpc_code ?? 0);
  } catch {
    return new Problem(asked, response.status, text.trim().slice(0, 500));
  }
}

export function unreachable(asked, error) {
  const words =
    error.name === "TimeoutError" ? `no answer within ${PATIENCE_MS / 1000} s` : "no answer at all";
  return new Problem(asked, 0, words);
}

/** The response to a request, if it is a good one. */
export async function ask(method, path, { body, header, signal, patience = PATIENCE_MS } = {}) {
  const asked = `${method} ${path}`;
  const signals = [signal, patience && AbortSignal.timeout(patience)].filter(Boolean);
  let response;
  try {
    response = await fetch(path, {
      method,
      headers: headers(header),
      // Several objects, one after the other, where a stream is to be told several things.
      body: Array.isArray(body)
        ? body.map((it) => JSON.stringify(it)).join("\n")
        : body && JSON.stringify(body),
      signal: AbortSignal.any(signals),
      cache: "no-store",
      credentials: "omit",
    });
  } catch (error) {
    if (signal?.aborted) throw error;
    throw unreachable(asked, error);
  }
  if (!response.ok) {
    const problem = await refusal(asked, response);
    if (problem.wantsUser) session.needed(problem);
    throw problem;
  }
  return response;
}

async function json(asked, response) {
  try {
    return await response.json();
  } catch (error) {
    throw new Problem(asked, response.status, `an answer that is no JSON: ${error.message}`);
  }
}

/** A method of hiraeth.v1, as "Node/Status"; by `node`, over this one, if it is another one. */
export async function native(method, body = {}, { node, signal } = {}) {
  const path = `/ui/api/hiraeth.v1.${method}`;
  const header = node ? { [NODE]: String(node) } : {};
  const response = await ask("POST", path, { body, header, signal });
  return json(`POST ${path}`, response);
}

/** One of etcd's methods by its path, as "kv/range", of a keyspace. */
export async function etcd(path, body, { keyspace, signal } = {}) {
  const header = keyspace && keyspace !== "default" ? { "hiraeth-keyspace": keyspace } : {};
  const response = await ask("POST", `/v3/${path}`, { body, header, signal });
  return json(`POST /v3/${path}`, response);
}

/** A path of Consul's API: its answer, and the index that it can be waited for with. */
export async function consul(path, { index, signal } = {}) {
  const waits = index ? `${path.includes("?") ? "&" : "?"}index=${index}&wait=50s` : "";
  const header = session.token ? { "x-consul-token": session.token } : {};
  const response = await ask("GET", `/v1/${path}${waits}`, {
    header,
    signal,
    patience: index ? 70_000 : PATIENCE_MS,
  });
  const value = await json(`GET /v1/${path}`, response);
  return { value, index: Number(response.headers.get("x-consul-index") ?? 0) };
}
