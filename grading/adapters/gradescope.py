"""Gradescope's autograder: what /autograder/submission holds becomes /autograder/results/results.json.

    python -m grading.adapters.gradescope [/autograder]

Each exercise is a test with its sentence, the mean IoU of a trained model a leaderboard. What is for the instructor
alone (flags) is in the standard output and in extra_data: a hidden test would hide the student's total.
"""

import json
import os
import sys
from pathlib import Path

from grading import adapters
from helpers.files import atomic
from helpers.settings import ROOT

UNFINISHED = "Grading was stopped before there was a result. Hand in again, or tell your instructor."


def main(place="/autograder"):
    place = Path(place)
    results = place / "results" / "results.json"
    about = json.loads((ROOT / "about.json").read_text())
    _write(results, {"score": 0, "output": UNFINISHED, "stdout_visibility": "hidden"})
    for name in ("submission", "results", "submission_metadata.json"):  # names and addresses of students among it
        if (place / name).exists():
            os.chmod(place / name, 0o700)
    result = adapters.grade(place / "submission", results.with_name("result.json"), **about)
    _write(results, told(result))
    print(f"{about['notebook']}: {adapters.said(result)}", *_flags(result), sep="\n")


def told(result):
    """A result in Gradescope's words; its fields as in autograder_samples, docs/specs.md."""
    tests = [_test(exercise) for exercise in adapters.exercises(result)]
    reached = [each["mean_iou"] for each in adapters.exercises(result) if each["mean_iou"] is not None]
    board = {"leaderboard": [{"name": "mean IoU", "value": round(reached[0], 3), "order": "desc"}]} if reached else {}
    return {"score": result["score"], "execution_time": round(result["seconds"]), "output": adapters.said(result),
            "output_format": "text", "test_output_format": "text", "visibility": "visible",
            "stdout_visibility": "hidden", "tests": tests, **board,
            "extra_data": {"schema": result["schema"], "wall": result["wall"], "finished": result["finished"],
                           "flags": _flags(result)}}


def _test(exercise):
    number, _, name = exercise["title"].partition(" ")
    return {"number": number, "name": name, "score": exercise["points"], "max_score": exercise["max_points"],
            "status": "passed" if adapters.full(exercise) else "failed", "output": exercise["sentence"],
            "output_format": "text", "visibility": "visible",
            "extra_data": {key: exercise[key] for key in ("name", "outcome", "misconception")}}


def _flags(result):
    return [f"{flag['kind']}, {flag['exercise']}: {flag['text']}" for notebook in result["notebooks"]
            for flag in notebook["flags"]]


def _write(path, content):
    with atomic(path) as half_done:
        half_done.write_text(json.dumps(content, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
