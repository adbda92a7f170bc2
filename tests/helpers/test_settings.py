"""One reader of the environment and one home for each constant."""

import ast
import os
import re

import nbformat
import pytest

from helpers import settings
from tools import notebooks

ROOMS = ("helpers", "grading", "tools", "benchmarks")
MODULES = sorted(path for room in ROOMS for path in (settings.ROOT / room).rglob("*.py"))
OTHERS = [path for path in MODULES if path != settings.ROOT / "helpers" / "settings.py"]


def name(path):
    return str(path.relative_to(settings.ROOT))


def constants(path):
    return [node.value for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Constant)]


def test_settings_alone_reads_the_environment():
    inside = "grading/run/inside.py"  # sets what a new jail's environment is, and reads nothing
    later = {"grading/mark/judge.py"}
    readers = [name(path) for path in OTHERS if re.search(r"\bos\.(environ|getenv)|import environ|import getenv",
                                                          path.read_text())]
    assert set(readers) - {inside} - later <= {one for one in readers if one.startswith("benchmarks/")}


def test_the_model_files_name_is_written_once():
    assert not [name(path) for path in OTHERS if settings.MODEL_FILE in constants(path)]


def test_the_goal_is_written_once_in_code():
    copies = [
        f"{name(path)}:{node.lineno}"
        for path in OTHERS
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, (ast.Assign, ast.Compare, ast.keyword))
        and re.search(r"(?i)goal|\biou\b", ast.unparse(node))
        and any(isinstance(part, ast.Constant) and part.value == settings.GOAL for part in ast.walk(node))
    ]
    assert not copies


def test_texts_state_the_goal_that_is_judged():
    texts = {path.name: path.read_text() for path in
             [settings.ROOT / "README.md", *sorted((settings.ROOT / "docs").glob("*.md")), *MODULES]}
    for assignment in notebooks.NAMES:
        cells = nbformat.read(notebooks.solution(assignment), as_version=4).cells
        texts[assignment] = "\n".join(cell.source for cell in cells)
    stated = {(where, float(figure)) for where, text in texts.items() for figures in
              re.findall(r"(\d+) %\*{0,2} (?:mean IoU|mIoU|is the goal)|goal (?:is|of) (\d+) %|IoU above (\d+) %", text)
              for figure in figures if figure}
    assert {where for where, _ in stated} >= {"README.md", "04_training", "05_evaluation"}
    assert {figure for _, figure in stated} == {100 * settings.GOAL}


def test_a_child_gets_the_changes_and_this_process_keeps_its_own(monkeypatch):
    monkeypatch.setenv("COURSE_DATASET", "voc")
    monkeypatch.delenv("COURSE_OUTPUT", raising=False)
    child = settings.environment(DATASET=None, OUTPUT=settings.ROOT)
    assert "COURSE_DATASET" not in child and child["COURSE_OUTPUT"] == str(settings.ROOT)
    assert os.environ["COURSE_DATASET"] == "voc" and "COURSE_OUTPUT" not in os.environ


@pytest.mark.parametrize("error, line", [
    (ValueError("one\ntwo"), "one"), (ValueError(""), "ValueError"), (KeyError(), "KeyError"),
    (OSError("\n\n  late "), "late"), (RuntimeError("x" * 200), "x" * 100),
    (RuntimeError("Error(s) in loading:\n\tsize mismatch"), "size mismatch"), (RuntimeError("nothing:"), "nothing:")])
def test_an_error_becomes_one_line(error, line):
    assert settings.first_line(error) == line
