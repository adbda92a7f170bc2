"""From an LMS's download to nbgrader's folders: `submitted/<student>/<assignment>/<assignment>.ipynb`.

Which notebook a file is, is read from its content first, then from its name; whose it is, from where it lies. One bad
file never stops the others: what could not be used is a line in `Intake.problems`. Nothing is run or unpickled.
"""

import hashlib
import json
import os
import re
import shutil
import tempfile
from collections import Counter, defaultdict
from dataclasses import asdict, dataclass
from pathlib import Path

import nbformat

from grading.intake import archives, layouts, reading, source
from grading.run.limits import MODEL_SIZE
from helpers.settings import MODEL_FILE, ROOT

WITH_MODEL = "05_evaluation"
_NOTEBOOK = re.compile(r".*\.(?:ipynb\b.*|json|py)", re.IGNORECASE | re.DOTALL)
_SURELY = re.compile(r".*\.ipynb\b.*", re.IGNORECASE | re.DOTALL)  # the rest is looked into, but not missed

_COURSE = {"solutions", "tests", "build", "autograded", "feedback"}  # in the folder of who hands in all of the course


class IngestError(ValueError):
    """Nothing can be taken in; the message, one line, says what to do."""


@dataclass
class Submission:
    """One notebook of one student: `files` are the names that it came under, `sha256` is of what was written."""

    student: str
    name: str
    assignment: str
    notebook: Path
    model: Path | None
    files: list
    sha256: str


@dataclass
class Problem:
    """A file that was left out, or needed a decision; `student` is an id, None where nobody's."""

    file: str
    student: str | None
    text: str


@dataclass
class Intake:
    submissions: list
    problems: list

    def to_json(self):
        return json.dumps(asdict(self), indent=1, default=str)


@dataclass
class _Found:
    """A notebook that is somebody's, written to a folder to wait in."""

    file: archives.File
    owner: layouts.Owner
    assignment: str
    waiting: Path
    filled: int

    @property
    def order(self):
        return bool(self.filled), self.owner.time, self.owner.copy


def ingest(download, course, release=ROOT / "notebooks", named_regexp=""):
    """Take in a download; `course`/submitted holds the newest notebook and model file of each student afterwards.

    Parameters
    ----------
    download : path
        A folder or a zip archive as an LMS gives it, or folders of students; a single notebook also.
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
        raise IngestError(f"There is no {download}: give the folder or zip file of the submissions.")
    catalogue, problems = Catalogue(release), []
    files = list(archives.files(download, lambda place, reason: problems.append(Problem(place, None, reason))))
    if not files and not problems:
        raise IngestError(f"{download} is empty: give the folder or zip file of the submissions.")
    wanted = [file for file in files if not _COURSE.intersection(file.parts[1:])
              and (_NOTEBOOK.fullmatch(file.name) or file.name.lower().endswith(".safetensors"))]
    surely = [file for file in wanted if _SURELY.fullmatch(file.name) or not _NOTEBOOK.fullmatch(file.name)]
    layout = layouts.Layout(surely or wanted, catalogue.names, download.resolve().stem, named_regexp)
    course.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=course, prefix=".incoming-") as waiting:
        found = []
        for number, file in enumerate(file for file in wanted if _NOTEBOOK.fullmatch(file.name)):
            found += _look_into(file, layout, catalogue, Path(waiting, str(number)), problems)
        models = [(file, layout.owner(file)) for file in wanted if not _NOTEBOOK.fullmatch(file.name)]
        people = _people(found, [owner for _, owner in models], problems)
        problems += _empty_handed(files, layout, {student for student, _ in people}, problems)
        ids = layouts.student_ids([*people.values(), *(problem.student for problem in problems if problem.student)])
        submissions = _settle(found, models, people, ids, course, problems)
    return Intake(submissions, [Problem(problem.file, ids.get(problem.student), problem.text) for problem in problems])


class Catalogue:
    """What tells the notebooks of a release apart."""

    def __init__(self, release):
        paths = sorted(Path(release).glob("*/*.ipynb"))
        self.names = [path.stem for path in paths if path.stem == path.parent.name]
        if not self.names:
            raise IngestError(f"There is no release in {release}: run `make release` first.")
        notebooks = {path.stem: nbformat.read(path, as_version=4) for path in paths}
        self.functions = {name: {function for cell in notebooks[name].cells
                                 if cell.metadata.get("nbgrader", {}).get("solution")
                                 for function in source.blanks(cell.source)} for name in self.names}
        features = {name: set(_features(notebooks[name])) for name in self.names}
        count = Counter(feature for name in self.names for feature in features[name])
        self.feature_of = {feature: name for name in self.names for feature in features[name] if count[feature] == 1}

    def recognise(self, notebook, hint):
        """Which notebook of the release this is, or None, and whether its content says so; `hint`: its file's name."""
        score = Counter(self.feature_of[feature] for feature in set(_features(notebook)) if feature in self.feature_of)
        (best, most), = score.most_common(1) or [(None, 0)]
        name = hint if hint and score[hint] == most or most < 2 else best
        return name, score[name] > 0

    def filled(self, notebook, name):
        """How many of the functions of a notebook's exercises are filled in."""
        done = set()
        for cell in notebook.cells:
            if any(function in cell.source for function in self.functions[name]):
                done |= {bound for bound, node in source.defined(cell.source)
                         if bound in self.functions[name] and not source.is_blank(node)}
        return len(done)


def _features(notebook):
    """What a notebook can be known by: ids, grade ids, whole cells, titles and functions."""
    for cell in notebook.cells:
        yield f"id {cell.metadata.get('id', cell.id)}"
        yield f"grade id {cell.metadata.get('nbgrader', {}).get('grade_id')}"
        yield f"cell {' '.join(cell.source.split())}" if cell.source.strip() else "nothing"
        yield from (f"title {line}" for line in cell.source.split("\n") if line.startswith("# ") and "·" in line)
        yield from (f"defines {name}" for name in re.findall(r"^(?:async def|def|class) (\w+)", cell.source, re.M))


def _look_into(file, layout, catalogue, waiting, problems):
    """The notebooks of this course in a file: one, or none with a problem, or several in a renamed archive."""
    owner, hint = layout.owner(file), layout.assignment(file.name)

    def refuse(text):
        if _SURELY.fullmatch(file.name):
            problems.append(Problem(str(file), owner.student, text))
    try:
        if file.size > reading.MOST_READ:
            raise archives.BadArchive(f"larger than {reading.MOST_READ // 1_000_000} MB")
        data = file.read(reading.MOST_READ)
        inside = archives.renamed_zip(data) if data[:4] == b"PK\3\4" else [(file.name, data)]
    except (archives.BadArchive, OSError) as error:
        refuse(f"cannot be read: {error}")
        return
    if hint is None:
        hint = next(filter(lambda i: i is not None, map(layout.assignment, reversed(file.parts))), None)
    for number, (name, data) in enumerate(inside):
        if not _NOTEBOOK.fullmatch(name):
            continue
        try:
            notebook, notes = reading.read(data, name)
            assignment, sure = catalogue.recognise(notebook, None if hint is None else catalogue.names[hint])
            if assignment is None:
                raise reading.NotANotebook("a notebook, but none of this course")
            if not sure:
                notes.append("known only by its name; nothing in it is of this course")
            place = waiting.with_name(f"{waiting.name}-{number}")
            nbformat.write(notebook, place)
        except (reading.NotANotebook, OSError) as error:
            refuse(f"left out: {error}")
            continue
        problems += [Problem(str(file), owner.student, f"{assignment}: {note}") for note in notes]
        yield _Found(file, owner, assignment, place, catalogue.filled(notebook, assignment))


def _people(found, owners, problems):
    """(student, number of the LMS) to a display name of its own.

    Some systems number people, some number hand-ins: two numbers are two people only if both handed in the same.
    """
    numbers, handed_in = defaultdict(set), defaultdict(Counter)
    for item in found:
        numbers[item.owner.student].add(item.owner.number)
    for student, number, assignment in {(item.owner.student, item.owner.number, item.assignment) for item in found}:
        handed_in[student][assignment] += 1
    people = {}
    for owner in [*(item.owner for item in found), *owners]:
        several = max(handed_in[owner.student].values(), default=0) > 1
        if several and (owner.student, owner.number) not in people:
            problems.append(Problem(owner.student, None, "several people have this name; they are told apart by the "
                                    f"number of the LMS, here {owner.number}"))
        people[owner.student, owner.number] = f"{owner.student} {owner.number}" if several else owner.student
    return people


def _empty_handed(files, layout, known, problems):
    """A problem for each student of whom there is nothing else to say."""
    known, others = known | {problem.student for problem in problems}, defaultdict(list)
    for file in files:
        owner = layout.owner(file)
        if (file.parts or owner.number) and owner.student not in known:
            others[owner.student].append(file.name)
    return [Problem(student, student, f"no notebook of this course among the files: {', '.join(sorted(names)[:5])}")
            for student, names in sorted(others.items())]


def _settle(found, models, people, ids, course, problems):
    """Choose the notebook and the model file of each student and write them where nbgrader looks for them."""
    groups, submissions = defaultdict(list), []
    for item in found:
        groups[people[item.owner.student, item.owner.number], item.assignment].append(item)
    model_of = defaultdict(list)
    for file, owner in models:
        name = people[owner.student, owner.number]
        reason = _model_problem(file)
        if reason:
            problems.append(Problem(str(file), name, f"the model file was left out: {reason}"))
        else:
            model_of[name].append((owner.time, owner.copy, file.time, file))
    for (name, assignment), items in sorted(groups.items(), key=lambda pair: pair[0]):
        chosen = _newest(items, name, problems)
        options = sorted(model_of.pop(name, []), key=lambda option: option[:3]) if assignment == WITH_MODEL else []
        if len(options) > 1:
            problems.append(Problem(str(options[-1][3]), name, f"{len(options)} model files; the newest was taken"))
        try:
            submissions.append(_write(chosen, options[-1][3] if options else None, ids[name], name, course))
        except (OSError, archives.BadArchive) as error:
            why = getattr(error, "strerror", None) or error
            problems.append(Problem(str(chosen.file), name, f"{assignment} could not be written: {why}"))
    for name, options in sorted(model_of.items()):
        problems.append(Problem(str(options[-1][3]), name, f"a model file, but no {WITH_MODEL} to go with it"))
    return submissions


def _newest(items, name, problems):
    """Of several files for one notebook one that is filled in, newest by LMS, number of the copy, clock; fullest."""
    best = max(item.order for item in items)
    equals = [item for item in items if item.order == best]
    spread = max(item.file.time for item in equals) - min(item.file.time for item in equals)
    by_clock = spread > 60  # unpacking gives all files about the same time
    chosen = max(equals, key=lambda item: (item.file.time if by_clock else 0, item.filled, str(item.file)))
    if len(items) > 1:
        why = "the newest one" if len(equals) == 1 or by_clock else "the fullest one"
        others = ", ".join(sorted(str(item.file) for item in items if item is not chosen))
        problems.append(Problem(str(chosen.file), name, f"{len(items)} files for {chosen.assignment}; this is {why}, "
                                f"left out: {others}"))
    return chosen


def _model_problem(file):
    """Why a file is no set of tensors, by its size and header, or None."""
    if file.size > MODEL_SIZE:
        return f"{file.size / 1e6:.0f} MB, at most {MODEL_SIZE / 1e6:.0f} MB"
    try:
        with file.open() as stream:
            length = int.from_bytes(stream.read(8), "little")
            if not 2 <= length <= min(file.size - 8, 1_000_000):
                return "it is no safetensors file"
            header = json.loads(stream.read(length))
    except (OSError, ValueError, EOFError, RecursionError, archives.BadArchive):
        return "it is no safetensors file, or cut off"
    ends = [entry.get("data_offsets", [0, -1])[-1] for name, entry in header.items()
            if name != "__metadata__" and isinstance(entry, dict)] if isinstance(header, dict) else []
    if not ends or not all(isinstance(end, int) for end in ends) or max(ends) != file.size - 8 - length:
        return "its size is not what its header says; was the upload cut off?"
    return None


def _write(chosen, model, student, name, course):
    """Put a submission in its place, file by file in one step each; equal files are left as they are."""
    folder = course / "submitted" / student / chosen.assignment
    folder.mkdir(parents=True, exist_ok=True)
    notebook, digest = folder / f"{chosen.assignment}.ipynb", hashlib.sha256()
    target, names = None, [str(chosen.file)]
    if model:
        target, names = folder / MODEL_FILE, [*names, str(model)]
        with model.open() as stream, open(f"{chosen.waiting}.model", "wb") as copy:
            shutil.copyfileobj(stream, copy, 1 << 20)
        _replace(Path(f"{chosen.waiting}.model"), target)
    else:
        (folder / MODEL_FILE).unlink(missing_ok=True)
    _replace(chosen.waiting, notebook)
    if chosen.owner.time:  # nbgrader reads it, for late penalties
        (folder / "timestamp.txt").write_text(chosen.owner.time)
    else:
        (folder / "timestamp.txt").unlink(missing_ok=True)
    for path in filter(None, [notebook, target]):
        with open(path, "rb") as stream:
            digest.update(hashlib.file_digest(stream, "sha256").digest())
    return Submission(student, name, chosen.assignment, notebook, target, names, digest.hexdigest())


def _replace(new, path):
    if path.is_symlink() or not path.is_file() or path.read_bytes() != new.read_bytes():
        os.replace(new, path)
