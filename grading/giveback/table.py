"""An LMS's CSV file, in which single cells are changed and every other byte stays as it was."""

import functools
import re
from dataclasses import dataclass, field

MOST = 20_000_000  # bytes
DELIMITERS = ",;\t|"
_BOMS = ((b"\xef\xbb\xbf", "utf-8"), (b"\xff\xfe\0\0", "utf-32-le"), (b"\xff\xfe", "utf-16-le"),
         (b"\xfe\xff", "utf-16-be"))


class TableError(ValueError):
    """A file is no table; the message, one line, says what it is and what to do."""


@dataclass
class Cell:
    """What a cell says, and where it stands in the file's text, quotes included."""

    text: str
    start: int
    end: int
    quoted: bool


@dataclass
class Table:
    """A CSV file: `rows` of cells, in the file's own encoding, delimiter and quoting.

    `sure` is False where the encoding is not known: bytes stay as they are, letters beyond ASCII may not be right.
    """

    text: str
    bom: bytes
    encoding: str
    sure: bool
    delimiter: str
    rows: list = field(repr=False)
    changes: dict = field(default_factory=dict, repr=False)

    def get(self, row, column):
        """The text of a cell; "" for one that the row does not have."""
        cells = self.rows[row]
        return cells[column].text.strip() if column < len(cells) else ""

    def has(self, row, column):
        """Whether there is such a cell."""
        return column < len(self.rows[row])

    def set(self, row, column, text):
        """Give a cell another text; one that says the same already is left alone."""
        if self.get(row, column) != text:
            self.changes[row, column] = text

    def to_bytes(self):
        """The file with its changes."""
        parts, place = [], 0
        for (row, column), text in sorted(self.changes.items()):
            cell = self.rows[row][column]
            parts += [self.text[place:cell.start], self._quoted(text, cell)]
            place = cell.end
        return self.bom + "".join([*parts, self.text[place:]]).encode(self.encoding)

    def _quoted(self, text, cell):
        """`text` as a cell of this file: in quotes where the old one was, where it must, or where all others are."""
        must = self.delimiter in text or '"' in text or "\n" in text
        everywhere = not cell.text and not cell.quoted and self._all_quoted
        return '"' + text.replace('"', '""') + '"' if cell.quoted or must or everywhere else text

    @functools.cached_property
    def _all_quoted(self):
        return all(cell.quoted for row in self.rows for cell in row if cell.text)


def read(data):
    """The table in the bytes of a file; raises TableError."""
    if len(data) > MOST:
        raise TableError(f"expected a CSV file, found {len(data) / 1e6:.0f} MB; at most {MOST // 1_000_000} are read")
    if data[:4] in (b"PK\3\4", b"\xd0\xcf\x11\xe0"):
        raise TableError("expected a CSV file, found a spreadsheet or a zip; export it from the LMS as CSV")
    text, bom, encoding, sure = _decoded(data)
    found = [(delimiter, _rows(text, delimiter)) for delimiter in DELIMITERS]
    delimiter, rows = max(found, key=lambda pair: _likely(pair[1]))
    if len(rows) < 2 or len(rows[0]) < 2:
        raise TableError("expected a CSV file with a line for each student, found none; export it from the LMS again")
    return Table(text, bom, encoding, sure, delimiter, rows)


def _decoded(data):
    """(text, byte order mark, encoding, whether that is sure); the way back gives the same bytes."""
    for bom, encoding in _BOMS:
        if data.startswith(bom):
            try:
                return data[len(bom):].decode(encoding), bom, encoding, True
            except UnicodeDecodeError:
                continue
    if b"\0" in data[:4]:
        encodings = ["utf-16-be" if data[:1] == b"\0" else "utf-16-le"]
    else:
        encodings = ["utf-8"]
    for encoding in encodings:
        try:
            return data.decode(encoding), b"", encoding, True
        except UnicodeDecodeError:
            continue
    return data.decode("latin-1"), b"", "latin-1", False


def _likely(rows):
    """How much rows look like a table: how many are as wide as the first, and how wide that is."""
    width = len(rows[0]) if rows else 0
    return (sum(len(row) == width for row in rows[:50]), width) if width > 1 else (0, 0)


def _rows(text, delimiter):
    """Rows of cells; a quote that is never closed ends with the text."""
    mark = re.escape(delimiter)
    pattern = re.compile(rf'"(?P<quoted>(?:[^"]|"")*+)"(?P<rest>[^{mark}\r\n]*)|(?P<plain>[^{mark}\r\n]*)')
    rows, cells, place = [], [], 0
    while place < len(text):
        match = pattern.match(text, place)
        quoted = match["quoted"] is not None
        said = match["quoted"].replace('""', '"') + match["rest"] if quoted else match["plain"]
        cells.append(Cell(said, match.start(), match.end(), quoted))
        place = match.end()
        if text[place:place + 1] == delimiter:
            place += 1
            if place == len(text):
                cells.append(Cell("", place, place, False))
            else:
                continue
        place += 2 if text[place:place + 2] == "\r\n" else 1
        if len(cells) > 1 or cells[0].text:  # an empty line is no row
            rows.append(cells)
        cells = []
    if cells and (len(cells) > 1 or cells[0].text):
        rows.append(cells)
    return rows
