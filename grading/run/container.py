"""The jail where there is no bubblewrap: a Docker container for each kernel, with the same limits.

The container has no network at all, so the kernel's five ports cannot be published: each connection of
the grader to one of them is carried over the standard streams of a `docker exec`. The image holds what
requirements.txt names and is built on first use.
"""

import contextlib
import json
import os
import socket
import subprocess
import sys
import threading
import uuid

from grading.run import jail

IMAGE = "segmentation-course-jail"
_RECIPE = f"""\
FROM python:{sys.version_info.major}.{sys.version_info.minor}-slim
COPY requirements.txt /
RUN pip install --no-cache-dir -r /requirements.txt
"""
# Runs inside: carries its standard streams to a port of the container's loopback
_RELAY = """\
import os, socket, sys, threading
s = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
def up():
    while data := os.read(0, 65536):
        s.sendall(data)
    s.shutdown(socket.SHUT_WR)
threading.Thread(target=up, daemon=True).start()
while data := s.recv(65536):
    os.write(1, data)
"""


def build():
    """Build the image unless it is there; raises JailError if that fails."""
    if subprocess.run(["docker", "image", "inspect", IMAGE], capture_output=True).returncode == 0:
        return
    built = subprocess.run(["docker", "build", "--tag", IMAGE, "--file", "-", str(jail.ROOT)], input=_RECIPE.encode(),
                           capture_output=True)
    if built.returncode:
        raise jail.JailError(f"jail: docker build failed: {built.stderr.decode(errors='replace').strip()[-300:]}")


def command(argv, read_only=(), limits=jail.Limits(), name=None):
    """The `docker run` around `argv`; `read_only` are (outside, inside) pairs."""
    environment = jail.environment() | {"PATH": "/usr/local/bin:/usr/bin:/bin"}
    disk = f"rw,nosuid,nodev,size={limits.disk},nr_inodes={limits.entries},mode=1777"
    binds = [(jail.ROOT / "helpers", f"{jail.COURSE}/helpers"), *jail.course_files(), *read_only]
    return ["docker", "run", "--rm", "--init", "--name", name or f"course-{uuid.uuid4().hex}", "--network", "none",
            "--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges", "--user", "65534:65534",
            "--pids-limit", str(limits.processes), "--memory", str(limits.memory), "--memory-swap", str(limits.memory),
            "--ipc", "private", "--shm-size", str(limits.disk), "--hostname", "jail", "--workdir", jail.WORK,
            "--ulimit", f"cpu={limits.cpu}", "--ulimit", f"fsize={limits.file_size}", "--ulimit", "core=0",
            "--ulimit", f"nofile={limits.files}", "--tmpfs", f"/tmp:{disk}", "--tmpfs", f"{jail.WORK}:{disk}",
            *[word for outside, inside in binds
              for word in ("--mount", f"type=bind,source={outside},target={inside},readonly")],
            *[word for pair in environment.items() for word in ("--env", "=".join(pair))],
            IMAGE, *argv]


def start(argv, read_only=(), limits=jail.Limits()):
    """As `jail.start`, with pipes: a Popen. The interpreter's name outside stands for the one inside."""
    build()
    argv = ["python" if word == sys.executable else word for word in argv]
    return _Container(command(argv, read_only, limits, name := f"course-{uuid.uuid4().hex}"), name,
                      stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


class _Container(subprocess.Popen):
    def __init__(self, argv, name, **popen):
        super().__init__(argv, **popen)
        self.name = name

    def kill(self):
        subprocess.run(["docker", "kill", self.name], capture_output=True)
        super().kill()


def launch(connection, folder, model, limits):
    """A kernel in a container and a relay for each of its ports; returns its exit status."""
    ports = [connection[f"{name}_port"] for name in ("shell", "iopub", "stdin", "hb", "control")]
    (folder / "inside.json").write_text(json.dumps(connection | {"ip": "127.0.0.1"}))
    (folder / "inside.json").chmod(0o644)
    binds = [(folder / "inside.json", f"{jail.COURSE}/kernel.json")]
    if model:
        binds.append((model, f"{jail.COURSE}/{jail.MODEL}"))
    kernel = start([sys.executable, "-c", _LINK, f"{jail.COURSE}/kernel.json"], binds, limits)
    for stream in (kernel.stdout, kernel.stderr):
        jail.Drain(stream, 4000)
    for port in ports:
        threading.Thread(target=_listen, args=(port, kernel.name), daemon=True).start()
    return jail.watch(kernel, limits)


# The model file stands beside the notebook: a mount inside a memory file system would need it to exist first
_LINK = """\
import os, sys
if os.path.exists("/course/model.safetensors"):
    os.symlink("/course/model.safetensors", "model.safetensors")
sys.path[0] = ""
from ipykernel import kernelapp
kernelapp.launch_new_instance(argv=["--HistoryManager.hist_file=:memory:", "-f", sys.argv[1]])
"""


def _listen(port, name):
    with socket.create_server(("127.0.0.1", port)) as server:
        while True:
            connection, _ = server.accept()
            threading.Thread(target=_carry, args=(connection, port, name), daemon=True).start()


def _carry(connection, port, name):
    """Carry one connection; ZeroMQ tries again where the kernel does not listen yet."""
    relay = subprocess.Popen(["docker", "exec", "--interactive", name, "python", "-c", _RELAY, str(port)],
                             stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)

    def back():
        with contextlib.suppress(OSError):
            while data := os.read(relay.stdout.fileno(), 65536):
                connection.sendall(data)
        with contextlib.suppress(OSError):
            connection.shutdown(socket.SHUT_RDWR)
    threading.Thread(target=back, daemon=True).start()
    with contextlib.suppress(OSError):
        while data := connection.recv(65536):
            relay.stdin.write(data)
            relay.stdin.flush()
    relay.kill()
    relay.wait()
    connection.close()
