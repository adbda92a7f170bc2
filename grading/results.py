"""What an autograded notebook came to, as one plain dictionary (JSON): points, outcomes, reasons, repairs, flags."""

from nbgrader.utils import determine_grade, is_grade, is_solution

from grading import course
from grading.mark.finding import OUTCOMES

MOST = 2000  # characters of a reason


def collect(notebook):
    """Of an autograded notebook: score, max_score, exercises, repairs, flags, problem."""
    about = notebook.metadata.get("course", {})
    sources = {cell.metadata.nbgrader["grade_id"]: cell.source for cell in notebook.cells if is_solution(cell)}
    exercises = [exercise(cell, sources) for cell in notebook.cells if is_grade(cell)]
    return _result(exercises, list(about.get("repairs", [])), list(about.get("flags", [])), about.get("problem"))


def exercise(cell, sources):
    """One graded cell: name, points, outcome, misconception, reason, and the student's answer."""
    name = cell.metadata.nbgrader["grade_id"].removeprefix("test_")
    points, max_points = determine_grade(cell)
    return {"name": name, "points": float(points or 0), "max_points": float(max_points), **said(cell),
            "source": sources.get(name, "")}


def said(cell):
    """What the grader wrote on a graded cell: outcome, and misconception, reason and a model's mean IoU or None."""
    fields = cell.metadata.get("course", {})
    outcome = fields.get("outcome")
    return {"outcome": outcome if outcome in OUTCOMES else "not_run", "misconception": fields.get("misconception"),
            "reason": (fields.get("reason") or "")[:MOST] or None, "mean_iou": fields.get("mean_iou")}


def not_graded(name, reason):
    """The result of a submission of notebook `name` that could not be run at all: no points, and why."""
    exercises = [{"name": cell.metadata.nbgrader["grade_id"].removeprefix("test_"), "points": 0.0,
                  "max_points": float(cell.metadata.nbgrader["points"]), "outcome": "not_run", "misconception": None,
                  "reason": reason, "mean_iou": None, "source": ""}
                 for cell in course.release()[name].cells if is_grade(cell)]
    return _result(exercises, [], [], reason)


def with_marks(results, marks):
    """The results with the points that the gradebook has: marks given by hand and late penalties included.

    Whoever has a mark there without having handed anything in is added.
    """
    known = {(result["student"], result["assignment"]) for result in results}
    extra = [{"student": student, "assignment": name, "seconds": 0.0} |
             not_graded(name, "Nothing was handed in.") | {"problem": None}
             for student, name in marks.keys() - known if name in course.release()]
    return [_with_mark(result, marks[result["student"], result["assignment"]]) for result in [*results, *extra]]


def _with_mark(result, mark):
    exercises = [one | {"points": mark.points.get(one["name"], 0.0), "by_hand": one["name"] in mark.by_hand}
                 for one in result["exercises"]]
    return result | {"name": mark.name, "score": mark.score, "max_score": mark.max_score, "penalty": mark.penalty,
                     "exercises": exercises}


def _result(exercises, repairs, flags, problem):
    return {"score": sum(each["points"] for each in exercises),
            "max_score": sum(each["max_points"] for each in exercises), "exercises": exercises, "repairs": repairs,
            "flags": flags, "problem": problem}
