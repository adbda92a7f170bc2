"""Every exercise is whole: its record, its cells and its bank agree, and nothing is written twice in two ways."""

import ast
import copy
import dataclasses
import json
import re

import pytest

from helpers.exercises import EXERCISES
from tests.exercises import bank
from tools import notebooks

TITLE = re.compile(r"\*\*\s*Exercise\s+(\S+)\s*·\s*(.+?)\s*\*\*\s*·\s*(\d+) points?")


def solutions():
    return {name: json.loads(notebooks.solution(name).read_text(encoding="utf-8"))["cells"] for name in notebooks.NAMES}


def faults(cells, exercises=EXERCISES, answers=None):
    """What is not as the records say, as lines; `cells` of each solution by its name."""
    found, answers = [], bank.answers() if answers is None else answers
    boxes = [(name, *box) for name in cells for cell in cells[name] if cell["cell_type"] == "markdown"
             for box in TITLE.findall("".join(cell["source"]))]
    records = [(exercise.notebook, exercise.number, exercise.title, str(exercise.points))
               for exercise in exercises.values()]
    if boxes != records:
        found.append(f"boxes {[box for box in boxes if box not in records]} and records "
                     f"{[record for record in records if record not in boxes]} differ, or their order does")
    mentions = [(name, text) for name in cells for cell in cells[name] if cell["cell_type"] == "markdown"
                for text in re.findall(r"\*\*\s*[Ee]x\w+\s+[\d.]+", "".join(cell["source"]))]
    if len(mentions) != len(boxes):
        found.append(f"{len(mentions)} headings of exercises, {len(boxes)} of them whole")
    graded = {marks["grade_id"]: (name, cell) for name in cells for cell in cells[name]
              if (marks := cell["metadata"].get("nbgrader")) and (marks["grade"] or marks["solution"])}
    expected = {exercise.test for exercise in exercises.values()} | {e.name for e in exercises.values() if e.functions}
    found += [f"grade ids {sorted(expected ^ set(graded))}"] if set(graded) != expected else []
    for exercise in exercises.values():
        found += _faults_of(exercise, graded) + _faults_of_bank(exercise, answers)
    return found


def _faults_of(exercise, graded):
    found, (notebook, test) = [], graded.get(exercise.test, (None, None))
    if test is None:
        return [f"{exercise.name}: no test"]
    if "".join(test["source"]) != exercise.source:
        found.append(f"{exercise.name}: its test is not its check")
    if test["metadata"]["nbgrader"]["points"] != exercise.points:
        found.append(f"{exercise.name}: other points in the metadata")
    if (exercise.probe is None) != (not exercise.functions) or bool(exercise.references) != bool(exercise.functions):
        found.append(f"{exercise.name}: functions, probe and reference belong together")
    if notebook != exercise.notebook or exercise.number.split(".")[0] != notebook[1]:
        found.append(f"{exercise.name}: in another notebook")
    if exercise.functions:
        answer = "".join(graded[exercise.name][1]["source"]) if exercise.name in graded else ""
        written = tuple(f"{node.name}({ast.unparse(node.args)})" for node in ast.parse(answer).body
                        if isinstance(node, ast.FunctionDef))
        found += [f"{exercise.name}: {written} written"] if written != exercise.signatures else []
        stubs = re.findall(r"### BEGIN SOLUTION Exercise (\S+): ", answer)
        found += [f"{exercise.name}: stubs {stubs}"] if stubs != [exercise.number] * len(exercise.functions) else []
    return found


def _faults_of_bank(exercise, answers):
    own = [answer for answer in answers if answer.exercise == exercise.name]
    wrong, right = ([answer for answer in own if answer.kind == kind] for kind in ("wrong", "right"))
    if exercise.functions and (len({answer.id for answer in wrong}) < 5 or len(right) < 3):
        return [f"{exercise.name}: {len(wrong)} wrong and {len(right)} right answers in its bank"]
    return []


def test_records_notebooks_and_bank_agree():
    found = faults(solutions())
    assert not found, "\n".join(found)


def test_the_bank_has_no_answer_to_an_exercise_that_is_not_there():
    assert {answer.exercise for answer in bank.answers()} <= set(EXERCISES)


def changed(old, new):
    """The solutions with a piece of one source replaced."""
    cells = solutions()
    cell = next(cell for name in cells for cell in cells[name] if old in "".join(cell["source"]))
    cell["source"] = "".join(cell["source"]).replace(old, new)
    return cells


@pytest.mark.parametrize("old, new", [
    ("**Exercise 5.1 ·", "**Exercise 5.10 ·"), ("**Exercise 5.1 ·", "**Exersice 5.1 ·"),
    ("Mean IoU** · 4 points", "Mean IoU** · 5 points"), ("Mean IoU** · 4 points", "Mean UoI** · 4 points"),
    ("def mean_iou(confusion):", "def mean_iou(matrix):"), ("SOLUTION Exercise 5.2", "SOLUTION Exercise 5.3"),
    ("checks.mean_iou(mean_iou)", "checks.mean_iou(metrics.mean_iou)"),
])
def test_a_notebook_that_differs_from_the_records_is_noticed(old, new):
    assert faults(changed(old, new))


@pytest.mark.parametrize("change", [
    {"number": "5.3"}, {"title": "Another"}, {"points": 3}, {"notebook": "04_training"}, {"probe": None},
    {"signatures": ("mean_iou(confusions)",)}, {"reference": None}], ids=str)
def test_a_record_that_differs_from_the_notebook_is_noticed(change):
    other = EXERCISES | {"mean_iou": dataclasses.replace(EXERCISES["mean_iou"], **change)}
    assert faults(solutions(), other)


def test_a_grade_id_without_a_record_and_other_points_in_the_metadata_are_noticed():
    for change in ({"grade_id": "test_mean_uoi"}, {"points": 5}):
        cells = copy.deepcopy(solutions())
        next(cell for cell in cells["05_evaluation"] if cell["metadata"].get("nbgrader", {}).get("grade_id")
             == "test_mean_iou")["metadata"]["nbgrader"].update(change)
        assert faults(cells)


def test_an_exercise_without_a_bank_is_noticed():
    assert faults(solutions(), answers=[answer for answer in bank.answers() if answer.exercise != "mean_iou"])
