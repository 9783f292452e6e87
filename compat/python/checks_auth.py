"""aetcd and etcd3gw against a cluster that knows users. It is off again afterwards."""

import asyncio
import base64

import aetcd
import requests
from aetcd import rpc
from harness import check, equal, raises

ROOT, PASSWORD = "root", "root's own"


def connect(nodes, user=None, password=None):
    host, port = nodes.next()
    return aetcd.Client(host=host, port=port, timeout=20, username=user, password=password)


async def everything_off(nodes, users, roles):
    """As before, whatever state it was left in."""
    try:
        client = connect(nodes, ROOT, PASSWORD)
        await client.connect()
    except aetcd.ClientError:
        client = connect(nodes)
        await client.connect()
    auth, token = rpc.AuthStub(client.channel), client.metadata
    try:
        await auth.AuthDisable(rpc.AuthDisableRequest(), metadata=token, timeout=20)
        for user in users:
            await auth.UserDelete(rpc.AuthUserDeleteRequest(name=user), timeout=20)
        for role in roles:
            await auth.RoleDelete(rpc.AuthRoleDeleteRequest(role=role), timeout=20)
    except rpc.AioRpcError:
        pass
    await client.close()


@check("auth: a user is held to its range, on every path")
async def ranges(nodes, p):
    user, role, words = f"user {p}", f"role {p}", "etcdserver: permission denied"
    mine, theirs = f"{p}mine/".encode(), f"{p}theirs/".encode()
    try:
        async with connect(nodes) as client:
            auth = rpc.AuthStub(client.channel)
            await client.put(theirs + b"k", b"secret")
            await auth.UserAdd(rpc.AuthUserAddRequest(name=ROOT, password=PASSWORD), timeout=20)
            await make_root(auth)
            await auth.UserAdd(rpc.AuthUserAddRequest(name=user, password="its own"), timeout=20)
            await auth.RoleAdd(rpc.AuthRoleAddRequest(name=role), timeout=20)
            permission = rpc.Permission(
                permType=rpc.Permission.READWRITE, key=mine, range_end=mine[:-1] + b"0"
            )
            await auth.RoleGrantPermission(
                rpc.AuthRoleGrantPermissionRequest(name=role, perm=permission), timeout=20
            )
            await auth.UserGrantRole(rpc.AuthUserGrantRoleRequest(user=user, role=role), timeout=20)
            await auth.AuthEnable(rpc.AuthEnableRequest(), timeout=20)

        for _ in nodes.all:
            await raises(
                aetcd.exceptions.InvalidArgumentError,
                "etcdserver: authentication failed, invalid user ID or password",
                connect(nodes, user, "another's").connect(),
            )
            async with connect(nodes) as nobody:
                empty = "etcdserver: user name is empty"
                await raises(
                    aetcd.exceptions.InvalidArgumentError, empty, nobody.put(mine + b"k", b"v")
                )
                await raises(aetcd.exceptions.InvalidArgumentError, empty, nobody.get(theirs))

        denied = aetcd.ClientError
        async with connect(nodes, user, "its own") as client:
            on = client.transactions
            await client.put(mine + b"k", b"v")
            equal((await client.get(mine + b"k")).value, b"v")
            await raises(denied, words, client.put(theirs + b"k", b"v"))
            await raises(denied, words, client.get(theirs + b"k"))
            await raises(denied, words, client.get_prefix(p.encode()))
            await raises(denied, words, client.delete_prefix(p.encode()))
            hidden = on.txn(compare=[], success=[on.get(theirs + b"k")], failure=[])
            taken = on.txn(compare=[], success=[], failure=[on.delete(theirs + b"k")])
            operations = [on.put(theirs + b"k", b"v"), on.get(theirs + b"k")]
            if not (await client.status()).version.startswith(("3.4.", "3.5.")):
                # There a transaction inside a transaction is not looked into.
                operations += [hidden, taken]
            for operation in operations:
                for branches in (([operation], []), ([], [operation])):
                    await raises(denied, words, client.transaction([], *branches))
            guess = client.transaction([on.value(theirs + b"k") == b"secret"], [], [])
            await raises(denied, words, guess)
            await raises(
                denied, words, rpc_of(client, "AuthStub", "UserList", rpc.AuthUserListRequest())
            )
            reason = f"rpc error: code = PermissionDenied desc = {words}"
            equal(await first_of_watch(client, theirs + b"k"), (True, True, reason))
            allowed = await client.watch(mine + b"k")
            await client.put(mine + b"k", b"w")
            async for event in allowed:
                equal(event.kv.value, b"w")
                break
        await by_json(nodes, user, theirs)
        async with connect(nodes, ROOT, PASSWORD) as root:
            equal((await root.get(theirs + b"k")).value, b"secret")
    finally:
        await everything_off(nodes, [user, ROOT], [role, "root"])
    async with connect(nodes) as client:
        equal((await client.get(theirs + b"k")).value, b"secret", "open to all again")


async def first_of_watch(client, key):
    """Created, canceled, why, of the first that a watch is told."""

    async def requests():
        yield rpc.WatchRequest(create_request=rpc.WatchCreateRequest(key=key))
        await asyncio.sleep(20)

    stream = rpc.WatchStub(client.channel).Watch(requests(), metadata=client.metadata, timeout=20)
    async for told in stream:
        stream.cancel()
        return told.created, told.canceled, told.cancel_reason


async def make_root(auth):
    await auth.RoleAdd(rpc.AuthRoleAddRequest(name="root"), timeout=20)
    await auth.UserGrantRole(rpc.AuthUserGrantRoleRequest(user=ROOT, role="root"), timeout=20)


async def rpc_of(client, stub, method, request):
    try:
        call = getattr(getattr(rpc, stub)(client.channel), method)
        return await call(request, metadata=client.metadata, timeout=20)
    except rpc.AioRpcError as error:
        raise aetcd.ClientError(error.details()) from error


async def by_json(nodes, user, theirs):
    """The token in the header `Authorization`, as the gateway takes it."""
    host, port = nodes.next()
    url = f"http://{host}:{port}/v3"
    body = {"name": user, "password": "its own"}
    token = requests.post(f"{url}/auth/authenticate", json=body, timeout=20).json()["token"]
    key = {"key": base64.b64encode(theirs + b"k").decode()}
    with_token = requests.post(
        f"{url}/kv/range", json=key, headers={"Authorization": token}, timeout=20
    )
    equal(with_token.json()["message"], "etcdserver: permission denied")
    without = requests.post(f"{url}/kv/range", json=key, timeout=20)
    equal(without.json()["message"], "etcdserver: user name is empty")
    wrong = requests.post(
        f"{url}/kv/range", json=key, headers={"Authorization": "x.1"}, timeout=20
    )
    equal((wrong.status_code, wrong.json()["message"]), (401, "etcdserver: invalid auth token"))
