"""Answers to exercise 5.2."""

import math

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
