"""The last cell of a notebook: it sees what is missing, counts the visible points, and stays out of grading."""

import copy
import dataclasses
import json
import os
import sys
from types import ModuleType, SimpleNamespace

import pytest
import torch
from IPython.core.error import UsageError

from helpers import checks, exercises, handin, metrics
from helpers.settings import ROOT
from tools import notebooks

NAME = "05_evaluation"
EXERCISES = {name: [exercise for exercise in exercises.EXERCISES.values() if exercise.notebook == name]
             for name in notebooks.NAMES}


def released(name=NAME):
    return json.loads((ROOT / "notebooks" / name / f"{name}.ipynb").read_text(encoding="utf-8"))["cells"]


def solved(name=NAME):
    return json.loads(notebooks.solution(name).read_text(encoding="utf-8"))["cells"]


def cell(cells, grade_id):
    return next(cell for cell in cells if handin._grade_id(cell) == grade_id)


@pytest.mark.parametrize("name", notebooks.NAMES)
def test_a_solution_has_no_problems_and_a_release_only_empty_answers(name):
    assert handin.problems(EXERCISES[name], solved(name)) == []
    answers = [exercise for exercise in EXERCISES[name] if exercise.functions]
    assert handin.problems(EXERCISES[name], released(name)) == [
        f"Exercise {exercise.number}: still empty." for exercise in answers]


def test_a_check_that_is_gone_changed_or_doubled_is_named():
    def says(change):
        cells = copy.deepcopy(solved())
        change(cells, cell(cells, "test_mean_iou"))
        return handin.problems(EXERCISES[NAME], cells)
    assert says(lambda cells, check: cells.remove(check))[0].startswith("Exercise 5.2: the cell of its check is gone")
    assert says(lambda cells, check: check.update(source="pass"))[0].startswith("Exercise 5.2: its check was changed")
    assert says(lambda cells, check: cells.append(check))[0].startswith("Exercise 5.2: its check is there 2 times")
    assert says(lambda cells, check: check["metadata"].pop("nbgrader"))[0].startswith("Exercise 5.2: the cell of its")
    assert says(lambda cells, check: cells.remove(cell(cells, "mean_iou")))[0].startswith(
        "Exercise 5.2: the cell of its answer is gone")


def test_an_answer_that_was_edited_but_not_run_is_named():
    cells = solved()
    ran = {handin._source(one).strip() for one in cells}
    assert handin.problems(EXERCISES[NAME], cells, ran) == []
    cell(cells, "mean_iou")["source"] = "def mean_iou(confusion):\n    return 0.5"
    assert handin.problems(EXERCISES[NAME], cells, ran) == [
        "Exercise 5.2: the answer in the file is not the one that ran here. Save the notebook (Ctrl+S), run the "
        "answer's cell, then this one again."]


def typed(cells, name, source):
    cell(cells, name)["source"] = source
    return source


def test_answers_that_ran_and_are_not_in_the_file_ask_to_save_first_and_nothing_else():
    ran = [handin._source(one).strip() for one in solved()]
    assert handin.problems(EXERCISES[NAME], released(), ran) == [
        "Save the notebook first (Ctrl+S), then run this cell again: the file does not have the answer to 5.1, 5.2, "
        "5.3, 5.4 that ran here."]
    cells = solved()
    first = [handin._source(one).strip() for one in cells]
    later = "def mean_iou(confusion):\n    return 0.5"
    assert handin.problems(EXERCISES[NAME], cells, [*first, later])[0].endswith("the answer to 5.2 that ran here.")
    typed(cells, "mean_iou", later)
    assert handin.problems(EXERCISES[NAME], cells, [*first, later]) == []


def test_an_answer_that_is_split_over_cells_can_be_handed_in():
    cells = solved()
    parts = ["def helper(x):\n    return x", "def mean_iou(confusion):\n    return helper(0.5)"]
    typed(cells, "mean_iou", parts[0])
    cells.insert(5, {**cell(cells, "mean_iou"), "source": parts[1]})  # JupyterLab gives both halves the same metadata
    ran = [handin._source(one).strip() for one in cells]
    assert handin.problems(EXERCISES[NAME], cells, ran) == []
    checkpoint = solved("04_training")
    both = handin._source(cell(checkpoint, "checkpoint"))
    save, load = both.split("def load_checkpoint")
    typed(checkpoint, "checkpoint", save)
    checkpoint.append({**cell(checkpoint, "checkpoint"), "source": "def load_checkpoint" + load})
    assert handin.problems(EXERCISES["04_training"], checkpoint) == []


def test_an_answer_in_a_cell_of_its_own_below_the_blank_can_be_handed_in():
    cells = released()
    answer = cell(solved(), "mean_iou")
    cells.append({**answer, "metadata": {}})
    assert not any("5.2" in line for line in handin.problems(EXERCISES[NAME], cells))


def test_an_answer_that_is_there_in_two_ways_is_named():
    cells = solved()
    cells.append({**cell(cells, "mean_iou"), "source": "def mean_iou(confusion):\n    return 0.5"})
    assert handin.problems(EXERCISES[NAME], cells) == [
        "Exercise 5.2: mean_iou is written in different ways in several cells. The last one counts: delete the rest."]
    cells[-1] = cell(released(), "mean_iou")  # the blank, pasted below an answer, changes nothing
    assert handin.problems(EXERCISES[NAME], cells) == []


def test_exercise_5_10_is_not_taken_for_5_1():
    tenth = dataclasses.replace(exercises.EXERCISES["overlay"], number="5.10")
    cells = solved()
    typed(cells, "overlay", 'def overlay():\n    raise NotImplementedError("Exercise 5.10: paint")')
    found = [exercise for exercise in EXERCISES[NAME] if exercise.name != "overlay"]
    assert handin.problems([*found, tenth], cells) == ["Exercise 5.10: still empty."]
    assert sorted([tenth, *found], key=exercises._number)[-1] is tenth


def test_what_ran_is_known_from_a_kernels_history_and_nothing_from_none(monkeypatch):
    history = SimpleNamespace(input_hist_raw=["", "first = 1\n", "second = 2"])
    monkeypatch.setattr(handin, "get_ipython", lambda: SimpleNamespace(history_manager=history))
    assert handin.executed() == ["first = 1", "second = 2"]
    history.input_hist_raw = [""]  # as a kernel that is told not to store
    assert not handin.executed()


def test_visible_points_are_those_of_the_functions_that_the_notebook_has_now():
    def still_empty(confusion):
        raise NotImplementedError("Exercise 5.2: average")
    namespace = {"confusion_matrix": metrics.confusion_matrix, "mean_iou": still_empty, "checks": "shadowed",
                 "overlay": lambda image, target, palette, alpha=0.5: image}
    text = handin.scores(EXERCISES[NAME], namespace)
    lines = dict(line.split(" ", 1) for line in text.splitlines()[:-1])
    assert lines["5.1"].endswith("6 of  6  ✓")
    assert lines["5.2"].endswith("0 of  4  still empty")
    assert "evaluate is not there: run the notebook from the top" in lines["5.3"]
    assert "0 of  2  not yet: " in lines["5.4"]
    assert text.endswith("visible checks: 6 of 20 points")
    assert set(namespace) == {"confusion_matrix", "mean_iou", "checks", "overlay"}


def test_a_check_is_run_in_silence(capsys):
    noisy = {"checks": None, "mean_iou": lambda confusion: print("noise") or metrics.mean_iou(confusion)}
    assert handin.outcome("checks.mean_iou(mean_iou)", noisy) is None
    assert capsys.readouterr() == ("", "")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A student's folder with two notebooks of the course, the working folder of the kernel."""
    for age, (name, file) in enumerate([(NAME, "mine.ipynb"), (NAME, "copy.ipynb"), ("01_setup", "01_setup.ipynb")]):
        (tmp_path / file).write_text(json.dumps({"cells": released(name)}), encoding="utf-8")
        os.utime(tmp_path / file, (1000 + age, 1000 + age))
    (tmp_path / "broken.ipynb").write_text("{")
    monkeypatch.chdir(tmp_path)
    for name in ("JPY_SESSION_NAME", "COURSE_GRADING"):
        monkeypatch.setenv(name, "")
    monkeypatch.setenv("COURSE_DATASET", "shapes")
    monkeypatch.setenv("COURSE_OUTPUT", str(tmp_path / "output"))
    (tmp_path / "output").mkdir()
    return tmp_path


def test_the_notebook_is_the_one_that_the_server_or_the_editor_names_else_the_newest_that_fits(folder, monkeypatch):
    def found(namespace=None):
        return handin.find_notebook(EXERCISES[NAME], namespace or {})[1].name
    assert found() == "copy.ipynb"
    os.utime(folder / "mine.ipynb", (3000, 3000))
    assert found() == "mine.ipynb"
    os.utime(folder / "copy.ipynb", (4000, 4000))
    assert found({"__vsc_ipynb_file__": str(folder / "mine.ipynb")}) == "mine.ipynb"
    monkeypatch.setenv("JPY_SESSION_NAME", "notebooks/mine.ipynb")
    assert found() == "mine.ipynb"
    monkeypatch.setenv("JPY_SESSION_NAME", "renamed-since.ipynb")
    assert found() == "copy.ipynb"
    assert handin.find_notebook(EXERCISES["03_model"], {}) == (None, None)


@pytest.fixture
def google(monkeypatch):
    """A Colab that answers what stands on its screen: `reply`."""
    module = ModuleType("google.colab")
    module._message = SimpleNamespace(blocking_request=lambda request, **_: google.reply)
    google = SimpleNamespace(reply={"ipynb": {"cells": released()}})
    monkeypatch.setitem(sys.modules, "google", ModuleType("google"))
    monkeypatch.setitem(sys.modules, "google.colab", module)
    return google


def test_colab_is_asked_for_what_stands_on_the_screen(folder, google):
    assert handin.find_notebook(EXERCISES[NAME], {})[0] == released()
    google.reply = None  # no answer in time: then a file, if there is one
    assert handin.find_notebook(EXERCISES[NAME], {})[1].name == "copy.ipynb"


def test_the_model_is_put_beside_the_students_notebook_and_never_beside_a_solution(folder, monkeypatch, capsys):
    trained = folder / "output" / "model.safetensors"
    trained.write_bytes(b"weights")
    handin.report(NAME, {}, model=trained.name)
    assert (folder / "model.safetensors").read_bytes() == b"weights"
    assert "To hand in: copy.ipynb and model.safetensors\n" in capsys.readouterr().out
    trained.write_bytes(b"better")
    handin.report(NAME, {}, model=trained.name)
    assert (folder / "model.safetensors").read_bytes() == b"better"
    (folder / "solutions").mkdir()
    monkeypatch.setattr(handin.settings, "ROOT", folder)
    monkeypatch.chdir(folder / "solutions")
    handin.report(NAME, {}, model=trained.name)
    assert not list((folder / "solutions").iterdir())
    handin.report(NAME, {}, model="nothing.safetensors")
    assert "nothing.safetensors is not there yet" in capsys.readouterr().out


def test_on_colab_the_way_to_download_is_colabs(folder, google, capsys):
    (folder / "output" / "trained.safetensors").write_bytes(b"weights")
    handin.report(NAME, {}, model="trained.safetensors")
    said = capsys.readouterr().out
    assert "File > Download > Download .ipynb" in said and "trained.safetensors: folder symbol" in said
    assert "Exercise 5.1: still empty." in said and "05_evaluation.ipynb: look at this" in said


def test_a_report_names_no_folder_and_says_what_it_could_not_see(folder, capsys):
    handin.report(NAME, {})
    assert str(folder) not in capsys.readouterr().out
    handin.report("03_model", {})
    said = capsys.readouterr().out
    assert "03_model.ipynb: look at this" in said and "cannot be read from here" in said


@pytest.mark.parametrize("name, value", [("COURSE_GRADING", "1")])
def test_in_grading_the_cell_does_nothing(folder, monkeypatch, capsys, name, value):
    monkeypatch.setenv(name, value)
    (folder / "output" / "trained.safetensors").touch()
    monkeypatch.setattr(checks, "confusion_matrix", lambda *_: pytest.fail("a check was run"))
    before = sorted(folder.iterdir())
    handin.report(NAME, {"confusion_matrix": None}, model="trained.safetensors")
    assert capsys.readouterr() == ("", "") and sorted(folder.iterdir()) == before


def test_a_lent_function_lets_the_notebook_go_on_earns_nothing_and_is_refused_while_grading(monkeypatch):
    mean_iou = checks.lend("mean_iou")
    assert mean_iou(torch.eye(2, dtype=torch.int64)) == 1
    assert len(checks.lend("checkpoint")) == 2
    assert "0 of  4  lent, which earns no points" in handin.scores(EXERCISES[NAME], {"mean_iou": mean_iou})
    with pytest.raises(UsageError, match="expected one of choose_device, .*; found 'iou'"):
        checks.lend("iou")
    monkeypatch.setenv("COURSE_GRADING", "1")
    with pytest.raises(UsageError, match="nothing is lent while grading"):
        checks.lend("mean_iou")


@pytest.mark.parametrize("name", notebooks.NAMES)
def test_the_last_hint_of_each_exercise_says_how_to_go_on_without_it(name):
    cells = released(name)
    for exercise in filter(lambda exercise: exercise.functions, EXERCISES[name]):
        hints = "".join(cells[cells.index(cell(cells, exercise.test)) + 1]["source"])
        assert f'`{", ".join(exercise.functions)} = checks.lend("{exercise.name}")`' in hints.split("<details>")[-1]
