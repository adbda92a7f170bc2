"""A stock Firefox, driven by its own protocol (WebDriver BiDi): Playwright drives only builds of its own."""

import itertools
import json
import re
import shutil
import subprocess
from contextlib import contextmanager

from websocket import create_connection

from tests.support import missing

PATIENCE = 120  # seconds


@contextmanager
def opened(address, folder):
    """A tab of a headless Firefox on `address`, with its profile in `folder`."""
    found = next(filter(None, map(shutil.which, ("firefox", "firefox-esr"))), None)
    if not found:
        missing("no firefox on PATH")
    command = [found, "--headless", "--no-remote", "--profile", str(folder), "--remote-debugging-port", "0"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as process:
        try:
            line = next(line for line in process.stderr if "WebDriver BiDi listening on" in line)
            socket = create_connection(re.search(r"ws://\S+", line)[0] + "/session", timeout=PATIENCE,
                                       suppress_origin=True)
            yield Tab(socket, address)
            socket.close()
        finally:
            process.terminate()


class Tab:
    def __init__(self, socket, address):
        self.socket, self.numbers = socket, itertools.count()
        self.ask("session.new", capabilities={})
        self.context = self.ask("browsingContext.getTree")["contexts"][0]["context"]
        self.ask("browsingContext.navigate", context=self.context, url=address, wait="complete")

    def ask(self, method, **params):
        """The result of a command; what Firefox says unasked is passed over."""
        number = next(self.numbers)
        self.socket.send(json.dumps({"id": number, "method": method, "params": params}))
        while True:
            answer = json.loads(self.socket.recv())
            if answer.get("id") == number:
                assert answer["type"] == "success", answer
                return answer["result"]

    def evaluate(self, expression):
        """The text that a JavaScript expression, or its promise, gives."""
        answer = self.ask("script.evaluate", expression=expression, target={"context": self.context}, awaitPromise=True)
        assert answer["type"] == "success", answer
        return answer["result"].get("value")

    def choose(self, selector, path):
        """Put the file `path` into the file input `selector`."""
        found = self.ask("browsingContext.locateNodes", context=self.context,
                         locator={"type": "css", "value": selector})["nodes"][0]
        self.ask("input.setFiles", context=self.context, element={"sharedId": found["sharedId"]}, files=[str(path)])
