"""Feedback for students: nbgrader's `generate_feedback` with a page of our own that nothing in a notebook can act in.

`configure(c)` in nbgrader_config.py makes nbgrader's own command write it; `write` does so in process, for all.
Points come from the gradebook. Everything else in a notebook may be hostile: outputs are kept as plain text and
checked pictures, text as sanitised markdown, and the page's Content-Security-Policy lets nothing run or load.
"""

import base64
import binascii
import copy
import functools
import io
import re
from pathlib import Path

import bleach
from markupsafe import Markup, escape
from nbconvert.exporters import Exporter
from nbconvert.filters import ansi2html
from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath
from nbformat import NotebookNode
from nbformat.v4 import new_output
from nbgrader.converters import GenerateFeedback
from nbgrader.converters.base import NbGraderException
from nbgrader.coursedir import CourseDirectory
from nbgrader.preprocessors import GetGrades, NbGraderPreprocessor
from nbgrader.utils import is_grade, is_solution
from PIL import Image
from traitlets.config import PyFileConfigLoader

from grading.report.page import clean, render
from grading.results import explain
from helpers.settings import ROOT

TEXT = 10_000  # characters of a text
PICTURE, PICTURES = 1_000_000, 4_000_000  # characters of a picture, of all in a notebook
OUTPUTS, SIDE = 30, 4000  # outputs of a cell, pixels of a picture's side
_HIDDEN = re.compile(r"^ *### BEGIN HIDDEN TESTS.*?(?:^ *### END HIDDEN TESTS[^\n]*\n?|\Z)", re.MULTILINE | re.DOTALL)
_TAGS = ("a abbr b blockquote br code dd del details dl dt em h1 h2 h3 h4 h5 h6 hr i kbd li ol p pre s strong sub "
         "summary sup table tbody td th thead tr ul").split()


def configure(c):
    """Make `nbgrader generate_feedback` write these pages, and formgrader show nothing that could act."""
    c.GenerateFeedback.exporter_class = FeedbackExporter
    c.GenerateFeedback.preprocessors = [GetGrades]
    c.GenerateFeedback.post_convert_hook = only_pages
    # formgrader has a template of its own: these are its doors
    c.NbConvertBase.display_data_priority = ["image/png", "image/jpeg", "text/plain"]
    c.HTMLExporter.filters = {"markdown2html": markdown}


def write(course, student="*"):
    """Write feedback/<student>/<notebook>/<notebook>.html for everything under autograded/ in the folder `course`.

    Returns the (student, notebook) pairs that no page could be made for.
    """
    course = Path(course).resolve()
    own = course if (course / "nbgrader_config.py").exists() else ROOT
    config = PyFileConfigLoader("nbgrader_config.py", path=str(own)).load_config()
    configure(config)
    config.CourseDirectory.root = str(course)
    graded = sorted(course.glob(f"autograded/{student}/*/*.ipynb"))
    for name in sorted({path.stem for path in graded}):
        directory = CourseDirectory(config=config, assignment_id=name, student_id=student)
        converter = GenerateFeedback(coursedir=directory, config=config, force=True)
        try:
            converter.start()
        except NbGraderException:  # some student's page failed: the others are there, the missing ones are told
            pass
    return [(path.parts[-3], path.stem) for path in graded if not _page_of(path).exists()]


def only_pages(assignment, student, notebooks):
    """nbgrader copies whatever else lies beside a notebook: in feedback, only the pages stay."""
    pages = {_page_of(Path(notebook)) for notebook in notebooks}
    kept = pages | {page.with_name("timestamp.txt") for page in pages}  # by which nbgrader sees what is out of date
    for folder in {page.parent for page in pages}:
        for other in folder.rglob("*"):
            if (other.is_file() or other.is_symlink()) and other not in kept:
                other.unlink()


def _page_of(notebook):
    """autograded/ada/01_setup/01_setup.ipynb -> feedback/ada/01_setup/01_setup.html"""
    return notebook.parents[3] / "feedback" / notebook.parts[-3] / notebook.parts[-2] / f"{notebook.stem}.html"


class Passive(NbGraderPreprocessor):
    """Leaves of outputs only plain text and checked pictures, of metadata only nbgrader's and the grader's.

    No grade changes: error outputs all stay. May stand at the end of the autograde preprocessors as well.
    """

    def preprocess(self, nb, resources):
        nb.cells = [cell for cell in nb.cells if cell.cell_type != "raw"]
        nb.metadata = _only(nb.metadata, "kernelspec", "language_info", "course")
        room = PICTURES
        for cell in nb.cells:
            cell.metadata = _only(cell.metadata, "nbgrader", "course")
            cell.pop("attachments", None)
            if cell.cell_type == "code":
                cell.outputs, room = _passive_outputs(cell.outputs, room)
            else:
                cell.pop("outputs", None)
        return nb, resources


def _only(metadata, *keys):
    return NotebookNode({key: metadata[key] for key in keys if isinstance(metadata.get(key), dict)})


def _passive_outputs(outputs, room):
    """Outputs that can do nothing, and how many bytes of pictures are left."""
    kept, few = [], 0
    for output in outputs:
        if output.output_type == "error":
            lines = clean("\n".join(map(str, output.get("traceback", []))), TEXT).split("\n")
            kept.append(new_output("error", ename=clean(output.get("ename", ""), 200),
                                   evalue=clean(output.get("evalue", ""), TEXT), traceback=lines))
            continue
        few += 1
        if few > OUTPUTS:
            continue
        if output.output_type == "stream":
            name = "stderr" if output.get("name") == "stderr" else "stdout"
            kept.append(new_output("stream", name=name, text=clean(output.get("text", ""), TEXT)))
        elif output.output_type in ("display_data", "execute_result"):
            data = {}
            for mime, kind in (("image/png", "PNG"), ("image/jpeg", "JPEG")):
                picture = _picture(output.get("data", {}).get(mime), kind, room) if not data else None
                if picture:
                    data[mime] = picture
                    room -= len(picture)
            text = output.get("data", {}).get("text/plain")
            if isinstance(text, str):
                data["text/plain"] = clean(text, TEXT)
            if data:
                kept.append(new_output(output.output_type, data=data, **_count(output)))
    return kept, room


def _count(output):
    number = output.get("execution_count")
    return {"execution_count": number if isinstance(number, int) else None} \
        if output.output_type == "execute_result" else {}


def _picture(data, kind, room):
    """Base64 of a picture that is what it says and not too large, else None."""
    if not isinstance(data, str) or len(data) > min(PICTURE, room):
        return None
    try:
        content = base64.b64decode(data)
        with Image.open(io.BytesIO(content), formats=[kind]) as picture:
            if max(picture.size) > SIDE:
                return None
    except (binascii.Error, ValueError, OSError, SyntaxError, Image.DecompressionBombError):
        return None
    return base64.b64encode(content).decode()


class FeedbackExporter(Exporter):
    """A notebook with grades, made passive, as one page: points and reasons first, then answers, then the rest."""

    file_extension = ".html"
    output_mimetype = "text/html"

    def from_notebook_node(self, nb, resources=None, **kw):
        nb, _ = Passive().preprocess(copy.deepcopy(nb), {})  # whatever preprocessors are configured
        nb, resources = super().from_notebook_node(nb, resources, **kw)
        parts, course = _parts(nb), nb.metadata.get("course", {})
        grades = resources["nbgrader"]
        page = render("feedback.html.j2", title=clean(grades["notebook"]), score=grades["score"],
                      max_score=grades["max_score"], late_penalty=grades["late_penalty"], parts=parts,
                      checks=[part for part in parts if part["kind"] == "check"],
                      problem=course.get("problem"), repairs=list(course.get("repairs", [])))
        return page, resources


def _parts(nb):
    """The notebook as checks, answers and the rest between them, ready for the template."""
    parts, number = [], 0
    for cell in nb.cells:
        kind = "check" if is_grade(cell) else "answer" if is_solution(cell) else "rest"
        shown = _shown(cell)
        if kind == "rest":
            if not shown["source"].strip():
                continue
            if not parts or parts[-1]["kind"] != "rest":
                parts.append({"kind": "rest", "cells": [], "raised": False, "comment": None})
            parts[-1]["cells"].append(shown)
            parts[-1]["raised"] |= any(output.output_type == "error" for output in cell.get("outputs", []))
            continue
        shown |= {"kind": kind, "name": cell.metadata.nbgrader["grade_id"].removeprefix("test_"),
                  "comment": markdown(cell.metadata.nbgrader.get("comment") or "")}
        if kind == "check":
            number += 1
            shown |= {"number": number} | _verdict(cell)
        parts.append(shown)
    return parts


def _shown(cell):
    """What the template needs of any cell: its source without hidden tests, its outputs as safe HTML."""
    source = _HIDDEN.sub("", cell.source).rstrip()
    return {"source": source, "markdown": markdown(source) if cell.cell_type == "markdown" else None,
            "outputs": [_output(output, is_grade(cell)) for output in cell.get("outputs", [])]}


def _output(output, graded):
    """One passive output. A graded cell's error goes without its traceback, which quotes the hidden tests."""
    if output.output_type == "error":
        text = f"{output.ename}: {output.evalue}" if graded else "\n".join(output.traceback)
        return {"label": "your code stopped with an error", "image": None, "text": Markup(ansi2html(text))}
    if output.output_type == "stream":
        return {"label": "printed" if output.name == "stdout" else "printed (stderr)", "image": None,
                "text": Markup(ansi2html(output.text))}
    for mime in ("image/png", "image/jpeg"):
        if mime in output.data:
            return {"label": "shown", "image": Markup(f"data:{mime};base64,{output.data[mime]}"), "text": ""}
    return {"label": "shown", "image": None, "text": Markup(ansi2html(output.data["text/plain"]))}


def _verdict(cell):
    """Points and reason of a graded cell."""
    points, most = (float(cell.metadata.nbgrader.get(key) or 0) for key in ("score", "points"))
    error = next((output for output in cell.get("outputs", []) if output.output_type == "error"), None)
    _, misconception, reason = ("right", None, None) if error is None else explain(error)
    if points >= most:
        reason = "✓ Right." if error is None else f"Full points were given by hand. The check had said: {reason}"
    elif error is None:
        reason = "The grade was set by hand, or this cell was not run."
    short = (misconception or "").replace("_", " ") or reason.partition("\n")[0]
    return {"points": points, "max_points": most, "full": points >= most, "reason": reason, "short": short}


@functools.lru_cache(maxsize=2000)
def markdown(source):
    """Markdown of anybody as HTML that can do nothing: no scripts, styles, pictures or foreign addresses but links."""
    source = clean(source, TEXT)
    try:
        html = MarkdownWithMath(renderer=_Plain(escape=False, exclude_anchor_links=True)).render(source)
        return Markup(bleach.clean(html, tags=_TAGS, attributes={"a": ["href", "title"]}, strip_comments=True,
                                   protocols=["http", "https", "mailto"]))
    except Exception:  # text made to break the parser is shown as it is
        return Markup("<pre>{}</pre>").format(source)


class _Plain(IPythonRenderer):
    """Pictures become their description (loading one would tell its host who reads), code has no colours."""

    def image(self, text, url, title=None):
        return str(escape(f"[picture: {text}]" if text else "[picture]"))

    def block_code(self, code, info=None):
        return f"<pre><code>{escape(code)}</code></pre>\n"
