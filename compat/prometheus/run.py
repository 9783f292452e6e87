#!/usr/bin/env python3
"""Debian's Prometheus scrapes three nodes and a gateway, asks what the dashboard asks, and raises the
alarms when nodes are killed, and no other.

run.py /path/of/hiraeth [--base-port N]

Installs nothing: Prometheus is unpacked from Debian's package if it is not in PATH.
"""

import argparse
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from cluster import ClusterError, Hiraeth, free_ports  # noqa: E402

PACKAGING = HERE.parent.parent / "packaging"
RULES = PACKAGING / "prometheus" / "alerts.yml"
TESTS = PACKAGING / "prometheus" / "alerts_test.yml"
DASHBOARD = PACKAGING / "grafana" / "hiraeth.json"
SECONDS = 60

# What they say depends on the machine this runs on, which does other things as well.
OF_THE_MACHINE = {
    "HiraethSyncsSlow",
    "HiraethWritesSlow",
    "HiraethPushesSlow",
    "HiraethDiskFillsUp",
    "HiraethDiskLow",
    "HiraethReadOnly",
}

SETTINGS = """
global: {{scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s}}
rule_files: ["{rules}"]
scrape_configs:
  - job_name: hiraeth
    static_configs: [{{targets: [{nodes}]}}]
  - job_name: hiraeth-gateway
    static_configs: [{{targets: [{gateway}]}}]
"""


class Wrong(Exception):
    """It is not as it should be."""


# -- Debian's package ---------------------------------------------------------------------------


def target():
    folder = os.environ.get("CARGO_TARGET_DIR") or HERE.parent / "etcd-client" / "target"
    return pathlib.Path(folder) / "prometheus"


def program(name):
    """The path of `prometheus` or `promtool`: that of PATH, or unpacked."""
    found = shutil.which(name)
    if found:
        return found
    folder = target()
    unpacked = folder / "usr/bin" / name
    if not unpacked.exists():
        print("-- prometheus is missing: unpacking Debian's", flush=True)
        folder.mkdir(parents=True, exist_ok=True)
        if not download(folder):
            subprocess.run(["apt-get", "update", "-qq"], capture_output=True)
            if not download(folder):
                raise Wrong("Debian's package prometheus is not to be had")
        package = next(folder.glob("prometheus_*.deb"))
        subprocess.run(["dpkg-deb", "--extract", package, folder], check=True)
        package.unlink()
    return str(unpacked)


def download(folder):
    command = ["apt-get", "download", "-qq", "prometheus"]
    try:
        return subprocess.run(command, cwd=folder, capture_output=True).returncode == 0
    except FileNotFoundError as error:
        raise Wrong("prometheus is missing, and so is apt-get: put it into PATH") from error


# -- what needs no server -------------------------------------------------------------------------


def promtool(*words):
    done = subprocess.run(
        [program("promtool"), *words], cwd=RULES.parent, capture_output=True, text=True
    )
    if done.returncode != 0:
        raise Wrong((done.stdout + done.stderr)[-3000:])


def the_rules_are_rules():
    promtool("check", "rules", RULES.name)
    promtool("check", "config", "prometheus.yml")


def alerts():
    return set(re.findall(r"^ *- alert: (\w+)$", RULES.read_text(), re.MULTILINE))


def each_alert_fires_on_its_fault_and_on_no_other():
    tested = set(re.findall(r"^    name: (Hiraeth\w+)$", TESTS.read_text(), re.MULTILINE))
    if tested != alerts():
        raise Wrong(
            f"not tested: {sorted(alerts() - tested)}; unknown: {sorted(tested - alerts())}"
        )
    promtool("test", "rules", TESTS.name)


def the_dashboard_is_what_its_table_says():
    command = [sys.executable, str(PACKAGING / "grafana" / "make.py"), "--check"]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        raise Wrong(done.stderr)


def each_alert_is_in_the_runbook():
    runbook = (PACKAGING.parent / "docs" / "operations.md").read_text()
    missing = sorted(name for name in alerts() if f"`{name}`" not in runbook)
    if missing:
        raise Wrong(f"docs/operations.md says nothing of {missing}")


# -- what does ------------------------------------------------------------------------------------


class Prometheus:
    """One that runs, on loopback."""

    def __init__(self, directory, port, cluster, gateway):
        # The same rules, but nobody waits here for minutes.
        rules = pathlib.Path(directory) / "alerts.yml"
        rules.write_text(re.sub(r"(?m)^( *for:) .*$", r"\1 1s", RULES.read_text()))
        settings = pathlib.Path(directory) / "prometheus.yml"
        nodes = ", ".join(f'"{node.http}"' for node in cluster.nodes)
        settings.write_text(SETTINGS.format(rules=rules, nodes=nodes, gateway=f'"{gateway.http}"'))
        self.address = f"127.0.0.1:{port}"
        self.log = pathlib.Path(directory) / "prometheus.log"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [
                    program("prometheus"),
                    f"--config.file={settings}",
                    f"--storage.tsdb.path={directory}/series",
                    f"--web.listen-address={self.address}",
                    "--log.level=warn",
                ],
                cwd=directory,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def get(self, path, **query):
        url = f"http://{self.address}{path}?{urllib.parse.urlencode(query)}"
        try:
            with urllib.request.urlopen(url, timeout=5) as answer:
                return json.load(answer)["data"]
        except urllib.error.HTTPError as error:
            if error.code == 503:
                raise
            raise Wrong(f"{query}: {error.read().decode()}") from error

    def ask(self, expression):
        return self.get("/api/v1/query", query=expression)["result"]

    def up(self):
        return len(self.ask("up == 1"))

    def alarms(self, state="firing"):
        found = self.ask(f'ALERTS{{alertstate="{state}"}}')
        return {each["metric"]["alertname"] for each in found} - OF_THE_MACHINE

    def stop(self):
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def eventually(what, prometheus, condition, shown=lambda: ""):
    deadline = time.monotonic() + SECONDS
    while True:
        try:
            if condition():
                return
        except OSError:
            if prometheus.process.poll() is not None:
                raise Wrong(f"it ended:\n{prometheus.log.read_text()[-2000:]}") from None
        if time.monotonic() > deadline:
            raise Wrong(f"not within {SECONDS} s: {what} {shown()}")
        time.sleep(0.2)


def post(address, path, body, method="POST"):
    request = urllib.request.Request(
        f"http://{address}{path}", json.dumps(body).encode(), method=method
    )
    with urllib.request.urlopen(request, timeout=10) as answer:
        return answer.read()


class Checks:
    """In this order: each leaves the servers as the next one finds them."""

    def __init__(self, cluster, gateway, prometheus):
        self.cluster, self.gateway, self.prometheus = cluster, gateway, prometheus

    def alarms_are(self, wanted):
        wanted = set(wanted)
        prometheus = self.prometheus
        shown = lambda: f"it is {prometheus.alarms()}"  # noqa: E731
        eventually(f"{sorted(wanted)}", prometheus, lambda: prometheus.alarms() == wanted, shown)

    def everything_is_scraped(self):
        eventually("all up", self.prometheus, lambda: self.prometheus.up() == 4)
        wrong = [
            (rule["name"], rule["lastError"])
            for group in self.prometheus.get("/api/v1/rules")["groups"]
            for rule in group["rules"]
            if rule["health"] == "err"
        ]
        if wrong:
            raise Wrong(f"rules fail: {wrong}")

    def the_dashboard_finds_what_it_asks_for(self):
        client = self.cluster.nodes[0].client
        instance = {"Name": "web", "ID": "web-1", "Check": {"TTL": "60s", "Status": "passing"}}
        post(client, "/v1/agent/service/register", instance, "PUT")
        for number in range(300):
            post(client, "/v3/kv/put", {"key": "YQ==", "value": "Yg=="})
            post(client, "/v3/kv/range", {"key": "YQ=="})
        text = DASHBOARD.read_text()
        expressions = re.findall(r'"expr": "((?:[^"\\]|\\.)*)"', text)
        if len(expressions) < 40:
            raise Wrong(f"it has {len(expressions)} questions only")
        for expression in (json.loads(f'"{each}"') for each in expressions):
            asked = expression.replace("$job", ".*").replace("$instance", ".*")
            if "changes(" in asked:
                # An annotation: there is nothing, and that is well.
                self.prometheus.ask(asked)
                continue
            eventually(f"an answer to {asked}", self.prometheus, lambda: self.prometheus.ask(asked))

    def nothing_is_raised_while_all_is_well(self):
        self.alarms_are([])
        pending = self.prometheus.alarms("pending")
        if pending:
            raise Wrong(f"{pending} are on their way")

    def one_node_lost_is_told(self):
        self.cluster.nodes[2].kill()
        self.alarms_are({"HiraethNodeDown", "HiraethPeerLost", "HiraethNoSpareNode"})

    def a_quorum_lost_is_told(self):
        self.cluster.nodes[1].kill()
        wanted = {"HiraethNodeDown", "HiraethNoQuorum", "HiraethGatewayAlone"}
        prometheus = self.prometheus
        shown = lambda: f"it is {prometheus.alarms()}"  # noqa: E731
        eventually(f"{wanted}", prometheus, lambda: wanted <= prometheus.alarms(), shown)

    def it_is_quiet_again_when_they_are_back(self):
        self.cluster.start_all()
        self.alarms_are([])


def title(check):
    return check.__name__.replace("_", " ")


def run_all(checks):
    passed = failed = 0
    for check in checks:
        began = time.monotonic()
        try:
            check()
            passed += 1
            print(f"ok {title(check)}, {time.monotonic() - began:.1f} s", flush=True)
        except (Wrong, ClusterError, OSError, subprocess.SubprocessError) as error:
            failed += 1
            print(f"FAILED {title(check)}: {error}", flush=True)
    return passed, failed


def on_servers(binary, first_port):
    directory = tempfile.mkdtemp(prefix="hiraeth-prometheus-")
    cluster = Hiraeth(binary, directory, first_port)
    gateway = cluster.gateways()[0]
    prometheus = None
    try:
        cluster.start_all()
        cluster.start(gateway)
        port = free_ports(first_port + 60, 1)[0]
        prometheus = Prometheus(directory, port, cluster, gateway)
        checks = Checks(cluster, gateway, prometheus)
        passed, failed = run_all(
            [
                checks.everything_is_scraped,
                checks.the_dashboard_finds_what_it_asks_for,
                checks.nothing_is_raised_while_all_is_well,
                checks.one_node_lost_is_told,
                checks.a_quorum_lost_is_told,
                checks.it_is_quiet_again_when_they_are_back,
            ]
        )
        for node in cluster.nodes if failed else []:
            print(f"-- {node.name}:\n{node.log_text()[-1500:]}", flush=True)
        return passed, failed
    finally:
        if prometheus:
            prometheus.stop()
        gateway.stop()
        cluster.stop_all()
        shutil.rmtree(directory, ignore_errors=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("server_binary")
    parser.add_argument("--base-port", type=int, default=24900)
    options = parser.parse_args()
    passed, failed = run_all(
        [
            the_rules_are_rules,
            each_alert_fires_on_its_fault_and_on_no_other,
            the_dashboard_is_what_its_table_says,
            each_alert_is_in_the_runbook,
        ]
    )
    good, bad = on_servers(options.server_binary, options.base_port)
    print(f"{passed + good} passed, {failed + bad} failed")
    sys.exit(1 if failed + bad else 0)


if __name__ == "__main__":
    main()
