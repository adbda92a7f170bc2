"""The room of an examination: a student's own code runs here, then the grader's calls of their function.

Nothing in here knows what is right. The course is there as the library of one exercise (`grading.run.library`), the
inputs arrive as data, and what leaves is data that nobody trusts.
"""

import __future__

import ast
import contextlib
import copy
import functools
import importlib
import json
import linecache
import os
import pickle
import random
import signal
import socket
import tempfile
import time
import warnings

from grading.run import channel

CHANNEL = 3  # the file descriptor of the grader's socket
LARGEST = 1 << 28  # bytes of what the grader sends
PATIENCE, BRIEF = 10, 1  # seconds for a statement of a student's own; once some have taken ALL, for each that follows
ALL = 30
LONGEST = 400  # characters of an error


def serve():
    """Run the cells, saying which one it is before each, then the probe; all that is told is one JSON object.

    {"answers": encoded or None, "raised": the last error of a call, "missing": functions that are not there,
    "failed": the first error of each cell that has one}, the errors as text or None.
    """
    connection = socket.socket(fileno=CHANNEL)
    task = pickle.loads(channel.receive(connection, LARGEST))  # the grader's own, drawn before this process was made
    room = _Room(task["functions"])
    run = getattr(importlib.import_module(task["run"][0]), task["run"][1])  # before a stranger's code can replace them
    encode = importlib.import_module("helpers.exercises.probe").encode
    for number, text in enumerate(task["cells"]):
        channel.send(connection, b"%d" % number)
        room.run_cell(number, text)
    channel.send(connection, b"-1")
    answers = None
    if not room.missing():
        functions = [room.called(room.found[name]) for name in task["functions"]]
        with room.empty_folder():
            room.settle()
            random.seed(task["seed"])
            _numpy().random.seed(task["seed"] % 2 ** 32)
            _torch().manual_seed(task["seed"])
            try:
                with _torch().inference_mode(False):
                    answers = encode(run(functions[0] if len(functions) == 1 else tuple(functions), task["inputs"]))
            except BaseException as error:  # what an answer returned may fail where it is looked at
                room.raised = room.raised or describe(error)
    told = {"answers": answers, "raised": room.raised, "missing": room.missing(), "failed": room.failed}
    channel.send(connection, json.dumps(told).encode())


class _Room:
    """A student's names, and what became of their code."""

    def __init__(self, functions):
        from IPython.core.interactiveshell import InteractiveShell
        self.shell = InteractiveShell.instance()
        self.shell.history_manager.enabled = False
        self.names, self.functions, self.found = self.shell.user_ns, functions, {}
        self.raised, self.failed, self.spent = None, {}, 0
        self.flags = 0  # of the compiler: `from __future__ import annotations` holds for the cells below it too
        warnings.simplefilter("ignore")
        signal.signal(signal.SIGALRM, _too_long)

    def run_cell(self, number, text):
        """One statement after the other: one that fails must not take the definitions behind it along."""
        name = f"cell-{number}"
        try:
            text = self.shell.transform_cell(text)
            statements = [part for statement in ast.parse(text).body for part in _parts(statement)]
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            self.failed.setdefault(number, describe(error))
            return
        linecache.cache[name] = len(text), None, text.splitlines(True), name
        for statement in statements:
            self.names.pop("__file__", None)
            try:
                start = time.monotonic()
                signal.alarm(PATIENCE if self.spent < ALL else BRIEF)
                code = compile(ast.Module([statement], []), name, "exec", self.flags, dont_inherit=True)
                self.flags |= code.co_flags & __future__.annotations.compiler_flag
                exec(code, self.names)
            except BaseException as error:  # SystemExit too
                self.failed.setdefault(number, describe(error))
            finally:
                with contextlib.suppress(TimeoutError):
                    signal.alarm(0)
                self.spent += time.monotonic() - start
            # `mean_iou = mean_iou(confusion)`, written below the answer, takes no points away
            self.found |= {name: self.names[name] for name in self.functions if callable(self.names.get(name))}

    def missing(self):
        return [name for name in self.functions if name not in self.found]

    def settle(self):
        """What an answer may rely on, whatever other code has set."""
        torch = _torch()
        torch.set_default_dtype(torch.float32)
        torch.set_default_device(None)
        torch.set_grad_enabled(True)
        _numpy().seterr(divide="warn", over="warn", under="ignore", invalid="warn")  # as NumPy starts
        os.chdir(self.folder)

    @contextlib.contextmanager
    def empty_folder(self):
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as self.folder:
            yield

    def called(self, function):
        """The function with everything settled around each call, and its last error noted."""
        @functools.wraps(function, assigned=("__name__", "__doc__"), updated=())
        def call(*arguments, **named):
            self.settle()
            try:
                return function(*arguments, **named)
            except BaseException as error:
                self.raised = describe(error)
                raise
            finally:
                left = _torch().is_grad_enabled()  # an answer that leaves gradients off is judged by that
                self.settle()
                _torch().set_grad_enabled(left)
        return call


def _parts(statement):
    """Imports one by one: one that fails must not take the others along."""
    if not isinstance(statement, (ast.Import, ast.ImportFrom)):
        return [statement]
    parts = [copy.copy(statement) for _ in statement.names]
    for part, name in zip(parts, statement.names):
        part.names = [name]
    return parts


def describe(error):
    """An exception in one line, with the student's own line that it came from."""
    with contextlib.suppress(BaseException):  # an exception of the student's own may be broken
        text = f"{type(error).__name__}: {' '.join(str(error).split())}"
        if isinstance(error, SyntaxError):
            text = f"{type(error).__name__} in line {error.lineno}: {error.msg}"
        trace, line = error.__traceback__, None
        while trace:
            if trace.tb_frame.f_code.co_filename.startswith("cell-"):
                line = linecache.getline(trace.tb_frame.f_code.co_filename, trace.tb_lineno).strip() or line
            trace = trace.tb_next
        return text[:LONGEST] + (f", in the line `{line[:120]}`" if line else "")
    return "an exception that cannot be shown"


def _too_long(*_):
    raise TimeoutError("it took too long")


def _torch():
    return importlib.import_module("torch")


def _numpy():
    return importlib.import_module("numpy")
