"""What an LMS's gradebook file says: whose each row is, and where a score goes.

Headers are in the instructor's language in Moodle, so its columns are known by what stands in them.
"""

import functools
import re
import statistics
from dataclasses import dataclass, field
from pathlib import Path

from grading.giveback import table
from grading.giveback.table import Table, TableError
from grading.intake.files import shown
from grading.intake.layouts import when

_TOTALS = re.compile(r"(?:Unposted )?(?:Current|Final) (?:Score|Points|Grade)|Override (?:Score|Grade|Status)")
_NUMBER = re.compile(r"\d{1,6}(?:[.,]\d{1,5})?")
_WITH_ID = re.compile(r"(.+) \((\d+)\)", re.DOTALL)
_KIND = re.compile(r"(?:[^:]*: ?)?(.+?) \([^()]*\)", re.DOTALL)  # Moodle: "Assignment: Notebook 1 (Real)"
HANDED_IN = "Last modified (submission)"  # times are read where they are in English
_PARTICIPANT = re.compile(r"(\D*?)\s?(\d{1,15})")


@dataclass
class Person:
    """A row of the file: the name as people read it, and what identifies them, as (kind, value).

    Kinds are "canvas" (a user's number), "moodle" (a participant's of one assignment) and "login" (a user name, an
    e-mail address, a number of the university's).
    """

    row: int
    name: str
    ids: list

    def __str__(self):
        return shown(f"{self.name} ({self.ids[0][1]})" if self.ids else self.name, 80)


@dataclass
class Column:
    """Where scores go: the title as the LMS shows it, without and with its number, and the most points or None."""

    index: int
    title: str
    full: str
    most: float | None = None
    note: str = ""  # why no score may be written


@dataclass
class Sheet:
    """A gradebook file. `alone` if it is one assignment's, so that participant numbers tell which."""

    path: Path
    system: str
    table: Table = field(repr=False)
    people: list
    columns: list
    alone: bool = False
    times: dict = field(default_factory=dict)  # Moodle's number to when that work was handed in, ISO without a zone

    def written(self, score):
        """A score as this file writes numbers."""
        comma, decimals = self._style
        text = f"{score:.{decimals}f}" if decimals else f"{round(score, 2):g}"
        return text.replace(".", ",") if comma else text

    @functools.cached_property
    def _style(self):
        """Whether numbers have a decimal comma in this file, and how many decimals."""
        found = [cell.text.strip() for row in self.table.rows for cell in row if _NUMBER.fullmatch(cell.text.strip())]
        fractions = [text for text in found if "," in text or "." in text]
        commas = sum("," in text for text in fractions)
        if not fractions:
            return self.table.delimiter == ";", 0
        return 2 * commas > len(fractions), statistics.mode(len(re.split("[.,]", text)[1]) for text in fractions)


def read(path):
    """The Sheet in a file of Canvas or Moodle; raises TableError or OSError."""
    path = Path(path)
    found = table.read(path.read_bytes())
    head = [cell.text.strip() for cell in found.rows[0]]
    for reader in (_canvas, _worksheet, _moodle):
        if sheet := reader(path, found, head):
            return sheet
    raise TableError("expected a gradebook of Canvas, or a grading worksheet or gradebook of Moodle, found a table "
                     f"with the columns {', '.join(shown(one, 40) for one in head[:6])}; give the file as exported")


def number(text):
    """A number as an LMS writes it, or None."""
    return float(text.replace(",", ".")) if _NUMBER.fullmatch(text) else None


def _canvas(path, found, head):
    split = head[:2] == ["LastName", "FirstName"]
    if not (split or head[0] == "Student") or "ID" not in head[:4] or "Section" not in head:
        return None
    logins = [place for place, text in enumerate(head[:head.index("Section")])
              if text in ("SIS User ID", "SIS Login ID", "Integration ID")]
    first = next((row for row in range(1, len(found.rows)) if "Points Possible" in found.get(row, 0)), 0)
    columns = []
    for index, text in enumerate(head):
        match = _WITH_ID.fullmatch(text)
        if match and index > head.index("Section") and not _TOTALS.search(text):
            above = " ".join(found.get(row, index) for row in range(1, first))
            note = "its scores are hidden until grades are posted: post them first" if "hidden" in above.lower() else ""
            columns.append(Column(index, match[1], text, number(found.get(first, index)) if first else None, note))
    people = []
    for row in range(first + 1, len(found.rows)):
        name = " ".join(found.get(row, place) for place in (1, 0)) if split else _turned(found.get(row, 0))
        ids = [("canvas", found.get(row, head.index("ID"))), *(("login", found.get(row, place)) for place in logins)]
        if name != "Test Student" and any(value for _, value in ids):
            people.append(Person(row, name, [pair for pair in ids if pair[1]]))
    return Sheet(path, "Canvas", found, people, columns)


def _worksheet(path, found, head):
    """Moodle's grading worksheet: "Participant 123" first, and scores before the most points, which all rows have."""
    rows = range(1, len(found.rows))
    marks = [_PARTICIPANT.fullmatch(found.get(row, 0)) for row in rows]
    if not all(marks) or len({match[1] for match in marks}) != 1 or not marks[0][1]:
        return None
    grade, most = _grade(found, head, rows)
    if grade is None:
        raise TableError("expected a grading worksheet with a column for the score and one for the most points, found "
                         f"{', '.join(shown(one, 40) for one in head[:9])}; is the assignment graded by points?")
    names = [re.sub(r"<[^>]*>", "", found.get(row, 1)).strip() for row in rows]
    blind = 2 * len(set(names)) <= len(names)  # then it is no name, but the same status for many
    people = [Person(row, found.get(row, 0) if blind else name, [("moodle", match[2]), *(
        ("login", found.get(row, place)) for place in range(2, grade) if found.get(row, place))])
        for row, match, name in zip(rows, marks, names)]
    # Moodle calls the file "Grades-<course>-<assignment>-<number>.csv"
    parts = path.stem.split("-")
    title = "-".join(parts[2:-1]) if len(parts) > 3 else path.stem
    handed_in = head.index(HANDED_IN) if HANDED_IN in head else len(head)
    times = {match[2]: time for row, match in zip(rows, marks) if (time := when(found.get(row, handed_in)))}
    return Sheet(path, "Moodle", found, people, [Column(grade, title, head[grade], most)], True, times)


def _grade(found, head, rows):
    """The score's column of a worksheet and the most points: by Moodle's English word, else by the values."""
    def values(column):
        return [found.get(row, column) for row in rows]

    def constant(column):
        numbers = {number(text) for text in values(column)}
        return numbers.pop() if len(numbers) == 1 and None not in numbers else None
    candidates = [place for place in range(2, len(head) - 1) if constant(place + 1)
                  and all(not text or number(text) is not None for text in values(place))]
    named = [place for place in candidates if head[place] == "Grade"]
    chosen = named or candidates
    return (chosen[-1], constant(chosen[-1] + 1)) if chosen else (None, None)


def _moodle(path, found, head):
    """Moodle's gradebook: names, numbers and addresses, then a column with "(Real)" or its like for each activity."""
    rows = range(1, len(found.rows))
    columns = []
    for index, text in enumerate(head):
        match = _KIND.fullmatch(text)
        if match and index > 1 and all(found.get(row, index) in ("", "-") or number(found.get(row, index)) is not None
                                       for row in rows):
            columns.append(Column(index, match[1], text))
    if not columns or not any("@" in found.get(row, place) for row in rows for place in range(columns[0].index)):
        return None
    people = [Person(row, f"{found.get(row, 0)} {found.get(row, 1)}", [
        ("login", found.get(row, place)) for place in range(2, columns[0].index) if found.get(row, place)])
        for row in rows]
    return Sheet(path, "Moodle", found, people, columns)


def _turned(name):
    """"Lovelace, Ada" as people say it."""
    last, comma, first = name.partition(",")
    return f"{first.strip()} {last.strip()}" if comma else name
