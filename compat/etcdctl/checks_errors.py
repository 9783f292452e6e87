"""What the server refuses, and the exact words of it."""

from harness import Skip, check, equal

COMPACTED = "etcdserver: mvcc: required revision has been compacted"
FUTURE = "etcdserver: mvcc: required revision is a future revision"
UNKNOWN_LEASE = "etcdserver: requested lease not found"
NO_LEASE = "00000000deadbeef"
NOT_FOUND = "etcdserver: key not found"


@check("error: empty key")
def empty_key(ctl, p):
    for endpoint in ctl.endpoints:
        ctl.at(endpoint).fails("etcdserver: key is not provided", "put", "", "v")


@check("error: unknown lease")
def unknown_lease(ctl, p):
    for endpoint in ctl.endpoints:
        at = ctl.at(endpoint)
        at.fails(UNKNOWN_LEASE, "put", "--lease", NO_LEASE, p + "k", "v")
        at.fails(f"failed to revoke lease ({UNKNOWN_LEASE})", "lease", "revoke", NO_LEASE)
        equal(at.ok("lease", "timetolive", NO_LEASE), f"lease {NO_LEASE} already expired\n")
    ctl.fails(UNKNOWN_LEASE, "txn", stdin=f"\nput {p}first v\nput {p}k v --lease={NO_LEASE}\n\n\n")
    equal(ctl.ok("get", "--prefix", p), "")


@check("error: too large a lease")
def large_lease(ctl, p):
    ctl.fails(
        "failed to grant lease (etcdserver: too large lease TTL)", "lease", "grant", "9000000001"
    )


@check("error: a future revision")
def future(ctl, p):
    revision = ctl.put(p + "k", "v") + 1_000_000
    for endpoint in ctl.endpoints:
        at = ctl.at(endpoint)
        at.fails(FUTURE, "get", "--rev", str(revision), p + "k")
        at.fails(FUTURE, "get", "--consistency", "s", "--rev", str(revision), p + "k")
        at.fails(FUTURE, "compaction", str(revision))


@check("error: a future or compacted revision in a txn changes nothing")
def txn_revision(ctl, p):
    version = ctl.json("endpoint", "status")[0]["Status"]["version"]
    if version.startswith(("3.4.", "3.5.")):
        # There only the node that answers refuses: the others write, and the nodes differ for ever.
        raise Skip(f"would damage a cluster of etcd {version}")
    old = ctl.put(p + "k", "old")
    future = old + 1_000_000
    ctl.fails(FUTURE, "txn", stdin=f"\nput {p}k w\nget {p}k --rev={future}\n\n\n")
    for endpoint in ctl.endpoints:
        equal(ctl.at(endpoint).lines("get", p + "k"), [p + "k", "old"])
    ctl.ok("compaction", str(ctl.put(p + "k", "new")))
    ctl.fails(COMPACTED, "txn", stdin=f"\nput {p}k w\nget {p}k --rev={old}\n\n\n")
    for endpoint in ctl.endpoints:
        equal(ctl.at(endpoint).lines("get", p + "k"), [p + "k", "new"])


@check("error: a compacted revision, by a serializable get too")
def compacted(ctl, p):
    old = ctl.put(p + "k", "old")
    ctl.ok("compaction", str(ctl.put(p + "k", "new")))
    for endpoint in ctl.endpoints:
        at = ctl.at(endpoint)
        at.fails(COMPACTED, "get", "--rev", str(old), p + "k")
        at.fails(COMPACTED, "get", "--consistency", "s", "--rev", str(old), p + "k")


@check("error: a key twice in a txn")
def duplicate_key(ctl, p):
    words = "etcdserver: duplicate key given in txn request"
    for second in (f"put {p}k 2", f"del {p}k", f"del {p} --prefix"):
        ctl.fails(words, "txn", stdin=f"\nput {p}k 1\n{second}\n\n\n")
    equal(ctl.ok("get", p + "k"), "")
    # Once in each branch is no duplicate, and deleting twice is none.
    ctl.ok("txn", stdin=f"\nput {p}k 1\n\nput {p}k 2\n\n")
    ctl.ok("txn", stdin=f"\ndel {p}k\ndel {p} --prefix\n\n\n")


@check("error: too many operations")
def operations(ctl, p):
    words = "etcdserver: too many operations in txn request"
    many = "".join(f"put {p}{number} v\n" for number in range(129))
    ctl.fails(words, "txn", stdin=f"\n{many}\n\n")
    ctl.fails(words, "txn", stdin=f"\n\n{many}\n")
    compares = "".join(f'version("{p}{number}") = "0"\n' for number in range(129))
    ctl.fails(words, "txn", stdin=f"{compares}\nput {p}k v\n\n\n")
    equal(ctl.ok("get", "--prefix", p), "")


@check("error: request too large")
def too_large(ctl, p):
    words = "etcdserver: request is too large"
    for endpoint in ctl.endpoints:
        ctl.at(endpoint).fails(words, "put", p + "k", stdin="x" * 1_600_000)
    equal(ctl.ok("get", p + "k"), "")
    ctl.ok("put", p + "k", "still served")


@check("error: --ignore-value and --ignore-lease of no key")
def ignore(ctl, p):
    ctl.fails(NOT_FOUND, "put", "--ignore-value", p + "k")
    ctl.fails(NOT_FOUND, "put", "--ignore-lease", p + "k", "v")
    ctl.fails(NOT_FOUND, "txn", stdin=f"\nput {p}a v\nput {p}k v --ignore-lease\n\n\n")
    equal(ctl.ok("get", "--prefix", p), "")
