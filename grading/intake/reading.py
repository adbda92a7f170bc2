"""From the bytes of a student's file to a notebook: whatever an editor, a browser or an LMS made of it."""

import gzip
import io
import json
import re
import zlib

import nbformat
from nbformat import NotebookNode

from grading.intake import conflicts, scripts

NOTEBOOK = re.compile(r".*\.(?:ipynb\b.*|json|py|txt)|[^.]+", re.IGNORECASE | re.DOTALL)  # an ending may be lost
SURELY = re.compile(r".*\.ipynb\b.*", re.IGNORECASE | re.DOTALL)  # of these, the others are looked into, not missed
MOST_READ = 200_000_000  # bytes of a file, outputs included
MOST_CELLS = 5_000
MOST = 20_000_000  # characters of a notebook without its outputs
MOST_CODE = 2_000_000  # of these
ATTACHED = 500_000  # characters of pictures pasted into a cell
PICTURES = ("image/png", "image/jpeg", "image/gif")
# no notebook has a number of 400 digits, and one of 5,000 is an error in Python
_DECODER = json.JSONDecoder(parse_int=lambda digits: int(digits) if len(digits) < 20 else float("inf"))
_BOTH_SIDES = "git's conflict markers are in it; both sides were read, and of two answers the lower one counts"
_ONE_SIDE = "git's conflict markers are in it; only one side of the conflict could be read"


class NotANotebook(ValueError):
    """A file holds no notebook; the message, one line, says what it is."""


def read(data, name="notebook.ipynb"):
    """The notebook in the bytes of a file, without outputs, and what was odd about it.

    Parameters
    ----------
    data : bytes
    name : str
        Its ending tells a notebook from a Python script.

    Returns
    -------
    NotebookNode, list of str, bool
        A valid notebook of format 4.5; a sentence for each oddity that may have cost something; whether it was a
        script that does not say that it ever was a notebook.

    Raises
    ------
    NotANotebook
    """
    text = _text_of(data)
    if not text.startswith("{") and not (conflicts.found(text) and re.search(r"^\{", text, re.MULTILINE)):
        if not name.lower().endswith(".py") and not scripts.is_export(text):
            raise NotANotebook("not a notebook (a notebook is JSON and begins with a brace)")
        sides = conflicts.sides(text)
        notebook = _bounded({"cells": conflicts.together([scripts.cells(side) for side in sides])})
        notes = ["a Python script, read as a notebook; the .ipynb file is better"]
        return notebook, notes + ([_BOTH_SIDES] if len(sides) > 1 else []), not scripts.is_export(text)
    raw, notes = _json(text)
    if "worksheets" in raw or raw.get("nbformat") in (1, 2, 3) and "cells" not in raw:
        version = str(raw.get("nbformat"))[:5]
        try:
            raw = nbformat.convert(nbformat.from_dict(raw), 4)
            for cell in raw["cells"]:
                cell.pop("id", None)  # drawn by chance, so that the same file would be another each time
        except Exception as error:  # conversion knows no hostile input
            raise NotANotebook(f"a notebook of format {version} that cannot be converted "
                               f"({type(error).__name__})") from None
    if not isinstance(raw.get("cells"), list):
        raise NotANotebook("JSON, but not a notebook: it has no cells")
    return _bounded(raw), notes, False


def _text_of(data):
    """The text of a file: unpacked, decoded, and not a web page."""
    if data[:2] == b"\x1f\x8b":
        try:
            data = gzip.GzipFile(fileobj=io.BytesIO(data)).read(MOST_READ + 1)
        except (OSError, EOFError, zlib.error) as error:
            raise NotANotebook(f"a gzip file that cannot be opened ({error})") from None
    if len(data) > MOST_READ:
        raise NotANotebook(f"larger than {MOST_READ // 1_000_000} MB")
    text = decoded(data).strip("\ufeff \t\r\n\0")
    if not text:
        raise NotANotebook("an empty file")
    if re.match(r"(?i)<(?:!doctype|html|head|\?xml)", text):
        raise NotANotebook("a web page, not the notebook: download the .ipynb file itself")
    return text


def _json(text):
    """The dictionary that a notebook's text is, with git's conflict markers or a missing end, and notes about it."""
    if conflicts.found(text):
        sides = []
        for side in conflicts.sides(text):
            try:
                sides.append(_decode(side)[0])
            except NotANotebook:
                raise
            except ValueError:
                continue
        cells = [side["cells"] for side in sides if isinstance(side, dict) and isinstance(side.get("cells"), list)]
        if cells:
            note = _BOTH_SIDES if len(cells) > 1 else _ONE_SIDE
            return {**sides[0], "cells": conflicts.together(cells)}, [note]
    try:
        raw, end = _decode(text)
        return raw, ["text after the end of the notebook was left out"] if text[end:].strip() else []
    except NotANotebook:
        raise
    except ValueError:
        raw = _salvaged(text)
        what = "the file has git's conflict markers" if conflicts.found(text) else "the file is cut off or broken"
        return raw, [f"{what}; {len(raw['cells'])} whole cells were read"]


def _decode(text):
    """JSON at the beginning of a text, and where it ends; raises ValueError, or NotANotebook if nested too deeply."""
    try:
        return _DECODER.raw_decode(text)
    except RecursionError:
        raise NotANotebook("JSON nested too deeply") from None


def _bounded(raw):
    """`clean`, for a notebook that is not too large; raises NotANotebook."""
    if len(raw["cells"]) > MOST_CELLS:
        raise NotANotebook(f"{len(raw['cells']):,} cells; at most {MOST_CELLS:,} are read")
    notebook = clean(raw)
    for kinds, most in ((("code", "markdown", "raw"), MOST), (("code",), MOST_CODE)):
        size = sum(len(cell.source) for cell in notebook.cells if cell.cell_type in kinds)
        if size > most:
            raise NotANotebook(f"{size / 1e6:.1f} MB of {'code' if len(kinds) == 1 else 'text without outputs'}; "
                               f"at most {most // 1_000_000} MB are read")
    return notebook


def decoded(data):
    """Text of bytes in UTF-8, UTF-16, UTF-32 or, if nothing else fits, Windows' western encoding."""
    if data[:4] in (b"\xff\xfe\0\0", b"\0\0\xfe\xff"):
        encodings = ["utf-32"]
    elif data[:2] in (b"\xff\xfe", b"\xfe\xff") or b"\0" in data[:4]:
        encodings = ["utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else
                     "utf-16-be" if data[:1] == b"\0" else "utf-16-le"]
    else:
        encodings = ["utf-8-sig", "cp1252"]
    for encoding in encodings:
        try:
            return data.decode(encoding)
        except UnicodeDecodeError:
            continue
    return data.decode("latin-1")


def clean(raw):
    """A valid notebook of format 4.5: cells with source, id and nbgrader's grade id, and nothing else.

    A cell's own id is kept; where it is taken or missing, another takes its place, and the one that the
    file had goes to `metadata["id"]`, where Colab puts it as well.
    """
    cells, taken = [], set()
    for number, cell in enumerate(raw["cells"]):
        if not isinstance(cell, dict):
            continue
        kind = cell.get("cell_type")
        kind = kind if kind in ("code", "markdown", "raw") else "markdown" if kind == "heading" else "raw"
        found = cell.get("metadata") if isinstance(cell.get("metadata"), dict) else {}
        metadata, own_id = NotebookNode(), cell.get("id", found.get("id"))
        mark = found.get("nbgrader")
        if isinstance(mark, dict) and isinstance(mark.get("grade_id"), str):
            metadata["nbgrader"] = NotebookNode(grade_id=_text(mark["grade_id"][:100]))
        fits = isinstance(own_id, str) and re.fullmatch(r"[\w-]{1,64}", own_id, re.ASCII) and own_id not in taken
        if isinstance(own_id, str) and not fits:
            metadata["id"] = _text(own_id[:64])
        id = own_id if fits else f"cell-{number}"
        while id in taken:
            id += "-again"
        taken.add(id)
        new = NotebookNode(cell_type=kind, id=id, metadata=metadata, source=_source(cell))
        if kind == "code":
            new.update(outputs=[], execution_count=None)
        elif kept := _pictures(cell.get("attachments")):
            new["attachments"] = kept
        cells.append(new)
    return NotebookNode(nbformat=4, nbformat_minor=5, metadata=NotebookNode(), cells=cells)


def _source(cell):
    source = cell.get("source", "")
    lines = [line for line in (source if isinstance(source, list) else [source]) if isinstance(line, str)]
    between = "" if any(line.endswith("\n") for line in lines) else "\n"  # some programs leave the ends of lines out
    return _text(between.join(lines).replace("\r\n", "\n").replace("\r", "\n"))


def _text(text):
    """Without halves of characters, which no file can hold."""
    return text.encode("utf-8", "replace").decode()


def _pictures(attachments):
    """The attached pictures of a cell, unless they are too many."""
    kept = NotebookNode()
    for name, bundle in attachments.items() if isinstance(attachments, dict) else ():
        data = {kind: _text(value) for kind, value in bundle.items() if kind in PICTURES and isinstance(value, str)} \
            if isinstance(bundle, dict) else {}
        if data:
            kept[_text(str(name))[:200]] = NotebookNode(data)
    return kept if sum(len(value) for bundle in kept.values() for value in bundle.values()) <= ATTACHED else None


def _salvaged(text):
    """The whole cells of a notebook whose end is missing."""
    start, cells = re.search(r'"cells"\s*:\s*\[\s*', text), []
    place = start.end() if start else len(text)
    try:
        while place < len(text):
            cell, place = _DECODER.raw_decode(text, place)
            cells += [cell] if isinstance(cell, dict) else []
            place = re.compile(r"[\s,]*").match(text, place).end()
    except (ValueError, RecursionError):
        pass
    if not cells:
        raise NotANotebook("broken JSON, and no whole cell in it")
    return {"cells": cells}
