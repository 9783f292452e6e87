"""Chromium without a screen, led through its DevTools: JSON over two pipes, so nothing is needed but Python.

Every process started here is ended here, by its pid.
"""

import base64
import json
import os
import pathlib
import select
import signal
import subprocess
import tempfile
import time

SECONDS = 20
FLAGS = (
    "--headless=new", "--remote-debugging-pipe", "--no-sandbox", "--disable-gpu", "--no-first-run",
    "--disable-extensions", "--disable-background-networking", "--disable-sync", "--hide-scrollbars",
    "--disable-component-update", "--disable-dev-shm-usage", "--force-color-profile=srgb",
    "--font-render-hinting=none",
)  # fmt: skip


class BrowserError(Exception):
    """The browser did not do as it was told."""


class Browser:
    def __init__(self, program):
        self.profile = tempfile.TemporaryDirectory(prefix="hiraeth-chromium-")
        self.log = open(pathlib.Path(self.profile.name) / "log", "wb")
        reads, self.to = os.pipe()
        self.answers, writes = os.pipe()

        def place():
            # Chromium reads from 3 and writes to 4; first out of the way, since they may be each other's.
            first, second = os.dup(reads), os.dup(writes)
            os.dup2(first, 3)
            os.dup2(second, 4)

        self.process = subprocess.Popen(
            [program, *FLAGS, f"--user-data-dir={self.profile.name}", "about:blank"],
            stdin=subprocess.DEVNULL,
            stdout=self.log,
            stderr=self.log,
            preexec_fn=place,
            close_fds=False,
            start_new_session=True,
        )
        os.close(reads)
        os.close(writes)
        self.held = b""
        self.last = 0
        self.pages = {}
        self.found = {}

    def end(self):
        try:
            self.ask("Browser.close")
            self.process.wait(5)
        except (BrowserError, subprocess.TimeoutExpired):
            pass
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
        os.close(self.to)
        os.close(self.answers)
        self.log.close()
        self.profile.cleanup()

    def ask(self, method, session=None, **parameters):
        """Has something done; answers what came of it."""
        self.last += 1
        message = {"id": self.last, "method": method, "params": parameters}
        if session:
            message["sessionId"] = session
        os.write(self.to, json.dumps(message).encode() + b"\0")
        deadline = time.monotonic() + SECONDS
        while self.last not in self.found:
            self.read(deadline - time.monotonic(), method)
        answer = self.found.pop(self.last)
        if "error" in answer:
            raise BrowserError(f"{method}: {answer['error']}")
        return answer["result"]

    def read(self, seconds, what):
        """Takes what comes next; what happened on a page goes there."""
        if not select.select([self.answers], [], [], max(seconds, 0))[0]:
            raise BrowserError(f"no answer to {what} within {SECONDS} s")
        came = os.read(self.answers, 1 << 20)
        if not came:
            raise BrowserError(f"the browser ended: {self.process.poll()}")
        *whole, self.held = (self.held + came).split(b"\0")
        for message in map(json.loads, whole):
            if "id" in message:
                self.found[message["id"]] = message
            elif page := self.pages.get(message.get("sessionId")):
                page.happened(message["method"], message["params"])

    def listen(self, seconds=0.0):
        while select.select([self.answers], [], [], seconds)[0]:
            self.read(1, "events")

    def page(self, width=1280, height=900, dark=False):
        return Page(self, width, height, dark)


class Page:
    """A tab of its own, with nothing kept of others."""

    def __init__(self, browser, width, height, dark):
        self.browser = browser
        self.problems = []
        context = browser.ask("Target.createBrowserContext")["browserContextId"]
        target = browser.ask("Target.createTarget", url="about:blank", browserContextId=context)
        self.target = target["targetId"]
        attached = browser.ask("Target.attachToTarget", targetId=self.target, flatten=True)
        self.session = attached["sessionId"]
        browser.pages[self.session] = self
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.ask(f"{domain}.enable")
        self.size(width, height)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        still = {"name": "prefers-reduced-motion", "value": "reduce"}
        self.ask("Emulation.setEmulatedMedia", features=[scheme, still])

    def ask(self, method, **parameters):
        return self.browser.ask(method, self.session, **parameters)

    def size(self, width, height):
        self.ask(
            "Emulation.setDeviceMetricsOverride",
            width=width, height=height, deviceScaleFactor=1, mobile=width < 600,
        )  # fmt: skip

    def happened(self, method, parameters):
        if method == "Runtime.exceptionThrown":
            self.problems.append(parameters["exceptionDetails"].get("exception", parameters))
        elif method == "Runtime.consoleAPICalled" and parameters["type"] in ("error", "assert"):
            self.problems.append([it.get("description", it.get("value")) for it in parameters["args"]])
        elif method == "Log.entryAdded" and parameters["entry"]["level"] == "error":
            entry = parameters["entry"]
            # That a request failed is told by the page itself, where the page is to tell it.
            if entry["source"] != "network":
                self.problems.append(entry)

    def open(self, address):
        self.ask("Page.navigate", url=address)

    def evaluate(self, expression):
        told = self.ask(
            "Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True
        )
        if "exceptionDetails" in told:
            raise BrowserError(f"{expression}: {told['exceptionDetails']}")
        return told["result"].get("value")

    def text(self, selector="body"):
        return self.evaluate(f"document.querySelector({json.dumps(selector)})?.innerText ?? ''")

    def until(self, expression, what):
        """Waits until an expression is true, or an element."""
        expression = f"((it) => it instanceof Node || it)({expression})"
        deadline = time.monotonic() + SECONDS
        while not (value := self.evaluate(expression)):
            if time.monotonic() > deadline:
                raise AssertionError(f"{what}; the page says:\n{self.text()[:3000]}\n{self.problems}")
            time.sleep(0.05)
        return value

    def reload(self):
        """Loads the page again, and waits until it is the new one that is seen."""
        self.evaluate("window.isOld = true")
        self.evaluate("void setTimeout(() => location.reload())")
        deadline = time.monotonic() + SECONDS
        while True:
            try:
                if self.evaluate("!window.isOld && document.readyState === 'complete'"):
                    return
            except BrowserError:
                # Between both pages there is none to ask.
                pass
            if time.monotonic() > deadline:
                raise AssertionError("the page is not loaded again")
            time.sleep(0.05)

    def until_text(self, *words, selector="main"):
        for word in words:
            shown = f"(document.querySelector({json.dumps(selector)})?.innerText ?? '')"
            self.until(f"{shown}.includes({json.dumps(word)})", f"{word!r} is not in {selector}")

    def press(self, key, code=None, text=None):
        typed = text if text is not None else (key if len(key) == 1 else "")
        named = {"Enter": 13, "Tab": 9, "Escape": 27, "ArrowRight": 39, "ArrowLeft": 37}
        number = named.get(key, ord(typed.upper()) if typed else 0)
        common = {"key": key, "code": code or key, "windowsVirtualKeyCode": number}
        if key == "Enter":
            typed = "\r"
        self.ask("Input.dispatchKeyEvent", type="keyDown", text=typed, **common)
        self.ask("Input.dispatchKeyEvent", type="keyUp", **common)

    def write(self, text):
        self.ask("Input.insertText", text=text)

    def screenshot(self, path, height=None):
        """What is seen, as PNG; with a height, that much of the page."""
        clip = {}
        if height:
            width = self.evaluate("innerWidth")
            tall = min(height, self.evaluate("document.documentElement.scrollHeight"))
            self.size(width, tall)
            time.sleep(0.2)
        shot = self.ask("Page.captureScreenshot", format="png", optimizeForSpeed=False, **clip)
        pathlib.Path(path).write_bytes(base64.b64decode(shot["data"]))

    def close(self):
        self.browser.listen()
        self.browser.ask("Target.closeTarget", targetId=self.target)
