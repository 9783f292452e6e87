"""The kill tests of the registry: nodes end by `kill -9` while instances beat, change and are watched; none
that lives is taken for dead, none is lost, and who watches misses nothing."""

import json
import os
import subprocess
import threading
import time
import urllib.error
import urllib.request

from .kill import Failure, KillTests

# What a beat is good for; an instance beats three times in it.
TTL_SECONDS = 15
GROUP = 100
# How long it may take from the leader's end until a registration is taken again. An election takes one to
# two seconds; this is no measurement.
ACCEPTED_WITHIN_SECONDS = 20


class RegistryKillTests(KillTests):
    instances = 2_000
    # Seconds; an election and a restart fit well in.
    longest = 12

    def tests(self):
        return (
            ("the registry's leader is killed -9 while instances beat and change", self.leader),
            ("all killed -9 while instances beat: every registration is there", self.all_at_once),
        )

    def leader(self):
        with Load(self) as load:
            load.wait(0.3)
            leader = load.leader
            leader.kill()
            killed = time.monotonic()
            print(f"   killed {leader.name}, which led the registry", flush=True)
            load.wait(0.6)
            self.cluster.start(leader)
            self.cluster.wait_healthy(self.etcdctl, [leader])
            load.wait(0.9)
            load.verify()
            load.tell_gap(killed)

    def all_at_once(self):
        with Load(self) as load:
            load.wait(0.4)
            load.verify()
            before = load.count()
            load.ends_beating()
            for node in self.cluster.nodes:
                node.process.kill()
            for node in self.cluster.nodes:
                node.kill()
            self.cluster.start_all()
            self.cluster.wait_healthy(self.etcdctl)
            after = load.count()
            if after != before:
                raise Failure(f"(instances, passing) were {before}, and are {after}")
            print(f"   {after[0]} instances before and after, {after[1]} pass", flush=True)
            load.verify_watch()


class Load:
    """Instances that beat, one that changes all the time, and somebody who watches it."""

    def __init__(self, tests):
        self.tests = tests
        self.binary = os.environ["SERVER_BINARY"]
        self.nodes = tests.cluster.nodes
        self.errors = []
        self.acked = []
        # Its own service: an instance a test before this one left is no news, and not the one watched.
        self.service = f"probe-{time.time_ns()}"
        self.stop = threading.Event()

    def __enter__(self):
        with self.http(self.nodes[0], "/v1/catalog/nodes") as answer:
            answer.read()
        with self.http(self.nodes[0], "/v1/status/leader") as answer:
            at = json.load(answer)
        self.leader = next(node for node in self.nodes if node.peer == at)
        others = [node for node in self.nodes if node is not self.leader]
        self.writer, self.reader = others
        directory = self.tests.directory
        self.beats_log = open(directory / "beats.log", "w", encoding="utf-8")
        self.watch_log = open(directory / "service-watch.json", "w+", encoding="utf-8")
        # Set up before the time counts: the beats' own options bound how long that takes.
        self.seconds = min(self.tests.seconds, self.tests.longest)
        rate = max(1.0, self.tests.instances * 3 / TTL_SECONDS / GROUP)
        self.beats = subprocess.Popen(
            [
                *(self.binary, "bench", "beat", "--progress", "--ttl", f"{TTL_SECONDS}s"),
                *("--endpoints", ",".join(node.client for node in others)),
                *("--instances", str(self.tests.instances), "--group", str(GROUP)),
                *("--rate", str(rate), "--connections", "2", "--clients", "64"),
                *("--duration", f"{int(self.seconds) + 600}s", "--timeout", "30s"),
            ],
            stdout=self.beats_log,
            stderr=subprocess.STDOUT,
        )
        everywhere = ",".join(node.client for node in (self.reader, self.writer, self.leader))
        self.watch = subprocess.Popen(
            [
                *(self.binary, "service", "watch", self.service, "--output", "json"),
                *("--endpoints", everywhere),
            ],
            stdout=self.watch_log,
            stderr=self.beats_log,
        )
        self.wait_for(self.all_there, 300, "the instances are not all registered")
        self.changer = threading.Thread(target=self.change)
        self.changer.start()
        self.began = time.monotonic()
        return self

    def __exit__(self, *_):
        self.stop.set()
        self.changer.join()
        for process in (self.beats, self.watch):
            if process.poll() is None:
                process.kill()
            process.wait()
        self.beats_log.close()
        self.watch_log.close()

    def wait(self, share):
        time.sleep(max(0.0, self.began + share * self.seconds - time.monotonic()))

    def wait_for(self, check, seconds, what):
        deadline = time.monotonic() + seconds
        while not check():
            if time.monotonic() > deadline:
                raise Failure(what)
            time.sleep(0.25)

    def http(self, node, path, method="GET", body=None):
        url = f"http://{node.client}{path}"
        data = json.dumps(body).encode() if body is not None else None
        return urllib.request.urlopen(
            urllib.request.Request(url, data=data, method=method), timeout=10
        )

    def count(self):
        """(instances, those that pass) of the services that beat."""
        command = [
            *(self.binary, "service", "list", "--output", "json"),
            *("--endpoints", ",".join(node.client for node in self.nodes)),
        ]
        told = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
        services = [it for it in json.loads(told.stdout) if it["service"].startswith("service-")]
        return sum(it["instances"] for it in services), sum(it["passing"] for it in services)

    def all_there(self):
        if self.beats.poll() is not None:
            raise Failure(f"the beats ended: {self.tail()}")
        return self.count() == (self.tests.instances, self.tests.instances)

    def tail(self):
        self.beats_log.flush()
        with open(self.beats_log.name, encoding="utf-8") as log:
            return log.read()[-500:]

    def change(self):
        """An instance that is another one with every registration, at a node that is not killed alone."""
        number = 0
        while not self.stop.is_set():
            number += 1
            body = {"Name": self.service, "ID": "probe", "Meta": {"number": str(number)}}
            try:
                with self.http(self.writer, "/v1/agent/service/register", "PUT", body):
                    self.acked.append((time.monotonic(), number))
            except (urllib.error.URLError, OSError):
                time.sleep(0.02)

    def ends_beating(self):
        self.stop.set()
        self.changer.join()
        self.beats.kill()
        self.beats.wait()

    def verify(self):
        """While everything beats: all of it passes, and the watch knows the newest."""
        if self.beats.poll() is not None:
            raise Failure(f"the beats ended: {self.tail()}")
        found = self.count()
        if found != (self.tests.instances, self.tests.instances):
            raise Failure(f"{found} of {self.tests.instances} instances are there, and pass")
        with self.http(self.reader, "/v1/health/state/critical") as answer:
            critical = json.load(answer)
        if critical:
            raise Failure(f"{len(critical)} checks are critical: {critical[:2]}")
        print(f"   all {found[0]} instances pass", flush=True)
        self.verify_watch()

    def pushes(self):
        self.watch_log.flush()
        with open(self.watch_log.name, encoding="utf-8") as log:
            lines = log.read().splitlines()
        return [json.loads(line) for line in lines if line.endswith("}")]

    def verify_watch(self):
        wanted = self.acked[-1][1]

        def number(push):
            return int(push["instances"][0]["meta"]["number"]) if push["instances"] else 0

        self.wait_for(
            lambda: (pushes := self.pushes()) and number(pushes[-1]) >= wanted,
            30,
            f"the watch does not come to {wanted}, which was acknowledged",
        )
        pushes = self.pushes()
        versions = [push["version"] for push in pushes]
        if versions != sorted(set(versions)):
            raise Failure(f"versions come again, or go back: {versions[-20:]}")
        numbers = [number(push) for push in pushes]
        numbers = numbers[next(at for at, it in enumerate(numbers) if it) :]
        if 0 in numbers:
            raise Failure("a service that is there was pushed as empty")
        if numbers != sorted(set(numbers)):
            raise Failure(f"changes come again, or go back: {numbers[-20:]}")
        changes, told = len(self.acked), len(numbers)
        print(f"   {changes} changes acknowledged, {told} pushes, in order", flush=True)

    def tell_gap(self, killed):
        after = [at for at, _ in self.acked if at > killed]
        if not after:
            raise Failure("nothing was registered after the leader's end")
        gaps = [b - a for (a, _), (b, _) in zip(self.acked, self.acked[1:])]
        longest = max(gaps)
        print(f"   no registration was taken for {longest:.2f} s at most", flush=True)
        if longest > ACCEPTED_WITHIN_SECONDS:
            raise Failure(f"nothing was registered for {longest:.1f} s")
