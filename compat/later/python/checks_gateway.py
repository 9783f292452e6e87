"""etcd3gw: the same server by JSON over HTTP/1."""

import base64
import queue
import threading

from etcd3gw.client import Etcd3Client
from etcd3gw.exceptions import Etcd3Exception
from harness import EVENT_SECONDS, check, equal


def connect(nodes):
    host, port = nodes.next()
    return Etcd3Client(host=host, port=port, timeout=20, api_path=None)


@check("etcd3gw: put, get, create, replace, delete")
def keys(nodes, p):
    client, other = connect(nodes), connect(nodes)
    equal(client.get(p + "k"), [])
    client.put(p + "k", b"\x00\xffone")
    (value, about), *rest = other.get(p + "k", metadata=True)
    equal((value, rest), (b"\x00\xffone", []))
    equal((about["key"], about["version"]), ((p + "k").encode(), "1"))
    equal(client.create(p + "k", "two"), False)
    equal(client.create(p + "l", "two"), True)
    equal(other.replace(p + "l", "two", "three"), True)
    equal(other.replace(p + "l", "two", "four"), False)
    equal(client.get(p + "l"), [b"three"])
    client.put(p + "empty", "")
    equal([value for value, _ in other.get_prefix(p)], [b"", b"\x00\xffone", b"three"])
    equal(client.delete(p + "l"), True)
    equal(client.delete(p + "l"), False)
    equal(client.delete_prefix(p), True)
    equal(other.get_prefix(p), [])


@check("etcd3gw: sorted ranges")
def ranges(nodes, p):
    client = connect(nodes)
    for name, value in (("c", "1"), ("a", "3"), ("b", "2"), ("a", "4")):
        client.put(p + name, value)

    def order(target, how):
        return b"".join(a["key"][-1:] for _, a in client.get_prefix(p, how, target))

    equal(order("key", "descend"), b"cba")
    equal(order("create", "ascend"), b"cab")
    equal(order("mod", "ascend"), b"cba")
    equal(order("value", "ascend"), b"cba")
    equal(order("version", "descend"), b"abc")


@check("etcd3gw: a transaction, one answer for each operation")
def transaction(nodes, p):
    client = connect(nodes)
    key, old = (base64.b64encode((p + name).encode()).decode() for name in ("new", "old"))
    client.put(p + "old", "v")
    answer = client.transaction(
        {
            "compare": [{"key": key, "result": "GREATER", "target": "VERSION", "version": -1}],
            "success": [
                {"request_put": {"key": key, "value": "djE="}},
                {"requestRange": {"key": key}},
                {"requestTxn": {"success": [{"requestDeleteRange": {"key": old, "prevKv": True}}]}},
            ],
        }
    )
    equal(answer["succeeded"], True)
    revision = answer["header"]["revision"]
    put, got, nested = answer["responses"]
    equal(put, {"response_put": {"header": {"revision": revision}}})
    equal(got["response_range"]["kvs"][0]["value"], "djE=")
    equal(got["response_range"]["count"], "1")
    inner = nested["response_txn"]
    equal(inner["succeeded"], True)
    gone = inner["responses"][0]["response_delete_range"]
    equal((gone["deleted"], gone["prev_kvs"][0]["mod_revision"]), ("1", str(int(revision) - 1)))


@check("etcd3gw: a watch, what comes and what was")
def watch(nodes, p):
    client, writer = connect(nodes), connect(nodes)
    events, cancel = client.watch_prefix(p)
    came = queue.Queue()
    threading.Thread(target=lambda: [came.put(e) for e in events], daemon=True).start()
    writer.put(p + "k", "1")
    first = came.get(timeout=EVENT_SECONDS)
    equal((first["kv"]["key"], first["kv"]["value"]), ((p + "k").encode(), b"1"))
    equal("type" in first, False, "PUT is the type that is not said")
    writer.delete(p + "k")
    second = came.get(timeout=EVENT_SECONDS)
    equal((second["type"], second["kv"]["key"]), ("DELETE", (p + "k").encode()))
    cancel()
    past = int(first["kv"]["mod_revision"])
    again = connect(nodes).watch_once(p + "k", timeout=EVENT_SECONDS, start_revision=past)
    equal(again["kv"]["value"], b"1")


@check("etcd3gw: leases and a lock")
def leases(nodes, p):
    client, other = connect(nodes), connect(nodes)
    lease = client.lease(ttl=60)
    client.put(p + "k", "v", lease=lease)
    equal(58 <= lease.ttl() <= 60, True, "left")
    equal(lease.keys(), [(p + "k").encode()])
    equal(lease.refresh(), 60)
    equal(lease.revoke(), True)
    equal(other.get(p + "k"), [])
    equal(lease.ttl(), -1)
    lock, rival = client.lock(p + "lock", ttl=60), other.lock(p + "lock", ttl=60)
    equal((lock.acquire(), lock.is_acquired()), (True, True))
    equal((rival.acquire(), rival.is_acquired()), (False, False))
    equal(lock.refresh(), 60)
    equal((rival.release(), lock.release()), (False, True))
    equal((rival.acquire(), rival.release()), (True, True))


@check("etcd3gw: members, status")
def members(nodes, p):
    client = connect(nodes)
    found = client.members()
    equal(len({member["ID"] for member in found}), 3)
    status = client.status()
    equal(status["leader"] in {member["ID"] for member in found}, True)
    equal(int(status["dbSize"]) > 0, True)


@check("etcd3gw: errors as etcd's gateway tells them")
def errors(nodes, p):
    client = connect(nodes)

    def refused(path, body, status, told):
        answer = client.session.post(client.get_url(path), data=body, timeout=20)
        equal((answer.status_code, answer.json()), (status, told), path)

    def words(code, text):
        return {"error": text, "code": code, "message": text}

    refused("/kv/put", "{}", 400, words(3, "etcdserver: key is not provided"))
    future = words(11, "etcdserver: mvcc: required revision is a future revision")
    refused("/kv/range", '{"key": "YQ==", "revision": "999999999999"}', 400, future)
    unknown = words(5, "etcdserver: requested lease not found")
    refused("/lease/revoke", '{"ID": "12345"}', 404, unknown)
    refused("/kv/lease/revoke", '{"ID": "12345"}', 404, unknown)
    for body in ("{", "[]", '"a"', '{"key": 1}', '{"key": "*"}', '{"limit": "x", "key": "YQ=="}'):
        answer = client.session.post(client.get_url("/kv/range"), data=body, timeout=20)
        equal((answer.status_code, answer.json()["code"]), (400, 3), body)
    try:
        client.post(client.get_url("/kv/nothing"), json={})
    except Etcd3Exception as error:
        equal("Not Found" in str(error) or "Not Found" in str(error.detail_text), True, str(error))
    else:
        raise AssertionError("there is no such method")
