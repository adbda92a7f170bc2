"""One submission by one call: the result as JSON, whatever was handed in and however the run ends."""

import json
import os
import signal
import subprocess
import sys

import nbformat
import pytest

from grading import course, one, shard
from grading.intake import ingest
from helpers.settings import ROOT
from tests.support import golden

pytestmark = pytest.mark.usefixtures("bubblewrap")
COMMAND = [sys.executable, "-m", "grading.one"]


@pytest.fixture(scope="module")
def handed_in(tmp_path_factory):
    """A folder as students leave theirs: a notebook of any name in a folder of any name, and other files."""
    folder = tmp_path_factory.mktemp("ada")
    (folder / "my work").mkdir()
    nbformat.write(golden.wrong("01_setup", "load_target"), folder / "my work" / "homework (2).ipynb")
    (folder / "holiday.jpg").write_bytes(b"a picture")
    (folder / "essay.ipynb").write_text("no notebook")
    return folder


@pytest.fixture(scope="module")
def told(handed_in):
    """(result, what was told before it, each a copy)."""
    said = []
    result = one.grade(handed_in, lambda result, line: said.append((json.loads(json.dumps(result)), line)))
    return result, said


def exercises(result):
    return {each["name"]: each for notebook in result["notebooks"] for each in notebook["exercises"]}


def test_the_result_says_what_each_exercise_earned_and_why(told):
    result, _ = told
    assert (result["finished"], result["error"], result["wall"]) == (True, None, "bubblewrap")
    assert (result["score"], result["max_score"]) == (12, 20)
    found = exercises(result)
    assert {name: each["points"] for name, each in found.items()} == {
        "choose_device": 4, "load_target": 0, "count_pixels": 8}
    wrong = found["load_target"]
    assert wrong["title"] == "1.2 Load a mask" and wrong["max_points"] == 8
    assert (wrong["outcome"], wrong["misconception"]) == ("wrong", "wrong_type") and "a str" in wrong["sentence"]
    assert [each["file"] for each in result["problems"]] == ["essay.ipynb"]
    assert json.loads(json.dumps(result)) == result


def test_make_grade_and_one_call_say_the_same(told, handed_in):
    """The one call that both make; of the result only the telling is another."""
    notebook = nbformat.writes(golden.wrong("01_setup", "load_target")).encode()
    graded, text = shard.grade(shard.Task("01_setup", notebook))
    assert text and [(each["name"], each["points"], each["outcome"], each["misconception"])
                     for each in graded["exercises"]] == [
        (each["name"], each["points"], each["outcome"], each["misconception"]) for each in exercises(told[0]).values()]


def test_the_result_so_far_is_told_after_each_exercise(told):
    scores = [result["score"] for result, _ in told[1]]
    assert scores == sorted(scores) and {0, 4, 12} <= set(scores)
    lines = [line for _, line in told[1] if line]
    assert lines[0] == "1 to grade: 01_setup" and lines[1] == "1.1 Choose the device: 4 of 4 points."
    assert lines[2] == "1.3 Count pixels per class: 8 of 8 points."
    assert lines[3].startswith("1.2 Load a mask: 0 of 8 points. load_target returned a str")  # in the check's words
    first = next(result for result, line in told[1] if line == lines[1])
    assert not first["finished"] and exercises(first)["count_pixels"]["sentence"] == one.WAITING


def test_a_run_that_is_killed_has_left_what_it_knew(handed_in, tmp_path):
    output = tmp_path / "result.json"
    with subprocess.Popen([*COMMAND, str(handed_in), "--output", str(output)], cwd=ROOT, stderr=subprocess.PIPE,
                          text=True) as run:
        while line := run.stderr.readline():
            if line.startswith("1.1"):
                run.send_signal(signal.SIGKILL)
                break
    left = json.loads(output.read_text())
    assert (left["finished"], left["score"], left["max_score"]) == (False, 4, 20)
    assert exercises(left)["count_pixels"]["outcome"] == "not_run"


@pytest.mark.parametrize("options, signal_, says", [
    (("--seconds", "0.5"), None, "it took longer than it may (0.5 s)"), ((), signal.SIGTERM, "stopped from outside")])
def test_a_run_that_is_stopped_says_so(options, signal_, says, handed_in, tmp_path):
    output = tmp_path / "result.json"
    with subprocess.Popen([*COMMAND, str(handed_in), "--output", str(output), "--notebook", "01_setup", *options],
                          cwd=ROOT, stderr=subprocess.PIPE, text=True) as run:
        while signal_ and not output.exists():
            assert run.poll() is None
        if signal_:
            run.send_signal(signal_)
        said = run.communicate(timeout=60)[1]
    assert run.returncode == 1 and said.splitlines()[-1].endswith(f"{says}.") and "Traceback" not in said
    left = json.loads(output.read_text())
    assert says in left["error"] and (left["score"], left["max_score"]) == (0, 20)
    assert [path.name for path in tmp_path.iterdir()] == ["result.json"]


def test_another_notebook_than_the_one_that_counts_earns_nothing_and_says_so(handed_in):
    result = one.grade(handed_in, only="05_evaluation")
    assert result["finished"] and (result["score"], result["max_score"]) == (0, course.max_score("05_evaluation"))
    assert {each["sentence"] for each in exercises(result).values()} == {
        "No notebook 05_evaluation was found among the files."}


@pytest.mark.parametrize("prepare, says", [
    (lambda folder: None, "is empty"), (lambda folder: folder.rmdir(), "There is no"),
    (lambda folder: (folder / "notes.txt").write_text("no notebook"), "hand in the .ipynb file itself")],
    ids=["empty", "no folder", "no notebook"])
def test_what_cannot_be_graded_is_a_sentence(prepare, says, tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    prepare(folder)
    with pytest.raises((one.OneError, ingest.IngestError), match=says):
        one.grade(folder)


def test_no_wall_no_grading(handed_in, tmp_path):
    output = tmp_path / "result.json"
    run = subprocess.run([*COMMAND, str(handed_in), "--output", str(output)], cwd=ROOT,
                         env=os.environ | {"PATH": str(tmp_path)}, capture_output=True, text=True)
    assert run.returncode == 1 and "bubblewrap" in run.stderr and len(run.stderr.strip().splitlines()) == 1
    left = json.loads(output.read_text())
    assert "bubblewrap" in left["error"] and not left["finished"] and left["notebooks"] == []
