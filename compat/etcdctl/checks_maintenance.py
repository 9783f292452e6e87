"""endpoint hashkv, compaction --physical, snapshot, alarm, defrag."""

import hashlib
import json
import pathlib
import tempfile

from harness import check, contains, equal, eventually, matches


def hashes(ctl, revision):
    """What each node says of the versions up to `revision`, once each has it."""

    def answers():
        code, out, _ = ctl.run(
            "-w", "json", "--endpoints", ctl.all, "endpoint", "hashkv", f"--rev={revision}"
        )
        return json.loads(out) if code == 0 else None

    found = eventually(answers, f"all have revision {revision}")
    equal(len(found), 3)
    return [(each["HashKV"]["hash"], each["HashKV"]["compact_revision"]) for each in found]


@check("endpoint hashkv: the same on every node, another one after a write")
def hashkv(ctl, p):
    for value in range(5):
        revision = ctl.put(p + "k", str(value))
    ctl.ok("del", p + "k")
    first = hashes(ctl, revision + 1)
    equal(len(set(first)), 1, "one hash")
    equal(len(set(hashes(ctl, revision + 1))), 1)
    equal(first[0][0] != hashes(ctl, ctl.put(p + "k", "more"))[0][0], True, "another hash")
    code, _, error = ctl.run("endpoint", "hashkv", f"--rev={revision + 1_000_000}")
    equal(code != 0, True)
    contains(error, "required revision is a future revision")


@check("compaction --physical: hashes do not depend on what was removed when")
def physical(ctl, p):
    for number in range(40):
        revision = ctl.put(p + str(number % 7), str(number))
    ctl.ok("del", p + "3")
    contains(ctl.ok("compaction", str(revision - 10)), f"compacted revision {revision - 10}")
    newest = ctl.put(p + "3", "again")
    before = hashes(ctl, newest)
    equal(len(set(before)), 1, "one hash while it is removed")
    equal(before[0][1], revision - 10)
    contains(ctl.ok("compaction", "--physical", str(newest)), f"compacted revision {newest}")
    newest = ctl.put(p + "3", "once more")
    equal(len(set(hashes(ctl, newest))), 1, "one hash once it is removed")
    code, _, error = ctl.run("endpoint", "hashkv", f"--rev={revision}")
    equal(code != 0, True)
    contains(error, "required revision has been compacted")


@check("snapshot save and status: whole, with its checksum, at one revision")
def snapshot(ctl, p):
    ctl.ok("put", p + "big", "x" * 20_000)
    for number in range(20):
        revision = ctl.put(f"{p}{number:03}", "v" * number)
    with tempfile.TemporaryDirectory() as directory:
        file = str(pathlib.Path(directory) / "snapshot.db")
        contains(ctl.ok("snapshot", "save", file), "Snapshot saved at")
        content = pathlib.Path(file).read_bytes()
        equal(len(content) % 512, 32, "bytes after the last page")
        equal(hashlib.sha256(content[:-32]).digest(), content[-32:], "checksum")
        status = json.loads(ctl.ok("-w", "json", "snapshot", "status", file))
        equal(status["revision"] >= revision, True, "revision")
        equal(status["totalKey"] > 21, True, "keys")
        equal(status["totalSize"], len(content) - 32)
        ctl.ok("snapshot", "restore", file, "--data-dir", str(pathlib.Path(directory) / "etcd"))


@check("alarm list and disarm: none")
def alarms(ctl, p):
    equal(ctl.ok("alarm", "list"), "")
    equal(ctl.ok("alarm", "disarm"), "")


@check("defrag: every member, at once")
def defrag(ctl, p):
    out = ctl.ok("--endpoints", ctl.all, "defrag")
    equal(out.count("Finished defragmenting etcd member"), 3)
    matches(ctl.ok("put", p + "k", "v"), "^OK$")
