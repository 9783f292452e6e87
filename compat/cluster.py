"""Three server nodes on loopback, as real processes: hiraeth's, or the original etcd's.

Every process started here is ended here, by its pid.
"""

import os
import pathlib
import re
import signal
import socket
import subprocess
import time
import urllib.request

NODES = 3
CUT_WITHIN_SECONDS = 30
HEALTHY_WITHIN_SECONDS = 60
GRACE_SECONDS = 10


class ClusterError(Exception):
    """A node did not start, or did not become healthy in time."""


def free_ports(first, count):
    """`count` loopback ports, searched upward from `first`, that nobody listens on now."""
    found = []
    port = first
    while len(found) < count:
        if port > 65000:
            raise ClusterError(f"no {count} free ports above {first}")
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
                found.append(port)
            except OSError:
                pass
        port += 1
    return found


class Node:
    """One server: its addresses, its data directory, and its process while it runs."""

    def __init__(self, name, ports, directory):
        self.name = name
        self.client, self.peer, self.http, self.dns = (f"127.0.0.1:{port}" for port in ports)
        self.data = pathlib.Path(directory) / name
        self.log = pathlib.Path(directory) / f"{name}.log"
        self.process = None
        # The members, by name and URL, of the cluster that it joins.
        self.joins = None

    @property
    def pid(self):
        return self.process.pid if self.process else None

    def running(self):
        return self.process is not None and self.process.poll() is None

    def kill(self):
        """As by `kill -9`: no time to say goodbye."""
        if self.running():
            self.process.kill()
        if self.process:
            self.process.wait()
        self.process = None

    def stop(self):
        """As an operator would; `kill -9` if it takes too long."""
        if self.running():
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(GRACE_SECONDS)
            except subprocess.TimeoutExpired:
                pass
        self.kill()

    def log_text(self):
        return self.log.read_text(errors="replace") if self.log.exists() else ""


class Gateway(Node):
    """A `hiraeth serve --role gateway`."""

    def __init__(self, name, ports, directory, endpoints):
        super().__init__(name, ports, directory)
        self.endpoints = endpoints

    def arguments(self):
        return [
            "serve",
            "--role", "gateway",
            "--endpoints", self.endpoints,
            "--listen-client", self.client,
            "--listen-http", self.http,
        ]  # fmt: skip


class Cluster:
    """Nodes of one server program; subclasses say how it is started."""

    # What the log of a node says when it took a snapshot from the leader.
    snapshot_installed = None

    def __init__(self, binary, directory, first_port):
        self.binary = str(pathlib.Path(binary).resolve())
        self.directory = pathlib.Path(directory)
        self.first_port = first_port
        ports = free_ports(first_port, NODES * 4)
        self.nodes = [
            Node(f"n{i + 1}", ports[i * 4 : i * 4 + 4], self.directory) for i in range(NODES)
        ]

    def newcomer(self, name):
        """A node that is not of the cluster yet."""
        return Node(name, free_ports(self.first_port + NODES * 4, 4), self.directory)

    @property
    def endpoints(self):
        return ",".join(node.client for node in self.nodes)

    def arguments(self, node):
        raise NotImplementedError

    def start(self, node):
        if node.running():
            return
        is_gateway = isinstance(node, Gateway)
        arguments = node.arguments() if is_gateway else self.arguments(node)
        with node.log.open("ab") as log:
            node.process = subprocess.Popen(
                [self.binary, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.directory,
            )

    def start_all(self):
        for node in self.nodes:
            self.start(node)

    def log_ends(self, node):
        """Where the logs of a node end; `wait_log_cut` takes it."""
        return None

    def wait_log_cut(self, node, ends):
        """Until a node has cut a log beyond where another's ended, where that can be asked."""

    def stop_all(self):
        for node in self.nodes:
            if node.running():
                node.process.send_signal(signal.SIGTERM)
        for node in self.nodes:
            node.stop()

    def wait_healthy(self, etcdctl, nodes=None):
        """Until each of `nodes` answers a linearizable request. Seconds it took."""
        began = time.monotonic()
        for node in nodes or self.nodes:
            while True:
                if not node.running():
                    raise ClusterError(f"{node.name} ended:\n{node.log_text()[-4000:]}")
                if healthy(etcdctl, node.client):
                    break
                if time.monotonic() - began > HEALTHY_WITHIN_SECONDS:
                    raise ClusterError(f"{node.name} is not healthy:\n{node.log_text()[-4000:]}")
                time.sleep(0.1)
        return time.monotonic() - began


class Hiraeth(Cluster):
    """Three `hiraeth serve`."""

    snapshot_installed = re.compile(r"snapshot.*install|install.*snapshot", re.IGNORECASE)

    def arguments(self, node):
        members = ",".join(f"{each.name}={each.peer}" for each in self.nodes)
        return [
            "serve",
            "--initial-cluster-state", "existing" if node.joins else "new",
            "--name", node.name,
            "--data-dir", str(node.data),
            "--listen-client", node.client,
            "--listen-peer", node.peer,
            "--listen-http", node.http,
            "--initial-cluster", node.joins or members,
            # A small log, so that a node that was away needs a snapshot.
            "--log-keep-entries", "1000",
            # Shorter than the shipped tests of `etcd-client` wait for a token to end.
            "--auth-token-ttl-s", "3",
        ]  # fmt: skip

    def log_ends(self, node):
        return self.region_numbers(node, "last_index")

    def wait_log_cut(self, node, ends):
        began = time.monotonic()
        while True:
            begins = self.region_numbers(node, "first_index")
            # An index cannot be skipped: a log that begins right after `end` would still do.
            if any(begins.get(region, 0) > end + 1 for region, end in ends.items()):
                return
            if time.monotonic() - began > CUT_WITHIN_SECONDS:
                raise ClusterError(f"{node.name} holds its logs from {begins}, not beyond {ends}")
            time.sleep(0.1)

    def gateways(self):
        """As many gateways, each in front of all nodes; started and stopped like them."""
        ports = free_ports(self.first_port + NODES * 8, NODES * 4)
        return [
            Gateway(f"g{i + 1}", ports[i * 4 : i * 4 + 4], self.directory, self.endpoints)
            for i in range(NODES)
        ]

    @staticmethod
    def region_numbers(node, name):
        with urllib.request.urlopen(f"http://{node.http}/metrics", timeout=5) as answer:
            text = answer.read().decode()
        found = re.findall(rf'^hiraeth_region_{name}{{region="([^"]*)".*}} (\d+)$', text, re.M)
        return {region: int(number) for region, number in found}


class Etcd(Cluster):
    """Three of the original: what our suites are themselves checked against."""

    snapshot_installed = re.compile(r"applied snapshot|applying snapshot")

    def arguments(self, node):
        members = ",".join(f"{each.name}=http://{each.peer}" for each in self.nodes)
        return [
            "--name", node.name,
            "--data-dir", str(node.data),
            "--listen-client-urls", f"http://{node.client}",
            "--advertise-client-urls", f"http://{node.client}",
            "--listen-peer-urls", f"http://{node.peer}",
            "--initial-advertise-peer-urls", f"http://{node.peer}",
            "--initial-cluster", node.joins or members,
            "--initial-cluster-state", "existing" if node.joins else "new",
            # Small, so that a node which missed more than the 5000 kept entries takes a snapshot.
            "--snapshot-count", "500",
            "--auth-token-ttl", "3",
        ]  # fmt: skip


def healthy(etcdctl, endpoint):
    """Whether the node at `endpoint` answers a linearizable read."""
    try:
        done = subprocess.run(
            [etcdctl, "--endpoints", endpoint, "--command-timeout", "2s", "endpoint", "health"],
            env={**os.environ, "ETCDCTL_API": "3"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=10,
        )
    except subprocess.TimeoutExpired:
        return False
    return done.returncode == 0
