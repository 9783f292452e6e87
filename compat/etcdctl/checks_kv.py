"""put, get and del, with every flag."""

import base64

from harness import check, contains, equal, matches


def text(encoded):
    return base64.b64decode(encoded).decode()


def three(ctl, p):
    """Keys a, b, c whose values, creation, modification and versions all sort differently."""
    revisions = {}
    for key, value in (("b", "3"), ("c", "1"), ("a", "2"), ("b", "3"), ("b", "3"), ("c", "1")):
        revisions[key] = ctl.put(p + key, value)
    return revisions


@check("put and get")
def put_get(ctl, p):
    equal(ctl.ok("put", p + "k", "v"), "OK\n")
    for endpoint in ctl.endpoints:
        equal(ctl.at(endpoint).lines("get", p + "k"), [p + "k", "v"])
    equal(ctl.ok("get", p + "none"), "")


@check("put: each put is one revision, seen in the header")
def put_revision(ctl, p):
    first = ctl.put(p + "k", "1")
    second = ctl.put(p + "k", "2")
    if second <= first:
        raise AssertionError(f"{second} after {first}")
    answer = ctl.json("get", p + "k")
    kv = answer["kvs"][0]
    equal(kv["create_revision"], first)
    equal(kv["mod_revision"], second)
    equal(kv["version"], 2)
    equal(text(kv["value"]), "2")
    equal(answer["count"], 1)
    for field in ("cluster_id", "member_id", "revision", "raft_term"):
        if not answer["header"].get(field):
            raise AssertionError(f"{field} is missing: {answer['header']}")


@check("put: value from stdin")
def put_stdin(ctl, p):
    equal(ctl.ok("put", p + "k", stdin="from stdin\nof two lines"), "OK\n")
    equal(ctl.ok("get", p + "k", "--print-value-only"), "from stdin\nof two lines\n")


@check("put: empty value, binary value, value with dash")
def put_values(ctl, p):
    ctl.ok("put", p + "empty", "")
    equal(ctl.json("get", p + "empty")["kvs"][0].get("value", ""), "")
    ctl.ok("put", p + "bytes", stdin=bytes(range(256)))
    kv = ctl.json("get", p + "bytes")["kvs"][0]
    equal(base64.b64decode(kv["value"]), bytes(range(256)))
    ctl.ok("put", p + "dash", "--", "-v")
    equal(ctl.ok("get", p + "dash", "--print-value-only"), "-v\n")


@check("put: 1 MiB value")
def put_large(ctl, p):
    value = "x" * (1 << 20)
    ctl.ok("put", p + "k", stdin=value)
    equal(ctl.ok("get", p + "k", "--print-value-only") == value + "\n", True, "same value")


@check("put --prev-kv")
def put_prev(ctl, p):
    equal(ctl.ok("put", "--prev-kv", p + "k", "1"), "OK\n")
    equal(ctl.lines("put", "--prev-kv", p + "k", "2"), ["OK", p + "k", "1"])
    previous = ctl.json("put", "--prev-kv", p + "k", "3")["prev_kv"]
    equal((text(previous["value"]), previous["version"]), ("2", 2))


@check("put --ignore-value keeps the value")
def put_ignore_value(ctl, p):
    ctl.ok("put", p + "k", "kept")
    lease = ctl.grant(60)
    ctl.ok("put", "--ignore-value", "--lease", lease, p + "k")
    kv = ctl.json("get", p + "k")["kvs"][0]
    equal((text(kv["value"]), kv["version"], kv["lease"]), ("kept", 2, int(lease, 16)))
    ctl.ok("lease", "revoke", lease)


@check("put --ignore-lease keeps the lease")
def put_ignore_lease(ctl, p):
    lease = ctl.grant(60)
    ctl.ok("put", "--lease", lease, p + "k", "1")
    ctl.ok("put", "--ignore-lease", p + "k", "2")
    kv = ctl.json("get", p + "k")["kvs"][0]
    equal((text(kv["value"]), kv["lease"]), ("2", int(lease, 16)))
    ctl.ok("put", p + "k", "3")
    equal(ctl.json("get", p + "k")["kvs"][0].get("lease", 0), 0)
    ctl.ok("lease", "revoke", lease)
    equal(ctl.ok("get", p + "k", "--print-value-only"), "3\n")


@check("get: range, --prefix, --from-key")
def get_ranges(ctl, p):
    three(ctl, p)
    equal(ctl.lines("get", "--keys-only", p + "a", p + "c"), [p + "a", "", p + "b", ""])
    equal(ctl.lines("get", "--prefix", p), [p + "a", "2", p + "b", "3", p + "c", "1"])
    keys = ctl.lines("get", "--from-key", "--keys-only", "--limit", "2", p + "b")
    equal(keys, [p + "b", "", p + "c", ""])
    equal(ctl.ok("get", p + "c", p + "a"), "")


@check("get --limit says that there is more")
def get_limit(ctl, p):
    three(ctl, p)
    answer = ctl.json("get", "--prefix", "--limit", "2", p)
    equal(([text(kv["key"]) for kv in answer["kvs"]]), [p + "a", p + "b"])
    equal((answer["count"], answer["more"]), (3, True))
    equal(ctl.json("get", "--prefix", "--limit", "3", p).get("more", False), False)


@check("get --sort-by, --order: every target")
def get_sorted(ctl, p):
    three(ctl, p)
    orders = {"KEY": "abc", "VALUE": "cab", "CREATE": "bca", "MODIFY": "abc", "VERSION": "acb"}
    for target, keys in orders.items():
        for order, want in (("ASCEND", keys), ("DESCEND", keys[::-1])):
            args = ("--prefix", "--keys-only", "--sort-by", target, "--order", order)
            lines = [line for line in ctl.lines("get", *args, p) if line]
            equal(lines, [p + key for key in want], f"{target} {order}")
    newest = ctl.lines(
        "get", "--prefix", "--limit", "1", "--sort-by", "MODIFY", "--order", "DESCEND", p
    )
    equal(newest, [p + "c", "1"])
    equal(ctl.lines("get", "--prefix", "--sort-by", "VERSION", p)[0], p + "a")
    equal(ctl.lines("get", "--prefix", "--order", "DESCEND", p)[0], p + "c")


@check("get --rev reads the past")
def get_rev(ctl, p):
    first = ctl.put(p + "a", "old")
    second = ctl.put(p + "b", "1")
    ctl.put(p + "a", "new")
    ctl.ok("del", p + "b")
    for endpoint in ctl.endpoints:
        at = ctl.at(endpoint)
        equal(at.lines("get", "--prefix", "--rev", str(first), p), [p + "a", "old"])
        equal(at.lines("get", "--prefix", "--rev", str(second), p), [p + "a", "old", p + "b", "1"])
        equal(at.lines("get", "--prefix", p), [p + "a", "new"])
    equal(ctl.ok("get", "--prefix", "--rev", str(first - 1), p), "")


@check("get --consistency: a node serves at once what was written through it")
def get_serializable(ctl, p):
    for number, endpoint in enumerate(ctl.endpoints * 3):
        at = ctl.at(endpoint)
        at.ok("put", p + "k", str(number))
        equal(at.lines("get", "--consistency", "s", p + "k"), [p + "k", str(number)])
    equal(ctl.lines("get", "--consistency", "l", p + "k"), [p + "k", str(number)])


@check("get --print-value-only, --hex")
def get_print(ctl, p):
    ctl.ok("put", p + "k", "v1")
    equal(ctl.ok("get", "--print-value-only", p + "k"), "v1\n")
    hexed = "".join(f"\\x{byte:02x}" for byte in (p + "k").encode())
    equal(ctl.lines("get", "--hex", p + "k"), [hexed, "\\x76\\x31"])


@check("get --count-only")
def get_count(ctl, p):
    ctl.need("get", "--count-only")
    three(ctl, p)
    lines = ctl.lines("-w", "fields", "get", "--prefix", "--count-only", p)
    equal(('"Count" : 3' in lines, '"Key"' in "".join(lines)), (True, False))


@check("get -w fields, protobuf")
def get_formats(ctl, p):
    revision = ctl.put(p + "k", "v")
    fields = dict(
        line.split(" : ", 1) for line in ctl.lines("-w", "fields", "get", p + "k") if line
    )
    equal(fields['"Key"'], f'"{p}k"')
    equal(fields['"Value"'], '"v"')
    equal(fields['"CreateRevision"'], str(revision))
    equal(fields['"ModRevision"'], str(revision))
    equal((fields['"Version"'], fields['"Lease"']), ("1", "0"))
    equal((fields['"More"'], fields['"Count"']), ("false", "1"))
    if int(fields['"ClusterID"']) == 0 or int(fields['"RaftTerm"']) == 0:
        raise AssertionError(f"header: {fields}")
    raw = ctl.ok("-w", "protobuf", "get", p + "k", binary=True)
    contains(raw, (p + "k").encode())


@check("del: a key, and none")
def delete(ctl, p):
    ctl.ok("put", p + "k", "v")
    before = ctl.revision()
    equal(ctl.ok("del", p + "none"), "0\n")
    equal(ctl.ok("del", p + "k"), "1\n")
    equal(ctl.json("get", p + "k")["header"]["revision"] > before, True, "revision moved")
    equal(ctl.ok("get", p + "k"), "")
    ctl.ok("put", p + "k", "again")
    equal(ctl.json("get", p + "k")["kvs"][0]["version"], 1)


@check("del of nothing does not move the revision")
def delete_nothing(ctl, p):
    revision = ctl.put(p + "k", "v")
    equal(ctl.json("del", p + "none")["header"]["revision"], revision)
    equal(ctl.revision(), revision)


@check("del --prefix --prev-kv, range, --from-key")
def delete_ranges(ctl, p):
    three(ctl, p)
    equal(ctl.lines("del", p + "a", p + "c", "--prev-kv"), ["2", p + "a", "2", p + "b", "3"])
    equal(ctl.lines("del", "--prefix", "--prev-kv", p), ["1", p + "c", "1"])
    equal(ctl.ok("del", "--prefix", p), "0\n")
    # From a key after which nobody else keeps any, so that the cluster may be in use.
    last = "\x7f" + p
    ctl.ok("put", last + "1", "v")
    ctl.ok("put", last + "2", "v")
    deleted = ctl.ok("del", "--from-key", last + "1")
    equal(int(matches(deleted, r"^(\d+)$").group(1)) >= 2, True, "deleted")
    equal(ctl.ok("get", "--prefix", last), "")


@check("del of a range is one revision")
def delete_atomic(ctl, p):
    three(ctl, p)
    before = ctl.revision()
    answer = ctl.json("del", "--prefix", p)
    equal((answer["deleted"], answer["header"]["revision"]), (3, before + 1))
