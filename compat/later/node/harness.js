'use strict';
// What the checks share: clients, comparing, waiting, counting results.

const assert = require('node:assert/strict');
const { randomBytes } = require('node:crypto');
const { once } = require('node:events');
const { Etcd3 } = require('etcd3');

const EVENT_MILLIS = 15_000;
const CHECK_MILLIS = 60_000;

const checks = [];

/** Registers `async (context)` as the check `name`. */
function check(name, run) {
  checks.push({ name, run });
}

/** What `promise` gives, within a time. */
async function within(promise, what, millis = EVENT_MILLIS) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`not within ${millis} ms: ${what}`)), millis);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** It has to fail with an error of this class that says this. */
async function refused(promise, kind, words) {
  let got;
  try {
    got = await promise;
  } catch (error) {
    assert.equal(error.constructor.name, kind.name, error.stack);
    assert.ok(error.message.includes(words), `${error.message} does not say ${words}`);
    return;
  }
  assert.fail(`succeeded: ${JSON.stringify(got)}; wanted ${words}`);
}

async function eventually(condition, what) {
  const deadline = Date.now() + EVENT_MILLIS;
  while (!(await condition())) {
    assert.ok(Date.now() < deadline, `not within ${EVENT_MILLIS} ms: ${what}`);
    await new Promise(resolve => setTimeout(resolve, 50));
  }
}

/** The next `count` changes a watcher tells, each as `KIND key=value`. */
function take(watcher, count) {
  const taken = [];
  const all = new Promise((resolve, reject) => {
    const add = kind => kv => {
      taken.push(`${kind} ${kv.key}=${kv.value}`);
      if (taken.length === count) resolve(taken);
    };
    watcher.on('put', add('PUT')).on('delete', add('DELETE')).on('error', reject);
  });
  return within(all, `${count} events`);
}

/** What one check has: nodes to connect to, and a place for its keys. */
class Context {
  constructor(endpoints, prefix) {
    this.endpoints = endpoints;
    this.prefix = prefix;
    this.turn = 0;
    this.open = [];
  }

  /** A client of every node. */
  all(options = {}) {
    const client = new Etcd3({ hosts: this.endpoints.map(each => `http://${each}`), ...options });
    this.open.push(client);
    return client;
  }

  /** A client of one node, the next one each time. */
  one(options = {}) {
    const endpoint = this.endpoints[this.turn++ % this.endpoints.length];
    return this.all({ hosts: [`http://${endpoint}`], ...options });
  }

  close() {
    for (const client of this.open) client.close();
  }
}

async function runAll(endpoints, only) {
  const run = randomBytes(4).toString('hex');
  let passed = 0;
  let failed = 0;
  for (const [number, { name, run: body }] of checks.entries()) {
    if (!name.includes(only)) continue;
    const context = new Context(endpoints, `compat/${run}/${number}/`);
    const began = Date.now();
    try {
      await within(body(context), name, CHECK_MILLIS);
      passed += 1;
      console.log(`ok ${name} (${Date.now() - began} ms)`);
    } catch (error) {
      failed += 1;
      const at = /\(?([^\s(/]+\.js:\d+):\d+\)?/.exec(error.stack.replace(/.*harness\.js.*/g, ''));
      const what = `${error.constructor.name}: ${error.message}`;
      console.log(`FAILED ${name}: ${at ? at[1] : ''}: ${what}`);
    } finally {
      context.close();
    }
  }
  console.log(`${passed} passed, ${failed} failed`);
  return failed;
}

module.exports = { assert, check, eventually, once, refused, runAll, take, within };
