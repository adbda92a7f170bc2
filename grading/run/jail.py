"""The jail: a stranger's code runs where it can read the course and spoil nothing.

    python -m grading.run.jail         what the jail is here, and what fails inside as it must

Inside there is no network and no file but the interpreter, the environment, `helpers/`, the data and what is
given, all read-only; what is written goes to memory that is limited and vanishes. The process has no privileges,
namespaces of its own, a system call filter (`grading.run.seccomp`) and the bounds of `Limits`, watched from outside.

All jails of a process are forked from one parent that has imported PyTorch (`grading.run.inside`) and lies in
bubblewrap (`grading.run.bubblewrap`). There is one way in: `start`; `run` is `start` and waiting for the end.
"""

import atexit
import contextlib
import dataclasses
import functools
import json
import os
import signal
import socket
import stat
import struct
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import psutil

from grading.run import bubblewrap, library, seccomp, users
from grading.run.apart import JAILS
from grading.run.limits import EXCEEDED, MODEL_SIZE, ROOT, JailError, Limits, breach, exceeded, last_line

_STARTS = 20  # seconds until a fork must be there
# The parent's memory in pages of 2 MB where the system has them: a fork of its 400 MB then takes a third of the time
_LARGE_PAGES = {"GLIBC_TUNABLES": "glibc.malloc.hugetlb=1", "PYTHONMALLOC": "malloc"}

BUBBLEWRAP, USERS = "bubblewrap", "another user"  # the walls
_alone = []  # not empty: one submission is graded in a container of its own, where the second wall will do


def alone():
    """Let `grading.run.users` be the wall where there is no bubblewrap: for a container that holds one submission."""
    _alone.append(True)
    require.cache_clear()


@functools.cache
def require():
    """The name of the wall that there is; raises JailError, in one line with the cure, where there is none."""
    bubblewrap.prepare()
    if not (problem := bubblewrap.missing()):
        return BUBBLEWRAP
    if not _alone:
        raise JailError(f"jail: {problem}")
    if other := users.missing():
        raise JailError(f"jail: {problem}; and jails cannot be users here ({other})")
    return USERS


class _Parent:
    """The process that jails are forked from; raises JailError if it does not start."""

    def __init__(self):
        self.owner, self.folder = os.getpid(), tempfile.TemporaryDirectory(prefix="cj-")
        self.path = str(Path(self.folder.name) / "parent")
        read, write = os.pipe()
        watched, self.life = os.pipe()  # its end tells the parent that the grader has ended, however it did
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener, os.fdopen(read) as ready, \
                tempfile.TemporaryFile() as said:
            listener.bind(self.path)
            listener.listen()
            passed = (listener.fileno(), write, watched)
            wall = require()
            code = f"from grading.run import inside; inside.serve{(*passed, wall == BUBBLEWRAP)}"
            argv, environment = [sys.executable, "-c", code], bubblewrap.environment() | _LARGE_PAGES
            if wall == BUBBLEWRAP:
                argv = bubblewrap.command(argv, library.folder())
            else:
                argv, environment = users.command(argv, library.folder())
            self.process = subprocess.Popen(argv, env=environment, pass_fds=passed, cwd="/", stdin=subprocess.DEVNULL,
                                            stdout=subprocess.DEVNULL, stderr=said)
            os.close(write)
            os.close(watched)
            if ready.read() != "ready":
                self.close()
                said.seek(0)
                reason = last_line(said.read().decode(errors="replace"))
                raise JailError(f"jail: it did not start ({reason}); is the course folder readable for all "
                                "(chmod -R a+rX)?")
        atexit.register(self.close)

    def close(self):
        if self.owner == os.getpid() and self.life is not None:
            os.close(self.life)
            self.life = None
            self.process.kill()
            self.process.wait()
            self.folder.cleanup()


_parents = {}  # by process, because a fork must not take its parent's, and by what is to be seen inside


def _parent():
    """The path of this process's parent of jails, started on first use and after it has died."""
    key = os.getpid(), tuple(bubblewrap.course_files())
    found = _parents.get(key)
    if found is None or found.process.poll() is not None:
        if found:
            found.close()
        _parents[key] = found = _Parent()
    return found.path


def close():
    """End what this process's jails are forked from; it comes again when it is needed."""
    while _parents:
        _parents.popitem()[1].close()


class Process:
    """A jail, from outside. Its connection tells when it ends, and ends it when it is closed."""

    def __init__(self, connection, pid, limits, user=None):
        self.connection, self.pid, self.limits, self.status = connection, pid, limits, None
        self.user, self.root = user, f"/proc/{pid}/root" if user is None else f"{JAILS}/{user}"  # its files, from here
        self.deadline, self.looked = time.monotonic() + limits.wall, 0

    def poll(self, fresh=False):
        """None while it runs; then its exit status, or one of `EXCEEDED` where it was ended for a limit.

        Looking at memory and disk takes a moment, so it is done a few times a second, and if `fresh`.
        """
        now = time.monotonic()
        if self.status is None and not self._ended(0) and (fresh or now > self.looked + 0.1):
            self.looked = now
            status = breach(self.root, self.user, self.limits) or (102 if now > self.deadline else None)
            if status:
                self.kill(status)
        return self.status

    def wait(self):
        """The same, when it has ended."""
        while self.poll() is None:
            self._ended(0.1)
        return self.status

    def _ended(self, seconds):
        with contextlib.suppress(BlockingIOError, TimeoutError):
            self.connection.settimeout(seconds)
            try:
                status = int(self.connection.recv(16) or -signal.SIGKILL)
            except (ConnectionError, ValueError):
                status = -signal.SIGKILL
            self.status = 1 if status in EXCEEDED else status  # a stranger's own exit status says nothing
            self.connection.close()
        return self.status is not None

    def exceeded(self):
        """(name, reason) of the limit that it was ended for, or None."""
        return exceeded(self.status, self.limits)

    def kill(self, status=-signal.SIGKILL):
        if self.status is None:
            with contextlib.suppress(OSError, psutil.Error):
                if self.user is None:
                    os.kill(self.pid, signal.SIGKILL)  # all of the jail dies with its first process, ...
                    psutil.Process(self.pid).wait(5)  # ... which closes its files, then waits for them, then ends
                else:
                    self.connection.shutdown(socket.SHUT_WR)  # its keeper ends all of the user's
            self._ended(5)
            self.status = status
            self.connection.close()


def start(work, files=None, limits=Limits(), library=None):
    """Start a jail; a `Process`. Raises JailError.

    `work` is what runs inside: a command (a list of words), or ("module:function", *arguments). `files` are open files
    by their place inside: "stdin", "stdout", "stderr", "channel" (a socket, see `inside.CHANNEL`), or a path below
    a writable folder, where a read-only copy appears. With `library`, the name of an exercise, that exercise's
    library is all that there is of the course (see `grading.mark.library`).
    """
    files = files or {}
    asked = {"argv": work} if isinstance(work, list) else {"call": work[0], "arguments": work[1:]}
    asked |= {"environment": bubblewrap.environment(), "limits": vars(limits), "files": list(files),
              "library": library}
    for again in (True, False):
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            connection.connect(_parent())
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
            socket.send_fds(connection, [json.dumps(asked).encode()], [file.fileno() for file in files.values()])
            connection.settimeout(_STARTS)
            data, control, _, _ = connection.recvmsg(16, socket.CMSG_SPACE(12))
            if not data.startswith(b"up"):
                raise OSError("nothing was forked")
            pid = struct.unpack("iii", control[0][2])[0]  # as it is outside
            return Process(connection, pid, limits, int(data[2:]) if data[2:] else None)
        except (OSError, IndexError) as error:
            connection.close()
            if not again:
                raise JailError(f"jail: expected a process, found {error}; try: python -m grading.run.jail") from None


def run(work, files=None, limits=Limits(), stdin=""):
    """`start` and wait: a CompletedProcess with text, cut at `limits.output`.

    Where a limit was passed, `returncode` is one of `EXCEEDED` and `stderr` ends in the reason.
    """
    with contextlib.ExitStack() as stack:
        given = stack.enter_context(tempfile.TemporaryFile())
        given.write(stdin.encode())
        given.seek(0)
        pipes = [os.pipe() for _ in range(2)]
        drains = [_Drain(stack.enter_context(open(read, "rb")), limits.output) for read, _ in pipes]
        with open(pipes[0][1], "wb") as out, open(pipes[1][1], "wb") as error:
            process = start(work, {**(files or {}), "stdin": given, "stdout": out, "stderr": error}, limits)
        status = process.wait()
        out, error = (drain.text() for drain in drains)
    if reason := process.exceeded():
        error = f"{error}\n{reason[1]}".strip()
    return subprocess.CompletedProcess(work, status, out, error)


class _Drain(threading.Thread):
    """Reads a pipe to its end and keeps the first `most` bytes, so that output without end costs no memory."""

    def __init__(self, stream, most):
        super().__init__(daemon=True)
        self.stream, self.most, self.kept = stream, most, b""
        self.start()

    def run(self):
        while data := self.stream.read1(65536):
            self.kept += data[:self.most - len(self.kept)]

    def text(self):
        self.join(2)
        return self.kept.decode(errors="replace")


@contextlib.contextmanager
def model_file(path):
    """An open plain file of bearable size, or None for anything else."""
    try:
        file = open(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb")
    except OSError:
        yield None
        return
    with file:
        found = os.fstat(file.fileno())
        yield file if stat.S_ISREG(found.st_mode) and found.st_size <= MODEL_SIZE else None


ESCAPES = {
    "network": "import socket; socket.create_connection(('1.1.1.1', 53), 2)",
    "solutions": "open({root!r} + '/solutions/01_setup/01_setup.ipynb')",
    "gradebook": "open({root!r} + '/gradebook.db')",
    "writing to helpers": "open('/course/helpers/evil.py', 'w')",
    "writing to the environment": "import sys; open(sys.prefix + '/evil', 'w')",
    "other processes": "import os; os.kill({pid}, 0)",
    "a user namespace": "import subprocess; subprocess.run(['unshare', '-U', 'true'], check=True)",
}


def check():
    """Say what the jail is and try what must fail inside; raises JailError if something does not."""
    print(f"jail: {require()}, system calls {'filtered' if seccomp.program() else 'not filtered'}")
    print("limits:", ", ".join(f"{name} {value}" for name, value in dataclasses.asdict(Limits()).items()))
    inside = run([sys.executable, "-c", "import helpers.metrics"])
    if inside.returncode:
        raise JailError(f"jail: the course cannot be read inside ({last_line(inside.stderr)}); "
                        "is the course folder readable for all (chmod -R a+rX)?")
    for name, code in ESCAPES.items():
        tried = run([sys.executable, "-c", code.format(root=str(ROOT), pid=os.getpid())], limits=Limits(wall=20))
        if tried.returncode == 0:
            raise JailError(f"jail: it does not hold: {name} was possible")
        print(f"refused: {name} ({last_line(tried.stderr)})")


if __name__ == "__main__":
    try:
        check()
    except JailError as error:
        sys.exit(str(error))
