#!/usr/bin/env node
'use strict';
// Uses a cluster as Node programs do: `run.js A,B,C [part of a check's name]`.

require('./checks_keys');
require('./checks_recipes');
// While it is on, others would be refused.
require('./checks_auth');
const { runAll } = require('./harness');

const [endpoints, only = ''] = process.argv.slice(2);
if (!endpoints) {
  console.error('usage: run.js HOST:PORT,HOST:PORT,... [part of a name]');
  process.exit(2);
}
runAll(endpoints.split(','), only).then(failed => process.exit(failed ? 1 : 0));
