"""From the bytes of a student's file to a notebook: whatever an editor, a browser or an LMS made of it."""

import gzip
import io
import json
import re

import nbformat
from nbformat import NotebookNode

MOST_READ = 200_000_000  # bytes of a file, outputs included
MOST = 20_000_000  # characters of a notebook without its outputs
ATTACHED = 500_000  # characters of pictures pasted into a cell
PICTURES = ("image/png", "image/jpeg", "image/gif")
_MARKS = ("grade_id", "grade", "solution", "locked", "task", "points")  # of nbgrader, in a cell


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
    NotebookNode, list of str
        A valid notebook of format 4.5; a sentence for each oddity that may have cost something.

    Raises
    ------
    NotANotebook
    """
    if data[:2] == b"\x1f\x8b":
        try:
            data = gzip.GzipFile(fileobj=io.BytesIO(data)).read(MOST_READ + 1)
        except (OSError, EOFError) as error:
            raise NotANotebook(f"a gzip file that cannot be opened ({error})") from None
    if len(data) > MOST_READ:
        raise NotANotebook(f"larger than {MOST_READ // 1_000_000} MB")
    text, notes = decoded(data).strip("\ufeff \t\r\n\0"), []
    if not text:
        raise NotANotebook("an empty file")
    if re.match(r"(?i)<(?:!doctype|html|head|\?xml)", text):
        raise NotANotebook("a web page, not the notebook: download the .ipynb file itself")
    if not text.startswith("{"):
        if name.lower().endswith(".py"):
            return clean(_from_script(text)), ["a Python script, read as a notebook"]
        raise NotANotebook("no notebook (a notebook is JSON and begins with a brace)")
    try:
        raw, end = json.JSONDecoder().raw_decode(text)
        notes += ["text behind the end of the notebook was left out"] if text[end:].strip() else []
    except RecursionError:
        raise NotANotebook("JSON nested too deeply") from None
    except ValueError:
        raw = _salvaged(text)
        notes.append(f"the file is cut off or broken; {len(raw['cells'])} whole cells were read")
    if isinstance(raw.get("worksheets"), list) or raw.get("nbformat") in (1, 2, 3):
        try:
            raw = nbformat.convert(nbformat.from_dict(raw), 4)
        except Exception as error:  # conversion knows no hostile input
            raise NotANotebook(f"a notebook of format {raw.get('nbformat')} that cannot be converted "
                               f"({type(error).__name__})") from None
    if not isinstance(raw.get("cells"), list):
        raise NotANotebook("JSON, but no notebook: it has no cells")
    notebook = clean(raw)
    size = sum(len(cell.source) for cell in notebook.cells)
    if size > MOST:
        raise NotANotebook(f"{size // 1_000_000} MB of text without outputs; at most {MOST // 1_000_000} MB are read")
    return notebook, notes


def decoded(data):
    """Text of bytes in UTF-8, UTF-16 or, if nothing else fits, Windows' western encoding."""
    if data[:2] in (b"\xff\xfe", b"\xfe\xff") or b"\0" in data[:4]:
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
    """A valid notebook of format 4.5: cells with source, id and nbgrader's marks, and nothing else.

    A cell's own id is kept; where it is taken or missing, another stands in its place and the one that the
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
        if isinstance(found.get("nbgrader"), dict):
            metadata["nbgrader"] = NotebookNode({key: value for key, value in found["nbgrader"].items()
                                                 if key in _MARKS and isinstance(value, (str, int, float))})
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
    lines = source if isinstance(source, list) else [source]
    return _text("".join(line for line in lines if isinstance(line, str)).replace("\r\n", "\n").replace("\r", "\n"))


def _text(text):
    """Without halves of characters, which no file can hold."""
    return text.encode("utf-8", "replace").decode()


def _pictures(attachments):
    """The attached pictures of a cell, unless they are too many."""
    kept = NotebookNode()
    for name, bundle in attachments.items() if isinstance(attachments, dict) else ():
        data = {kind: value for kind, value in bundle.items() if kind in PICTURES and isinstance(value, str)} \
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
            cell, place = json.JSONDecoder().raw_decode(text, place)
            cells += [cell] if isinstance(cell, dict) else []
            place = re.compile(r"[\s,]*").match(text, place).end()
    except (ValueError, RecursionError):
        pass
    if not cells:
        raise NotANotebook("broken JSON, and no whole cell in it")
    return {"cells": cells}


def _from_script(text):
    """A notebook from a script in Jupytext's format, or as `nbconvert --to script` writes it."""
    if not re.search(r"^# (?:%%|In\[.*\]:|\+|---)", text, re.MULTILINE):
        raise NotANotebook("a Python script without cells")
    import jupytext  # a second, and seldom needed
    try:
        return jupytext.reads(re.sub(r"^# In\[.*\]:$", "# %%", text, flags=re.MULTILINE), fmt="py")
    except Exception as error:  # its header is YAML of the student's
        raise NotANotebook(f"a Python script that Jupytext cannot read ({type(error).__name__})") from None
