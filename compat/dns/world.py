"""Three nodes that answer DNS, and what is registered with them."""

import json
import shutil
import subprocess
import time
import urllib.error
import urllib.request

from cluster import Hiraeth

SECONDS = 20
CHECKS = []


def check(function):
    CHECKS.append(function)
    return function


def equal(got, want, what=""):
    if got != want:
        raise AssertionError(f"{what or 'value'}: got {got!r}, want {want!r}")


def eventually(look, want, what):
    """What was acknowledged by one node may reach the others a moment later."""
    deadline = time.monotonic() + SECONDS
    while (got := look()) != want:
        if time.monotonic() > deadline:
            raise AssertionError(f"{what}: got {got!r}, want {want!r}")
        time.sleep(0.05)


class Named(Hiraeth):
    def arguments(self, node):
        return [*super().arguments(node), "--listen-dns", node.dns]


class World:
    def __init__(self, binary, directory, first_port):
        self.cluster = Named(binary, directory, first_port)
        self.directory = directory
        self.first_port = first_port
        self.dig_program = shutil.which("dig")

    @property
    def nodes(self):
        return self.cluster.nodes

    def start(self):
        if not self.dig_program:
            raise SystemExit("dig is missing: install Debian's package bind9-dnsutils")
        self.cluster.start_all()
        self.settle()
        self.service("web", 1, "10.0.0.1", port=80, tags=["v1", "prod"])
        self.service("web", 2, "10.0.0.2", port=81, tags=["v2"], weights=(7, 2), ttl="60s")
        self.service("six", 1, "2001:db8::1", port=80)
        self.service("plain", 1, "", port=99)
        self.service("outside", 1, "www.example.org", port=443)
        for number in range(40):
            self.service("large", number, f"10.1.0.{number}", port=80)
        self.put("/v1/catalog/register", {
            "Node": "machine", "Address": "10.9.9.9", "NodeMeta": {"rack": "r1", "a=b": "c"},
            "Service": {"Service": "database", "Port": 5432},
        })  # fmt: skip
        for node in self.nodes:
            eventually(lambda node=node: self.dig("large.service.consul", "+tcp", node=node)[-1:],
                       ["10.1.0.9"], f"{node.name} knows all")  # fmt: skip

    def stop(self):
        self.cluster.stop_all()

    def settle(self):
        """Until a leader takes registrations."""
        deadline = time.monotonic() + SECONDS
        while True:
            try:
                return self.service("settled", 1, "10.0.0.9", port=1)
            except (OSError, AssertionError) as error:
                if time.monotonic() > deadline:
                    logs = "\n".join(node.log_text()[-2000:] for node in self.nodes)
                    raise AssertionError(f"nothing can be registered: {error}\n{logs}") from error
                time.sleep(0.1)

    def put(self, path, body=None, node=0):
        url = f"http://{self.nodes[node].http}{path}"
        data = json.dumps(body).encode() if body is not None else b""
        request = urllib.request.Request(url, data, method="PUT")
        try:
            with urllib.request.urlopen(request, timeout=SECONDS) as answer:
                return answer.read()
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{path}: {error.code} {error.read()!r}") from error

    def service(self, name, number, address, port, tags=(), weights=(1, 1), ttl=None, node=0):
        body = {
            "Name": name, "ID": f"{name}-{number}", "Address": address, "Port": port,
            "Tags": list(tags), "Weights": {"Passing": weights[0], "Warning": weights[1]},
        }  # fmt: skip
        if ttl:
            body["Check"] = {"TTL": ttl, "Status": "passing"}
        self.put("/v1/agent/service/register", body, node)

    def dig_whole(self, *words, node=None):
        host, port = (node or self.nodes[0]).dns.rsplit(":", 1)
        command = [self.dig_program, f"@{host}", "-p", port, "+tries=1", "+time=5", *words]
        done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS)
        equal(done.returncode, 0, f"dig {words}: {done.stdout}")
        return done.stdout

    def dig(self, *words, node=None):
        """What `dig +short` prints, sorted."""
        return sorted(self.dig_whole("+short", *words, node=node).split("\n"))[1:]
