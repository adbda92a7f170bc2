"""Attempts to read, write or reach what lies outside the jail."""
# ruff: noqa: F821, F841

from tests.attacks import cell


@cell()
def reads_what_is_not_its_own():
    import glob
    from pathlib import Path
    for path in (f"{ROOT}/solutions/01_setup/01_setup.ipynb", f"{ROOT}/grading/mark/judge.py", f"{ROOT}/gradebook.db",
                 f"{ROOT}/nbgrader_config.py", f"{COURSE}/gradebook.db", f"{COURSE}/submitted", f"{COURSE}/source",
                 "/etc/shadow", "/etc/hostname", f"{HOME}/.bashrc", "/var/log/dpkg.log"):
        attempt(lambda: Path(path).is_dir() and list(Path(path).iterdir())[0] or Path(path).read_bytes())
    for pattern in ("/home/*", "/mnt/*", f"{COURSE}/*", "/course/*/*.ipynb", "/*/gradebook.db"):
        attempt(lambda: glob.glob(pattern)[0])


@cell()
def reads_other_processes():
    import glob
    import os
    from pathlib import Path
    if len(glob.glob("/proc/[0-9]*")) > 20:
        print("BREACH: sees the processes outside")
    for path in glob.glob("/proc/[0-9]*/environ"):
        try:
            if "SECRET" in Path(path).read_text():
                print("BREACH: the grader's environment")
        except OSError:
            pass
    if "SECRET" in str(dict(os.environ)):
        print("BREACH: its own environment")
    attempt(os.listdir, f"/proc/1/root{COURSE}")


@cell()
def writes_to_the_course():
    import os
    import sys
    for folder in ("/course", "/course/helpers", "/course/data/shapes", sys.prefix, torch.__path__[0], ROOT, COURSE,
                   "/usr", "/usr/bin", "/etc", "/", "/root", "/home", "/var/tmp", "/run", "/dev", "/proc", "/opt"):
        if folder == ROOT and ROOT.startswith("/tmp/"):
            continue  # inside, that is in the jail's own /tmp
        attempt(open, f"{folder}/{MARK}", "w")
    attempt(open, "/course/helpers/settings.py", "a")
    attempt(os.remove, "/course/kernel.json")
    attempt(os.chmod, "/course/helpers", 0o777)
    attempt(os.rename, "/course/helpers", "/course/others")


@cell()
def reaches_the_network():
    import socket
    for address in (("1.1.1.1", 53), ("169.254.169.254", 80), ("127.0.0.1", PORT), ("localhost", PORT)):
        attempt(socket.create_connection, address, 1)
    attempt(socket.getaddrinfo, "example.org", 80)
    datagram = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    attempt(datagram.sendto, b"x", ("1.1.1.1", 53))


@cell()
def reaches_sockets_of_the_host():
    import os
    import socket
    import stat
    attempt(socket.socket(socket.AF_UNIX).connect, f"\0{MARK}-{PORT}")
    for folder, _, names in os.walk("/"):
        if folder.startswith(("/proc", "/ipc")):
            continue
        for name in names:
            if stat.S_ISSOCK(os.lstat(f"{folder}/{name}").st_mode):
                print("BREACH: a socket", folder, name)


@cell()
def opens_unusual_sockets():
    import socket
    for family, kind, protocol in ((40, 1, 0), (17, 3, 0), (38, 5, 0), (2, 3, 1), (16, 3, 9), (31, 5, 0), (29, 3, 1)):
        attempt(socket.socket, family, kind, protocol)


@cell()
def calls_the_kernel():
    import ctypes
    import os
    libc = ctypes.CDLL(None, use_errno=True)

    def call(number, *arguments):
        if libc.syscall(number, *arguments) < 0:
            raise OSError(ctypes.get_errno())
    # ptrace, mount, pivot_root, chroot, unshare, setns, keyctl, bpf, perf_event_open, userfaultfd, io_uring_setup
    if os.uname().machine == "x86_64":
        for number, *arguments in ((101, 16, 1, 0, 0), (165, b"none", b"/tmp", b"tmpfs", 0, 0), (155, b"/tmp", b"/"),
                                   (161, b"/tmp"), (272, 0x10000000), (272, 0x20000), (308, 3, 0),
                                   (250, 0, -3, 1), (321, 0, 0, 0), (298, 0, 0, -1, -1, 0), (323, 0),
                                   (425, 8, b"\0" * 200), (310, 1, 0, 0, 0, 0, 0), (0x40000000 + 39,)):
            attempt(call, number, *arguments)
    attempt(os.chroot, "/tmp")
    attempt(os.setuid, 0)
    attempt(os.setgroups, [0])
    attempt(os.sethostname if hasattr(os, "sethostname") else os.setuid, 0)


@cell()
def makes_a_namespace_of_its_own():
    import subprocess
    for flag in ("-U", "-m", "-n", "-p", "-i"):
        attempt(subprocess.run, ["unshare", flag, "true"], check=True, capture_output=True)


@cell()
def uses_programs_of_root():
    import os
    import subprocess
    for program in ("su", "mount", "newgrp", "passwd", "chsh", "sudo"):
        attempt(subprocess.run, [program, "-c", "id"], check=True, capture_output=True, stdin=subprocess.DEVNULL,
                timeout=5)
    if "NoNewPrivs:\t1" not in open("/proc/self/status").read() or os.geteuid() == 0:
        print("BREACH: may gain privileges")


@cell()
def opens_devices():
    import os
    import stat
    for path in ("/dev/sda", "/dev/vda", "/dev/kmsg", "/dev/mem", "/dev/kvm", "/dev/fuse", "/dev/net/tun"):
        attempt(open, path, "rb")
    attempt(os.mknod, f"/tmp/{MARK}", stat.S_IFBLK | 0o600, os.makedev(254, 0))
    for path in ("/proc/sysrq-trigger", "/proc/sys/kernel/core_pattern", "/proc/self/oom_score_adj_",
                 "/sys/kernel/uevent_helper", "/sys/fs/cgroup/release_agent"):
        attempt(open, path, "w")


@cell()
def types_into_the_terminal():
    import fcntl
    attempt(lambda: fcntl.ioctl(open("/dev/tty"), 0x5412, b"x"))


@cell()
def leaves_shared_memory():
    from multiprocessing import shared_memory
    shared_memory.SharedMemory(MARK, create=True, size=1_000_000)
    open(f"/dev/shm/{MARK}-too", "w").write("x")


@cell()
def leaves_a_startup_file():
    import os
    from pathlib import Path
    for folder in (Path.home() / ".ipython/profile_default/startup", Path.home() / ".jupyter", Path("/tmp")):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{MARK}.py").write_text("print('BREACH: a startup file of another submission')")
    Path("sitecustomize.py").write_text("print('BREACH')")
    os.environ["PYTHONSTARTUP"] = str(Path("sitecustomize.py").resolve())


@cell()
def finds_what_others_left():
    import os
    from pathlib import Path
    for folder in (Path.home(), Path("/tmp"), Path("/dev/shm"), Path.cwd()):
        for path in folder.rglob(f"*{MARK}*"):
            print("BREACH:", path)


@cell()
def swaps_the_sockets_for_links():
    import os
    for name in os.listdir("/ipc"):
        os.unlink(f"/ipc/{name}")
        os.symlink(f"{COURSE}/gradebook.db", f"/ipc/{name}")


@cell()
def swaps_folders_for_links():
    import os
    os.symlink("/", f"/tmp/{MARK}")
    os.symlink(f"{COURSE}/gradebook.db", "model.safetensors")
    attempt(os.rename, os.getcwd(), "/course/gone")
