// What is asked for, until it is there; and why it does not come, where nothing can come.

import { cluster } from "../lib/cluster.js";
import { problemBox, waiting } from "./box.js";

export function pending(what) {
  const isLost = !cluster.own && cluster.problem;
  return isLost ? problemBox(cluster.problem, () => location.reload()) : waiting(what);
}
