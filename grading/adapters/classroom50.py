"""Classroom 50: what its autograder.py calls; a student's checkout becomes its result.json (result-v1.schema.json).

    python -m grading.adapters.classroom50 FOLDER result.json [NOTEBOOK]

Whose it is, Classroom 50 says in the environment.
"""

import json
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from grading import adapters
from helpers import settings
from helpers.files import atomic

FIELDS = {"classroom": "CLASSROOM", "assignment": "ASSIGNMENT", "submission": "SUBMISSION_TAG", "commit": "COMMIT_URL",
          "release": "RELEASE_URL", "review": "REVIEW_URL"}


def main(folder, output, notebook=None):
    about = {field: settings.told(variable) for field, variable in FIELDS.items()}
    with tempfile.TemporaryDirectory() as scratch:
        result = adapters.grade(folder, Path(scratch, "result.json"), notebook)
    with atomic(output) as half_done:
        half_done.write_text(json.dumps(told(result, about), indent=1), encoding="utf-8")
    print(adapters.said(result))


def told(result, about):
    """A result in Classroom 50's words. Its scores are whole numbers, as all points of this course are."""
    return {"schema": "classroom50/result/v1", **about, "datetime": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}",
            "score": round(result["score"]),
            "max-score": round(result["max_score"]),
            "tests": [{"test-name": exercise["title"], "passed": adapters.full(exercise),
                       "score": round(exercise["points"]), "max-score": round(exercise["max_points"]),
                       "message": exercise["sentence"]}
                      for exercise in adapters.exercises(result)]}


if __name__ == "__main__":
    main(*sys.argv[1:])
