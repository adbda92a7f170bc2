"""Exercise 5.5, judged outside the kernel: the model file runs in a jail on images that nobody has trained on.

For models of the embedded data set the images are drawn afresh, from a seed of the grader's own; for
models of Pascal VOC they are validation images from the grader's DATA_ROOT.
"""

import json
from functools import cache
from pathlib import Path

from grading.run import jail
from grading.run.limits import WORK
from helpers.settings import GOAL, MODEL_FILE, MODELS

NAME = "trained_model"


def verdict(path, seed=0):
    """Points or not: (None, what it reached) for a model that earns them, else (id, reason).

    `seed` draws the fresh images: one for all submissions that are graded together.
    """
    if not Path(path).is_file():
        return "no_model_file", (f"No {MODEL_FILE} was handed in beside this notebook, so there is no trained model "
                                 "to judge. Notebook 5 writes it; hand in both files.")
    answer = _run(Path(path), seed)
    if "error" in answer:
        return "unreadable_model", answer["error"]
    if "mean_iou" not in answer:
        return "no_data", ("This model knows the classes of Pascal VOC, and this grader has no VOC images to run it on. "
                           "Grade again with DATA_ROOT=, or hand in a model of the data set shapes.")
    score, background = answer["mean_iou"], answer["background"]
    untrained = _untrained(answer["model"], answer["dataset"], answer["size"], seed)
    reached = (f"mean IoU {score:.3f} on {answer['images']} images that it has not seen "
               f"(all background {background:.3f}, untrained {untrained:.3f})")
    if score <= background:
        return "below_baseline", f"Your model reaches {reached}: no better than calling every pixel background."
    if score <= untrained:
        return "below_untrained", f"Your model reaches {reached}: no better than before its training."
    if score < GOAL:
        return "below_goal", f"Your model reaches {reached}; the goal is {GOAL:.2f}."
    return None, f"Your model reaches {reached}: above the goal of {GOAL:.2f}."


def _run(path, seed):
    """What `helpers.score` says of a model file; anything unexpected is an error too."""
    with jail.model_file(path) as file:
        if not file:
            return {"error": "The model file is no plain file, or far too large; hand in the one of notebook 5."}
        answer = _score("file", seed, f"{WORK}/{MODEL_FILE}", files={f"{WORK}/{MODEL_FILE}": file})
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
    answer = _score("untrained", seed, model, dataset, size)
    return answer["mean_iou"] if answer else 0.0


def _score(*arguments, files=None):
    """What `helpers.score` prints in the jail, or None."""
    try:
        return json.loads(jail.run(("helpers.score:main", *arguments), files).stdout.splitlines()[-1])
    except (ValueError, IndexError, RecursionError):
        return None
