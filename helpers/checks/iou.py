"""Checks of notebook 5, first half: confusion matrix and mean IoU."""

import torch

from helpers import metrics
from helpers.checks.core import Mistake, check
from helpers.checks.values import show
from helpers.settings import IGNORE_INDEX


def _pairs(target, prediction, num_classes):
    valid = target != IGNORE_INDEX
    return num_classes * target[valid] + prediction[valid]


def _square(pairs, num_classes):
    return torch.bincount(pairs, minlength=num_classes ** 2).reshape(num_classes, num_classes)


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


_VOID = ("Void pixels (255) belong to no class: leave them out before you count, for example with the mask "
         "`target != 255`.")
_NORMALISED = ("These are shares; counts are needed. Only counts of several batches can be added up, so divide at the "
               "very end, in mean_iou.")

CONFUSION_MATRIX = [
    Mistake("transposed", lambda *case: metrics.confusion_matrix(*case).T,
            "Rows and columns have changed places. Row = what the pixel is (target), column = what the model says "
            "(prediction); so the target is the one to multiply by num_classes."),
    Mistake("only_equal_counted", lambda *case: metrics.confusion_matrix(*case).diag().diag(),
            "Only the diagonal is filled: the pixels that are right. The mistakes are what tells classes apart, so "
            "count every (target, prediction) pair."),
    Mistake("pairs_counted_once", _once,
            "Each pair is counted once at most. `matrix[target, prediction] += 1` writes all its ones at the same "
            "time, and repeated pairs overwrite each other; `torch.bincount` adds them up."),
    Mistake("background_left_out", _without_background,
            "Class 0 is missing. Background is a class like any other here; only void (255) is left out."),
    Mistake("void_counted", _void_as(0), "Void was turned into background. " + _VOID),
    Mistake("void_counted", _void_as(-1), "Void was turned into the last class. " + _VOID),
    Mistake("classes_from_data", _from_data,
            "The matrix is as large as the largest label that occurs. It must be num_classes x num_classes for every "
            "image, or the matrices of two batches cannot be added."),
    Mistake("minlength_forgotten", lambda t, p, c: torch.bincount(_pairs(t, p, c)).reshape(c, c),
            "`torch.bincount` stops at the largest value that occurs. Tell it how many to expect: "
            "`minlength=num_classes ** 2`."),
    Mistake("void_counted", lambda t, p, c: _square((c * t + p).flatten(), c), _VOID),
    Mistake("void_counted", lambda t, p, c: torch.bincount((c * t + p).flatten()).reshape(c, c), _VOID),
    Mistake("uint8_overflow", lambda t, p, c: _square(_pairs(t.byte(), p.byte(), c).long(), c),
            "With 21 classes `num_classes * target + prediction` goes up to 440, and uint8 starts again at 0 after "
            "255. Keep int64 (`.long()`) before you multiply."),
    *[Mistake("normalised", _normalised(dim), _NORMALISED) for dim in (0, 1, None)],
    *[Mistake("normalised", lambda *case, dim=dim: _normalised(dim)(*case).nan_to_num(0), _NORMALISED)
      for dim in (0, 1)],
]


def confusion_cases(seed):
    """Arguments of confusion_matrix, the smallest first: all pairs, void, absent classes, more than 255 pairs."""
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
    return cases


@check("confusion_matrix(target, prediction, num_classes)", "5.1")
def confusion_matrix(student, seed):
    """Exercise 5.1."""
    cases = confusion_cases(seed)
    student.compare(metrics.confusion_matrix, cases, CONFUSION_MATRIX, "a tensor Int64[num_classes, num_classes]")
    return "confusion_matrix counts every pair once, rows are targets, and void is left out."


def _ratio(numerator, denominator):
    """A wrong mean IoU for each way to treat 0 / 0: skip it, count it as 0 or 1, or be NaN."""
    def ratios(confusion):
        c = confusion.double()
        return numerator(c) / denominator(c)
    return [lambda c: ratios(c).nanmean().item(), lambda c: ratios(c).nan_to_num(0).mean().item(),
            lambda c: ratios(c).mean().item()]


def _mistakes(id, says, imitations):
    return [Mistake(id, imitate, says) for imitate in imitations]


def _only_target(confusion):
    return metrics.iou_per_class(confusion)[confusion.sum(1) > 0].mean().item()


def _only_predicted(confusion):
    return metrics.iou_per_class(confusion)[confusion.sum(0) > 0].mean().item()


def _weighted(confusion):
    return (metrics.iou_per_class(confusion).nan_to_num(0) * confusion.sum(1)).sum().item() / confusion.sum().item()


def _diag(c):
    return c.diag()


def _union(c):
    return c.sum(0) + c.sum(1) - c.diag()


MEAN_IOU = [
    Mistake("pixel_accuracy", metrics.pixel_accuracy,
            "That is pixel accuracy, the share of all pixels that are right. Background alone makes it high; IoU is "
            "computed for each class and then averaged."),
    *_mistakes("recall", "That divides by the pixels of the target alone (the row): recall. Pixels that the model "
               "wrongly gives to the class belong to the union as well: row + column - diagonal.",
               _ratio(_diag, lambda c: c.sum(1))),
    *_mistakes("precision", "That divides by the predicted pixels alone (the column): precision. Pixels of the class "
               "that the model missed belong to the union as well: row + column - diagonal.",
               _ratio(_diag, lambda c: c.sum(0))),
    *_mistakes("dice", "That is Dice (F1), 2 * intersection / (row + column). For IoU divide the intersection once by "
               "the union, row + column - intersection.",
               _ratio(lambda c: 2 * c.diag(), lambda c: c.sum(0) + c.sum(1))),
    *_mistakes("intersection_counted_twice", "row + column holds the intersection twice. Take it off once and the "
               "union is left.", _ratio(_diag, lambda c: c.sum(0) + c.sum(1))),
    *_mistakes("intersection_not_in_union", "The union lost the intersection altogether. row + column holds it twice, "
               "so take it off once, not twice.", _ratio(_diag, lambda c: c.sum(0) + c.sum(1) - 2 * c.diag())),
    Mistake("absent_as_zero", _ratio(_diag, _union)[1],
            "A class that is neither in the target nor in the prediction counted as 0 here. It was not got wrong, it "
            "was not there: leave it out of the mean."),
    Mistake("absent_as_one", lambda c: metrics.iou_per_class(c).nan_to_num(1).mean().item(),
            "A class that is neither in the target nor in the prediction counted as 1 here, which rewards what nobody "
            "asked. Leave it out of the mean. (A small epsilon on both sides of the division does this too.)"),
    Mistake("absent_gives_nan", lambda c: metrics.iou_per_class(c).mean().item(),
            "A class that is not there gives 0 / 0, which is NaN, and one NaN makes the whole mean NaN. Average over "
            "the classes that are present: a mask, or `nanmean`."),
    *_mistakes("background_left_out", "Background (class 0) is missing from the mean. Pascal VOC counts it as a class.",
               [lambda c: metrics.iou_per_class(c)[1:].nanmean().item(),
                lambda c: metrics.iou_per_class(c)[1:].nan_to_num(0).mean().item(),
                lambda c: metrics.iou_per_class(c)[1:].mean().item()]),
    Mistake("micro_average", lambda c: (c.diag().sum() / _union(c).sum()).item(),
            "Intersections and unions were added up first and divided once, so frequent classes decide alone. Divide "
            "for each class, then average."),
    *_mistakes("only_target_classes", "A class that the model predicts but the target does not have was skipped. Its "
               "IoU is 0 and it counts: a class is present if it is in the target *or* in the prediction.",
               [_only_target]),
    *_mistakes("only_predicted_classes", "A class that the target has but the model never predicts was skipped. Its "
               "IoU is 0 and it counts: a class is present if it is in the target *or* in the prediction.",
               [_only_predicted]),
    Mistake("frequency_weighted", _weighted,
            "The classes were weighted by their pixels. In mean IoU a rare class counts as much as background."),
    *_mistakes("per_cent", "That is per cent. Ratios in this course are 0 to 1; multiply only when you print.",
               [lambda c: 100 * metrics.mean_iou(c)]),
    *_mistakes("smoothed", "A constant was added to both sides of the division. It pulls every class towards 1; skip "
               "absent classes instead, and no constant is needed.",
               [lambda c: ((c.diag() + 1) / (_union(c) + 1)).mean().item()]),
    *_mistakes("integer_division", "`//` rounds down, so every IoU below 1 becomes 0. Use `/`.",
               [lambda c: (c.diag() // _union(c)).double().mean().item(),
                lambda c: (c.diag() // _union(c).clamp(min=1)).double().mean().item()]),
]


def mean_iou_cases(seed):
    """Arguments of mean_iou: two classes, one predicted but not there, one missed, one absent, at random."""
    generator = torch.Generator().manual_seed(seed)
    cases = [(torch.tensor(rows),) for rows in ([[3, 1], [2, 4]], [[2, 1], [0, 0]], [[3, 0], [2, 0]],
                                                [[5, 1, 0], [2, 3, 0], [0, 0, 0]])]
    for num_classes, absent in [(4, 2), (6, 0), (21, 20)]:
        confusion = torch.randint(1, 50, (num_classes, num_classes), generator=generator)
        confusion += torch.randint(100, (num_classes,), generator=generator).diag()
        confusion[absent], confusion[:, absent] = 0, 0
        cases.append((confusion,))
    return cases


@check("mean_iou(confusion)", "5.2")
def mean_iou(student, seed):
    """Exercise 5.2."""
    cases = mean_iou_cases(seed)
    value = student.attempt(*cases[0]).value
    if torch.is_tensor(value) and value.numel() > 1:
        student.fail("not_averaged", f"mean_iou returned {show(value)}, a value for each class; expected one Python "
                     "float. Average over the classes that are present, then `.item()`.")
    student.compare(metrics.mean_iou, cases, MEAN_IOU, "a Python float in 0 to 1")
    return "mean_iou averages over the classes that are there, and only those."
