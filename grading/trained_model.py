"""Exercise 5.5, judged outside the kernel: the model file runs in a jail on images that nobody has trained on.

For models of the embedded data set the images are drawn afresh, from a seed of the grader's own; for
models of Pascal VOC they are validation images from the grader's DATA_ROOT.
"""

import atexit
import json
import os
import sys
import tempfile
from functools import cache
from pathlib import Path

from grading import jail

GOAL = 0.4
IMAGES = 120  # fresh ones, as many as the validation set has
FIRST_SEED = 1_000_000  # far from the seeds of the images that students have
NAME = "trained_model"


def verdict(path, seed=0):
    """Points or not: (None, what it reached) for a model that earns them, else (id, reason).

    `seed` draws the fresh images: one for all submissions that are graded together.
    """
    from helpers import metrics  # imports torch: only when a model is judged
    if not Path(path).is_file():
        return "no_model_file", ("No model.safetensors was handed in beside this notebook, so there is no trained model "
                                 "to judge. Notebook 5 writes it; hand in both files.")
    roots = data_roots(seed)
    answer = _run(Path(path), roots)
    if "error" in answer:
        return "unreadable_model", answer["error"]
    if "confusion" not in answer:
        return "no_data", ("This model knows the classes of Pascal VOC, and this grader has no VOC images to run it on. "
                           "Grade again with DATA_ROOT=, or hand in a model of the data set shapes.")
    confusion = _matrix(answer["confusion"])
    if confusion is None:
        return "unreadable_model", "The model file could not be run: its output was no confusion matrix."
    score = metrics.mean_iou(confusion)
    background = metrics.mean_iou(_all_background(confusion))
    root = roots[answer["dataset"]]
    untrained = _untrained(answer["model"], answer["dataset"], root, answer["size"])
    reached = (f"mean IoU {score:.3f} on {_count(root)} images that it has not seen "
               f"(all background {background:.3f}, untrained {untrained:.3f})")
    if score <= background:
        return "below_baseline", f"Your model reaches {reached}: no better than calling every pixel background."
    if score <= untrained:
        return "below_untrained", f"Your model reaches {reached}: no better than before its training."
    if score < GOAL:
        return "below_goal", f"Your model reaches {reached}; the goal is {GOAL:.2f}."
    return None, f"Your model reaches {reached}: above the goal of {GOAL:.2f}."


@cache
def data_roots(seed):
    """Data set to folder; the fresh images are drawn once a grading process, and go with it."""
    from helpers import shapes
    folder = tempfile.TemporaryDirectory(prefix="course-held-out-")
    atexit.register(folder.cleanup)
    os.chmod(folder.name, 0o755)  # the jail's user reads them
    shapes.write(folder.name, {"train": 1, "val": IMAGES}, {"train": 0, "val": FIRST_SEED + seed})
    roots = {"shapes": Path(folder.name)}
    if os.environ.get("COURSE_DATASET") == "voc" and os.environ.get("COURSE_DATA_ROOT"):
        roots["voc"] = Path(os.environ["COURSE_DATA_ROOT"])
    return roots


def _run(path, roots):
    """What `helpers.score` says of a model file, in the jail; anything unexpected is an error too."""
    names = {name: f"/course/held-out/{name}" for name in roots}
    try:
        with tempfile.TemporaryDirectory(prefix="course-model-") as folder:
            os.chmod(folder, 0o755)  # the jail's user reads it
            copy = Path(folder, path.name)
            if not jail.take_model(path, copy):
                return {"error": "The model file is no plain file, or far too large; hand in the one of notebook 5."}
            inside, model = names, "/course/model.safetensors"
            if jail.backend() == "none":
                inside, model = roots, copy
            run = jail.run([sys.executable, "-m", "helpers.score", str(model),
                            *(f"{name}={inside[name]}" for name in roots)],
                           read_only=((copy, model), *((roots[name], names[name]) for name in roots)))
        answer = json.loads(run.stdout.splitlines()[-1])
        known = {"shapes", "voc"}
        if isinstance(answer.get("error"), str) or (answer["dataset"] in known and answer["model"] in _models()
                                                    and type(answer["size"]) is int):
            return answer
    except (ValueError, IndexError, KeyError, TypeError, AttributeError):
        pass
    return {"error": "The model file ended its run before there was a result: it is broken, or far too large."}


def _models():
    from helpers.settings import MODELS
    return MODELS


def _matrix(rows):
    """Int64[C, C] of what a jail printed, or None."""
    import torch
    try:
        matrix = torch.tensor(rows, dtype=torch.int64)
    except (TypeError, ValueError, RuntimeError):
        return None
    return matrix if matrix.ndim == 2 and matrix.shape[0] == matrix.shape[1] and matrix.min() >= 0 else None


def _all_background(confusion):
    """The same targets, all of them taken for background."""
    background = confusion * 0
    background[:, 0] = confusion.sum(1)
    return background


@cache
def _untrained(model, dataset, root, size):
    from helpers import score
    return score.untrained(model, dataset, root, size)


def _count(root):
    from helpers import score
    names = root / "VOCdevkit" / "VOC2012" / "ImageSets" / "Segmentation" / "val.txt"
    return min(len(names.read_text().split()), score.MOST_IMAGES)
