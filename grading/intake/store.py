"""What all downloads so far have brought: `submitted/` as nbgrader has it, and `intake.json` with facts about it."""

import hashlib
import json
import os
import shutil
from dataclasses import asdict, dataclass, field
from pathlib import Path

from grading.intake import files, students
from helpers.files import atomic
from helpers.settings import MODEL_FILE

WITH_MODEL = "05_evaluation"
MODEL = "model"  # the key of a student's model file among their assignments


@dataclass
class Submission:
    """One notebook of one student as it counts now.

    `files` are the names that notebook and model came under, `sha256` is of what was written, `time` is the LMS's.
    """

    student: str
    name: str
    assignment: str
    notebook: Path
    model: Path | None
    files: list
    sha256: str
    time: str = ""


@dataclass
class Problem:
    """A file that was left out, or needed a decision.

    `student` is an id, None where it is nobody's; `about` is the assignment or "model", None where not known.
    """

    file: str
    student: str | None
    text: str
    about: str | None = None

    def __post_init__(self):
        self.file, self.text = files.shown(self.file), files.shown(self.text, 600)


@dataclass
class Record:
    """What decides between two files for the same thing, and whose it is."""

    file: str
    sha256: str
    owner: dict
    filled: int = 1
    time: str = ""
    sequence: int = 0


@dataclass
class Store:
    """The folder of a course; see `load`. `records` is id to assignment (or MODEL) to Record."""

    course: Path
    names: dict = field(default_factory=dict)
    records: dict = field(default_factory=dict)
    together: dict = field(default_factory=dict)
    problems: list = field(default_factory=list)

    @classmethod
    def load(cls, course):
        """What earlier downloads have left; an unreadable `intake.json` counts as none."""
        store = cls(Path(course))
        try:
            data = json.loads(store._path.read_text(encoding="utf-8"))
            store.names, store.together = dict(data["names"]), dict(data["together"])
            store.records = {student: {key: Record(**record) for key, record in found.items()}
                             for student, found in data["records"].items()}
            store.problems = [Problem(**problem) for problem in data["problems"]]
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return cls(Path(course))
        for student, found in list(store.records.items()):  # what somebody has taken out of the folder is gone
            store.records[student] = {key: one for key, one in found.items() if store.place(student, key).exists()}
        return store

    def save(self):
        """Write `intake.json`, unless nothing has changed."""
        data = {"names": self.names, "together": self.together, "problems": [asdict(one) for one in self.problems],
                "records": {student: {key: asdict(record) for key, record in sorted(found.items())}
                            for student, found in sorted(self.records.items()) if found}}
        text = json.dumps(data, indent=1, sort_keys=True)
        if not self._path.exists() or self._path.read_text(encoding="utf-8") != text:
            with atomic(self._path) as half_done:
                half_done.write_text(text, encoding="utf-8")

    @property
    def _path(self):
        return self.course / "intake.json"

    def place(self, student, key):
        """Where a notebook lies, or a model: beside notebook 5, or apart while there is no notebook 5."""
        if key != MODEL:
            return self.course / "submitted" / student / key / f"{key}.ipynb"
        beside = self.place(student, WITH_MODEL)
        return (beside if beside.exists() else self.course / "waiting" / student / key).with_name(MODEL_FILE)

    def submission(self, student, assignment):
        """What counts now, as nbgrader's folder has it."""
        record, notebook = self.records[student][assignment], self.place(student, assignment)
        model = self.records[student].get(MODEL) if assignment == WITH_MODEL else None
        target = self.place(student, MODEL) if model else None
        digest = hashlib.sha256()
        for path in filter(None, [notebook, target]):
            with open(path, "rb") as stream:
                digest.update(hashlib.file_digest(stream, "sha256").digest())
        names = [one.file for one in (record, model) if one]
        return Submission(student, self.names[student], assignment, notebook, target, names, digest.hexdigest(),
                          record.time)

    def submissions(self):
        """Everything that counts now."""
        return [self.submission(student, key) for student, found in sorted(self.records.items())
                for key in sorted(found) if key != MODEL]

    def counts(self, student, key, new):
        """Whether a new file counts from now on, and a sentence where somebody should know why."""
        old = self.records.get(student, {}).get(key)
        if old is None:
            return True, None
        if old.sha256 == new.sha256:
            return (new.time, new.sequence) > (old.time, old.sequence), None
        if bool(old.filled) != bool(new.filled):
            return bool(new.filled), None if new.filled else "it is blank; the one of an earlier download counts"
        for mine, other, said in ((new.time, old.time, f" (handed in {old.time})"), (new.sequence, old.sequence, "")):
            if mine and other and mine != other:
                return mine > other, None if mine > other else f"an earlier download brought a newer one{said}; " \
                                                               "that one counts"
        return True, "it replaces the file of an earlier download; no time says which of them is newer"

    def take(self, student, name, key, record, source):
        """Put a file in its place, in one step; an equal one is left as it is. Raises OSError."""
        path = self.place(student, key)
        waiting = self.place(student, MODEL)
        if path.is_symlink() or not path.is_file() or not _same(source, path):
            with atomic(path) as half_done:
                shutil.copyfile(source, half_done)
        if key == WITH_MODEL and waiting.exists() and waiting != self.place(student, MODEL):
            os.replace(waiting, self.place(student, MODEL))
            _remove_empty(waiting.parent, self.course)
        if key != MODEL:
            stamp = path.with_name("timestamp.txt")  # nbgrader reads it, for late penalties
            if not record.time:
                stamp.unlink(missing_ok=True)
            elif not stamp.exists() or stamp.read_text() != record.time:
                stamp.write_text(record.time)
        self.names[student] = name
        self.records.setdefault(student, {})[key] = record

    def rename(self, everybody):
        """Give each file to the id that its owner has now; a list of (old id, new id, assignment)."""
        moved = []
        for student, found in list(self.records.items()):
            for key, record in list(found.items()):
                owner = students.as_owner(record.owner)
                new = everybody.id(owner)
                if new == student or new in self.records and key in self.records[new]:
                    continue
                old_path = self.place(student, key)
                self.names[new] = files.shown(everybody.name(owner))
                self.records.setdefault(new, {})[key] = found.pop(key)
                target = self.place(new, key)
                target.parent.mkdir(parents=True, exist_ok=True)
                os.replace(old_path, target)
                stamp = old_path.with_name("timestamp.txt")
                if key != MODEL and stamp.exists():
                    os.replace(stamp, target.with_name("timestamp.txt"))
                _remove_empty(old_path.parent, self.course)
                shutil.rmtree(self.course / "autograded" / student / key, ignore_errors=True)
                moved.append((student, new, key))
            if not found:
                del self.records[student]
        return moved

    def remember(self, problems, touched):
        """Keep a download's problems, and those of earlier ones that it has not settled: the latter."""
        said = {(problem.student, problem.file) for problem in problems}
        handed_in, people = {(student, key) for student, key in touched}, {student for student, _ in touched}
        earlier = [problem for problem in self.problems
                   if problem.student is not None and (problem.student, problem.file) not in said
                   and (problem.student, problem.about) not in handed_in
                   and not (problem.about is None and problem.student in people)]
        self.problems = [*earlier, *problems]
        return earlier


def _same(first, second):
    """Whether two files have the same bytes."""
    with open(first, "rb") as one, open(second, "rb") as other:
        return os.path.getsize(first) == os.path.getsize(second) and \
            hashlib.file_digest(one, "sha256").digest() == hashlib.file_digest(other, "sha256").digest()


def _remove_empty(folder, end):
    """Remove a folder and those above it that are empty, as far as `end`."""
    while folder != end:
        try:
            folder.rmdir()
        except OSError:
            return
        folder = folder.parent
