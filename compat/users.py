"""The user `root`, for suites that switch auth on and expect it to be there."""

import contextlib
import os
import subprocess


@contextlib.contextmanager
def root(etcdctl, endpoints, password):
    """A user `root` with the role `root` while it lasts; auth is off before and after."""
    environment = {**os.environ, "ETCDCTL_API": "3"}

    def run(*arguments, check=True, user=()):
        command = [etcdctl, "--endpoints", endpoints, *user, *arguments]
        done = subprocess.run(
            command,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=30,
        )
        if check and done.returncode != 0:
            raise RuntimeError(f"etcdctl {' '.join(arguments[:2])}: {done.stderr.strip()}")

    def clear():
        # What a suite that failed in its middle left.
        run("auth", "disable", check=False, user=("--user", f"root:{password}"))
        run("user", "delete", "root", check=False)
        run("role", "delete", "root", check=False)

    clear()
    run("user", "add", f"root:{password}")
    run("role", "add", "root")
    run("user", "grant-role", "root", "root")
    try:
        yield
    finally:
        clear()
