"""A jailed kernel and what is said with it.

Whatever a kernel sends is a stranger's data: cut while it arrives, taken apart by a short list of what a
notebook may hold (no HTML, no scripts, no late changes to what was shown in a graded cell). What cannot
be read, or answers another request, is passed over.
"""

import contextlib
import re
import secrets
import tempfile
import time
from pathlib import Path

import zmq
from jupyter_client import BlockingKernelClient
from nbformat.v4 import new_output

from grading.run import jail
from grading.run.limits import SOCKETS, WORK, JailError
from helpers.settings import CHECK_MIME, MODEL_FILE

LARGEST = 8 * 2 ** 20  # bytes of one message
FLOOD = 10  # times the output that a cell may show, after which it is stopped
TEXT = 100_000  # characters kept of a traceback
MESSAGE = 4000  # characters kept of what a check says
TICK = 50  # milliseconds between two looks at the clock
_CHANNELS = ("shell", "iopub", "stdin", "hb", "control")
_BASE64 = re.compile(r"[A-Za-z0-9+/=\s]*")


class Ended:
    """How a cell ended: its outputs, their size in bytes, and (name, reason) if it was cut short."""

    def __init__(self):
        self.outputs, self.size, self.problem = [], 0, None
        self.dropped = self.exits = False


class Kernel:
    """A jailed kernel and what is said with it; a context manager that leaves nothing behind.

    `model` is a file to be seen beside the notebook, or None. Raises JailError where the kernel does not start, which
    is never the submission's doing.
    """

    def __init__(self, model, limits, startup_timeout):
        self.model, self.limits, self.startup_timeout = model, limits, startup_timeout

    def __enter__(self):
        self.stack = contextlib.ExitStack()
        try:
            private = self.stack.enter_context(tempfile.TemporaryDirectory(prefix="cj-", ignore_cleanup_errors=True))
            self.link = Path(private).resolve() / "s"
            connection = {"transport": "ipc", "signature_scheme": "hmac-sha256", "key": secrets.token_hex(),
                          **{f"{name}_port": number for number, name in enumerate(_CHANNELS, 1)}}
            with jail.model_file(self.model) as model:
                self.process = jail.start(("grading.run.inside:kernel", connection),
                                          {f"{WORK}/{MODEL_FILE}": model} if model else {}, self.limits)
            self.stack.callback(self.process.kill)
            self.link.symlink_to(f"{self.process.root}{SOCKETS}")
            context = zmq.Context()
            context.setsockopt(zmq.MAXMSGSIZE, LARGEST)
            context.setsockopt(zmq.RCVHWM, 64)
            context.setsockopt(zmq.LINGER, 0)
            self.stack.callback(context.destroy, linger=0)
            self.client = BlockingKernelClient(context=context)
            self.client.load_connection_info(connection | {"ip": str(self.link / "k")})
            self.client.start_channels(stdin=False, hb=False)
            self.stack.callback(self.client.stop_channels)
            self.poller = zmq.Poller()
            self.poller.register(self.client.shell_channel.socket, zmq.POLLIN)
            self.poller.register(self.client.iopub_channel.socket, zmq.POLLIN)
            self._greet()
        except BaseException:
            self.stack.close()
            raise
        return self

    def __exit__(self, *_):
        self.stack.close()

    @property
    def alive(self):
        return self.process.poll() is None

    def _greet(self):
        """Wait until the kernel answers, and its outputs arrive."""
        deadline = time.monotonic() + self.startup_timeout
        asked, next_try = set(), 0
        heard = set()
        while heard < {"shell", "iopub"}:
            if not self.alive or time.monotonic() > deadline:
                raise JailError(f"jail: expected a kernel within {self.startup_timeout} s, found "
                                f"{'none' if self.alive else f'exit status {self.process.status}'}; "
                                "try: python -m grading.run.jail")
            if time.monotonic() > next_try:
                asked.add(self.client.kernel_info())
                next_try = time.monotonic() + 0.05
            for channel, message, _ in self._messages():
                if message and message["parent_header"]["msg_id"] in asked:
                    heard.add(channel)

    def _messages(self, largest=LARGEST):
        """What has arrived within a tick: (channel, message, size); None for what cannot or need not be read."""
        ready = dict(self.poller.poll(TICK))
        for channel in ("iopub", "shell"):
            socket = getattr(self.client, f"{channel}_channel").socket
            if socket not in ready:
                continue
            message, frames = None, socket.recv_multipart()
            size = sum(map(len, frames))
            if size <= largest:
                with contextlib.suppress(Exception):  # garbage, wrongly signed, too deep
                    read = self.client.session.deserialize(self.client.session.feed_identities(frames)[1])
                    read["content"].get("")
                    # None: it answers nobody, as the one that says that a kernel starts
                    message = read | {"parent_header": {"msg_id": read["parent_header"].get("msg_id")}}
            yield channel, message, size

    def execute(self, source, timeout, graded, iopub_timeout=10):
        """Run one cell; an `Ended`. After a problem, look at `alive`."""
        ended, awaited, reply = Ended(), {"reply", "idle"}, {}
        request = self.client.execute(source, allow_stdin=False, stop_on_error=False)
        deadline, seen = time.monotonic() + timeout, 0
        while awaited:
            alive = self.alive  # asked before the last messages are read
            for channel, message, size in self._messages(LARGEST if ended.size < self.limits.output else 4096):
                seen += size
                if not message:
                    ended.dropped = True
                elif message["parent_header"]["msg_id"] != request:
                    pass
                elif message["msg_type"] == "execute_reply":
                    reply = message["content"]
                    awaited.discard("reply")
                    deadline = time.monotonic() + iopub_timeout
                elif message["msg_type"] == "status":
                    if message["content"].get("execution_state") == "idle":
                        awaited.discard("idle")
                elif channel == "iopub" and ended.size + size <= self.limits.output:
                    ended.size += size
                    _show(message, ended.outputs, graded)
                else:
                    ended.dropped = True
            if not alive:
                ended.problem = ended.problem or self._death()
                return ended
            if seen > FLOOD * self.limits.output or "reply" not in awaited and time.monotonic() > deadline:
                ended.problem = "OutputTooLong", "This cell was stopped: it shows more than a cell may."
                self.kill()  # what it has not sent yet would be taken for the next cells' output
                return ended
            if time.monotonic() > deadline:
                if ended.problem:
                    self.kill()
                    return ended
                ended.problem = "TimeUp", f"This cell was stopped: it ran longer than {timeout:.0f} s."
                self.client.control_channel.send(self.client.session.msg("interrupt_request", {}))
                deadline = time.monotonic() + 3
        if reply.get("status") == "error" and not any(output.output_type == "error" for output in ended.outputs):
            ended.outputs.append(_error(reply))
        payload = reply.get("payload")  # `exit()` ends the kernel a moment later
        ended.exits = isinstance(payload, list) and any("ask_exit" in str(item)[:200] for item in payload)
        if not ended.problem and self.process.poll(fresh=True) is not None and self.process.exceeded():
            ended.problem = self._death()
        if ended.dropped and graded and not ended.problem:
            ended.problem = "OutputTooLong", "This cell shows more output than a cell may."
        return ended

    def _death(self):
        name, reason = self.process.exceeded() or ("KernelDied", "it ended the Python process")
        return name, f"This cell was stopped: {reason}."

    def kill(self):
        self.process.kill()


def _show(message, outputs, graded):
    """Append what an iopub message shows to `outputs`, if a notebook may hold it."""
    content, kind = message["content"], message["msg_type"]
    if kind == "stream":
        name, text = "stderr" if content.get("name") == "stderr" else "stdout", _text(content.get("text"))
        if outputs and outputs[-1].output_type == "stream" and outputs[-1].name == name:
            outputs[-1].text += text
        else:
            outputs.append(new_output("stream", name=name, text=text))
    elif kind in ("display_data", "execute_result"):
        data = content.get("data")
        data = {mime: _CLEAN[mime](data[mime]) for mime in _CLEAN if mime in data} if isinstance(data, dict) else {}
        extra = {"execution_count": None} if kind == "execute_result" else {}
        outputs.append(new_output(kind, {mime: value for mime, value in data.items() if value is not None}, **extra))
    elif kind == "error":
        outputs.append(_error(content))
    elif kind == "clear_output" and not graded:
        outputs.clear()


def _error(content):
    lines = content.get("traceback")
    lines = [_text(line) for line in lines[:1000]] if isinstance(lines, list) else []
    return new_output("error", ename=_text(content.get("ename"))[:200] or "Error",
                      evalue=_text(content.get("evalue"))[:2000], traceback=["\n".join(lines)[-TEXT:]])


def _text(value):
    """Text that any file can hold: lone surrogates replaced."""
    return value.encode(errors="replace").decode() if isinstance(value, str) else ""


def _picture(value):
    return value if isinstance(value, str) and _BASE64.fullmatch(value) else None


def _check(value):
    """What a check says, if it is a flat dictionary of text: nothing else is handed on, however deep or long it is."""
    needed = ("exercise", "outcome", "message")
    if not isinstance(value, dict) or not all(isinstance(value.get(key), str) for key in needed):
        return None
    misconception = value.get("misconception")
    return {"exercise": _text(value["exercise"])[:100], "outcome": _text(value["outcome"])[:100],
            "misconception": _text(misconception)[:100] or None, "message": _text(value["message"])[:MESSAGE]}


_CLEAN = {"text/plain": _text, "image/png": _picture, "image/jpeg": _picture, CHECK_MIME: _check}
