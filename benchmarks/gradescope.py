"""What an autograder for Gradescope needs: its zip, and a right submission of each notebook in containers of two sizes.

The last row is right too, and has a cell that fills the memory. Run as root on Linux with control groups of version
1; the packages are those of this machine's environment.
"""

import contextlib
import json
import os
import tempfile
import threading
import time
from pathlib import Path

import nbformat

from helpers.settings import MODEL_FILE
from tests.support import autograder, golden
from tools import notebooks

GROUPS = Path("/sys/fs/cgroup")
SIZES = ((0.5, 768), (1, 1536))  # CPUs, MB: Gradescope's default, and the next one
HOARD = "hoard = []\nwhile True:\n    hoard.append(bytearray(10_000_000))"


def main():
    print(f"{'':16} {'CPUs':>5} {'MB':>5} {'seconds':>8} {'memory':>9}  points")
    for name, sizes, own in [*((name, SIZES, []) for name in notebooks.NAMES), ("01_setup", SIZES[:1], [HOARD])]:
        with tempfile.TemporaryDirectory() as folder:
            place = autograder.lay_out(_folder(folder, "autograder"), name)
            work = _folder(folder, "work")
            notebook = golden.submission(name)
            notebook.cells[1:1] = map(nbformat.v4.new_code_cell, own)
            nbformat.write(notebook, work / f"{name}.ipynb")
            if name == "05_evaluation":
                (work / MODEL_FILE).write_bytes(golden.model_file().read_bytes())
            for cpus, megabytes in sizes:
                start = time.monotonic()
                with group(cpus, megabytes) as (join, peak):
                    text, _ = autograder.run(place, work, preexec_fn=join)
                seconds = time.monotonic() - start
                told = json.loads(text)
                points = f"{told['score']:g} of {sum(each['max_score'] for each in told.get('tests', [])):g}"
                print(f"{name:16} {cpus:5} {megabytes:5} {seconds:8.0f} {peak() / 2**20:6.0f} MB  {points}", flush=True)
            size = (place / "autograder.zip").stat().st_size
    print(f"the zip: {size / 1e6:.1f} MB")


def _folder(*parts):
    Path(*parts).mkdir()
    return Path(*parts)


@contextlib.contextmanager
def group(cpus, megabytes):
    """A control group of this size: what a process calls to join it, and the most memory that all in it held.

    Counted is what is theirs (anonymous and shared memory), not what the system keeps of files.
    """
    places = [GROUPS / kind / f"gradescope-{os.getpid()}" for kind in ("memory", "cpu")]
    for place in places:
        place.mkdir()
    memory, cpu = places
    (memory / "memory.limit_in_bytes").write_text(str(megabytes * 2 ** 20))
    (cpu / "cpu.cfs_quota_us").write_text(str(int(cpus * 100_000)))
    most, ended = [0], threading.Event()

    def watch():
        while not ended.wait(0.1):
            stat = dict(line.split() for line in (memory / "memory.stat").read_text().splitlines())
            most[0] = max(most[0], int(stat["total_rss"]) + int(stat.get("total_shmem", 0)))
    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield lambda: [(place / "cgroup.procs").write_text(str(os.getpid())) for place in places], lambda: most[0]
    finally:
        ended.set()
        watcher.join()
        for place in places:
            for _ in range(100):
                with contextlib.suppress(OSError):
                    place.rmdir()
                    break
                time.sleep(0.1)
