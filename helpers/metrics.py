"""How good is a segmentation? Pure functions on tensors; reference answers of notebook 5.

The method is that of Pascal VOC: one confusion matrix over the whole data set, intersection
over union per class, and their mean (Everingham et al., IJCV 2010, section 4.2.2).
"""

import torch
import torch.nn.functional as F

from helpers.settings import IGNORE_INDEX


def confusion_matrix(target, prediction, num_classes, ignore_index=IGNORE_INDEX):
    """Count (target, prediction) pairs: Int64[C, C], rows are targets, columns predictions.

    `target` and `prediction` are integer tensors of one shape; pixels whose target is
    `ignore_index` are left out. The result is on the device of `target`.
    """
    valid = target != ignore_index
    pairs = num_classes * target[valid].long() + prediction[valid].long()
    return torch.bincount(pairs, minlength=num_classes ** 2).reshape(num_classes, num_classes)


def iou_per_class(confusion):
    """Intersection over union, Float64[C] in 0..1; NaN for a class in neither target nor prediction."""
    confusion = confusion.double()
    intersection = confusion.diag()
    union = confusion.sum(0) + confusion.sum(1) - intersection
    return intersection / union  # 0 / 0 is NaN: an absent class has no IoU


def mean_iou(confusion):
    """Mean IoU in 0..1 over the classes present in target or prediction (NaN for an empty matrix)."""
    return iou_per_class(confusion).nanmean().item()


def all_background(confusion):
    """The mean IoU, 0..1, of the answer "background" for every pixel of the targets that `confusion` has counted."""
    background = torch.zeros_like(confusion)
    background[:, 0] = confusion.sum(1)
    return mean_iou(background)


def pixel_accuracy(confusion):
    """Share of the counted pixels that are right, 0..1."""
    return (confusion.diag().sum() / confusion.sum()).item()


@torch.no_grad()
def evaluate(model, loader, num_classes, device):
    """One confusion matrix over all of `loader`, Int64[C, C] on the CPU; `model` keeps its mode."""
    was_training = model.training
    model.eval()
    confusion = torch.zeros(num_classes, num_classes, dtype=torch.int64)
    for images, targets in loader:
        prediction = model(images.to(device))["out"].max(1).indices  # argmax, several times as fast on a CPU
        confusion += confusion_matrix(targets.to(device), prediction, num_classes).cpu()
    model.train(was_training)
    return confusion


def border(target, width=2, ignore_index=IGNORE_INDEX):
    """Bool[H, W]: the pixels within `width` of another class (void counts as another)."""
    classes = target.float()[None, None]
    highest = F.max_pool2d(classes, 2 * width + 1, 1, width)
    lowest = -F.max_pool2d(-classes, 2 * width + 1, 1, width)
    return (highest != lowest)[0, 0] & (target != ignore_index)


def coarse(target, stride, num_classes, ignore_index=IGNORE_INDEX):
    """The best label map, Int64[H, W], of a head that gives one answer for each `stride` x `stride` pixels.

    The classes' true shares in each cell stand for its logits, and are enlarged to the size of `target` (Int64[H, W])
    as a model's are. Void has a share in nothing.
    """
    valid = target != ignore_index
    shares = F.one_hot(target.where(valid, 0), num_classes) * valid[..., None]
    cells = F.avg_pool2d(shares.permute(2, 0, 1)[None].float(), stride, ceil_mode=True)
    return F.interpolate(cells, target.shape, mode="bilinear")[0].argmax(0)
