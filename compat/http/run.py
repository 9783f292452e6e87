#!/usr/bin/env python3
"""The JSON gateway as programs use it that have no gRPC: Patroni, APISIX, curl. Python's own HTTP only.

http/run.py A,B,C [--etcd] [--only PART]     the last line is `N passed, N failed`

`--etcd` says that the servers are the original (3.5.1 was used): what only we promise is left out.
"""

import argparse
import base64
import http.client
import json
import os
import secrets
import sys
import threading
import time
import traceback

SECONDS = 15
NAMES = ["n1", "n2", "n3"]

_checks = []


def check(function):
    _checks.append(function)
    return function


def ours(function):
    """A check of what the original does not have, or does otherwise."""
    function.ours = True
    return check(function)


def equal(got, want, what=""):
    if got != want:
        raise AssertionError(f"{what or 'value'}: got {got!r}, want {want!r}")


def b64(text):
    return base64.b64encode(text.encode()).decode()


class Api:
    """Requests to the nodes in turn."""

    def __init__(self, endpoints):
        self.endpoints = endpoints
        self.turn = 0
        self.prefix = "compat/http/" + secrets.token_hex(4) + "/"

    def connect(self, node=None):
        if node is None:
            self.turn += 1
            node = self.turn
        return http.client.HTTPConnection(
            self.endpoints[node % len(self.endpoints)], timeout=SECONDS
        )

    def raw(self, method, path, body=None, headers=(), node=None):
        connection = self.connect(node)
        try:
            connection.request(method, path, body, dict(headers))
            answer = connection.getresponse()
            return answer.status, answer.read(), answer.headers
        finally:
            connection.close()

    def post(self, path, body, headers=(), node=None):
        """(HTTP status, answer)"""
        text = body if isinstance(body, (str, bytes)) else json.dumps(body)
        status, answer, kept = self.raw("POST", path, text, headers, node)
        equal(kept["Content-Type"], "application/json", f"{path}: content type")
        return status, json.loads(answer)

    def ok(self, path, body, headers=(), node=None):
        status, answer = self.post(path, body, headers, node)
        if status != 200:
            raise AssertionError(f"{path}: {status} {answer}")
        return answer

    def key(self, name):
        return b64(self.prefix + name)

    def put(self, name, value, **more):
        return self.ok("/v3/kv/put", {"key": self.key(name), "value": b64(value), **more})

    def stream(self, path, *bodies):
        return Stream(self.connect(), path, bodies)


class Stream:
    """A request whose body stays open, and the lines that come back."""

    def __init__(self, connection, path, bodies):
        self.connection = connection
        connection.putrequest("POST", path)
        connection.putheader("Transfer-Encoding", "chunked")
        connection.endheaders()
        for body in bodies:
            self.send(body)
        self.answer = None

    def send(self, body):
        text = (body if isinstance(body, str) else json.dumps(body)).encode()
        self.connection.send(b"%x\r\n%s\r\n" % (len(text), text))

    def end(self):
        self.connection.send(b"0\r\n\r\n")

    def line(self):
        if self.answer is None:
            self.answer = self.connection.getresponse()
        line = self.answer.readline()
        return json.loads(line) if line else None

    def result(self):
        line = self.line()
        if not line or "result" not in line:
            raise AssertionError(f"no result: {line}")
        return line["result"]

    def close(self):
        self.connection.close()


@check
def put_and_get_in_each_way_of_writing_it(api):
    answer = api.put("a", "one")
    equal(sorted(answer["header"]), ["cluster_id", "member_id", "raft_term", "revision"])
    for value in answer["header"].values():
        equal(type(value), str, "64-bit numbers are strings")
    key = api.key("a")
    end = base64.b64encode((api.prefix + "b").encode()).decode()
    for body in (
        {"key": key},
        {"key": key, "range_end": end, "limit": 1, "sort_order": "DESCEND", "sort_target": 2},
        {"key": key, "rangeEnd": end, "limit": "1", "sortOrder": 2, "sortTarget": "CREATE"},
        {"key": key, "nobody_knows": {"this": [1, 2]}},
    ):
        found = api.ok("/v3/kv/range", body)
        equal(found["count"], "1", body)
        kv = found["kvs"][0]
        equal((kv["key"], kv["value"], kv["version"]), (key, b64("one"), "1"), body)
        equal("lease" in kv, False, "zeros are left out")
        equal("more" in found, False, "false is left out")


@check
def bytes_of_both_alphabets(api):
    raw = api.prefix.encode() + b"\xff\xfe\xfb\xef"
    api.ok("/v3/kv/put", {"key": base64.b64encode(raw).decode(), "value": ""})
    found = api.ok("/v3/kv/range", {"key": base64.b64encode(raw).decode()})
    equal(base64.b64decode(found["kvs"][0]["key"]), raw)
    equal("value" in found["kvs"][0], False, "an empty value is left out")


@ours
def the_alphabet_for_urls(api):
    raw = api.prefix.encode() + b"\xff\xfe\xfb\xee"
    api.ok("/v3/kv/put", {"key": base64.urlsafe_b64encode(raw).decode(), "value": b64("v")})
    found = api.ok("/v3/kv/range", {"key": base64.urlsafe_b64encode(raw).decode().rstrip("=")})
    equal(found["count"], "1")


@check
def a_transaction_as_patroni_writes_it(api):
    key = api.key("leader")
    lease = api.ok("/v3/lease/grant", {"TTL": 30})
    equal(lease["TTL"], "30")
    txn = {
        "compare": [{"key": key, "target": "CREATE", "create_revision": "0"}],
        "success": [{"request_put": {"key": key, "value": b64("n1"), "lease": lease["ID"]}}],
        "failure": [{"request_range": {"key": key}}],
    }
    first = api.ok("/v3/kv/txn", txn)
    equal(first["succeeded"], True)
    equal(first["responses"][0]["response_put"]["header"]["revision"], first["header"]["revision"])
    second = api.ok("/v3/kv/txn", txn)
    equal("succeeded" in second, False)
    kv = second["responses"][0]["response_range"]["kvs"][0]
    equal((kv["value"], kv["lease"]), (b64("n1"), lease["ID"]))
    by_value = {
        "compare": [{"key": key, "target": "VALUE", "result": "EQUAL", "value": b64("n1")}],
        "success": [{"request_delete_range": {"key": key}}],
    }
    gone = api.ok("/v3/kv/txn", by_value)
    equal(gone["responses"][0]["response_delete_range"]["deleted"], "1")
    api.ok("/v3/lease/revoke", {"ID": lease["ID"]})


@check
def a_transaction_as_apisix_writes_it(api):
    key = api.key("route")
    body = {
        "compare": [{"key": key, "target": "MOD", "modRevision": 0, "result": "EQUAL"}],
        "success": [{"requestPut": {"key": key, "value": b64("{}"), "prevKv": True}}],
        "failure": [],
    }
    equal(api.ok("/v3/kv/txn", body)["succeeded"], True)
    before = api.ok("/v3/kv/put", {"key": key, "value": b64("2"), "prevKv": True})
    equal(before["prev_kv"]["value"], b64("{}"))


@check
def deletes_and_compaction(api):
    api.put("d", "1")
    revision = api.put("d", "2")["header"]["revision"]
    gone = api.ok("/v3/kv/deleterange", {"key": api.key("d"), "prev_kv": True})
    equal((gone["deleted"], gone["prev_kvs"][0]["value"]), ("1", b64("2")))
    again = api.ok("/v3/kv/deleterange", {"key": api.key("d")})
    equal(sorted(again), ["header"], "nothing deleted is left out")
    api.ok("/v3/kv/compaction", {"revision": revision, "physical": True})
    old = str(int(revision) - 1)
    status, error = api.post("/v3/kv/range", {"key": api.key("d"), "revision": old})
    words = "etcdserver: mvcc: required revision has been compacted"
    equal((status, error), (400, {"error": words, "code": 11, "message": words}))


@check
def errors_have_the_codes_of_grpc_and_of_http(api):
    for path, body, http_status, code, words in (
        ("/v3/kv/put", {"key": "", "value": ""}, 400, 3, "etcdserver: key is not provided"),
        ("/v3/kv/range", {}, 400, 3, "etcdserver: key is not provided"),
        ("/v3/kv/range", "", 400, 3, "etcdserver: key is not provided"),
        (
            "/v3/kv/put",
            {"key": b64("a"), "lease": "77777"},
            404,
            5,
            "etcdserver: requested lease not found",
        ),
        ("/v3/lease/revoke", {"ID": 77777}, 404, 5, "etcdserver: requested lease not found"),
        (
            "/v3/kv/range",
            {"key": b64("a"), "revision": "999999999"},
            400,
            11,
            "etcdserver: mvcc: required revision is a future revision",
        ),
        (
            "/v3/lock/lock",
            {"name": b64("l"), "lease": "77777"},
            500,
            2,
            "etcdserver: requested lease not found",
        ),
        ("/v3/lock/unlock", {}, 500, 2, "etcdserver: key is not provided"),
        ("/v3/election/leader", {"name": b64("nobody")}, 500, 2, "election: no leader"),
        ("/v3/election/resign", {}, 500, 2, '"leader" field must be provided'),
        ("/v3/election/proclaim", {}, 500, 2, '"leader" field must be provided'),
    ):
        status, error = api.post(path, body)
        equal((status, error), (http_status, {"error": words, "code": code, "message": words}))


@check
def what_is_no_json_or_does_not_fit_is_a_bad_request(api):
    for body in ('{"key":', '{"key":5}', '{"limit":"x"}', '{"sort_order":"NO"}', "[]", '"x"'):
        status, error = api.post("/v3/kv/range", body)
        equal((status, error["code"]), (400, 3), body)
        equal(error["error"], error["message"])


@check
def what_is_no_method_is_not_found(api):
    equal(api.raw("POST", "/v3/kv/nothing", "{}")[0], 404)
    equal(api.raw("GET", "/v3/nothing")[0], 404)
    equal(api.raw("GET", "/v3/kv/range")[0], 405)
    equal(api.raw("PUT", "/v3/kv/put", "{}")[0], 405)


@check
def leases(api):
    lease = api.ok("/v3/lease/grant", {"TTL": "30", "ID": 0})["ID"]
    api.put("leased", "v", lease=lease)
    alive = api.stream("/v3/lease/keepalive", {"ID": lease})
    alive.end()
    answer = alive.result()
    equal((answer["ID"], answer["TTL"]), (lease, "30"))
    alive.close()
    for path in ("/v3/lease/timetolive", "/v3/kv/lease/timetolive"):
        left = api.ok(path, {"ID": lease, "keys": True})
        equal((left["grantedTTL"], left["keys"]), ("30", [api.key("leased")]))
    for path in ("/v3/lease/leases", "/v3/kv/lease/leases"):
        listed = api.ok(path, {})["leases"]
        equal({"ID": lease} in listed, True)
    api.ok("/v3/kv/lease/revoke", {"ID": lease})
    equal(api.ok("/v3/kv/range", {"key": api.key("leased")}).get("count"), None)
    equal(api.ok("/v3/lease/timetolive", {"ID": lease})["TTL"], "-1")


@check
def many_keep_alives_in_one_body(api):
    made = [api.ok("/v3/lease/grant", {"TTL": 30})["ID"] for _ in range(3)]
    alive = api.stream("/v3/lease/keepalive", *({"ID": lease} for lease in made))
    alive.end()
    equal([alive.result()["ID"] for _ in made], made)
    equal(alive.line(), None, "ends with the client's side")
    for lease in made:
        api.ok("/v3/lease/revoke", {"ID": lease})


@ours
def keep_alives_one_after_the_other(api):
    made = [api.ok("/v3/lease/grant", {"TTL": 30})["ID"] for _ in range(3)]
    alive = api.stream("/v3/lease/keepalive")
    for lease in made:
        alive.send({"ID": lease})
        equal(alive.result()["ID"], lease)
    alive.end()
    equal(alive.line(), None, "ends with the client's side")
    for lease in made:
        api.ok("/v3/lease/revoke", {"ID": lease})


@check
def a_watch_tells_what_happens(api):
    end = base64.b64encode((api.prefix[:-1] + "0").encode()).decode()
    create = {"key": b64(api.prefix), "range_end": end, "prev_kv": True}
    watch = api.stream("/v3/watch", {"create_request": create})
    watch.end()
    equal(watch.result()["created"], True)
    revision = api.put("w", "1")["header"]["revision"]
    first = watch.result()
    equal(first["header"]["revision"], revision)
    event = first["events"][0]
    equal("type" in event, False, "PUT is zero and left out")
    equal((event["kv"]["key"], event["kv"]["value"]), (api.key("w"), b64("1")))
    api.ok("/v3/kv/deleterange", {"key": api.key("w")})
    event = watch.result()["events"][0]
    equal((event["type"], event["prev_kv"]["value"]), ("DELETE", b64("1")))
    watch.close()


@check
def several_watches_in_one_body(api):
    revision = api.put("w2", "1")["header"]["revision"]
    create = {"key": api.key("w2"), "startRevision": revision, "watchId": "7"}
    watch = api.stream("/v3/watch", {"createRequest": create}, {"cancel_request": {"watch_id": 7}})
    watch.end()
    answers = [watch.result()]
    while "canceled" not in answers[-1]:
        answers.append(watch.result())
    equal([answer["watch_id"] for answer in answers], ["7"] * len(answers))
    equal((answers[0]["created"], answers[-1]["canceled"]), (True, True))
    watch.close()


@ours
def a_watch_obeys_while_it_answers(api):
    watch = api.stream("/v3/watch", {"create_request": {"key": api.key("w3")}})
    equal(watch.result()["created"], True)
    watch.send({"createRequest": {"key": api.key("w3"), "watchId": "7"}})
    second = watch.result()
    equal((second["created"], second["watch_id"]), (True, "7"))
    watch.send({"cancel_request": {}})
    canceled = watch.result()
    equal((canceled["canceled"], "watch_id" in canceled), (True, False))
    api.put("w3", "x")
    equal(watch.result()["watch_id"], "7")
    watch.close()


@check
def a_watch_goes_on_when_the_body_has_ended(api):
    watch = api.stream("/v3/watch", {"create_request": {"key": api.key("o")}})
    watch.end()
    equal(watch.result()["created"], True)
    api.put("o", "1")
    equal(watch.result()["events"][0]["kv"]["value"], b64("1"))
    watch.close()


@ours
def what_is_wrong_in_a_stream_ends_it_with_words(api):
    watch = api.stream("/v3/watch", {"create_request": {"key": api.key("x")}})
    equal(watch.result()["created"], True)
    watch.send('{"create_request": 7}')
    error = watch.line()["error"]
    equal((error["grpc_code"], error["http_code"]), (3, 400))
    equal(error["http_status"], "Bad Request")
    equal(watch.line(), None)
    watch.close()


@check
def locks(api):
    name = b64(api.prefix + "lock")
    made = [api.ok("/v3/lease/grant", {"TTL": 30})["ID"] for _ in range(2)]
    held = api.ok("/v3/lock/lock", {"name": name, "lease": made[0]})
    key = base64.b64decode(held["key"]).decode()
    equal(key, f"{api.prefix}lock/{int(made[0]):x}")
    got = []
    body = {"name": name, "lease": made[1]}
    waiter = threading.Thread(target=lambda: got.append(api.ok("/v3/lock/lock", body)))
    waiter.start()
    time.sleep(0.3)
    equal(got, [], "somebody else holds it")
    api.ok("/v3/lock/unlock", {"key": held["key"]})
    waiter.join(SECONDS)
    equal(base64.b64decode(got[0]["key"]).decode(), f"{api.prefix}lock/{int(made[1]):x}")
    for lease in made:
        api.ok("/v3/lease/revoke", {"ID": lease})


@check
def who_goes_away_while_it_waits_leaves_no_key(api):
    name = b64(api.prefix + "gone")
    made = [api.ok("/v3/lease/grant", {"TTL": 30})["ID"] for _ in range(2)]
    api.ok("/v3/lock/lock", {"name": name, "lease": made[0]})
    waiter = api.connect()
    waiter.request("POST", "/v3/lock/lock", json.dumps({"name": name, "lease": made[1]}))
    whole = {
        "key": b64(api.prefix + "gone/"),
        "range_end": b64(api.prefix + "gone0"),
        "count_only": True,
    }
    count = lambda: api.ok("/v3/kv/range", whole)["count"]
    deadline = time.monotonic() + SECONDS
    while count() != "2":
        equal(time.monotonic() < deadline, True, "the waiter stands in line")
        time.sleep(0.02)
    waiter.close()
    while count() != "1":
        equal(time.monotonic() < deadline, True, "the waiter has left the line")
        time.sleep(0.02)
    for lease in made:
        api.ok("/v3/lease/revoke", {"ID": lease})


@check
def elections(api):
    name = b64(api.prefix + "elect")
    observed = api.stream("/v3/election/observe", {"name": name})
    observed.end()
    won = api.ok("/v3/election/campaign", {"name": name, "value": b64("one")})["leader"]
    equal(sorted(won), ["key", "lease", "name", "rev"])
    equal(observed.result()["kv"]["value"], b64("one"))
    api.ok("/v3/election/proclaim", {"leader": won, "value": b64("two")})
    equal(observed.result()["kv"]["value"], b64("two"))
    leader = api.ok("/v3/election/leader", {"name": name})["kv"]
    equal((leader["value"], leader["create_revision"]), (b64("two"), won["rev"]))
    api.ok("/v3/election/resign", {"leader": won})
    status, error = api.post("/v3/election/proclaim", {"leader": won, "value": ""})
    equal((status, error["code"], error["message"]), (500, 2, "election: not leader"))
    api.ok("/v3/lease/revoke", {"ID": won["lease"]})
    observed.close()


@check
def cluster_and_maintenance(api):
    members = api.ok("/v3/cluster/member/list", {})["members"]
    equal(sorted(member["name"] for member in members), NAMES)
    status = api.ok("/v3/maintenance/status", {})
    for name in ("version", "dbSize", "leader", "raftIndex", "raftTerm", "raftAppliedIndex"):
        equal(name in status, True, name)
    equal("header" in api.ok("/v3/maintenance/alarm", {"action": "GET"}), True)
    status, answer = api.post("/v3/auth/status", {})
    equal((status, "enabled" in answer), (200, False))


@check
def health_and_version(api):
    status, body, _ = api.raw("GET", "/health")
    equal((status, json.loads(body)["health"]), (200, "true"))
    version = json.loads(api.raw("GET", "/version")[1])
    equal({"etcdserver", "etcdcluster"} <= set(version), True)
    status, body, _ = api.raw("GET", "/metrics")
    for name in (
        "etcd_server_has_leader 1",
        "etcd_server_leader_changes_seen_total",
        "etcd_server_proposals_committed_total",
        "etcd_disk_wal_fsync_duration_seconds_bucket",
        "etcd_mvcc_db_total_size_in_bytes",
        "grpc_server_handled_total",
        "process_resident_memory_bytes",
    ):
        equal(name.encode() in body, True, name)


@check
def alarms_are_in_the_health(api):
    def alarm(action):
        return api.post("/v3/maintenance/alarm", {"action": action, "alarm": "NOSPACE"})

    equal(alarm("ACTIVATE")[0], 200)
    try:
        status, body, _ = api.raw("GET", "/health")
        equal((status, json.loads(body)), (503, {"health": "false", "reason": "ALARM NOSPACE"}))
        equal(api.raw("GET", "/health?exclude=NOSPACE")[0], 200)
    finally:
        equal(alarm("DEACTIVATE")[0], 200)
    equal(api.raw("GET", "/health")[0], 200)


@ours
def live_and_ready(api):
    for path in ("/livez", "/readyz", "/livez/serializable_read", "/readyz/linearizable_read"):
        status, body, _ = api.raw("GET", path)
        equal((status, body), (200, b"ok\n"), path)
    body = api.raw("GET", "/readyz?verbose&exclude=non_learner")[1].decode()
    equal("[+]linearizable_read ok\n" in body and "non_learner" not in body, True, body)
    equal(api.raw("GET", "/readyz/nothing")[0], 404)


@ours
def keys_by_plain_words(api):
    name = api.prefix + "plain"
    body = json.dumps({"key": name, "value": "testValue"})
    status, answer, _ = api.raw("POST", "/api/v1/set", body)
    revision = json.loads(answer)["revision"]
    equal((status, revision > 1), (200, True))
    for node in range(len(api.endpoints)):
        status, value, headers = api.raw("GET", f"/api/v1/get?key={name}", node=node)
        equal((status, value), (200, b"testValue"))
        equal(int(headers["hiraeth-revision"]) >= revision, True)
        status, value, _ = api.raw("GET", "/api/v1/get", json.dumps({"key": name}), node=node)
        equal((status, value), (200, b"testValue"))
        stale = api.raw("GET", f"/api/v1/get?key={name}&stale=true", node=node)
        equal("hiraeth-stale-millis" in stale[2], True)
        whole = json.loads(
            api.raw("GET", f"/api/v1/get?key={name}", None, {"Accept": "application/json"})[1]
        )
        equal((whole["value"], whole["mod_revision"]), ("testValue", revision))
    status, answer, _ = api.raw("GET", f"/api/v1/get?key={name}-not")
    equal((status, json.loads(answer)["code"]), (404, 5))
    status, answer, _ = api.raw("POST", "/api/v1/set", '{"key":"x"}')
    equal((status, json.loads(answer)["code"]), (400, 3))
    stats = [json.loads(api.raw("GET", "/api/maintain/stats", node=n)[1]) for n in range(3)]
    equal(sorted(one["node"] for one in stats), [1, 2, 3])
    one = [
        json.loads(api.raw("GET", "/api/maintain/stats?keyspace=default", node=n)[1])
        for n in range(3)
    ]
    equal(sorted(group["state"] for group in one), ["Follower", "Follower", "Leader"])
    equal([group["num_peers"] for group in one], [2, 2, 2])


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("endpoints")
    parser.add_argument("--etcd", action="store_true")
    parser.add_argument("--only", default="")
    options = parser.parse_args()
    passed = failed = 0
    for function in _checks:
        if options.only not in function.__name__:
            continue
        if options.etcd and getattr(function, "ours", False):
            continue
        if function.__name__ in os.environ.get("SKIPPED", "").split("\n"):
            continue
        try:
            function(Api(options.endpoints.split(",")))
            passed += 1
        except Exception:
            failed += 1
            print(f"FAILED {function.__name__}\n{traceback.format_exc()}", flush=True)
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
