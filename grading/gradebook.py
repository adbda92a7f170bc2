"""nbgrader's gradebook: made from the course, filled with results, and read back as the marks that people are shown."""

import contextlib
import copy
import functools
import sqlite3
import tempfile
import warnings
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import nbformat
import nbgrader.api
import sqlalchemy.exc
from alembic.script import ScriptDirectory
from nbgrader.api import (
    Assignment,
    BaseCell,
    Comment,
    Grade,
    Gradebook,
    GradeCell,
    MissingEntry,
    Notebook,
    SolutionCell,
    SourceCell,
    Student,
    SubmittedAssignment,
    SubmittedNotebook,
)
from nbgrader.converters import Autograde
from nbgrader.dbutil import ALEMBIC_DIR
from nbgrader.plugins import CsvExportPlugin
from nbgrader.preprocessors import AssignLatePenalties, SaveCells
from nbgrader.utils import is_grade, is_locked, is_solution, parse_utc

from grading import course, dates
from helpers.settings import first_line

COURSE = "segmentation-course"
warnings.filterwarnings("ignore", category=sqlalchemy.exc.SAWarning)  # nbgrader's queries while it adds a submission
# nbgrader starts `alembic` by its bare name, which only an activated environment has on its PATH
nbgrader.api.get_alembic_version = lambda: ScriptDirectory(ALEMBIC_DIR).get_current_head()
# six times for a notebook nbgrader opens a gradebook: one engine compiles its queries once
nbgrader.api.create_engine = functools.lru_cache(maxsize=8)(nbgrader.api.create_engine)
_init_assignment = Autograde.init_assignment


def _init_known_assignment(self, assignment, student):
    """nbgrader's own `autograde` in a fresh clone, which knows no notebooks yet: they are made known first."""
    path = self.coursedir.db_url.removeprefix("sqlite:///")
    with Gradebook(url(path), self.coursedir.course_id) as book:
        known = any(each.name == assignment for each in book.assignments)
    if not known and assignment in course.release():
        add_course(path, self.config)
    _init_assignment(self, assignment, student)


Autograde.init_assignment = _init_known_assignment


class GradebookError(RuntimeError):
    """The gradebook can't be used; the message says what to do."""


@dataclass
class Mark:
    """What the gradebook says of one student's notebook; points and comments go by exercise."""

    name: str
    timestamp: object = None
    due: object = None  # in UTC as the timestamp, extension included
    extended: bool = False
    zone: object = None  # that people are shown times in
    rule: str = ""  # what coming late costs
    raw_score: float = 0.0
    max_score: float = 0.0
    penalty: float = 0.0
    points: dict = field(default_factory=dict)
    max_points: dict = field(default_factory=dict)
    by_hand: list = field(default_factory=list)
    comments: dict = field(default_factory=dict)

    @property
    def late(self):
        """Seconds after it was due."""
        return max(0, (self.timestamp - self.due).total_seconds()) if self.timestamp and self.due else 0

    @property
    def score(self):
        """As nbgrader's CSV has it: never below nothing."""
        return max(0.0, self.raw_score - self.penalty)


def marks(path, student=None):
    """(student, assignment) to Mark, of all or of one student."""
    found, notebooks = {}, {}
    settings, said = course.config(), dates.Dates.load(Path(path).parent)
    dates.configure(settings, Path(path).parent)
    rule = dates.sentence(settings)
    with Gradebook(url(path), COURSE) as book:
        def of(query, *joins):
            """The rows of a query that lead to a submission, of `student` alone if there is one."""
            for table, condition in joins:
                query = query.join(table, condition)
            query = query.join(SubmittedAssignment, SubmittedNotebook.assignment_id == SubmittedAssignment.id)
            return query.filter(SubmittedAssignment.student_id == student) if student else query
        rows = of(book.db.query(SubmittedNotebook.id, SubmittedNotebook.late_submission_penalty, Notebook.name,
                                SubmittedAssignment.timestamp, Assignment.duedate, SubmittedAssignment.extension,
                                Student.id, Student.first_name, Student.last_name),
                  (Notebook, SubmittedNotebook.notebook_id == Notebook.id)).join(
            Student, SubmittedAssignment.student_id == Student.id).join(
            Assignment, SubmittedAssignment.assignment_id == Assignment.id)
        grades = of(book.db.query(Grade.notebook_id, GradeCell.name, Grade.score, Grade.manual_score,
                                  Grade.extra_credit, GradeCell.max_score),
                    (GradeCell, Grade.cell_id == GradeCell.id),
                    (SubmittedNotebook, Grade.notebook_id == SubmittedNotebook.id)).order_by(GradeCell.name)
        comments = of(book.db.query(Comment.notebook_id, BaseCell.name, Comment.manual_comment),
                      (BaseCell, Comment.cell_id == BaseCell.id),
                      (SubmittedNotebook, Comment.notebook_id == SubmittedNotebook.id))
        for id, penalty, notebook, timestamp, due, more, owner, first, last in rows:
            name, zone = " ".join(filter(None, [first, last])) or owner, said.of(notebook)
            found[owner, notebook] = notebooks[id] = Mark(
                name, timestamp, due and due + (more or timedelta()), bool(more), zone and zone.tzinfo, rule,
                penalty=penalty or 0.0)
        for id, cell, score, manual, extra, most in grades:
            if mark := notebooks.get(id):
                exercise = cell.removeprefix("test_")
                mark.points[exercise] = score
                mark.raw_score += score
                mark.max_points[exercise] = most
                mark.max_score += most
                if manual is not None or extra:
                    mark.by_hand.append(exercise)
        for id, cell, comment in comments:
            if id in notebooks and comment is not None:
                notebooks[id].comments[cell] = comment
    return found


def merge(path, results, config, owners=None):
    """Write all results into the gradebook at `path`; marks given by hand stay. Raises GradebookError.

    A result is {"student", "name" or None, "assignment", "timestamp" or None, "exercises"}. `owners` is id to intake's
    owners. Due dates and the rule for lateness are those of the gradebook's folder; lines about what is wrong with
    them come back.
    """
    dates.configure(config, Path(path).parent)
    with _usable(path):
        add_course(path, config)
        with Gradebook(url(path), COURSE) as book:
            for result in results:
                _write(book, result)
            book.db.commit()
            names = {each.id: each.last_name or "" for each in book.students}
            lines = dates.apply(Path(path).parent, book, config, owners or {}, names)
            late = [(student.id, submission.assignment.name) for student in book.students
                    for submission in student.submissions
                    if submission.total_seconds_late or submission.notebooks[0].late_submission_penalty]
        for student, assignment in late:
            AssignLatePenalties(config=config).preprocess(nbformat.v4.new_notebook(),
                                                          resources(path, assignment, student))
        return lines


def move(path, moved):
    """Give work to somebody else, marks by hand included: (id before, id now, assignment) each."""
    if moved and path.exists():
        with _usable(path), Gradebook(url(path), COURSE) as book:
            there = {(one.student_id, one.assignment.name): one for one in book.db.query(SubmittedAssignment)}
            for old, new, name in moved:
                if (old, name) in there and (new, name) not in there:
                    there[old, name].student = book.update_or_create_student(new)
            book.db.commit()


def forget(path, kept):
    """Take out marks of notebooks that are not `kept` (student, assignment): the file turned out to be another's.

    What has a mark by hand stays, whether or not there is a file.
    """
    gone = [key for key, mark in marks(path).items() if key not in kept and not mark.by_hand]
    with Gradebook(url(path), COURSE) as book:
        for student, assignment in gone:
            book.remove_submission(assignment, student)
            if not book.find_student(student).submissions:
                book.remove_student(student)


def remove(path, student):
    """Take a student out; False if the gradebook does not know them."""
    with _usable(path), Gradebook(url(path), COURSE) as book:
        try:
            book.remove_student(student)
        except MissingEntry:
            return False
        return True


def export(path, table, config):
    """nbgrader's own CSV, as the file `table`."""
    with Gradebook(url(path), COURSE) as book:
        CsvExportPlugin(config=config, to=str(table)).export(book)


@contextlib.contextmanager
def _usable(path):
    """What SQLite says of a gradebook that is locked, broken or full, as a GradebookError."""
    try:
        if path.exists():
            with sqlite3.connect(path, timeout=5) as connection:  # known before a mark is written
                connection.execute("BEGIN IMMEDIATE")
                connection.execute("PRAGMA schema_version")
            connection.close()
        yield
    except (sqlite3.DatabaseError, sqlalchemy.exc.SQLAlchemyError) as error:
        reason = first_line(error.__cause__ or error)
        cure = ("close formgrader and whatever else has it open" if "locked" in reason else
                "free some space" if "full" in reason else "move it away (marks given by hand are in it)")
        raise GradebookError(f"gradebook: expected one that can be written, found '{reason}'; {cure}, then run "
                             "make grade again: what was graded is kept") from None


def blank(config):
    """The bytes of a gradebook that knows the course's notebooks and no student."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "gradebook.db")
        add_course(path, config)
        return path.read_bytes()


def add_course(path, config):
    """Make the course's notebooks known to the gradebook at `path`.

    What `nbgrader generate_assignment` does on the way to a release, up to the saving. Exercises may have come and
    gone since the last time, which nbgrader itself refuses once there are submissions.
    """
    steps = config.GenerateAssignment.preprocessors
    for name, notebook in course.solutions().items():
        with Gradebook(url(path), COURSE) as book:
            book.update_or_create_assignment(name)
            _renew_cells(book, name, notebook)
        notebook = copy.deepcopy(notebook)
        for step in steps[:steps.index(SaveCells) + 1]:
            notebook, _ = step(config=config).preprocess(notebook, resources(path, name))


def _renew_cells(book, name, notebook):
    """Take cells that the notebook no longer has out of the gradebook, and give each submission the new ones."""
    try:
        known = book.find_notebook(name, name)
    except MissingEntry:
        return
    wanted = {kind: {cell.metadata.nbgrader["grade_id"]: cell for cell in notebook.cells if test(cell)}
              for kind, test in ((GradeCell, is_grade), (SolutionCell, is_solution), (SourceCell, lambda cell:
                                 is_grade(cell) or is_solution(cell) or is_locked(cell)))}
    for kind, cells in wanted.items():
        old = known.source_cells if kind is SourceCell else [c for c in known._base_cells if isinstance(c, kind)]
        for cell in [cell for cell in old if cell.name not in cells]:
            for mark in [] if kind is SourceCell else [*cell.grades, *cell.comments]:
                book.db.delete(mark)
            book.db.delete(cell)
        for grade_id in cells.keys() - {cell.name for cell in old}:
            more = {} if kind is SolutionCell else {"cell_type": cells[grade_id].cell_type}
            if kind is GradeCell:
                more["max_score"] = float(cells[grade_id].metadata.nbgrader["points"])
            new = kind(name=grade_id, notebook=known, **more)
            book.db.add(new)
            for submission in [] if kind is SourceCell else known.submissions:
                book.db.add((Grade if kind is GradeCell else Comment)(cell=new, notebook=submission))
    book.db.commit()


def _write(book, result):
    student, assignment = result["student"], result["assignment"]
    known = book.update_or_create_student(student)
    if result["name"]:
        known.last_name = plain(result["name"])
    timestamp = parse_utc(result["timestamp"]) if result.get("timestamp") else None
    book.update_or_create_submission(assignment, student, timestamp=timestamp)
    for exercise in result["exercises"]:
        grade = book.find_grade(f"test_{exercise['name']}", assignment, assignment, student)
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
