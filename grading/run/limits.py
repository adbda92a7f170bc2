"""What a stranger's code may use, and where things lie in the jail."""

import contextlib
import dataclasses
import os
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
COURSE, WORK = "/course", "/course/work"  # inside
SOCKETS = "/ipc"  # inside; a symbolic link outside leads there
LIBRARIES = f"{COURSE}/libraries"  # inside: for each exercise what its room holds of the course (grading.mark.library)
MODEL_SIZE = 200_000_000  # bytes of a model file; the largest of the course, DeepLabV3 on ResNet-50, has 159 million


class JailError(RuntimeError):
    """There is no jail, or it does not hold; the message says in one line what to do."""


def last_line(text):
    """Why a program has ended: the last line of what it wrote."""
    return (text.strip().splitlines() or ["no reason given"])[-1]


@dataclasses.dataclass(frozen=True)
class Limits:
    """What one jail may use; bytes and seconds."""

    wall: float = 900  # of the clock on the wall
    cpu: int = 900  # of one process
    memory: int = 3 * 2 ** 30  # of all its processes together
    processes: int = 160  # threads count
    files: int = 1024  # open in one process
    file_size: int = 256 * 2 ** 20
    disk: int = 256 * 2 ** 20  # each of /tmp, /dev/shm and the working folder, in memory
    entries: int = 20_000  # files and folders in each of these
    output: int = 10 * 2 ** 20  # of one cell


# How a jail ends when a limit was passed: exit status to name and reason
EXCEEDED = {
    101: ("MemoryUp", "it used more memory than a submission may ({memory_gb:.1f} GB)"),
    102: ("TimeUp", "it took longer than it may ({wall:.0f} s)"),
    103: ("DiskFull", "it wrote more than a submission may ({disk_mb:.0f} MB, {entries} files)"),
}


def exceeded(status, limits):
    """(name, reason) of the limit that an exit status stands for, or None."""
    name, reason = EXCEEDED.get(status, (None, ""))
    return name and (name, reason.format(**dataclasses.asdict(limits), memory_gb=limits.memory / 2 ** 30,
                                         disk_mb=limits.disk / 2 ** 20))


def resources(limits):
    """Resource limits of a process inside, by the names of `resource`, without RLIMIT_."""
    # twice the memory: before a process is refused any, the whole jail is ended, with a reason
    return {"NPROC": limits.processes, "NOFILE": limits.files, "FSIZE": limits.file_size, "CPU": limits.cpu,
            "DATA": 2 * limits.memory, "CORE": 0, "MSGQUEUE": 0}


def breach(root, user, limits):
    """The limit, as one of `EXCEEDED`, that a jail is at or beyond, or None.

    `root` is where its files are seen from outside; `user` is the one that its processes run as, where it has no
    namespaces of its own, else None.
    """
    if _memory(Path(root, "proc") if user is None else Path("/proc"), user) > limits.memory:
        return 101
    for folder in ("/tmp", "/dev/shm", WORK):
        with contextlib.suppress(OSError):
            if _full(root + folder, limits) if user is None else _large(root + folder, limits):
                return 103
    return None


def _full(folder, limits):
    """Whether a file system of the jail's own is about to be full."""
    found = os.statvfs(folder)
    return found.f_files - found.f_ffree > 0.9 * limits.entries or found.f_bavail < 0.1 * found.f_blocks


def _large(folder, limits):
    """Whether a folder holds about as much as it may."""
    size = entries = 0
    for place, folders, names in os.walk(folder):
        entries += len(folders) + len(names)
        for name in names:
            with contextlib.suppress(OSError):
                size += 512 * os.lstat(os.path.join(place, name)).st_blocks
        if entries > 0.9 * limits.entries or size > 0.9 * limits.disk:
            return True
    return False


def _memory(processes, user):
    """Bytes that the processes listed there hold, of one user if given: their own, and what they share among them."""
    total = 0
    with contextlib.suppress(OSError):
        for child in filter(str.isdigit, os.listdir(processes)):
            with contextlib.suppress(OSError):
                status = Path(processes, child, "status").read_text()
                if user is None or f"\nUid:\t{user}\t" in status:
                    total += sum(1024 * int(line.split()[1]) for line in status.splitlines()
                                 if line.startswith(("RssAnon:", "RssShmem:")))
    return total
