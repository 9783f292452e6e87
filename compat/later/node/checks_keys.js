'use strict';
// Keys, ranges, transactions, watches, namespaces, the cluster.

const { EtcdError, GRPCInvalidArgumentError, GRPCOutOfRangeError } = require('etcd3');
const { assert, check, once, refused, take, within } = require('./harness');

check('put, get, touch, delete, and what was before', async context => {
  const [client, other] = [context.one(), context.one()];
  const key = `${context.prefix}k`;
  assert.equal(await client.get(key), null);
  assert.equal(await client.get(key).exists(), false);
  const first = await client.put(key).value('1').exec();
  assert.equal(await other.get(key).string(), '1');
  assert.equal(await other.get(key).number(), 1);
  const before = await client.put(key).value(Buffer.from([0, 255])).getPrevious();
  assert.equal(before.value.toString(), '1');
  assert.deepEqual(await other.get(key).buffer(), Buffer.from([0, 255]));
  await client.put(key).touch();
  const whole = await other.get(key).exec();
  assert.equal(whole.kvs[0].version, '3');
  assert.equal(whole.kvs[0].create_revision, first.header.revision);
  assert.deepEqual(whole.kvs[0].value, Buffer.from([0, 255]), 'touched, not written');
  assert.equal(await client.get(key).revision(first.header.revision).string(), '1');
  assert.equal((await client.delete().key(key)).deleted, '1');
  assert.equal((await client.delete().key(key)).deleted, '0');
});

check('ranges: prefix, limit, sort, count, keys, filters of revisions', async context => {
  const client = context.all().namespace(context.prefix);
  for (const [key, value] of [['c', 1], ['a', 3], ['b', 2], ['a', 4]]) {
    await client.put(key).value(value);
  }
  assert.deepEqual(await client.getAll().numbers(), { a: 4, b: 2, c: 1 });
  assert.deepEqual(await client.getAll().sort('Key', 'Descend').keys(), ['c', 'b', 'a']);
  assert.deepEqual(await client.getAll().sort('Create', 'Ascend').keys(), ['c', 'a', 'b']);
  assert.deepEqual(await client.getAll().sort('Mod', 'Ascend').keys(), ['c', 'b', 'a']);
  assert.deepEqual(await client.getAll().sort('Value', 'Ascend').keys(), ['c', 'b', 'a']);
  assert.deepEqual(await client.getAll().sort('Version', 'Descend').limit(1).keys(), ['a']);
  assert.equal(await client.getAll().count(), 3);
  assert.deepEqual(await client.getAll().inRange({ start: 'a', end: 'c' }).keys(), ['a', 'b']);
  const b = (await client.get('b').exec()).kvs[0].mod_revision;
  assert.deepEqual(await client.getAll().minModRevision(b).keys(), ['a', 'b']);
  assert.deepEqual(await client.getAll().maxCreateRevision(b).minCreateRevision(b).keys(), ['b']);
  const gone = await client.delete().prefix('').getPrevious();
  assert.deepEqual(gone.map(kv => kv.value.toString()).sort(), ['1', '2', '4']);
});

check('transactions', async context => {
  const client = context.all();
  const key = `${context.prefix}k`;
  const put = await client
    .if(key, 'Create', '==', 0)
    .then(client.put(key).value('1'), client.get(key))
    .else(client.delete().key(key))
    .commit();
  assert.equal(put.succeeded, true);
  assert.equal(put.responses[1].response_range.kvs[0].value.toString(), '1');
  const compared = await client
    .if(key, 'Value', '==', '1')
    .and(key, 'Version', '<', 2)
    .and(key, 'Mod', '!==', 0)
    .and(key, 'Lease', '==', 0)
    .then(client.put(key).value('2'))
    .commit();
  assert.equal(compared.succeeded, true);
  const missed = await client.if(key, 'Value', '>', '2').else(client.get(key)).commit();
  assert.equal(missed.succeeded, false);
  assert.equal(missed.responses[0].response_range.kvs[0].value.toString(), '2');
});

check('a namespace in a namespace', async context => {
  const client = context.all();
  const inner = client.namespace(context.prefix).namespace('inner/');
  const watcher = await inner.watch().prefix('').create();
  const taken = take(watcher, 1);
  await inner.put('k').value('v');
  assert.equal(await client.get(`${context.prefix}inner/k`).string(), 'v');
  assert.deepEqual(await inner.getAll().strings(), { k: 'v' });
  assert.deepEqual(await taken, ['PUT k=v']);
  await inner.delete().all();
  assert.equal(await client.get(`${context.prefix}inner/k`), null);
});

check('watches: a key, a prefix, filters, the record before, the past', async context => {
  const [client, writer] = [context.one(), context.one().namespace(context.prefix)];
  const here = client.namespace(context.prefix);
  const first = await writer.put('a').value('1').exec();
  const past = here.watch().prefix('').startRevision(first.header.revision).withPreviousKV();
  // Listened to before it begins: the past comes at once.
  const all = past.watcher();
  const everything = take(all, 4);
  const key = await here.watch().key('b').create();
  const deletes = await here.watch().prefix('').only('delete').create();
  const before = within(
    new Promise(resolve => all.on('delete', (_, previous) => resolve(previous.value.toString()))),
    'the record before',
  );
  const taken = Promise.all([everything, take(key, 1), take(deletes, 1)]);
  await writer.put('b').value('2');
  await writer.put('a').value('3');
  await writer.delete().key('a');
  const [told, one, deleted] = await taken;
  assert.deepEqual(told, ['PUT a=1', 'PUT b=2', 'PUT a=3', 'DELETE a=']);
  assert.deepEqual(one, ['PUT b=2']);
  assert.deepEqual(deleted, ['DELETE a=']);
  assert.equal(await before, '3');
  await Promise.all([all.cancel(), key.cancel(), deletes.cancel()]);
});

check('40 watchers of one client, on one stream', async context => {
  const [client, writer] = [context.all(), context.all()];
  const creating = [];
  for (let at = 0; at < 40; at += 1) {
    creating.push(client.watch().key(`${context.prefix}${at}`).create());
  }
  const watchers = await within(Promise.all(creating), '40 watchers');
  assert.equal(new Set(watchers.map(watcher => watcher.id)).size, 40);
  const taken = Promise.all(watchers.map(watcher => take(watcher, 1)));
  for (let at = 0; at < 40; at += 1) await writer.put(`${context.prefix}${at}`).value(at);
  const wanted = watchers.map((_, at) => [`PUT ${context.prefix}${at}=${at}`]);
  assert.deepEqual(await taken, wanted);
});

check('a watch from a compacted revision ends, and says so', async context => {
  const client = context.one();
  const key = `${context.prefix}k`;
  const old = (await client.put(key).value(1).exec()).header.revision;
  const now = (await client.put(key).value(2).exec()).header.revision;
  await client.kv.compact({ revision: now, physical: true });
  await refused(
    client.get(key).revision(old).string(),
    GRPCOutOfRangeError,
    'etcdserver: mvcc: required revision has been compacted',
  );
  const watcher = client.watch().key(key).startRevision(old).watcher();
  const [error] = await within(once(watcher, 'error').catch(error => [error]), 'an error');
  assert.ok(error instanceof EtcdError, error.stack);
  assert.match(error.message, /canceled/);
});

check('errors', async context => {
  const client = context.all();
  const key = `${context.prefix}k`;
  const [kind, twice] = [GRPCInvalidArgumentError, 'duplicate key given in txn request'];
  await refused(client.put('').value('v').exec(), kind, 'etcdserver: key is not provided');
  const puts = [client.put(key).value(1), client.put(key).value(2)];
  await refused(client.if(key, 'Version', '==', 0).then(...puts).commit(), kind, twice);
  const large = Buffer.alloc(1_600_000);
  await refused(client.put(key).value(large).exec(), kind, 'etcdserver: request is too large');
  assert.equal(await client.get(key), null);
});

check('members, status, defragment, hash, alarms', async context => {
  const client = context.one();
  const { members } = await client.cluster.memberList({});
  assert.equal(new Set(members.map(member => member.ID)).size, 3);
  const status = await client.maintenance.status();
  assert.match(status.version, /^3\./);
  assert.ok(members.some(member => member.ID === status.leader));
  assert.ok(Number(status.dbSize) > 0);
  await client.maintenance.defragment();
  assert.equal(typeof (await client.maintenance.hash()).hash, 'number');
  assert.deepEqual((await client.maintenance.alarm({ action: 'GET' })).alarms, []);
});
