"""What intake is given by chance: files, names, archives and whole classes, made of real exports, forged and damaged.

Whatever a file does is a line about that file. Everybody else is taken in unharmed, whose a file is the LMS alone
says, nothing raises, and time and memory have bounds. `benchmarks.fuzz` looks for exceptions for as long as it is
told; the tests try a few examples of each property.
"""

import contextlib
import functools
import io
import json
import re
import tempfile
import time
import warnings
import zipfile
from pathlib import Path
from unittest import mock

import jupytext
import nbformat
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import seed as seeded
from hypothesis import strategies as st
from nbformat.v4 import new_code_cell

from grading import course
from grading.intake import child, files, ingest, owners, parse, reading, source, students
from grading.restore import answers
from helpers.settings import ROOT
from tests.support import golden, mangled

NAME = "01_setup"
KNOWN = (reading.NotANotebook, files.BadArchive)
SLOWEST = 200  # seconds of the CPU for reading a class
LONGEST_LINE = 700  # characters

# ---- what real programs write ----


@functools.cache
def corpus(student):
    """(name, bytes) of one right notebook in every form; a cell says whose it is."""
    notebook = golden.submission(NAME)
    notebook.cells.append(new_code_cell(f"mine = '{student}'"))
    exports = [mangled.as_bytes(mangle(notebook)) for mangle in mangled.MANGLES.values()]
    exports.append((jupytext.writes(notebook, fmt="py:light").encode(), "notebook.py"))
    return [(name.replace("notebook", NAME), content) for content, name in exports]


def zipped(entries):
    """An archive of (name, bytes) pairs; names that none can hold are left out."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive, warnings.catch_warnings(action="ignore"):
        for name, content in entries:
            with contextlib.suppress(ValueError):
                archive.writestr(zipfile.ZipInfo(name[:60_000] or "x"), content)
    return stream.getvalue()


def model(size=4):
    header = json.dumps({"a": {"dtype": "U8", "shape": [size], "data_offsets": [0, size]}}).encode()
    return len(header).to_bytes(8, "little") + header + b"\1" * size


# ---- what nobody should write ----

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-10 ** 30, 10 ** 30) | st.floats() | st.text(max_size=20)
    | st.sampled_from(["\ud800", "code", "markdown", NAME, 10 ** 400, "def load_target(path):\n    return 1", "# %%",
                       "x" * 70_000, "image/png", "%%bash\nls", "(" * 300]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(
        ["cells", "source", "metadata", "nbgrader", "grade_id", "id", "cell_type", "attachments", "worksheets",
         "nbformat", "outputs", "image/png", "code", "input", "\ud800"]), inner, max_size=5), max_leaves=30)
LINES = st.lists(st.sampled_from(
    ["# %%", "# %% [markdown]", "# In[3]:", "# COMMAND ----------", "# MAGIC %md x", "# MAGIC %pip install x",
     "%time x = 1", "!ls", "<<<<<<< HEAD", "=======", ">>>>>>> b", "|||||||", "def load_target(path):", "    return 1",
     "'''", '"""', "x = (", ")", "@d", "\ud800", "\0", "# ---", "# +", "x?", "%%bash", "class A:", "\tpass", "if x:",
     "# Databricks notebook source", "f'{x!r:{y}}'", "choose_device = load_target = 1", "exit()", "x = !ls \\",
     "from google.colab import drive; drive.mount('x')", "lambda: (yield)", "\\", "é = 1; exit()", "\f"])
    | st.text(max_size=10), max_size=30).map("\n".join)
PIECES = st.tuples(st.sampled_from([b"[", b"{}", b'"', b"\0", b"\xed\xa0\x80", b"\xff\xfe", b"PK\3\4", b"\x1f\x8b",
                                    b"9", b"<<<<<<< a\n=======\n>>>>>>> b\n", b'"cells": [', b"\\ud800", b"# %%\n",
                                    b"'''", b"..", b"()", b"&a *a "]), st.sampled_from([1, 1, 1, 400, 50_000])
                   ).map(lambda pair: pair[0] * pair[1]) | st.binary(max_size=8)


@st.composite
def damaged(draw, content):
    """Bytes with pieces put in, taken out, written over and said twice."""
    for _ in range(draw(st.integers(0, 3))):
        place, piece = draw(st.integers(0, len(content))), draw(PIECES)
        length = draw(st.sampled_from([0, len(piece), 1, 30, 3000]))
        content = {"over": content[:place] + piece + content[place + length:], "end": content[:place],
                   "twice": content[:place] + content[max(0, place - length):]}[
                       draw(st.sampled_from(["over", "over", "end", "twice"]))]
    return content


@st.composite
def rewritten(draw, student):
    """A notebook with something else in some of its fields."""
    notebook = json.loads(corpus(student)[0][1])
    for _ in range(draw(st.integers(1, 4))):
        cell = draw(st.sampled_from([notebook, *notebook["cells"]])) if isinstance(notebook.get("cells"), list) \
            and all(isinstance(one, dict) for one in notebook["cells"]) else notebook
        cell[draw(st.sampled_from(["source", "metadata", "id", "cell_type", "outputs", "attachments", "nbformat"]
                                  if cell is not notebook else ["cells", "metadata", "nbformat", "worksheets"]))] = \
            draw(JSON)
    return json.dumps(notebook).encode()


NAMES = st.tuples(st.lists(st.sampled_from(
    ["_", " - ", ".", " ", "/", "\\", "(1)", "-2", "Copy of ", "zoe", "bob", NAME, "05_evaluation", "model", "../",
     "C:", "_attempt_2099-01-01-00-00-00_", "_12346_assignsubmission_file_", "_22345_99999_", "anon_", "LATE_",
     "submitted/", "1-2 - zoe - Nov 22, 2098 1001 AM - ", "submission_1/", "submission_metadata", "\u202e", "é",
     "e\u0301", "王", "\udcff", "\n", "\x1b[31m", "con", "__MACOSX/", "solutions/", "x" * 200, "\0", "\ud800"])
    | st.text(max_size=3), max_size=6).map("".join), st.sampled_from(
        [".ipynb", ".ipynb", ".ipynb.txt", ".IPYNB", ".ipynb.", ".json", ".py", ".zip", ".safetensors", ".ipynb.gz",
         ".txt", ".yml", "", ".tar", ".ipynb.zip"])).map("".join)


def contents(student, depth=1):
    """The bytes of a file of a student's."""
    made = [st.sampled_from(corpus(student)).flatmap(lambda pair: damaged(pair[1])), rewritten(student),
            LINES.map(lambda text: text.encode("utf-8", "surrogatepass")), JSON.map(lambda value: json.dumps(
                value).encode()), st.integers(0, 40).map(model).flatmap(damaged), st.binary(max_size=60)]
    if depth:
        made.append(st.lists(st.tuples(NAMES, contents(student, depth - 1)), max_size=4).map(zipped).flatmap(damaged))
    return st.one_of(made)


# ---- classes ----

LAYOUTS = {  # what an LMS writes before the name that a student chose
    "folders": "{name}/", "student numbers": "{number}/", "below one folder": "download/{name}/",
    "nbgrader": "submitted/{name}/01_setup/", "Moodle, folders": "{name}_{number}_assignsubmission_file_/",
    "Moodle": "{name}_{number}_assignsubmission_file_", "Canvas": "{name}_{number}_{count}_",
    "Canvas, late": "{name}_LATE_{number}_{count}_", "Blackboard": "HW 1_{name}_attempt_2026-11-22-10-00-00_",
    "Brightspace": "{number}-4 - {name} - Nov 22, 2026 1000 AM - ",
    "Brightspace, folders": "{number}-4 - {name} - Nov 22, 2026 1000 AM/",
}
STUDENTS = {"ada": 123456, "bob": 223457, "zoe": 323458}


@st.composite
def classes(draw):
    """(layout, form, [(student, name, bytes)]): two students hand in anything, zoe one right notebook."""
    handed_in = [("zoe", *draw(st.sampled_from(corpus("zoe"))))]
    for student in ("ada", "bob"):
        handed_in += [(student, name, content) for name, content in draw(
            st.lists(st.tuples(NAMES, contents(student)), max_size=5))]
    return draw(st.sampled_from(sorted(LAYOUTS))), draw(st.sampled_from(["a folder", "a zip"])), handed_in


def paths(layout, handed_in):
    """(student, path, bytes) as the LMS writes them; what no LMS would let pass is made harmless."""
    for count, (student, name, content) in enumerate(handed_in):
        before = LAYOUTS[layout].format(name=student, number=STUDENTS[student], count=60_000 + count)
        name = name.replace("\0", "").replace("..", ".").lstrip("/") or "x"
        yield student, before + (name if before.endswith("/") else re.sub(r"[/\\]", "_", name)), content


def a_class_is_taken_in(group):
    """The property of intake as a whole."""
    layout, form, handed_in = group
    known = {layout == "student numbers" and str(STUDENTS[student]) or student: student for student in STUDENTS}
    reader = _reader(ROOT / "notebooks")
    before = reader.spent
    with tempfile.TemporaryDirectory() as folder:
        download, laid_out = Path(folder, "class"), list(paths(layout, handed_in))
        if form == "a zip":
            download = download.with_suffix(".zip")
            download.write_bytes(zipped([(path, content) for _, path, content in laid_out]))
        else:
            for _, path, content in laid_out:
                with contextlib.suppress(OSError, ValueError):  # no disk holds every name
                    place = download / path
                    place.parent.mkdir(parents=True, exist_ok=True)
                    place.write_bytes(content)
        with mock.patch.object(ingest, "Child", _reader):
            found = ingest.ingest(download, Path(folder, "course"))
            again = ingest.ingest(download, Path(folder, "course")) if form == "a zip" else found
        assert [vars(one) for one in found.submissions] == [vars(one) for one in again.submissions], "twice differs"
        _check(found, known, laid_out[0][1])
    assert reader.spent - before < SLOWEST, "it took too long"


def _check(found, known, path):
    """`path` is of zoe's file."""
    json.loads(found.to_json())
    for one in found.submissions:
        assert one.name in known, f"{one.name!r} is nobody"
        notebook = nbformat.read(one.notebook, as_version=4)
        nbformat.validate(notebook)
        text = "\n".join(cell.source for cell in notebook.cells)
        written = set(re.findall(r"^mine = '(\w+)'$", text, re.MULTILINE))
        assert written <= {known[one.name]}, f"{one.name} got what is {written}'s"
        assert one.time < "2027", f"{one.time} is no time of the LMS's"
    zoes = [one for one in found.submissions if known[one.name] == "zoe"]
    assert [one.assignment for one in zoes] == [NAME], f"zoe has {len(zoes)} notebooks"
    assert "def load_target" in zoes[0].notebook.read_text(encoding="utf-8")
    for problem in found.problems:
        assert len(problem.file) + len(problem.text) < 2 * LONGEST_LINE and "\n" not in problem.file + problem.text
        about_zoe = problem.file == files.shown(path)
        assert (problem.student == zoes[0].student) == about_zoe, f"{problem.file!r} is said of {problem.student}"


class _Reader(child.Child):
    """One for all classes."""

    def __exit__(self, *_):
        pass


@functools.cache
def _reader(release):
    return _Reader(release)


# ---- single files ----

def any_file_is_read_or_refused(file):
    """What is read is a valid notebook, which can be restored as well; `file` is its bytes and its name."""
    content, name = file
    try:
        notebook, notes, script = reading.read(content, name)
    except KNOWN as error:
        assert "\n" not in str(error)
        return
    nbformat.validate(notebook)
    nbformat.writes(notebook).encode()
    for cell in notebook.cells:
        source.defined(cell.source), source.blocks(cell.source), source.fingerprint(cell.source)
    restored, about = answers.restore(notebook, course.release()[NAME])
    nbformat.validate(restored)
    nbformat.writes(restored).encode()
    json.dumps([about.repairs, about.flags])


def any_archive_is_read_or_refused(content):
    with tempfile.NamedTemporaryFile(suffix=".zip") as file:
        file.write(content)
        file.flush()
        files._archive.cache_clear()
        try:
            for one in files.entries([file.name], [])[0]:
                files.read(one.where, 10 ** 7)
        except (*KNOWN, OSError):
            pass


def any_model_file_is_one_or_none(content):
    with tempfile.NamedTemporaryFile() as file:
        file.write(content)
        file.flush()
        assert isinstance(parse.model_problem([file.name], len(content)), str | None)


def any_name_has_an_owner_and_an_id(name):
    if not name.strip("/") or "/" in name:
        return
    some = [files.File((), name, 1, 0, ("x",)), files.File((f"{name}x",), "x.ipynb", 1, 0, ("y",))]
    layout, everybody = owners.Layout(some, [NAME, "05_evaluation"], "class"), students.Students()
    for file in some:
        for owner in layout.place(file).owners:
            everybody.add(owner, NAME)
            assert students._SAFE.fullmatch(everybody.id(owner)) or everybody.id(owner)[:1].isalnum()
    assert files.shown(name).encode() is not None


PROPERTIES = {
    "a class": (a_class_is_taken_in, classes),
    "a file": (any_file_is_read_or_refused, lambda: st.tuples(contents("ada"), st.sampled_from(["x.ipynb", "x.py"]))),
    "a script": (any_file_is_read_or_refused, lambda: st.tuples(
        LINES.map(lambda text: text.encode("utf-8", "surrogatepass")), st.just("x.py"))),
    "an archive": (any_archive_is_read_or_refused, lambda: st.lists(
        st.tuples(NAMES, contents("ada", 0)), max_size=4).map(zipped).flatmap(damaged)),
    "a model file": (any_model_file_is_one_or_none, lambda: st.integers(0, 40).map(model).flatmap(damaged) | JSON.map(
        lambda value: len(text := json.dumps(value).encode()).to_bytes(8, "little") + text)),
    "a name": (any_name_has_an_owner_and_an_id, lambda: NAMES | st.text(max_size=80)),
}


def run(name, examples, seed=0, tried=lambda seconds: None):
    """Try a property; raises what it finds, the smallest example that fails in the notes of the exception."""
    body, examples_of = PROPERTIES[name]

    def timed(example):
        start = time.monotonic()
        body(example)
        tried(time.monotonic() - start)
    chosen = settings(max_examples=examples, deadline=None, database=None, suppress_health_check=list(HealthCheck),
                      phases=(Phase.generate, Phase.shrink))
    chosen(seeded(seed)(given(examples_of())(timed)))()


