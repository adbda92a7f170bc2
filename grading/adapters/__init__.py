"""Grading for systems that run the grader themselves, one submission at a time, in a container: by `grading.one`."""

import contextlib
import json
import os
import signal
import time
from pathlib import Path

from grading import one
from grading.run import jail

GRACE = 20  # seconds that an ended run has to write what it knows


def grade(submission, output, notebook=None, held_out_seed=0, seconds=540):
    """The result (see `grading.one`) of one submission, graded in a process of its own: whatever becomes of that.

    In a container that holds one submission the second wall will do; `output` is a file to write to.
    """
    child = os.fork()  # no command line, which a submission could read
    if child == 0:
        status = 1
        with contextlib.suppress(BaseException):
            jail.alone()
            one.main([str(submission), "--output", str(output), "--held-out-seed", str(held_out_seed),
                      "--seconds", str(seconds), *(["--notebook", notebook] if notebook else [])])
            status = 0
        jail.close()
        os._exit(status)
    ended = _wait(child, seconds + GRACE)
    try:
        result = json.loads(Path(output).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        result = {"schema": one.SCHEMA} | one.UNUSED
    if not result["finished"] and not result["error"]:
        result["error"] = ("Grading was ended from outside: was the machine's memory too small?" if ended < 0 else
                           "Grading ended before it was through.")
    return result


def _wait(child, seconds):
    """The status that a process ends with; it is ended after so many seconds."""
    end = time.monotonic() + seconds
    while True:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
        if time.monotonic() > end:
            os.kill(child, signal.SIGKILL)
        time.sleep(0.05)


def said(result):
    """What the student is told of the whole: a few sentences."""
    lines = [f"{result['score']:g} of {result['max_score']:g} points."]
    if result["error"]:
        lines.append(f"{result['error']} What was examined before counts; hand in again, or tell your instructor."
                     if result["notebooks"] else f"Nothing could be graded: {result['error']}")
    for notebook in result["notebooks"]:
        lines += [notebook["problem"]] if notebook["problem"] and notebook["problem"] != result["error"] else []
        lines += notebook["repairs"]
    lines += [f"{problem['file']}: {problem['text']}" for problem in result["problems"]]
    if result["wall"]:
        lines.append(f"Your code ran behind a wall: {result['wall']}.")
    return "\n".join(lines)


def exercises(result):
    """All exercises of a result, in the course's order."""
    return [exercise for notebook in result["notebooks"] for exercise in notebook["exercises"]]


def full(exercise):
    return exercise["points"] >= exercise["max_points"]
