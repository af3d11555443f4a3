# SPDX-License-Identifier: BSD-2-Clause
"""A headless Chromium, driven by the DevTools protocol over two pipes: no driver, no sockets."""

import base64
import json
import os
import select
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

NAMES = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
FLAGS = ("--headless", "--remote-debugging-pipe", "--no-sandbox", "--disable-gpu", "--hide-scrollbars",
         "--disable-dev-shm-usage", "--no-first-run", "--disable-extensions", "--mute-audio",
         "--disable-background-networking", "--disable-component-update", "--force-color-profile=srgb")
KEYS = {"Enter": (13, "\r"), "Escape": (27, ""), "ArrowLeft": (37, ""), "ArrowRight": (39, "")}


def find():
    """The browser's path, or None."""
    chosen = os.environ.get("CHROMIUM")
    if chosen:
        return shutil.which(chosen)
    return next(filter(None, map(shutil.which, NAMES)), None)


class Chromium:
    """One browser with one page."""

    def __init__(self, program: str, width: int = 1440, height: int = 900):
        self.profile = tempfile.mkdtemp(prefix="vmcs-chromium-")
        to_read, self.out = os.pipe()
        self.inn, to_write = os.pipe()
        self.process = self.launch(program, to_read, to_write)
        os.close(to_read)
        os.close(to_write)
        self.buffer = b""
        self.number = 0
        self.errors = []
        self.session = None
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")
        self.size(width, height)

    def launch(self, program: str, to_read: int, to_write: int):
        """Starts it; it reads commands from descriptor 3 and writes answers to 4."""
        def wire() -> None:
            os.setsid()
            copies = [os.dup(to_read), os.dup(to_write)]
            os.dup2(copies[0], 3)
            os.dup2(copies[1], 4)
        words = [program, *FLAGS, f"--user-data-dir={self.profile}", "about:blank"]
        return subprocess.Popen(words, preexec_fn=wire, close_fds=False, stdin=subprocess.DEVNULL,
                                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def size(self, width: int, height: int) -> None:
        """The window."""
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1,
                  mobile=False)

    def call(self, method: str, **params):
        """One command and its answer."""
        self.number += 1
        message = {"id": self.number, "method": method, "params": params}
        if self.session:
            message["sessionId"] = self.session
        os.write(self.out, json.dumps(message).encode() + b"\0")
        while True:
            answer = self.receive(60.0)
            if answer.get("id") == self.number:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']}")
                return answer["result"]
            self.event(answer)

    def receive(self, seconds: float) -> dict:
        """One message from the browser."""
        end = time.monotonic() + seconds
        while b"\0" not in self.buffer:
            ready, _, _ = select.select([self.inn], [], [], max(0.0, end - time.monotonic()))
            data = os.read(self.inn, 1 << 20) if ready else b""
            if not data:
                raise RuntimeError("the browser does not answer")
            self.buffer += data
        text, _, self.buffer = self.buffer.partition(b"\0")
        return json.loads(text)

    def event(self, message: dict) -> None:
        """Errors of the page are kept; so is everything it asks the network for."""
        method, params = message.get("method"), message.get("params", {})
        if method == "Runtime.exceptionThrown":
            details = params["exceptionDetails"]
            self.errors.append(details.get("exception", {}).get("description", details["text"]))
        elif method == "Log.entryAdded" and params["entry"]["level"] == "error":
            self.errors.append(params["entry"]["text"])
        elif method == "Network.requestWillBeSent" and not params["request"]["url"].startswith(("file:", "data:")):
            self.errors.append(f"the page wants {params['request']['url']}")

    def open(self, path: Path) -> None:
        """Loads a file and waits for it."""
        self.call("Page.navigate", url=Path(path).resolve().as_uri())
        end = time.monotonic() + 60
        while self.run("document.readyState") != "complete" and time.monotonic() < end:
            select.select([], [], [], 0.02)

    def run(self, script: str):
        """The value of an expression in the page."""
        result = self.call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in result:
            raise RuntimeError(f"{script}: {result['exceptionDetails']['exception'].get('description')}")
        return result["result"].get("value")

    def thread_seconds(self) -> float:
        """Processor time that the page's main thread has used."""
        self.call("Performance.enable", timeDomain="threadTicks")
        metrics = self.call("Performance.getMetrics")["metrics"]
        return next(one["value"] for one in metrics if one["name"] == "ThreadTime")

    def frame(self) -> None:
        """Waits until the page has been painted."""
        self.run("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => done(1))))")

    def place(self, selector: str, x: float = 0.5, y: float = 0.5) -> tuple:
        """A place within an element, scrolled into view, in the window's coordinates."""
        box = self.run(f"(() => {{ const e = document.querySelector({json.dumps(selector)}); if (!e) return null; "
                       "const h = innerHeight, r = e.getBoundingClientRect();"
                       "if (r.top < 60 || r.bottom > h) e.scrollIntoView({block: 'center'});"
                       "const b = e.getBoundingClientRect(); return [b.left, b.top, b.width, b.height]; })()")
        if box is None or box[2] == 0:
            raise AssertionError(f"nothing to click: {selector}")
        return box[0] + x * box[2], box[1] + y * box[3]

    def mouse(self, kind: str, x: float, y: float, **more) -> None:
        """One mouse event, as from a person's hand."""
        self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, **more)

    def click(self, selector: str, x: float = 0.5, y: float = 0.5) -> None:
        """A real click on an element."""
        at = self.place(selector, x, y)
        self.mouse("mouseMoved", *at)
        self.mouse("mousePressed", *at, button="left", buttons=1, clickCount=1)
        self.mouse("mouseReleased", *at, button="left", clickCount=1)
        self.frame()

    def wheel(self, selector: str, delta: float, x: float = 0.5, y: float = 0.5) -> None:
        """Turns the wheel over an element."""
        self.mouse("mouseWheel", *self.place(selector, x, y), deltaX=0, deltaY=delta)
        self.frame()

    def drag(self, selector: str, by: float) -> None:
        """Drags an element's content sideways."""
        x, y = self.place(selector)
        self.mouse("mousePressed", x, y, button="left", buttons=1, clickCount=1)
        for part in range(1, 6):
            self.mouse("mouseMoved", x + by * part / 5, y, button="left", buttons=1)
        self.mouse("mouseReleased", x + by, y, button="left", clickCount=1)
        self.frame()

    def key(self, name: str) -> None:
        """One key."""
        code, text = KEYS.get(name, (ord(name.upper()[0]), name))
        common = {"key": name, "windowsVirtualKeyCode": code}
        self.call("Input.dispatchKeyEvent", type="keyDown", text=text, **common)
        self.call("Input.dispatchKeyEvent", type="keyUp", **common)
        self.frame()

    def type(self, text: str) -> None:
        """Text into what has the focus."""
        self.call("Input.insertText", text=text)
        self.frame()

    def picture(self, path: Path) -> None:
        """A screenshot of the window."""
        data = self.call("Page.captureScreenshot", format="png")["data"]
        Path(path).write_bytes(base64.b64decode(data))

    def close(self) -> None:
        """Ends the browser and what it started."""
        os.close(self.out)
        try:
            self.process.wait(3)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
        os.close(self.inn)
        shutil.rmtree(self.profile, ignore_errors=True)
