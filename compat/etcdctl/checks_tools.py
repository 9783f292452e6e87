"""What of etcdctl is a program by itself: check perf, check datascale, make-mirror."""

import re

from harness import check, contains, equal, eventually, matches

PERF_SECONDS = 120


@check("check perf: 150 writes a second for a minute")
def perf(ctl, p):
    code, out, error = ctl.run(
        "--endpoints", ctl.all, "check", "perf", "--load", "s", "--prefix", p,
        "--auto-compact", "--auto-defrag", seconds=PERF_SECONDS,
    )  # fmt: skip
    verdict = out.rsplit("\r", 1)[-1]
    matches(verdict, r"PASS: Throughput is \d+ writes/s")
    contains(verdict, "Compacted with revision")
    equal(verdict.count("Defragmented "), 3, "defragmented")
    # How fast the slowest of them was is the machine's affair; anything else is ours.
    is_slow = re.search(r"^(Slowest request took too long|Stddev too high)", verdict, re.MULTILINE)
    equal(code != 0, bool(is_slow), verdict + error[-300:])
    equal(ctl.lines("get", "--prefix", p), [], "it leaves nothing")


@check("check datascale: 10,000 records, and the memory they took")
def datascale(ctl, p):
    out = ctl.ok("check", "datascale", "--load", "s", "--prefix", p, seconds=PERF_SECONDS)
    matches(out, r"PASS: Approximate system memory used : -?[\d.]+ [KMG]B\.")
    equal(ctl.lines("get", "--prefix", p), [], "it leaves nothing")


@check("make-mirror: what was, what comes and what goes")
def mirror(ctl, p):
    source, copy = p + "source/", p + "copy/"
    ctl.ok("put", source + "a", "1")
    ctl.ok("put", source + "b", "2")
    to = ctl.endpoints[-1]
    with ctl.start("make-mirror", "--prefix", source, "--dest-prefix", copy, to) as running:

        def copied(*lines):
            wanted = [word for key, value in lines for word in (copy + key, value)]
            eventually(lambda: ctl.lines("get", "--prefix", copy) == wanted, f"{wanted}")

        copied(("a", "1"), ("b", "2"))
        ctl.ok("txn", stdin=f"\nput {source}a 3\nput {source}c 4\n\n\n")
        copied(("a", "3"), ("b", "2"), ("c", "4"))
        ctl.ok("del", source + "b")
        copied(("a", "3"), ("c", "4"))
        running.silent()


@check("version")
def version(ctl, p):
    matches(ctl.ok("version"), r"^API version: 3\.\d+$")
