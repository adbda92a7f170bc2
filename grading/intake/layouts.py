"""Whose file is it: what the folder and file names of a download from an LMS say.

The patterns have the group names of nbgrader's `zip_collect`, and a `FileNameCollectorPlugin.named_regexp` that an
instructor has for another LMS goes in front of them.
"""

import hashlib
import re
import unicodedata
from collections import defaultdict
from dataclasses import dataclass

import dateutil.parser

MOODLE = r"(?P<student_id>.+?)_(?P<number>\d+)_assignsubmission_(?:file|onlinetext)_*(?P<file_id>.*)"
BLACKBOARD = (r"(?P<before>.+)_(?P<student_id>[^_]+)_attempt_(?P<timestamp>\d{4}(?:-\d\d){5})"
              r"(?:_(?P<file_id>.+)|\.\w+)?")
BRIGHTSPACE = r"(?P<number>\d+)-\d+ - (?P<student_id>.+?) - (?P<timestamp>.+?) - (?P<file_id>.+)"
CANVAS = (r"(?P<student_id>[^_]+)_(?:LATE_)?(?P<number>\d{3,})_\d{3,}_(?P<file_id>.+?)"
          r"(?:-(?P<attempt>\d{1,2}))?(?:\.\w+)*")
PATTERNS = [MOODLE, BLACKBOARD, BRIGHTSPACE, CANVAS]

_COPY = re.compile(r"^(?:copy of|kopie von|copie de)\s+|\s*\((\d+)\)$|\s*-\s*copy(?: \(\d+\))?$|[-_ ]copy\d*$",
                   re.IGNORECASE)
_WRAPPERS = {"submitted", "submission", "submissions", "download", "downloads"}
_EMPTY = re.compile(r"(?:untitled\d*|notebook|model|final|solution|homework|assignment|[\W_\d]*)", re.IGNORECASE)
_RESERVED = re.compile(r"(?:con|prn|aux|nul|com\d|lpt\d)(?:\..*)?", re.IGNORECASE)


@dataclass
class Owner:
    """What a file's place says: the student's name, an LMS's number for people of one name, the order of attempts."""

    student: str
    number: str = ""
    time: str = ""  # of the attempt, if the LMS wrote it; sorts like time
    copy: int = 0  # "(1)" of a browser, "-2" of Canvas
    label: str = ""  # what is left of the file's name


class Layout:
    """The layout of a whole download: `owner(file)` is known when all files are."""

    def __init__(self, files, assignments, source_name, named_regexp=""):
        self.patterns = [re.compile(pattern) for pattern in [named_regexp, *PATTERNS] if pattern]
        self.assignments = [re.compile(_loosely(name), re.IGNORECASE) for name in assignments]
        self.source_name = source_name
        self.befores = {match["before"] for file in files for match in [re.fullmatch(BLACKBOARD, file.name)] if match}
        inner = [(self._steps(file), file) for file in files if not self._match(file)[0]]
        self.wrappers = next((depth for depth in range(1, 6) if self._is_class(inner, depth)), 0)

    def owner(self, file):
        match, step = self._match(file)
        stem, copy = _without_copy(file.name)
        if not match:
            steps = self._steps(file)[self.wrappers:]
            return Owner(steps[0] if steps else self._rest(file.name) or self.source_name, copy=copy, label=stem)
        groups = match.groupdict(default="")
        name = " ".join(filter(None, [groups.get("first_name"), groups.get("last_name")])) or groups["student_id"]
        shorter = [before for before in self.befores if groups.get("before", "").startswith(f"{before}_")]
        if shorter:  # a user name with an underscore
            name = f"{groups['before'][len(min(shorter, key=len)) + 1:]}_{name}"
        if step == file.name and groups.get("file_id"):
            stem, copy = _without_copy(groups["file_id"])
        return Owner(name.strip(), groups.get("number", ""), when(groups.get("timestamp", "")),
                     int(groups.get("attempt") or copy), stem)

    def assignment(self, text):
        """The number of the assignment that a name names, or None."""
        return next((i for i, pattern in enumerate(self.assignments) if pattern.search(text)), None)

    def _match(self, file):
        """An LMS's mark, and the file or folder name that has it, or (None, None)."""
        for step in [file.name, *file.parts]:
            for pattern in self.patterns:
                if (match := pattern.fullmatch(step)) and (match.groupdict().get("student_id") or "").strip():
                    return match, step
        return None, None

    def _steps(self, file):
        """The folders around a file that may be a student's."""
        steps = [step for step in file.parts if not any(pattern.fullmatch(step) for pattern in self.assignments)]
        return steps[1:] if steps and steps[0].lower() in _WRAPPERS else steps

    def _is_class(self, inner, depth):
        """Whether a folder that everything lies in, so deep, holds several people's files: one notebook twice."""
        if not inner or any(len(steps) < depth or steps[:depth] != inner[0][0][:depth] for steps, _ in inner):
            return False
        owners = defaultdict(set)
        for steps, file in inner:
            assignment, below = self.assignment(file.name), len(steps) > depth
            owners[assignment].add(steps[depth] if below else "" if assignment is None else self._rest(file.name))
        return all("" not in names for names in owners.values()) and max(map(len, owners.values())) > 1

    def _rest(self, name):
        """What a file's name says besides the assignment: a loose file's student."""
        stem, _ = _without_copy(name)
        for pattern in self.assignments:
            stem = pattern.sub(" ", stem)
        stem = re.sub(r"(?i)[\W_]*\bmodel\b|\bmodel_", " ", stem.replace("_model", " ")).strip(" _-.")
        return "" if _EMPTY.fullmatch(stem) else stem


def _loosely(name):
    """A pattern for an assignment's name as people write it: 01_setup, 1-Setup, "01 setup"."""
    number, _, word = name.partition("_")
    return rf"0*{re.escape(number.lstrip('0'))}[\W_]*{re.escape(word)}" if word else re.escape(name)


def when(text):
    """A time as an LMS writes it, in a form that sorts and that nbgrader reads; "" for none."""
    digits = re.fullmatch(r"(\d{4}-\d\d-\d\d)-(\d\d)-(\d\d)-(\d\d)", text)
    if digits:
        return "{} {}:{}:{}".format(*digits.groups())
    text = re.sub(r"\b(\d{1,2})(\d\d) (?=[AP]M)", r"\1:\2 ", text)  # Brightspace's "1000 AM"
    try:
        return dateutil.parser.parse(text).isoformat(" ") if text else ""
    except (ValueError, OverflowError):
        return ""


def _without_copy(name):
    """A file's name without its ending and marks of a copy, and the copy's number."""
    stem, number = re.sub(r"(?:\.(?:ipynb|json|txt|py|gz|safetensors|zip|html?|download))+\b", "", name, flags=re.I), 0
    while match := _COPY.search(stem):
        number = max(number, int(match[1] or 0))
        stem = stem[:match.start()] + stem[match.end():]
    return stem.strip(), number


def student_ids(names):
    """An id for each name: ASCII, safe as a folder on every system, different also where case does not count."""
    groups = defaultdict(list)
    for name in sorted(set(names)):
        groups[_slug(name).casefold()].append(name)
    return {name: _slug(name) if place == 0 else f"{_slug(name)}-{_hash(name)}"
            for same in groups.values() for place, name in enumerate(sorted(same, key=lambda n: (n != _slug(n), n)))}


def _slug(name):
    whole = unicodedata.normalize("NFKD", name)
    text = whole.encode("ascii", "ignore").decode()
    text = re.sub(r"_{2,}", "_", re.sub(r"[^A-Za-z0-9._-]+", "_", text)).strip("._-")
    if _RESERVED.fullmatch(text):
        text = f"{text}_"
    lost = sum(map(str.isalpha, whole)) > sum(map(str.isalpha, text))
    if not text or lost or len(text) > 60:
        text = f"{text[:50].strip('._-')}-{_hash(name)}" if text else f"student-{_hash(name)}"
    return text


def _hash(name):
    return hashlib.sha256(name.encode("utf-8", "replace")).hexdigest()[:6]
