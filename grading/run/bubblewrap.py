"""The bubblewrap around the parent of all jails: what is to be seen inside, and with which environment."""

import compileall
import os
import shutil
import subprocess
import sys
from pathlib import Path

from grading.run.limits import COURSE, LIBRARIES, ROOT, SOCKETS, WORK, JailError, Limits, last_line
from helpers import settings

PREPARED = ROOT / "build" / "jail"
# All of grading/ that the parent needs; what judges is there for its own forks, and imported by them alone
GRADING = ("__init__.py", "run/__init__.py", "run/limits.py", "run/seccomp.py", "run/inside.py", "run/room.py",
            "run/channel.py", "mark/__init__.py", "mark/judge.py")
_WRITABLE = ("/tmp/", f"{WORK}/")
# 61184 to 65519 are the ids that systemd keeps for users that come and go
_UIDS = range(61184, 65520)


def prepare():
    """Make what each jail reads and must not write: compiled modules, the data set, matplotlib's list of fonts."""
    compileall.compile_dir(ROOT / "helpers", quiet=2)  # where it cannot, each kernel does so again, in 0.2 s
    if not (ROOT / "data" / "shapes" / "VOCdevkit").exists() or not list(PREPARED.glob("fontlist-*.json")):
        PREPARED.mkdir(parents=True, exist_ok=True)
        code = ("import matplotlib.font_manager; from helpers import shapes, settings; "
                "shapes.write(settings.ROOT / 'data' / 'shapes')")
        environment = {"MPLCONFIGDIR": str(PREPARED), "PYTHONPATH": str(ROOT)}
        made = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
        if made.returncode:
            raise JailError(f"jail: preparing data and fonts failed: {last_line(made.stderr)}")


def missing():
    """Why there are no namespaces here, with the cure, or None."""
    if sys.platform != "linux" or not shutil.which("bwrap"):
        return ("expected Linux with bubblewrap (apt install bubblewrap, dnf install bubblewrap), found none; "
                "on macOS or Windows, grade in a Linux virtual machine or a devcontainer")
    tried = subprocess.run(command(["true"]), capture_output=True, text=True, stdin=subprocess.DEVNULL)
    return (f"bubblewrap is installed, but the system forbids it ({last_line(tried.stderr)}); allow user namespaces: "
            "sysctl kernel.apparmor_restrict_unprivileged_userns=0 (Ubuntu 24.04) or "
            "kernel.unprivileged_userns_clone=1 (Debian), or in a container --privileged") if tried.returncode else None


def command(argv, libraries=None, limits=Limits()):
    """The command line around `argv`, which may make namespaces within.

    Inside there is nothing but the interpreter, the environment, `helpers/`, the data set and `libraries`, all
    read-only; what is written goes to memory. As root, a first bubblewrap lays out the files and gives up root for a
    user id that nobody has; the rest is the same as for an ordinary user.
    """
    binds = [("/usr", "/usr"), ("/etc/ld.so.cache", "/etc/ld.so.cache"), ("/etc/alternatives", "/etc/alternatives"),
             ("/etc/localtime", "/etc/localtime"), ("/sys/devices/system/cpu", "/sys/devices/system/cpu"),
             ("/sys/kernel/mm/transparent_hugepage",) * 2,
             *[(path, path) for path in {sys.prefix, sys.base_prefix} if path != "/usr"]]
    binds = [(outside, inside) for outside, inside in binds if os.path.exists(outside)]
    binds += [(str(ROOT / "helpers"), f"{COURSE}/helpers"), *course_files(),
              *[(str(ROOT / "grading" / name), f"{COURSE}/grading/{name}") for name in GRADING]]
    binds += [(str(libraries), LIBRARIES)] if libraries else []
    late = [bind for bind in binds if bind[1].startswith(_WRITABLE)]  # bound over the memory file system they lie in
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
    disk = str(limits.disk)
    inner = ["--unshare-all", "--unshare-user", "--uid", "1000", "--gid", "1000", "--hostname", "jail",
             "--new-session", "--die-with-parent", "--cap-drop", "ALL", "--proc", "/proc", "--dev", "/dev",
             "--perms", "1777", "--size", disk, "--tmpfs", "/dev/shm", "--size", disk, "--tmpfs", "/tmp",
             "--dir", "/tmp/home", "--size", disk, "--tmpfs", WORK, "--size", "1048576", "--tmpfs", SOCKETS]
    for number, (outside, inside) in enumerate(late):
        inner += ["--ro-bind", f"/late/{number}" if root else outside, inside]
    inner += ["--remount-ro", "/dev", "--remount-ro", "/", "--chdir", WORK, "--", *argv]
    program = shutil.which("bwrap")
    if not root:
        return [program, *view, *inner]
    for number, (outside, _) in enumerate(late):
        view += ["--ro-bind", outside, f"/late/{number}"]
    nobody = str(_UIDS[os.getpid() % len(_UIDS)])
    return [program, "--die-with-parent", "--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID",
            "--dir", "/late", *view,
            "--dev-bind", "/proc", "/proc", "--dev-bind", "/dev", "/dev", "--",
            "setpriv", "--reuid", nobody, "--regid", nobody, "--clear-groups", "--inh-caps=-all",
            program, "--bind", "/", "/", *inner]


def environment():
    """All that the jail's environment holds: nothing is inherited but the course's own settings."""
    environment = {"OMP_NUM_THREADS": "1"} | settings.handed_down()
    weights = dict([("COURSE_WEIGHTS", inside) for _, inside in _weights()])
    return environment | weights | {
        "HOME": "/tmp/home", "COURSE_GRADING": "1", "COURSE_OUTPUT": "/tmp/output", "PYTHONPATH": COURSE,
        "PATH": f"{sys.prefix}/bin:/usr/local/bin:/usr/bin:/bin", "LANG": "C.UTF-8", "USER": "student",
        "MPLCONFIGDIR": "/tmp/matplotlib", "MPLBACKEND": "agg", "PYTHONDONTWRITEBYTECODE": "1",
        "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": environment["OMP_NUM_THREADS"]}


def _weights():
    path = settings.weights()
    return [(str(path.resolve()), f"{COURSE}/weights/{path.name}")] if path else []


def course_files():
    """(outside, inside) of data sets, fonts and weights; raises JailError without data.

    Notebooks always run on shapes. Pascal VOC, where there is DATASET=voc, is there for model files alone.
    """
    data = {"shapes": ROOT / "data" / "shapes"}
    if settings.dataset() != "shapes":
        data[settings.dataset()] = settings.data_root().resolve()
    for place in data.values():
        if not (place / "VOCdevkit").is_dir():
            raise JailError(f"jail: expected VOCdevkit/ in {place}, found none; set DATA_ROOT to its folder")
    fonts = [(str(font), f"/tmp/matplotlib/{font.name}") for font in PREPARED.glob("fontlist-*.json")]
    return [*((str(place), f"{COURSE}/data/{name}") for name, place in data.items()), *fonts, *_weights()]
