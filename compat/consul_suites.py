"""The suites of Consul's clients. Each starts servers of its own, but for that in Go, so that they
may run beside each other."""

import contextlib
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile

import consul_scrape
import languages
from consul_agent import Agent
from languages import Missing

HERE = pathlib.Path(__file__).resolve().parent
PY_CONSUL = "py-consul==1.8.0"
WORKERS = "4"
# What the shipped tests of `rs-consul` expect to find, as the settings of its server have it: the ACL is
# on, lets everybody do everything, and has this token.
MANAGEMENT = "8fc9e787-674f-0709-cfd5-bfdabd73a70d"
INSTANCES = [("1.1.1.1", 20001, "first"), ("2.2.2.2", 20002, "second"), ("3.3.3.3", 20003, "third")]
# Where each looks for free ports, above the cluster's own.
PORTS = {"py-consul": 200, "rs-consul": 400, "consul": 420, "scrape": 440, "dns": 460, "prometheus": 500, "tls": 540}


def skipped(folder):
    """The tests that a suite leaves out, and why."""
    lines = (HERE / folder / "skipped.txt").read_text().splitlines()
    lines = (line for line in lines if line and not line.startswith("#"))
    return dict(line.split(maxsplit=1) for line in lines)


def say_skipped(folder):
    reasons = skipped(folder)
    for name, reason in reasons.items():
        print(f"   skipped {name}: {reason}")
    return reasons


# -- py-consul: the tests inside its sdist ------------------------------------------------------


def prepare_python(target):
    """Where the sdist lies unpacked, and the environment for its tests."""
    source = target / "py-consul"
    environment = languages.python(target, "py-consul")

    def unpack():
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
        command = [*pip, "--no-binary", "py-consul", "--dest", source, PY_CONSUL]
        languages.run(command, "py-consul")
        with tarfile.open(next(source.glob("*.tar.gz"))) as archive:
            archive.extractall(source, filter="data")

    languages.once(source, PY_CONSUL, unpack)
    folder = next(path for path in source.iterdir() if path.is_dir())
    shutil.copy(HERE / "py-consul" / "conftest.py", folder / "conftest.py")
    return folder, {**environment, "PY_CONSUL": str(HERE / "py-consul")}


def python_suite(options, stream):
    folder, environment = options.py_consul
    say_skipped("py-consul")
    environment["CONSUL_FIRST_PORT"] = str(options.base_port + PORTS["py-consul"])
    # Its own settings measure coverage, by a package that is not here.
    command = [sys.executable, "-m", "pytest", "tests", "-o", "addopts=", "-n", WORKERS]
    command += ["-q", "--dist", "worksteal", "-p", "no:cacheprovider", "--tb=short"]
    # As its own `tox.ini` has it: some tests put after 20 ms what another request must not see yet.
    command += ["--reruns=3"]
    show = re.compile(r"^(FAILED|ERROR|E  )")
    code, out = stream(command, folder, "", show, environment)
    passed, failed, again = (
        sum(int(number) for number in re.findall(rf"(\d+) (?:{words})\b", out.splitlines()[-1]))
        for words in ("passed", "failed|errors?", "rerun")
    )
    if again:
        print(f"   py-consul: {again} run once more", flush=True)
    return code, passed, failed, out


# -- rs-consul and consul: the tests that the crates ship ------------------------------------------


def prepare_rust(cargo, environment):
    command = [cargo, "test", "--locked", "--no-run", "--quiet"]
    subprocess.run(command, cwd=HERE / "consul-client", check=True, env=environment)


@contextlib.contextmanager
def rust_server(name, first_port):
    """The server that the tests of a crate want."""
    with tempfile.TemporaryDirectory() as folder:
        arguments = []
        if name == "rs-consul":
            file = pathlib.Path(folder) / "management"
            file.write_text(MANAGEMENT)
            arguments = ["--acl", "on", "--acl-default-policy", "allow", "--acl-keep-secrets"]
            arguments += ["--acl-initial-management-token-file", str(file)]
        with Agent(os.environ["SERVER_BINARY"], first_port, arguments=arguments) as agent:
            yield agent


def rust_suite(options, stream):
    reasons = say_skipped("consul-client")
    skips = [word for name in reasons for word in ("--skip", name)]
    passed = failed = code = 0
    output = ""
    show = re.compile(r"^test .*FAILED|panicked at|^error|^test result.* [1-9]\d* (pass|fail)ed")
    for name in ("rs-consul", "consul"):
        with rust_server(name, options.base_port + PORTS[name]) as agent:
            if name == "rs-consul":
                tests = ["--test", "rs_consul"]
                for number, (address, port, tag) in enumerate(INSTANCES, 1):
                    service = {"ID": f"test-service-{number}", "Name": "test-service"}
                    service |= {"Address": address, "Port": port, "Tags": [tag]}
                    agent.put("/v1/agent/service/register", service)
            else:
                parts = ("catalog", "health", "kv", "session")
                tests = [word for part in parts for word in ("--test", f"consul_{part}")]
            command = [options.cargo, "test", "--locked", "--no-fail-fast", *tests]
            command += ["--", "--exact", *skips]
            environment = {"CONSUL_HTTP_ADDR": agent.url}
            ended, out = stream(command, HERE / "consul-client", "", show, environment)
        results = re.findall(r"^test result: .*?(\d+) passed; (\d+) failed", out, re.MULTILINE)
        passed += sum(int(result[0]) for result in results)
        failed += sum(int(result[1]) for result in results)
        code, output = code or ended, output + out
    return code, passed, failed, output


# -- Go: tests of ours, and those that Consul's client ships ---------------------------------------

SHIPPED = ["github.com/hashicorp/consul/api", "github.com/hashicorp/consul/api/watch"]


def prepare_go(go):
    folder = HERE / "go-consul"
    subprocess.run([go, "vet", "./..."], cwd=folder, check=True)
    # Built only. What a newer Go has to say of their code is not for us.
    command = [go, "test", "-vet=off", "-run", "^$", *SHIPPED]
    subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL)


def go_suite(options, stream, endpoints, left_out):
    """Ours use the cluster, but for those left out; the others start a server for each test."""
    show = re.compile(r"^\s*--- FAIL|_test\.go:\d+:|^panic|^(ok|FAIL)\s")
    common = [options.go, "test", "-count=1", "-v", "-timeout", "200s"]
    ours = [*common, "-skip", f"^({'|'.join(left_out)})$", "."] if left_out else [*common, "."]
    code, out = stream(ours, HERE / "go-consul", endpoints, show)
    if "SERVER_BINARY" in os.environ:
        reasons = say_skipped("go-consul")
        skips = f"^({'|'.join(reasons)})$"
        command = [*common, "-vet=off", "-parallel", WORKERS, "-skip", skips, *SHIPPED]
        ended, more = stream(command, HERE / "go-consul", "", show)
        code, out = code or ended, out + more
    passed = len(re.findall(r"^--- PASS", out, re.MULTILINE))
    # What a server said that did not start stands before the test that wanted it.
    for failure in re.finditer(r"^--- FAIL.*", out, re.MULTILINE):
        print(out[max(failure.start() - 3000, 0) : failure.end()], flush=True)
    return code, passed, len(re.findall(r"^--- FAIL", out, re.MULTILINE)), out


# -- VictoriaMetrics ----------------------------------------------------------------------------------


def scrape_suite(options, target):
    return consul_scrape.run(
        os.environ["SERVER_BINARY"], target, options.base_port + PORTS["scrape"]
    )


def prepare_scrape(target):
    try:
        consul_scrape.program(target)
    except consul_scrape.Wrong as error:
        raise Missing(str(error)) from error
