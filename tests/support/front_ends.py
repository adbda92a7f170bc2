"""The classic Notebook and JupyterLab of the environment like Colab's, as a student uses them in a browser."""

import json
import os
import re
import secrets
import signal
import socket
import subprocess
import time
import urllib.request
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import expect

PATIENCE = 900_000  # milliseconds for a cell; one of them trains the model, on a busy machine for ten minutes


class FrontEnd:
    """A page with one notebook; cells are counted among the code cells."""

    def __init__(self, page):
        self.page = page
        page.set_default_timeout(PATIENCE)

    def cell(self, number):
        return self.page.locator(self.CELL).nth(number)

    def write(self, number, source):
        """Replace a cell's text, as a student would: click, select all, type."""
        self.cell(number).locator(self.EDITOR).click()
        self.page.keyboard.press("Control+a")
        self.page.keyboard.insert_text(source)

    def run(self, number):
        """Run a cell, wait for its end, and return its output; an error in it is an error here."""
        cell = self.cell(number)
        cell.locator(self.EDITOR).click(position={"x": 5, "y": 5})
        self.page.keyboard.press("Shift+Enter")
        expect(cell.locator(self.PROMPT)).to_have_text(re.compile(r"\[\d+\]:"), timeout=PATIENCE)
        expect(cell.locator(self.ERROR)).to_have_count(0)
        return cell.locator(self.OUTPUT)

    def text(self):
        """All that the cells have printed."""
        return "\n".join(self.page.locator(self.OUTPUT).all_inner_texts())

    def save(self):
        self.page.keyboard.press("Control+s")


class Classic(FrontEnd):
    MODULE, ADDRESS = "notebook", "notebooks"
    CELL, EDITOR, PROMPT = ".cell.code_cell", ".CodeMirror", ".input_prompt"
    ERROR, OUTPUT = ".output_error, .output_stderr", ".output_wrapper"
    SLIDER_VALUE = "aria-valuenow"

    def open(self, address):
        self.page.goto(address)
        self.page.locator("#kernel_indicator_icon.kernel_idle_icon").wait_for()

    def write(self, number, source):
        super().write(number, source)
        assert self.source(number) == source

    def save(self):
        """By its button: the keyboard may be with a widget that was used just before."""
        self.page.locator("#save-notbook button").click()

    def source(self, number):
        return self.cell(number).locator(".CodeMirror").evaluate("editor => editor.CodeMirror.getValue()")


class Lab(FrontEnd):
    MODULE, ADDRESS = "jupyterlab", "doc/tree"
    CELL, EDITOR, PROMPT = ".jp-CodeCell", ".cm-content", ".jp-InputPrompt"
    ERROR = "[data-mime-type='application/vnd.jupyter.error'], [data-mime-type='application/vnd.jupyter.stderr']"
    OUTPUT = ".jp-Cell-outputArea"

    def open(self, address):
        self.page.goto(address)
        self.page.get_by_text(re.compile(r"Python 3.* \| Idle")).wait_for()

    def choose(self, *path):
        """Choose an entry of a menu, as in `choose("Run", "Run All Cells")`."""
        for name in path:
            self.page.locator(".lm-MenuBar-item, .lm-Menu-item").filter(
                has=self.page.get_by_text(name, exact=True)).first.click()


@contextmanager
def served(front_end, command, folder, environment, state=None):
    """The address of a server of the front end's class that `command` starts in `folder`; ended afterwards.

    `state`, by default in `folder`, is where it keeps its own files and finds its port and its token.
    """
    state = state or folder / "state"
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port, token = free.getsockname()[1], secrets.token_hex(8)
    places = {name: str(state / name) for name in ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR",
                                                   "JUPYTERLAB_SETTINGS_DIR", "JUPYTERLAB_WORKSPACES_DIR",
                                                   "IPYTHONDIR")}
    settings = {"JUPYTERLAB_SETTINGS_DIR/@jupyterlab/apputils-extension/notification.jupyterlab-settings":
                {"fetchNews": "false", "checkForUpdates": False},
                "JUPYTERLAB_SETTINGS_DIR/@jupyterlab/notebook-extension/tracker.jupyterlab-settings":
                {"windowingMode": "none"}}
    server = {"ip": "127.0.0.1", "port": port, "port_retries": 0, "token": token, "open_browser": False,
              "allow_root": True}
    for application, name in (("ServerApp", "jupyter_server_config"), ("NotebookApp", "jupyter_notebook_config")):
        settings[f"JUPYTER_CONFIG_DIR/{name}.json"] = {application: server}
    for name, content in settings.items():
        (state / name).parent.mkdir(parents=True, exist_ok=True)
        (state / name).write_text(json.dumps(content))
    log = state / "server.log"
    with open(log, "w") as output:
        server = subprocess.Popen(command, env={**os.environ, **places, **environment}, stdout=output, stderr=output,
                                  cwd=folder, start_new_session=True)
        try:
            _wait_for(f"http://127.0.0.1:{port}/api/status?token={token}", server, log)
            yield lambda path: f"http://127.0.0.1:{port}/{front_end.ADDRESS}/{path}?token={token}"
        finally:
            os.killpg(server.pid, signal.SIGTERM)  # the server, also below `make`; it ends its kernels
            try:
                server.wait(15)
            except subprocess.TimeoutExpired:
                os.killpg(server.pid, signal.SIGKILL)


def _wait_for(address, server, log):
    end = time.monotonic() + 120
    while time.monotonic() < end and server.poll() is None:
        try:
            return urllib.request.urlopen(address, timeout=5).close()
        except OSError:  # not yet
            time.sleep(0.2)
    raise RuntimeError(f"the server did not start:\n{Path(log).read_text()[-2000:]}")
