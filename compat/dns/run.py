#!/usr/bin/env python3
"""Names as programs look them up: by BIND's `dig`, by PyPI's `dnspython`, and through the resolver
`unbound`, which shortens its questions and checks what it is told. Three nodes are started here.

dns/run.py SERVER_BINARY [--base-port N] [--only PART]     the last line is `N passed, N failed`
"""

import argparse
import pathlib
import sys
import tempfile
import time
import traceback

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))

import checks_dig  # noqa: E402,F401  each registers its checks
import checks_python  # noqa: E402,F401
import checks_resolver  # noqa: E402,F401
import checks_faults  # noqa: E402,F401  isort: skip  they end servers
from world import CHECKS, World  # noqa: E402


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("binary", help="the server")
    parser.add_argument("--base-port", type=int, default=26100)
    parser.add_argument("--only", default="", help="the checks with this in their name")
    options = parser.parse_args()
    passed = failed = 0
    with tempfile.TemporaryDirectory(prefix="hiraeth-dns-") as directory:
        world = World(options.binary, directory, options.base_port)
        try:
            world.start()
            for check in CHECKS:
                if options.only not in check.__name__:
                    continue
                began = time.monotonic()
                try:
                    check(world)
                    passed += 1
                    print(f"ok    {check.__name__} ({time.monotonic() - began:.1f} s)", flush=True)
                except Exception:
                    failed += 1
                    print(f"FAILED {check.__name__}\n{traceback.format_exc()}", flush=True)
        finally:
            world.stop()
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
