"""lease, and what etcdctl builds from leases: lock and elect."""

import base64
import signal
import time

from harness import check, equal, eventually, matches


def contenders(ctl, name):
    """How many have a key under this lock or election."""
    return len(ctl.json("get", "--prefix", "--keys-only", name + "/").get("kvs", []))


@check("lease grant, timetolive --keys, revoke deletes its keys")
def life(ctl, p):
    lease = ctl.grant(120)
    ctl.ok("put", "--lease", lease, p + "a", "1")
    ctl.ok("put", "--lease", lease, p + "b", "2")
    for endpoint in ctl.endpoints:
        out = ctl.at(endpoint).ok("lease", "timetolive", "--keys", lease)
        found = matches(
            out,
            rf"^lease {lease} granted with TTL\(120s\), "
            r"remaining\((\d+)s\), attached keys\(\[(.*)\]\)$",
        )
        equal(100 < int(found.group(1)) <= 120, True, "remaining")
        equal(sorted(found.group(2).split()), [p + "a", p + "b"])
    answer = ctl.json("lease", "timetolive", "--keys", lease)
    equal((answer["id"], answer["granted-ttl"]), (int(lease, 16), 120))
    equal(sorted(base64.b64decode(key).decode() for key in answer["keys"]), [p + "a", p + "b"])
    matches(ctl.ok("lease", "timetolive", lease), r"remaining\(\d+s\)$")

    before = ctl.revision()
    equal(ctl.ok("lease", "revoke", lease), f"lease {lease} revoked\n")
    equal(ctl.ok("get", "--prefix", p), "")
    equal(ctl.revision(), before + 1, "one revision for both keys")
    equal(ctl.ok("lease", "timetolive", lease), f"lease {lease} already expired\n")
    equal(ctl.json("lease", "timetolive", lease)["ttl"], -1)


@check("lease list")
def listed(ctl, p):
    leases = [ctl.grant(60) for _ in range(3)]
    for endpoint in ctl.endpoints:
        at = ctl.at(endpoint)
        eventually(
            lambda at=at: set(leases) <= set(at.lines("lease", "list")), "the new leases listed"
        )
    matches(ctl.ok("lease", "list"), r"^found \d+ leases$")
    for lease in leases:
        ctl.ok("lease", "revoke", lease)
    for endpoint in ctl.endpoints:
        at = ctl.at(endpoint)
        eventually(lambda at=at: not set(leases) & set(at.lines("lease", "list")), "they are gone")


@check("lease keep-alive --once; of an unknown lease")
def keep_alive(ctl, p):
    lease = ctl.grant(90)
    for endpoint in ctl.endpoints:
        out = ctl.at(endpoint).ok("lease", "keep-alive", "--once", lease)
        equal(out, f"lease {lease} keepalived with TTL(90)\n")
    ctl.ok("lease", "revoke", lease)
    gone = ctl.start("lease", "keep-alive", lease)
    equal(gone.line(), f"lease {lease} expired or revoked.")
    gone.finish()


@check("lease keep-alive holds a lease beyond its time; it expires when that stops")
def expires(ctl, p):
    kept, left = ctl.grant(2), ctl.grant(2)
    ctl.ok("put", "--lease", kept, p + "kept", "v")
    revision = ctl.put(p + "left", "v", "--lease", left)
    with (
        ctl.start("lease", "keep-alive", kept) as keeper,
        ctl.start("watch", "--rev", str(revision + 1), p + "left") as watch,
    ):
        equal(keeper.line(), f"lease {kept} keepalived with TTL(2)")
        equal(watch.take(3), ["DELETE", p + "left", ""])
        time.sleep(2)
        equal(ctl.lines("get", "--prefix", p), [p + "kept", "v"])
    eventually(lambda: ctl.ok("get", "--prefix", p) == "", "the other is gone too")
    equal(ctl.ok("lease", "timetolive", kept), f"lease {kept} already expired\n")


@check("a key follows the lease of its last put")
def moved(ctl, p):
    first, second = ctl.grant(60), ctl.grant(60)
    ctl.ok("put", "--lease", first, p + "k", "1")
    ctl.ok("put", "--lease", second, p + "k", "2")
    ctl.ok("lease", "revoke", first)
    equal(ctl.lines("get", p + "k"), [p + "k", "2"])
    ctl.ok("lease", "revoke", second)
    equal(ctl.ok("get", p + "k"), "")


@check("lock: the second waits for the first")
def lock(ctl, p):
    name = p + "lock"
    with ctl.start("lock", name) as first:
        key = first.line()
        equal(key.startswith(name + "/"), True, key)
        equal(ctl.json("get", key)["count"], 1)
        with ctl.start("lock", name) as second:
            eventually(lambda: contenders(ctl, name) == 2, "the second waits")
            second.silent()
            first.finish(signal.SIGINT)
            other = second.line()
            equal(other.startswith(name + "/") and other != key, True, other)
            second.finish(signal.SIGINT)
    equal(contenders(ctl, name), 0)


@check("lock: of a holder that died, taken when its lease ends")
def lock_expires(ctl, p):
    name = p + "lock"
    with ctl.start("lock", "--ttl", "2", name) as first, ctl.start("lock", name) as second:
        waiting = {first: second, second: first}
        holder = eventually(lambda: has_line(first, second), "one has it")
        waiting[holder].silent()
        if holder is second:  # its lease is longer: let the other have it
            second.finish(signal.SIGINT)
            first.line()
            return
        first.finish(signal.SIGKILL)
        second.line()


def has_line(*running):
    for each in running:
        if not each.lines.empty():
            return each
    return None


@check("lock: a command under it")
def lock_command(ctl, p):
    name = p + "lock"
    shell = 'echo "$ETCD_LOCK_KEY $ETCD_LOCK_REV"; exit 0'
    out = ctl.ok("lock", name, "--", "sh", "-c", shell)
    found = matches(out, rf"^{name}/[0-9a-f]+ (\d+)$")
    equal(int(found.group(1)) <= ctl.revision(), True, "revision of the lock")
    equal(contenders(ctl, name), 0)
    code, _, _ = ctl.run("lock", name, "--", "sh", "-c", "exit 3")
    equal(code != 0, True, "the command's failure")
    eventually(lambda: contenders(ctl, name) == 0, "released")


@check("elect: two candidates, one listener")
def elect(ctl, p):
    name = p + "election"
    with ctl.start("elect", name, "first") as first:
        key, proposal = first.take(2)
        equal((key.startswith(name + "/"), proposal), (True, "first"))
        with (
            ctl.start("elect", "--listen", name) as listener,
            ctl.start("elect", name, "second") as second,
        ):
            equal(listener.take(2), [key, "first"])
            eventually(lambda: contenders(ctl, name) == 2, "the second is a candidate")
            second.silent()
            first.finish(signal.SIGINT)
            other, proposal = second.take(2)
            equal((other != key, proposal), (True, "second"))
            equal(listener.take(2), [other, "second"])
            second.finish(signal.SIGINT)
    equal(contenders(ctl, name), 0)
