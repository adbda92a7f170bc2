"""Probes of notebook 5. The trained model has none: its mark comes from the model file."""

import torch

from helpers import metrics, plotting
from helpers.checks import toys
from helpers.checks.evaluation import TOLERANCE, arrives_on, divided_by_256, overlay_cases
from helpers.checks.iou import confusion_cases, mean_iou_cases
from helpers.probes.data import Probe, call, difference, encode


def _each(function, cases):
    """The answer to each case."""
    return [call(function, *case) for case in cases]


def _evaluate(evaluate, seed):
    """Matrices of two data sets, and how the model was used."""
    results = []
    for classes, images, batch_size, size in [(3, 3, 3, 3), (5, 8, 3, 6)]:
        model = toys.toy(seed, classes)
        loader = toys.loader(seed, images, batch_size, classes, 3, size)
        matrix = call(evaluate, model, loader, classes, torch.device("cpu"))
        results.append({"matrix": matrix, "training": any(use.training for use in model.calls),
                        "graph": any(use.graph for use in model.calls)})
    return [*results, {"moved": arrives_on(lambda *args: call(evaluate, *args)) in (None, "meta")}]


def _overlay_verdict(cases, data):
    """Near the reference, and not what comes of dividing by 256."""
    dim = encode(_each(divided_by_256, cases))
    return difference(data, encode(_each(plotting.overlay, cases)), TOLERANCE) or (
        None if difference(data, dim, 1e-6) else "the colours were divided by 256, not by 255")


PROBES = {
    "confusion_matrix": Probe(confusion_cases, _each, metrics.confusion_matrix),
    "mean_iou": Probe(mean_iou_cases, _each, metrics.mean_iou),
    "evaluate": Probe(int, _evaluate, metrics.evaluate),
    "overlay": Probe(overlay_cases, _each, plotting.overlay, TOLERANCE, _overlay_verdict),
}
