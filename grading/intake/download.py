"""A download on its way in: which files it has, whose each is, and the notebooks and models in them.

Strangers' bytes are read by a process with limits (`child`), so that one bad file stops nobody else's: it is a line in
`problems`.
"""

import re
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

from grading.intake import catalogue, files, owners, reading
from grading.intake.child import Unreadable
from grading.intake.reading import SURELY
from grading.intake.store import MODEL
from grading.run.limits import MODEL_SIZE

_COURSE = {"solutions", "tests", "build", "autograded", "feedback", "helpers", "grading", "tools", "benchmarks"}
PATIENCE = 60  # seconds of the CPU for what one student handed in ...
MOST_COSTLY = 3  # ... of which so many files may end the process that reads them
MOST_OF_ONE = 2_000  # files


@dataclass
class Found:
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


class Download:
    """All of one download.

    Parameters
    ----------
    path : Path
        A folder, a zip archive or a single file.
    child : child.Child
        Reads the files.
    waiting : Path
        An empty folder for what was read.
    release, named_regexp
        As of `ingest.ingest`.
    known : callable
        Whether a folder's name is that of a student who is known from an earlier download.
    student : str
        As of `ingest.ingest`.

    Attributes
    ----------
    files : list of files.File
    problems : list of (file or place, Owner or None, text, about)
        `about` is the assignment, MODEL, or None where that is not known.
    groups : dict
        From owners, several for a group's work, to their files.
    """

    def __init__(self, path, child, waiting, release, named_regexp, known, student=""):
        self.path, self.child, self.waiting = path, child, waiting
        self.problems = []
        self.assignments = catalogue.names(release)
        self.files, refused = self._list()
        self.empty = not self.files and not refused
        wanted = [file for file in self.files if _kind(file)]
        surely = [file for file in wanted if _kind(file) != "notebook" or SURELY.fullmatch(file.name)]
        self.layout = owners.Alone(student, self.assignments) if student else owners.Layout(
            surely or wanted or self.files, self.assignments, path.resolve().stem, named_regexp, known,
            self._gradescope(), self._blackboard)
        self.problems += [(place, None, text, None) for place, text in self.layout.notes]
        for place, reason in refused:
            *parts, name = place.split("/")
            self.problems.append((place, self._owner(files.File(tuple(parts), name, 0, 0, ())), reason, None))
        self.groups = defaultdict(list)
        for file in self.files:
            self.groups[self.layout.place(file).owners].append(file)

    def read(self):
        """All that is of this course: a list of Found. What each has nothing of, and why, goes to `problems`."""
        found = [one for group in self.groups.values() for one in self._read(group)]
        self._name_the_empty_handed(found)
        return found

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
        end, costly, queue, seen = self.child.spent + PATIENCE, 0, list(group), 0
        while queue:
            file = queue.pop(0)
            kind, place = _kind(file), self.layout.place(file)
            if not kind:
                continue
            seen += 1
            if costly >= MOST_COSTLY or seen > MOST_OF_ONE or self.child.spent > end:
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
                elif SURELY.fullmatch(file.name) or about is not None:
                    self._left_out(file, place, error, None if about is None else self.assignments[about])

    def _left_out(self, file, place, error, about):
        script = file.name.lower().endswith(".py")
        ask = f"; hand in {about or 'the notebook'}.ipynb, not a script" if script else ""
        self._say(file, place, f"left out: {error}{ask}", about)

    def _say(self, file, place, text, about):
        self.problems += [(file, owner, text, about) for owner in place.owners]

    def _model(self, file, place, course):
        if file.size > MODEL_SIZE:
            raise Unreadable(f"{file.size / 1e6:.0f} MB, at most {MODEL_SIZE / 1e6:.0f} MB")
        if problem := self.child.call("model_problem", file.where, file.size):
            raise Unreadable(problem)
        yield Found(file, place, MODEL, None, course=course)

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
                if SURELY.fullmatch(file.name) or is_script and self.layout.assignment(place.label) is not None:
                    self._left_out(file, place, one["error"], hint)
                continue
            for note in one["notes"]:
                self._say(file, place, f"{one['assignment']}: {note}", one["assignment"])
            yield Found(file, place, one["assignment"], Path(one["path"]), one["filled"], one["script"])

    def _name_the_empty_handed(self, found):
        """A line for each student of whom there is nothing else to say."""
        known = {owner for one in found for owner in one.place.owners} | {owner for _, owner, _, _ in self.problems}
        for group, inside in self.groups.items():
            for owner in set(group) - known:
                if owner.system != "file":
                    names = ", ".join(sorted(file.name for file in inside)[:5])
                    text = f"no notebook of this course among the files: {names}"
                    self.problems.append((owner.name, owner, text, None))


def _kind(file):
    """What a file may be: "notebook", "model", "archive", or None."""
    if file.is_archive:
        return "archive"
    if file.name.lower().endswith(".safetensors"):
        return "model"
    return "notebook" if reading.NOTEBOOK.fullmatch(file.name) else None
