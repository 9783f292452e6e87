"""aetcd: keys, transactions, watches, leases, locks, members, maintenance."""

import asyncio
import io

import aetcd
from aetcd import rpc
from harness import EVENT_SECONDS, check, equal, eventually, raises


def connect(nodes):
    host, port = nodes.next()
    return aetcd.Client(host=host, port=port, timeout=20)


async def take(watch, count):
    """The next events of a watch, each as kind, key, value."""
    taken = []

    async def all_of_them():
        async for event in watch:
            taken.append((event.kind, event.kv.key, event.kv.value))
            if len(taken) == count:
                return

    try:
        await asyncio.wait_for(all_of_them(), EVENT_SECONDS)
    except asyncio.TimeoutError:
        raise AssertionError(f"{count} events wanted, came: {taken}") from None
    return taken


@check("aetcd: put, get, versions, delete")
async def keys(nodes, p):
    key = f"{p}k".encode()
    async with connect(nodes) as client, connect(nodes) as other:
        equal(await client.get(key), None)
        first = await client.put(key, b"\x00\xffone")
        second = await client.put(key, b"two", prev_kv=True)
        equal(second.header.revision, first.header.revision + 1)
        equal(second.prev_kv.value, b"\x00\xffone")
        got = await other.get(key)
        equal((got.value, got.version, got.lease), (b"two", 2, 0))
        equal(got.create_revision, first.header.revision)
        equal(got.mod_revision, second.header.revision)
        gone = await other.delete(key, prev_kv=True)
        equal((gone.deleted, gone.prev_kv.value), (1, b"two"))
        equal(await client.delete(key), None)
        equal(await client.get(key), None)


@check("aetcd: ranges, sorted by each target")
async def ranges(nodes, p):
    prefix = p.encode()
    async with connect(nodes) as client:
        for name, value in ((b"c", b"1"), (b"a", b"3"), (b"b", b"2"), (b"a", b"4")):
            await client.put(prefix + name, value)

        async def order(how, target):
            found = await client.get_prefix(prefix, sort_order=how, sort_target=target)
            equal(found.count, 3)
            return b"".join(each.key[-1:] for each in found)

        equal(await order("ascend", "key"), b"abc")
        equal(await order("descend", "key"), b"cba")
        equal(await order("ascend", "create"), b"cab")
        equal(await order("ascend", "mod"), b"cba")
        equal(await order("ascend", "value"), b"cba")
        equal(await order("descend", "version"), b"abc")
        some = await client.get_range(prefix + b"a", prefix + b"c")
        equal([each.value for each in some], [b"4", b"2"])
        keys_only = await client.get_prefix(prefix, keys_only=True)
        equal({each.value for each in keys_only}, {b""})
        deleted = await client.delete_prefix(prefix, prev_kv=True)
        equal((deleted.deleted, sorted(each.value for each in deleted)), (3, [b"1", b"2", b"4"]))


@check("aetcd: transactions, nested ones, replace")
async def transactions(nodes, p):
    key, other = f"{p}k".encode(), f"{p}l".encode()
    async with connect(nodes) as client:
        on = client.transactions
        await client.put(key, b"1")
        done, answers = await client.transaction(
            compare=[on.value(key) == b"1", on.version(key) < 2, on.create(other) == 0],
            success=[
                on.put(other, b"x"),
                on.get(other),
                on.txn(compare=[on.mod(key) > 0], success=[on.put(key, b"2")], failure=[]),
            ],
            failure=[on.delete(key)],
        )
        equal(done, True)
        equal(answers[1][0][0], b"x", "a read after the write")
        equal(answers[2].response_txn.succeeded, True)
        # One revision for all of it.
        revision = answers[0].response_put.header.revision
        equal((await client.get(key)).mod_revision, revision)
        equal((await client.get(other)).mod_revision, revision)
        done, answers = await client.transaction(
            compare=[on.value(key) != b"2"], success=[on.put(key, b"3")], failure=[on.delete(other)]
        )
        equal((done, answers[0].response_delete_range.deleted), (False, 1))
        equal(await client.replace(key, b"2", b"3"), True)
        equal(await client.replace(key, b"2", b"4"), False)
        await raises(
            aetcd.exceptions.InvalidArgumentError,
            "etcdserver: duplicate key given in txn request",
            client.transaction([], [on.put(key, b"a"), on.put(key, b"b")], []),
        )


@check("aetcd: watches, filtered, from the past, with the record before")
async def watches(nodes, p):
    prefix = p.encode()
    async with connect(nodes) as client, connect(nodes) as writer:
        first = await writer.put(prefix + b"a", b"1")
        past = await client.watch_prefix(prefix, start_revision=first.header.revision, prev_kv=True)
        no_puts = await client.watch_prefix(prefix, kind=aetcd.EventKind.DELETE)
        await writer.put(prefix + b"a", b"2")
        await writer.delete(prefix + b"a")
        events = [
            ("PUT", prefix + b"a", b"1"),
            ("PUT", prefix + b"a", b"2"),
            ("DELETE", prefix + b"a", b""),
        ]
        equal(await take(past, 3), events)
        equal(await take(no_puts, 1), events[2:])
        await past.cancel()
        await no_puts.cancel()
        now = await client.watch(prefix + b"b")
        await writer.put(prefix + b"b", b"3")
        equal(await take(now, 1), [("PUT", prefix + b"b", b"3")])


@check("aetcd: a watch from a compacted revision says from where on")
async def compacted(nodes, p):
    key = f"{p}k".encode()
    async with connect(nodes) as client:
        old = (await client.put(key, b"1")).header.revision
        new = (await client.put(key, b"2")).header.revision
        await client.compact(new, physical=True)
        watch = await client.watch(key, start_revision=old)
        try:
            await take(watch, 1)
        except aetcd.RevisionCompactedError as error:
            equal(error.compacted_revision, new)
        else:
            raise AssertionError("it began in the compacted past")
        await raises(
            aetcd.ClientError,
            "etcdserver: mvcc: required revision has been compacted",
            client.compact(old),
        )


@check("aetcd: 300 events over three nodes, in order")
async def many_events(nodes, p):
    key = f"{p}k".encode()
    async with connect(nodes) as client, connect(nodes) as writer:
        watch = await client.watch(key)
        for number in range(300):
            await writer.put(key, str(number).encode())
        values = [value for _, _, value in await take(watch, 300)]
        equal(values, [str(number).encode() for number in range(300)])


@check("aetcd: leases")
async def leases(nodes, p):
    key = f"{p}k".encode()
    async with connect(nodes) as client:
        lease = await client.lease(60)
        await client.put(key, b"v", lease=lease)
        equal((await client.get(key)).lease, lease.id)
        equal(await lease.granted_ttl(), 60)
        equal(58 <= await lease.remaining_ttl() <= 60, True, "left")
        equal(list(await lease.keys()), [key])
        equal((await lease.refresh()).TTL, 60)
        try:
            await client.lease(60, lease_id=lease.id)
        except aetcd.DuplicateLeaseError:
            pass
        else:
            raise AssertionError("one id, two leases")
        await lease.revoke()
        equal(await client.get(key), None)
        equal(await lease.remaining_ttl(), -1)
        short = await client.lease(1)
        await client.put(key, b"v", lease=short)

        async def expired():
            return await client.get(key) is None

        await eventually(expired, "the lease ends")


@check("aetcd: a lock, held by one at a time")
async def lock(nodes, p):
    inside, most, turns = 0, 0, 0

    async def worker():
        nonlocal inside, most, turns
        async with connect(nodes) as client:
            for _ in range(3):
                held = client.lock(f"{p}lock".encode(), ttl=60)
                equal(await held.acquire(timeout=20), True)
                inside += 1
                most, turns = max(most, inside), turns + 1
                equal(await held.is_acquired(), True)
                await asyncio.sleep(0.01)
                inside -= 1
                equal(await held.release(), True)

    await asyncio.gather(*(worker() for _ in range(5)))
    equal((most, turns), (1, 15))


@check("aetcd: members, status")
async def members(nodes, p):
    async with connect(nodes) as client:
        found = [member async for member in client.members()]
        equal(len(found), 3)
        equal(len({member.id for member in found}), 3)
        status = await client.status()
        equal(status.version.startswith("3."), True, status.version)
        equal(status.leader.id in {member.id for member in found}, True)
        equal(status.db_size > 0 and status.raft_index > 0 and status.raft_term > 0, True)


@check("aetcd: defragment, hash, alarms, snapshot")
async def maintenance(nodes, p):
    async with connect(nodes) as client:
        await client.put(f"{p}k".encode(), b"v" * 1000)
        await client.defragment()
        equal(isinstance(await client.hash(), int), True)
        equal([alarm async for alarm in client.list_alarms()], [])
        file = io.BytesIO()
        await client.snapshot(file)
        # The database, and its SHA-256 behind it.
        equal(file.tell() > 4096 and file.tell() % 512 == 32, True, f"{file.tell()} bytes")


@check("aetcd: errors")
async def errors(nodes, p):
    invalid = aetcd.exceptions.InvalidArgumentError
    async with connect(nodes) as client:
        await raises(invalid, "etcdserver: key is not provided", client.put(b"", b"v"))
        await raises(
            aetcd.ClientError,
            "etcdserver: requested lease not found",
            client.put(f"{p}k".encode(), b"v", lease=0x7FFF_0000_DEAD_BEEF),
        )
        await raises(
            aetcd.ClientError,
            "etcdserver: mvcc: required revision is a future revision",
            client.compact(2**62),
        )
        await raises(
            invalid, "etcdserver: request is too large", client.put(b"k", b"v" * 1_600_000)
        )
        stub = rpc.KVStub(client.channel)
        deep = rpc.TxnRequest()
        for _ in range(30):
            outer = rpc.TxnRequest()
            outer.success.add().request_txn.CopyFrom(deep)
            deep = outer
        try:
            await stub.Txn(deep, timeout=20)
        except rpc.AioRpcError:
            pass
        equal(await client.get(f"{p}none".encode()), None, "it serves on")
