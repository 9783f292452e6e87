"""txn: its compares, its two branches, and what it writes."""

from harness import check, equal


def txn(ctl, compares, success, failure=(), interactive=False):
    script = "".join(
        "".join(f"{line}\n" for line in part) + "\n" for part in (compares, success, failure)
    )
    return ctl.ok("txn", *(["-i"] if interactive else []), stdin=script)


def succeeds(ctl, *compares):
    """Whether these compares hold, as the server sees it."""
    first = txn(ctl, compares, ["get compat/none"]).splitlines()[0]
    if first not in ("SUCCESS", "FAILURE"):
        raise AssertionError(first)
    return first == "SUCCESS"


@check("txn: success and failure branch")
def branches(ctl, p):
    compare = [f'version("{p}k") = "0"']
    args = (compare, [f"put {p}k 1", f"get {p}k"], [f"get {p}k", f"del {p}k"])
    equal(txn(ctl, *args), f"SUCCESS\n\nOK\n\n{p}k\n1\n")
    equal(txn(ctl, *args), f"FAILURE\n\n{p}k\n1\n\n1\n")
    equal(ctl.ok("get", p + "k"), "")


@check("txn: no compare is success; empty branches")
def empty(ctl, p):
    equal(txn(ctl, [], [f"put {p}k v"]), "SUCCESS\n\nOK\n")
    equal(txn(ctl, [f'version("{p}k") = "7"'], [f"put {p}k w"]), "FAILURE\n")
    equal(txn(ctl, [], []), "SUCCESS\n")
    equal(ctl.ok("get", p + "k", "--print-value-only"), "v\n")


@check("txn -i")
def interactive(ctl, p):
    out = txn(ctl, [f'version("{p}k") = "0"'], [f"put {p}k v"], interactive=True)
    for part in ("compares:", "success requests", "failure requests", "SUCCESS", "OK"):
        equal(part in out, True, part)


@check("txn: compares of version, create, mod and value, by =, !=, < and >")
def compares(ctl, p):
    create = ctl.put(p + "k", "b")
    modified = ctl.put(p + "k", "b")
    targets = {
        "version": ("1", "2", "3"),
        "create": (str(create - 1), str(create), str(create + 1)),
        "mod": (str(modified - 1), str(modified), str(modified + 1)),
        "value": ("a", "b", "c"),
    }
    for target, (below, exact, above) in targets.items():
        # On the left stands the server's value.
        for operator, value, want in (
            ("=", exact, True),
            ("=", below, False),
            ("<", above, True),
            ("<", exact, False),
            (">", below, True),
            (">", exact, False),
            ("!=", below, True),
            ("!=", exact, False),
        ):
            compare = f'{target}("{p}k") {operator} "{value}"'
            equal(succeeds(ctl, compare), want, compare)


@check("txn: every compare has to hold")
def conjunction(ctl, p):
    ctl.put(p + "a", "1")
    ctl.put(p + "b", "2")
    equal(succeeds(ctl, f'value("{p}a") = "1"', f'value("{p}b") = "2"'), True)
    equal(succeeds(ctl, f'value("{p}a") = "1"', f'value("{p}b") = "3"'), False)
    equal(succeeds(ctl, f'create("{p}none") = "0"', f'mod("{p}none") = "0"'), True)
    # A missing key has no value: a compare of it never holds.
    equal(succeeds(ctl, f'value("{p}none") = ""'), False)


@check("txn: its writes are one revision, its reads see them")
def one_revision(ctl, p):
    before = ctl.put(p + "gone", "v")
    operations = [f"put {p}a 1", f"put {p}b 2", f"del {p}gone", f"get {p} --prefix"]
    out = txn(ctl, [], operations)
    equal(out, f"SUCCESS\n\nOK\n\nOK\n\n1\n\n{p}a\n1\n{p}b\n2\n")
    revisions = {kv["mod_revision"] for kv in ctl.json("get", "--prefix", p)["kvs"]}
    equal(revisions, {before + 1})
    equal(ctl.revision(), before + 1)


@check("txn that writes nothing does not move the revision")
def read_only(ctl, p):
    before = ctl.put(p + "k", "v")
    txn(ctl, [], [f"get {p}k", f"del {p}none"])
    equal(ctl.revision(), before)


@check("txn: flags of its operations")
def flags(ctl, p):
    ctl.put(p + "k", "1")
    out = txn(ctl, [], [f"put {p}k 2 --prev-kv", f"get --limit 1 --prefix {p}"])
    equal(out, f"SUCCESS\n\nOK\n{p}k\n1\n\n{p}k\n2\n")
    equal(txn(ctl, [], [f"del {p} --prefix --prev-kv"]), f"SUCCESS\n\n1\n{p}k\n2\n")
    lease = ctl.grant(60)
    txn(ctl, [], [f"put {p}leased v --lease={lease}"])
    equal(ctl.json("get", p + "leased")["kvs"][0]["lease"], int(lease, 16))
    ctl.ok("lease", "revoke", lease)
    equal(ctl.ok("get", p + "leased"), "")


@check("txn: the largest allowed, 128 operations")
def largest(ctl, p):
    out = txn(ctl, [], [f"put {p}{number:03} v" for number in range(128)])
    equal(out.count("OK"), 128)
    answer = ctl.json("get", "--prefix", p)
    equal((answer["count"], len({kv["mod_revision"] for kv in answer["kvs"]})), (128, 1))
