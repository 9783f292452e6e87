#!/usr/bin/env python3
"""Uses a cluster as Python programs do: by `aetcd` over gRPC, by `etcd3gw` over JSON."""

import argparse
import os
import sys

import checks_gateway  # noqa: F401  each registers its checks
import checks_grpc  # noqa: F401
import checks_auth  # noqa: F401  isort: skip  while it is on, others would be refused
from harness import Nodes, run_all


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("endpoints", help="host:port of each node, by comma")
    parser.add_argument("--only", default="", help="the checks with this in their name")
    options = parser.parse_args()
    failed = run_all(Nodes(options.endpoints.split(",")), options.only)
    # Not `sys.exit`: a check that hangs in a thread would keep the process.
    sys.stdout.flush()
    os._exit(1 if failed else 0)


if __name__ == "__main__":
    main()
