"""Feedback as the zip that an LMS takes back: Moodle's feedback files, Canvas's re-upload.

Moodle reads the participant's number and shows each file under its own name. Canvas reads the user's number and the
attachment's, and shows the file under the name of what was handed in: so a student who handed in a notebook gets a
notebook back, with the grader's comments in it, and one who handed in a zip a zip with the pages.
"""

import contextlib
import io
import re
import zipfile

import nbformat

from grading.report import feedback
from helpers.files import atomic

LONGEST = 60  # characters of a name


def moodle(path, folder, records):
    """Write Moodle's feedback zip of `records` [(Record, student, notebook)]; how many pages are in it."""
    with _archive(path) as archive:
        for record, student, notebook in records:
            name = _safe(record.owner["name"]).replace("_", " ") or "student"
            archive.write(feedback.page(folder, student, notebook),
                          f"{name}_{record.owner['number']}_assignsubmission_file_/{notebook}.html")
    return len(records)


def canvas(path, folder, records, marks):
    """Write Canvas's re-upload zip of `records`; how many files are in it, and the (student, notebook) left out."""
    attachments, left_out = {}, []
    for record, student, notebook in records:
        attachments.setdefault((record.owner["login"], record.sequence), []).append((record, student, notebook))
    with _archive(path) as archive:
        for (login, attachment), items in attachments.items():
            record, student, notebook = items[0]
            pages = {f"{name}.html": feedback.page(folder, who, name) for _, who, name in items}
            ending = _ending(record)
            if ending == "zip":
                content = io.BytesIO()
                with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as inner:
                    for name, page in pages.items():
                        inner.write(page, name)
                content = content.getvalue()
            elif ending == "ipynb" and len(items) == 1:
                graded = nbformat.read(folder / "autograded" / student / notebook / f"{notebook}.ipynb", as_version=4)
                content = nbformat.writes(feedback.notebook_of(graded, marks[student, notebook], notebook))
            else:
                left_out += [(who, name) for _, who, name in items]
                continue
            name = re.sub(r"\W", "", record.owner["name"])[:LONGEST] or "student"
            archive.writestr(f"{name}_{login}_{attachment}_{notebook}.{ending}", content)
    return len(attachments) - len(left_out), left_out


@contextlib.contextmanager
def _archive(path):
    """A zip to write to, that is whole at the end or not there."""
    with atomic(path) as half_done, zipfile.ZipFile(half_done, "w", zipfile.ZIP_DEFLATED) as archive:
        yield archive


def _ending(record):
    """What the student's file was: an archive around a notebook is a step of its place, without an ending."""
    steps = record.file.split("/")
    place = next((number for number, step in enumerate(steps)
                  if f"_{record.owner['login']}_{record.sequence}_" in step), len(steps) - 1)
    return "zip" if place < len(steps) - 1 else steps[-1].rpartition(".")[2].lower()


def _safe(name):
    """A name for a file in a zip."""
    return re.sub(r"[^\w .,'-]", "", name)[:LONGEST].strip(" .")
