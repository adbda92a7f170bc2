"""Exercise 5.5: a trained model; its mark comes from the model file, outside every kernel."""

import math

from helpers import settings
from helpers.exercises.core import CheckFailed, Exercise
from helpers.exercises.values import is_number, show
from helpers.settings import GOAL


def check(mean_iou, baseline, untrained, seed):
    """Ratios of the trained model, of "background everywhere", and of the untrained model."""
    if mean_iou is None or mean_iou is ...:
        _not_trained("not_attempted", "There is no mean IoU yet: train and evaluate your model first.")
    scores = {"mean_iou": mean_iou, "baseline": baseline, "untrained": untrained}
    for name, value in scores.items():
        if not is_number(value):
            _not_trained("wrong_type", f"{name} is {show(value)}; expected a Python float, as mean_iou returns.")
        if math.isnan(value):
            _not_trained("returns_nan", f"{name} is NaN. Was any image evaluated, and is the loss a number?")
        if not 0 <= value <= 1:
            _not_trained("per_cent", f"{name} is {show(value)}; expected a ratio in 0 to 1, not per cent.")
    reached = f"Your model reaches {mean_iou:.1%} mean IoU on held-out images"
    if settings.dataset() == "own":  # for after the course: nobody is marked on these
        return (f"{reached} of your own data (untrained: {untrained:.1%}; everything background: {baseline:.1%}). "
                f"The goal of {GOAL:.0%}, and the points, are for shapes or voc.")
    if mean_iou <= baseline:
        _not_trained("below_baseline", f"{reached}, and calling every pixel background gives {baseline:.1%}. Probably "
                     "it predicts one class only: look at the picture of its predictions, and at the loss curve.")
    if mean_iou <= untrained:
        _not_trained("below_untrained", f"{reached}, and the untrained model {untrained:.1%}. The training did not "
                     "arrive here: is this the model that you trained, or a new one?")
    if mean_iou < GOAL:
        _not_trained("below_goal", f"{reached}; the goal is {GOAL:.0%}. It does learn (untrained: {untrained:.1%}). "
                     "Does the loss still fall at the end? Then train longer; else look at the learning rate.")
    return (f"{reached}: above the goal of {GOAL:.0%}, above the untrained model ({untrained:.1%}), and above "
          f"calling everything background ({baseline:.1%}). Well done!")


def _not_trained(id, message):
    raise CheckFailed(id, f"{message}\nSee exercise 5.5 in this notebook.")


EXERCISE = Exercise(number="5.5", name="trained_model", title="A trained model", points=4, notebook="05_evaluation",
                    signatures=(), check=check, probe=None, reference=None,
                    values=("restored_score", "baseline_score", "untrained_score"))
