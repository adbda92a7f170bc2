"""Exercise 5.1: confusion_matrix."""

import numpy as np
import torch
import torch.nn.functional as F

from helpers import metrics
from helpers.exercises.core import Exercise, Mistake, mistakes
from helpers.exercises.probe import Probe, each
from helpers.settings import IGNORE_INDEX


def _pairs(target, prediction, num_classes):
    valid = target != IGNORE_INDEX
    return num_classes * target[valid] + prediction[valid]


def _square(pairs, num_classes):
    return torch.bincount(pairs, minlength=num_classes ** 2).reshape(num_classes, num_classes)


def _unfiltered(target, prediction, num_classes):
    return (num_classes * target + prediction).flatten()


def _in_numpy(pairs, minlength=False):
    """Counts of `pairs` by way of NumPy."""
    return lambda t, p, c: torch.from_numpy(
        np.bincount(pairs(t, p, c).numpy(), minlength=c * c * minlength).reshape(c, c))


def _indexed(zeros):
    """Counts of all pixels, void too, in a square of `zeros`."""
    def imitate(target, prediction, num_classes):
        matrix = zeros((num_classes, num_classes))
        for t, p in zip(target.flatten(), prediction.flatten()):
            matrix[t, p] += 1
        return torch.as_tensor(matrix)
    return imitate


def _one_hot(target, prediction, num_classes):
    rows, columns = (F.one_hot(labels.flatten(), num_classes) for labels in (target, prediction))
    return rows.T @ columns


def _void_as(label):
    return lambda t, p, c: metrics.confusion_matrix(torch.where(t == IGNORE_INDEX, label % c, t), p, c)


def _normalised(dim):
    def imitate(target, prediction, num_classes):
        confusion = metrics.confusion_matrix(target, prediction, num_classes).double()
        return confusion / (confusion.sum() if dim is None else confusion.sum(dim, keepdim=True))
    return imitate


def _once(target, prediction, num_classes):
    return (metrics.confusion_matrix(target, prediction, num_classes) > 0).long()


def _from_data(target, prediction, num_classes):
    valid = target != IGNORE_INDEX
    return metrics.confusion_matrix(target, prediction, 1 + int(max(target[valid].max(), prediction[valid].max())))


def _without_background(target, prediction, num_classes):
    return metrics.confusion_matrix(torch.where(target == 0, IGNORE_INDEX, target), prediction, num_classes)


def _inner(first, end):
    """The mistake that counts only the pairs of some classes."""
    def imitate(*case):
        confusion = metrics.confusion_matrix(*case)
        counted = torch.zeros_like(confusion)
        counted[first:end, first:end] = confusion[first:end, first:end]
        return counted
    return imitate


_VOID = ("Void pixels (255) belong to no class: leave them out before you count, for example with the mask "
         "`target != 255`.")
_MINLENGTH = ("`bincount` stops at the largest value that occurs. Tell it how many to expect: "
              "`minlength=num_classes ** 2`.")
_NORMALISED = ("These are shares; counts are needed. Only counts of several batches can be added up, so divide at the "
               "very end, in mean_iou.")

MISTAKES = [
    Mistake("transposed", lambda *case: metrics.confusion_matrix(*case).T,
            "Rows and columns have changed places. Row = what the pixel is (target), column = what the model says "
            "(prediction); so the target is the one to multiply by num_classes."),
    Mistake("diagonal_missing", lambda *case: metrics.confusion_matrix(*case).fill_diagonal_(0),
            "The diagonal is empty: pixels that are right count too. Count every (target, prediction) pair."),
    Mistake("only_equal_counted", lambda *case: metrics.confusion_matrix(*case).diag().diag(),
            "Only the diagonal is filled: the pixels that are right. The others say which classes are mixed up: count "
            "every (target, prediction) pair."),
    Mistake("pairs_counted_once", _once,
            "Each pair is counted once at most. `matrix[target, prediction] += 1` writes all its ones at the same "
            "time, and repeated pairs overwrite each other; `torch.bincount` adds them up."),
    *mistakes("background_left_out",
              "Class 0 is missing. Background is a class like any other here; only void (255) is left out.",
              _without_background, _inner(1, None)),
    Mistake("last_class_left_out", _inner(0, -1),
            "The last class is missing. `range(num_classes)` already ends at the last one."),
    Mistake("pairs_not_told_apart", lambda t, p, c: _square((t + p)[t != IGNORE_INDEX], c),
            "`target + prediction` is the same number for (0, 1) and (1, 0). Multiply the target by num_classes first, "
            "so that each pair has a number of its own."),
    Mistake("void_counted", lambda t, p, c: metrics.confusion_matrix(torch.where(t == IGNORE_INDEX, p, t), p, c),
            "Void pixels were counted as if the prediction were right there. " + _VOID),
    Mistake("void_counted", _void_as(0), "Void was turned into background. " + _VOID),
    Mistake("void_counted", _void_as(-1), "Void was turned into the last class. " + _VOID),
    Mistake("classes_from_data", _from_data,
            "The matrix is as large as the largest label that occurs. It must be num_classes x num_classes for every "
            "image, or the matrices of two batches cannot be added."),
    Mistake("minlength_forgotten", lambda t, p, c: torch.bincount(_pairs(t, p, c)).reshape(c, c),
            _MINLENGTH),
    Mistake("minlength_forgotten", _in_numpy(_pairs), _MINLENGTH),
    Mistake("overflows", lambda *case: metrics.confusion_matrix(*case) % 256,
            "The counts started again from 0 after 255: uint8 holds no more. Count in int64."),
    Mistake("void_counted", lambda t, p, c: _square((c * t + p).flatten(), c), _VOID),
    Mistake("void_counted", lambda t, p, c: torch.bincount((c * t + p).flatten()).reshape(c, c), _VOID),
    *mistakes("void_counted", _VOID, _indexed(torch.zeros), _indexed(np.zeros), _one_hot, _in_numpy(_unfiltered, True),
              _in_numpy(_unfiltered)),
    Mistake("uint8_overflow", lambda t, p, c: _square(_pairs(t.byte(), p.byte(), c).long(), c),
            "With 21 classes `num_classes * target + prediction` goes up to 440, and uint8 starts again at 0 after "
            "255. Keep int64 (`.long()`) before you multiply."),
    *[Mistake("normalised", _normalised(dim), _NORMALISED) for dim in (0, 1, None)],
    *[Mistake("normalised", lambda *case, dim=dim: _normalised(dim)(*case).nan_to_num(0), _NORMALISED)
      for dim in (0, 1)],
]


def inputs(seed):
    """Arguments of confusion_matrix: all pairs, void, absent classes, more than 255 kinds of pairs, and one pair often.

    In the last two, target and prediction have other shapes than [H, W].
    """
    generator = torch.Generator().manual_seed(seed)
    cases = [(torch.tensor([[0, 1, 1], [1, 1, 0]]), torch.tensor([[0, 1, 0], [0, 1, 0]]), 2),
             (torch.tensor([[0, 1, 255], [1, 0, 1]]), torch.tensor([[0, 1, 1], [0, 0, 1]]), 2),
             (torch.tensor([[0, 0, 1]]), torch.tensor([[0, 1, 0]]), 3)]
    for num_classes, height, width in [(4, 5, 7), (21, 12, 9)]:
        target = torch.randint(num_classes, (height, width), generator=generator)
        prediction = torch.where(torch.rand(target.shape, generator=generator) < 0.5, target,
                                 torch.randint(num_classes, target.shape, generator=generator))
        target[torch.rand(target.shape, generator=generator) < 0.2] = IGNORE_INDEX
        target[0, :3], prediction[0, :3] = num_classes - 1, torch.tensor([num_classes - 1, 0, 0])
        cases.append((target, prediction, num_classes))
    cases.append((torch.zeros(20, 20, dtype=torch.int64), torch.arange(400).reshape(20, 20) // 300, 2))
    target, prediction, _ = cases[3]
    return [*cases, *((target[:4].reshape(shape), prediction[:4].reshape(shape), 4) for shape in [(2, 2, 7), (28,)])]


def check(student, seed):
    cases = inputs(seed)
    expects = "a tensor Int64[num_classes, num_classes]"
    student.compare(metrics.confusion_matrix, cases[:6], MISTAKES, expects)
    for case in cases[6:]:
        outcome = student.attempt(*case)
        if outcome.error is not None:
            student.fail("two_axes_only", f"{student.stopped(outcome.error)}\nIt works on [H, W]; a batch is [N, H, "
                         "W], and a row of pixels has one axis only. `target.flatten()` makes one row of all.")
    student.compare(metrics.confusion_matrix, cases[6:], MISTAKES, expects)
    return "confusion_matrix counts every pair once, rows are targets, and void is left out."


EXERCISE = Exercise(number="5.1", name="confusion_matrix", title="Confusion matrix", points=6, notebook="05_evaluation",
                    signatures=("confusion_matrix(target, prediction, num_classes)",),
                    check=check, probe=Probe(inputs, each), reference=metrics.confusion_matrix)
