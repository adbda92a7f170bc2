"""Feedback for students: a page for each notebook, with marks from the gradebook, in which nothing can act.

`configure(c)` in nbgrader_config.py makes nbgrader's own `generate_feedback` write it; `write` does so for a folder
of grades, where something has changed. Anything in a notebook may be hostile: `passive` makes it harmless, and
the page's Content-Security-Policy lets nothing run or load.
"""

import copy
import functools
import hashlib
import json
import re
import shutil
from datetime import UTC, datetime
from pathlib import Path

import nbformat
from markupsafe import Markup
from nbconvert.exporters import Exporter
from nbconvert.filters import ansi2html
from nbformat.v4 import new_markdown_cell, new_notebook
from nbgrader.utils import is_grade, is_solution

from grading import course, gradebook, results
from grading.report import words
from grading.report.page import TEMPLATES, clean, first, points, render
from grading.report.passive import Passive, markdown
from helpers.files import atomic


def configure(c):
    """Make `nbgrader generate_feedback` write these pages, and formgrader show nothing that could act."""
    c.GenerateFeedback.exporter_class = FeedbackExporter
    c.GenerateFeedback.preprocessors = []  # the exporter asks the gradebook itself
    c.GenerateFeedback.post_convert_hook = only_pages
    # formgrader has a template of its own: these are its doors
    c.NbConvertBase.display_data_priority = ["image/png", "image/jpeg", "text/plain"]
    c.HTMLExporter.filters = {"markdown2html": markdown}


def write(folder, marks):
    """Write feedback/<student>/<notebook>/<notebook>.html for what is under autograded/ in a folder of grades.

    Only what has changed is written; the pages of a notebook that is gone go too. `marks` are `gradebook.marks`.
    Returns how many pages were written, and the (student, notebook) pairs that no page could be made for.
    """
    folder = Path(folder)
    memory = folder / "feedback" / ".keys.json"
    known = json.loads(memory.read_text()) if memory.exists() else {}
    keys, written, failed = {}, 0, []
    for path in sorted(folder.glob("autograded/*/*/*.ipynb")):
        student, name = path.parts[-3], path.stem
        if (student, name) not in marks:
            continue
        text, page = path.read_bytes(), _page_of(path)
        key = hashlib.sha256(b"\0".join([_appearance(), repr(marks[student, name]).encode(), text])).hexdigest()
        place = f"{student}/{name}"
        if known.get(place) != key or not page.exists():
            try:
                html = page_of(nbformat.reads(text.decode(), as_version=4), marks[student, name], name)
                with atomic(page) as half_done:
                    half_done.write_text(html, encoding="utf-8", newline="\n")
            except Exception:  # whatever a notebook breaks, the other pages are written
                page.unlink(missing_ok=True)
                failed.append((student, name))
                continue
            written += 1
        _for_release(path, page)
        keys[place] = key
    for place in known.keys() - keys:
        shutil.rmtree(folder / "feedback" / place, ignore_errors=True)
    with atomic(memory) as half_done:
        half_done.write_text(json.dumps(keys))
    return written, failed


def _for_release(notebook, page):
    """What `nbgrader release_feedback` reads beside a page; a secret is made up for who did not use its `submit`."""
    for name, instead in (("timestamp.txt", ""), ("submission_secret.txt", hashlib.sha256(
            f"{notebook.parts[-3]} did not use nbgrader submit".encode()).hexdigest())):
        source = notebook.with_name(name)
        text = source.read_text() if source.exists() else instead
        if not (there := page.with_name(name)).exists() or there.read_text() != text:
            there.write_text(text)


@functools.cache
def _appearance():
    """What pages look like: changed, they are all written again."""
    files = [*TEMPLATES.glob("*"), *Path(__file__).parent.glob("*.py")]
    return json.dumps([*(path.read_text(encoding="utf-8") for path in sorted(files)), course.titles()]).encode()


def only_pages(assignment, student, notebooks):
    """nbgrader copies whatever else lies beside a notebook: in feedback, only the pages stay."""
    pages = {_page_of(Path(notebook)) for notebook in notebooks}
    kept = pages | {page.with_name(name) for page in pages for name in ("timestamp.txt", "submission_secret.txt")}
    for folder in {page.parent for page in pages}:
        for other in folder.rglob("*"):
            if (other.is_file() or other.is_symlink()) and other not in kept:
                other.unlink()


def _page_of(notebook):
    """autograded/ada/01_setup/01_setup.ipynb -> feedback/ada/01_setup/01_setup.html"""
    return notebook.parents[3] / "feedback" / notebook.parts[-3] / notebook.parts[-2] / f"{notebook.stem}.html"


def page(folder, student, name):
    """Where a student's page of a notebook lies in a folder of grades."""
    return Path(folder) / "feedback" / student / name / f"{name}.html"


class FeedbackExporter(Exporter):
    """The page of a notebook, for nbgrader's own command."""

    file_extension = ".html"
    output_mimetype = "text/html"

    def from_notebook_node(self, nb, resources=None, **kw):
        ids = resources["nbgrader"]
        marks = gradebook.marks(ids["db_url"].removeprefix("sqlite:///"), ids["student"])
        page = page_of(nb, marks[ids["student"], ids["notebook"]], ids["notebook"])
        nb, resources = super().from_notebook_node(nb, resources, **kw)
        return page, resources


def page_of(nb, mark, name):
    """A notebook as a page: points and reasons first, then answers and checks, the rest folded away between them."""
    nb, _ = Passive().preprocess(nb, {})
    parts, about = _parts(nb, mark), nb.metadata.get("course", {})
    checks = [part for part in parts if part["kind"] == "check"]
    problem = about.get("problem")
    return render("feedback.html.j2", title=_title(nb, name), mark=mark, parts=parts, checks=checks,
                  handed_in=_date(mark.timestamp, time=True, zone=mark.zone),
                  late=late(mark), graded=_date(about.get("graded")),
                  problem=problem and words.without_paths(str(problem)), repairs=list(about.get("repairs", [])))


def notebook_of(nb, mark, name):
    """The same as a notebook, for who can only be given one: the grader's words in cells of their own."""
    nb, _ = Passive().preprocess(copy.deepcopy(nb), {})
    parts = [part for part in _parts(nb, mark) if part["kind"] == "check"]
    lines = [f"# {_title(nb, name)}", "", f"**Feedback: {points(mark.score)} of {points(mark.max_score)} points**", ""]
    lines += [late(mark), ""] if late(mark) else []
    lines += ["| exercise | points | what happened |", "|---|---|---|"]
    lines += [f"| {_literal(part['title'])} | {points(part['points'])} of {points(part['max_points'])} "
              f"| {_literal(first(part['reason']))} |" for part in parts]
    reasons, cells = iter(parts), [new_markdown_cell("\n".join(lines), id="feedback")]
    for cell in nb.cells:
        cells.append(cell)
        said = ([next(reasons)["reason"]] if is_grade(cell) else []) + [mark.comments.get(
            cell.metadata.get("nbgrader", {}).get("grade_id")) or ""]
        if text := "\n\n".join(filter(None, said)):
            cells.append(new_markdown_cell(f"> **Feedback.** {_literal(text)}", id=f"feedback-{len(cells)}"))
    metadata = {key: value for key, value in nb.metadata.items() if key != "course"}
    return new_notebook(cells=cells, metadata=metadata)


def _literal(text):
    """Text in which markdown finds nothing to do, as one line of a table or a quote."""
    escaped = re.sub(r"([\\`*_{}\[\]#!|<>&$~])", r"\\\1", clean(text, 4000).strip())
    return "<br>".join(line.strip() for line in escaped.splitlines())


def _title(nb, name):
    """"1 · Setup: pictures, masks and a device", as the notebook's first heading says, else "Notebook 1"."""
    release = course.release().get(name, nb)
    headings = (re.match(r"# (.+)", cell.source) for cell in release.cells if cell.cell_type == "markdown")
    return next((heading[1] for heading in headings if heading), course.titles().get(name, name))


def late(mark):
    """Which rule took which points of a notebook that came late; None if none did."""
    if not mark.penalty:
        return None
    rule = f" ({mark.rule})" if mark.rule else ""
    text = (f"{points(mark.penalty)} of {points(mark.raw_score)} points were taken off because the notebook came "
            f"late{rule}.")
    if not mark.late:
        return text
    due = _date(mark.due, time=True, zone=mark.zone) + (", with your extension" if mark.extended else "")
    return f"{text} It was due on {due}, and came {_span(mark.late)} later."


def _span(seconds):
    """90000 as "1 day and 1 hour", what is less than a minute as a minute."""
    minutes = max(1, round(seconds / 60))
    parts = [(minutes // 1440, "day"), (minutes % 1440 // 60, "hour"), (minutes % 60, "minute")]
    said = [f"{number} {word}{'s' * (number != 1)}" for number, word in parts if number]
    return " and ".join(said[:2])


def _date(when, time=False, zone=None):
    """A datetime (UTC) or an ISO date as people write it: 3 November 2026, 14:05 UTC; None for none."""
    try:
        when = datetime.fromisoformat(when) if isinstance(when, str) else when
        if when and time and zone:
            return _date(when.replace(tzinfo=UTC).astimezone(zone), True).replace(" UTC", f" ({zone})")
        return when and f"{when.day} {when:%B %Y}" + (f", {when:%H:%M} UTC" if time else "")
    except ValueError:
        return None


def _parts(nb, mark):
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
        grade_id = cell.metadata.nbgrader["grade_id"]
        exercise = grade_id.removeprefix("test_")
        shown |= {"kind": kind, "title": course.titles().get(exercise, exercise.replace("_", " ")),
                  "comment": markdown(mark.comments.get(grade_id) or "")}
        if kind == "check":
            number += 1
            most = mark.max_points.get(exercise, 0.0)
            points, reason = mark.points.get(exercise, 0.0), words.result(results.said(cell), exercise in mark.by_hand)
            shown |= {"number": number, "points": points, "max_points": most, "reason": reason,
                      "full": points >= most and (most > 0 or results.said(cell)["outcome"] == "right")}
        parts.append(shown)
    return parts


def _shown(cell):
    """What the template needs of any cell: its source, its outputs as safe HTML."""
    source = cell.source.rstrip()
    return {"source": source, "markdown": markdown(source) if cell.cell_type == "markdown" else None,
            "outputs": [_output(output, is_grade(cell)) for output in cell.get("outputs", [])]}


def _output(output, graded):
    """One passive output. A graded cell's error goes without its traceback: it is the course's own code."""
    if output.output_type == "error":
        text = f"{output.ename}: {output.evalue}" if graded else "\n".join(output.traceback)
        return {"label": "This code stopped with an error:", "image": None, "text": _text(text)}
    if output.output_type == "stream":
        label = "This code printed:" if output.name == "stdout" else "This code printed (as a warning or progress):"
        return {"label": label, "image": None, "text": _text(output.text)}
    for mime in ("image/png", "image/jpeg"):
        if mime in output.data:
            picture = Markup(f"data:{mime};base64,{output.data[mime]}")
            return {"label": "This code showed:", "image": picture, "text": ""}
    return {"label": "This code showed:", "image": None, "text": _text(output.data["text/plain"])}


def _text(text):
    return Markup(ansi2html(words.without_paths(text)))
