"""Exercise 5.5, judged outside the kernel: the model file runs in a jail on images that nobody has trained on.

For models of the embedded data set the images are drawn afresh, from a seed of the grader's own; for
models of Pascal VOC they are validation images from the grader's DATA_ROOT.
"""

import json
import os
import tempfile
from functools import cache
from pathlib import Path

from grading.mark.finding import Finding
from grading.run import jail
from grading.run.limits import WORK
from helpers.settings import GOAL, MODEL_FILE, MODELS

IMAGES = "images"  # the file that they are in, inside
NO_DATA = ("This model knows the classes of Pascal VOC, and there are no VOC images here to run it on: grade again "
           "with DATASET=voc and DATA_ROOT= the folder that holds VOCdevkit/.")


def examine(path, seed=0):
    """A `Finding` on the model file at `path`.

    `seed` draws the fresh images: one for all submissions that are graded together.
    """
    if not Path(path).is_file():
        return Finding("not_attempted", f"No {MODEL_FILE} was handed in beside this notebook, so there is no trained "
                       "model to judge. Notebook 5 writes it; hand in both files.", "no_model_file")
    answer = _run(Path(path), seed)
    if "error" in answer:
        said = answer["error"].removeprefix("model file: ")
        return Finding("wrong", f"{said[:1].upper()}{said[1:].rstrip('.')}.", "unreadable_model")
    if "mean_iou" not in answer:
        return Finding("not_run", "Not graded yet: your instructor needs the VOC images.", "no_data")
    score, background = answer["mean_iou"], answer["background"]
    untrained = _untrained(answer["model"], answer["dataset"], answer["size"], seed)
    reached = (f"mean IoU {score:.3f} on {answer['images']} images that it has not seen "
               f"(all background {background:.3f}, untrained {untrained:.3f})")
    if score <= background:
        return Finding("wrong", f"Your model reaches {reached}: no better than calling every pixel background.",
                       "below_baseline", score)
    if score <= untrained:
        return Finding("wrong", f"Your model reaches {reached}: no better than before its training.",
                       "below_untrained", score)
    if score < GOAL:
        return Finding("wrong", f"Your model reaches {reached}; the goal is {GOAL:.2f}.", "below_goal", score)
    return Finding("right", f"Your model reaches {reached}: above the goal of {GOAL:.2f}.", mean_iou=score)


def _run(path, seed):
    """What `helpers.score` says of a model file; anything unexpected is an error too."""
    with jail.model_file(path) as file:
        if not file:
            return {"error": "The model file is not a plain file, or far too large; hand in notebook 5's."}
        answer = _score(seed, "file", MODEL_FILE, files={f"{WORK}/{MODEL_FILE}": file})
    known = isinstance(answer, dict) and (isinstance(answer.get("error"), str) or _is_score(answer))
    return answer if known else {"error": "The model file ended its run before there was a result: it is broken, or "
                                          "far too large."}


def _is_score(answer):
    of_course = (answer.get("dataset") in ("shapes", "voc") and answer.get("model") in MODELS
                 and type(answer.get("size")) is int)
    if "mean_iou" not in answer:
        return of_course
    return of_course and type(answer.get("images")) is int and all(
        type(answer.get(key)) is float and 0 <= answer[key] <= 1 for key in ("mean_iou", "background"))


@cache
def _untrained(model, dataset, size, seed):
    """Mean IoU of the architecture before any training: trusted code alone, once a grading process."""
    answer = _score(seed, "untrained", model, dataset, size)
    return answer["mean_iou"] if answer else 0.0


def _score(seed, what, *arguments, files=None):
    """What `helpers.score` prints in the jail, or None."""
    with open(_drawn(seed), "rb") as images:
        files = {**(files or {}), f"{WORK}/{IMAGES}": images}
        try:
            return json.loads(jail.run(("helpers.score:main", what, IMAGES, *arguments), files).stdout.splitlines()[-1])
        except (ValueError, IndexError, RecursionError):
            return None


@cache
def _drawn(seed):
    """Where this process, and those that it forks, open the images that models are judged on: drawn once."""
    with tempfile.TemporaryFile() as file:
        if status := jail.start(("helpers.score:main", "draw", seed), {"stdout": file}).wait():
            raise jail.JailError(f"jail: expected images to judge a model on, found exit status {status}")
        return f"/proc/self/fd/{os.dup(file.fileno())}"
