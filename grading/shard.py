"""One shard: plain `nbgrader autograde` over one submission, in a scratch course with a gradebook of its own."""

import hashlib
import logging
import tempfile
import time
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import nbformat
from nbgrader.converters import Autograde
from nbgrader.coursedir import CourseDirectory
from traitlets.config import PyFileConfigLoader

from grading import gradebook, results
from helpers.settings import MODEL_FILE, ROOT

STUDENT = "student"  # a shard does not know whose submission it grades
# What only collects, merges and shows: a nicer report regrades nobody
_NO_MARKS = ("grading/intake/", "grading/report/", "grading/cluster.py", "grading/grade.py", "grading/gradebook.py")


@dataclass(frozen=True)
class Task:
    """A submission to grade: the bytes of its files and the seed of the images that its model is judged on."""

    assignment: str
    notebook: bytes = field(repr=False)
    model: bytes | None = field(repr=False)
    held_out_seed: int

    @property
    def key(self):
        """Names the result: the same submission under the same course has the same one."""
        parts = (course_version().encode(), self.assignment.encode(), self.notebook, self.model or b"",
                 str(self.held_out_seed).encode())
        return hashlib.sha256(b"".join(hashlib.sha256(part).digest() for part in parts)).hexdigest()[:32]


@cache
def release():
    """The notebooks that students were given: assignment to notebook."""
    paths = sorted((ROOT / "notebooks").glob("*/*.ipynb"))
    return {path.stem: nbformat.read(path, as_version=4) for path in paths if path.stem == path.parent.name}


@cache
def course_version():
    """A hash of all that decides a mark."""
    files = [*ROOT.glob("notebooks/*/*.ipynb"), *ROOT.glob("solutions/*/*.ipynb"), *ROOT.glob("helpers/**/*.py"), ROOT / "nbgrader_config.py",
             *(path for path in ROOT.glob("grading/**/*.py") if not path.relative_to(ROOT).as_posix().startswith(_NO_MARKS))]
    digest = hashlib.sha256()
    for path in sorted(files):
        digest.update(path.relative_to(ROOT).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()


@cache
def _blank_gradebook():
    return gradebook.blank(config())


def config():
    """A copy of the course's nbgrader settings."""
    return PyFileConfigLoader("nbgrader_config.py", path=str(ROOT)).load_config()


def grade(task):
    """Grade one submission: its result (see `results`) with "seconds", and the autograded notebook as text."""
    start = time.perf_counter()
    for _ in range(2):  # where nbgrader stumbles, the machine may be to blame
        notebook, log = _autograde(task)
        if notebook is not None:
            result, text = results.collect(notebook), nbformat.writes(notebook)
            break
    else:
        reason = f"nbgrader could not grade this notebook: {log}"
        # the next run tries it again: the grader's own trouble must not stay with a student
        result, text = results.not_graded(release()[task.assignment], reason) | {"again": True}, None
    return {"assignment": task.assignment, **result, "seconds": round(time.perf_counter() - start, 2)}, text


def _autograde(task):
    """The autograded notebook, or None and the last line that nbgrader logged of an error."""
    with tempfile.TemporaryDirectory(prefix="course-shard-", ignore_cleanup_errors=True) as folder:
        course = Path(folder)
        course.chmod(0o755)
        place = course / "submitted" / STUDENT / task.assignment
        place.mkdir(parents=True)
        (place / f"{task.assignment}.ipynb").write_bytes(task.notebook)
        if task.model is not None:
            (place / MODEL_FILE).write_bytes(task.model)
        (course / "gradebook.db").write_bytes(_blank_gradebook())
        log = _convert(course, task)
        graded = course / "autograded" / STUDENT / task.assignment / f"{task.assignment}.ipynb"
        return (nbformat.read(graded, as_version=4), None) if graded.exists() else (None, log)


def _convert(course, task):
    """Run nbgrader's converter; the last line that it logged of an error."""
    settings = config()
    settings.CourseDirectory.root = str(course)
    settings.CourseDirectory.source_directory = "source"  # empty: there is nothing to copy beside the notebook
    settings.CourseDirectory.assignment_id = task.assignment
    settings.CourseDirectory.student_id = STUDENT
    settings.CourseDirectory.db_url = gradebook.url(course / "gradebook.db")
    settings.Judge.held_out_seed = task.held_out_seed
    errors = _Errors()
    log = logging.getLogger("course.shard")
    log.handlers, log.propagate = [errors], False
    converter = Autograde(coursedir=CourseDirectory(config=settings), config=settings, log=log)
    try:
        converter.start()
    except Exception as error:  # nbgrader's own NbGraderException says less than its log
        return errors.last or f"{type(error).__name__}: {error}"
    return errors.last


class _Errors(logging.Handler):
    """Keeps the last line of the first error: the exception's own."""

    def __init__(self):
        super().__init__(logging.ERROR)
        self.last = None

    def emit(self, record):
        lines = record.getMessage().strip().splitlines()
        if lines and (self.last is None or record.getMessage().startswith("Traceback")):
            self.last = lines[-1][:300]
