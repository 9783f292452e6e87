"""Snapshots of the original, taken over: what etcd 3.5.1 and Debian's etcd had is compared key by key, at
old revisions too.

imported.py target/debug/hiraeth [--target FOLDER]
"""

import argparse
import json
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

from cluster import free_ports
from restore import SECONDS, Side, Wrong, etcd_folder, same

USERS = {"root": "top secret", "alice": "wonder land"}


class Original:
    """An etcd of one node."""

    def __init__(self, folder, directory, port):
        urls = [f"http://127.0.0.1:{each}" for each in free_ports(port, 2)]
        self.endpoint = urls[0].removeprefix("http://")
        command = [
            str(folder / "etcd"), "--name", "e", "--data-dir", str(directory / "etcd"),
            "--listen-client-urls", urls[0], "--advertise-client-urls", urls[0],
            "--listen-peer-urls", urls[1], "--initial-advertise-peer-urls", urls[1],
            "--initial-cluster", f"e={urls[1]}",
        ]  # fmt: skip
        log = (directory / "etcd.log").open("wb")
        self.process = subprocess.Popen(command, stdout=log, stderr=log)


class Ours:
    """A hiraeth of one node over a data directory."""

    def __init__(self, binary, directory, ports):
        client, peer, http = (f"127.0.0.1:{port}" for port in ports)
        self.endpoint = client
        command = [
            binary, "serve", "--name", "n1", "--data-dir", str(directory), "--listen-client", client,
            "--listen-peer", peer, "--listen-http", http, "--initial-cluster", f"n1={peer}",
        ]  # fmt: skip
        log = directory.with_suffix(".log").open("ab")
        self.process = subprocess.Popen(command, stdout=log, stderr=log)


def end(*servers):
    for server in servers:
        if server:
            server.process.kill()
            server.process.wait()


def ready(side):
    deadline = time.monotonic() + SECONDS
    while True:
        try:
            return side.run("get", "none")
        except (Wrong, subprocess.SubprocessError):
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)


def fill(side):
    """Versions, transactions, deletions, leases, users; a compaction in the middle; the revisions to compare."""
    leases = [side.run("lease", "grant", str(ttl)).split()[1] for ttl in (3000, 6000)]
    side.run("put", "i/leased", "value", f"--lease={leases[0]}")
    side.run("put", "i/large", "x" * 60_000)
    for number in range(40):
        side.run("put", f"i/{number % 7}", str(number))
    side.run("del", "i/3")
    middle = side.json("put", "i/middle", "1")["header"]["revision"]
    side.run("del", "i/middle")
    side.run("compaction", "--physical", str(middle + 1))
    txn = 'put i/t1 one\nput i/t2 two\ndel i/2\n\n'
    subprocess.run(
        [side.etcdctl, "--endpoints", side.endpoint, "txn"],
        input=f"\n{txn}\n", text=True, check=True, capture_output=True, timeout=SECONDS,
        env={"ETCDCTL_API": "3"},
    )  # fmt: skip
    for number in range(20):
        side.run("put", f"i/{number % 5}", f"later {number}", f"--lease={leases[number % 2]}")
    side.run("del", "i/4")
    # Many, so that trees have branches.
    for start in range(0, 1200, 60):
        puts = "".join(f"put i/many/{each:05} {each}\n" for each in range(start, start + 60))
        subprocess.run(
            [side.etcdctl, "--endpoints", side.endpoint, "txn"],
            input=f"\n{puts}\n\n", text=True, check=True, capture_output=True, timeout=SECONDS,
            env={"ETCDCTL_API": "3"},
        )  # fmt: skip
    side.run("role", "add", "reader")
    side.run("role", "grant-permission", "reader", "read", "i/", "--prefix")
    for name, password in USERS.items():
        side.run("user", "add", f"{name}:{password}")
    side.run("user", "grant-role", "root", "root")
    side.run("user", "grant-role", "alice", "reader")
    return side.json("put", "i/last", "1")["header"]["revision"], middle + 1


def hiraeth(binary, *args, fails=None):
    done = subprocess.run([binary, *args], capture_output=True, text=True, timeout=SECONDS)
    if fails is None and done.returncode != 0:
        raise Wrong(f"hiraeth {' '.join(args)}: {done.stderr[-500:]}")
    if fails is not None and (done.returncode == 0 or fails not in done.stderr):
        raise Wrong(f"hiraeth {' '.join(args)}: not refused with {fails!r}: {done.stderr[-500:]}")
    return done.stdout


def compare(ours, theirs, newest, compacted):
    for revision in (newest, newest - 1, newest - 30, compacted + 3, compacted):
        same(f"keys at {revision}", ours.keys(revision), theirs.keys(revision))
    same("leases", ours.leases(), theirs.leases())
    for lease in theirs.leases():
        told = [
            (answer["granted-ttl"], sorted(answer.get("keys") or []))
            for answer in (
                side.json("lease", "timetolive", f"{lease:x}", "--keys") for side in (ours, theirs)
            )
        ]
        same(f"lease {lease:x}", *told)
    same("hash", ours.hash(newest), theirs.hash(newest))
    same("users", ours.json("user", "list")["users"], theirs.json("user", "list")["users"])
    same("role", perms(ours), perms(theirs))
    return len(ours.keys(newest))


def perms(side):
    return side.json("role", "get", "reader")["perm"]


def passwords(side):
    """The passwords that the original hashed are good here."""
    side.run("auth", "enable")
    for name, password in USERS.items():
        side.run("get", "i/last", f"--user={name}:{password}")
    try:
        side.run("get", "i/last", "--user=alice:wrong")
    except Wrong:
        return
    raise Wrong("a wrong password is taken")


def bad_files(binary, snapshot, directory):
    """Each is refused in words, and nothing is made."""
    whole = snapshot.read_bytes()
    cut, spoiled = directory / "cut.db", directory / "spoiled.db"
    cut.write_bytes(whole[: len(whole) // 2])
    middle = len(whole) // 2
    spoiled.write_bytes(whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :])
    out = directory / "never"
    hiraeth(binary, "import", "etcd", str(cut), "--out", str(out), fails="cut off")
    hiraeth(binary, "import", "etcd", str(spoiled), "--out", str(out), fails="checksum")
    hiraeth(binary, "import", "etcd", str(binary), "--out", str(out), fails="no file of bolt")
    left = [path.name for path in directory.iterdir() if path.name.startswith("never")]
    same("what is left of refused files", left, [])


def debian_folder(target):
    """Where Debian's `etcd` and `etcdctl` are, unpacked and not installed."""
    folder = target / "etcd-debian"
    programs = folder / "usr" / "bin"
    if not (programs / "etcdctl").exists():
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        command = ["apt-get", "download", "-qq", "etcd-server", "etcd-client"]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
        if done.returncode != 0:
            # It knows of no packages on a machine that was just made.
            subprocess.run(["apt-get", "update", "-qq"], capture_output=True)
            done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
        if done.returncode != 0:
            raise Wrong(f"Debian's etcd cannot be had: {done.stderr[-500:]}")
        for package in sorted(folder.glob("*.deb")):
            subprocess.run(["dpkg-deb", "--extract", package, folder], check=True)
    return programs


def version(folder):
    done = subprocess.run([folder / "etcd", "--version"], capture_output=True, text=True, check=True)
    return done.stdout.split()[2]


def run(binary, target, port=24500):
    """(passed, failed)"""
    done = [run_one(binary, etcd_folder(target), port), run_one(binary, debian_folder(target), port + 20)]
    return sum(passed for passed, _ in done), sum(failed for _, failed in done)


def run_one(binary, folder, port):
    etcd = ours = living = None
    with tempfile.TemporaryDirectory(prefix="imported-") as name:
        directory = pathlib.Path(name)
        try:
            etcd = Original(folder, directory, port)
            theirs = Side(folder / "etcdctl", etcd.endpoint)
            ready(theirs)
            newest, compacted = fill(theirs)
            snapshot = directory / "snapshot.db"
            theirs.run("snapshot", "save", str(snapshot))
            data = directory / "data"
            ports = free_ports(port + 10, 6)
            made = ["--data-dir", str(data), "--initial-cluster", f"n1=127.0.0.1:{ports[1]}"]
            hiraeth(binary, "import", "etcd", str(snapshot), *made)
            ours = Ours(binary, data, ports[:3])
            side = Side(folder / "etcdctl", ours.endpoint)
            ready(side)
            keys = compare(side, theirs, newest, compacted)
            print(f"   {keys} keys, revision {newest}, hash {side.hash(newest)[0]}", flush=True)
            bad_files(binary, snapshot, directory)
            hiraeth(binary, "import", "etcd", str(snapshot), *made, fails="is not empty")
            # Into a keyspace of a cluster that serves.
            living = Ours(binary, directory / "living", ports[3:])
            ready(Side(folder / "etcdctl", living.endpoint))
            into = ["import", "etcd", str(snapshot), "--endpoints", living.endpoint, "--into"]
            hiraeth(binary, *into, "nowhere", fails="keyspace not found")
            hiraeth(binary, *into, "default")
            hiraeth(binary, *into, "default", fails="has keys already")
            plain = [
                [(kv["key"], kv["value"], kv.get("lease", 0)) for kv in each.keys(0)]
                for each in (Side(folder / "etcdctl", living.endpoint), theirs)
            ]
            same("keys in a living keyspace", *plain)
            side.run("put", "i/after", "1")
            passwords(side)
            print(f"ok what etcd {version(folder)} saved was taken over", flush=True)
            return 1, 0
        except (Wrong, subprocess.SubprocessError, KeyError, json.JSONDecodeError) as error:
            print(f"FAILED import of what the etcd in {folder} saved: {error}", flush=True)
            return 0, 1
        finally:
            end(etcd, ours, living)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("binary")
    parser.add_argument("--target", default=tempfile.gettempdir(), type=pathlib.Path)
    parser.add_argument("--port", default=24500, type=int)
    options = parser.parse_args()
    passed, failed = run(options.binary, options.target, options.port)
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
