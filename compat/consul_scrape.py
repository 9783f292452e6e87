"""Debian's VictoriaMetrics finds its targets by `consul_sd_configs`, and scrapes them.

consul_scrape.py /path/of/hiraeth
"""

import http.server
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse
import urllib.request

from cluster import ClusterError, free_ports
from consul_agent import Agent

PACKAGE = "victoria-metrics"
SECONDS = 30

SETTINGS = """
scrape_configs:
  - job_name: found
    scrape_interval: 1s
    consul_sd_configs:
      - server: "{consul}"
        services: ["app"]
    relabel_configs:
      - {{source_labels: [__meta_consul_service_id], target_label: id}}
      - {{source_labels: [__meta_consul_service], target_label: service}}
      - {{source_labels: [__meta_consul_dc], target_label: dc}}
      - {{source_labels: [__meta_consul_node], target_label: node}}
      - {{source_labels: [__meta_consul_tags], target_label: tags}}
      - {{source_labels: [__meta_consul_service_metadata_zone], target_label: zone}}
      - {{source_labels: [__meta_consul_health], target_label: health}}
"""


class Wrong(Exception):
    """It does not see what is registered."""


def program(target):
    """The path of `victoria-metrics`: that of PATH, or unpacked from Debian's package."""
    found = shutil.which(PACKAGE)
    if found:
        return found
    folder = target / PACKAGE
    unpacked = folder / "usr/bin/victoria-metrics"
    if not unpacked.exists():
        print(f"-- {PACKAGE} is missing: unpacking Debian's", flush=True)
        folder.mkdir(parents=True, exist_ok=True)
        if not download(folder):
            subprocess.run(["apt-get", "update", "-qq"], capture_output=True)
            if not download(folder):
                raise Wrong(f"Debian's package {PACKAGE} is not to be had")
        package = next(folder.glob("*.deb"))
        subprocess.run(["dpkg-deb", "--extract", package, folder], check=True)
    return str(unpacked)


def download(folder):
    command = ["apt-get", "download", "-qq", PACKAGE]
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True)
    except FileNotFoundError as error:
        raise Wrong(f"apt-get is missing, and so is {PACKAGE}") from error
    return done.returncode == 0 and any(folder.glob("*.deb"))


class Target(http.server.BaseHTTPRequestHandler):
    """An instance of the service: it has one metric."""

    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"app_answers_total 42\n")

    def log_message(self, *_):
        pass


def instance(number, port):
    return {
        "ID": f"app-{number}",
        "Name": "app",
        "Address": "127.0.0.1",
        "Port": port,
        "Tags": ["blue", f"n{number}"],
        "Meta": {"zone": f"z{number}"},
        "Check": {"TTL": "60s", "Status": "passing"},
    }


class Metrics:
    """A `victoria-metrics` that runs."""

    def __init__(self, binary, consul, directory, port):
        settings = pathlib.Path(directory) / "scrape.yml"
        settings.write_text(SETTINGS.format(consul=consul))
        self.address = f"127.0.0.1:{port}"
        self.log = pathlib.Path(directory) / "log"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [
                    binary,
                    f"-promscrape.config={settings}",
                    f"-storageDataPath={directory}/data",
                    f"-httpListenAddr={self.address}",
                    # Else it hides what is younger than half a minute.
                    "-search.latencyOffset=1s",
                    # How often what its watches brought is taken up, not how often it asks.
                    "-promscrape.consulSDCheckInterval=1s",
                ],
                cwd=directory,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def get(self, path, **query):
        url = f"http://{self.address}{path}?{urllib.parse.urlencode(query)}"
        with urllib.request.urlopen(url, timeout=5) as answer:
            return json.load(answer)["data"]

    def targets(self):
        """The labels of what is scraped, by the instance's id."""
        found = self.get("/api/v1/targets", state="active")["activeTargets"]
        return {each["labels"]["id"]: each["labels"] for each in found if each["health"] == "up"}

    def scraped(self):
        """The ids of the instances whose metric is there."""
        found = self.get("/api/v1/query", query="last_over_time(app_answers_total[1m])")["result"]
        return sorted(each["metric"]["id"] for each in found if each["value"][1] == "42")

    def stop(self):
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def eventually(what, metrics, condition):
    deadline = time.monotonic() + SECONDS
    while True:
        try:
            seen = condition()
        except OSError as error:
            seen = None
            if metrics.process.poll() is not None:
                raise Wrong(f"it ended:\n{metrics.log.read_text()[-2000:]}") from error
        if seen:
            return seen
        if time.monotonic() > deadline:
            tail = metrics.log.read_text()[-2000:]
            raise Wrong(f"not within {SECONDS} s: {what}; its log ends:\n{tail}")
        time.sleep(0.1)


def scrape(binary, agent, directory, port):
    servers = [http.server.ThreadingHTTPServer(("127.0.0.1", 0), Target) for _ in range(3)]
    for server in servers:
        threading.Thread(target=server.serve_forever, daemon=True).start()
    for number, server in enumerate(servers[:2]):
        agent.put("/v1/agent/service/register", instance(number, server.server_port))
    metrics = Metrics(binary, agent.address, directory, port)
    try:
        both = {"app-0", "app-1"}
        eventually("two targets", metrics, lambda: set(metrics.targets()) == both)
        labels = metrics.targets()["app-1"]
        want = {
            "service": "app", "dc": "dc1", "node": agent.node.name, "tags": ",blue,n1,",
            "zone": "z1", "health": "passing",
            "instance": f"127.0.0.1:{servers[1].server_port}",
        }  # fmt: skip
        if (seen := {key: labels.get(key) for key in want}) != want:
            raise Wrong(f"labels {seen}, not {want}")
        eventually("their metrics", metrics, lambda: metrics.scraped() == ["app-0", "app-1"])
        agent.put("/v1/agent/service/register", instance(2, servers[2].server_port))
        eventually("a third", metrics, lambda: set(metrics.targets()) == both | {"app-2"})
        agent.put("/v1/agent/service/deregister/app-0", None)
        want = {"app-1", "app-2"}
        eventually("the first one going", metrics, lambda: set(metrics.targets()) == want)
        agent.put("/v1/agent/check/fail/service:app-1", None)
        # A target with another label is another target, and so down at first.
        eventually(
            "its health",
            metrics,
            lambda: metrics.targets().get("app-1", {}).get("health") == "critical",
        )
    finally:
        metrics.stop()
        for server in servers:
            server.shutdown()


def run(server_binary, target, first_port):
    """How many checks passed and failed: it is one."""
    directory = tempfile.mkdtemp(prefix="hiraeth-scrape-")
    try:
        binary = program(target)
        with Agent(server_binary, first_port) as agent:
            scrape(binary, agent, directory, free_ports(first_port + 10, 1)[0])
    except (Wrong, ClusterError, OSError) as error:
        print(f"FAILED scraping what is registered: {error}", flush=True)
        return 0, 1
    finally:
        shutil.rmtree(directory, ignore_errors=True)
    return 1, 0


if __name__ == "__main__":
    here = pathlib.Path(os.environ.get("CARGO_TARGET_DIR") or "etcd-client/target")
    passed, failed = run(sys.argv[1], here, 24800)
    print(f"{passed} passed, {failed} failed")
    sys.exit(1 if failed else 0)
