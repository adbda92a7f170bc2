"""Grading: the jail and judge beside plain nbgrader, one worker beside two, and what workers' deaths do."""

import collections
import contextlib
import os
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import nbformat
import psutil

from grading import cluster, gradebook, shard
from grading.intake import ingest
from helpers.settings import MODEL_FILE, ROOT
from tests.support import classes, golden
from tools import notebooks

PLAIN = '''
c = get_config()
c.CourseDirectory.course_id = "segmentation-course"
c.CourseDirectory.source_directory = "solutions"
c.IgnorePattern.enabled = True
c.IgnorePattern.pattern = r"(?s).*"
c.Execute.timeout = 600
'''
ROUNDS = 3
SUBMISSIONS = 200
KILLED = 60


def main():
    model = golden.model_file()
    beside_plain(model.read_bytes())
    everybody = classes.generated(SUBMISSIONS, seed=1)
    one, two = (throughput(everybody, model, workers) for workers in (1, 2))
    print(f"two workers / one     {two / one:.2f} x")
    deaths(classes.generated(KILLED, seed=2, only="01_setup"), model)


def beside_plain(model):
    """The five notebooks of a right submission: plain nbgrader, nbgrader with jail and judge, make grade."""
    seconds = {"plain": [], "jail and judge, cold": []}
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
    for part in ("solutions", "helpers", "grading"):
        (course / part).symlink_to(ROOT / part)
    (course / "nbgrader_config.py").write_text(PLAIN if plain else (ROOT / "nbgrader_config.py").read_text())
    for name in notebooks.NAMES:
        folder = course / "submitted" / "student" / name
        folder.mkdir(parents=True)
        nbformat.write(golden.submission(name), folder / f"{name}.ipynb")
    (course / "submitted" / "student" / "05_evaluation" / MODEL_FILE).write_bytes(model)
    environment = os.environ | {"COURSE_GRADING": "1", "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT), "PATH":
                                f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    for name in notebooks.NAMES:
        subprocess.run([sys.executable, "-m", "nbgrader", "generate_assignment", name], cwd=course, env=environment,
                       check=True, capture_output=True)
    start = time.perf_counter()
    for name in notebooks.NAMES:
        subprocess.run([sys.executable, "-m", "nbgrader", "autograde", name], cwd=course, env=environment,
                       check=True, capture_output=True)
    return time.perf_counter() - start


def throughput(everybody, model, workers):
    """`make grade` on a class, from its folder to the report; each mark compared; submissions per minute."""
    with tempfile.TemporaryDirectory() as folder:
        classes.write(Path(folder, "class"), everybody, model)
        start = time.perf_counter()
        run = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "grading.grade",
                f"{folder}/class",
                "--output",
                f"{folder}/grades",
                "--workers",
                str(workers),
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        peak = _most_memory(run)
        seconds = time.perf_counter() - start
        marks = _marks(Path(folder, "grades"))
    wrong = [each for each in everybody if marks.get(each.student) != each.expected]
    kinds = collections.Counter(each.about.partition(":")[0] for each in everybody)
    print(f"{len(everybody)} submissions ({', '.join(f'{count} {kind}' for kind, count in kinds.items())}), "
          f"{workers} worker(s): {len(everybody) - len(wrong)} with the expected points, {seconds:.0f} s, "
          f"{60 * len(everybody) / seconds:.1f} a minute, at most {peak / 1e9:.2f} GB a worker")
    for each in wrong:
        print(f"    {each.student} {each.assignment} {each.about}: expected {each.expected}, found "
              f"{marks.get(each.student)}")
    return 60 * len(everybody) / seconds


def deaths(everybody, model):
    """Kill a worker at random, twice; every submission is graded once, with the marks it gets undisturbed."""
    chance = random.Random(3)
    with tempfile.TemporaryDirectory() as folder:
        classes.write(Path(folder, "class"), everybody, model)
        taken_in = ingest.ingest(Path(folder, "class"), Path(folder, "grades")).submissions
        tasks = {each.student: shard.Task(each.assignment, each.notebook.read_bytes(), None, 0) for each in taken_in}
    with cluster.connect(workers=2) as client:
        calm = {key: result["score"] for key, result, _ in cluster.grade(client, tasks.items())}
    moments, found = sorted(chance.sample(range(5, len(everybody) - 5), 2)), []
    with cluster.connect(workers=2) as client:
        for number, (key, result, _) in enumerate(cluster.grade(client, tasks.items())):
            found.append((key, result["score"]))
            if number in moments:
                os.kill(chance.choice(list(client.run(os.getpid).values())), signal.SIGKILL)
    same = sum(score == calm[key] for key, score in found)
    print(f"{len(tasks)} submissions, a worker killed after {moments[0]} and after {moments[1]} of them: {len(found)} "
          f"results of {len(dict(found))} submissions, {same} with the marks of an undisturbed run")


def _marks(grades):
    """Student to points by grade id."""
    return {student: {f"test_{exercise}": points for exercise, points in mark.points.items()}
            for (student, _), mark in gradebook.marks(grades / "gradebook.db").items()}


def _task(name, notebook, model):
    return shard.Task(name, nbformat.writes(notebook).encode(), model if name == "05_evaluation" else None, 0)


def _most_memory(run):
    """Bytes that one worker and all that it started held at most, until `run` ends."""
    most = 0
    while run.poll() is None:
        time.sleep(0.5)
        with contextlib.suppress(psutil.Error):
            for worker in psutil.Process(run.pid).children(recursive=True):
                with contextlib.suppress(psutil.Error):
                    if "spawn_main" in " ".join(worker.cmdline()):  # Dask's way to start a worker
                        family = [worker, *worker.children(recursive=True)]
                        # shared pages count in parts, so that they count once
                        most = max(most, sum(process.memory_full_info().pss for process in family))
    return most


if __name__ == "__main__":
    main()
