#!/usr/bin/env python3
"""Three nodes that speak TLS everywhere, with certificates that `hiraeth cert` made, used by etcdctl, Go's
client, and Python over gRPC and JSON: who is let in, and as which user. The nodes are started here.

tls/run.py SERVER_BINARY [--etcdctl PATH] [--go PATH] [--base-port N] [--only PART]
                                                       the last line is `N passed, N failed`
"""

import argparse
import pathlib
import re
import subprocess
import sys
import tempfile
import time
import traceback

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))

from world import World  # noqa: E402

CHECKS = []
COMPAT = pathlib.Path(__file__).resolve().parent.parent


def check(function):
    CHECKS.append(function)
    return function


def contains(text, part):
    if part not in text:
        raise AssertionError(f"{part!r} is not in {text!r}")


def equal(got, want):
    if got != want:
        raise AssertionError(f"got {got!r}, want {want!r}")


@check
def etcdctl_reads_writes_and_asks_every_member(world):
    equal(world.etcdctl("root", "put", "k", "v").strip(), "OK")
    for endpoint in world.endpoints:
        equal(world.etcdctl("root", "get", "k", "--print-value-only", endpoint=endpoint).strip(), "v")
    members = world.etcdctl("root", "member", "list")
    equal(len(re.findall(r"https://127\.0\.0\.1:\d+, https://127\.0\.0\.1:\d+", members)), 3)
    # The addresses are those that the members name.
    done = world.run("root", "endpoint", "health", "--cluster")
    equal((done.returncode, (done.stdout + done.stderr).count("is healthy")), (0, 3))
    lease = world.etcdctl("root", "lease", "grant", "60").split()[1]
    contains(world.etcdctl("root", "lease", "keep-alive", "--once", lease), "keepalived")


@check
def who_has_no_good_certificate_is_not_let_in(world):
    world.etcdctl("root", "put", "k", "v")
    for who, ca in [(None, world.ca), ("eve", world.ca), ("root", world.other_ca)]:
        done = world.run(who, "put", "k", "other", ca=ca)
        if done.returncode == 0:
            raise AssertionError(f"{who} with {ca} was let in")
    done = world.plain("put", "k", "other")
    if done.returncode == 0:
        raise AssertionError("plain text was taken")
    equal(world.etcdctl("root", "get", "k", "--print-value-only").strip(), "v")
    log = world.log()
    for words in ("brings no certificate", "not trusted", "speaks plain text"):
        contains(log, words)


@check
def etcdctl_is_the_user_that_its_certificate_names(world):
    with world.users():
        equal(world.etcdctl("alice", "put", "a/1", "hers").strip(), "OK")
        equal(world.etcdctl("alice", "get", "a/1", "--print-value-only").strip(), "hers")
        for arguments in (["put", "b/1", "x"], ["get", "b/1"], ["user", "list"]):
            contains(world.run("alice", *arguments).stderr, "permission denied")
        contains(world.etcdctl("root", "user", "list"), "alice")
        # Vouched for, and nobody's user.
        contains(world.run("mallory", "get", "a/1").stderr, "permission denied")
        # A node is none, though there is a user of its name.
        contains(world.run("n1", "get", "a/1").stderr, "user name is empty")
        # A token counts more than a certificate.
        bob = ["--user", "bob:secret"]
        equal(world.etcdctl("alice", *bob, "put", "b/1", "his").strip(), "OK")
        contains(world.run("alice", *bob, "get", "a/1").stderr, "permission denied")


@check
def gos_client_works_and_is_its_user(world):
    with world.users():
        command = [world.go, "test", "-count=1", "-v", "-timeout", "100s", "-run", "^TestTLS", "."]
        environment = {"TLS_ENDPOINTS": ",".join(world.endpoints), "TLS_CERTS": str(world.certs)}
        done = world.subprocess(command, environment, cwd=COMPAT / "go", seconds=180)
        if done.returncode != 0 or "--- PASS: TestTLS" not in done.stdout or "SKIP" in done.stdout:
            raise AssertionError(done.stdout[-3000:] + done.stderr[-2000:])


@check
def pythons_grpc_works_and_is_its_user(world):
    import grpc
    from aetcd import rpc

    def kv(name, ca=None):
        read = [pathlib.Path(path).read_bytes() for path in world.files(name, ca)]
        credentials = grpc.ssl_channel_credentials(read[0], read[2], read[1])
        channel = grpc.secure_channel(world.endpoints[1].removeprefix("https://"), credentials)
        return rpc.KVStub(channel)

    put = lambda key: rpc.PutRequest(key=key, value=b"v")  # noqa: E731
    with world.users():
        kv("alice").Put(put(b"a/python"), timeout=20)
        try:
            kv("alice").Put(put(b"b/python"), timeout=20)
            raise AssertionError("she may not")
        except grpc.RpcError as error:
            equal(error.code(), grpc.StatusCode.PERMISSION_DENIED)
        try:
            kv("eve").Put(put(b"a/eve"), timeout=5)
            raise AssertionError("nobody vouches for her")
        except grpc.RpcError as error:
            equal(error.code(), grpc.StatusCode.UNAVAILABLE)


@check
def json_wants_a_token_and_takes_no_certificate_for_one(world):
    import requests

    def ask(path, body, headers=None):
        ca, cert, key = world.files("root")
        url = f"{world.endpoints[0]}{path}"
        return requests.post(
            url, json=body, headers=headers, cert=(cert, key), verify=ca, timeout=20
        )

    with world.users():
        contains(ask("/v3/kv/range", {"key": "YS8x"}).text, "user name is empty")
        login = ask("/v3/auth/authenticate", {"name": "bob", "password": "secret"}).json()
        answer = ask("/v3/kv/range", {"key": "Yi8x"}, {"Authorization": login["token"]})
        equal(answer.status_code, 200)
        contains(ask("/v3/kv/range", {"key": "YS8x"}, {"Authorization": login["token"]}).text, "denied")
    try:
        requests.get(f"{world.endpoints[0]}/version", verify=world.ca, timeout=5)
        raise AssertionError("nobody was let in")
    except requests.exceptions.RequestException:
        pass
    # The HTTP port, whose clients need no certificate here.
    equal(requests.get(f"{world.http}/v1/status/leader", verify=world.ca, timeout=20).status_code, 200)
    contains(requests.get(f"{world.http}/metrics", verify=world.ca, timeout=20).text, 'not_after_seconds{use="peer"}')


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("binary", help="the server")
    parser.add_argument("--etcdctl", default="etcdctl")
    parser.add_argument("--go", default="go")
    parser.add_argument("--base-port", type=int, default=26700)
    parser.add_argument("--only", default="", help="the checks with this in their name")
    options = parser.parse_args()
    passed = failed = 0
    with tempfile.TemporaryDirectory(prefix="hiraeth-tls-") as directory:
        world = World(options, pathlib.Path(directory))
        try:
            world.start()
            for each in CHECKS:
                if options.only not in each.__name__:
                    continue
                began = time.monotonic()
                try:
                    each(world)
                    passed += 1
                    print(f"ok    {each.__name__} ({time.monotonic() - began:.1f} s)", flush=True)
                except (Exception, subprocess.TimeoutExpired):
                    failed += 1
                    print(f"FAILED {each.__name__}\n{traceback.format_exc()}", flush=True)
        finally:
            world.stop()
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
