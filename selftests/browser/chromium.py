"""Debian's chromium without a window, driven over its DevTools pipe: no package, no port, no network.

Commands and events are those of https://chromedevtools.github.io/devtools-protocol/.
"""

import base64
import fcntl
import json
import os
import select
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--hide-scrollbars"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-crash-reporter"),
    "--remote-debugging-pipe",
)
TIMEOUT = 60.0
"""Seconds for an answer; a browser on a busy machine is slow, a broken one is silent."""


class Chromium:
    """A running browser; one command at a time."""

    def __init__(self, write: int, read: int) -> None:
        self._write, self._read = write, read
        self._buffer = b""
        self._number = 0
        self.events: list[dict[str, Any]] = []

    def send(self, method: str, session: str | None = None, **params: object) -> dict[str, Any]:
        """Run a command and return its result; events that come meanwhile are kept.

        :raises RuntimeError: the browser refused the command.
        :raises TimeoutError: it did not answer.
        """
        self._number += 1
        message = {"id": self._number, "method": method, "params": params}
        if session:
            message["sessionId"] = session
        os.write(self._write, json.dumps(message).encode() + b"\0")
        answer = self._until(lambda received: received.get("id") == self._number)
        if "error" in answer:
            raise RuntimeError(f"{method}: {answer['error']}")
        return answer["result"]

    def wait_for(self, method: str) -> None:
        """Until an event of that name has come since the last command was sent, or had come before."""
        if not any(event["method"] == method for event in self.events):
            self._until(lambda received: received.get("method") == method)

    def _until(self, wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        deadline = time.monotonic() + TIMEOUT
        while True:
            raw, end, rest = self._buffer.partition(b"\0")
            if not end:
                if not select.select([self._read], [], [], max(0.0, deadline - time.monotonic()))[0]:
                    raise TimeoutError("chromium does not answer")
                if not (more := os.read(self._read, 1 << 20)):
                    raise RuntimeError("chromium ended")
                self._buffer += more
                continue
            self._buffer = rest
            received = json.loads(raw)
            if "method" in received:
                self.events.append(received)
            if wanted(received):
                return received


class Tab:
    """A page in a window of its own, in CSS pixels, light or dark."""

    def __init__(self, browser: Chromium, width: int, height: int, *, dark: bool = False, media: str = "") -> None:
        self._browser = browser
        self._target = browser.send("Target.createTarget", url="about:blank")["targetId"]
        self._session = browser.send("Target.attachToTarget", targetId=self._target, flatten=True)["sessionId"]
        for domain in ("Page", "Network", "Runtime", "Log"):
            self.send(f"{domain}.enable")
        phone = {"mobile": width < 600, "deviceScaleFactor": 1}
        self.send("Emulation.setDeviceMetricsOverride", width=width, height=height, **phone)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.send("Emulation.setEmulatedMedia", media=media, features=[scheme])

    def send(self, method: str, **params: object) -> dict[str, Any]:
        """Run a command on this page."""
        return self._browser.send(method, self._session, **params)

    def close(self) -> None:
        """Close the window."""
        self._browser.send("Target.closeTarget", targetId=self._target)

    def open(self, path: Path) -> None:
        """Open a file, to the end of its loading."""
        self._browser.events.clear()
        self.send("Page.navigate", url=path.as_uri())
        self._browser.wait_for("Page.loadEventFired")

    def js(self, expression: str) -> Any:  # noqa: ANN401  what a page may answer
        """The value of an expression in the page, awaited where it is a promise."""
        answer = self.send("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in answer:
            raise RuntimeError(json.dumps(answer["exceptionDetails"])[:2000])
        return answer["result"].get("value")

    def press(self, key: str) -> None:
        """Press Tab, Enter or the space bar."""
        code = {"Tab": 9, "Enter": 13, " ": 32}[key]
        text = {"text": {"Enter": "\r"}.get(key, key)} if key != "Tab" else {}
        for kind in ("keyDown", "keyUp"):
            self.send("Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=code, **text)

    def picture(self) -> bytes:
        """A PNG of what the window shows."""
        return base64.b64decode(self.send("Page.captureScreenshot", format="png")["data"])

    def printed(self) -> bytes:
        """A PDF of the page as it is printed."""
        return base64.b64decode(self.send("Page.printToPDF", preferCSSPageSize=True)["data"])

    @property
    def requests(self) -> list[str]:
        """Every address asked for since `open`."""
        return [
            event["params"]["request"]["url"]
            for event in self._browser.events
            if event["method"] == "Network.requestWillBeSent"
        ]

    @property
    def complaints(self) -> list[str]:
        """What the console said since `open`: messages, exceptions, breaches of the page's own policy."""
        kinds = ("Runtime.consoleAPICalled", "Runtime.exceptionThrown", "Log.entryAdded")
        return [json.dumps(event["params"]) for event in self._browser.events if event["method"] in kinds]


@contextmanager
def chromium(program: str) -> Iterator[Chromium]:
    """A browser with a fresh profile, ended and wiped afterwards."""
    to_read, to_write = os.pipe()
    from_read, from_write = os.pipe()
    # The browser's ends are moved out of the way of 3 and 4, where it looks for them.
    ours = [fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 10) for fd in (to_read, from_write)]
    for fd in (to_read, from_write):
        os.close(fd)

    def wire() -> None:
        os.dup2(ours[0], 3)
        os.dup2(ours[1], 4)

    with TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        process = subprocess.Popen(
            [program, *FLAGS, f"--user-data-dir={profile}"],
            pass_fds=(3, 4),
            preexec_fn=wire,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        for fd in ours:
            os.close(fd)
        try:
            yield Chromium(to_write, from_read)
        finally:
            os.close(to_write)
            os.close(from_read)
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
