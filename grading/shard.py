"""One shard: plain `nbgrader autograde` over one submission, in a scratch course with a gradebook of its own."""

import hashlib
import logging
import os
import tempfile
import time
from dataclasses import astuple, dataclass, field
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

import nbformat
from nbgrader.converters import Autograde
from nbgrader.coursedir import CourseDirectory

from grading import course, gradebook, results, voc_images
from grading.mark.finding import Finding
from helpers.settings import MODEL_FILE

STUDENT = "student"  # a shard does not know whose submission it grades


@dataclass(frozen=True)
class Task:
    """A submission to grade: the bytes of its files, the seed and the VOC images that its model is judged on."""

    assignment: str
    notebook: bytes = field(repr=False)
    model: bytes | None = field(default=None, repr=False)
    held_out_seed: int = 0
    images: str = ""  # a fingerprint of the VOC images, for a model of VOC

    @classmethod
    def of(cls, notebook, seed, images):
        """The task of a notebook's file, with the model that lies beside it."""
        model = notebook.with_name(MODEL_FILE)
        model = model.read_bytes() if model.exists() else None
        of_voc = model is not None and voc_images.needed(model)
        return cls(notebook.stem, notebook.read_bytes(), model, seed if model else 0, images if of_voc else "")

    @property
    def key(self):
        """Names the result: whatever decides a mark is in it."""
        parts = [course.version(), *(part or "" for part in astuple(self))]
        parts = [part if isinstance(part, bytes) else str(part).encode() for part in parts]
        return hashlib.sha256(b"".join(hashlib.sha256(part).digest() for part in parts)).hexdigest()[:32]


@cache
def _blank_gradebook():
    return gradebook.blank(course.config())


def grade(task, told=None):
    """Grade one submission: its result (see `results`) with "seconds", and the autograded notebook as text.

    `told`, if given, is called with name and `Finding` of each exercise as soon as there is no more to say of it.
    """
    start = time.perf_counter()
    for _ in range(2):  # where nbgrader stumbles, the machine may be to blame
        notebook, log = _autograde(task, told)
        if notebook is not None:
            notebook.metadata.setdefault("course", {})["graded"] = f"{datetime.now(UTC):%Y-%m-%d}"
            result, text = results.collect(notebook), nbformat.writes(notebook)
            break
    else:
        # the next run tries it again: the grader's own trouble must not stay with a student
        result = results.not_graded(task.assignment, f"nbgrader could not grade this notebook: {log}") | {"again": True}
        text = None
    return {"assignment": task.assignment, **result, "seconds": round(time.perf_counter() - start, 2)}, text


def _autograde(task, told):
    """The autograded notebook, or None and the last line that nbgrader logged of an error."""
    with tempfile.TemporaryDirectory(prefix="course-shard-", ignore_cleanup_errors=True) as folder:
        root = Path(folder)
        root.chmod(0o755)
        place = root / "submitted" / STUDENT / task.assignment
        place.mkdir(parents=True)
        (place / f"{task.assignment}.ipynb").write_bytes(task.notebook)
        if task.model is not None:
            (place / MODEL_FILE).write_bytes(task.model)
        book = Path(_scratch(os.getpid()).name, "gradebook.db")
        book.write_bytes(_blank_gradebook())
        log = _convert(root, book, task, told)
        graded = root / "autograded" / STUDENT / task.assignment / f"{task.assignment}.ipynb"
        return (nbformat.read(graded, as_version=4), None) if graded.exists() else (None, log)


@cache
def _scratch(process):
    """A folder of this process: gradebooks at one place are one engine's (see `gradebook`), which knows its queries."""
    return tempfile.TemporaryDirectory(prefix="course-shard-", ignore_cleanup_errors=True)


def _convert(root, book, task, told):
    """Run nbgrader's converter; the last line that it logged of an error."""
    settings = course.config()
    settings.CourseDirectory.root = str(root)
    settings.CourseDirectory.source_directory = "source"  # empty: there is nothing to copy beside the notebook
    settings.CourseDirectory.assignment_id = task.assignment
    settings.CourseDirectory.student_id = STUDENT
    settings.CourseDirectory.db_url = gradebook.url(book)
    settings.Examine.held_out_seed = task.held_out_seed
    errors = _Errors()
    log = logging.getLogger("course.shard")
    log.handlers, log.propagate = [errors, *([_Examined(told)] if told else [])], False
    log.setLevel(logging.INFO if told else logging.ERROR)
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


class _Examined(logging.Handler):
    """Hands on what `grading.mark.examine` logs of each exercise: its name and what was found."""

    def __init__(self, told):
        super().__init__(logging.INFO)
        self.told = told

    def emit(self, record):
        if isinstance(record.args, tuple) and len(record.args) == 2 and isinstance(record.args[1], Finding):
            self.told(*record.args)
