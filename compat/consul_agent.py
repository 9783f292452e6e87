"""One node with Consul's API, as a real process, for the suites of Consul's clients.

They want a server of their own: some ask that nothing is registered yet, and that there is one node.
"""

import json
import pathlib
import shutil
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request

from cluster import ClusterError, Node, free_ports

READY_WITHIN_SECONDS = 30
LOG_BYTES = 4000


class Agent:
    """`hiraeth serve` alone, in a temporary directory: `with Agent(binary, port) as agent`."""

    def __init__(self, binary, first_port, name=None, arguments=(), token=None):
        self.binary = str(pathlib.Path(binary).resolve())
        self.directory = tempfile.mkdtemp(prefix="hiraeth-consul-")
        # Consul's agents are called as their machine is, unless told otherwise.
        self.node = Node(name or socket.gethostname(), free_ports(first_port, 4), self.directory)
        self.arguments = list(arguments)
        self.headers = {"X-Consul-Token": token} if token else {}

    @property
    def address(self):
        return self.node.client

    @property
    def port(self):
        return int(self.node.client.rsplit(":", 1)[1])

    @property
    def url(self):
        return f"http://{self.address}"

    @property
    def dns(self):
        """Host and port, where it is told to answer DNS."""
        return self.node.dns

    def command(self):
        node = self.node
        return [
            self.binary, "serve",
            "--name", node.name,
            "--data-dir", str(node.data),
            "--listen-client", node.client,
            "--listen-peer", node.peer,
            "--listen-http", node.http,
            *self.arguments,
        ]  # fmt: skip

    def start(self):
        with self.node.log.open("ab") as log:
            self.node.process = subprocess.Popen(
                self.command(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.directory,
            )
        self.wait_ready()

    def wait_ready(self):
        """Until it has a leader, and lists itself."""
        deadline = time.monotonic() + READY_WITHIN_SECONDS
        while True:
            if not self.node.running():
                raise ClusterError(f"it ended:\n{self.node.log_text()[-LOG_BYTES:]}")
            try:
                if self.get("/v1/status/leader") and self.get("/v1/health/service/consul"):
                    return
                seen = "nobody leads"
            except (OSError, ValueError) as error:
                seen = error
            if time.monotonic() > deadline:
                log = self.node.log_text()[-LOG_BYTES:]
                raise ClusterError(f"it is not ready ({seen}):\n{log}")
            time.sleep(0.02)

    def get(self, path):
        request = urllib.request.Request(self.url + path, headers=self.headers)
        with urllib.request.urlopen(request, timeout=5) as answer:
            return json.load(answer)

    def put(self, path, body):
        request = urllib.request.Request(
            self.url + path, json.dumps(body).encode(), self.headers, method="PUT"
        )
        with urllib.request.urlopen(request, timeout=5) as answer:
            return answer.read()

    def stop(self):
        self.node.stop()
        shutil.rmtree(self.directory, ignore_errors=True)

    def __enter__(self):
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_):
        self.stop()
