"""member add, update, promote, remove, and move-leader, with a fourth server that joins and leaves.

The server is started here, so its binary must be known: SERVER_BINARY (run.py says it). The cluster is
left as it was.
"""

import os
import signal
import socket
import subprocess
import tempfile

from checks_cluster import table
from harness import Skip, check, contains, equal, eventually, matches

JOIN_SECONDS = 60


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Fourth:
    """A server that joins the cluster of the members it is told of."""

    def __init__(self, ctl, name):
        binary = os.environ.get("SERVER_BINARY")
        if not binary or os.environ.get("SERVER_KIND", "hiraeth") != "hiraeth":
            raise Skip("SERVER_BINARY does not say which server to start")
        self.binary = binary
        self.name = name
        self.client, self.peer, self.http = (f"127.0.0.1:{free_port()}" for _ in range(3))
        self.directory = tempfile.TemporaryDirectory()
        self.log = open(os.path.join(self.directory.name, "log"), "w+")
        self.join = ",".join(
            url.removeprefix("http://")
            for member in ctl.json("member", "list")["members"]
            for url in member["peerURLs"]
        )
        self.process = None

    def start(self):
        self.process = subprocess.Popen(
            [
                self.binary, "serve", "--name", self.name, "--join", self.join,
                "--data-dir", os.path.join(self.directory.name, "data"),
                "--listen-client", self.client, "--listen-peer", self.peer,
                "--listen-http", self.http,
            ],
            stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log,
        )

    def kill(self):
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()

    def said(self):
        self.log.flush()
        with open(self.log.name, errors="replace") as log:
            return log.read()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.kill()
        self.log.close()
        self.directory.cleanup()


def ids(ctl):
    return {member["ID"] for member in ctl.json("member", "list")["members"]}


def healthy(ctl, endpoint):
    return ctl.run("--endpoints", endpoint, "endpoint", "health")[0] == 0


def put_back(ctl, before):
    """Whatever a check that failed left of its own goes."""
    for left in ids(ctl) - before:
        ctl.run("member", "remove", f"{left:x}")


@check("a learner joins under its name, is killed on the way, is promoted, and is removed")
def learner(ctl, p):
    before = ids(ctl)
    ctl.ok("put", p + "k", "v")
    with Fourth(ctl, "n4-learner") as fourth:
        try:
            url = f"http://{fourth.peer}"
            out = ctl.ok("member", "add", fourth.name, "--learner", f"--peer-urls={url}")
            contains(out, "added to cluster")
            (new,) = ids(ctl) - before
            line = next(line for line in ctl.lines("member", "list") if url in line)
            matches(line, rf"^{new:x}, unstarted, , {url}, , true$")
            not_ready = "etcdserver: can only promote a learner member which is in sync with leader"
            ctl.fails(not_ready, "member", "promote", f"{new:x}")
            for _ in range(3):
                fourth.start()
                eventually(lambda: fourth.said(), "a word")
                fourth.kill()
            fourth.start()
            eventually(lambda: healthy(ctl, fourth.client), "the learner to serve", JOIN_SECONDS)
            equal(ctl.at(fourth.client).lines("get", p + "k"), [p + "k", "v"])
            (status,) = ctl.at(fourth.client).json("endpoint", "status")
            equal(status["Status"].get("isLearner"), True, "isLearner")
            equal(len(table(ctl.ok("-w", "table", "endpoint", "status", "--cluster"))), 4)
            eventually(
                lambda: ctl.run("member", "promote", f"{new:x}")[0] == 0, "a promotion", JOIN_SECONDS
            )
            already = "etcdserver: can only promote a learner member"
            ctl.fails(already, "member", "promote", f"{new:x}")

            def votes():
                (now,) = ctl.at(fourth.client).json("endpoint", "status")
                return not now["Status"].get("isLearner", False)

            eventually(votes, "a vote", JOIN_SECONDS)
            contains(ctl.ok("member", "remove", f"{new:x}"), "removed from cluster")
            equal(ids(ctl), before)
            equal(fourth.process.wait(JOIN_SECONDS), 4, "exit code")
            contains(fourth.said(), "was removed from the cluster")
            fourth.start()
            equal(fourth.process.wait(JOIN_SECONDS), 4, "exit code of another start")
            ctl.fails("etcdserver: member not found", "member", "remove", f"{new:x}")
        finally:
            put_back(ctl, before)


@check("a voter joins, leads, and is removed while it leads")
def voter(ctl, p):
    before = ids(ctl)
    with Fourth(ctl, "n4-voter") as fourth:
        try:
            ctl.ok("member", "add", fourth.name, f"--peer-urls=http://{fourth.peer}")
            (new,) = ids(ctl) - before
            taken = "etcdserver: Peer URLs already exists"
            fourth.start()
            eventually(lambda: healthy(ctl, fourth.client), "the voter to serve", JOIN_SECONDS)
            everywhere = ",".join([*ctl.endpoints, fourth.client])
            ctl.fails(taken, "member", "add", "n5", f"--peer-urls=http://{fourth.peer}")

            def leads():
                code, _, _ = ctl.run("--endpoints", everywhere, "move-leader", f"{new:x}")
                (status,) = ctl.at(fourth.client).json("endpoint", "status")
                return code == 0 or status["Status"].get("leader") == new

            eventually(leads, "the new one to lead", JOIN_SECONDS)
            ctl.ok("put", p + "k", "by the new leader")
            ctl.ok("member", "remove", f"{new:x}")
            ctl.ok("put", p + "k", "after it")
            equal(ctl.lines("get", p + "k"), [p + "k", "after it"])
            equal(fourth.process.wait(JOIN_SECONDS), 4, "exit code")
            equal(ids(ctl), before)
        finally:
            put_back(ctl, before)


@check("member update, and what is refused")
def refusals(ctl, p):
    members = ctl.json("member", "list")["members"]
    one, other = members[0], members[1]
    own, theirs = one["peerURLs"][0], other["peerURLs"][0]
    taken = "etcdserver: Peer URLs already exists"
    ctl.fails(taken, "member", "update", f"{one['ID']:x}", f"--peer-urls={theirs}")
    contains(ctl.ok("member", "update", f"{one['ID']:x}", f"--peer-urls={own}"), "updated in cluster")
    ctl.fails(
        "etcdserver: member not found", "member", "update", "abcdef", "--peer-urls=http://127.0.0.1:1"
    )
    ctl.fails("etcdserver: member not found", "member", "remove", "abcdef")
    ctl.fails(
        "etcdserver: can only promote a learner member", "member", "promote", f"{one['ID']:x}"
    )
    ctl.fails("etcdserver: bad leader transferee", "--endpoints", ctl.all, "move-leader", "abcdef")


@check("move-leader: to each of the three, and what is refused")
def move_leader(ctl, p):
    for member in ctl.json("member", "list")["members"]:
        wanted = member["ID"]
        said = []

        def moved(wanted=wanted, said=said):
            statuses = ctl.json("--endpoints", ctl.all, "endpoint", "status")
            if {each["Status"]["leader"] for each in statuses} == {wanted}:
                return True
            code, out, _ = ctl.run("--endpoints", ctl.all, "move-leader", f"{wanted:x}")
            said.extend([out] if code == 0 else [])
            return False

        eventually(moved, f"{wanted:x} to lead", JOIN_SECONDS)
        for out in said:
            contains(out, "Leadership transferred from")
        ctl.put(p + "k", f"{wanted:x}")
        equal(ctl.lines("get", p + "k"), [p + "k", f"{wanted:x}"])
    ctl.fails("etcdserver: bad leader transferee", "--endpoints", ctl.all, "move-leader", "abcdef")
    statuses = ctl.json("--endpoints", ctl.all, "endpoint", "status")
    followers = ",".join(
        each["Endpoint"]
        for each in statuses
        if each["Status"]["header"]["member_id"] != each["Status"]["leader"]
    )
    code, _, error = ctl.run("--endpoints", followers, "move-leader", "abcdef")
    equal(code != 0, True, "refused")
    contains(error, "no leader endpoint given at")
