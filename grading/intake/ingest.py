"""From an LMS's download to nbgrader's folders: `submitted/<student>/<assignment>/<assignment>.ipynb`.

Whose a file is, is read from where the LMS put it (`owners`); which notebook it is, from its content first, then from
its name (`download`). Of each student the newest of each file counts, whatever the order of downloads: that is decided
here, and kept in `store`. A file that could not be used is a line in `problems`.
"""

import json
import tempfile
from collections import defaultdict
from dataclasses import asdict, dataclass, field
from pathlib import Path

from grading.intake import catalogue, files, owners, reading
from grading.intake.child import Child, Unreadable
from grading.intake.download import Download
from grading.intake.store import MODEL, WITH_MODEL, Problem, Record, Store
from grading.intake.students import Students
from grading.run.limits import MODEL_SIZE
from helpers.settings import ROOT


class IngestError(ValueError):
    """Nothing can be taken in; the message, one line, says what to do."""


@dataclass
class Intake:
    """What a download brought.

    `submissions` are those of the students' notebooks that it had a file for, as they count now; `problems` are its
    own, `earlier` those of downloads before it that still hold; `moved` are the (id before, id now, assignment) of
    earlier work that is somebody else's now.
    """

    submissions: list
    problems: list
    earlier: list = field(default_factory=list)
    moved: list = field(default_factory=list)

    def to_json(self):
        return json.dumps(asdict(self), indent=1, default=str)


def stored(course):
    """Everything that counts in the folder of a course, and all problems that still hold: an Intake."""
    store = Store.load(course)
    return Intake(store.submissions(), store.problems)


def names(course):
    """Id to name of everybody who has handed in something."""
    return Store.load(course).names


def records(course):
    """Id to assignment (or `MODEL`) to the Record of what counts."""
    return Store.load(course).records


def tell_times(course, times):
    """Keep when work was handed in that an LMS did not write into its download; `times` is Moodle's number to ISO."""
    store = Store.load(course)
    for id, found in store.records.items():
        for key, record in found.items():
            time = times.get(record.owner["number"]) if record.owner["system"] == "moodle" else None
            if time and key != MODEL and time != record.time:
                record.time = time
                store.place(id, key).with_name("timestamp.txt").write_text(time)
    store.save()


def ingest(download, course, release=ROOT / "notebooks", named_regexp="", student=""):
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
    student : str
        Whose all of it is; "" if the download says whose each file is.

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
    store = Store.load(course)
    people = {files.shown(record.owner["name"]) for found in store.records.values() for record in found.values()}
    with Child(release) as child, tempfile.TemporaryDirectory(dir=course, prefix=".incoming-") as waiting:
        incoming = Download(download, child, Path(waiting), release, named_regexp, people.__contains__,
                            student)
        if incoming.empty:
            raise IngestError(f"{files.shown(download)} is empty: give the folder or zip file of the submissions.")
        return _Settlement(incoming, store).take_in()


class _Settlement:
    """What a download brings to a store: decided, and written."""

    def __init__(self, download, store):
        self.download, self.store, self.problems = download, store, download.problems
        self.child, self.waiting, self.moved = download.child, download.waiting, []

    def take_in(self):
        """Read everything, decide, and write: an Intake."""
        found, everybody = self.download.read(), Students()
        for name, numbers in self.store.together.items():
            everybody.restore(name, numbers)
        self._unmask(found)
        for records in self.store.records.values():
            for key, record in records.items():
                everybody.add(_as_owner(record), key)
        for one in found:
            for owner in one.place.owners:
                everybody.add(owner, one.key if one.key != MODEL else None)
        self.store.together |= everybody.together({owner for group in self.download.groups for owner in group})
        touched = self._settle(found, everybody)
        problems = [Problem(str(file), everybody.id(owner) if owner else None, text, about)
                    for file, owner, text, about in self.problems]
        earlier = self.store.remember(problems, touched)
        self.store.save()
        return Intake([self.store.submission(student, key) for student, key in sorted(touched)
                       if key in self.store.records.get(student, {}) and key != MODEL], problems, earlier, self.moved)

    def _unmask(self, found):
        """Canvas gives names once grades are posted: who had none so far is known by the number of their file."""
        named = {one.place.sequence: one.place.owners[0] for one in found if one.place.owners[0].system == "canvas"}
        for records in self.store.records.values():
            for record in records.values():
                if record.owner["system"] == "canvas_anonymous" and record.sequence in named:
                    record.owner = asdict(named[record.sequence])

    def _settle(self, found, everybody):
        """Write what counts; the (id, assignment) pairs that this download had a file for."""
        touched, groups = set(), defaultdict(list)
        for old, new, key in self.store.rename(everybody):
            touched.add((new, key))
            self.moved.append((old, new, key))
            if self.store.records[new][key].owner["system"] != "canvas":
                self.problems.append((new, None, f"several people have this name: what was {old}'s {key} is now "
                                      f"{new}'s, told apart by the LMS's number", None))
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
        counts, why = self.store.counts(student, key, record)
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
