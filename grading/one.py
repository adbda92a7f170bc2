"""One submission, one call: no cluster, no gradebook, and the walls and the judge of `make grade`.

    python -m grading.one FOLDER_OR_NOTEBOOK [--output result.json]

A folder, a zip or a notebook of one student is taken in as a download is, graded by `shard.grade`, as each worker of
`make grade` does it, and told as JSON:

    schema      "segmentation-course/result/1"
    finished    whether everything was examined
    error       null, or a sentence: why there is nothing to grade, or why it was not finished
    wall        what the submission ran behind: "bubblewrap", or in a container "another user"
    score, max_score, seconds
    notebooks   a list of
        name, title         "05_evaluation", "Notebook 5"
        score, max_score, finished
        problem             null, or why the notebook did not run to its end
        repairs             sentences for the student: what was put right in the file
        flags               for the instructor alone: a list of {kind, exercise, text}
        exercises           a list of
            name, title     "mean_iou", "5.2 Mean IoU"
            points, max_points
            outcome         "right", "wrong", "not_attempted", "raised" or "not_run"
            misconception   null, or the id of a known mistake
            sentence        one or more, as the feedback page has them
            mean_iou        null, or a ratio: what a trained model reaches
    problems    a list of {file, text}: files that were left out, or needed a decision

With --output the file is there from the beginning and whole at any moment: after each exercise it says what is known,
and what is still to be examined earns nothing yet. So a run that dies half-way has left a definite result.
"""

import argparse
import json
import signal
import sys
import tempfile
import time
from pathlib import Path

from grading import course, results, shard, voc_images
from grading.intake import ingest
from grading.report import words
from grading.run import jail
from helpers.files import atomic
from helpers.settings import SettingsError

SCHEMA = "segmentation-course/result/1"
STUDENT = "student"
WAITING = "This exercise had not been examined yet when grading stopped."
UNUSED = {"finished": False, "error": None, "wall": None, "score": 0.0, "max_score": 0.0, "seconds": 0.0,
          "notebooks": [], "problems": []}


class OneError(ValueError):
    """There is nothing to grade; the message, one line, says what to do."""


def grade(path, told=lambda result, line: None, only=None, held_out_seed=0):
    """Grade what one student has handed in: the result described above.

    Parameters
    ----------
    path : path
        A folder, a zip or a notebook.
    told : callable
        Called with the result so far and a line for people, whenever something is known.
    only : str, optional
        The name of the one notebook that counts; where it was not handed in, its exercises earn nothing.
    held_out_seed : int
        Draws the images that a trained model is judged on.

    Raises
    ------
    OneError, jail.JailError, SettingsError, ingest.IngestError
    """
    start = time.perf_counter()
    result = {"schema": SCHEMA} | UNUSED
    if only:
        _add(result, only, "It was not looked at yet.")
    told(result, "")
    result["wall"] = jail.require()
    with tempfile.TemporaryDirectory(prefix="course-one-", ignore_cleanup_errors=True) as folder:
        taken = ingest.ingest(Path(path).absolute(), Path(folder), student=STUDENT)
        result["problems"] = [{"file": each.file, "text": each.text} for each in taken.problems]
        found = {each.assignment: each.notebook for each in taken.submissions if each.assignment in course.release()}
        for name in [only] if only else found:
            _add(result, name, WAITING if name in found else f"No notebook {name} was found among the files.",
                 finished=name not in found)
        if not result["notebooks"]:
            raise OneError("expected a notebook of this course, found none: hand in the .ipynb file itself")
        images = voc_images.of(Path(folder))
        told(result, f"{len(result['notebooks'])} to grade: {', '.join(each['name'] for each in result['notebooks'])}")
        for number, notebook in enumerate(result["notebooks"]):
            if notebook["name"] in found:
                task = shard.Task.of(found[notebook["name"]], held_out_seed, images)
                known = _Told(result, notebook, told)
                graded, _ = shard.grade(task, known)
                result["notebooks"][number] = _notebook(graded, finished="again" not in graded)
            _sum(result, start)
            told(result, "")
    unfinished = [each["problem"] for each in result["notebooks"] if not each["finished"]]
    result |= {"finished": not unfinished, "error": unfinished[0] if unfinished else None}
    told(result, "")
    return result


class _Told:
    """Called with each exercise's finding: writes what is known of an exercise into the result so far."""

    def __init__(self, result, notebook, told):
        self.result, self.notebook, self.told = result, notebook, told

    def __call__(self, name, finding):
        one = next(each for each in self.notebook["exercises"] if each["name"] == name)
        one |= {"points": one["max_points"] if finding.outcome == "right" else 0.0, "outcome": finding.outcome,
                "misconception": finding.misconception, "mean_iou": finding.mean_iou,
                "sentence": words.said(finding.outcome, finding.misconception, finding.reason)}
        self.notebook["score"] = sum(each["points"] for each in self.notebook["exercises"])
        _sum(self.result)
        self.told(self.result, line(one))


def line(exercise):
    """An exercise for people: "5.2 Mean IoU: 0 of 4 points. You divide ..." """
    said = "" if exercise["outcome"] == "right" else " " + words.first(exercise["sentence"])
    return f"{exercise['title']}: {exercise['points']:g} of {exercise['max_points']:g} points.{said}"


def _add(result, name, reason, finished=False):
    """Put a notebook of which nothing is known, yet or for good, into a result."""
    result["notebooks"] = [each for each in result["notebooks"] if each["name"] != name]
    result["notebooks"].append(_notebook({"assignment": name, **results.not_graded(name, reason)}, finished))
    _sum(result)


def _notebook(graded, finished):
    """A result of `shard.grade` as it is told."""
    exercises = [{"name": each["name"], "title": course.titles().get(each["name"], each["name"]),
                  **{key: each[key] for key in ("points", "max_points", "outcome", "misconception")},
                  "sentence": words.result(each, by_hand=False), "mean_iou": each["mean_iou"]}
                 for each in graded["exercises"]]
    problem = graded["problem"] and words.without_paths(graded["problem"])
    return {"name": graded["assignment"], "title": course.titles()[graded["assignment"]], "score": graded["score"],
            "max_score": graded["max_score"], "finished": finished, "problem": problem,
            "repairs": graded["repairs"], "flags": graded["flags"], "exercises": exercises}


def _sum(result, start=None):
    for key in ("score", "max_score"):
        result[key] = sum(each[key] for each in result["notebooks"])
    if start:
        result["seconds"] = round(time.perf_counter() - start, 2)


class TimeUp(BaseException):
    """The clock of the whole run; no Exception, so that nothing on the way takes it for its own."""


def main(argv=None):
    arguments = _arguments(argv)
    output = _Output(arguments.output)
    for number in (signal.SIGTERM, signal.SIGALRM):
        signal.signal(number, _stop)
    signal.setitimer(signal.ITIMER_REAL, arguments.seconds or 0)
    try:
        result = grade(arguments.submission, output.told, arguments.notebook, arguments.held_out_seed)
        error = result["error"]
    except (OneError, SettingsError, ingest.IngestError, jail.JailError) as caught:
        error = str(caught)
    except OSError as caught:
        error = f"{caught.strerror or caught} ({caught.filename or arguments.submission})"
    except TimeUp:
        error = f"Grading was stopped: it took longer than it may ({arguments.seconds:g} s)."
    except KeyboardInterrupt:
        error = "Grading was stopped from outside."
    signal.setitimer(signal.ITIMER_REAL, 0)
    output.told(output.last | {"error": error}, "")
    if not arguments.output:
        print(json.dumps(output.last, indent=1))
    if error:
        sys.exit(f"grading.one: {error}")


def _stop(number, _):
    raise TimeUp if number == signal.SIGALRM else KeyboardInterrupt


class _Output:
    """Keeps the result so far in a file, if there is one, and tells people on stderr."""

    def __init__(self, path):
        self.path, self.last = path, {"schema": SCHEMA} | UNUSED

    def told(self, result, line):
        self.last = result
        if self.path:
            with atomic(self.path) as half_done:
                half_done.write_text(json.dumps(result, indent=1), encoding="utf-8")
        if line:
            print(line, file=sys.stderr, flush=True)


def _arguments(argv):
    parser = argparse.ArgumentParser(prog="python -m grading.one", description="Grade what one student handed in.")
    parser.add_argument("submission", type=Path, help="a folder, a zip or a notebook")
    parser.add_argument("--output", type=Path, help="the file for the result, as JSON (standard output)")
    parser.add_argument("--notebook", metavar="NAME", choices=list(course.release()),
                        help="the one notebook that counts: 01_setup, ... (all that are there)")
    parser.add_argument("--held-out-seed", type=int, default=0, metavar="N",
                        help="draws the images that a trained model is judged on (0)")
    parser.add_argument("--seconds", type=float, metavar="N", help="after which what is known counts (no end)")
    return parser.parse_args(argv)


if __name__ == "__main__":
    main()
