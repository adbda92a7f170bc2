"""What the reading process does with strangers' bytes: each function takes and gives what JSON holds."""

import hashlib
import json
import re

import nbformat
import yaml

from grading.intake import files, reading
from grading.intake.catalogue import Catalogue

KNOWN = files.BadArchive, reading.NotANotebook, OSError
MOST_METADATA = 20_000_000  # bytes of Gradescope's submission_metadata.yml
MOST_HEADER = 1_000_000  # bytes of a model file's header

_courses = []


def catalogue(release):
    """Load the release; to be called once, before the first request."""
    _courses.append(Catalogue(release))


def entries(where, parts, most):
    found, refused = files.entries(where, parts, most)
    return [[file.parts, file.name, file.size, file.time, file.where] for file in found], refused


def notebooks(where, name, hint, out):
    """The notebooks in a file, one unless it is a renamed archive, written to `out` and a number.

    Returns a list of {"assignment", "filled", "script", "notes", "path"}, or {"error"} for what is not of this course.
    """
    data = files.read(where, reading.MOST_READ + 1)
    inside = files.renamed_zip(data) if data[:4] == b"PK\3\4" else [(name, data)]
    result = []
    for number, (inner, data) in enumerate(inside):
        if reading.NOTEBOOK.fullmatch(inner):
            try:
                result.append(_notebook(data, inner, hint, f"{out}-{number}"))
            except reading.NotANotebook as error:
                result.append({"error": str(error)})
    return result


def _notebook(data, name, hint, path):
    notebook, notes, script = reading.read(data, name)
    assignment, sure = _courses[-1].recognise(notebook, hint)
    if assignment is None:
        raise reading.NotANotebook("a notebook, but not one of this course")
    if not sure and not reading.SURELY.fullmatch(name):
        raise reading.NotANotebook("nothing in it belongs to this course, or it cannot be read")
    if not sure:
        notes.append("known only by its name; nothing in it belongs to this course")
    nbformat.write(notebook, path)
    return {"assignment": assignment, "filled": _courses[-1].filled(notebook, assignment), "script": script,
            "notes": notes, "path": path}


def model_problem(where, size):
    """Why a file is not a safetensors file of its size, or None."""
    try:
        with files.open_file(where) as stream:
            length = int.from_bytes(stream.read(8), "little")
            if not 2 <= length <= min(size - 8, MOST_HEADER):
                return "it is not a safetensors file"
            header = json.loads(stream.read(length))
    except (OSError, ValueError, EOFError, RecursionError):
        return "it is not a safetensors file, or it is cut off"
    tensors = [entry for name, entry in header.items() if name != "__metadata__"] if isinstance(header, dict) else []
    offsets = [entry.get("data_offsets") if isinstance(entry, dict) else None for entry in tensors]
    if not all(isinstance(pair, list) and len(pair) == 2 and all(type(end) is int for end in pair)
               and 0 <= pair[0] <= pair[1] <= size for pair in offsets):
        return "its header does not say where its tensors are"
    if not offsets or max(end for _, end in offsets) != size - 8 - length:
        return "its size is not what its header says; was the upload cut off?"
    return None


def copy(where, most, out):
    """Write a file to `out`: its SHA-256. Raises BadArchive for more than `most` bytes."""
    digest, left = hashlib.sha256(), most
    with files.open_file(where) as stream, open(out, "wb") as target:
        while block := stream.read(1 << 20):
            left -= len(block)
            if left < 0:
                raise files.BadArchive(f"larger than {most // 1_000_000} MB")
            digest.update(block)
            target.write(block)
    return digest.hexdigest()


def head(where):
    """The first lines of a text file."""
    return reading.decoded(files.read(where, 2000))


def gradescope(where):
    """Who handed in each folder of a Gradescope export: folder to {"time", "submitters": [{name, sid, email}]}."""
    data = files.read(where, MOST_METADATA + 1)
    if len(data) > MOST_METADATA:
        raise files.BadArchive(f"larger than {MOST_METADATA // 1_000_000} MB")
    try:
        raw = yaml.load(data, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise files.BadArchive(f"it is not YAML ({type(error).__name__})") from None
    result = {}
    for folder, entry in raw.items() if isinstance(raw, dict) else ():
        people = _field(entry, "submitters")
        result[str(folder)] = {
            "time": str(_field(entry, "created_at") or "")[:60],
            "submitters": [{key: str(_field(person, key) or "")[:200] for key in ("name", "sid", "email")}
                           for person in (people if isinstance(people, list) else [])[:50]]}
    return result


def _field(entry, key):
    """A value of a dictionary whose keys were Ruby's symbols."""
    value = (entry.get(f":{key}", entry.get(key)) if isinstance(entry, dict) else None)
    return value if isinstance(value, list) or value is None else re.sub(r"\s+", " ", str(value)[:300]).strip()


FUNCTIONS = {function.__name__: function for function in (entries, notebooks, model_problem, copy, head, gradescope)}
