"""The kill tests of members: servers join and leave, and end by `kill -9` on the way, while clients
write; nothing acknowledged is lost, and the others go on."""

import json
import shutil
import time

from .kill import Failure, KillTests, Writing

CHANGE_SECONDS = 60
# How long a server that joins lives before it is killed, again and again.
LIVES = (0.05, 0.3, 0.1, 0.8, 1.5)


class MemberKillTests(KillTests):
    def tests(self):
        return (
            ("a member joins and leaves; it and the leader are killed -9 on the way", self.comes),
            ("a dead member is replaced by one with nothing, while clients write", self.replaced),
        )

    def comes(self):
        newcomer = self.cluster.newcomer("n4")
        with Writing(self, "comes", self.seconds) as writing:
            writing.wait_until(0.1 * self.seconds)
            member = self.add(newcomer)
            for life in LIVES:
                self.cluster.start(newcomer)
                time.sleep(life)
                newcomer.kill()
            self.cluster.start(newcomer)
            time.sleep(0.2)
            leader = self.find_leader()
            leader.kill()
            self.cluster.start(leader)
            took = self.cluster.wait_healthy(self.etcdctl, [leader, newcomer])
            now = writing.elapsed()
            print(f"   {now:.1f} s: both serve {took:.1f} s after their last start", flush=True)
        self.cluster.nodes.append(newcomer)
        self.verify(writing)
        with Writing(self, "goes", self.seconds / 2) as writing:
            writing.wait_until(0.1 * self.seconds)
            leader = self.find_leader()
            asked = next(each for each in self.cluster.nodes if each not in (leader, newcomer))
            self.cluster.nodes.remove(newcomer)
            if leader is newcomer:
                self.remove(member, asked)
            else:
                # Whoever leads dies before it can see the removal through.
                self.ctl(asked, "member", "remove", member, check=False)
                leader.kill()
                self.cluster.start(leader)
                self.cluster.wait_healthy(self.etcdctl, [leader])
                self.remove(member, asked)
            newcomer.kill()
        self.verify(writing)

    def replaced(self):
        dead = self.cluster.nodes[2]
        others = self.cluster.nodes[:2]
        with Writing(self, "replaced", self.seconds) as writing:
            writing.wait_until(0.1 * self.seconds)
            member = self.members(others[0])[dead.name]
            dead.kill()
            self.remove(member, others[0])
            shutil.rmtree(dead.data)
            self.add(dead, others)
            self.cluster.start(dead)
            time.sleep(0.3)
            dead.kill()
            self.cluster.start(dead)
            took = self.cluster.wait_healthy(self.etcdctl, [dead])
            now = writing.elapsed()
            print(f"   {now:.1f} s: the new {dead.name} serves, after {took:.1f} s", flush=True)
        self.verify(writing)
        # It counts: with another one gone, it and the third are a majority.
        others[0].kill()
        for at in (others[1], dead):
            self.eventually(at, "put", "compat/replaced", at.name)

    def members(self, node):
        """Identifiers by name; what has not come yet has none."""
        answer = json.loads(self.ctl(node, "-w", "json", "member", "list").stdout)
        return {each.get("name", ""): f"{each['ID']:x}" for each in answer["members"]}

    def add(self, node, others=None):
        """Adds a member, and returns its identifier. It is refused while somebody is not heard."""
        others = others or self.cluster.nodes
        node.joins = ",".join(f"{each.name}=http://{each.peer}" for each in [*others, node])
        url = f"--peer-urls=http://{node.peer}"
        self.eventually(others[0], "member", "add", node.name, url)
        return self.members(others[0])[""]

    def remove(self, member, node):
        """Asked again where the answer was lost on the way."""
        deadline = time.monotonic() + CHANGE_SECONDS
        while member in self.members(node).values():
            done = self.ctl(node, "member", "remove", member, check=False)
            if time.monotonic() > deadline:
                raise Failure(f"member {member} is not removed: {done.stderr[-500:]}")
            time.sleep(0.2)

    def eventually(self, node, *args):
        deadline = time.monotonic() + CHANGE_SECONDS
        while True:
            done = self.ctl(node, *args, check=False)
            if done.returncode == 0:
                return done.stdout
            if time.monotonic() > deadline:
                raise Failure(f"{' '.join(args)}: {done.stderr[-500:]}")
            time.sleep(0.5)
