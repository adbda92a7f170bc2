"""The inside of `grading.run.users`: what a parent of jails forks where it cannot make namespaces.

For each jail a keeper, as root, takes a user id that nobody has, lays out folders, starts what was asked for as that
user, and at its end, or when whoever asked has gone, ends all processes of that user and removes all that they wrote.
"""

import contextlib
import os
import select
import shutil
import signal
import stat
import time
from pathlib import Path

from grading.run import inside
from grading.run.limits import COURSE, LIBRARIES, SOCKETS, WORK, Limits

JAILS = f"{COURSE}/jails"
MARK = ".copy-for-jails"
USERS = range(61184, 65520)  # the ids that systemd keeps for users that come and go
READERS = 61183  # the group that may read helpers/ and the data
GROUPS = range(60600, 61183)  # a group for each library
_SUBREAPER, _DEATH, _DUMPABLE, _NO_NEW_RIGHTS = 36, 1, 4, 38


def begin(connection, files, asked, fonts):
    """Start the keeper of one jail; the parent waits for no more."""
    if os.fork() == 0:
        inside.finish(lambda: _keep(connection, files, asked, fonts))


def _keep(connection, files, asked, fonts):
    """The keeper of one jail, from its first step to its last."""
    limits, library = Limits(**asked["limits"]), asked.get("library")
    user = _new_user()
    root = f"{JAILS}/{user}"
    group = READERS if not library else os.stat(f"{LIBRARIES}/{library}").st_gid
    _lay_out(root, user, fonts, {path: file for path, file in files.items() if "/" in path})
    asked["environment"] = {name: root + value if value.startswith("/tmp/") else value
                            for name, value in asked["environment"].items()} | {"TMPDIR": f"{root}/tmp"}
    if library:
        asked["environment"]["PYTHONPATH"] = f"{LIBRARIES}/{library}"
    inside.libc().prctl(_SUBREAPER, 1, 0, 0, 0)
    keeper = os.getpid()
    child = os.fork()
    if child == 0:
        connection.close()
        inside.finish(lambda: _as_user(user, group, keeper, root, asked, limits, files))
    inside.close_all({0, 1, 2, *files.values()})
    connection.send(b"up %d" % user)
    status = _wait(connection, child)
    _end_all(user)
    shutil.rmtree(root, ignore_errors=True)
    _sweep(user)
    with contextlib.suppress(OSError):
        connection.send(b"%d" % status)


def processes(user):
    """The ids of the processes of a user, on the whole machine."""
    for pid in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError):
            if f"\nUid:\t{user}\t" in Path("/proc", pid, "status").read_text():
                yield int(pid)


def _new_user():
    """An id that no other jail has: its folder is made in one step."""
    for number in range(len(USERS)):
        user = USERS[(os.getpid() + number) % len(USERS)]
        with contextlib.suppress(FileExistsError):
            os.mkdir(f"{JAILS}/{user}", 0o711)
            return user
    raise OSError("no user id is free")


def _lay_out(root, user, fonts, given):
    for folder in ("/tmp/home", "/tmp/matplotlib", "/dev/shm", WORK, SOCKETS):
        os.makedirs(root + folder)
    for name, content in fonts.items():
        Path(f"{root}/tmp/matplotlib", name).write_bytes(content)
    for path, file in given.items():
        with open(os.dup(file), "rb") as source, open(root + path, "wb") as target:
            shutil.copyfileobj(source, target)
    for folder, _, names in os.walk(f"{root}/tmp"):
        for path in (folder, *(os.path.join(folder, name) for name in names)):
            os.chown(path, user, user)
    for folder in ("/tmp", "/dev/shm", WORK, SOCKETS):
        os.chown(root + folder, user, user)
        os.chmod(root + folder, 0o700)


def _as_user(user, group, keeper, root, asked, limits, files):
    libc = inside.libc()
    os.setgroups([])
    os.setresgid(group, group, group)
    os.setresuid(user, user, user)  # gives up every capability
    inside.check(libc.prctl(_NO_NEW_RIGHTS, 1, 0, 0, 0))
    libc.prctl(_DUMPABLE, 1, 0, 0, 0)  # its own /proc/self is readable
    libc.prctl(_DEATH, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != keeper:
        return 1
    return inside.child(asked, limits, files, root, network=False)


def _wait(connection, child):
    """The child's exit status, or that of a kill once whoever asked for the jail has gone."""
    watched = select.poll()
    watched.register(connection, select.POLLIN | select.POLLHUP)
    while not watched.poll(20):
        with contextlib.suppress(ChildProcessError):
            while (ended := os.waitpid(-1, os.WNOHANG))[0]:
                if ended[0] == child:
                    return os.waitstatus_to_exitcode(ended[1])
    return -signal.SIGKILL


def _end_all(user):
    """End every process of a user, however fast they fork."""
    for _ in range(200):
        if not list(processes(user)):
            return
        if (killer := os.fork()) == 0:
            with contextlib.suppress(OSError):
                os.setresuid(user, user, user)
                os.kill(-1, signal.SIGKILL)
            os._exit(0)
        os.waitpid(killer, 0)
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        time.sleep(0.005)


def _sweep(user):
    """Remove what a user left in folders in which everybody may write."""
    for place in ("/tmp", "/var/tmp", "/dev/shm", "/run/lock", "/dev/mqueue", "/run/screen", "/run/shm"):
        for folder, folders, names in os.walk(place, topdown=False):
            for name in (*folders, *names):
                path = os.path.join(folder, name)
                with contextlib.suppress(OSError):
                    found = os.lstat(path)
                    if found.st_uid == user:
                        (os.rmdir if stat.S_ISDIR(found.st_mode) else os.unlink)(path)
