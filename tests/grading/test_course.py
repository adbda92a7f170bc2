"""What decides a mark: a change there grades everybody again, and a change elsewhere nobody."""

import shutil

import nbformat
import pytest

from grading import course, shard
from helpers.settings import ROOT


def version():
    """The version as it is on disk now."""
    for known in (course.release, course.solutions, course.titles, course.version):
        known.cache_clear()
    return course.version()


@pytest.fixture
def copy(tmp_path, monkeypatch):
    """A copy of the course that `course` reads, and its version."""
    for part in ("helpers", "grading", "notebooks", "solutions"):
        shutil.copytree(ROOT / part, tmp_path / part, ignore=shutil.ignore_patterns("__pycache__", "build"))
    shutil.copy(ROOT / "nbgrader_config.py", tmp_path)
    monkeypatch.setattr(course, "ROOT", tmp_path)
    yield tmp_path, version()
    monkeypatch.undo()
    version()


def edit(path, old, new):
    text = path.read_text(encoding="utf-8")
    assert old in text, (path, old)
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


def cells(path, test, change):
    notebook = nbformat.read(path, as_version=4)
    change(next(cell for cell in notebook.cells if test(cell)))
    nbformat.write(notebook, path)


def graded(cell):
    return cell.metadata.get("nbgrader", {}).get("grade")


DECIDES = {
    "a reference": lambda at: edit(at / "helpers/metrics.py", "def mean_iou(confusion):",
                                   "def mean_iou(confusion, *_):"),
    "the reference among the figures": lambda at: edit(at / "helpers/plotting.py", "def overlay(", "def overlay(*_, "),
    "the judge": lambda at: edit(at / "grading/mark/judge.py", "import json", "import json, math"),
    "how answers are put back": lambda at: edit(at / "grading/restore/answers.py", "import ast", "import ast, math"),
    "how answers are read": lambda at: edit(at / "grading/intake/source.py", "import ast", "import ast, math"),
    "points": lambda at: cells(at / "solutions/01_setup/01_setup.ipynb", graded,
                               lambda cell: cell.metadata.nbgrader.update(points=5)),
    "a test": lambda at: cells(at / "solutions/01_setup/01_setup.ipynb", graded,
                                      lambda cell: cell.update(source=cell.source + "\n1")),
    "a cell around an answer": lambda at: cells(at / "notebooks/01_setup/01_setup.ipynb",
                                                lambda cell: cell.cell_type == "code",
                                                lambda cell: cell.update(source=cell.source + "\n1")),
}
SHOWS = {
    "a tooltip": lambda at: edit(at / "helpers/widgets.py", "import time", "import time, math"),
    "a figure": lambda at: edit(at / "helpers/plotting.py", "import io", "import io, math"),
    "a report": lambda at: edit(at / "grading/report/page.py", "import re", "import re, math"),
    "a comment": lambda at: edit(at / "helpers/metrics.py", "def mean_iou", "# so it is\ndef mean_iou"),
    "a docstring": lambda at: edit(at / "helpers/metrics.py", '"""', '"""So: '),
    "a text between cells": lambda at: cells(at / "notebooks/01_setup/01_setup.ipynb",
                                             lambda cell: cell.cell_type == "markdown",
                                             lambda cell: cell.update(source="Welcome.")),
    "a readme": lambda at: (at / "README.md").write_text("New."),
}


@pytest.mark.parametrize("change", DECIDES.values(), ids=DECIDES)
def test_what_decides_a_mark_changes_the_version(copy, change):
    at, before = copy
    change(at)
    assert version() != before


@pytest.mark.parametrize("change", SHOWS.values(), ids=SHOWS)
def test_what_only_shows_regrades_nobody(copy, change):
    at, before = copy
    change(at)
    assert version() == before


@pytest.mark.parametrize("package", ["torch", "numpy", "nbgrader"])
def test_another_version_of_a_package_changes_the_version(package, monkeypatch):
    before = version()
    known = course.metadata.version
    monkeypatch.setattr(course.metadata, "version", lambda name: "9.9.9" if name == package else known(name))
    changed = version()
    monkeypatch.undo()
    assert changed != before and version() == before


def test_a_result_has_another_key_for_each_thing_that_decides_it():
    usual = {"assignment": "05_evaluation", "notebook": b"{}", "model": b"m", "held_out_seed": 1, "images": ""}
    other = {"assignment": "01_setup", "notebook": b"{ }", "model": None, "held_out_seed": 2, "images": "abc"}
    keys = {shard.Task(**usual | {name: value}).key for name, value in other.items()} | {shard.Task(**usual).key}
    assert len(keys) == 6 and shard.Task(**usual).key in keys
