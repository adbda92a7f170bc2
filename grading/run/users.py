"""The wall of a container: each jail is a user of the system that nobody else is, where there are no namespaces.

Weaker than bubblewrap, and only for a container in which one submission is graded and which is thrown away: a jail
reads what is readable for all there, and sees that other processes exist. It has no network, no rights, its own
folders, and the limits and the system call filter of every jail. Which parts of the course it can read is a
matter of groups: a room its own library alone, a kernel and the judge `helpers/` and the data.
`grading.run.apart` is the inside.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from grading.run import bubblewrap
from grading.run.apart import GROUPS, JAILS, MARK, READERS
from grading.run.limits import COURSE, LIBRARIES, ROOT, JailError


def missing():
    """Why jails cannot be users here, in a few words, or None."""
    if os.geteuid() != 0:
        return "not root"
    try:
        tried = subprocess.run(["cat", "/proc/1/environ"], user=GROUPS[0], group=GROUPS[0], extra_groups=[],
                               capture_output=True)
    except (OSError, subprocess.SubprocessError) as error:
        return f"root may not become another user: {error}"
    return None if tried.returncode else "another user reads what is root's"


def command(argv, libraries):
    """The command line and the environment of the parent of all jails, once the course is laid out for them."""
    lay_out(libraries)
    here = {name: f"{COURSE}/matplotlib" if name == "MPLCONFIGDIR" else value
            for name, value in bubblewrap.environment().items()}
    return argv, here


def lay_out(libraries):
    """A copy of the course in /course, each part of it readable for those who may; the original is closed to all."""
    place = Path(COURSE)
    if place.exists() and not (place / MARK).exists():
        raise JailError(f"jail: expected to be alone in a container, found a folder {COURSE} that is somebody's")
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(mode=0o755)
    (place / MARK).touch()
    for name in (*bubblewrap.GRADING, "run/apart.py"):
        target = place / "grading" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / "grading" / name, target)
    for outside, inside in ((ROOT / "helpers", f"{COURSE}/helpers"), *bubblewrap.course_files()):
        inside = inside.replace("/tmp/matplotlib", f"{COURSE}/matplotlib")
        Path(inside).parent.mkdir(parents=True, exist_ok=True)
        (shutil.copytree if Path(outside).is_dir() else shutil.copyfile)(outside, inside)
    shutil.copytree(libraries, LIBRARIES)
    for path in (place, *place.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)
    for name in ("helpers", "data", "weights"):
        if (place / name).exists():
            _only_for(place / name, READERS)
    for group, library in zip(GROUPS, sorted(path for path in Path(LIBRARIES).iterdir() if path.is_dir())):
        _only_for(library, group)
    Path(JAILS).mkdir(mode=0o711)
    for path in ROOT.iterdir():
        if not Path(sys.prefix).is_relative_to(path) and not path.is_symlink():
            path.chmod(path.stat().st_mode & 0o770)


def _only_for(folder, group):
    os.chown(folder, 0, group)
    folder.chmod(0o750)
