"""Grading: the jail and judge beside plain nbgrader, one worker beside two, and what workers' deaths do."""

import contextlib
import os
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import nbformat
import psutil

from grading import cluster, shard
from helpers.settings import ROOT
from tests import classes, golden
from tools import notebooks

PLAIN = '''
c = get_config()
c.CourseDirectory.course_id = "segmentation-course"
c.IgnorePattern.enabled = True
c.IgnorePattern.pattern = r"(?s).*"
c.Execute.timeout = 600
'''
ROUNDS = 3
SUBMISSIONS = 200
KILLED = 60


def main():
    model = golden.model_file().read_bytes()
    beside_plain(model)
    everybody = classes.generated(SUBMISSIONS, seed=1, model=model)
    one, two = throughput(everybody[:SUBMISSIONS // 4], 1), throughput(everybody, 2)
    print(f"two workers / one     {two / one:.2f} x")
    deaths(classes.generated(KILLED, seed=2, model=model, only="01_setup"))


def beside_plain(model):
    """The five notebooks of a right submission: plain nbgrader, nbgrader with jail and judge, make grade."""
    seconds = {"plain": [], "jail and judge": []}
    for _ in range(ROUNDS):  # side by side, so that a busy machine is busy for both
        for kind in seconds:
            with tempfile.TemporaryDirectory() as folder:
                seconds[kind].append(_autograde(Path(folder), kind == "plain", model))
    tasks = [_task(name, golden.submission(name), model) for name in notebooks.NAMES]
    with cluster.connect(workers=1) as client:
        list(cluster.grade(client, [(task.key, task) for task in tasks]))  # the worker has imported what it needs
        start = time.perf_counter()
        rounds = [(f"{task.key}-{number}", task) for number in range(ROUNDS) for task in tasks]
        list(cluster.grade(client, rounds))
        seconds["make grade, 1 worker"] = [(time.perf_counter() - start) / ROUNDS]
    with cluster.connect(workers=2) as client:
        list(cluster.grade(client, [(f"{task.key}-warm", task) for task in tasks]))
        start = time.perf_counter()
        list(cluster.grade(client, [(f"{key}-two", task) for key, task in rounds]))
        seconds["make grade, 2 workers"] = [(time.perf_counter() - start) / ROUNDS]
    plain = statistics.median(seconds["plain"])
    print("five notebooks of a right submission, seconds (median) and ratio to plain nbgrader")
    for kind, values in seconds.items():
        print(f"  {kind:22} {statistics.median(values):6.1f} s   {statistics.median(values) / plain:5.2f}")


def _autograde(course, plain, model):
    """Seconds of the five `nbgrader autograde` commands."""
    for part in ("solutions", "helpers", "grading", "notebooks"):
        (course / part).symlink_to(ROOT / part)
    (course / "nbgrader_config.py").write_text(PLAIN if plain else (ROOT / "nbgrader_config.py").read_text())
    for name in notebooks.NAMES:
        folder = course / "submitted" / "student" / name
        folder.mkdir(parents=True)
        nbformat.write(golden.submission(name), folder / f"{name}.ipynb")
    (course / "submitted" / "student" / "05_evaluation" / "model.safetensors").write_bytes(model)
    environment = os.environ | {"COURSE_BUDGET": "short", "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT), "PATH":
                                f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    for name in notebooks.NAMES:
        subprocess.run([sys.executable, "-m", "nbgrader", "generate_assignment", name], cwd=course, env=environment,
                       check=True, capture_output=True)
    start = time.perf_counter()
    for name in notebooks.NAMES:
        subprocess.run([sys.executable, "-m", "nbgrader", "autograde", name], cwd=course, env=environment,
                       check=True, capture_output=True)
    return time.perf_counter() - start


def throughput(everybody, workers):
    """Grade a class, compare each mark with the expected one, print a line; submissions per minute."""
    with cluster.connect(workers=workers) as client, _peak_memory(client) as peak:
        start = time.perf_counter()
        marks = dict(_marks(client, everybody))
        seconds = time.perf_counter() - start
    wrong = [f"{each.label}: expected {each.expected}, found {marks[each.label]}" for each in everybody
             if marks[each.label] != each.expected]
    print(f"{len(everybody)} submissions, {workers} worker(s): {len(everybody) - len(wrong)} with the expected points, "
          f"{60 * len(everybody) / seconds:.1f} a minute, {peak[0] / 1e9:.2f} GB a worker at most")
    for line in wrong:
        print("   ", line)
    return 60 * len(everybody) / seconds


def deaths(everybody):
    """Kill a worker at random, twice; every submission is graded once, with the marks it gets undisturbed."""
    chance = random.Random(3)
    with cluster.connect(workers=2) as client:
        calm = dict(_marks(client, everybody))
    with cluster.connect(workers=2) as client:
        moments, marks = sorted(chance.sample(range(5, len(everybody) - 5), 2)), []
        for number, mark in enumerate(_marks(client, everybody)):
            marks.append(mark)
            if number in moments:
                os.kill(chance.choice(list(client.run(os.getpid).values())), signal.SIGKILL)
    same = sum(dict(marks)[label] == calm[label] for label in calm)
    print(f"{len(everybody)} submissions, a worker killed after {moments[0]} and {moments[1]} of them: "
          f"{len(marks)} results, {same} with the marks of an undisturbed run")


def _marks(client, everybody):
    labels = {}
    for each in everybody:
        task = _task(each.assignment, each.notebook, each.model)
        labels[f"{task.key}-{each.label}"] = each.label, task
    for key, result, _ in cluster.grade(client, [(key, task) for key, (_, task) in labels.items()]):
        yield labels[key][0], {f"test_{one['name']}": one["points"] for one in result["exercises"]}


def _task(name, notebook, model):
    data = notebook if isinstance(notebook, bytes) else nbformat.writes(notebook).encode()
    return shard.Task(name, data, model if name == "05_evaluation" else None, 0)


@contextlib.contextmanager
def _peak_memory(client):
    """Yields a list with the most that one worker and all that it started held at a time, in bytes."""
    peak, done = [0], threading.Event()
    pids = list(client.run(os.getpid).values())

    def watch():
        while not done.wait(0.5):
            for pid in pids:
                with contextlib.suppress(psutil.Error):
                    worker = psutil.Process(pid)
                    # shared pages are counted once, with the process that was there first
                    held = sum(process.memory_full_info().pss for process in
                               [worker, *worker.children(recursive=True)])
                    peak[0] = max(peak[0], held)
    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    yield peak
    done.set()
    thread.join()


if __name__ == "__main__":
    main()
