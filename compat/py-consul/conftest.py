"""Stands in place of the `conftest.py` inside the sdist, which starts Consul in a container.

Each test gets a server of its own, and the tests of `skipped.txt` are skipped for the reason there.
"""

import collections
import os
import pathlib
import sys

import pytest

HERE = pathlib.Path(os.environ["PY_CONSUL"])
sys.path.insert(0, str(HERE.parent))

from consul_agent import Agent  # noqa: E402

ConsulInstance = collections.namedtuple("ConsulInstance", ["container", "port", "version"])

PORTS_OF_A_WORKER = 40
# It has the server check what listens at Consul's port: in Consul's container, that is itself.
CHECKS_ITSELF = "test_service_multi_check"
CONSUL_PORT = 8500
# It asks its server to stop, which one of ours does only if it was told to.
LEAVES = "test_agent_leave"


def skipped():
    """Why each test that is left out is left out, by its name."""
    lines = (HERE / "skipped.txt").read_text().splitlines()
    lines = (line for line in lines if line and not line.startswith("#"))
    return dict(line.split(maxsplit=1) for line in lines)


def pytest_collection_modifyitems(items):
    reasons = skipped()
    for item in items:
        reason = reasons.pop(item.nodeid.removeprefix("tests/"), None)
        if reason:
            item.add_marker(pytest.mark.skip(reason=reason))
    if reasons:
        raise pytest.UsageError(f"skipped.txt names what is not there: {', '.join(reasons)}")


@pytest.fixture(scope="session", autouse=True)
def _unset_consul_token():
    os.environ.pop("CONSUL_HTTP_TOKEN", None)


def first_port():
    worker = os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")
    return int(os.environ["CONSUL_FIRST_PORT"]) + PORTS_OF_A_WORKER * int(worker)


# The secret of the token that may do everything, where the ACL is on.
MANAGEMENT_TOKEN = "e95b599e-166e-7d80-08ad-aee76e7ddf19"


def instance(test, arguments=(), token=None):
    arguments = [*arguments, *(["--leave-when-asked"] if test == LEAVES else [])]
    agent = Agent(os.environ["SERVER_BINARY"], first_port(), arguments=arguments, token=token)
    if test == CHECKS_ITSELF:
        agent.node.http = f"127.0.0.1:{CONSUL_PORT}"
    with agent:
        version = agent.get("/v1/agent/self")["Config"]["Version"]
        yield ConsulInstance(agent, agent.port, version)


@pytest.fixture
def consul_instance(request):
    yield from instance(request.node.name)


@pytest.fixture
def acl_consul_instance(request, tmp_path):
    file = tmp_path / "token"
    file.write_text(MANAGEMENT_TOKEN)
    # Consul keeps secrets, and the tests read them.
    arguments = ["--acl", "on", "--acl-keep-secrets"]
    arguments += ["--acl-initial-management-token-file", str(file)]
    for server in instance(request.node.name, arguments, MANAGEMENT_TOKEN):
        yield server, MANAGEMENT_TOKEN


@pytest.fixture
def consul_port(consul_instance):
    return consul_instance.port, consul_instance.version
