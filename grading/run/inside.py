"""The inside of the jail: a parent that has imported PyTorch, and the jails that are forked from it.

The parent knows nothing that a submission may not see: no module of `helpers`, no submission. For each
jail it forks a child that takes new user, mount, process, IPC, network and host namespaces, lays fresh
memory file systems over all writable places, gives up every capability for good, and installs the system
call filter and the limits. When the jail's first process or whoever asked for it ends, all of it ends.
"""

import contextlib
import ctypes
import functools
import gc
import importlib
import json
import os
import resource
import select
import shutil
import signal
import socket
import struct
import sys
import traceback
from pathlib import Path

from grading.run import seccomp
from grading.run.limits import COURSE, LIBRARIES, SOCKETS, WORK, Limits, resources

CHANNEL = 3  # the file descriptor of a jail's socket, if it was given one
LARGEST = 1 << 20  # bytes of what is asked for
# Of the environment, no part of the course among them: a fork must not find an answer in its memory
_MODULES = (
    "torch",
    "torchvision",
    "torchvision.transforms.v2",
    "torchvision.models.segmentation",
    "numpy",
    "PIL.Image",
    "matplotlib.pyplot",
    "matplotlib_inline.backend_inline",
    "ipykernel.ipkernel",
    "ipykernel.kernelapp",
    "ipykernel.debugger",  # this and the next ones a kernel would import as it starts, in half a second
    "IPython.core.debugger",
    "sqlite3",
    "IPython.core.completerlib",
    "IPython.core.oinspect",
    "IPython.extensions.storemagic",
    "tornado.platform.asyncio",
    "ipywidgets",
    "safetensors.torch",
    "torch.utils.data",
    "tqdm.auto",
    "requests",
    "filelock",
    "PIL.BmpImagePlugin",
    "PIL.GifImagePlugin",
    "PIL.JpegImagePlugin",
    "PIL.PngImagePlugin",
    "PIL.PpmImagePlugin",
    "IPython.core.interactiveshell",
    "grading.run.room",
)
_PRIVATE, _RECURSIVE, _BIND, _REMOUNT = 1 << 18, 1 << 14, 1 << 12, 1 << 5
_READ_ONLY, _NO_SUID, _NO_DEVICES = 1, 2, 4
# CLONE_NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET
_NAMESPACES = 0x00020000 | 0x02000000 | 0x04000000 | 0x08000000 | 0x10000000 | 0x20000000 | 0x40000000


def serve(listener, ready, life, namespaces=True):
    """The parent: import, then fork a jail for whoever connects; three file descriptors."""
    for name in _MODULES:
        importlib.import_module(name)
    if len(os.listdir("/proc/self/task")) > 1:
        sys.exit("a thread would not survive a fork")
    fonts = {path.name: path.read_bytes() for path in Path(os.environ["MPLCONFIGDIR"]).glob("*")}
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
            finish(lambda: _begin(connection, fonts, namespaces))
        connection.close()
        os.wait()


def finish(work):
    """Run `work` in a child and never come back from it."""
    try:
        os._exit(work() or 0)
    except BaseException:
        traceback.print_exc()
        sys.stderr.flush()
        os._exit(1)


@functools.cache
def libc():
    return ctypes.CDLL(None, use_errno=True)


def check(result):
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result


def _mount(source, target, kind=None, flags=0, options=None):
    encode = [None if text is None else str(text).encode() for text in (source, target, kind, options)]
    check(libc().mount(*encode[:3], ctypes.c_ulong(flags), encode[3]))


def _begin(connection, fonts, namespaces):
    """Read what is asked for, and make a jail for it: with namespaces, or as another user."""
    data, files, _, _ = socket.recv_fds(connection, LARGEST, 8)
    asked = json.loads(data)
    files = dict(zip(asked["files"], files))
    if namespaces:
        _namespaces(connection, files, asked, fonts)
    else:
        importlib.import_module("grading.run.apart").begin(connection, files, asked, fonts)


def _namespaces(connection, files, asked, fonts):
    """New namespaces; the first child in them is their first process."""
    user, group = os.getuid(), os.getgid()
    check(libc().unshare(_NAMESPACES))
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"{user} {user} 1")
    Path("/proc/self/gid_map").write_text(f"{group} {group} 1")
    if os.fork() == 0:
        finish(lambda: _first(connection, asked, files, fonts))


def _first(connection, asked, files, fonts):
    """Process 1 of a jail: lays out its files, starts what was asked for, ends when that ends or nobody watches."""
    limits = Limits(**asked["limits"])
    _lay_out(limits, asked.get("library"), fonts, {path: file for path, file in files.items() if "/" in path})
    check(libc().sethostname(b"jail", 4))
    check(libc().prctl(38, 1, 0, 0, 0))  # PR_SET_NO_NEW_PRIVS
    for capability in range(64):
        libc().prctl(24, capability, 0, 0, 0)  # PR_CAPBSET_DROP
    check(libc().capset((ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)()))
    started = os.fork()
    if started == 0:
        connection.close()
        finish(lambda: child(asked, limits, files))
    check(libc().prctl(4, 0, 0, 0, 0))  # PR_SET_DUMPABLE: the child must not write to this process's memory
    close_all({0, 1, 2, *files.values()})
    connection.send(b"up")
    watched = select.poll()
    watched.register(connection, select.POLLIN | select.POLLHUP)
    while True:
        if watched.poll(20):
            return 0
        while True:
            try:
                ended, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return 0
            if not ended:
                break
            if ended == started:
                connection.send(str(os.waitstatus_to_exitcode(status)).encode())
                return 0


def close_all(files):
    """Nothing can be read or written there any more."""
    null = os.open(os.devnull, os.O_RDWR)
    for file in files:
        os.dup2(null, file)


def _lay_out(limits, library, fonts, given):
    """Fresh memory over all writable places, the files given, and of the course one library alone if it is named."""
    _mount(None, "/", flags=_RECURSIVE | _PRIVATE)
    # an environment below /tmp would be gone with what is laid over it
    kept = {path: os.open(path, os.O_PATH) for path in sorted({sys.prefix, sys.base_prefix})
            if path.startswith("/tmp/")}
    if library:
        kept[f"{COURSE}/helpers"] = os.open(f"{LIBRARIES}/{library}/helpers", os.O_PATH)
        _mount("tmpfs", COURSE, "tmpfs", _NO_SUID | _NO_DEVICES, "size=64k,mode=0755")
        os.mkdir(WORK)
    for folder, mode in (("/tmp", "0755"), ("/dev/shm", "1777"), (WORK, "0755"), (SOCKETS, "0755")):
        _mount("tmpfs", folder, "tmpfs", _NO_SUID | _NO_DEVICES,
               f"size={limits.disk},nr_inodes={limits.entries},mode={mode}")
    for path, place in kept.items():
        os.makedirs(path, exist_ok=True)
        _mount(f"/proc/self/fd/{place}", path, flags=_BIND)
        os.close(place)
    if library:
        _mount(None, COURSE, flags=_BIND | _REMOUNT | _READ_ONLY | _NO_SUID | _NO_DEVICES)
    _mount("proc", "/proc", "proc", _NO_SUID | _NO_DEVICES)
    os.mkdir("/tmp/home")
    os.mkdir("/tmp/matplotlib")
    for name, content in fonts.items():
        Path("/tmp/matplotlib", name).write_bytes(content)
    for path, file in given.items():
        with open(os.dup(file), "rb") as source, open(path, "wb") as target:
            shutil.copyfileobj(source, target)
        _mount(path, path, flags=_BIND)
        _mount(path, path, flags=_BIND | _REMOUNT | _READ_ONLY | _NO_SUID | _NO_DEVICES)


_root = ""  # of a jail without namespaces: the folder that holds its own /tmp, working folder and sockets


def child(asked, limits, files, root="", network=True):
    """What was asked for, without capabilities, limited and filtered."""
    global _root
    _root = root
    with contextlib.suppress(OSError):  # where the machine's memory ends, a jail is ended before its grader
        Path("/proc/self/oom_score_adj").write_text("500")
    os.setsid()
    signal.signal(signal.SIGINT, signal.default_int_handler)
    null = os.open(os.devnull, os.O_RDWR)
    given = [files.get(name, null) for name in ("stdin", "stdout", "stderr", "channel")]
    given = [os.dup(file) for file in given]  # above what is overwritten now
    for number, file in enumerate(given):
        os.dup2(file, number, inheritable=number < CHANNEL)
    os.closerange(CHANNEL + 1 if "channel" in files else CHANNEL, 65536)
    for name, value in resources(limits).items():
        resource.setrlimit(getattr(resource, f"RLIMIT_{name}"), (value, value))
    program = seccomp.program(network)
    if program:
        code = ctypes.create_string_buffer(program, len(program))
        filter = struct.pack("HxxxxxxP", len(program) // 8, ctypes.addressof(code))
        check(libc().prctl(22, 2, ctypes.create_string_buffer(filter, len(filter)), 0, 0))  # PR_SET_SECCOMP
    os.environ.clear()
    os.environ.update(asked["environment"])
    os.chdir(root + WORK)
    if "argv" in asked:
        os.execvp(asked["argv"][0], asked["argv"])
    import random

    import numpy
    random.seed()
    numpy.random.seed()
    importlib.invalidate_caches()
    places = asked["environment"]["PYTHONPATH"]
    sys.path[:] = ["", *(places if path == COURSE else path for path in sys.path[1:])]  # as `python -m` leaves it
    module, function = asked["call"].split(":")
    with contextlib.suppress(KeyboardInterrupt):
        getattr(importlib.import_module(module), function)(*asked["arguments"])
    sys.stdout.flush()


def kernel(connection):
    """A Jupyter kernel."""
    from ipykernel import kernelapp
    file = Path(_root + SOCKETS, "kernel.json")
    file.write_text(json.dumps(connection | {"ip": f"{_root}{SOCKETS}/k"}))
    sys.argv = ["ipykernel_launcher"]
    kernelapp.launch_new_instance(argv=["--HistoryManager.hist_file=:memory:", "-f", str(file)])
