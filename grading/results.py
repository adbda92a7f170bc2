"""What an autograded notebook came to, as one plain dictionary (JSON): points, reasons, repairs, flags."""

import re

from nbgrader.utils import determine_grade, is_grade, is_solution

MOST = 2000  # characters of a reason
_ANSI = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
_NAMED = re.compile(r"Not yet: ([a-z0-9 ]{1,60})\.")
_NOT_RUN = {"KernelDied", "TimeUp", "OutputTooLong", "MemoryUp", "DiskFull", "CellTimeoutError"}


def collect(notebook):
    """Of an autograded notebook: score, max_score, exercises, repairs, flags, problem."""
    course = notebook.metadata.get("course", {})
    sources = {cell.metadata.nbgrader["grade_id"]: cell.source for cell in notebook.cells if is_solution(cell)}
    exercises = [exercise(cell, sources) for cell in notebook.cells if is_grade(cell)]
    return {"score": sum(each["points"] for each in exercises),
            "max_score": sum(each["max_points"] for each in exercises), "exercises": exercises,
            "repairs": list(course.get("repairs", [])), "flags": list(course.get("flags", [])),
            "problem": course.get("problem")}


def exercise(cell, sources):
    """One graded cell: name, points, outcome, misconception, reason, and the student's answer."""
    name = cell.metadata.nbgrader["grade_id"].removeprefix("test_")
    points, max_points = determine_grade(cell)
    error = next((output for output in cell.outputs if output.output_type == "error"), None)
    outcome, misconception, reason = ("right", None, None) if error is None else explain(error)
    return {"name": name, "points": float(points or 0), "max_points": max_points, "outcome": outcome,
            "misconception": misconception, "reason": reason, "source": sources.get(name, "")}


def explain(error):
    """Outcome, misconception and reason that an error output tells of."""
    lines = [_ANSI.sub("", line) for line in "\n".join(error.traceback)[:10 * MOST].splitlines()]
    named = _NAMED.match(lines[0]) if lines else None
    if named:
        id = named[1].replace(" ", "_")
        outcome = id if id in ("not_attempted", "raised") else "wrong"
        return outcome, None if outcome == "not_attempted" else id, "\n".join(lines[1:])[:MOST].strip()
    outcome = "not_run" if error.ename in _NOT_RUN else "raised"
    return outcome, None, f"{error.ename}: {error.evalue}"[:MOST] if outcome == "raised" else error.evalue[:MOST]


def not_graded(release, reason):
    """The result of a submission that could not be run at all: no points, and why."""
    exercises = [{"name": cell.metadata.nbgrader["grade_id"].removeprefix("test_"), "points": 0.0,
                  "max_points": float(cell.metadata.nbgrader["points"]), "outcome": "not_run", "misconception": None,
                  "reason": reason, "source": ""} for cell in release.cells if is_grade(cell)]
    return {"score": 0.0, "max_score": sum(each["max_points"] for each in exercises), "exercises": exercises,
            "repairs": [], "flags": [], "problem": reason}


def max_score(release):
    """Points of a released notebook."""
    return sum(float(cell.metadata.nbgrader["points"]) for cell in release.cells if is_grade(cell))
