"""What the checks of Python's clients share."""

import asyncio
import itertools
import secrets
import time
import traceback

EVENT_SECONDS = 15
CHECK_SECONDS = 60

_checks = []


def check(name):
    """Registers a function `(Nodes, unique key prefix)`, plain or async, as the check `name`."""

    def register(function):
        _checks.append((name, function))
        return function

    return register


class Nodes:
    """Where the nodes are; each use goes to the next, so that every node serves all kinds."""

    def __init__(self, endpoints):
        self.all = [(host, int(port)) for host, port in (each.split(":") for each in endpoints)]
        self._next = itertools.cycle(self.all)

    def next(self):
        return next(self._next)


def equal(got, want, what=""):
    if got != want:
        raise AssertionError(f"{what or 'value'}: got {got!r}, want {want!r}")


def refused(error, kind, words):
    """`error` is of this class, and says exactly these words."""
    equal((type(error).__name__, str(error)), (kind.__name__, words), "error")


async def raises(kind, words, awaitable):
    try:
        got = await awaitable
    except Exception as error:  # whatever comes is compared
        return refused(error, kind, words)
    raise AssertionError(f"succeeded: {got!r}; wanted {words!r}")


async def eventually(condition, what):
    deadline = time.monotonic() + EVENT_SECONDS
    while not await condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {EVENT_SECONDS} s: {what}")
        await asyncio.sleep(0.05)


async def _one(function, nodes, prefix):
    if asyncio.iscoroutinefunction(function):
        await asyncio.wait_for(function(nodes, prefix), CHECK_SECONDS)
    else:
        # A thread of its own: what blocks there must not hold the others up for ever.
        await asyncio.wait_for(asyncio.to_thread(function, nodes, prefix), CHECK_SECONDS)


def run_all(nodes, only):
    """Runs the registered checks; the number of failures."""
    run_id, passed, failed = secrets.token_hex(4), 0, 0
    for number, (name, function) in enumerate(_checks):
        if only and only not in name:
            continue
        began = time.monotonic()
        try:
            asyncio.run(_one(function, nodes, f"compat/{run_id}/{number:03}/"))
        except Exception as error:  # every failure of a check is a result to count
            failed += 1
            stack = traceback.extract_tb(error.__traceback__)
            at = next((f for f in reversed(stack) if "/checks_" in f.filename), stack[-1])
            where = f"{at.filename.rsplit('/', 1)[-1]}:{at.lineno}"
            print(f"FAILED {name}: {where}: {type(error).__name__}: {error}", flush=True)
        else:
            passed += 1
            print(f"ok {name} ({time.monotonic() - began:.2f} s)", flush=True)
    print(f"{passed} passed, {failed} failed", flush=True)
    return failed
