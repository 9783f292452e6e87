"""The kill tests: nodes end by `kill -9` while clients write; nothing acknowledged is lost."""

import json
import pathlib
import subprocess
import time

CATCH_UP_SECONDS = 60
# Enough writes that a node which was away cannot be served from the log that is kept.
AWAY_WRITES = 12_000
AWAY_SECONDS = 60


class Failure(Exception):
    """A promise was not kept."""


class KillTests:
    def __init__(self, cluster, writers, etcdctl, directory, seconds):
        self.cluster = cluster
        self.writers = writers
        self.etcdctl = etcdctl
        self.directory = pathlib.Path(directory)
        self.seconds = seconds

    def tests(self):
        return (
            ("leader killed -9 while 8 clients write, restarted, catches up", self.leader),
            ("all three killed -9 at once and restarted: everything there", self.all_at_once),
            ("node down, compaction and many writes, restarted: catches up", self.away),
        )

    def run(self):
        """(passed, failed)"""
        passed = failed = 0
        for name, test in self.tests():
            print(f"-- {name}", flush=True)
            try:
                test()
            except Exception as error:  # every failure is a result to count
                failed += 1
                print(f"FAILED {name}: {type(error).__name__}: {error}", flush=True)
            else:
                passed += 1
                print(f"ok {name}", flush=True)
            self.repair()
        return passed, failed

    def repair(self):
        """All nodes up again, so that the next test starts from a whole cluster."""
        self.cluster.start_all()
        self.cluster.wait_healthy(self.etcdctl)

    def leader(self):
        with Writing(self, "leader", self.seconds) as writing:
            for at in (0.2, 0.6):
                writing.wait_until(at * self.seconds)
                node = self.find_leader()
                node.kill()
                print(f"   {writing.elapsed():.1f} s: killed {node.name}, the leader", flush=True)
                writing.wait_until((at + 0.15) * self.seconds)
                self.cluster.start(node)
                took = self.cluster.wait_healthy(self.etcdctl, [node])
                now = writing.elapsed()
                print(
                    f"   {now:.1f} s: {node.name} serves again, {took:.1f} s after its start",
                    flush=True,
                )
        self.verify(writing)

    def all_at_once(self):
        seconds = self.seconds / 2
        with Writing(self, "all", seconds) as writing:
            writing.wait_until(0.4 * seconds)
            for node in self.cluster.nodes:
                node.process.kill()
            for node in self.cluster.nodes:
                node.kill()
            self.cluster.start_all()
            took = self.cluster.wait_healthy(self.etcdctl)
            print(f"   all serve again, {took:.1f} s after their start", flush=True)
        self.verify(writing)

    def away(self):
        node = next(each for each in self.cluster.nodes if each is not self.find_leader())
        self.ctl(node, "put", "compat/away", "before")
        old = self.revision(node)
        logged = len(node.log_text())
        held = self.cluster.log_ends(node)
        node.kill()
        with Writing(self, "away", AWAY_SECONDS, writes=AWAY_WRITES) as writing:
            pass
        others = [each for each in self.cluster.nodes if each is not node]
        # Whichever of them leads must have nothing left that the node could be served from.
        for other in others:
            self.cluster.wait_log_cut(other, held)
        other = others[0]
        self.ctl(other, "compaction", str(self.revision(other)))
        self.cluster.start(node)
        took = self.cluster.wait_healthy(self.etcdctl, [node])
        print(f"   {node.name} serves again, {took:.1f} s after its start", flush=True)
        self.verify(writing)
        past = self.ctl(
            node, "get", "--consistency", "s", "--rev", str(old), "compat/away", check=False
        )
        if "required revision has been compacted" not in past.stderr:
            raise Failure(
                f"{node.name} does not know of the compaction: {past.stdout}{past.stderr}"
            )
        if not self.cluster.snapshot_installed.search(node.log_text()[logged:]):
            raise Failure(f"the log of {node.name} names no snapshot: it caught up by the log")
        print(f"   {node.name} caught up by a snapshot", flush=True)

    def verify(self, writing):
        """By one linearizable read, then by what every node holds itself."""
        print(f"   wrote: {json.dumps(writing.result)}", flush=True)
        if writing.result["acked"] == 0:
            raise Failure("nothing was acknowledged")
        jobs = [(self.cluster.nodes[0], [])]
        jobs += [(node, ["--serializable"]) for node in self.cluster.nodes]
        for node, flags in jobs:
            done = subprocess.run(
                [
                    self.writers, "verify", "--endpoints", node.client, "--file", writing.file,
                    "--prefix", writing.prefix, "--seconds", str(CATCH_UP_SECONDS), *flags,
                ],
                capture_output=True,
                text=True,
                timeout=CATCH_UP_SECONDS * 3,
            )  # fmt: skip
            how = f"{node.name}{' itself' if flags else ''}"
            print(f"   {how}: {(done.stdout + done.stderr).strip()[-1500:]}", flush=True)
            if done.returncode != 0:
                raise Failure(f"{how} does not have what was acknowledged")
        self.compare_hashes()

    def compare_hashes(self):
        """Every node keeps the same versions, however it came by them."""
        revision = self.revision(self.cluster.nodes[0])
        deadline = time.monotonic() + CATCH_UP_SECONDS
        while True:
            found = [self.hash(node, revision) for node in self.cluster.nodes]
            if None not in found and len(set(found)) == 1:
                print(f"   the hash of all at revision {revision}: {found[0][0]}", flush=True)
                return
            if time.monotonic() > deadline:
                raise Failure(f"the hashes at revision {revision} differ: {found}")
            time.sleep(0.5)

    def hash(self, node, revision):
        """None while the node does not have the revision."""
        args = ("-w", "json", "endpoint", "hashkv", f"--rev={revision}")
        done = self.ctl(node, *args, check=False)
        if done.returncode != 0:
            return None
        answer = json.loads(done.stdout)[0]["HashKV"]
        return answer["hash"], answer.get("compact_revision")

    def ctl(self, node, *args, check=True):
        return subprocess.run(
            [self.etcdctl, "--endpoints", node.client, *args],
            check=check,
            capture_output=True,
            text=True,
            timeout=30,
        )

    def revision(self, node):
        answer = json.loads(self.ctl(node, "-w", "json", "get", "compat/none").stdout)
        return answer["header"]["revision"]

    def find_leader(self):
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            for node in self.cluster.nodes:
                done = self.ctl(node, "-w", "json", "endpoint", "status", check=False)
                if done.returncode == 0:
                    status = json.loads(done.stdout)[0]["Status"]
                    if status.get("leader", 0) == status["header"]["member_id"]:
                        return node
            time.sleep(0.1)
        raise Failure("no node says that it leads")


class Writing:
    """Eight clients that write, for as long as this context is open and their time lasts."""

    def __init__(self, tests, name, seconds, writes=0):
        self.file = str(tests.directory / f"{name}.tsv")
        self.prefix = f"writers/{name}/"
        self.command = [
            tests.writers, "run", "--endpoints", tests.cluster.endpoints, "--file", self.file,
            "--prefix", self.prefix, "--seconds", str(seconds), "--writes", str(writes),
        ]  # fmt: skip
        self.patience = seconds + 60
        self.result = None

    def elapsed(self):
        return time.monotonic() - self.began

    def wait_until(self, second):
        time.sleep(max(0.0, self.began + second - time.monotonic()))

    def __enter__(self):
        self.began = time.monotonic()
        self.process = subprocess.Popen(self.command, stdout=subprocess.PIPE, text=True)
        return self

    def __exit__(self, kind, *_):
        if kind is not None:
            self.process.kill()
        out, _ = self.process.communicate(timeout=self.patience)
        if kind is None:
            if self.process.returncode != 0:
                raise Failure(f"the writers ended by {self.process.returncode}")
            self.result = json.loads(out.splitlines()[-1])
