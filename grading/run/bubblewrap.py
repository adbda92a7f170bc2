"""What the jail is made of: limits, what is to be seen inside, bubblewrap's command line, and the watch over it."""

import contextlib
import dataclasses
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from grading.run import seccomp

ROOT = Path(__file__).resolve().parents[2]
COURSE, WORK = "/course", "/course/work"  # inside
SOCKETS = "/ipc"  # inside; a symbolic link beside the connection file leads there from outside
PREPARED = ROOT / "build" / "jail"
WRITABLE = ("/tmp/", f"{WORK}/")
MODEL = "model.safetensors"
MODEL_SIZE = 200_000_000  # bytes of a model file; the largest of the course, DeepLabV3 on ResNet-50, has 159 million
# 61184 to 65519 are the ids that systemd keeps for users that come and go
UIDS = range(61184, 65520)


class JailError(RuntimeError):
    """There is no jail, or it does not hold; the message says in one line what to do."""


@dataclasses.dataclass(frozen=True)
class Limits:
    """What one submission may use; bytes and seconds."""

    wall: float = 900  # the whole submission, all its kernels together
    cpu: int = 900  # of one process
    memory: int = 3 * 2 ** 30  # of all its processes together
    processes: int = 160  # threads count
    files: int = 1024  # open in one process
    file_size: int = 256 * 2 ** 20
    disk: int = 256 * 2 ** 20  # each of /tmp, /dev/shm and the working folder, in memory
    entries: int = 20_000  # files and folders in each of these
    output: int = 10 * 2 ** 20  # of one cell


# How `launch` ends when a limit was passed: exit status to name and reason
EXCEEDED = {
    101: ("MemoryUp", "it used more memory than a submission may ({memory_gb:.1f} GB)"),
    102: ("TimeUp", "the submission took longer than it may ({wall:.0f} s)"),
    103: ("DiskFull", "it wrote more than a submission may ({disk_mb:.0f} MB, {entries} files)"),
}


def exceeded(status, limits):
    """(name, reason) of the limit that exit status of `launch` stands for, or None."""
    name, reason = EXCEEDED.get(status, (None, ""))
    return name and (name, reason.format(**dataclasses.asdict(limits), memory_gb=limits.memory / 2 ** 30,
                                         disk_mb=limits.disk / 2 ** 20))


def bounds(limits):
    """Resource limits of a process inside, by the names of prlimit and of `resource`."""
    # twice the memory: before a process is refused any, the whole jail is ended, with a reason
    return {"nproc": limits.processes, "nofile": limits.files, "fsize": limits.file_size, "cpu": limits.cpu,
            "data": 2 * limits.memory, "core": 0, "msgqueue": 0}


def command_line(argv, read_only=(), limits=Limits(), info=None, filter=None, nested=False):
    """The command line around `argv`; `read_only` are (outside, inside) pairs, `info` and `filter` open files.

    `nested` is for `grading.run.warm`, which makes jails of its own within: it may make namespaces.

    Things inside a writable folder are bound last, after the memory file system they lie in.
    """
    binds = [("/usr", "/usr"), ("/etc/ld.so.cache", "/etc/ld.so.cache"), ("/etc/alternatives", "/etc/alternatives"),
             ("/etc/localtime", "/etc/localtime"), ("/sys/devices/system/cpu", "/sys/devices/system/cpu"),
             *[(path, path) for path in {sys.prefix, sys.base_prefix} if path != "/usr"]]
    binds = [(outside, inside) for outside, inside in binds if os.path.exists(outside)]
    binds += [(str(ROOT / "helpers"), f"{COURSE}/helpers"), *((str(a), str(b)) for a, b in read_only)]
    late = [bind for bind in binds if bind[1].startswith(WRITABLE)]
    early = [bind for bind in binds if bind not in late]

    folders = dict.fromkeys(str(parent) for _, inside in early for parent in reversed(Path(inside).parents))
    folders |= dict.fromkeys(["/proc", "/dev", "/tmp", SOCKETS, COURSE, WORK])
    view = [word for folder in folders if folder != "/" for word in ("--dir", folder)]
    for path in (Path("/", name) for name in ("bin", "lib", "lib32", "lib64", "libx32", "sbin")):
        if path.is_symlink():
            view += ["--symlink", os.readlink(path), str(path)]
        elif path.is_dir():
            view += ["--ro-bind", str(path), str(path)]
    view += [word for bind in early for word in ("--ro-bind", *bind)]

    root = os.geteuid() == 0
    walls = ["--unshare-all", "--unshare-user", *([] if nested else ["--disable-userns"]),
             "--uid", "1000", "--gid", "1000", "--hostname", "jail",
             "--new-session", "--die-with-parent", "--cap-drop", "ALL",
             "--proc", "/proc", "--dev", "/dev", "--perms", "1777", "--size", str(limits.disk), "--tmpfs", "/dev/shm",
             "--size", str(limits.disk), "--tmpfs", "/tmp", "--dir", "/tmp/home",
             "--size", str(limits.disk), "--tmpfs", WORK, "--size", "1048576", "--tmpfs", SOCKETS]
    for number, (outside, inside) in enumerate(late):
        walls += ["--ro-bind", f"/late/{number}" if root else outside, inside]
    walls += ["--remount-ro", "/dev", "--remount-ro", "/", "--chdir", WORK]
    walls += ["--info-fd", str(info)] if info is not None else []
    walls += ["--seccomp", str(filter)] if filter is not None else []
    limited = [] if nested else ["prlimit", *(f"--{name}={value}" for name, value in bounds(limits).items()), "--"]
    inner = [*walls, "--", *limited, *argv]
    program = shutil.which("bwrap")
    if not root:
        return [program, *view, *inner]
    for number, (outside, _) in enumerate(late):
        view += ["--ro-bind", outside, f"/late/{number}"]
    nobody = str(UIDS[os.getpid() % len(UIDS)])
    return [program, "--die-with-parent", "--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID",
            "--dir", "/late", *view,
            "--dev-bind", "/proc", "/proc", "--dev-bind", "/dev", "/dev", "--",
            "setpriv", "--reuid", nobody, "--regid", nobody, "--clear-groups", "--inh-caps=-all",
            program, "--bind", "/", "/", *inner]


def environment():
    """All that the jail's environment holds: nothing is inherited but the course's own settings."""
    names = ("COURSE_DATASET", "COURSE_MODEL", "COURSE_SEED", "COURSE_DEVICE", "COURSE_PROBE_SEED",
             "OMP_NUM_THREADS", "TZ")
    environment = {name: os.environ[name] for name in names if os.environ.get(name)}
    environment.setdefault("OMP_NUM_THREADS", "1")
    return environment | {
        "HOME": "/tmp/home", "COURSE_GRADING": "1", "PYTHONPATH": COURSE, "PATH": f"{sys.prefix}/bin:/usr/local/bin:/usr/bin:/bin",
        "LANG": "C.UTF-8", "USER": "student",
        "COURSE_OUTPUT": "/tmp/output", "MPLCONFIGDIR": "/tmp/matplotlib", "MPLBACKEND": "agg",
        "PYTHONDONTWRITEBYTECODE": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": environment["OMP_NUM_THREADS"],
        **({"COURSE_WEIGHTS": _weights()[0][1]} if _weights() else {})}


def _weights():
    path = os.environ.get("COURSE_WEIGHTS")
    return [(os.path.realpath(path), f"{COURSE}/weights/{Path(path).name}")] if path else []


def course_files():
    """(outside, inside) of what every jail sees of the course besides `helpers/`; raises JailError without data."""
    dataset = os.environ.get("COURSE_DATASET") or "shapes"
    data = Path(os.environ.get("COURSE_DATA_ROOT") or ROOT / "data" / dataset).expanduser().resolve()
    if not (data / "VOCdevkit").is_dir():
        raise JailError(f"jail: expected VOCdevkit/ in {data}, found none; run python -m grading.run.jail install, "
                        "or set DATA_ROOT to the folder that holds it")
    fonts = [(font, f"/tmp/matplotlib/{font.name}") for font in PREPARED.glob("fontlist-*.json")]
    return [(data, f"{COURSE}/data/{dataset}"), *fonts, *_weights()]


@contextlib.contextmanager
def _inheritable(data):
    """A file descriptor to read `data` from, for a child."""
    with tempfile.TemporaryFile() as file:
        file.write(data)
        file.seek(0)
        yield file.fileno()


def start(argv, read_only=(), limits=Limits(), pass_fds=(), nested=False, **popen):
    """Popen `argv` in the jail; returns it and the process id outside of the jail's first process (or None)."""
    read, write = os.pipe()
    program = None if nested else seccomp.program()
    with _inheritable(program or b"") as filter, os.fdopen(read) as info:
        try:
            command = command_line(argv, [*course_files(), *read_only], limits, write, program and filter, nested)
            seen = environment()
            if nested:
                seen.pop("COURSE_PROBE_SEED", None)  # it will serve many submissions
            process = subprocess.Popen(command, env=seen, pass_fds=(write, filter, *pass_fds), cwd="/",
                                       stdin=subprocess.DEVNULL, **popen)
        finally:
            os.close(write)
        text = info.read()
    return process, json.loads(text)["child-pid"] if text else None  # it may have ended before it began


def watch(process, limits, pid=None):
    """Wait for the jail to end, killing it when it exceeds `limits`; returns its exit status or one of `EXCEEDED`."""
    deadline = time.monotonic() + limits.wall
    while True:
        with contextlib.suppress(subprocess.TimeoutExpired):
            status = process.wait(0.1)
            return 1 if status in EXCEEDED else status  # a stranger's own exit status says nothing
        status = breach(pid, limits)
        if status is None and time.monotonic() > deadline:
            status = 102
        if status:
            if pid:  # all of the jail dies with its first process, also where bubblewrap's own death is not heard
                with contextlib.suppress(OSError):
                    os.kill(pid, signal.SIGKILL)
            process.kill()
            process.wait()
            return status


def breach(pid, limits):
    """The limit, as one of `EXCEEDED`, that the jail of process `pid` is at or beyond; None if none, or no process."""
    if pid is None:
        return None
    if memory(pid) > limits.memory:
        return 101
    for folder in ("/tmp", "/dev/shm", WORK):
        with contextlib.suppress(OSError):
            found = os.statvfs(f"/proc/{pid}/root{folder}")
            if found.f_files - found.f_ffree > 0.9 * limits.entries or found.f_bavail < 0.1 * found.f_blocks:
                return 103
    return None


def memory(pid):
    """Bytes that the processes of the jail around `pid` hold: their own, and what they share among them."""
    total = 0
    with contextlib.suppress(OSError):
        inside = Path("/proc", str(pid), "root", "proc")  # lists the jail's processes alone
        for child in filter(str.isdigit, os.listdir(inside)):
            with contextlib.suppress(OSError):
                for line in Path(inside, child, "status").read_text().splitlines():
                    if line.startswith(("RssAnon:", "RssShmem:")):
                        total += 1024 * int(line.split()[1])
    return total


class Drain(threading.Thread):
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
