"""Submissions with a known mark, graded by nbgrader's own converters, and by its command."""

import os
import shutil
import subprocess
import sys

import nbformat
import pytest
from nbgrader.api import Gradebook
from nbgrader.converters import Autograde, GenerateAssignment
from nbgrader.coursedir import CourseDirectory

from grading import course
from helpers.settings import ROOT
from tests.support import golden
from tools import notebooks

pytestmark = pytest.mark.filterwarnings("ignore::sqlalchemy.exc.SAWarning")


@pytest.fixture(scope="session")
def trained():
    return golden.model_file()


def write_submissions(folder, name, trained):
    """All submissions of one notebook; the marks that each must get: student to grade id to points."""
    full = golden.points(name)
    exercises = list(golden.answers(name))
    everybody = {"all_right": (golden.submission(name), full),
                 "untouched": (golden.submission(name, filled=False), dict.fromkeys(full, 0)),
                 "noisy": (golden.noisy(name), full)}
    for grade_id in exercises:
        everybody[f"wrong_{grade_id}"] = (golden.wrong(name, grade_id), full | {f"test_{grade_id}": 0})
    last = exercises[-1]
    everybody["syntax_error"] = (golden.syntax_error(name, last), full | {f"test_{last}": 0})
    for student, (notebook, _) in everybody.items():
        place = folder / "submitted" / student / name
        place.mkdir(parents=True)
        nbformat.write(notebook, place / f"{name}.ipynb")
        if name == "05_evaluation" and student != "untouched":
            shutil.copy(trained, place / "model.safetensors")
    return {student: marks for student, (_, marks) in everybody.items()}


@pytest.mark.parametrize("name", notebooks.NAMES)
def test_every_submission_gets_the_mark_it_deserves(name, tmp_path, trained):
    (tmp_path / "solutions").symlink_to(ROOT / "solutions")
    expected = write_submissions(tmp_path, name, trained)
    config = course.config()
    config.CourseDirectory.root, config.CourseDirectory.assignment_id = str(tmp_path), name
    config.CourseDirectory.db_url = f"sqlite:///{tmp_path / 'gradebook.db'}"
    for converter in (GenerateAssignment, Autograde):
        converter(coursedir=CourseDirectory(config=config), config=config).start()
    with Gradebook(config.CourseDirectory.db_url, config.CourseDirectory.course_id) as gradebook:
        found = {student: {grade.cell.name: grade.score
                           for grade in gradebook.find_submission_notebook(name, name, student).grades}
                 for student in expected}
    assert found == expected


def test_nbgrader_autogrades_in_a_fresh_clone_where_nothing_was_generated(tmp_path):
    for part in ("solutions", "notebooks", "grading", "helpers", "nbgrader_config.py"):
        (tmp_path / part).symlink_to(ROOT / part)
    folder = tmp_path / "submitted" / "ada" / "03_model"
    folder.mkdir(parents=True)
    nbformat.write(golden.submission("03_model"), folder / "03_model.ipynb")
    environment = {key: value for key, value in os.environ.items() if not key.startswith("COURSE_")}
    run = subprocess.run([sys.executable, "-m", "nbgrader", "autograde", "03_model"], cwd=tmp_path, env=environment,
                         capture_output=True, text=True)
    assert run.returncode == 0, run.stderr[-3000:]
    with Gradebook(f"sqlite:///{tmp_path / 'gradebook.db'}", "segmentation-course") as gradebook:
        assert gradebook.find_submission("03_model", "ada").score == 20
