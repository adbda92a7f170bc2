"""A warm start: kernels forked from a process that has imported PyTorch, instead of one import for each.

The parent lives in a jail of its own (`grading.run.jail`, with nothing in it but the course) and holds
nothing that a submission may not see: modules, no seed, no submission. For each kernel it forks a child that takes
new user, mount, process, IPC, network and host namespaces, lays fresh memory file systems over all
writable places, gives up every capability for good, and installs the system call filter and the same
limits as a cold jail. The child's init is watched by `grading.run.jail launch` as usual; when either ends,
all of the jail ends.

    with Nest() as nest: ...     outside: the parent; `nest.path` goes to launch as COURSE_JAIL_WARM
"""

import contextlib
import ctypes
import importlib
import json
import os
import resource
import select
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import traceback
from pathlib import Path

from grading.run import jail, seccomp

_PRIVATE, _RECURSIVE, _BIND, _REMOUNT = 1 << 18, 1 << 14, 1 << 12, 1 << 5
_READ_ONLY, _NO_SUID, _NO_DEVICES = 1, 2, 4
# CLONE_NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET
_NAMESPACES = 0x00020000 | 0x02000000 | 0x04000000 | 0x08000000 | 0x10000000 | 0x20000000 | 0x40000000
LARGEST = 1 << 20


class Nest:
    """The parent of a grader's kernels, from outside: a context manager; raises JailError if it does not start."""

    def __init__(self):
        self.folder = tempfile.TemporaryDirectory(prefix="cj-")
        self.path = str(Path(self.folder.name) / "warm")
        self.process = None

    def __enter__(self):
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
            listener.bind(self.path)
            listener.listen()
            read, write = os.pipe()
            watched, self.life = os.pipe()  # its end tells the parent that the grader has ended, however it did
            with os.fdopen(read) as ready:
                code = f"from grading.run import warm; warm.hatch({listener.fileno()}, {write}, {watched})"
                self.process = jail.start(
                    [sys.executable, "-c", code],
                    [(jail.ROOT / "grading" / f"{name}.py", f"{jail.COURSE}/grading/{name}.py")
                     for name in ("__init__", "mark/__init__", "mark/compare", "run/__init__", "run/bubblewrap", "run/jail",
                                  "run/seccomp", "run/warm")],
                    pass_fds=(listener.fileno(), write, watched), nested=True, stdout=subprocess.DEVNULL)[0]
                os.close(write)
                os.close(watched)
                if ready.read() != "ready":
                    self.__exit__()
                    raise jail.JailError("jail: the warm start failed; kernels start cold")
        return self

    def __exit__(self, *_):
        if self.process:
            os.close(self.life)
            self.process.kill()
            self.process.wait()
        self.folder.cleanup()


def launch(path, connection, model, limits):
    """Ask the parent at `path` for a kernel; it as `Forked`, or None."""
    with contextlib.ExitStack() as stack:
        files = {"model": stack.enter_context(open(model, "rb"))} if model else {}
        return _fork(path, {"connection": connection}, files, limits)


def run(path, module, arguments, model=None, stdin="", limits=jail.Limits()):
    """What `module.main(*arguments)` prints in a fork of the parent at `path`; None if there is none or it fails.

    `model` is a file to be seen as the working folder's model, `stdin` text.
    """
    with contextlib.ExitStack() as stack:
        read, write = os.pipe()
        output = stack.enter_context(open(read, "rb"))
        with open(write, "wb") as stdout, tempfile.TemporaryFile() as given:
            given.write(stdin.encode())
            given.seek(0)
            files = {"stdin": given, "stdout": stdout}
            if model:
                files["model"] = stack.enter_context(open(model, "rb"))
            process = _fork(path, {"module": module, "arguments": arguments}, files, limits)
        drain = jail.Drain(output, limits.output)
        ended = process and jail.watch(process, limits, process.pid)
        return drain.text() if ended == 0 else None


def _fork(path, what, files, limits):
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    try:
        connection.connect(path)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        asked = what | {"environment": jail.environment(), "limits": vars(limits), "files": list(files)}
        socket.send_fds(connection, [json.dumps(asked).encode()], [file.fileno() for file in files.values()])
        connection.settimeout(20)
        data, control, _, _ = connection.recvmsg(16, socket.CMSG_SPACE(12))
        if data != b"up":
            raise OSError("nothing forked")
        return Forked(connection, struct.unpack("iii", control[0][2])[0])  # the id as it is outside
    except (OSError, IndexError):
        connection.close()
        return None


class Forked:
    """What the parent forked, as `jail.watch` wants it: the connection tells when it ends."""

    def __init__(self, connection, pid):
        self.connection, self.pid, self.status = connection, pid, None

    def wait(self, timeout=None):
        self.connection.settimeout(timeout)
        try:
            while data := self.connection.recv(16):
                self.status = int(data)
        except TimeoutError:
            raise subprocess.TimeoutExpired("jail", timeout) from None
        except OSError:
            pass
        return 1 if self.status is None else self.status

    def kill(self):
        with contextlib.suppress(OSError):
            os.kill(self.pid, signal.SIGKILL)


# ---- from here on: inside ----

def hatch(listener, ready, life):
    """The parent's life: import, then fork a kernel for whoever connects."""
    import helpers.plotting  # noqa: F401
    import helpers.score  # noqa: F401
    import helpers.widgets  # noqa: F401
    import grading.mark.compare  # noqa: F401
    import ipykernel.ipkernel  # noqa: F401
    import ipykernel.kernelapp  # noqa: F401
    import matplotlib.pyplot  # noqa: F401
    import matplotlib_inline.backend_inline  # noqa: F401
    import torchvision.transforms.v2  # noqa: F401
    if len(os.listdir("/proc/self/task")) > 1:
        sys.exit("a thread would not survive a fork")
    fonts = {path.name: path.read_bytes() for path in Path("/tmp/matplotlib").glob("*")}
    import gc
    gc.collect()
    gc.freeze()  # so that the collector does not copy pages that are shared
    server = socket.socket(fileno=listener)
    os.write(ready, b"ready")
    os.close(ready)
    watched = select.poll()
    watched.register(server, select.POLLIN)
    watched.register(life, select.POLLIN)
    while life not in dict(watched.poll()):
        connection, _ = server.accept()
        if os.fork() == 0:
            server.close()
            os.close(life)
            _finish(lambda: _namespaces(connection, fonts))
        connection.close()
        os.wait()


def _finish(work):
    """Run `work` in a child and never come back from it."""
    try:
        os._exit(work() or 0)
    except BaseException:
        traceback.print_exc()
        os._exit(1)


_libc = ctypes.CDLL(None, use_errno=True)


def _check(result):
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result


def _mount(source, target, kind=None, flags=0, options=None):
    encode = [None if text is None else str(text).encode() for text in (source, target, kind, options)]
    _check(_libc.mount(*encode[:3], ctypes.c_ulong(flags), encode[3]))


def _namespaces(connection, fonts):
    """New namespaces; the first child in them is their init."""
    data, files, _, _ = socket.recv_fds(connection, LARGEST, 3)
    asked = json.loads(data)
    files = dict(zip(asked["files"], files))
    user, group = os.getuid(), os.getgid()
    _check(_libc.unshare(_NAMESPACES))
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"{user} {user} 1")
    Path("/proc/self/gid_map").write_text(f"{group} {group} 1")
    if os.fork() == 0:
        _finish(lambda: _init(connection, asked, files, fonts))


def _init(connection, asked, files, fonts):
    """Process 1 of a kernel's jail: lays out its files, starts it, ends when it ends or nobody watches any more."""
    limits = jail.Limits(**asked["limits"])
    _mount(None, "/", flags=_RECURSIVE | _PRIVATE)
    # an environment below /tmp would be gone with what is laid over it
    kept = {path: os.open(path, os.O_PATH) for path in sorted({sys.prefix, sys.base_prefix})
            if path.startswith("/tmp/")}
    for folder, mode in (("/tmp", "0755"), ("/dev/shm", "1777"), (jail.WORK, "0755"), (jail.SOCKETS, "0755")):
        _mount("tmpfs", folder, "tmpfs", _NO_SUID | _NO_DEVICES,
               f"size={limits.disk},nr_inodes={limits.entries},mode={mode}")
    for path, place in kept.items():
        os.makedirs(path, exist_ok=True)
        _mount(f"/proc/self/fd/{place}", path, flags=_BIND)
        os.close(place)
    _mount("proc", "/proc", "proc", _NO_SUID | _NO_DEVICES)
    os.mkdir("/tmp/home")
    os.mkdir("/tmp/matplotlib")
    for name, content in fonts.items():
        Path("/tmp/matplotlib", name).write_bytes(content)
    if "connection" in asked:
        Path(jail.SOCKETS, "kernel.json").write_text(json.dumps(asked["connection"]))
    if "model" in files:
        copy = Path(jail.WORK, jail.MODEL)
        with open(files["model"], "rb") as source, open(copy, "wb") as target:
            shutil.copyfileobj(source, target)
        _mount(copy, copy, flags=_BIND)
        _mount(copy, copy, flags=_BIND | _REMOUNT | _READ_ONLY | _NO_SUID | _NO_DEVICES)
    _check(_libc.sethostname(b"jail", 4))
    _check(_libc.prctl(38, 1, 0, 0, 0))  # PR_SET_NO_NEW_PRIVS
    for capability in range(64):
        _libc.prctl(24, capability, 0, 0, 0)  # PR_CAPBSET_DROP
    _check(_libc.capset((ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)()))
    child = os.fork()
    if child == 0:
        connection.close()
        _finish(lambda: _child(asked, limits, files))
    _check(_libc.prctl(4, 0, 0, 0, 0))  # PR_SET_DUMPABLE: the kernel must not write to its init's memory
    null = os.open(os.devnull, os.O_RDWR)
    for file in {0, 1, 2, *files.values()}:
        os.dup2(null, file)
    connection.send(b"up")
    watched = select.poll()
    watched.register(connection, select.POLLIN | select.POLLHUP)
    while True:
        if watched.poll(50):
            return 0
        while True:
            try:
                ended, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return 0
            if not ended:
                break
            if ended == child:
                connection.send(str(os.waitstatus_to_exitcode(status)).encode())
                return 0


def _child(asked, limits, files):
    """What was asked for, without capabilities, bounded and filtered."""
    os.setsid()
    signal.signal(signal.SIGINT, signal.default_int_handler)
    null = os.open(os.devnull, os.O_RDWR)
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        os.dup2(files.get(name, null), number)
    os.closerange(3, 65536)
    for name, value in jail.bounds(limits).items():
        resource.setrlimit(getattr(resource, f"RLIMIT_{name.upper()}"), (value, value))
    program = seccomp.program()
    if program:
        code = ctypes.create_string_buffer(program, len(program))
        filter = struct.pack("HxxxxxxP", len(program) // 8, ctypes.addressof(code))
        _check(_libc.prctl(22, 2, ctypes.create_string_buffer(filter, len(filter)), 0, 0))  # PR_SET_SECCOMP
    os.environ.clear()
    os.environ.update(asked["environment"])
    os.chdir(jail.WORK)
    import random

    import numpy
    random.seed()
    numpy.random.seed()
    if "module" in asked:
        importlib.import_module(asked["module"]).main(*asked["arguments"])
        sys.stdout.flush()
        return
    sys.argv = ["ipykernel_launcher"]
    sys.path[0] = ""  # as `python -m ipykernel_launcher` leaves it for a notebook
    from ipykernel import kernelapp
    kernelapp.launch_new_instance(argv=["--HistoryManager.hist_file=:memory:", "-f", f"{jail.SOCKETS}/kernel.json"])
