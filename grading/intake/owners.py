"""Whose a file is: what the LMS wrote decides, never what a student wrote.

The layout is decided for a download as a whole, from its outermost level that is not the same for all: names that an
LMS writes, a folder for each student, or loose files. Only that level is read, and from its beginning; what comes
behind is the student's, and only helps to guess the assignment.
"""

import re
import unicodedata
from collections import Counter, defaultdict
from dataclasses import dataclass, replace

from grading.intake.layouts import SYSTEMS, is_wrapper, looks_like_a_person, when, without_copy

_EMPTY = re.compile(r"(?:untitled\d*|notebook|model|final|solution|homework|assignment|[\W_\d]*)", re.IGNORECASE)
METADATA = "submission_metadata.yml"  # of Gradescope
_FOLDER = re.compile(r"submission_\d+")


@dataclass(frozen=True)
class Owner:
    """A person as a download has them.

    `login` is what identifies them in the LMS: a user name, or a number of theirs; empty where only the name does.
    `number` is Moodle's, which another assignment numbers anew. `files` tells apart who handed in what is one name.
    """

    system: str  # "moodle", ..., "folder" or "file"
    name: str
    login: str = ""
    number: str = ""


@dataclass(frozen=True)
class Place:
    """What a file's place says: its owners (several for a group), and what the LMS wrote about the hand-in."""

    owners: tuple
    time: str = ""  # in UTC or as the LMS shows it; "" if it wrote none
    sequence: int = 0  # Canvas's number of an attachment: a later one is larger
    copy: int = 0  # "(1)" of a browser, "-2" of Canvas
    label: str = ""  # what is the student's in the name, to guess the assignment
    inside: tuple = ()  # folders within what the student handed in


class Layout:
    """The layout of a download.

    Parameters
    ----------
    files : list of files.File
        All that matter: notebooks, models, archives.
    assignments : list of str
    source_name : str
        Of the download; whose the files are if nothing else says it.
    named_regexp : str
        An instructor's own pattern, with the groups of nbgrader's FileNameCollectorPlugin.
    known : callable
        Whether a folder's name is that of a student who is known from an earlier download.
    metadata : dict
        Of Gradescope's export: the path of its folder to what `parse.gradescope` found.
    facts : callable
        For Blackboard: beginning of a name to (name, user name), as its text file says, or None.
    """

    def __init__(self, files, assignments, source_name, named_regexp="", known=lambda name: False, metadata=None,
                 facts=lambda attempt: None):
        self.assignments = [re.compile(_loosely(name), re.IGNORECASE) for name in assignments]
        self.systems = {**({"own": re.compile(named_regexp)} if named_regexp else {}), **SYSTEMS}
        self.source_name, self.known, self.metadata, self.facts = source_name, known, metadata or {}, facts
        self.notes = []  # (folder, sentence) for what was a guess
        self._rules = {}  # folders above a level -> (system, title of Blackboard's assignment, name for loose files)
        self._decide(files, (), source_name)

    def place(self, file):
        """Whose a file is."""
        depth = next((depth for depth in range(len(file.steps)) if file.steps[:depth] in self._rules), 0)
        system, title, source_name = self._rules.get(file.steps[:depth], (None, "", self.source_name))
        step, inside = file.steps[depth], file.steps[depth + 1:-1]
        loose = depth == len(file.steps) - 1 and not file.is_archive
        found = self._marked(system, title, step, file.steps[:depth]) if system else None
        if found is None:
            stem, copy = without_copy(file.name)
            name = (self._rest(file.name) or source_name) if loose else step
            return Place((Owner("file" if loose else "folder", name),), copy=copy, label=stem, inside=inside)
        stem, copy = without_copy(found.label if loose and found.label else file.name)
        return replace(found, copy=max(copy, found.copy), label=stem, inside=inside)

    def assignment(self, text):
        """The number of the assignment that a name names, or None."""
        return next((i for i, pattern in enumerate(self.assignments) if pattern.search(text)), None)

    def _decide(self, files, above, source_name):
        """Find the level that says whose the files below `above` are."""
        depth, entries = len(above), defaultdict(list)
        for file in files:
            entries[file.steps[depth]].append(file)
        system = "gradescope" if above in self.metadata else self._system(entries)
        if not system and entries and all(self._is_wrapper(step, inner, depth, len(entries) == 1)
                                          for step, inner in entries.items()):
            for step, inner in entries.items():
                self._decide(inner, (*above, step), source_name)
            return
        title = _common_title(entries) if system == "blackboard" else ""
        self._rules[above] = system, title, source_name

    def _system(self, steps):
        """The LMS that wrote more than half of some names, or None."""
        votes = Counter(filter(None, map(self._writer, steps)))
        (system, most), = votes.most_common(1) or [(None, 0)]
        return system if 2 * most > len(steps) else None

    def _writer(self, step):
        """The LMS that wrote a name. A student may have called a file as another one would: what comes first counts."""
        ends = {system: match.start("file_id") if match.groupdict().get("file_id") else match.end()
                for system, match in ((system, pattern.fullmatch(step)) for system, pattern in self.systems.items())
                if match}
        return "own" if "own" in ends else min(ends, key=ends.get, default=None)

    def _is_wrapper(self, step, files, depth, alone):
        """Whether a folder or archive is nobody's: people's hand-ins lie in it."""
        if any(len(file.steps) == depth + 1 for file in files) or self.known(step):
            return False  # a file, an archive that is not opened, or a student
        below = defaultdict(list)
        for file in files:
            below[file.steps[depth + 1]].append(file)
        named = is_wrapper(step) or any(pattern.fullmatch(step) for pattern in self.assignments)
        folders = {name for name, inner in below.items() if any(len(file.steps) > depth + 2 for file in inner)
                   or any(file.is_archive for file in inner)}
        if (*files[0].steps[:depth], step) in self.metadata:
            return True
        system = self._system(below)
        if system:
            people = {self.systems[system].fullmatch(name).groupdict().get("number") or name for name in below
                      if self.systems[system].fullmatch(name)}
            return named or len(people) > 1
        if named:
            anonymous = all(name not in folders and not self._rest(name) for name in below)
            return not anonymous or any(pattern.fullmatch(step) for pattern in self.assignments)
        people = [name for name in below if name in folders and looks_like_a_person(name)
                  and not any(pattern.fullmatch(name) for pattern in self.assignments)]
        if alone and len(below) == 1 and is_wrapper(next(iter(below))):
            (inner_step, inner), = below.items()
            return self._is_wrapper(inner_step, inner, depth + 1, alone)
        if alone and len(people) > 1 and len(people) == len(below):
            self.notes.append((step, f"everything lies in this folder; the {len(people)} folders in it were taken for "
                               "students. If it is one student's, give the folder above it with the others' in it"))
            return True
        return False

    def _marked(self, system, title, step, above):
        """The place that an LMS wrote into a name, or None for a name that it did not write."""
        if system == "gradescope":
            return self._gradescope(step, self.metadata[above])
        match = self.systems[system].fullmatch(step)
        if not match:
            return None
        group = match.groupdict(default="")
        name = " ".join(filter(None, [group.get("first_name"), group.get("last_name")])) or group.get("student_id", "")
        owner = Owner(system, name.strip(), group.get("number", ""))
        if system == "moodle":
            owner = Owner(system, name.strip(), number=group["number"])
        elif system == "blackboard":
            fact = self.facts((*above, f"{group['before']}_attempt_{group['timestamp']}"))
            if fact and group["before"].endswith(f"_{fact[1]}"):
                owner = Owner(system, *fact)
            else:
                user = group["before"][len(title) + 1:] if title else group["before"].rpartition("_")[2]
                owner = Owner(system, user, user)
        elif system == "canvas_anonymous":
            owner = Owner(system, "anon", group["number"])
        if not owner.name:
            return None
        copy = int(group.get("attempt") or 0)
        return Place((owner,), when(group.get("timestamp", "")), int(group.get("sequence") or 0), copy,
                     group.get("file_id", ""))

    @staticmethod
    def _gradescope(step, metadata):
        entry = metadata.get(step)
        if entry is None:
            return None
        owners = tuple(Owner("gradescope", person["name"] or person["email"] or person["sid"],
                             person["sid"] or person["email"] or person["name"])
                       for person in entry["submitters"] if any(person.values()))
        return Place(owners or (Owner("gradescope", step, step),), when(entry["time"]))

    def _rest(self, name):
        """What a file's name says besides the assignment: a loose file's student."""
        stem, _ = without_copy(name)
        for pattern in self.assignments:
            stem = pattern.sub(" ", stem)
        stem = re.sub(r"(?i)[\W_]*\bmodel\b|\bmodel_", " ", stem.replace("_model", " ")).strip(" _-.")
        return "" if _EMPTY.fullmatch(stem) else stem


class Alone(Layout):
    """The layout of one student's files: wherever they lie, they are all that student's."""

    def __init__(self, student, assignments):
        super().__init__([], assignments, student)

    def place(self, file):
        stem, copy = without_copy(file.name)
        return Place((Owner("folder", self.source_name),), copy=copy, label=stem, inside=file.parts)


def normal(name):
    """A name as one sequence of characters, whatever system wrote its accents."""
    return unicodedata.normalize("NFC", name).strip()


def _common_title(names):
    """What all of Blackboard's names begin with before "_user name": the title of the assignment; "" for one student.

    Names that do not fit are left out.
    """
    befores = {match["before"] for match in map(SYSTEMS["blackboard"].fullmatch, names) if match}
    if len(befores) < 2:
        return ""
    shortest = min(befores, key=len)
    titles = [shortest[:place] for place, letter in enumerate(shortest) if letter == "_"]
    return max((title for title in titles if all(one.startswith(f"{title}_") for one in befores)), key=len, default="")


def _loosely(name):
    """A pattern for an assignment's name as people write it: 01_setup, 1-Setup, "01 setup"."""
    number, _, word = name.partition("_")
    return rf"0*{re.escape(number.lstrip('0'))}[\W_]{{0,9}}{re.escape(word)}" if word else re.escape(name)
