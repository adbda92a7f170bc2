"""The jail: a stranger's code runs under bubblewrap, where it can read the course and spoil nothing.

    python -m grading.jail install     the kernelspec `course-jail`, data and font cache made beforehand
    python -m grading.jail check       what the jail is here, and what fails inside as it must

Inside there is no network and no file but the interpreter, the environment, `helpers/`, the data and
the submission's own model file, all read-only; what is written goes to memory that is bounded and
vanishes. The process has no privileges, its own process, user, IPC and host namespaces, a
system call filter (`grading.seccomp`) and the bounds of `Limits`, over which the launching process
watches from outside. As root, a first bubblewrap lays out the files and gives up root for a user id
that nobody has; the rest is the same as for an ordinary user.
"""

import contextlib
import ctypes
import dataclasses
import functools
import json
import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from grading import seccomp

ROOT = Path(__file__).resolve().parent.parent
KERNEL = "course-jail"
COURSE, WORK = "/course", "/course/work"  # inside
SOCKETS = "/ipc"  # inside; a symbolic link beside the connection file leads there from outside
PREPARED = ROOT / "build" / "jail"
WRITABLE = ("/tmp/", f"{WORK}/")
MODEL = "model.safetensors"
MODEL_SIZE = 256 * 2 ** 20
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
    cell: float = 60  # one cell


# How `launch` ends when a limit was passed: exit status to name and reason
EXCEEDED = {
    101: ("MemoryUp", "it used more memory than a submission may ({memory_gb:.1f} GB)"),
    102: ("TimeUp", "the submission took longer than it may ({wall:.0f} s)"),
    103: ("DiskFull", "it made more files than a submission may ({entries})"),
}


def exceeded(status, limits):
    """(name, reason) of the limit that exit status of `launch` stands for, or None."""
    name, reason = EXCEEDED.get(status, (None, ""))
    return name and (name, reason.format(**dataclasses.asdict(limits), memory_gb=limits.memory / 2 ** 30))


@functools.cache
def backend():
    """"bubblewrap", "docker" or "none" (only if JAIL=none is said); raises JailError where there is no jail."""
    if os.environ.get("JAIL") == "none":
        print("JAIL=none: submissions run with your rights, unguarded", file=sys.stderr)
        return "none"
    problem = None
    if sys.platform == "linux" and shutil.which("bwrap"):
        trial = subprocess.run(_bubblewrap(["true"]), capture_output=True, text=True, stdin=subprocess.DEVNULL)
        if trial.returncode == 0:
            return "bubblewrap"
        problem = (trial.stderr.strip().splitlines() or ["no reason given"])[-1]
    if shutil.which("docker"):
        with contextlib.suppress(OSError, subprocess.TimeoutExpired):
            if subprocess.run(["docker", "info"], capture_output=True, timeout=20).returncode == 0:
                return "docker"
    if problem:
        raise JailError(f"jail: bubblewrap is installed, but the system forbids it ({problem}); allow user namespaces: "
                        "sysctl kernel.apparmor_restrict_unprivileged_userns=0 (Ubuntu 24.04) or "
                        "kernel.unprivileged_userns_clone=1 (Debian), or in a container --privileged")
    raise JailError("jail: expected bubblewrap (Linux: apt install bubblewrap, dnf install bubblewrap) or a running "
                    "Docker (macOS, Windows), found neither; JAIL=none grades without one, with your own rights")


def bounds(limits):
    """Resource limits of a process inside, by the names of prlimit and of `resource`."""
    # twice the memory: before a process is refused any, the whole jail is ended, with a reason
    return {"nproc": limits.processes, "nofile": limits.files, "fsize": limits.file_size, "cpu": limits.cpu,
            "data": 2 * limits.memory, "core": 0, "msgqueue": 0}


def _bubblewrap(argv, read_only=(), limits=Limits(), info=None, filter=None, nested=False):
    """The command line around `argv`; `read_only` are (outside, inside) pairs, `info` and `filter` open files.

    `nested` is for `grading.warm`, which makes jails of its own within: it may make namespaces.

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
    walls = ["--unshare-all", "--unshare-user", *([] if nested else ["--disable-userns"]), "--uid", "1000", "--gid", "1000",
             "--hostname", "jail", "--new-session", "--die-with-parent", "--cap-drop", "ALL",
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
    bubblewrap = shutil.which("bwrap")
    if not root:
        return [bubblewrap, *view, *inner]
    for number, (outside, _) in enumerate(late):
        view += ["--ro-bind", outside, f"/late/{number}"]
    nobody = str(UIDS[os.getpid() % len(UIDS)])
    return [bubblewrap, "--die-with-parent", "--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID", "--dir", "/late", *view,
            "--dev-bind", "/proc", "/proc", "--dev-bind", "/dev", "/dev", "--",
            "setpriv", "--reuid", nobody, "--regid", nobody, "--clear-groups", "--inh-caps=-all",
            bubblewrap, "--bind", "/", "/", *inner]


def environment():
    """All that the jail's environment holds: nothing is inherited but the course's own settings."""
    names = ("COURSE_BUDGET", "COURSE_DATASET", "COURSE_MODEL", "COURSE_SEED", "COURSE_DEVICE", "COURSE_PROBE_SEED",
             "OMP_NUM_THREADS", "TZ")
    environment = {name: os.environ[name] for name in names if os.environ.get(name)}
    environment.setdefault("OMP_NUM_THREADS", "1")
    return environment | {
        "HOME": "/tmp/home", "PYTHONPATH": COURSE, "PATH": f"{sys.prefix}/bin:/usr/local/bin:/usr/bin:/bin", "LANG": "C.UTF-8", "USER": "student",
        "COURSE_OUTPUT": "/tmp/output", "MPLCONFIGDIR": "/tmp/matplotlib", "MPLBACKEND": "agg",
        "PYTHONDONTWRITEBYTECODE": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": environment["OMP_NUM_THREADS"],
        **({"COURSE_WEIGHTS": _weights()[0][1]} if _weights() else {})}


def _weights():
    path = os.environ.get("COURSE_WEIGHTS")
    return [(os.path.realpath(path), f"{COURSE}/weights/{Path(path).name}")] if path else []


def _course_files():
    """(outside, inside) of what every jail sees of the course besides `helpers/`; raises JailError if it is missing."""
    dataset = os.environ.get("COURSE_DATASET") or "shapes"
    data = Path(os.environ.get("COURSE_DATA_ROOT") or ROOT / "data" / dataset).expanduser().resolve()
    if not (data / "VOCdevkit").is_dir():
        raise JailError(f"jail: expected VOCdevkit/ in {data}, found none; run python -m grading.jail install, "
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
    """Popen `argv` in the jail; returns it and the process id, seen from here, of the jail's first process (or None)."""
    read, write = os.pipe()
    program = None if nested else seccomp.program()
    with _inheritable(program or b"") as filter, os.fdopen(read) as info:
        try:
            command = _bubblewrap(argv, [*_course_files(), *read_only], limits, write, program and filter, nested)
            process = subprocess.Popen(command, env=environment(), pass_fds=(write, filter, *pass_fds), cwd="/",
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
        status = _breach(pid, limits)
        if status is None and time.monotonic() > deadline:
            status = 102
        if status:
            process.kill()
            process.wait()
            return status


def _breach(pid, limits):
    if pid is None:
        return None
    if _memory(pid) > limits.memory:
        return 101
    for folder in ("/tmp", "/dev/shm", WORK):
        with contextlib.suppress(OSError):
            found = os.statvfs(f"/proc/{pid}/root{folder}")
            if found.f_files - found.f_ffree > limits.entries:
                return 103
    return None


def _memory(pid):
    """Bytes of a process and all that descend from it: their own, and what they share among them."""
    import psutil
    total = 0
    with contextlib.suppress(psutil.Error):
        for child in [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]:
            with contextlib.suppress(OSError):
                for line in Path(f"/proc/{child.pid}/status").read_text().splitlines():
                    if line.startswith(("RssAnon:", "RssShmem:")):
                        total += 1024 * int(line.split()[1])
    return total


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


def run(argv, read_only=(), limits=Limits()):
    """Run a trusted command on untrusted files in the jail; a CompletedProcess with text, cut at `limits.output`.

    `read_only` are (outside, inside) pairs of files or folders to be seen besides the course. Where a
    limit is passed, `returncode` is one of `EXCEEDED` and `stderr` ends in the reason. Raises JailError
    where there is no jail.
    """
    if backend() == "docker":
        from grading import container
        process, pid = container.start(argv, read_only, limits), None
    elif backend() == "none":
        process, pid = subprocess.Popen(argv, env=os.environ | {"PYTHONPATH": str(ROOT)}, stdout=subprocess.PIPE, stderr=subprocess.PIPE), None
    else:
        process, pid = start(argv, read_only, limits, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    drains = [_Drain(stream, limits.output) for stream in (process.stdout, process.stderr)]
    status = watch(process, limits, pid)
    out, error = (drain.text() for drain in drains)
    if status in EXCEEDED:
        error = f"{error}\n{exceeded(status, limits)[1]}".strip()
    return subprocess.CompletedProcess(argv, status, out, error)


def launch(connection_file):
    """What the kernelspec starts: a kernel in the jail, watched from here; ends with its exit status.

    The connection file lies in a folder of its own; in place of the sockets' folder that it names, a
    symbolic link is made that leads into the jail, so the kernel writes nowhere outside.
    """
    _die_with_parent()
    limits = Limits(**json.loads(os.environ.get("COURSE_JAIL_LIMITS") or "{}"))
    python = [sys.executable, "-m", "ipykernel_launcher", "--HistoryManager.hist_file=:memory:", "-f"]
    connection, folder = json.loads(Path(connection_file).read_text()), Path(connection_file).parent
    if connection["transport"] == "ipc":
        link, name = os.path.split(connection["ip"])
        if os.path.dirname(link) != str(folder) or os.path.lexists(link):
            raise JailError("jail: this kernel is for grading; let grading.execute.JailedExecute start it")
    if _kind() == "none":
        os.mkdir(link)
        return subprocess.call([*python, connection_file], start_new_session=False)
    if _kind() == "docker":
        from grading import container
        return container.launch(connection, folder, limits)
    connection["ip"] = f"{SOCKETS}/{name}"
    model = os.environ.get("COURSE_JAIL_MODEL")
    model = model and take_model(model, folder / MODEL) and folder / MODEL
    if os.environ.get("COURSE_JAIL_WARM"):
        from grading import warm
        if started := warm.launch(os.environ["COURSE_JAIL_WARM"], connection, model, limits):
            process = _Warm(*started)
            os.symlink(f"/proc/{process.pid}/root{SOCKETS}", link)
            return watch(process, limits, process.pid)
    inside = folder / "inside.json"
    inside.write_text(json.dumps(connection))
    inside.chmod(0o644)
    binds = [(inside, f"{COURSE}/kernel.json")]
    if model:
        binds.append((model, f"{WORK}/{MODEL}"))
    process, pid = start([*python, f"{COURSE}/kernel.json"], binds, limits, stdout=subprocess.DEVNULL,
                         stderr=subprocess.PIPE)
    if pid:
        os.symlink(f"/proc/{pid}/root{SOCKETS}", link)
    stderr = _Drain(process.stderr, 4000)
    status = watch(process, limits, pid)
    if status and not pid:
        print("jail:", stderr.text().strip(), file=sys.stderr)
    return status


class _Warm:
    """A kernel that `grading.warm` forked, as `watch` wants it: the connection tells when it ends."""

    def __init__(self, connection, pid):
        self.connection, self.pid, self.status = connection, pid, None

    def wait(self, timeout=None):
        self.connection.settimeout(timeout)
        try:
            while data := self.connection.recv(16):
                self.status = int(data)
        except TimeoutError:
            raise subprocess.TimeoutExpired("kernel", timeout) from None
        except OSError:
            pass
        return 1 if self.status is None else self.status

    def kill(self):
        with contextlib.suppress(OSError):
            os.kill(self.pid, signal.SIGKILL)


def take_model(path, copy):
    """Copy a plain file of bearable size to where the jail may read it; False, and no copy, for anything else."""
    try:
        with open(os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)), "rb") as file:
            found = os.fstat(file.fileno())
            if not stat.S_ISREG(found.st_mode) or found.st_size > MODEL_SIZE:
                return False
            with open(copy, "wb") as target:
                shutil.copyfileobj(file, target)
    except OSError:
        return False
    os.chmod(copy, 0o644)
    return True


def _kind():
    """`backend()` without the trial, for a process that was started because there is one."""
    if os.environ.get("JAIL") == "none":
        return "none"
    return "bubblewrap" if sys.platform == "linux" and shutil.which("bwrap") else "docker"


def _die_with_parent():
    """The jail must not outlive a grader that is killed.

    All processes outside the jail share a process group; bubblewrap's own --die-with-parent does not reach
    from root to the jail's user.
    """
    if sys.platform == "linux":
        signal.signal(signal.SIGTERM, lambda *_: os.killpg(os.getpgrp(), signal.SIGKILL))
        ctypes.CDLL(None).prctl(1, signal.SIGTERM)  # PR_SET_PDEATHSIG


def prepare():
    """Make what each jail reads and must not write: the embedded data set and matplotlib's list of fonts."""
    dataset = os.environ.get("COURSE_DATASET") or "shapes"
    if dataset == "shapes" and not (ROOT / "data" / "shapes" / "VOCdevkit").exists() or \
            not list(PREPARED.glob("fontlist-*.json")):
        PREPARED.mkdir(parents=True, exist_ok=True)
        code = ("import matplotlib.font_manager; from helpers import shapes, settings; "
                "shapes.write(settings.ROOT / 'data' / 'shapes')")
        environment = {"PATH": os.environ.get("PATH", ""), "MPLCONFIGDIR": str(PREPARED), "PYTHONPATH": str(ROOT)}
        made = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
        if made.returncode:
            raise JailError(f"jail: preparing data and fonts failed: {made.stderr.strip().splitlines()[-1]}")


def install():
    """Write the kernelspec, make the data, try the jail; returns the kernelspec's folder."""
    prepare()
    folder = Path(sys.prefix) / "share" / "jupyter" / "kernels" / KERNEL
    folder.mkdir(parents=True, exist_ok=True)
    # -P: a file of the student's, in whose folder this starts, must not be imported in place of ours
    spec = {"argv": [sys.executable, "-P", "-m", "grading.jail", "launch", "{connection_file}"],
            "env": {"PYTHONPATH": str(ROOT)}, "display_name": "Course, jailed", "language": "python",
            "interrupt_mode": "message", "metadata": {"debugger": False}}
    text = json.dumps(spec, indent=1)
    if not (folder / "kernel.json").exists() or (folder / "kernel.json").read_text() != text:
        part = folder / f"kernel.{os.getpid()}.part"  # another worker may be reading
        part.write_text(text)
        part.replace(folder / "kernel.json")
    return folder


_ESCAPES = {
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
    prepare()
    print(f"jail: {backend()}, system calls {'filtered' if seccomp.program() else 'not filtered'}")
    print("limits:", ", ".join(f"{name} {value}" for name, value in dataclasses.asdict(Limits()).items()))
    inside = run([sys.executable, "-c", "import helpers.metrics, os; print(os.getuid())"])
    if inside.returncode:
        raise JailError(f"jail: the course cannot be read inside ({inside.stderr.strip().splitlines()[-1]}); "
                        "is the course folder readable for all (chmod -R a+rX)?")
    for name, code in _ESCAPES.items():
        tried = run([sys.executable, "-c", code.format(root=str(ROOT), pid=os.getpid())], limits=Limits(wall=20))
        if tried.returncode == 0:
            raise JailError(f"jail: it does not hold: {name} was possible")
        print(f"refused: {name} ({tried.stderr.strip().splitlines()[-1]})")


def main(command="", *arguments):
    try:
        if command == "launch":
            return launch(*arguments)
        if command == "install":
            print(f"kernel {KERNEL} in {install()}, jail: {backend()}")
        elif command == "check":
            check()
        else:
            print(__doc__.split("\n\n")[1], file=sys.stderr)
            return 2
    except JailError as error:
        print(error, file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
