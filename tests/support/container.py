"""A root of its own, as a container without privileges has it: to run there what others' machines would run.

    python -m tests.support.container tests/attacks/test_attacks.py -k quick      pytest in it, behind the second wall

bubblewrap makes it, as root: namespaces, Docker's default capabilities, and no way to make namespaces within. A copy
of the interpreter and the environment are all that it shares with the machine.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from grading.run import bubblewrap, library, seccomp
from helpers.settings import ROOT
from tests.support.copies import copy_of_the_course

# What Docker leaves to root in a container: no CAP_SYS_ADMIN, so no mounts
CAPABILITIES = ("CHOWN DAC_OVERRIDE FOWNER FSETID KILL SETGID SETUID SETPCAP NET_BIND_SERVICE NET_RAW SYS_CHROOT MKNOD "
                "AUDIT_WRITE SETFCAP").split()


def command(argv, binds=(), folders=(), filter=None, chdir="/"):
    """The command line; `binds` are (outside, inside) that can be written, `folders` are made in memory."""
    parents = [str(path) for place in ("/opt/course", sys.base_prefix) for path in reversed(Path(place).parents)]
    line = ["bwrap", "--die-with-parent", "--unshare-pid", "--unshare-net", "--unshare-ipc", "--unshare-uts",
            "--hostname", "container", "--ro-bind", "/usr", "/usr", "--ro-bind", "/etc", "/etc", "--proc", "/proc",
            "--dev", "/dev", "--perms", "1777", "--tmpfs", "/dev/shm", "--perms", "1777", "--tmpfs", "/tmp",
            *(word for path in parents if path != "/" for word in ("--perms", "0755", "--dir", path)),
            "--ro-bind", sys.prefix, "/opt/course", "--ro-bind", sys.base_prefix, sys.base_prefix,
            "--cap-drop", "ALL"]
    line += [word for name in CAPABILITIES for word in ("--cap-add", f"CAP_{name}")]
    for path in (Path("/", name) for name in ("bin", "lib", "lib32", "lib64", "sbin")):
        if path.is_symlink():
            line += ["--symlink", str(path.readlink()), str(path)]
        elif path.is_dir():
            line += ["--ro-bind", str(path), str(path)]
    line += [word for folder in folders for word in ("--dir", folder)]
    line += [word for outside, inside in binds for word in ("--bind", str(outside), inside)]
    line += ["--seccomp", str(filter)] if filter is not None else []
    return [*line, "--chdir", chdir, "--setenv", "PATH", "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin", *argv]


def run(argv, binds=(), folders=(), chdir="/", **options):
    """Run a command in it: a CompletedProcess with text."""
    with tempfile.TemporaryFile() as program:
        program.write(seccomp.program())  # as strict as Docker's: nothing that makes namespaces or mounts
        program.seek(0)
        return subprocess.run(command(argv, binds, folders, program.fileno(), chdir), text=True, capture_output=True,
                              pass_fds=[program.fileno()], **options)


def main(*options):
    with tempfile.TemporaryDirectory() as folder:
        copy = copy_of_the_course(Path(folder))
        bubblewrap.prepare()
        library.folder()
        for made in ("data/shapes", "build/jail", "build/libraries"):
            shutil.copytree(ROOT / made, copy / made)
        (copy / "second_wall.py").write_text("from grading.run import jail\njail.alone()\n")
        done = run(["/opt/course/bin/python", "-m", "pytest", "-p", "second_wall", "-p", "no:cacheprovider", *options],
                   [(copy, "/repo")], chdir="/repo", env=os.environ | {"PYTHONPATH": "/repo"})
    print(done.stdout, done.stderr)
    return done.returncode


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
