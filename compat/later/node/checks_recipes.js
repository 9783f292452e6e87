'use strict';
// Leases, locks, elections, software transactions.

const { EtcdLeaseInvalidError, EtcdLockFailedError } = require('etcd3');
const { assert, check, eventually, once, refused, within } = require('./harness');

check('a lease: its keys, renewal, revocation, loss', async context => {
  const [client, other] = [context.one(), context.one()];
  const key = `${context.prefix}k`;
  const lease = client.lease(60);
  await lease.put(key).value('v');
  const id = await lease.grant();
  assert.equal((await other.get(key).exec()).kvs[0].lease, id);
  assert.equal((await lease.keepaliveOnce()).TTL, '60');
  const left = await other.leaseClient.leaseTimeToLive({ ID: id, keys: true });
  assert.deepEqual(left.keys.map(String), [key]);
  const { leases } = await other.leaseClient.leaseLeases();
  assert.ok(leases.some(each => each.ID === id));
  await lease.revoke();
  assert.equal(await other.get(key), null);

  const taken = client.lease(60);
  const takenId = await taken.grant();
  const lost = within(once(taken, 'lost'), 'the lease is said to be lost');
  await other.leaseClient.leaseRevoke({ ID: takenId });
  await refused(taken.keepaliveOnce(), EtcdLeaseInvalidError, 'is expired or revoked');
  await lost;
});

check('a lease lives while it is renewed, and ends when its owner goes', async context => {
  const [client, other] = [context.one(), context.one()];
  const key = `${context.prefix}k`;
  const lease = client.lease(2);
  await lease.put(key).value('v');
  const until = Date.now() + 4_000;
  while (Date.now() < until) {
    assert.equal(await other.get(key).string(), 'v');
    await new Promise(resolve => setTimeout(resolve, 200));
  }
  lease.release();
  await eventually(async () => (await other.get(key)) === null, 'the key goes with the lease');
});

check('a lock: one at a time', async context => {
  const lock = `${context.prefix}lock`;
  const client = context.one();
  const held = await client.lock(lock).ttl(60).acquire();
  await refused(context.one().lock(lock).acquire(), EtcdLockFailedError, 'Failed to acquire');
  await held.release();
  assert.equal(await context.one().lock(lock).do(() => 'done'), 'done');
  let inside = 0;
  let turns = 0;
  const worker = async () => {
    const mine = context.one();
    while (turns < 10) {
      try {
        await mine.lock(lock).do(async () => {
          assert.equal((inside += 1), 1);
          await new Promise(resolve => setTimeout(resolve, 5));
          inside -= 1;
          turns += 1;
        });
      } catch (error) {
        if (!(error instanceof EtcdLockFailedError)) throw error;
      }
    }
  };
  await within(Promise.all([worker(), worker(), worker()]), 'ten turns', 30_000);
});

check('an election: campaign, observe, proclaim, resign', async context => {
  const name = `${context.prefix}election`;
  const election = context.one().election(name, 60);
  const observer = await context.one().election(name, 60).observe();
  const seen = [];
  observer.on('change', value => seen.push(value));
  const first = election.campaign('one');
  await within(first.wait(), 'the first is elected');
  assert.equal(await election.leader(), 'one');
  await eventually(() => seen.at(-1) === 'one', 'the observer hears of the first');
  const second = context.one().election(name, 60).campaign('two');
  await first.proclaim('one more');
  await eventually(() => seen.at(-1) === 'one more', 'the observer hears of the proclamation');
  const elected = within(once(second, 'elected'), 'the second is elected');
  await first.resign();
  await elected;
  await eventually(() => seen.at(-1) === 'two', 'the observer hears of the second');
  await second.resign();
  await eventually(() => seen.at(-1) === undefined, 'the observer hears that nobody leads');
  await observer.cancel();
});

check('software transactions keep a sum, serializable and by repeatable reads', async context => {
  const accounts = ['a', 'b', 'c', 'd'];
  const here = context.all().namespace(context.prefix);
  for (const account of accounts) await here.put(account).value(100);
  for (const isolation of [1, 2]) {
    const worker = async turn => {
      const mine = context.one().namespace(context.prefix);
      for (let at = 0; at < 8; at += 1) {
        const from = accounts[(turn + at) % 4];
        const to = accounts[(turn + at * 3 + 1) % 4];
        if (from === to) continue;
        await mine.stm({ isolation, retries: 100 }).transact(async tx => {
          const [had, has] = [await tx.get(from).number(), await tx.get(to).number()];
          await tx.put(from).value(had - 7);
          await tx.put(to).value(has + 7);
        });
      }
    };
    await within(Promise.all([0, 1, 2, 3].map(worker)), 'all transfers', 30_000);
    const now = await here.getAll().numbers();
    assert.equal(Object.values(now).reduce((sum, each) => sum + each), 400, JSON.stringify(now));
  }
});
