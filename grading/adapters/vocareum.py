"""Vocareum: grade.sh calls this in the folder of a student's work.

    python -m grading.adapters.vocareum FOLDER "$vocareumGradeFile" "$vocareumReportFile" [NOTEBOOK]

The grade file gets a line `criterion,score` for each exercise: make a criterion of each name (mean_iou, ...) in the
assignment's rubric. The report has the sentences.
"""

import sys
import tempfile
from pathlib import Path

from grading import adapters
from helpers.files import atomic


def main(folder, grades, report, notebook=None):
    with tempfile.TemporaryDirectory() as scratch:
        result = adapters.grade(folder, Path(scratch, "result.json"), notebook)
    exercises = adapters.exercises(result)
    with atomic(grades) as half_done:
        half_done.write_text("".join(f"{each['name']},{each['points']:g}\n" for each in exercises), encoding="utf-8")
    lines = [f"{each['title']}: {each['points']:g} of {each['max_points']:g}. {each['sentence']}" for each in exercises]
    with atomic(report) as half_done:
        half_done.write_text("\n".join([adapters.said(result), "", *lines, ""]), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
