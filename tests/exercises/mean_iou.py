"""Answers to exercise 5.2."""

import functools
import math
import statistics
from fractions import Fraction

import numpy as np
import torch

from tests.exercises.bank import right, wrong


def parts(confusion):
    intersection = confusion.diag()
    return intersection, confusion.sum(0) + confusion.sum(1) - intersection


@wrong("pixel_accuracy")
def mean_iou(confusion):
    return (confusion.diag().sum() / confusion.sum()).item()


@wrong("recall")
def mean_iou(confusion):
    recall = confusion.diag() / confusion.sum(dim=1)
    return recall[~recall.isnan()].mean().item()


@wrong("recall")
def mean_iou(confusion):
    return (confusion.diag() / confusion.sum(dim=1).clamp(min=1)).mean().item()


@wrong("precision")
def mean_iou(confusion):
    return (confusion.diag() / confusion.sum(dim=0)).nanmean().item()


@wrong("dice")
def mean_iou(confusion):
    return (2 * confusion.diag() / (confusion.sum(0) + confusion.sum(1))).nanmean().item()


@wrong("absent_as_zero")
def mean_iou(confusion):
    intersection, union = parts(confusion)
    return (intersection / union.clamp(min=1)).mean().item()


@wrong("absent_as_zero")
def mean_iou(confusion):
    intersection, union = parts(confusion)
    return (intersection / (union + 1e-8)).mean().item()


@wrong("absent_as_zero")
def mean_iou(confusion):
    intersection, union = parts(confusion)
    iou = intersection / union
    return torch.nan_to_num(iou).mean().item()


@wrong("absent_as_one")
def mean_iou(confusion):
    intersection, union = parts(confusion)
    return ((intersection + 1e-6) / (union + 1e-6)).mean().item()


@wrong("absent_as_one")
def mean_iou(confusion):
    intersection, union = parts(confusion)
    iou = torch.where(union == 0, torch.tensor(1.0), intersection / union)
    return float(iou.mean())


@wrong("absent_gives_nan")
def mean_iou(confusion):
    intersection, union = parts(confusion)
    return (intersection / union).mean().item()


@wrong("background_left_out")
def mean_iou(confusion):
    intersection, union = parts(confusion)
    return (intersection / union)[1:].nanmean().item()


@wrong("background_left_out")
def mean_iou(confusion):
    intersection, union = parts(confusion)
    present = union > 0
    present[0] = False
    return (intersection[present] / union[present]).mean().item()


@wrong("micro_average")
def mean_iou(confusion):
    intersection, union = parts(confusion)
    return (intersection.sum() / union.sum()).item()


@wrong("only_target_classes")
def mean_iou(confusion):
    intersection, union = parts(confusion)
    present = confusion.sum(dim=1) > 0
    return (intersection[present] / union[present]).mean().item()


@wrong("only_predicted_classes")
def mean_iou(confusion):
    intersection, union = parts(confusion)
    present = confusion.sum(dim=0) > 0
    return (intersection[present] / union[present]).mean().item()


@wrong("intersection_counted_twice")
def mean_iou(confusion):
    union = confusion.sum(0) + confusion.sum(1)
    return (confusion.diag() / union).nanmean().item()


@wrong("frequency_weighted")
def mean_iou(confusion):
    intersection, union = parts(confusion)
    frequency = confusion.sum(1) / confusion.sum()
    return (frequency * intersection / union.clamp(min=1)).sum().item()


@wrong("per_cent")
def mean_iou(confusion):
    intersection, union = parts(confusion)
    return 100 * (intersection / union).nanmean().item()


@wrong("not_averaged")
def mean_iou(confusion):
    intersection, union = parts(confusion)
    return intersection / union


@wrong("returns_tensor")
def mean_iou(confusion):
    intersection, union = parts(confusion)
    return (intersection / union).nanmean()


@wrong("integer_division")
def mean_iou(confusion):
    intersection, union = parts(confusion)
    return (intersection // union.clamp(min=1)).float().mean().item()


@wrong("smoothed")
def mean_iou(confusion):
    intersection, union = parts(confusion)
    return ((intersection + 1) / (union + 1)).mean().item()


@wrong("different")
def mean_iou(confusion):
    intersection, union = parts(confusion)
    return (intersection / union).nanmedian().item()


@wrong("missed_classes_skipped")
def mean_iou(confusion):
    intersection, union = parts(confusion)
    hit = intersection > 0
    return (intersection[hit] / union[hit]).mean().item()


@wrong("missed_classes_skipped")
def mean_iou(confusion):
    intersection, union = parts(confusion)
    found = [i / u for i, u in zip(intersection.tolist(), union.tolist()) if i]
    return sum(found) / len(found)


@wrong("missed_classes_skipped")
def mean_iou(confusion):
    intersection, union = parts(confusion)
    ious = intersection / union
    return ious[ious > 0].mean().item()


@wrong("raise_left")
def mean_iou(confusion):
    intersection, union = parts(confusion)
    ious = intersection / union
    raise NotImplementedError("Exercise 5.2: average intersection over union of the classes that occur")


@wrong("returns_none")
def mean_iou(confusion):
    intersection, union = parts(confusion)
    (intersection / union).nanmean().item()


@wrong("rounded")
def mean_iou(confusion):
    i, u = parts(confusion)
    return round((i / u).nanmean().item(), 2)


@wrong("rounded")
def mean_iou(confusion):
    i, u = parts(confusion)
    return round((i / u).nanmean().item(), 3)


@wrong("one_class")
def mean_iou(confusion):
    i, u = parts(confusion)
    return (i / u)[u > 0].max().item()


@wrong("one_class")
def mean_iou(confusion):
    i, u = parts(confusion)
    return (i / u)[u > 0].min().item()


@wrong("summed")
def mean_iou(confusion):
    i, u = parts(confusion)
    return (i / u).nansum().item()


@wrong("absent_as_zero")
def mean_iou(confusion):
    i, u = parts(confusion)
    return ((i / u).nansum() / len(confusion)).item()


@wrong("micro_average")
def mean_iou(confusion):
    i, u = parts(confusion)
    return (i.sum() / (u.sum() + 1e-8)).item()


@wrong("absent_as_one")
def mean_iou(confusion):
    i, u = parts(confusion)
    return ((i + 1e-8) / (u + 1e-8)).mean().item()


@wrong("intersection_not_in_union")
def mean_iou(confusion):
    i = confusion.diag()
    u = confusion.sum(0) + confusion.sum(1) - 2 * i
    return (i / u).nanmean().item()


@wrong("true_negatives_counted")
def mean_iou(confusion):
    i = confusion.diag()
    u = confusion.sum() - i
    return (i / u).mean().item()


@wrong("true_negatives_counted")
def mean_iou(confusion):
    i = confusion.diag()
    return (i / confusion.sum()).mean().item()


@wrong("normalised_first")
def mean_iou(confusion):
    c = confusion.float() / confusion.sum(1, keepdim=True)
    i, u = parts(c)
    return (i / u).nanmean().item()


@wrong("missed_classes_skipped")
def mean_iou(confusion):
    i, u = parts(confusion)
    present = (confusion.sum(0) > 0) & (confusion.sum(1) > 0)
    return (i[present] / u[present]).mean().item()


@wrong("last_class_left_out")
def mean_iou(confusion):
    i, u = parts(confusion)
    return (i / u)[:-1].nanmean().item()


@wrong("background_left_out")
def mean_iou(confusion):
    confusion = confusion[1:, 1:]
    i, u = parts(confusion)
    return (i / u).nanmean().item()


@wrong("frequency_weighted")
def mean_iou(confusion):
    i, u = parts(confusion)
    w = confusion.sum(1)
    return ((i / u.clamp(min=1)) @ w.float() / w.sum()).item()


@wrong("absent_gives_nan")
def mean_iou(confusion):
    i, u = parts(confusion)
    iou = (i / u).tolist()
    return sum(iou) / len(iou)


@wrong("integer_division")
def mean_iou(confusion):
    confusion[confusion.sum(1) == 0] = 0
    confusion.fill_diagonal_(0)
    return 0.0


@right("nanmean")
def mean_iou(confusion):
    intersection, union = parts(confusion.float())
    return (intersection / union).nanmean().item()


@right("loop")
def mean_iou(confusion):
    scores = []
    for c in range(len(confusion)):
        inter = confusion[c, c].item()
        union = confusion[c].sum().item() + confusion[:, c].sum().item() - inter
        if union:
            scores.append(inter / union)
    return sum(scores) / len(scores)


@right("mask")
def mean_iou(confusion):
    tp = torch.diagonal(confusion)
    fp, fn = confusion.sum(0) - tp, confusion.sum(1) - tp
    present = (tp + fp + fn) > 0
    return float((tp / (tp + fp + fn).clamp(min=1))[present].mean())


@right("numpy scalar and a warning")
def mean_iou(confusion):
    c = confusion.numpy()
    union = c.sum(0) + c.sum(1) - np.diag(c)
    return np.nanmean(np.diag(c) / union)  # NumPy warns of 0 / 0


@right("python only")
def mean_iou(confusion):
    rows = confusion.tolist()
    ious = [rows[i][i] / u if (u := sum(rows[i]) + sum(r[i] for r in rows) - rows[i][i]) else math.nan
            for i in range(len(rows))]
    ious = [iou for iou in ious if not math.isnan(iou)]
    return sum(ious) / len(ious)


@right("statistics.mean")
def mean_iou(confusion):
    n = confusion.size(0)
    ious = []
    for k in range(n):
        tp = int(confusion[k, k])
        fp = int(confusion[:, k].sum()) - tp
        fn = int(confusion[k, :].sum()) - tp
        if tp + fp + fn == 0:
            continue
        ious.append(tp / (tp + fp + fn))
    return statistics.mean(ious)


@right("Fractions")
def mean_iou(confusion):
    i, u = (x.tolist() for x in parts(confusion))
    f = [Fraction(a, b) for a, b in zip(i, u) if b]
    return float(sum(f) / len(f))


@right("from Dice")
def mean_iou(confusion):
    c = confusion.double()
    dice = 2 * c.diag() / (c.sum(0) + c.sum(1))
    return (dice / (2 - dice)).nanmean().item()


@right("masked_select")
def mean_iou(confusion: torch.Tensor) -> float:
    i, u = parts(confusion.to(torch.float64))
    ratio = torch.masked_select(i, u > 0) / torch.masked_select(u, u > 0)
    return ratio.sum().item() / ratio.numel()


@right("np.errstate")
def mean_iou(confusion):
    c = confusion.cpu().numpy().astype(float)
    with np.errstate(invalid="ignore", divide="ignore"):
        iou = np.diag(c) / (c.sum(0) + c.sum(1) - np.diag(c))
    return float(np.mean(iou[~np.isnan(iou)]))


@right("epsilon, present only")
def mean_iou(confusion):
    i, u = parts(confusion)
    return (i / (u + 1e-9))[u > 0].mean().item()


@right("torch.where NaN, nansum")
def mean_iou(confusion):
    i, u = parts(confusion.double())
    iou = torch.where(u > 0, i / u, torch.nan)
    return (iou.nansum() / (~iou.isnan()).sum()).item()


@right("a helper per class")
def mean_iou(confusion):
    def iou(k):
        union = confusion[k].sum() + confusion[:, k].sum() - confusion[k, k]
        return None if union == 0 else (confusion[k, k] / union).item()
    values = [v for v in map(iou, range(len(confusion))) if v is not None]
    return sum(values) / len(values)


@right("functools.reduce, float()")
def mean_iou(confusion):
    i, u = parts(confusion)
    pairs = [(float(a), float(b)) for a, b in zip(i, u) if b > 0]
    return functools.reduce(lambda s, p: s + p[0] / p[1], pairs, 0.0) / len(pairs)


@right("one minus Jaccard distance")
def mean_iou(confusion):
    wrong_pixels = confusion.sum(0) + confusion.sum(1) - 2 * confusion.diag()
    union = wrong_pixels + confusion.diag()
    present = union.nonzero().flatten()
    return 1 - (wrong_pixels[present] / union[present]).mean().item()


@right("early return, print")
def mean_iou(confusion):
    if confusion.sum() == 0:
        return float("nan")
    tp = confusion.diagonal()
    iou = tp / (confusion.sum(dim=0) + confusion.sum(dim=1) - tp)
    print("per class", iou)
    return iou[torch.isfinite(iou)].mean().item()


@right("einsum, fsum")
def mean_iou(confusion):
    c = confusion.double()
    tp = torch.einsum("ii->i", c)
    u = torch.einsum("ij->i", c) + torch.einsum("ij->j", c) - tp
    values = (tp[u != 0] / u[u != 0]).tolist()
    return math.fsum(values) / len(values)


@right("dropped rows")
def mean_iou(confusion):
    keep = (confusion.sum(0) + confusion.sum(1)) > 0
    small = confusion[keep][:, keep]
    i = small.diag()
    return float((i / (small.sum(0) + small.sum(1) - i)).mean())
