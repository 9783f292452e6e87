#!/usr/bin/env python3
"""The web console in a real browser, Debian's `chromium`, over three nodes of which one was killed.

console/run.py SERVER_BINARY [--base-port N] [--only PART]     the last line is `N passed, N failed`
console/run.py SERVER_BINARY --screenshots DIR                 pictures of every page instead
"""

import argparse
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time
import traceback

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))

import checks_pages  # noqa: E402,F401  each registers its checks
import checks_use  # noqa: E402,F401
import checks_users  # noqa: E402,F401  isort: skip  they switch users on
import screenshots  # noqa: E402
from world import CHECKS, World  # noqa: E402


def run_checks(world, only):
    passed = failed = 0
    for check in CHECKS:
        if only not in check.__name__:
            continue
        began = time.monotonic()
        try:
            check(world)
            passed += 1
            print(f"ok    {check.__name__} ({time.monotonic() - began:.1f} s)", flush=True)
        except Exception:
            failed += 1
            print(f"FAILED {check.__name__}\n{traceback.format_exc()}", flush=True)
            for page in list(world.pages):
                world.pages.remove(page)
                page.close()
    return passed, failed


def run_units(node):
    """What modules work out without a browser, in Node."""
    if not node:
        raise SystemExit("node is missing: install Debian's package nodejs")
    units = pathlib.Path(__file__).resolve().parent / "units.test.mjs"
    done = subprocess.run([node, "--test", "--test-reporter=tap", units], capture_output=True, text=True)
    counted = dict(re.findall(r"^# (pass|fail) (\d+)$", done.stdout, re.MULTILINE))
    passed, failed = int(counted.get("pass", 0)), int(counted.get("fail", 1))
    print(f"ok    {passed} of the modules' own tests" if not failed else done.stdout + done.stderr, flush=True)
    return passed, failed


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("binary", help="the server")
    parser.add_argument("--base-port", type=int, default=26300)
    parser.add_argument("--only", default="", help="the checks with this in their name")
    parser.add_argument("--screenshots", metavar="DIR", help="where pictures go")
    parser.add_argument("--chromium", default=shutil.which("chromium"), help="the browser")
    parser.add_argument("--node", default=shutil.which("node"), help="Node, for the modules' own tests")
    options = parser.parse_args()
    if not options.chromium:
        raise SystemExit("chromium is missing: install Debian's package of that name")
    passed, failed = (0, 0) if options.only or options.screenshots else run_units(options.node)
    with tempfile.TemporaryDirectory(prefix="hiraeth-console-") as directory:
        # On a picture the start of the cluster is to be another episode than the death of a node.
        apart = 7 if options.screenshots else 1.5
        world = World(options.binary, directory, options.base_port, options.chromium, apart)
        try:
            began = time.monotonic()
            world.start()
            print(f"-- three nodes, one of them killed, after {time.monotonic() - began:.1f} s", flush=True)
            if options.screenshots:
                return screenshots.take(world, pathlib.Path(options.screenshots))
            more = run_checks(world, options.only)
            passed, failed = passed + more[0], failed + more[1]
        finally:
            world.stop()
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
