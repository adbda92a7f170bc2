"""Autograders for Gradescope, in its layout and in a container; the words of other systems that grade one by one."""

import json
import os
import signal
import stat
import zipfile

import nbformat
import pytest

from grading import adapters, one
from grading.adapters import classroom50, gradescope, vocareum
from grading.run import jail
from helpers.settings import MODEL_FILE, SettingsError
from tests.support import autograder, container, golden, missing
from tools import notebooks
from tools.gradescope import __main__ as build


@pytest.fixture(scope="module")
def place(tmp_path_factory, bubblewrap):
    if os.geteuid():
        missing("a container without privileges is made by root")
    return autograder.lay_out(tmp_path_factory.mktemp("autograder"), "01_setup")


def exercise(**other):
    return {"name": "mean_iou", "title": "5.2 Mean IoU", "points": 0.0, "max_points": 4.0, "outcome": "wrong",
            "misconception": "dice", "sentence": "This is Dice.", "mean_iou": None} | other


def result(*exercises, **other):
    score, most = (sum(each[key] for each in exercises) for key in ("points", "max_points"))
    notebook = {"name": "05_evaluation", "title": "Notebook 5", "score": score, "max_score": most, "finished": True,
                "problem": None, "repairs": ["A cell was put back."], "exercises": list(exercises),
                "flags": [{"kind": "reference", "exercise": "mean_iou", "text": "It calls metrics.mean_iou."}]}
    return {"schema": one.SCHEMA, "finished": True, "error": None, "wall": jail.USERS, "score": score,
            "max_score": most, "seconds": 12.3, "notebooks": [notebook], "problems": []} | other


RIGHT = exercise(name="trained_model", title="5.5 A trained model", points=4.0, outcome="right", misconception=None,
                 sentence="Your model reaches 0.88.", mean_iou=0.8812)


def test_a_zip_has_what_gradescope_looks_for_and_is_the_same_each_time(place, tmp_path):
    with zipfile.ZipFile(place / "autograder.zip") as zipped:
        modes = {entry.filename: entry.external_attr >> 16 for entry in zipped.infolist()}
        solution = nbformat.reads(zipped.read("solutions/01_setup/01_setup.ipynb").decode(), as_version=4)
        pinned = zipped.read("requirements.txt").decode().splitlines()
    assert all(modes[name] & stat.S_IXUSR for name in ("setup.sh", "run_autograder"))
    assert {f"notebooks/{name}/{name}.ipynb" for name in notebooks.NAMES} < modes.keys()
    assert not any(cell.get("outputs") for cell in solution.cells)
    assert {line.partition("==")[0] for line in pinned} >= {"torch", "torchvision", "nbgrader"}
    assert not {line.partition("==")[0] for line in pinned} & {"dask", "playwright", "pytest", "jupyterlab"}
    build.write(tmp_path / "again.zip", build.course() | build.about("01_setup", seed=7))
    assert (tmp_path / "again.zip").read_bytes() == (place / "autograder.zip").read_bytes()


def test_a_mangled_notebook_is_graded_as_gradescope_runs_it(place, tmp_path):
    notebook = golden.wrong("01_setup", "load_target")
    for cell in notebook.cells:
        cell.metadata.pop("nbgrader", None)  # as some programs save it
    nbformat.write(notebook, tmp_path / "Copy of 01 setup (3).ipynb")
    (tmp_path / "notes.docx").write_bytes(b"notes")
    text, printed = autograder.run(place, tmp_path)
    told = json.loads(text)
    tests = {each["number"]: each for each in told["tests"]}
    assert {number: (each["score"], each["max_score"], each["status"]) for number, each in tests.items()} == {
        "1.1": (4, 4, "passed"), "1.2": (0, 8, "failed"), "1.3": (8, 8, "passed")}, printed
    assert tests["1.2"]["name"] == "Load a mask" and "returned a str" in tests["1.2"]["output"]
    assert tests["1.2"]["extra_data"]["misconception"] == "wrong_type"
    assert told["score"] == 12 and told["output"].startswith("12 of 20 points.")
    assert told["extra_data"]["wall"] == jail.USERS and jail.USERS in told["output"]


ATTEMPT = '''
import glob, os
def attempt(call, *given):
    try:
        found = call(*given)
    except BaseException:
        return
    print("BREACH:", given, str(found)[:80])
'''
HOSTILE = ATTEMPT + '''
attempt(open, "/autograder/results/results.json", "w")
attempt(open, "/autograder/submission_metadata.json")
attempt(open, "/autograder/source/about.json")
attempt(open, "/autograder/source/solutions/01_setup/01_setup.ipynb")
attempt(os.listdir, "/autograder/submission")
attempt(open, "/course/helpers/settings.py", "a")
attempt(os.listdir, "/course/libraries/mean_iou")
attempt(os.setuid, 0)
attempt(os.kill, os.getppid(), 0)
attempt(__import__("socket").create_connection, ("127.0.0.1", 80), 1)
for path in glob.glob("/proc/[0-9]*/environ"):
    if path != f"/proc/{os.getpid()}/environ":
        attempt(lambda: open(path).read() or 1 / 0)
for folder in ("/tmp", "/dev/shm"):
    open(f"{folder}/left-behind", "w")
if os.fork() == 0:  # a daemon that waits for the next jail
    os.setsid()
    if os.fork():
        os._exit(0)
    __import__("time").sleep(300)
'''
IN_A_ROOM = ATTEMPT + '''
import helpers.metrics
print("library", helpers.metrics.__file__)
attempt(open, "/course/helpers/metrics.py")
attempt(os.listdir, "/course/libraries/evaluate")
attempt(os.listdir, "/course/data")
attempt(os.listdir, "/course/jails")
attempt(os.stat, "/tmp/left-behind")
attempt(os.stat, "/dev/shm/left-behind")
print("others", sum(os.stat(path).st_uid > 60000 for path in glob.glob("/proc/[0-9]*")) - 1)
'''
ESCAPING = f"""
import sys, tempfile
from grading.run import jail
jail.alone()
jail.check()
ran = jail.run([sys.executable, "-c", {HOSTILE!r}], limits=jail.Limits(wall=30))
print(ran.returncode, ran.stdout, ran.stderr)
with tempfile.TemporaryFile() as said:
    jail.start([sys.executable, "-c", {IN_A_ROOM!r}], {{"stdout": said, "stderr": said}}, library="mean_iou").wait()
    said.seek(0)
    print(said.read().decode())
"""


def test_the_second_wall_holds_and_nothing_goes_from_one_jail_to_the_next(place, tmp_path):
    for name in ("submission", "results"):
        (place / name).mkdir(mode=0o700, exist_ok=True)
    (place / "submission_metadata.json").touch(mode=0o600)
    done = container.run(["/opt/course/bin/python", "-c", ESCAPING], [(place, autograder.PLACE)],
                         env=os.environ | {"PYTHONPATH": f"{autograder.PLACE}/source"})
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("jail: another user, system calls filtered") and done.stdout.count("refused:") == 7
    assert "BREACH" not in done.stdout and "\n0  \n" in done.stdout, done.stdout
    assert "library /course/libraries/mean_iou/helpers/metrics.py" in done.stdout, done.stdout
    assert "others 0" in done.stdout, done.stdout


def test_a_hostile_notebook_breaks_nothing_as_gradescope_runs_it(place, tmp_path):
    """It ends its kernel in the end: what was right before counts."""
    notebook = golden.submission("01_setup")
    ids = [golden.kind(cell).get("grade_id") for cell in notebook.cells]
    notebook.cells.insert(ids.index("test_count_pixels") + 1, nbformat.v4.new_code_cell("import os; os._exit(0)"))
    notebook.cells.insert(ids.index("test_choose_device") + 1, nbformat.v4.new_code_cell(HOSTILE))
    nbformat.write(notebook, tmp_path / "01_setup.ipynb")
    (tmp_path / MODEL_FILE).symlink_to("/autograder/source/about.json")
    (tmp_path / "results.json").write_text('{"score": 100}')
    before = sorted(path.name for path in (place / "source").iterdir())
    text, printed = autograder.run(place, tmp_path)
    told = json.loads(text)
    assert told["score"] == 20 and "a link, not followed" in told["output"], text + printed
    assert any(flag.startswith("tampering") for flag in told["extra_data"]["flags"])
    assert sorted(path.name for path in (place / "source").iterdir()) == before
    assert sorted(path.name for path in (place / "results").iterdir()) == ["result.json", "results.json"]


def test_another_notebook_and_none_at_all_are_said_to_be(place, tmp_path):
    (tmp_path / "essay.ipynb").write_text("no notebook")
    told = json.loads(autograder.run(place, tmp_path)[0])
    assert told["score"] == 0 and "essay.ipynb: left out: not a notebook" in told["output"]
    assert {each["output"] for each in told["tests"]} == {"No notebook 01_setup was found among the files."}


def test_gradescope_shows_flags_to_nobody_but_instructors_and_a_leaderboard_to_all():
    told = gradescope.told(result(exercise(), RIGHT))
    assert told["leaderboard"] == [{"name": "mean IoU", "value": 0.881, "order": "desc"}]
    assert told["extra_data"]["flags"] == ["reference, mean_iou: It calls metrics.mean_iou."]
    assert told["stdout_visibility"] == "hidden" and "metrics.mean_iou" not in told["output"]
    assert {each["visibility"] for each in told["tests"]} == {"visible"}, "a hidden test hides the student's total"
    assert "A cell was put back." in told["output"] and told["execution_time"] == 12
    assert "leaderboard" not in gradescope.told(result(exercise()))


@pytest.mark.parametrize("ends, says", [
    (lambda argv: os.kill(os.getpid(), signal.SIGKILL), "memory too small"), (lambda argv: 1 / 0, "before it was")])
def test_a_grader_that_is_killed_is_no_grader_without_a_result(ends, says, tmp_path, monkeypatch):
    monkeypatch.setattr(one, "main", ends)
    told = adapters.grade(tmp_path, tmp_path / "result.json")
    assert not told["finished"] and says in told["error"] and says in gradescope.told(told)["output"]


def test_classroom_50_gets_whole_points_and_whose_they_are(tmp_path, monkeypatch):
    monkeypatch.setattr(adapters, "grade", lambda *given: result(exercise(), RIGHT))
    with pytest.raises(SettingsError, match="CLASSROOM"):
        classroom50.main(tmp_path, tmp_path / "result.json")
    for variable in classroom50.FIELDS.values():
        monkeypatch.setenv(variable, variable.lower())
    classroom50.main(tmp_path, tmp_path / "result.json")
    told = json.loads((tmp_path / "result.json").read_text())
    assert {"schema", "classroom", "assignment", "submission", "commit", "release", "review", "datetime", "score",
            "max-score", "tests"} == told.keys()
    assert (told["schema"], told["score"], told["max-score"]) == ("classroom50/result/v1", 4, 8)
    assert all(type(each[key]) is int for each in told["tests"] for key in ("score", "max-score"))
    assert [each["passed"] for each in told["tests"]] == [False, True]


def test_vocareum_gets_a_line_for_each_criterion_and_a_report(tmp_path, monkeypatch):
    monkeypatch.setattr(adapters, "grade", lambda *given: result(exercise(), RIGHT))
    vocareum.main(tmp_path, tmp_path / "grades", tmp_path / "report")
    assert (tmp_path / "grades").read_text() == "mean_iou,0\ntrained_model,4\n"
    assert "5.2 Mean IoU: 0 of 4. This is Dice." in (tmp_path / "report").read_text()
