"""`make grade` as an instructor runs it: marks, a second run, bad input, workers that die."""

import contextlib
import csv
import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys

import nbformat
import pytest
from distributed import Client
from nbgrader.apps import NbGrader
from nbgrader.apps.api import NbGraderAPI
from nbgrader.coursedir import CourseDirectory

from grading import cluster, gradebook, shard
from helpers.settings import ROOT
from tests.support import golden
from tests.support.marks import everywhere
from tools import notebooks

pytestmark = [pytest.mark.usefixtures("bubblewrap"),
              pytest.mark.xdist_group("grade")]  # Dask is as wide as the machine: one of these at a time


def grade(submissions, output, *options, **environment):
    return subprocess.run([sys.executable, "-m", "grading.grade", str(submissions), "--output", str(output), *options],
                          cwd=ROOT, env=os.environ | environment, capture_output=True, text=True)


def marks(output):
    """What nbgrader's CSV says: (student, assignment) to score."""
    with (output / "grades.csv").open(newline="") as file:
        return {(row["student_id"], row["assignment"]): float(row["score"]) for row in csv.DictReader(file)}


@pytest.fixture(scope="module")
def graded(tmp_path_factory):
    """A small class, graded once: (submissions, output, expected marks, what was printed)."""
    folder, output = tmp_path_factory.mktemp("class"), tmp_path_factory.mktemp("grades")
    everybody = golden.small_class()
    chosen = {"right": ("01_setup", "05_evaluation"), "untouched": ("01_setup",), "first_wrong": ("01_setup",),
              "last_broken": ("04_training",), "no_model": ("05_evaluation",)}
    everybody = {student: {name: everybody[student][name] for name in names} for student, names in chosen.items()}
    expected = golden.write(folder, everybody, golden.model_file())
    (folder / "right" / "holiday.jpg").write_bytes(b"a picture")
    run = grade(folder, output)
    assert run.returncode == 0, run.stdout + run.stderr
    return folder, output, expected, run.stdout


def test_everybody_gets_the_marks_they_deserve(graded):
    _, output, expected, _ = graded
    found = marks(output)
    for student, handed_in in expected.items():
        for name, points in handed_in.items():
            assert found[student, name] == sum(points.values()), (student, name)
    with gradebook.Gradebook(gradebook.url(output / "gradebook.db"), gradebook.COURSE) as book:
        for student, handed_in in expected.items():
            for name, points in handed_in.items():
                grades = book.find_submission_notebook(name, name, student).grades
                assert {one.cell.name: one.score for one in grades} == points


def test_gradebook_table_report_and_feedback_say_the_same(graded):
    book, *others = everywhere(graded[1])
    assert len(book) == 6 and all(found == book for found in others)


def test_there_is_a_report_and_feedback_for_each_notebook(graded):
    _, output, expected, printed = graded
    assert "first_wrong" in (output / "report.html").read_text()
    pages = {path.relative_to(output / "feedback").as_posix() for path in (output / "feedback").glob("*/*/*.html")}
    assert pages == {f"{student}/{name}/{name}.html" for student, names in expected.items() for name in names}
    assert "6 notebooks of 5 students: 0 graded before, 6 to grade" in printed


def test_formgrader_finds_the_assignments_and_submissions_in_the_folder_of_grades(graded, monkeypatch):
    _, output, expected, _ = graded
    monkeypatch.chdir(output)
    formgrader = NbGrader()
    formgrader.load_config_file()
    api = NbGraderAPI(CourseDirectory(config=formgrader.config), config=formgrader.config)
    submitted = {one["name"]: one["num_submissions"] for one in api.get_assignments()}
    assert submitted == {name: sum(name in names for names in expected.values()) for name in notebooks.NAMES}


def test_what_collects_and_merges_has_no_need_of_pytorch():
    code = "import sys, grading.grade; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT).returncode == 0


def test_a_second_run_grades_only_what_is_new(graded):
    folder, output, *_ = graded
    with gradebook.Gradebook(gradebook.url(output / "gradebook.db"), gradebook.COURSE) as book:
        grade_of = book.find_grade("test_load_target", "01_setup", "01_setup", "untouched")
        grade_of.manual_score = 3  # an instructor's own mark
        book.db.commit()
    before = marks(output)
    late = folder / "too_late"
    late.mkdir()
    nbformat.write(golden.noisy("01_setup"), late / "01_setup.ipynb")
    run = grade(folder, output)
    assert run.returncode == 0 and "6 graded before, 1 to grade" in run.stdout, run.stdout + run.stderr
    assert marks(output) == before | {("too_late", "01_setup"): 20, ("untouched", "01_setup"): 3} | {
        ("too_late", name): 0 for name in notebooks.NAMES[1:]}


@pytest.mark.parametrize("prepare, says", [
    (lambda folder, output: None, "is empty"),
    (lambda folder, output: (folder / "notes.txt").write_text("no notebook"), "found none"),
    (lambda folder, output: folder.rmdir(), "There is no")], ids=["empty", "no notebook", "no folder"])
def test_submissions_that_are_none_are_one_line(prepare, says, tmp_path):
    folder, output = tmp_path / "in", tmp_path / "out"
    folder.mkdir()
    prepare(folder, output)
    run = grade(folder, output)
    assert run.returncode and says in run.stderr and "Traceback" not in run.stderr
    assert len(run.stderr.strip().splitlines()) == 1


def test_an_unreachable_scheduler_is_one_line(graded, tmp_path):
    run = grade(graded[0], tmp_path, "--scheduler", "tcp://127.0.0.1:9")
    assert run.returncode and "SCHEDULER" in run.stderr and "Traceback" not in run.stderr


def test_workers_without_the_course_are_one_line(graded, tmp_path):
    """As they are where somebody has started them in another folder."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    dask = [sys.executable, "-m", "dask"]
    quiet = {"cwd": tmp_path, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL,
             "env": {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}}
    with contextlib.ExitStack() as stack:
        for command in (["scheduler", "--host", "127.0.0.1", "--port", str(port), "--no-dashboard"],
                        ["worker", "--nthreads", "1", "--no-nanny", "--no-dashboard", f"tcp://127.0.0.1:{port}"]):
            process = stack.enter_context(subprocess.Popen([*dask, *command], **quiet))
            stack.callback(process.kill)
        with Client(f"tcp://127.0.0.1:{port}", timeout=120) as client:
            client.wait_for_workers(1, timeout=120)
        run = grade(graded[0], tmp_path / "out", "--scheduler", f"tcp://127.0.0.1:{port}")
    assert run.returncode and "start them in its folder" in run.stderr and "Traceback" not in run.stderr


def test_a_gradebook_that_is_locked_or_broken_is_one_line_and_nothing_is_lost(graded):
    folder, output, *_ = graded
    book = output / "gradebook.db"
    with sqlite3.connect(book) as connection:
        connection.execute("BEGIN EXCLUSIVE")
        run = grade(folder, output)
    assert run.returncode and "locked" in run.stderr and "Traceback" not in run.stderr
    whole = book.read_bytes()
    book.write_bytes(b"this was a gradebook once" * 100)
    run = grade(folder, output)
    assert run.returncode and "move it away" in run.stderr and "Traceback" not in run.stderr
    book.write_bytes(whole)
    assert grade(folder, output).returncode == 0


def test_no_jail_no_grading(graded, tmp_path):
    empty = tmp_path / "bin"
    empty.mkdir()
    run = grade(graded[0], tmp_path / "out", PATH=str(empty))
    assert run.returncode and "bubblewrap" in run.stderr and not (tmp_path / "out" / "results").exists()


def test_workers_that_are_killed_cost_nobody_a_mark():
    notebook = nbformat.writes(golden.submission("01_setup")).encode()
    untouched = nbformat.writes(golden.submission("01_setup", filled=False)).encode()
    tasks = {f"kill-{number}": (shard.Task("01_setup", untouched if number % 3 == 0 else notebook, None, 0))
             for number in range(9)}
    found = []
    with cluster.connect(workers=2) as client:
        for number, (key, result, _) in enumerate(cluster.grade(client, tasks.items())):
            found.append((key, result["score"], result["problem"]))
            if number in (1, 4):
                os.kill(next(iter(client.run(os.getpid).values())), signal.SIGKILL)
    assert sorted(key for key, *_ in found) == sorted(tasks)
    assert all(score == (0 if int(key[5:]) % 3 == 0 else 20) and not problem for key, score, problem in found), found


def test_a_result_says_what_happened_to_each_exercise(graded):
    _, output, *_ = graded
    results = [json.loads(path.read_text()) for path in (output / "results").glob("*.json")]
    outcomes = {each["outcome"] for result in results for each in result["exercises"]}
    assert {"right", "not_attempted", "wrong"} <= outcomes
    wrong = [each for result in results for each in result["exercises"] if each["outcome"] == "wrong"]
    assert all(each["reason"] for each in wrong)
