"""A headless Chromium, driven over two pipes by its DevTools protocol: no driver, no network."""

import base64
import contextlib
import json
import os
import select
import shutil
import subprocess
import time

PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    *("--disable-extensions", "--disable-dev-shm-usage", "--remote-debugging-pipe"),
)
PATIENCE = 60  # seconds for one answer
COMMANDS_IN, ANSWERS_OUT = 3, 4  # the file descriptors that the browser reads and writes


def program():
    """The path of a Chromium; None if there is none."""
    return next(filter(None, map(shutil.which, PROGRAMS)), None)


class Page:
    """One page: what it logs, what it asks for, and what its scripts return."""

    def __init__(self, send, receive):
        self._send, self._receive = send, receive
        self._last = 0
        self._session = None
        self.complaints, self.requests, self.workers = [], [], []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        attached = self.call("Target.attachToTarget", targetId=target, flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")
        # Workers wait until what they ask for is heard too.
        self.call(
            "Target.setAutoAttach", autoAttach=True, waitForDebuggerOnStart=True, flatten=True
        )

    def call(self, method, *, session=None, **params):
        """The answer to a command; events that come before it are kept."""
        asked = self._ask(method, session or self._session, params)
        while True:
            answer = self._receive()
            if answer.get("id") == asked:
                assert "error" not in answer, answer
                return answer["result"]
            self._hear(answer)

    def _ask(self, method, session, params):
        self._last += 1
        message = {"id": self._last, "method": method, "params": params}
        if session:
            message["sessionId"] = session
        self._send(message)
        return self._last

    def _hear(self, event):
        name, params = event.get("method"), event.get("params", {})
        if name == "Runtime.exceptionThrown":
            self.complaints.append(params["exceptionDetails"])
        elif name == "Log.entryAdded" and params["entry"]["level"] in ("error", "warning"):
            self.complaints.append(params["entry"])
        elif name == "Runtime.consoleAPICalled" and params["type"] in ("error", "assert"):
            self.complaints.append(params)
        elif name == "Network.requestWillBeSent":
            self.requests.append(params["request"]["url"])
        elif name == "Target.attachedToTarget" and params["targetInfo"]["type"] == "worker":
            self.workers.append(params["sessionId"])
            for method in ("Runtime.enable", "Network.enable", "Runtime.runIfWaitingForDebugger"):
                self._ask(method, params["sessionId"], {})

    def open(self, place, *, width=1600, height=1000, dark=False):
        """Load a file (a path) or an address (a str) in a window of that size."""
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=False,
        )
        self.call("Emulation.setScrollbarsHidden", hidden=True)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", features=[scheme])
        url = place if isinstance(place, str) else place.resolve().as_uri()
        self.call("Page.navigate", url=url)
        begin = json.dumps(url.partition(":")[0] + ":")
        self.wait_for(f"document.readyState === 'complete' && location.protocol === {begin}")

    def choose(self, selector, paths):
        """Give files to the file input, as a user who picks them."""
        root = self.call("DOM.getDocument")["root"]["nodeId"]
        node = self.call("DOM.querySelector", nodeId=root, selector=selector)["nodeId"]
        self.call("DOM.setFileInputFiles", nodeId=node, files=[str(path) for path in paths])

    def screenshot(self):
        """The whole page as PNG bytes."""
        answer = self.call("Page.captureScreenshot", captureBeyondViewport=True)
        return base64.b64decode(answer["data"])

    def run(self, script, *, session=None):
        """What the JavaScript expression returns, in the page or the session of a worker."""
        answer = self.call(
            "Runtime.evaluate",
            session=session,
            expression=script,
            returnByValue=True,
            awaitPromise=True,
        )
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def wait_for(self, condition):
        """Until the JavaScript expression is true; each question takes the page a moment."""
        end = time.monotonic() + PATIENCE
        while not self.run(condition):
            assert time.monotonic() < end, f"never came true: {condition}"

    def press(self, key, *, text=""):
        """Press and release a key, such as ``ArrowRight``."""
        codes = {"ArrowRight": 39, "ArrowLeft": 37, "Tab": 9, "Enter": 13}
        key_is = {"key": key, "code": key, "windowsVirtualKeyCode": codes[key]}
        self.call("Input.dispatchKeyEvent", type="keyDown", text=text, **key_is)
        self.call("Input.dispatchKeyEvent", type="keyUp", **key_is)


@contextlib.contextmanager
def chromium(profile):
    """Yield a ``Page`` of a browser whose profile is in the folder ``profile``."""
    browser_reads, commands = os.pipe()
    answers, browser_writes = os.pipe()
    # The shell moves the pipes to where the browser looks for them.
    moved = f'exec "$@" {COMMANDS_IN}<&{browser_reads} {ANSWERS_OUT}>&{browser_writes}'
    process = subprocess.Popen(
        ["bash", "-c", moved, "bash", program(), *FLAGS, f"--user-data-dir={profile}"],
        pass_fds=(browser_reads, browser_writes),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    os.close(browser_reads)
    os.close(browser_writes)
    buffer = bytearray()

    def send(message):
        os.write(commands, json.dumps(message).encode() + b"\0")

    def receive():
        while b"\0" not in buffer:
            ready, _, _ = select.select([answers], [], [], PATIENCE)
            assert ready, "the browser does not answer"
            more = os.read(answers, 1 << 16)
            assert more, f"the browser ended with {process.poll()}"
            buffer.extend(more)
        message, _, rest = bytes(buffer).partition(b"\0")
        buffer[:] = rest
        return json.loads(message)

    try:
        yield Page(send, receive)
    finally:
        process.terminate()
        try:
            process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        os.close(commands)
        os.close(answers)
