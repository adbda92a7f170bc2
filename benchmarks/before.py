"""Commands at an earlier commit and at this one, in turn, on the same machine: seconds, memory, what they print.

    python -m benchmarks.before COMMIT "COMMAND"...       for example 7508064 "make course" "make check"

Each commit is cloned into a folder of its own and makes its own environment, so only what is committed counts. Paths in
a command must be absolute.
"""

import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from helpers.settings import ROOT

LINES = 9  # of what a command prints in the end


def main(commit=None, *commands):
    if not commands:
        print('left out: expected a commit and commands, as in python -m benchmarks.before 7508064 "make course"')
        return
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)  # a test of the jail starts Python as another user
        places = {}
        for kind, wanted in (("before", commit), ("now", "HEAD")):
            places[kind] = Path(folder, kind)
            for step in (["git", "clone", "--quiet", "--no-checkout", ROOT, kind],
                         ["git", "-C", kind, "checkout", "--quiet", wanted], ["make", "-C", kind, ".venv/ready"]):
                seconds, _, status, told = _run(step, folder)
                if status:
                    sys.exit(f"benchmarks.before: {' '.join(map(str, step))} ended with: {' '.join(told[-1:])}")
            print(f"{kind:6} {wanted}: environment ready after {seconds:.1f} s", flush=True)
        for command, kind in ((command, kind) for command in commands for kind in random.sample(list(places), 2)):
            seconds, memory, status, told = _run(["bash", "-c", command], places[kind])
            print(f"{kind:6} {command}: {seconds:.1f} s, {memory / 1e9:.2f} GB in its largest process, "
                  f"exit status {status}", *told[-LINES:], sep="\n       ", flush=True)


def _run(command, place):
    """Seconds, bytes of the largest process, exit status, and the lines that were printed."""
    start = time.perf_counter()
    environment = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
    run = subprocess.Popen(command, cwd=place, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                           text=True)
    lines = [line.rstrip() for line in run.stdout if line.strip()]
    _, status, usage = os.wait4(run.pid, 0)
    memory = usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)  # Linux counts in KiB, macOS in bytes
    return time.perf_counter() - start, memory, os.waitstatus_to_exitcode(status), lines


if __name__ == "__main__":
    main(*sys.argv[1:])
