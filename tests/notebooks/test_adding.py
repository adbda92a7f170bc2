"""docs/adding-an-exercise.md, followed to the letter in a copy of the repository, ends with green checks."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from helpers.settings import ROOT
from tests.support.copies import copy_of_the_course

pytestmark = pytest.mark.xdist_group("adding")  # one copy for all
PAGE = (ROOT / "docs" / "adding-an-exercise.md").read_text(encoding="utf-8")
STEPS = re.findall(r"^```(python|bash)(?: (\S+))?\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
ABOVE = re.search(r"Above the section `(.+?)` of `build/05.py`", PAGE)[1]


def take(step, copy):
    """One block of the page: a file to write, cells to insert, or commands to type; what was printed."""
    _, name, text = step
    if name == "build/05.py":
        before, after = re.split(rf"(?=^# %% \[markdown\]\n{re.escape(ABOVE)})", (copy / name).read_text(), flags=re.M)
        (copy / name).write_text(before + text + after)
    elif name:
        (copy / name).write_text(text)
    else:
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        done = subprocess.run(["bash", "-ec", text], cwd=copy, env={**os.environ, "PATH": path}, capture_output=True,
                              text=True)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


@pytest.fixture(scope="module")
def followed(tmp_path_factory):
    """A copy of the course in which the page was followed: (copy, what was there before, what each step printed)."""
    copy = copy_of_the_course(tmp_path_factory.mktemp("copy"))
    before = {path.relative_to(copy) for path in copy.rglob("*") if path.is_file()}
    return copy, before, [take(step, copy) for step in STEPS]


def test_an_exercise_is_added_by_following_the_page(followed):
    copy, before, printed = followed
    proof = printed[-1]
    assert "wrong caught by name 5/5, right passed 3/3" in proof and "failed" not in proof
    added = {path.relative_to(copy) for path in copy.rglob("*.py")} - before
    assert {str(path) for path in added if path.parts[0] != "build"} == {
        "helpers/exercises/class_accuracy.py", "tests/exercises/class_accuracy.py"}
    assert 'NotImplementedError("Exercise 5.6: divide the diagonal by the row sums")' in (
        copy / "notebooks/05_evaluation/05_evaluation.ipynb").read_text().replace('\\"', '"')


NOTEBOOK = "05_evaluation/05_evaluation.ipynb"


@pytest.mark.parametrize("left_out, named", [
    (["helpers/exercises/class_accuracy.py"], "test_class_accuracy"),
    ([f"solutions/{NOTEBOOK}", f"notebooks/{NOTEBOOK}"], "class_accuracy: no test"),
    (["tests/exercises/class_accuracy.py"], "class_accuracy: 0 wrong and 0 right answers in its bank")],
    ids=["record", "notebook", "bank"])
def test_a_place_that_is_left_out_is_named(left_out, named, followed):
    copy, *_ = followed
    followed_to = {path: (copy / path).read_bytes() for path in left_out}
    try:
        for path in left_out:
            if (ROOT / path).exists():
                shutil.copy(ROOT / path, copy / path)
            else:
                (copy / path).unlink()
        test = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider",
                "tests/exercises/test_completeness.py", "-k", "agree"]
        done = subprocess.run(test, cwd=copy, capture_output=True, text=True)
    finally:
        for path, content in followed_to.items():
            (copy / path).write_bytes(content)
    assert done.returncode == 1 and named in done.stdout, done.stdout
