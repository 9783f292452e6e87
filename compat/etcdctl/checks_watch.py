"""watch: from now, from the past, by range, with progress; and compaction, which ends the past."""

import base64
import json
import signal

from harness import check, equal, eventually, matches


def text(encoded):
    return base64.b64decode(encoded).decode()


@check("watch --rev: history, then what comes")
def history(ctl, p):
    first = ctl.put(p + "k", "1")
    ctl.put(p + "k", "2")
    ctl.put(p + "other", "not watched")
    ctl.ok("del", p + "k")
    started = [ctl.at(each).start("watch", "--rev", str(first), p + "k") for each in ctl.endpoints]
    with started[0], started[1], started[2]:
        for watch in started:
            equal(watch.take(6), ["PUT", p + "k", "1", "PUT", p + "k", "2"])
            equal(watch.take(3), ["DELETE", p + "k", ""])
        ctl.ok("put", p + "k", "3")
        ctl.ok("del", p + "k")
        for watch in started:
            equal(watch.take(6), ["PUT", p + "k", "3", "DELETE", p + "k", ""])
        started[0].silent()


@check("watch --prefix, range, --rev in the middle")
def ranges(ctl, p):
    revision = [ctl.put(p + key, key) for key in "abcd"]
    with ctl.start("watch", "--prefix", "--rev", str(revision[1]), p) as prefix:
        equal(prefix.take(9), ["PUT", p + "b", "b", "PUT", p + "c", "c", "PUT", p + "d", "d"])
    with ctl.start("watch", "--rev", str(revision[0]), p + "b", p + "d") as part:
        equal(part.take(6), ["PUT", p + "b", "b", "PUT", p + "c", "c"])
        part.silent()


@check("watch --prev-kv")
def previous(ctl, p):
    first = ctl.put(p + "k", "1")
    ctl.put(p + "k", "2")
    ctl.ok("del", p + "k")
    with ctl.start("watch", "--prev-kv", "--rev", str(first), p + "k") as watch:
        equal(watch.take(3), ["PUT", p + "k", "1"])
        equal(watch.take(5), ["PUT", p + "k", "1", p + "k", "2"])
        equal(watch.take(5), ["DELETE", p + "k", "2", p + "k", ""])


@check("watch -w json: events carry their revisions; a txn comes whole")
def atomic(ctl, p):
    before = ctl.put(p + "gone", "v")
    script = f"\nput {p}a 1\nput {p}b 2\ndel {p}gone\n\n\n"
    with ctl.start("-w", "json", "watch", "--prefix", "--rev", str(before + 1), p) as watch:
        ctl.ok("txn", stdin=script)
        answer = json.loads(watch.line())
        events = answer["Events"]
        equal([text(event["kv"]["key"]) for event in events], [p + "a", p + "b", p + "gone"])
        equal([event.get("type", 0) for event in events], [0, 0, 1])
        equal({event["kv"]["mod_revision"] for event in events}, {before + 1})
        equal(events[0]["kv"]["create_revision"], before + 1)
        equal(answer["Header"]["revision"] >= before + 1, True, "header")


@check("watch in the future delivers nothing earlier")
def future(ctl, p):
    now = ctl.put(p + "k", "0")
    with ctl.start("watch", "--rev", str(now + 3), p + "k") as watch:
        for value in "1234":
            ctl.ok("put", p + "k", value)
        equal(watch.take(6), ["PUT", p + "k", "3", "PUT", p + "k", "4"])


@check("watch -i: progress comes after the events it counts")
def progress(ctl, p):
    with ctl.start("watch", "-i") as watch:
        watch.say(f"watch {p} --prefix\n")
        eventually(lambda: notified(watch), "a progress notification")
        for value in range(5):
            revision = ctl.put(p + "k", str(value))
            equal(watch.take(3), ["PUT", p + "k", str(value)])
        # Asked until it says so: the node may learn of the last revision after the answer.
        eventually(lambda: (notified(watch) or 0) >= revision, "progress up to the last put")


def notified(watch):
    """Asks for progress; its revision."""
    watch.say("progress\n")
    return int(matches(watch.line(), r"^progress notify: (\d+)$").group(1))


@check("watch -i: two watches on one stream")
def two(ctl, p):
    first = ctl.put(p + "a", "1")
    second = ctl.put(p + "b", "2")
    with ctl.start("watch", "-i") as watch:
        watch.say(f"watch {p}a --rev {first}\n")
        equal(watch.take(3), ["PUT", p + "a", "1"])
        watch.say(f"watch {p}b --rev {second}\n")
        equal(watch.take(3), ["PUT", p + "b", "2"])
        ctl.ok("put", p + "a", "3")
        equal(watch.take(3), ["PUT", p + "a", "3"])
        ctl.ok("put", p + "b", "4")
        equal(watch.take(3), ["PUT", p + "b", "4"])


@check("watch: a command for each event")
def command(ctl, p):
    revision = ctl.put(p + "k", "v")
    shell = 'echo "$ETCD_WATCH_EVENT_TYPE $ETCD_WATCH_KEY $ETCD_WATCH_VALUE"'
    with ctl.start("watch", "--rev", str(revision), p + "k", "--", "sh", "-c", shell) as watch:
        equal(watch.take(4), ["PUT", p + "k", "v", f'"PUT" "{p}k" "v"'])


@check("watch: 500 events in order, none lost, none twice")
def many(ctl, p):
    first = ctl.put(p + "k", "first")
    with ctl.start("-w", "json", "watch", "--prefix", "--rev", str(first), p) as watch:
        for batch in range(5):
            operations = "".join(f"put {p}{batch}/{number:03} v\n" for number in range(100))
            ctl.ok("txn", stdin=f"\n{operations}\n\n")
        events = []
        while len(events) < 501:
            events += json.loads(watch.line())["Events"]
        want = [p + "k"] + [
            f"{p}{batch}/{number:03}" for batch in range(5) for number in range(100)
        ]
        equal([text(event["kv"]["key"]) for event in events], want)
        revisions = [event["kv"]["mod_revision"] for event in events]
        equal(revisions, sorted(revisions))
        equal(len(set(revisions)), 6)


@check("watch: stops by Ctrl-C; the cluster goes on")
def stops(ctl, p):
    revision = ctl.put(p + "k", "v")
    with ctl.start("watch", "--rev", str(revision), p + "k") as watch:
        equal(watch.take(3), ["PUT", p + "k", "v"])
        watch.finish(signal.SIGINT)
    equal(ctl.lines("get", p + "k"), [p + "k", "v"])


@check("compaction: the past is gone, the present is not")
def compaction(ctl, p):
    old = ctl.put(p + "k", "old")
    ctl.put(p + "gone", "v")
    ctl.ok("del", p + "gone")
    kept = ctl.put(p + "k", "new")
    equal(ctl.ok("compaction", str(kept)), f"compacted revision {kept}\n")
    for endpoint in ctl.endpoints:
        at = ctl.at(endpoint)
        at.fails(
            "etcdserver: mvcc: required revision has been compacted",
            "get",
            "--rev",
            str(old),
            p + "k",
        )
        equal(at.lines("get", "--rev", str(kept), p + "k"), [p + "k", "new"])
        equal(at.lines("get", "--prefix", p), [p + "k", "new"])
    ctl.fails("etcdserver: mvcc: required revision has been compacted", "compaction", str(old))
    ctl.fails("etcdserver: mvcc: required revision has been compacted", "compaction", str(kept))


@check("compaction --physical")
def physical(ctl, p):
    ctl.put(p + "k", "old")
    kept = ctl.put(p + "k", "new")
    equal(ctl.ok("compaction", "--physical", str(kept)), f"compacted revision {kept}\n")
    equal(ctl.lines("get", "--rev", str(kept), p + "k"), [p + "k", "new"])


@check("watch from a compacted revision is canceled and says so")
def watch_compacted(ctl, p):
    old = ctl.put(p + "k", "old")
    kept = ctl.put(p + "k", "new")
    ctl.ok("compaction", str(kept))
    with ctl.start("-w", "json", "watch", "--rev", str(old), p + "k") as watch:
        answer = json.loads(watch.line())
        equal((answer["Canceled"], answer["CompactRevision"]), (True, kept))
        code, error = watch.finish()
        equal(code != 0, True, "exit code")
        matches(error, r"etcdserver: mvcc: required revision has been compacted")
    with ctl.start("watch", "--rev", str(kept), p + "k") as watch:
        equal(watch.take(3), ["PUT", p + "k", "new"])
