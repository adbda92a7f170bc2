"""Exercise 5.2: mean_iou."""

import torch

from helpers import metrics
from helpers.exercises.core import Exercise, Mistake, mistakes
from helpers.exercises.probe import Probe, each
from helpers.exercises.values import show


def _ratio(numerator, denominator):
    """A wrong mean IoU for each way to treat 0 / 0: skip it, count it as 0 or 1, or be NaN."""
    def ratios(confusion):
        c = confusion.double()
        return numerator(c) / denominator(c)
    return [lambda c: ratios(c).nanmean().item(), lambda c: ratios(c).nan_to_num(0).mean().item(),
            lambda c: ratios(c).mean().item()]


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


MISTAKES = [
    Mistake("pixel_accuracy", metrics.pixel_accuracy,
            "That is pixel accuracy, the share of all pixels that are right. Background alone makes it high; IoU is "
            "computed for each class and then averaged."),
    *mistakes("recall", "That divides by the pixels of the target alone (the row): recall. Pixels that the model "
              "wrongly gives to the class belong to the union as well: row + column - diagonal.",
              *_ratio(_diag, lambda c: c.sum(1))),
    *mistakes("precision", "That divides by the predicted pixels alone (the column): precision. Pixels of the class "
              "that the model missed belong to the union as well: row + column - diagonal.",
              *_ratio(_diag, lambda c: c.sum(0))),
    *mistakes("dice", "That is Dice (F1), 2 * intersection / (row + column). For IoU divide the intersection once by "
              "the union, row + column - intersection.",
              *_ratio(lambda c: 2 * c.diag(), lambda c: c.sum(0) + c.sum(1))),
    *mistakes("intersection_counted_twice", "row + column holds the intersection twice. Take it off once and the "
              "union is left.", *_ratio(_diag, lambda c: c.sum(0) + c.sum(1))),
    *mistakes("intersection_not_in_union", "The union lost the intersection altogether. row + column holds it twice, "
              "so take it off once, not twice.", *_ratio(_diag, lambda c: c.sum(0) + c.sum(1) - 2 * c.diag())),
    Mistake("absent_as_zero", _ratio(_diag, _union)[1],
            "A class that is neither in the target nor in the prediction counted as 0 here. The model made no mistake "
            "with it, it just was not there: leave it out of the mean."),
    Mistake("absent_as_one", lambda c: metrics.iou_per_class(c).nan_to_num(1).mean().item(),
            "A class that is neither in the target nor in the prediction counted as 1 here, a full score for a class "
            "that never came up. Leave it out of the mean. (A small epsilon in both numerator and denominator does "
            "this too.)"),
    Mistake("absent_gives_nan", lambda c: metrics.iou_per_class(c).mean().item(),
            "A class that is not there gives 0 / 0, which is NaN, and one NaN makes the whole mean NaN. Average over "
            "the classes that are present: a mask, or `nanmean`."),
    *mistakes("background_left_out", "Background (class 0) is missing from the mean. Pascal VOC counts it as a class.",
              lambda c: metrics.iou_per_class(c)[1:].nanmean().item(),
              lambda c: metrics.iou_per_class(c)[1:].nan_to_num(0).mean().item(),
              lambda c: metrics.iou_per_class(c)[1:].mean().item()),
    *mistakes("last_class_left_out", "The last class is missing from the mean. Take all of them, from 0 to C-1.",
              lambda c: metrics.iou_per_class(c)[:-1].nanmean().item(),
              lambda c: metrics.iou_per_class(c)[:-1].nan_to_num(0).mean().item(),
              lambda c: metrics.iou_per_class(c)[:-1].mean().item()),
    *mistakes("background_left_out", "The background's row and column were taken out of the matrix, and with them the "
              "pixels that were mixed up with background. Keep the whole matrix: Pascal VOC counts background as a "
              "class.", lambda c: metrics.iou_per_class(c[1:, 1:]).nanmean().item(),
              lambda c: metrics.iou_per_class(c[1:, 1:]).nan_to_num(0).mean().item()),
    *mistakes("summed", "That is the sum of the classes' IoU. Divide it by the number of classes that are present.",
              lambda c: metrics.iou_per_class(c).nansum().item()),
    *mistakes("one_class", "That is the IoU of a single class, the best or the worst. Average over the classes that "
              "are present.", lambda c: metrics.iou_per_class(c).nan_to_num(-1).max().item(),
              lambda c: metrics.iou_per_class(c).nan_to_num(2).min().item()),
    *mistakes("true_negatives_counted", "Everything but the diagonal entry was taken as the union, so the pixels of "
              "all other classes count too. The union of a class is its row + its column - its diagonal entry.",
              lambda c: (c.diag() / (c.sum() - c.diag())).mean().item(), lambda c: (c.diag() / c.sum()).mean().item()),
    *mistakes("normalised_first", "The matrix was turned into shares first, so rare classes weigh as much as frequent "
              "ones in each union. Compute IoU from the counts.",
              *(lambda c, dim=dim: metrics.iou_per_class(c / c.sum(dim, keepdim=True)).nanmean().item()
                for dim in (0, 1)),
              *(lambda c, dim=dim: metrics.iou_per_class(c / c.sum(dim, keepdim=True).clamp(min=1)).nanmean().item()
                for dim in (0, 1))),
    *mistakes("per_cent", "That is a percentage. Ratios in this course go from 0 to 1; multiply by 100 only when you "
              "print.", lambda c: 100 * metrics.mean_iou(c),
              *(lambda c, n=n: round(100 * metrics.mean_iou(c), n) for n in (0, 1, 2))),
    *mistakes("rounded", "The value was rounded. Return it as it is and round only when you print.",
              *(lambda c, n=n: round(metrics.mean_iou(c), n) for n in (1, 2, 3)),
              lambda c: int(100 * metrics.mean_iou(c)) / 100),
    Mistake("micro_average", lambda c: (c.diag().sum() / _union(c).sum()).item(),
            "Intersections and unions were added up first and divided once, so frequent classes decide alone. Divide "
            "for each class, then average."),
    *mistakes("only_target_classes", "A class that the model predicts but the target does not have was skipped. Its "
              "IoU is 0 and it counts: a class is present if it is in the target *or* in the prediction.",
              _only_target),
    *mistakes("only_predicted_classes", "A class that the target has but the model never predicts was skipped. Its "
              "IoU is 0 and it counts: a class is present if it is in the target *or* in the prediction.",
              _only_predicted),
    *mistakes("missed_classes_skipped", "A class of which no pixel is right was skipped. Its IoU is 0 and it counts, "
              "if it is in the target or in the prediction: skip a class where the *union* is 0.",
              lambda c: metrics.iou_per_class(c)[c.diag() > 0].mean().item(),
              lambda c: metrics.iou_per_class(c)[c.diag() > 0].mean().nan_to_num(0).item()),
    Mistake("frequency_weighted", _weighted,
            "The classes were weighted by their pixels. In mean IoU a rare class counts as much as background."),
    *mistakes("smoothed", "A constant was added to numerator and denominator. It pulls every class towards 1; skip "
              "absent classes instead, and no constant is needed.",
              lambda c: ((c.diag() + 1) / (_union(c) + 1)).mean().item()),
    *mistakes("integer_division", "`//` rounds down, so every IoU below 1 becomes 0. Use `/`.",
              lambda c: (c.diag() // _union(c)).double().mean().item(),
              lambda c: (c.diag() // _union(c).clamp(min=1)).double().mean().item()),
]


def inputs(seed):
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


def check(student, seed):
    cases = inputs(seed)
    value = student.attempt(*cases[0]).value
    if torch.is_tensor(value) and value.numel() > 1:
        student.fail("not_averaged", f"mean_iou returned {show(value)}, a value for each class; expected one Python "
                     "float. Average over the classes that are present, then `.item()`.")
    student.compare(metrics.mean_iou, cases, MISTAKES, "a Python float in 0 to 1")
    return "mean_iou averages over the classes that are there, and only those."


EXERCISE = Exercise(number="5.2", name="mean_iou", title="Mean IoU", points=4, notebook="05_evaluation",
                    signatures=("mean_iou(confusion)",),
                    check=check, probe=Probe(inputs, each), reference=metrics.mean_iou)
