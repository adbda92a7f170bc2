"""Exercise 3.2: predict."""

import torch

from helpers import models
from helpers.exercises import toys
from helpers.exercises.core import Exercise, mistakes
from helpers.exercises.probe import Probe, call
from helpers.exercises.values import describe


def _by(labels):
    """The mistake that makes `labels` of the logits, in eval mode."""
    def imitate(model, images):
        model.eval()
        with torch.no_grad():
            return labels(model(images)["out"])
    return imitate


MISTAKES = [
    *mistakes("wrong_axis", "argmax ran over another axis than the classes. Logits are [N, C, H, W], so the classes "
              "are on axis 1.", *(_by(lambda x, axis=axis: x.argmax(axis)) for axis in (0, 2, 3, None))),
    *mistakes("logits_returned", "These are the logits, a number for each class. A label map holds the class with the "
              "highest one: `.argmax(1)`.", _by(lambda x: x)),
    *mistakes("probabilities_returned", "These are probabilities, a number for each class. A label map holds the class "
              "with the highest one: `.argmax(1)`.", _by(lambda x: x.softmax(1)), _by(lambda x: x.sigmoid())),
    *mistakes("values_not_indices", "These are the highest values, not the classes that have them. `max(1)` gives "
              "both: take `.indices`, or use `argmax(1)`.",
              _by(lambda x: x.amax(1)), _by(lambda x: x.softmax(1).amax(1)), _by(lambda x: x.sigmoid().amax(1))),
    *mistakes("channel_axis", "An axis of length 1 is left where the classes were; expected [N, H, W]. Leave out "
              "`keepdim`.", _by(lambda x: x.argmax(1, keepdim=True)), _by(lambda x: x.argmax(1)[..., None])),
    *mistakes("squeezed", "With one image in the batch, the axis N is gone. `squeeze()` takes every axis of length 1; "
              "leave it out.", _by(lambda x: x.argmax(1).squeeze())),
    *mistakes("first_image_only", "Only the first image got its labels; expected a label map for each image.",
              _by(lambda x: x[0].argmax(0)), _by(lambda x: x[:1].argmax(1))),
    *mistakes("thresholded", "Each class was compared with a threshold on its own. A pixel has one class, the one with "
              "the highest logit: `.argmax(1)`.", _by(lambda x: x > 0), _by(lambda x: x > 0.5),
              _by(lambda x: x.softmax(1) > 0.5)),
    *mistakes("argmin", "These are the least likely classes. Use `argmax`.", _by(lambda x: x.argmin(1))),
    *mistakes("values_not_indices", "These are the highest values, made whole, not the classes that have them. "
              "`max(1)` gives both: take `.indices`, or use `argmax(1)`.", _by(lambda x: x.amax(1).long())),
    *mistakes("thresholded", "The logits of each class were compared with a threshold first. Take the class with the "
              "highest logit: `.argmax(1)` of the logits themselves.",
              _by(lambda x: (x > 0).long().argmax(1)), _by(lambda x: (x.softmax(1) > 0.5).long().argmax(1))),
    *mistakes("background_skipped", "Class 0, background, is never predicted. It is a class like the others.",
              _by(lambda x: x[:, 1:].argmax(1) + 1), _by(lambda x: x[:, 1:].argmax(1))),
    *mistakes("shifted", "Every label is one too high: classes count from 0.",
              _by(lambda x: x.argmax(1) + 1)),
]


def labelled(seed, shape, num_classes=4):
    """A small model and images of which it labels some pixels as background, and others not."""
    for attempt in range(1000 * seed, 1000 * seed + 1000):
        images = torch.randn(shape, generator=torch.Generator().manual_seed(attempt))
        found = models.predict(toys.toy(attempt, num_classes), images).unique()
        if 0 in found and len(found) >= min(num_classes, 3):
            return toys.toy(attempt, num_classes), images
    raise RuntimeError("no such model found")


def check(student, seed):
    cases = [labelled(seed, shape) for shape in [(1, 3, 2, 3), (2, 3, 5, 6)]]
    model = cases[-1][0]
    outcome = student.attempt(*cases[-1])
    text = describe(outcome.error) if outcome.error else ""
    if "dict" in text and isinstance(outcome.error, (AttributeError, TypeError)):
        student.fail("dict_not_unpacked", f"predict stopped with {text}\nThe model returns a dictionary; the logits "
                     "are under `\"out\"`.")
    student.parentheses(outcome)
    if type(outcome.value).__name__ in ("max", "topk", "sort"):
        student.fail("max_without_indices", f"predict returned {len(outcome.value)} things: the highest logits and the "
                     "classes that have them. Take `.indices`, or use `argmax(1)`.")
    if any(call.training for call in model.calls):
        student.fail("train_mode", "The model was in training mode when predict called it: BatchNorm then uses this "
                     "batch instead of what it learned, and dropout drops. Call `model.eval()` first, with its "
                     "parentheses.")
    student.compare(models.predict, cases, MISTAKES, "a tensor Int64[N, H, W], a class index for each pixel")
    if not all(parameter.requires_grad for parameter in model.parameters()):
        student.fail("model_frozen", "predict froze the model: `requires_grad` is False now, so it would never learn "
                     "again. Leave the parameters alone; `with torch.no_grad():` is enough.")
    student.gradients_on()
    if any(call.graph for call in model.calls):
        student.fail("graph_kept", "The labels are right, but PyTorch recorded every step of the model for a backward "
                     "pass that never comes, which fills the memory. Call the model under `with torch.no_grad():`.")
    return "predict gives a label map for each image, in eval mode and without a graph."


def inputs(seed):
    """Seed of a small model, number of classes, images, and how much background is preferred."""
    generator = torch.Generator().manual_seed(seed)
    return [{"seed": seed, "classes": classes, "images": torch.randn(shape, generator=generator), "background": extra}
            for classes, shape, extra in [(4, (1, 3, 2, 3), 100), (5, (3, 3, 5, 6), 0)]]


def run(predict, cases):
    """Label maps, and how the model was used."""
    results = []
    for case in cases:
        model = toys.toy(case["seed"], case["classes"])
        model.classifier.bias.data[0] += case["background"]
        labels = call(predict, model, case["images"])
        results.append({"labels": labels, "gradients on": torch.is_grad_enabled(),
                        "training": any(use.training for use in model.calls),
                        "graph": any(use.graph for use in model.calls),
                        "trainable": all(parameter.requires_grad for parameter in model.parameters())})
    return results


EXERCISE = Exercise(number="3.2", name="predict", title="Predict", points=6, notebook="03_model",
                    signatures=("predict(model, images)",),
                    check=check, probe=Probe(inputs, run), reference=models.predict)
