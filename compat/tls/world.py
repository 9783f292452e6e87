"""Three nodes with certificates of their own, and what the checks need of them."""

import contextlib
import os
import pathlib
import subprocess
import time

from cluster import ClusterError, Hiraeth

SERVES_WITHIN_SECONDS = 60


class Secured(Hiraeth):
    """Nodes that speak TLS on every port."""

    certs = None

    def arguments(self, node):
        members = ",".join(f"{each.name}=https://{each.peer}" for each in self.nodes)
        cert, key, ca = (str(self.certs / name) for name in (f"{node.name}.crt", f"{node.name}.key", "ca.crt"))
        return [
            "serve",
            "--name", node.name,
            "--data-dir", str(node.data),
            "--listen-client", node.client,
            "--listen-peer", node.peer,
            "--listen-http", node.http,
            "--initial-cluster", members,
            "--cert-file", cert,
            "--key-file", key,
            "--trusted-ca-file", ca,
            "--client-cert-auth",
            "--http-tls", "server",
            "--peer-cert-file", cert,
            "--peer-key-file", key,
            "--peer-trusted-ca-file", ca,
        ]  # fmt: skip


class World:
    def __init__(self, options, directory):
        self.binary, self.directory = str(pathlib.Path(options.binary).resolve()), directory
        self.program, self.go = options.etcdctl, options.go
        self.cluster = Secured(options.binary, directory, options.base_port)
        self.certs = self.cluster.certs = directory / "certs"
        self.ca, self.other_ca = str(self.certs / "ca.crt"), str(directory / "other" / "ca.crt")
        self.endpoints = [f"https://{node.client}" for node in self.cluster.nodes]
        self.http = f"https://{self.cluster.nodes[0].http}"

    def start(self):
        self.cert("ca")
        for node in self.cluster.nodes:
            self.cert("node", node.name, "--address", "127.0.0.1")
        for user in ("root", "alice", "mallory"):
            self.cert("client", user)
        self.cert("ca", folder="other")
        self.cert("client", "eve", folder="other")
        for file in ("eve.crt", "eve.key"):
            (self.directory / "other" / file).rename(self.certs / file)
        self.cluster.start_all()
        deadline = time.monotonic() + SERVES_WITHIN_SECONDS
        while self.run("root", "get", "k").returncode != 0:
            if time.monotonic() > deadline:
                raise ClusterError(f"the nodes do not serve:\n{self.log()[-4000:]}")
            time.sleep(0.2)

    def stop(self):
        self.cluster.stop_all()

    def log(self):
        return "".join(node.log_text() for node in self.cluster.nodes)

    def cert(self, *arguments, folder="certs"):
        command = [self.binary, "cert", *arguments, "--dir", str(self.directory / folder)]
        subprocess.run(command, check=True, capture_output=True, timeout=60)

    def files(self, name, ca=None):
        """The authority, and the certificate and key of somebody."""
        return [ca or self.ca, str(self.certs / f"{name}.crt"), str(self.certs / f"{name}.key")]

    def subprocess(self, command, environment=None, cwd=None, seconds=60):
        return subprocess.run(
            command,
            env={**os.environ, "ETCDCTL_API": "3", **(environment or {})},
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=seconds,
        )

    def run(self, name, *arguments, endpoint=None, ca=None):
        """etcdctl, as the holder of a certificate; `None` has none."""
        command = [self.program, "--endpoints", endpoint or ",".join(self.endpoints)]
        command += ["--dial-timeout", "3s", "--command-timeout", "5s"]
        if name:
            flags = zip(("--cacert", "--cert", "--key"), self.files(name, ca))
            command += [word for pair in flags for word in pair]
        else:
            command += ["--cacert", ca or self.ca]
        return self.subprocess([*command, *arguments])

    def plain(self, *arguments):
        """Without TLS."""
        endpoint = self.endpoints[0].replace("https", "http")
        command = [self.program, "--endpoints", endpoint, "--dial-timeout", "3s"]
        return self.subprocess([*command, "--command-timeout", "3s", *arguments])

    def etcdctl(self, name, *arguments, endpoint=None):
        done = self.run(name, *arguments, endpoint=endpoint)
        if done.returncode != 0:
            raise AssertionError(f"etcdctl {' '.join(arguments)}: {done.stderr.strip()}")
        return done.stdout

    @contextlib.contextmanager
    def users(self):
        """Auth is on: `alice` may do all below `a/`, `bob`, who has a password, below `b/`; and `n1`."""
        root = lambda *arguments: self.etcdctl("root", *arguments)  # noqa: E731
        everybody = ("root", "alice", "n1", "bob")
        for user in everybody:
            password = ["bob:secret"] if user == "bob" else [user, "--no-password"]
            root("user", "add", *password)
            root("role", "add", user)
            root("user", "grant-role", user, user)
        for user in ("alice", "bob"):
            root("role", "grant-permission", user, "readwrite", f"{user[0]}/", "--prefix")
        root("auth", "enable")
        try:
            yield
        finally:
            root("auth", "disable")
            for user in everybody:
                root("user", "delete", user)
                root("role", "delete", user)
