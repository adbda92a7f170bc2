"""The jail: a stranger's code runs under bubblewrap, where it can read the course and spoil nothing.

    python -m grading.run.jail install     the kernelspec `course-jail`, data and font cache made beforehand
    python -m grading.run.jail check       what the jail is here, and what fails inside as it must

Inside there is no network and no file but the interpreter, the environment, `helpers/`, the data and
the submission's own model file, all read-only; what is written goes to memory that is bounded and
vanishes. The process has no privileges, its own process, user, IPC and host namespaces, a
system call filter (`grading.run.seccomp`) and the bounds of `Limits`, over which the launching process
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
from pathlib import Path

from grading.run import bubblewrap, seccomp
from grading.run.bubblewrap import (  # noqa: F401
    COURSE, EXCEEDED, MODEL, MODEL_SIZE, ROOT, SOCKETS, WORK, Drain, JailError, Limits, bounds, breach, command_line,
    course_files, environment, exceeded, start, watch)

KERNEL = "course-jail"


@functools.cache
def backend():
    """"bubblewrap", "docker" or "none" (only if JAIL=none is said); raises JailError where there is no jail."""
    if os.environ.get("JAIL") == "none":
        print("JAIL=none: submissions run with your rights, unguarded", file=sys.stderr)
        return "none"
    problem = None
    if sys.platform == "linux" and shutil.which("bwrap"):
        trial = subprocess.run(command_line(["true"]), capture_output=True, text=True, stdin=subprocess.DEVNULL)
        if trial.returncode == 0:
            return "bubblewrap"
        problem = (trial.stderr.strip().splitlines() or ["no reason given"])[-1]
    if shutil.which("docker"):
        with contextlib.suppress(OSError, subprocess.TimeoutExpired):
            if subprocess.run(["docker", "info"], capture_output=True, timeout=20).returncode == 0:
                return "docker"
    if problem:
        raise JailError(f"jail: bubblewrap is installed, but the system forbids it ({problem}); allow user "
                        "namespaces: sysctl kernel.apparmor_restrict_unprivileged_userns=0 (Ubuntu 24.04) or "
                        "kernel.unprivileged_userns_clone=1 (Debian), or in a container --privileged")
    raise JailError("jail: expected bubblewrap (Linux: apt install bubblewrap, dnf install bubblewrap) or a running "
                    "Docker (macOS, Windows), found neither; JAIL=none grades without one, with your own rights")


def run(argv, read_only=(), limits=Limits()):
    """Run a trusted command on untrusted files in the jail; a CompletedProcess with text, cut at `limits.output`.

    `read_only` are (outside, inside) pairs of files or folders to be seen besides the course. Where a
    limit is passed, `returncode` is one of `EXCEEDED` and `stderr` ends in the reason. Raises JailError
    where there is no jail.
    """
    with tempfile.TemporaryDirectory(prefix="cj-") as folder:
        read_only = [(_readable(Path(outside), folder), inside) for outside, inside in read_only]
        if backend() == "docker":
            from grading.run import container
            process, pid = container.start(argv, read_only, limits), None
        elif backend() == "none":
            process, pid = subprocess.Popen(argv, env=os.environ | {"PYTHONPATH": str(ROOT), "COURSE_GRADING": "1"}, stdout=subprocess.PIPE,
                                            stderr=subprocess.PIPE), None
        else:
            process, pid = start(argv, read_only, limits, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        drains = [Drain(stream, limits.output) for stream in (process.stdout, process.stderr)]
        status = watch(process, limits, pid)
        out, error = (drain.text() for drain in drains)
    if status in EXCEEDED:
        error = f"{error}\n{exceeded(status, limits)[1]}".strip()
    return subprocess.CompletedProcess(argv, status, out, error)


def _readable(path, folder):
    """The file, or a copy of it where the jail's user could not read it."""
    if path.is_dir() or path.stat().st_mode & 0o004:
        return path
    copy = Path(folder, f"{len(os.listdir(folder))}-{path.name}")
    shutil.copyfile(path, copy)
    copy.chmod(0o644)
    return copy


def launch(connection_file):
    """What the kernelspec starts: a kernel in the jail, watched from here; ends with its exit status.

    The connection file lies in a folder of its own; in place of the sockets' folder that it names, a
    symbolic link is made that leads into the jail, so the kernel writes nowhere outside.
    """
    _die_with_parent()
    limits = Limits(**json.loads(os.environ.get("COURSE_JAIL_LIMITS") or "{}"))
    python = [sys.executable, "-m", "ipykernel_launcher", "--HistoryManager.hist_file=:memory:", "-f"]
    connection, folder = json.loads(Path(connection_file).read_text()), Path(connection_file).parent
    link, name = os.path.split(connection["ip"])
    if connection["transport"] == "ipc" or _kind() == "bubblewrap":
        if os.path.dirname(link) != str(folder) or os.path.lexists(link):
            raise JailError("jail: this kernel is for grading; let grading.run.execute.JailedExecute start it")
    if _kind() == "none":
        if connection["transport"] == "ipc":
            os.mkdir(link)
        return subprocess.call([*python, connection_file], env=os.environ | {"COURSE_GRADING": "1"})
    model = os.environ.get("COURSE_JAIL_MODEL")
    model = model and take_model(model, folder / MODEL) and folder / MODEL
    if _kind() == "docker":
        from grading.run import container
        return container.launch(connection, folder, model, limits)
    connection["ip"] = f"{SOCKETS}/{name}"
    if os.environ.get("COURSE_JAIL_WARM"):
        from grading.run import warm
        if process := warm.launch(os.environ["COURSE_JAIL_WARM"], connection, model, limits):
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
    stderr = Drain(process.stderr, 4000)
    status = watch(process, limits, pid)
    if status and not pid:
        print("jail:", stderr.text().strip(), file=sys.stderr)
    return status


def take_model(path, copy):
    """Copy a plain file of bearable size to where the jail may read it; False, and no copy, for anything else."""
    try:
        plain = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
        with open(os.open(path, plain), "rb") as file:
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
            not list(bubblewrap.PREPARED.glob("fontlist-*.json")):
        bubblewrap.PREPARED.mkdir(parents=True, exist_ok=True)
        code = ("import matplotlib.font_manager; from helpers import shapes, settings; "
                "shapes.write(settings.ROOT / 'data' / 'shapes')")
        environment = {"PATH": os.environ.get("PATH", ""), "MPLCONFIGDIR": str(bubblewrap.PREPARED),
                       "PYTHONPATH": str(ROOT)}
        made = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
        if made.returncode:
            raise JailError(f"jail: preparing data and fonts failed: {made.stderr.strip().splitlines()[-1]}")


def install():
    """Write the kernelspec, make the data, try the jail; returns the kernelspec's folder."""
    prepare()
    folder = Path(sys.prefix) / "share" / "jupyter" / "kernels" / KERNEL
    folder.mkdir(parents=True, exist_ok=True)
    # -P: a file of the student's, in whose folder this starts, must not be imported in place of ours
    spec = {"argv": [sys.executable, "-P", "-m", "grading.run.jail", "launch", "{connection_file}"],
            "env": {"PYTHONPATH": str(ROOT)}, "display_name": "Course, jailed", "language": "python",
            "interrupt_mode": "message", "metadata": {"debugger": False}}
    text = json.dumps(spec, indent=1)
    if not (folder / "kernel.json").exists() or (folder / "kernel.json").read_text() != text:
        part = folder / f"kernel.{os.getpid()}.part"  # another worker may be reading
        part.write_text(text)
        part.replace(folder / "kernel.json")
    return folder


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
    prepare()
    print(f"jail: {backend()}, system calls {'filtered' if seccomp.program() else 'not filtered'}")
    print("limits:", ", ".join(f"{name} {value}" for name, value in dataclasses.asdict(Limits()).items()))
    inside = run([sys.executable, "-c", "import helpers.metrics, os; print(os.getuid())"])
    if inside.returncode:
        raise JailError(f"jail: the course cannot be read inside ({inside.stderr.strip().splitlines()[-1]}); "
                        "is the course folder readable for all (chmod -R a+rX)?")
    for name, code in ESCAPES.items():
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
