"""Nothing of etcdctl is forgotten: the table in README.md names what checks each command."""

import pathlib
import re
import subprocess

from harness import check, equal

COMPAT = pathlib.Path(__file__).resolve().parent.parent


@check("every command of this etcdctl is in the table, and the files it names are there")
def table(ctl, p):
    done = subprocess.run(
        [ctl.path, "--help"], env=ctl.environment, capture_output=True, text=True, timeout=30
    )
    listing = done.stdout.split("COMMANDS:")[1].split("OPTIONS:")[0]
    lines = [line.strip() for line in listing.splitlines() if line.strip()]
    commands = {line.split("\t")[0].strip() for line in lines}
    equal(len(commands) > 40, True, f"{len(commands)} commands")
    readme = (COMPAT / "README.md").read_text()
    rows = [row.split("|") for row in readme.splitlines() if row.startswith("| `")]
    named = {command for row in rows for command in re.findall(r"`([a-z -]+)`", row[1])}
    equal(commands - named, set(), "not in the table")
    files = {file for row in rows for file in re.findall(r"`([\w/-]+\.(?:py|go|js))`", row[2])}
    equal({file for file in files if not (COMPAT / file).exists()}, set(), "not there")
