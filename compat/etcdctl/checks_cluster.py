"""endpoint status, endpoint health, member list."""

import re

from harness import check, equal, matches


def table(text):
    """The rows of an etcdctl table, each a dict by column."""
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in text.splitlines()
        if line.startswith("|")
    ]
    return [dict(zip(rows[0], row, strict=True)) for row in rows[1:]]


def bare(url):
    return re.sub(r"^https?://", "", url)


@check("member list -w json: three members, the same from each node")
def members_json(ctl, p):
    seen = []
    for endpoint in ctl.endpoints:
        answer = ctl.at(endpoint).json("member", "list")
        equal(answer["header"]["cluster_id"] != 0, True, "cluster_id")
        seen.append(
            (answer["header"]["cluster_id"], sorted(answer["members"], key=lambda m: m["ID"]))
        )
    equal(seen[1], seen[0])
    equal(seen[2], seen[0])
    members = seen[0][1]
    equal(len({member["ID"] for member in members}), 3)
    equal(len({member["name"] for member in members}), 3)
    equal({bare(url) for member in members for url in member["clientURLs"]}, set(ctl.endpoints))
    equal(all(member["peerURLs"] for member in members), True, "peerURLs")


@check("member list: simple, table, fields")
def members(ctl, p):
    for line in ctl.lines("member", "list"):
        matches(line, r"^[0-9a-f]{1,16}, started, \S+, http://\S+, http://\S+, false$")
    equal(len(ctl.lines("member", "list")), 3)
    rows = table(ctl.ok("-w", "table", "member", "list"))
    equal({bare(row["CLIENT ADDRS"]) for row in rows}, set(ctl.endpoints))
    equal({row["STATUS"] for row in rows}, {"started"})
    equal({row["IS LEARNER"] for row in rows}, {"false"})
    equal(ctl.ok("-w", "fields", "member", "list").count('"Name" : '), 3)


@check("endpoint status -w json: one leader, all agree on it")
def status_json(ctl, p):
    ctl.ok("put", p + "k", "v")
    answers = ctl.json("--endpoints", ctl.all, "endpoint", "status")
    equal([answer["Endpoint"] for answer in answers], ctl.endpoints)
    status = [answer["Status"] for answer in answers]
    ids = {each["header"]["member_id"] for each in status}
    equal(len(ids), 3)
    equal(len({each["header"]["cluster_id"] for each in status}), 1)
    leaders = {each["leader"] for each in status}
    equal((len(leaders), leaders <= ids), (1, True))
    equal(len({each["raftTerm"] for each in status}), 1)
    for each in status:
        matches(each["version"], r"^3\.[4-9]\.\d+")
        for field in ("dbSize", "raftIndex", "raftTerm", "raftAppliedIndex"):
            equal(each[field] > 0, True, field)
        equal(each["raftAppliedIndex"] <= each["raftIndex"], True, "applied")
        equal(each.get("errors", []), [])
        equal(each.get("isLearner", False), False)


@check("endpoint status -w table, simple, --cluster")
def status_table(ctl, p):
    equal(len(ctl.lines("--endpoints", ctl.all, "endpoint", "status")), 3)
    rows = table(ctl.ok("-w", "table", "endpoint", "status", "--cluster"))
    equal({bare(row["ENDPOINT"]) for row in rows}, set(ctl.endpoints))
    equal(sorted(row["IS LEADER"] for row in rows), ["false", "false", "true"])
    ids = {row["ID"] for row in rows}
    equal(ids, {row["ID"] for row in table(ctl.ok("-w", "table", "member", "list"))})


@check("endpoint health, and --cluster")
def health(ctl, p):
    for args in (
        ["--endpoints", ctl.all, "endpoint", "health"],
        ["endpoint", "health", "--cluster"],
    ):
        code, out, error = ctl.run(*args)
        equal((code, (out + error).count("is healthy: successfully committed proposal")), (0, 3))
        answers = ctl.json(*args)
        equal({bare(each["endpoint"]) for each in answers}, set(ctl.endpoints))
        equal([each["health"] for each in answers], [True] * 3)


@check("every node holds the same, each asked for itself")
def same_everywhere(ctl, p):
    for value in range(3):
        revision = ctl.put(p + "k", str(value))
    args = ("get", "--consistency", "s", "--prefix", "--rev", str(revision), "compat/")
    held = []
    for endpoint in ctl.endpoints:
        at = ctl.at(endpoint)
        # One linearizable read first: after it the node has the revision.
        equal(at.lines("get", p + "k"), [p + "k", "2"])
        held.append(at.json(*args)["kvs"])
    equal(len(held[0]) > 0, True, "something")
    equal(held[1] == held[0], True, "second as first")
    equal(held[2] == held[0], True, "third as first")
