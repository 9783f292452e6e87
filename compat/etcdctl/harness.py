"""What the checks share: running etcdctl, keeping one running, and counting results."""

import itertools
import json
import os
import queue
import re
import secrets
import signal
import subprocess
import threading
import time
import traceback

COMMAND_SECONDS = 30
EVENT_SECONDS = 15

_checks = []


def check(name):
    """Registers a function `(Ctl, unique key prefix)` as the check `name`."""

    def register(function):
        _checks.append((name, function))
        return function

    return register


class Skip(Exception):
    """This etcdctl cannot do what the check needs."""


def equal(got, want, what=""):
    if got != want:
        raise AssertionError(f"{what or 'value'}: got {got!r}, want {want!r}")


def contains(text, part):
    if part not in text:
        raise AssertionError(f"{part!r} is not in {text!r}")


def matches(text, pattern):
    found = re.search(pattern, text, re.MULTILINE)
    if not found:
        raise AssertionError(f"{pattern!r} does not match {text!r}")
    return found


def eventually(condition, what, seconds=EVENT_SECONDS):
    """Waits until `condition()` gives something true, and returns it."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds} s: {what}")
        time.sleep(0.05)


class Running:
    """An etcdctl that stays: its lines of output as they come."""

    def __init__(self, command, environment):
        self.process = subprocess.Popen(
            command,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            bufsize=1,
        )
        self.lines = queue.Queue()
        self.errors = []
        self.readers = [
            threading.Thread(target=self._read, daemon=True),
            threading.Thread(target=self._read_errors, daemon=True),
        ]
        for reader in self.readers:
            reader.start()

    def _read(self):
        for line in self.process.stdout:
            self.lines.put(line.rstrip("\n"))
        self.lines.put(None)

    def _read_errors(self):
        for line in self.process.stderr:
            self.errors.append(line)

    def say(self, text):
        self.process.stdin.write(text)
        self.process.stdin.flush()

    def line(self, seconds=EVENT_SECONDS):
        """The next line of output."""
        try:
            line = self.lines.get(timeout=seconds)
        except queue.Empty:
            raise AssertionError(f"no line of output within {seconds} s") from None
        if line is None:
            self.process.wait(EVENT_SECONDS)
            raise AssertionError(f"it ended: {''.join(self.errors)}")
        return line

    def take(self, count):
        return [self.line() for _ in range(count)]

    def silent(self, seconds=0.3):
        """Nothing more is said for this long."""
        try:
            line = self.lines.get(timeout=seconds)
        except queue.Empty:
            return
        raise AssertionError(f"unexpected: {line!r} {''.join(self.errors)}")

    def finish(self, signal_number=None):
        """Waits for its end, after a signal if one is given. Its exit code and its stderr."""
        if signal_number is not None:
            self.process.send_signal(signal_number)
        code = self.process.wait(EVENT_SECONDS)
        for reader in self.readers:
            reader.join(EVENT_SECONDS)
        return code, "".join(self.errors)

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            try:
                self.process.wait(EVENT_SECONDS)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()


class Ctl:
    """Runs etcdctl. Each command goes to the next endpoint, so that every node serves all kinds."""

    def __init__(self, path, endpoints):
        self.path = path
        self.endpoints = endpoints
        self.environment = {**os.environ, "ETCDCTL_API": "3"}
        self._next = itertools.cycle(endpoints)
        self._help = {}

    @property
    def all(self):
        return ",".join(self.endpoints)

    def at(self, endpoint):
        """The same, for one endpoint only."""
        return Ctl(self.path, [endpoint])

    def has(self, command, flag):
        """Whether this etcdctl knows `flag`: 3.4 and 3.5 differ."""
        if command not in self._help:
            done = subprocess.run(
                [self.path, *command.split(), "--help"],
                env=self.environment,
                capture_output=True,
                text=True,
            )
            self._help[command] = done.stdout
        return flag in self._help[command]

    def need(self, command, flag):
        if not self.has(command, flag):
            raise Skip(f"this etcdctl has no `{command} {flag}`")

    def _command(self, args):
        endpoints = [] if "--endpoints" in args else ["--endpoints", next(self._next)]
        return [self.path, *endpoints, *args]

    def run(self, *args, stdin="", binary=False, seconds=COMMAND_SECONDS):
        done = subprocess.run(
            self._command(args),
            env=self.environment,
            input=stdin.encode() if isinstance(stdin, str) else stdin,
            capture_output=True,
            timeout=seconds,
        )
        out = done.stdout if binary else done.stdout.decode()
        return done.returncode, out, done.stderr.decode()

    def ok(self, *args, **options):
        """Its output; it has to succeed."""
        code, out, error = self.run(*args, **options)
        if code != 0:
            raise AssertionError(f"{' '.join(args)[:200]}: exit code {code}: {error[-500:]}")
        return out

    def lines(self, *args, **options):
        return self.ok(*args, **options).splitlines()

    def json(self, *args, **options):
        return json.loads(self.ok("-w", "json", *args, **options))

    def fails(self, text, *args, **options):
        """It has to fail, and its last line has to say exactly `Error: <text>`."""
        code, out, error = self.run(*args, **options)
        if code == 0:
            raise AssertionError(f"{' '.join(args)[:200]}: succeeded: {out[:500]}")
        equal(error.strip().splitlines()[-1], f"Error: {text}", "error")

    def start(self, *args, environment=None):
        return Running(self._command(args), {**self.environment, **(environment or {})})

    def put(self, key, value, *args):
        """Puts, and returns the revision."""
        return self.json("put", key, value, *args)["header"]["revision"]

    def revision(self):
        return self.json("get", "compat/no such key")["header"]["revision"]

    def grant(self, ttl):
        """Grants a lease, and returns its id as etcdctl writes it."""
        return matches(self.ok("lease", "grant", str(ttl)), r"^lease ([0-9a-f]{16}) granted").group(
            1
        )


def run_all(ctl, only):
    """Runs the registered checks; the number of failures."""
    for endpoint in ctl.endpoints:
        code, _, error = ctl.run("--endpoints", endpoint, "endpoint", "health")
        if code != 0:
            print(f"FAILED {endpoint} is not healthy: {error.strip()[-300:]}\n0 passed, 1 failed")
            return 1
    run_id = secrets.token_hex(4)
    passed, failed, skipped = 0, 0, 0
    for number, (name, function) in enumerate(_checks):
        if only and only not in name or name in os.environ.get("SKIPPED", "").split("\n"):
            continue
        began = time.monotonic()
        try:
            function(ctl, f"compat/{run_id}/{number:03}/")
        except Skip as reason:
            skipped += 1
            print(f"skipped {name}: {reason}", flush=True)
        except Exception as error:  # every failure of a check is a result to count
            failed += 1
            at = traceback.extract_tb(error.__traceback__)[1]
            where = f"{os.path.basename(at.filename)}:{at.lineno}"
            print(f"FAILED {name}: {where}: {type(error).__name__}: {error}", flush=True)
        else:
            passed += 1
            print(f"ok {name} ({time.monotonic() - began:.2f} s)", flush=True)
    print(f"{passed} passed, {failed} failed" + (f" ({skipped} skipped)" if skipped else ""))
    return failed
