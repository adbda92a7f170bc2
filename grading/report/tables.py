"""The results as data: `exercises.csv` and `misconceptions.csv`, to be opened in a spreadsheet."""

import csv
import io
from pathlib import Path

from grading import course
from grading.report import words
from grading.report.page import clean
from helpers.files import atomic

EXERCISES = ("student", "name", "notebook", "exercise", "title", "points", "max_points", "outcome", "misconception",
             "by_hand", "flags", "reason", "file")
MISCONCEPTIONS = ("notebook", "exercise", "title", "misconception", "students", "share", "new_students", "new", "says")


def write(folder, results, misconceptions, files):
    """Write both tables. `misconceptions` are the report's; `files` are (student, notebook) to what was handed in."""
    _write(Path(folder) / "exercises.csv", EXERCISES, _exercises(results, files))
    _write(Path(folder) / "misconceptions.csv", MISCONCEPTIONS, _misconceptions(misconceptions))


def _exercises(results, files):
    """A row for each student and exercise."""
    order = list(course.titles())
    for result in sorted(results, key=lambda result: (result["student"], result["assignment"])):
        for exercise in sorted(result["exercises"], key=lambda one: order.index(one["name"])
                               if one["name"] in order else len(order)):
            flags = sorted({flag["kind"] for flag in result["flags"] if flag["exercise"] in (None, exercise["name"])})
            yield (result["student"], result["name"], result["assignment"], exercise["name"],
                   course.titles().get(exercise["name"], exercise["name"]), exercise["points"], exercise["max_points"],
                   exercise["outcome"], exercise["misconception"] or "", "yes" if exercise.get("by_hand") else "",
                   "; ".join(flags), words.said(exercise["outcome"], exercise["misconception"], exercise["reason"]),
                   files.get((result["student"], result["assignment"]), ""))


def _misconceptions(rows):
    """A row for each misconception, the commonest first."""
    for row in rows:
        yield (row["notebook"], row["exercise"], course.titles().get(row["exercise"], row["exercise"]), row["id"],
               row["count"], round(row["share"], 3), row["more"], "yes" if row["new"] else "",
               row["says"])


def _write(path, head, rows):
    """With a byte order mark, as spreadsheets read UTF-8."""
    text = io.StringIO(newline="")
    csv.writer(text).writerows([head, *(map(_cell, row) for row in rows)])
    with atomic(path) as half_done:
        half_done.write_text(text.getvalue(), encoding="utf-8-sig", errors="replace", newline="")


def _cell(value):
    """Numbers as they are; text that a spreadsheet would take for a formula begins with an apostrophe."""
    if not isinstance(value, str):
        return f"{value:g}" if isinstance(value, float) else value
    text = clean(value, 2000).replace("\n", " ").strip()
    return f"'{text}" if text[:1] in ("=", "+", "-", "@", "\t") else text
