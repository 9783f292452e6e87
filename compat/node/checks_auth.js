'use strict';
// Users and roles. Off again afterwards, however it ended.

const {
  EtcdAuthenticationFailedError,
  EtcdPermissionDeniedError,
  EtcdRoleExistsError,
  EtcdUserNotFoundError,
  Range,
} = require('etcd3');
const { assert, check, refused, take } = require('./harness');

const ROOT = { username: 'root', password: "root's own" };

async function allOff(context, user, role) {
  for (const auth of [ROOT, undefined]) {
    const client = context.one({ auth });
    try {
      await client.auth.authDisable();
      for (const each of [user, 'root']) await client.user(each).delete();
      for (const each of [role, 'root']) await client.role(each).delete();
    } catch {
      // Half of it may be gone already.
    }
  }
}

check('auth: roles, users, and a user held to its range', async context => {
  const client = context.one();
  const [user, role] = [`user ${context.prefix}`, `role ${context.prefix}`];
  const auth = { username: user, password: 'its own' };
  const [mine, theirs] = [`${context.prefix}mine/`, `${context.prefix}theirs/`];
  try {
    await client.put(`${theirs}k`).value('secret');
    const reader = await client.role(role).create();
    await refused(client.role(role).create(), EtcdRoleExistsError, 'role name already exists');
    await reader.grant({ permission: 'Readwrite', range: Range.prefix(mine) });
    const [granted] = await reader.permissions();
    assert.equal(granted.permission, 'Readwrite');
    assert.equal(granted.range.start.toString(), mine);
    await client.user(user).create('another');
    await client.user(user).setPassword(auth.password);
    await client.user(user).addRole(reader);
    assert.deepEqual((await client.user(user).roles()).map(each => each.name), [role]);
    await refused(client.user('nobody').roles(), EtcdUserNotFoundError, 'user name not found');
    await client.user('root').create(ROOT.password);
    await client.role('root').create();
    await client.user('root').addRole('root');
    await client.auth.authEnable();

    for (let at = 0; at < 3; at += 1) {
      const wrong = context.one({ auth: { username: user, password: 'wrong' } });
      await refused(wrong.get(`${mine}k`), EtcdAuthenticationFailedError, 'authentication failed');
      const its = context.one({ auth });
      await its.put(`${mine}k`).value(at);
      assert.equal(await its.get(`${mine}k`).number(), at);
      const denied = 'permission denied';
      for (const attempt of [
        () => its.get(`${theirs}k`).string(),
        () => its.put(`${theirs}k`).value('x').exec(),
        () => its.delete().key(`${theirs}k`).exec(),
        () => its.getAll().prefix(context.prefix).strings(),
        () => its.if(`${theirs}k`, 'Value', '==', 'secret').commit(),
        () => its.if(`${mine}k`, 'Version', '>', 0).then(its.get(`${theirs}k`)).commit(),
        () => its.getUsers(),
      ]) {
        await refused(attempt(), EtcdPermissionDeniedError, denied);
      }
      const watcher = await its.watch().prefix(mine).create();
      const taken = take(watcher, 1);
      await its.put(`${mine}w`).value(at);
      assert.deepEqual(await taken, [`PUT ${mine}w=${at}`]);
      await watcher.cancel();
    }
    const root = context.one({ auth: ROOT });
    assert.equal(await root.get(`${theirs}k`).string(), 'secret');
    const users = (await root.getUsers()).map(each => each.name);
    assert.ok(users.includes('root') && users.includes(user), users.join());
    await root.role(role).removeUser(user);
    await refused(context.one({ auth }).get(`${mine}k`), EtcdPermissionDeniedError, 'denied');
    await root.auth.authDisable();
    assert.equal(await context.one().get(`${theirs}k`).string(), 'secret', 'open to all again');
  } finally {
    await allOff(context, user, role);
  }
});
