"""From an LMS's download to nbgrader's folders: `submitted/<student>/<assignment>/<assignment>.ipynb`.

Whose a file is, is read from where the LMS put it (`owners`); which notebook it is, from its content first, then from
its name. Of each student the newest of each file counts, whatever the order of downloads (`store`). Strangers' bytes
are read by a process with limits (`child`), so that one bad file stops nobody else: it is a line in `problems`.
"""

import json
import re
import tempfile
import time
from collections import defaultdict
from dataclasses import asdict, dataclass, field
from pathlib import Path

from grading.intake import catalogue, files, owners, reading
from grading.intake.child import Child, Unreadable
from grading.intake.store import MODEL, WITH_MODEL, Problem, Record, Store
from grading.intake.students import Students
from grading.run.limits import MODEL_SIZE
from helpers.settings import ROOT

_SURELY = re.compile(r".*\.ipynb\b.*", re.IGNORECASE | re.DOTALL)  # the rest is looked into, but not missed
_COURSE = {"solutions", "tests", "build", "autograded", "feedback", "helpers", "grading", "tools", "benchmarks"}
PATIENCE = 60  # seconds for what one student handed in ...
MOST_COSTLY = 3  # ... of which so many files may end the process that reads them
MOST_OF_ONE = 2_000  # files


class IngestError(ValueError):
    """Nothing can be taken in; the message, one line, says what to do."""


@dataclass
class Intake:
    """What a download brought.

    `submissions` are those of the students' notebooks that it had a file for, as they count now; `problems` are its
    own, `earlier` those of downloads before it that still hold.
    """

    submissions: list
    problems: list
    earlier: list = field(default_factory=list)

    def to_json(self):
        return json.dumps(asdict(self), indent=1, default=str)


@dataclass
class _Found:
    """A notebook or a model that is somebody's; `path` is where it waits."""

    file: files.File
    place: owners.Place
    key: str  # the assignment, or MODEL
    path: Path | None
    filled: int = 1
    script: bool = False  # a script that does not say that it was a notebook
    course: bool = False  # in a folder that the course has as well

    @property
    def order(self):
        return (bool(self.filled), not self.script, not self.course, self.place.time, self.place.sequence,
                self.place.copy)


def stored(course):
    """Everything that counts in the folder of a course, and all problems that still hold: an Intake."""
    store = Store.load(course)
    return Intake(store.submissions(), store.problems)


def names(course):
    """Id to name of everybody who has handed in something."""
    return Store.load(course).names


def ingest(download, course, release=ROOT / "notebooks", named_regexp=""):
    """Take in a download; `course`/submitted holds the newest notebook and model file of each student afterwards.

    Parameters
    ----------
    download : path
        A folder or a zip archive as an LMS gives it, or folders of students; a single notebook also. The course's own
        `submitted` gives what is there.
    course : path
        Where nbgrader works. What earlier downloads brought stays, unless there is something newer here.
    release : path
        The folder that `make release` wrote.
    named_regexp : str
        As of nbgrader's FileNameCollectorPlugin, for an LMS that is not known here.

    Returns
    -------
    Intake

    Raises
    ------
    IngestError
        Nothing there, or no release.
    """
    download, course = Path(download), Path(course)
    if not download.exists():
        raise IngestError(f"There is no {files.shown(download)}: give the folder or zip file of the submissions.")
    if not catalogue.names(release):
        raise IngestError(f"There is no release in {release}: run `make release` first.")
    if download.resolve() in (course.resolve(), (course / "submitted").resolve()) and Store.load(course).records:
        return stored(course)
    course.mkdir(parents=True, exist_ok=True)
    with Child(release) as child, tempfile.TemporaryDirectory(dir=course, prefix=".incoming-") as waiting:
        return _Download(download, Store.load(course), child, Path(waiting), release, named_regexp).take_in()


class _Download:
    """One download on its way in."""

    def __init__(self, path, store, child, waiting, release, named_regexp):
        self.path, self.store, self.child, self.waiting = path, store, child, waiting
        self.problems = []  # (file, Owner or None, text, about)
        self.assignments = catalogue.names(release)
        self.files, refused = self._list()
        if not self.files and not refused:
            raise IngestError(f"{files.shown(path)} is empty: give the folder or zip file of the submissions.")
        known = {files.shown(record.owner["name"]) for found in store.records.values() for record in found.values()}
        wanted = [file for file in self.files if self._kind(file)]
        surely = [file for file in wanted if self._kind(file) != "notebook" or _SURELY.fullmatch(file.name)]
        self.layout = owners.Layout(surely or wanted or self.files, self.assignments, path.resolve().stem,
                                    named_regexp, known.__contains__, self._gradescope(), self._blackboard)
        self.problems += [(place, None, text, None) for place, text in self.layout.notes]
        for place, reason in refused:
            *parts, name = place.split("/")
            self.problems.append((place, self._owner(files.File(tuple(parts), name, 0, 0, ())), reason, None))

    def take_in(self):
        """Read everything, decide, and write: an Intake."""
        everybody, groups = Students(), defaultdict(list)
        for name, numbers in self.store.together.items():
            everybody.restore(name, numbers)
        for file in self.files:
            groups[self.layout.place(file).owners].append(file)
        found = [one for group in groups.values() for one in self._read(group)]
        for records in self.store.records.values():
            for key, record in records.items():
                everybody.add(_as_owner(record), key)
        for one in found:
            for owner in one.place.owners:
                everybody.add(owner, one.key if one.key != MODEL else None)
        self.store.together |= everybody.together({owner for group in groups for owner in group})
        self._name_the_empty_handed(groups, found)
        touched = self._settle(found, everybody)
        problems = [Problem(str(file), everybody.id(owner) if owner else None, text, about)
                    for file, owner, text, about in self.problems]
        earlier = self.store.remember(problems, touched)
        self.store.save()
        return Intake([self.store.submission(student, key) for student, key in sorted(touched)
                       if key in self.store.records.get(student, {}) and key != MODEL], problems, earlier)

    def _list(self):
        """All files of the download, archives of the outermost levels opened; what was refused as (place, reason)."""
        refused = []
        found = files.top(self.path, lambda place, reason: refused.append((place, reason)))
        if found and found[0].is_archive and not self.path.is_dir():
            found = self._open(found[0], (), refused)
        for depth in (0, 1):
            if depth == 0 or len({file.steps[0] for file in found}) == 1:
                found = [inner for file in found for inner in (
                    self._open(file, file.steps, refused) if file.is_archive and len(file.parts) == depth else [file])]
        return found, refused

    def _open(self, file, parts, refused, most=files.MOST_FILES):
        """The files of an archive."""
        try:
            found, bad = self.child.call("entries", file.where, parts, most, seconds=60)
        except Unreadable as error:
            refused.append((str(file), f"the archive cannot be opened: {error}"))
            return []
        refused += [tuple(pair) for pair in bad]
        return [files.File(tuple(parts), name, size, time, tuple(where)) for parts, name, size, time, where in found]

    @staticmethod
    def _kind(file):
        """What a file may be: "notebook", "model", "archive", or None."""
        if file.is_archive:
            return "archive"
        if file.name.lower().endswith(".safetensors"):
            return "model"
        return "notebook" if reading.NOTEBOOK.fullmatch(file.name) else None

    def _gradescope(self):
        """What Gradescope says about who handed in, by the folder of its export."""
        result = {}
        for file in self.files:
            if file.name != owners.METADATA or len(file.parts) > 1:
                continue
            depth = len(file.parts)
            beside = {other.steps[depth] for other in self.files if other.parts[:depth] == file.parts}
            if sum(step.startswith("submission_") for step in beside) > 1:
                try:
                    result[file.parts] = self.child.call("gradescope", file.where, seconds=60)
                except Unreadable as error:
                    self.problems.append((str(file), None, f"it cannot be read: {error}", None))
        return result

    def _blackboard(self, steps):
        """(name, user name) as Blackboard's text file says beside an attempt, or None."""
        texts = self.__dict__.setdefault("_texts", {file.steps: file for file in self.files
                                                    if file.name.endswith(".txt") and "_attempt_" in file.name})
        file = texts.get((*steps[:-1], f"{steps[-1]}.txt"))
        try:
            first = self.child.call("head", file.where).partition("\n")[0] if file else ""
        except Unreadable:
            return None
        match = re.fullmatch(r"Name:\s*(.{1,200}?)\s*\(([^()\s]{1,100})\)\s*", first)
        return match and match.groups()

    def _owner(self, file):
        try:
            return self.layout.place(file).owners[0]
        except (IndexError, KeyError):
            return None

    def _read(self, group):
        """What one student, or a group, handed in; within their time."""
        end, costly, queue, seen = time.monotonic() + PATIENCE, 0, list(group), 0
        while queue:
            file = queue.pop(0)
            kind, place = self._kind(file), self.layout.place(file)
            if not kind:
                continue
            seen += 1
            if costly >= MOST_COSTLY or seen > MOST_OF_ONE or time.monotonic() > end:
                self.problems.append((file, place.owners[0], f"{len(queue) + 1} more files were not read: those before "
                                      "them were too many or took too long", None))
                return
            course = bool(_COURSE.intersection(place.inside))
            try:
                if kind == "archive":
                    refused = []
                    queue[:0] = self._open(file, file.steps, refused, MOST_OF_ONE)
                    self.problems += [(where, place.owners[0], reason, None) for where, reason in refused]
                elif kind == "model":
                    yield from self._model(file, place, course)
                elif not course:
                    yield from self._notebooks(file, place)
            except Unreadable as error:
                costly += error.costly
                about = self.layout.assignment(place.label)
                if kind == "model":
                    self._say(file, place, f"the model file was left out: {error}", MODEL)
                elif _SURELY.fullmatch(file.name) or about is not None:
                    self._say(file, place, f"left out: {error}", self.assignments[about] if about is not None else None)

    def _say(self, file, place, text, about):
        self.problems += [(file, owner, text, about) for owner in place.owners]

    def _model(self, file, place, course):
        if file.size > MODEL_SIZE:
            raise Unreadable(f"{file.size / 1e6:.0f} MB, at most {MODEL_SIZE / 1e6:.0f} MB")
        if problem := self.child.call("model_problem", file.where, file.size):
            raise Unreadable(problem)
        yield _Found(file, place, MODEL, None, course=course)

    def _notebooks(self, file, place):
        """The notebooks of this course in a file: one, or none with a problem, or several in a renamed archive."""
        if file.size > reading.MOST_READ:
            raise Unreadable(f"larger than {reading.MOST_READ // 1_000_000} MB")
        hint = next((number for number in map(self.layout.assignment, [place.label, *reversed(file.parts)])
                     if number is not None), None)
        hint = None if hint is None else self.assignments[hint]
        out = self.waiting / str(len(list(self.waiting.iterdir())))
        for one in self.child.call("notebooks", file.where, file.name, hint, str(out)):
            if "error" in one:
                is_script = file.name.lower().endswith(".py")
                if _SURELY.fullmatch(file.name) or is_script and self.layout.assignment(place.label) is not None:
                    ask = f"; hand in {hint or 'the notebook'}.ipynb, not a script" if is_script else ""
                    self._say(file, place, f"left out: {one['error']}{ask}", hint)
                continue
            for note in one["notes"]:
                self._say(file, place, f"{one['assignment']}: {note}", one["assignment"])
            yield _Found(file, place, one["assignment"], Path(one["path"]), one["filled"], one["script"])

    def _name_the_empty_handed(self, groups, found):
        """A line for each student of whom there is nothing else to say."""
        known = {owner for one in found for owner in one.place.owners} | {owner for _, owner, _, _ in self.problems}
        for group, inside in groups.items():
            for owner in set(group) - known:
                if owner.system != "file":
                    names = ", ".join(sorted(file.name for file in inside)[:5])
                    text = f"no notebook of this course among the files: {names}"
                    self.problems.append((owner.name, owner, text, None))

    def _settle(self, found, everybody):
        """Write what counts; the (id, assignment) pairs that this download had a file for."""
        touched, groups = set(), defaultdict(list)
        for old, new, key in self.store.rename(everybody):
            touched.add((new, key))
            self.problems.append((new, None, f"several people have this name: what was {old}'s {key} is now {new}'s, "
                                  "told apart by the LMS's number", None))
        for one in found:
            for owner in one.place.owners:
                groups[everybody.id(owner), one.key, owner].append(one)
        for (student, key, owner), items in sorted(groups.items(), key=lambda pair: (pair[0][1] == MODEL, pair[0][:2])):
            chosen = self._newest(items, owner, key)
            try:
                self._take(chosen, student, owner, key, everybody)
            except (OSError, Unreadable) as error:
                why = getattr(error, "strerror", None) or error
                self.problems.append((chosen.file, owner, f"{key} could not be written: {why}", key))
                continue
            touched.add((student, key))
            if key == MODEL and WITH_MODEL in self.store.records[student]:
                touched.add((student, WITH_MODEL))
            elif key == MODEL:
                self.problems.append((chosen.file, owner, f"a model file, but no {WITH_MODEL} to go with it yet; "
                                      "it is kept until there is one", key))
        return touched

    def _take(self, chosen, student, owner, key, everybody):
        """Put the chosen file in its place unless an earlier download brought a newer one."""
        path = chosen.path or self.waiting / "model"
        if chosen.course:
            self.problems.append((chosen.file, owner, "the model file was taken from a folder that the course has as "
                                  "well; was it trained by this student's notebook?", key))
        sha256 = self.child.call("copy", [str(path)] if chosen.path else chosen.file.where,
                                 max(MODEL_SIZE, reading.MOST_READ), str(self.waiting / "copy"))
        record = Record(files.shown(chosen.file), sha256, asdict(owner), chosen.filled, chosen.place.time,
                        chosen.place.sequence)
        counts, why = self.store.verdict(student, key, record)
        if why:
            self.problems.append((chosen.file, owner, f"{key}: {why}", key))
        if counts or key not in self.store.records.get(student, {}):
            self.store.take(student, files.shown(everybody.name(owner)), key, record, self.waiting / "copy")

    def _newest(self, items, owner, key):
        """Of several files for one thing one that is filled in, newest by LMS, number of the copy, clock; fullest."""
        best = max(item.order for item in items)
        equals = [item for item in items if item.order == best]
        spread = max(item.file.time for item in equals) - min(item.file.time for item in equals)
        by_clock = spread > 60  # unpacking gives all files about the same time
        chosen = max(equals, key=lambda item: (item.file.time if by_clock else 0, item.filled, str(item.file)))
        others = sorted(str(item.file) for item in items if item is not chosen and not (item.script or item.course))
        if others:
            why = "the newest one" if len(equals) == 1 or by_clock else "the fullest one"
            what = "model files" if key == MODEL else f"files for {key}"
            self.problems.append((chosen.file, owner, f"{len(others) + 1} {what}; this is {why}, left out: "
                                  f"{', '.join(others[:10])}", key))
        return chosen


def _as_owner(record):
    return owners.Owner(**record.owner)
