"""nbgrader's gradebook: made from the course, one for each shard, and the results merged into the course's own."""

import sqlite3
import tempfile
import warnings
from pathlib import Path

import nbformat
import nbgrader.api
import sqlalchemy.exc
from alembic.script import ScriptDirectory
from nbgrader.api import Gradebook
from nbgrader.dbutil import ALEMBIC_DIR
from nbgrader.preprocessors import AssignLatePenalties, SaveCells
from nbgrader.utils import parse_utc

from tools import notebooks

COURSE = "segmentation-course"
warnings.filterwarnings("ignore", category=sqlalchemy.exc.SAWarning)  # nbgrader's queries while it adds a submission
# nbgrader starts `alembic` by its bare name, which only an activated environment has on its PATH
nbgrader.api.get_alembic_version = lambda: ScriptDirectory(ALEMBIC_DIR).get_current_head()


class GradebookError(RuntimeError):
    """The gradebook can't be used; the message says what to do."""


def blank(config):
    """The bytes of a gradebook that knows the course's notebooks and no student."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "gradebook.db")
        add_course(path, config)
        return path.read_bytes()


def add_course(path, config):
    """Make the course's notebooks, hidden tests and all, known to the gradebook at `path`.

    What `nbgrader generate_assignment` does on the way to a release, up to the saving.
    """
    with Gradebook(url(path), COURSE) as gradebook:
        for name in notebooks.NAMES:
            gradebook.update_or_create_assignment(name)
    steps = config.GenerateAssignment.preprocessors
    for name in notebooks.NAMES:
        notebook = nbformat.read(notebooks.solution(name), as_version=4)
        for step in steps[:steps.index(SaveCells) + 1]:
            notebook, _ = step(config=config).preprocess(notebook, resources(path, name))


def merge(path, results, config):
    """Write all results into the gradebook at `path`; marks given by hand stay. Raises GradebookError."""
    try:
        if path.exists():
            with sqlite3.connect(path, timeout=5) as connection:  # locked or broken: known before a mark is written
                connection.execute("BEGIN IMMEDIATE")
                connection.execute("PRAGMA schema_version")
            connection.close()
        add_course(path, config)
        with Gradebook(url(path), COURSE) as gradebook:
            for result in results:
                _write(gradebook, result)
            gradebook.db.commit()
        for result in results:
            if result.get("timestamp"):
                AssignLatePenalties(config=config).preprocess(
                    nbformat.v4.new_notebook(), resources(path, result["assignment"], result["student"]))
    except (sqlite3.DatabaseError, sqlalchemy.exc.SQLAlchemyError) as error:
        reason = str(error.__cause__ or error).splitlines()[0]
        cure = ("close formgrader and whatever else has it open" if "locked" in reason else
                "free some space" if "full" in reason else "move it away (marks given by hand are in it)")
        raise GradebookError(f"gradebook: expected one that can be written, found '{reason}'; {cure}, then run "
                             "make grade again: what was graded is kept") from None


def _write(gradebook, result):
    student, assignment = result["student"], result["assignment"]
    gradebook.update_or_create_student(student, last_name=plain(result["name"]))
    late = {"timestamp": parse_utc(result["timestamp"])} if result.get("timestamp") else {}
    gradebook.update_or_create_submission(assignment, student, **late)
    for exercise in result["exercises"]:
        grade = gradebook.find_grade(f"test_{exercise['name']}", assignment, assignment, student)
        grade.auto_score = exercise["points"]
        grade.needs_manual_grade = grade.manual_score is not None


def plain(name):
    """A student's name for nbgrader's CSV and formgrader, which quote nothing: no formula, no markup."""
    text = "".join(c if c.isprintable() and c not in ',;"<>&' else " " for c in name)
    return " ".join(text.split()).lstrip("=+-@")[:100]


def url(path):
    return f"sqlite:///{path}"


def resources(path, assignment, student=""):
    """What nbgrader hands its preprocessors."""
    return {"nbgrader": {"notebook": assignment, "assignment": assignment, "student": student, "db_url": url(path)}}
