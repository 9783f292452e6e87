#!/usr/bin/env python3
"""Uses a cluster by `etcdctl`, and checks what it says."""

import argparse
import sys

import checks_errors  # noqa: F401  each registers its checks
import checks_kv  # noqa: F401
import checks_lease  # noqa: F401
import checks_maintenance  # noqa: F401
import checks_member  # noqa: F401
import checks_tools  # noqa: F401
import checks_txn  # noqa: F401
import checks_watch  # noqa: F401
import checks_cluster  # noqa: F401  isort: skip  it compares what the others left
import checks_auth  # noqa: F401  isort: skip  nobody else gets in while it runs
from harness import Ctl, run_all


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("endpoints", help="host:port of each node, by comma")
    parser.add_argument("etcdctl", nargs="?", default="etcdctl", help="path of etcdctl 3.4 or 3.5")
    parser.add_argument("--only", default="", help="the checks with this in their name")
    options = parser.parse_args()
    return 1 if run_all(Ctl(options.etcdctl, options.endpoints.split(",")), options.only) else 0


if __name__ == "__main__":
    sys.exit(main())
