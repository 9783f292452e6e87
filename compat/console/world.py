"""Three nodes with something in them, one of which is killed, and the pages of a console that is left."""

import base64
import http.client
import json
import socket
import subprocess
import threading
import time
import urllib.error
import urllib.request

from browser import Browser
from cluster import Hiraeth

SECONDS = 20
CHECKS = []


def check(function):
    CHECKS.append(function)
    return function


def equal(got, want, what=""):
    if got != want:
        raise AssertionError(f"{what or 'value'}: got {got!r}, want {want!r}")


def b64(data):
    return base64.b64encode(data.encode() if isinstance(data, str) else data).decode()


class Nodes(Hiraeth):
    def arguments(self, node):
        arguments = super().arguments(node)
        # Somebody who looks at a page does not log in every three seconds.
        arguments[arguments.index("--auth-token-ttl-s") + 1] = "300"
        return arguments


class World:
    def __init__(self, binary, directory, first_port, program, apart_seconds=1.5):
        self.apart_seconds = apart_seconds
        self.cluster = Nodes(binary, directory, first_port)
        self.binary = self.cluster.binary
        self.browser = Browser(program)
        self.watching = self.subscriber = None
        self.pages = []

    @property
    def nodes(self):
        return self.cluster.nodes

    def stop(self):
        self.browser.end()
        if self.subscriber:
            self.subscriber.kill()
            self.subscriber.wait()
        if self.watching:
            # Closing alone would wait for who reads.
            self.watching.shutdown(socket.SHUT_RDWR)
        self.cluster.stop_all()

    # -- asking the servers ----------------------------------------------------------------------

    def call(self, node, method, path, body=None, headers=None):
        data = json.dumps(body).encode() if body is not None else None
        request = urllib.request.Request(f"http://{node.http}{path}", data, headers or {}, method=method)
        with urllib.request.urlopen(request, timeout=SECONDS) as answer:
            text = answer.read()
            return json.loads(text) if text.strip().startswith((b"{", b"[")) else text

    def status(self, node):
        path = "/ui/api/hiraeth.v1.Node/Status"
        return self.call(node, "POST", path, {}, {"hiraeth-console": "1"})

    def eventually(self, look, what):
        deadline = time.monotonic() + 2 * SECONDS
        while True:
            try:
                if found := look():
                    return found
            except OSError:
                pass
            if time.monotonic() > deadline:
                logs = "\n".join(node.log_text()[-1500:] for node in self.nodes)
                raise AssertionError(f"{what}\n{logs}")
            time.sleep(0.1)

    def put(self, key, value, **more):
        body = {"key": b64(key), "value": b64(value), **more}
        return self.call(self.home, "POST", "/v3/kv/put", body)

    def put_many(self, key):
        """A put of a key, and reads of it, which are quicker."""
        put = {"request_put": {"key": b64(key), "value": b64("x")}}
        self.call(self.home, "POST", "/v3/kv/txn", {"success": [put]})
        for _ in range(20):
            self.call(self.home, "POST", "/v3/kv/range", {"key": b64(key), "serializable": True})

    # -- what is in it ---------------------------------------------------------------------------

    def start(self):
        self.cluster.start_all()
        self.home = self.nodes[0]
        self.eventually(lambda: self.put("settled", "yes"), "nothing can be written")
        names = ["keyspace", "create", "orders", "--sharded", "--split-at", "m"]
        command = [self.binary, *names, "--endpoints", self.cluster.endpoints]
        subprocess.run(command, check=False, capture_output=True, timeout=SECONDS)
        self.put("config/web", '{"workers": 4, "log": "info"}')
        self.put("config/web", '{"workers": 8, "log": "info"}')
        self.put("config/image", bytes(range(256)))
        for number in range(120):
            self.put(f"jobs/{number:03}", f"job {number}")
        lease = self.call(self.home, "POST", "/v3/lease/grant", {"TTL": "600", "ID": "7587"})
        equal(lease["ID"], "7587")
        self.put("locks/leader", "worker-1", lease="7587")
        self.put("short", "life")
        self.call(self.home, "POST", "/v3/kv/deleterange", {"key": b64("short")})
        self.services()
        self.configurations()
        session = {"Name": "deploy", "TTL": "600s", "LockDelay": "1s"}
        self.call(self.home, "PUT", "/v1/session/create", session)
        self.kill_a_leader()
        self.watch()
        self.subscribe()

    def subscribe(self):
        """A client that is pushed what becomes of `web`, and something that it is pushed."""
        command = [self.binary, "service", "watch", "web", "--endpoints", self.home.client]
        quiet = subprocess.DEVNULL
        self.subscriber = subprocess.Popen(command, stdin=quiet, stdout=quiet, stderr=quiet)
        path = "/ui/api/hiraeth.v1.Registry/Audit"
        ours = {"hiraeth-console": "1"}
        look = lambda: self.call(self.home, "POST", path, {"service": "web"}, ours).get("readers")  # noqa: E731
        self.eventually(look, "nobody subscribes")
        for state in ("fail", "pass"):
            self.call(self.home, "PUT", f"/v1/agent/check/{state}/service:web-2")

    def services(self):
        for number, state in ((1, "passing"), (2, "passing"), (3, "critical")):
            check = {"Name": "http", "TTL": "600s", "Status": state, "Notes": f"GET /healthz of web-{number}"}
            body = {
                "Name": "web", "ID": f"web-{number}", "Address": f"10.0.0.{number}", "Port": 80,
                "Tags": ["v2", "eu"], "Check": check,
            }  # fmt: skip
            self.call(self.home, "PUT", "/v1/agent/service/register", body)
        body = {"Name": "database", "ID": "db-1", "Address": "10.0.1.1", "Port": 5432, "Tags": ["primary"]}
        self.call(self.home, "PUT", "/v1/agent/service/register", body)

    def release(self, content, query=""):
        """A version of `prod/shop/app.yaml`; answers its number."""
        path = f"/api/v1/config/prod/shop/app.yaml?type=yaml{query}"
        request = urllib.request.Request(f"http://{self.home.http}{path}", content.encode(), method="PUT")
        with urllib.request.urlopen(request, timeout=SECONDS) as answer:
            return json.loads(answer.read())["version"]

    def config(self, *words, content=None):
        """What `hiraeth config` does at the console's node."""
        command = [self.binary, "config", *words, "--endpoints", self.home.client]
        told = subprocess.run(command, input=content, capture_output=True, timeout=SECONDS, text=True)
        equal(told.returncode, 0, f"{words}: {told.stderr}")
        return told.stdout

    def configurations(self):
        for number, comment in ((80, "first"), (81, "moved"), (82, "moved%20again")):
            self.release(f"host: shop\nport: {number}\n", f"&comment={comment}")
        self.config("put", "prod/shop/limits.json", content='{"requests": 100}')

    def leader(self, node=None):
        """The number of the node that leads `default`, as a node knows it; 0 for nobody."""
        regions = self.status(node or self.home).get("regions", [])
        return next((int(it.get("leader", 0)) for it in regions if it["id"] == "2"), 0)

    def number(self, node):
        return int(self.status(node)["node"])

    def kill_a_leader(self):
        """The leader of `default` dies; the console is that of the next node."""
        numbers = {self.number(node): node for node in self.nodes}
        leads = self.eventually(lambda: self.leader(), "nobody leads")
        self.dead = numbers[leads]
        self.home, self.other = (node for node in self.nodes if node is not self.dead)
        # Everybody is to know of it before it dies: what was replayed begins with it as the leader.
        time.sleep(self.apart_seconds)
        self.dead.kill()
        self.eventually(lambda: self.leader() not in (0, leads), "nobody leads after the kill")
        self.eventually(lambda: self.put("after", "the kill"), "nothing can be written after the kill")
        self.names = {number: node.name for number, node in numbers.items()}
        self.leads = self.names[self.leader()]

    def watch(self):
        """A client that watches what begins with `config/`, for as long as this runs."""
        host, port = self.home.http.split(":")
        connection = http.client.HTTPConnection(host, int(port))
        create = {"create_request": {"key": b64("config/"), "range_end": b64("config0")}}
        connection.request("POST", "/v3/watch", json.dumps(create))
        self.watching = connection.sock
        answer = connection.getresponse()
        self.listening = threading.Thread(target=lambda: self.listen(answer), daemon=True)
        self.listening.start()

    @staticmethod
    def listen(answer):
        try:
            while answer.readline():
                pass
        except (OSError, ValueError, http.client.HTTPException, AttributeError):
            pass  # It was closed.

    # -- pages -----------------------------------------------------------------------------------

    def address(self, page=""):
        return f"http://{self.home.http}/ui/{page}"

    def open(self, page="", **how):
        opened = self.browser.page(**how)
        opened.open(self.address(page))
        self.pages.append(opened)
        return opened

    def done(self, page):
        """The page is not needed any more; it must have had nothing to complain of."""
        page.close()
        self.pages.remove(page)
        equal(page.problems, [], "what the page complained of")
