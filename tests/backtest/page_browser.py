"""A headless Chromium, driven through the pipe of its DevTools protocol, for the tests of the report page."""

import base64
import json
import os
import select
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

CHROMIUM = "/usr/bin/chromium"
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
    "--remote-debugging-pipe",
)
PATIENCE = 20.0


class Browser:
    """One browser with one page open at a time; keeps what the page requested and complained about."""

    def __init__(self, profile: Path) -> None:
        if shutil.which(CHROMIUM) is None:
            pytest.skip(f"no {CHROMIUM}")
        reads, self._to = os.pipe()
        self._from, writes = os.pipe()
        # Chromium reads commands from descriptor 3 and writes answers to 4.
        shell = f'exec "$0" "$@" 3<&{reads} 4>&{writes}'
        command = ["bash", "-c", shell, CHROMIUM, *FLAGS, f"--user-data-dir={profile}", "about:blank"]
        self.process = subprocess.Popen(command, pass_fds=(reads, writes), stderr=subprocess.DEVNULL)
        os.close(reads)
        os.close(writes)
        self._rest, self._number, self._session = b"", 0, None
        self.requests: list[str] = []
        self.complaints: list[str] = []
        page = next(target for target in self._targets() if target["type"] == "page")
        attached = self.call("Target.attachToTarget", targetId=page["targetId"], flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Network", "Runtime", "Log"):
            self.call(f"{domain}.enable")

    def _targets(self) -> list[dict[str, Any]]:
        return self.call("Target.getTargets")["targetInfos"]

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Send a command and return its result."""
        self._number += 1
        command = {"id": self._number, "method": method, "params": parameters}
        if self._session:
            command["sessionId"] = self._session
        os.write(self._to, json.dumps(command).encode() + b"\0")
        deadline = time.monotonic() + PATIENCE
        while True:
            message = self._message(deadline)
            if message.get("id") == self._number:
                assert "error" not in message, message
                return message["result"]
            self._note(message)

    def _message(self, deadline: float) -> dict[str, Any]:
        while b"\0" not in self._rest:
            ready, _, _ = select.select([self._from], [], [], max(0.0, deadline - time.monotonic()))
            assert ready, "the browser doesn't answer"
            self._rest += os.read(self._from, 1 << 20)
        line, self._rest = self._rest.split(b"\0", 1)
        return json.loads(line)

    def _note(self, message: dict[str, Any]) -> None:
        method, given = message.get("method"), message.get("params", {})
        if method == "Network.requestWillBeSent":
            self.requests.append(given["request"]["url"])
        elif method == "Runtime.exceptionThrown":
            self.complaints.append(
                given["exceptionDetails"].get("exception", {}).get("description", "thrown")
            )
        elif method == "Runtime.consoleAPICalled":
            self.complaints.append(f"{given['type']}: {given['args']}")
        elif method == "Log.entryAdded":
            self.complaints.append(given["entry"]["text"])

    def open(self, page: Path, width: int = 1280, dark: bool = False) -> None:
        """Open a page and wait until its script has drawn the charts."""
        self.call("Page.navigate", url="about:blank")
        self.show(width, dark)
        self.requests, self.complaints = [], []
        self.call("Page.navigate", url=page.as_uri())
        deadline = time.monotonic() + PATIENCE
        here = f"location.href === {json.dumps(page.as_uri())}"
        while not self.value(f"{here} && document.documentElement?.dataset.ready === 'yes'"):
            assert time.monotonic() < deadline, f"the page draws nothing: {self.complaints}"
            time.sleep(0.05)

    def show(self, width: int, dark: bool = False) -> None:
        """Change the width of the window and the theme."""
        phone = width < 600
        self.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=phone
        )
        self.call("Emulation.setTouchEmulationEnabled", enabled=phone)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", features=[scheme])

    def value(self, expression: str) -> Any:
        """Evaluate JavaScript in the page and return its value, awaited."""
        answer = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def screenshot(self) -> bytes:
        """Return the whole page as a PNG whose encoding is quick to read."""
        size = self.call("Page.getLayoutMetrics")["cssContentSize"]
        clip = {"x": 0, "y": 0, "width": size["width"], "height": size["height"], "scale": 1}
        picture = self.call(
            "Page.captureScreenshot", captureBeyondViewport=True, optimizeForSpeed=True, clip=clip
        )
        return base64.b64decode(picture["data"])

    def close(self) -> None:
        """End the browser and its pipes."""
        try:
            self._session = None
            self.call("Browser.close")
            self.process.wait(PATIENCE)
        finally:
            self.process.kill()
            self.process.wait()
            os.close(self._to)
            os.close(self._from)
