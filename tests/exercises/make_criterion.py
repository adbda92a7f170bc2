"""Answers to exercise 4.1."""

import functools

import torch
import torch.nn.functional as F
from torch import nn

from tests.exercises.bank import right, wrong


@wrong("no_ignore_index")
def make_criterion():
    return nn.CrossEntropyLoss()


@wrong("no_ignore_index")
def make_criterion():
    return nn.CrossEntropyLoss(ignore_index=-1)


@wrong("ignore_index_zero")
def make_criterion():
    return nn.CrossEntropyLoss(ignore_index=0)


@wrong("ignore_index_zero")
def make_criterion():
    def criterion(logits, target):
        return F.cross_entropy(logits, torch.where(target == 255, 0, target), ignore_index=0)
    return criterion


@wrong("void_as_background")
def make_criterion():
    cross_entropy = nn.CrossEntropyLoss()
    return lambda logits, target: cross_entropy(logits, target.masked_fill(target == 255, 0))


@wrong("softmax_first")
def make_criterion():
    cross_entropy = nn.CrossEntropyLoss(ignore_index=255)
    return lambda logits, target: cross_entropy(F.softmax(logits, dim=1), target)


@wrong("sigmoid_first")
def make_criterion():
    cross_entropy = nn.CrossEntropyLoss(ignore_index=255)
    return lambda logits, target: cross_entropy(torch.sigmoid(logits), target)


@wrong("log_softmax_missing")
def make_criterion():
    return nn.NLLLoss(ignore_index=255)


@wrong("reduction_sum")
def make_criterion():
    return nn.CrossEntropyLoss(ignore_index=255, reduction="sum")


@wrong("not_reduced")
def make_criterion():
    return nn.CrossEntropyLoss(ignore_index=255, reduction="none")


@wrong("void_in_mean")
def make_criterion():
    def criterion(logits, target):
        loss = F.cross_entropy(logits, target, ignore_index=255, reduction="none")
        return (loss * (target != 255)).mean()
    return criterion


@wrong("void_in_mean")
def make_criterion():
    def criterion(logits, target):
        one_hot = F.one_hot(target.clamp(max=logits.shape[1]), logits.shape[1] + 1)[..., :-1]
        return F.cross_entropy(logits, one_hot.permute(0, 3, 1, 2).float())
    return criterion


@wrong("one_hot_targets")
def make_criterion():
    def criterion(logits, target):
        one_hot = F.one_hot(target, logits.shape[1]).permute(0, 3, 1, 2).float()
        return F.cross_entropy(logits, one_hot)
    return criterion


@wrong("one_hot_targets")
def make_criterion():
    def criterion(logits, target):
        valid = target != 255
        one_hot = F.one_hot(target[valid], logits.shape[1]).float()
        return F.binary_cross_entropy_with_logits(logits.permute(0, 2, 3, 1)[valid], one_hot)
    return criterion


@wrong("permute_forgotten")
def make_criterion():
    cross_entropy = nn.CrossEntropyLoss(ignore_index=255)
    return lambda logits, target: cross_entropy(logits.reshape(-1, logits.shape[1]), target.reshape(-1))


@wrong("mean_of_images")
def make_criterion():
    cross_entropy = nn.CrossEntropyLoss(ignore_index=255)

    def criterion(logits, target):
        return sum(cross_entropy(l[None], t[None]) for l, t in zip(logits, target)) / len(logits)
    return criterion


@wrong("class_not_instance")
def make_criterion():
    return nn.CrossEntropyLoss


@wrong("returns_none")
def make_criterion():
    criterion = nn.CrossEntropyLoss(ignore_index=255)


@wrong("graph_cut")
def make_criterion():
    cross_entropy = nn.CrossEntropyLoss(ignore_index=255)
    return lambda logits, target: cross_entropy(logits, target).item()


@wrong("graph_cut")
def make_criterion():
    cross_entropy = nn.CrossEntropyLoss(ignore_index=255)
    return lambda logits, target: cross_entropy(logits.detach(), target)


@wrong("arguments_swapped")
def make_criterion():
    return lambda target, logits: F.cross_entropy(logits, target, ignore_index=255)


@wrong("sign_wrong")
def make_criterion():
    return lambda logits, target: F.nll_loss(-F.log_softmax(logits, 1), target, ignore_index=255)


@wrong("class_weights")
def make_criterion():
    def criterion(logits, target):
        weight = torch.ones(logits.shape[1])
        weight[0] = 0.1
        return F.cross_entropy(logits, target, weight, ignore_index=255)
    return criterion


@wrong("label_smoothing")
def make_criterion():
    return nn.CrossEntropyLoss(ignore_index=255, label_smoothing=0.05)


@wrong("label_smoothing")
def make_criterion():
    return nn.CrossEntropyLoss(ignore_index=255, label_smoothing=0.2)


@wrong("class_weights")
def make_criterion():
    return lambda l, t: F.cross_entropy(l, t, weight=torch.linspace(0.5, 1.5, l.shape[1]), ignore_index=255)


@wrong("one_hot_targets")
def make_criterion():
    def criterion(logits, target):
        one_hot = F.one_hot(target.clamp(max=logits.shape[1] - 1), logits.shape[1]).permute(0, 3, 1, 2).float()
        return F.binary_cross_entropy(logits.sigmoid(), one_hot)
    return criterion


@wrong("another_loss")
def make_criterion():
    return nn.BCEWithLogitsLoss()


@wrong("another_loss")
def make_criterion():
    return nn.MSELoss()


@wrong("squared_error")
def make_criterion():
    def criterion(logits, target):
        one_hot = F.one_hot(torch.where(target == 255, 0, target), logits.shape[1]).permute(0, 3, 1, 2).float()
        return F.mse_loss(logits.softmax(1), one_hot)
    return criterion


@wrong("dice_loss")
def make_criterion():
    def criterion(logits, target):
        one_hot = F.one_hot(torch.where(target == 255, 0, target), logits.shape[1]).permute(0, 3, 1, 2).float()
        p = logits.softmax(1)
        return 1 - 2 * (p * one_hot).sum() / (p.sum() + one_hot.sum())
    return criterion


@wrong("focal_loss")
def make_criterion():
    def criterion(logits, target):
        ce = F.cross_entropy(logits, target, ignore_index=255, reduction="none")
        p = torch.exp(-ce)
        return ((1 - p) ** 2 * ce)[target != 255].mean()
    return criterion


@wrong("reduction_sum")
def make_criterion():
    return lambda l, t: F.cross_entropy(l, t, ignore_index=255, reduction="sum") / len(l)


@wrong("void_in_mean")
def make_criterion():
    return lambda l, t: F.cross_entropy(l, t, ignore_index=255, reduction="sum") / t.numel()


@wrong("void_as_last_class")
def make_criterion():
    return lambda l, t: F.cross_entropy(l, t.clamp(max=l.shape[1] - 1))


@wrong("scaled")
def make_criterion():
    return lambda l, t: 10 * F.cross_entropy(l, t, ignore_index=255)


@wrong("no_ignore_index")
def make_criterion():
    return F.cross_entropy


@wrong("not_callable")
def make_criterion():
    return F.cross_entropy(torch.zeros(1, 3, 2, 2), torch.zeros(1, 2, 2).long(), ignore_index=255)


@wrong("not_callable")
def make_criterion():
    return nn.CrossEntropyLoss(ignore_index=255)(torch.zeros(1, 2), torch.zeros(1).long())


@wrong("changes_input")
def make_criterion():
    def criterion(logits, target):
        target[target == 255] = -100
        return F.cross_entropy(logits, target)
    return criterion


@wrong("graph_cut")
def make_criterion():
    ce = nn.CrossEntropyLoss(ignore_index=255)

    @torch.no_grad()
    def criterion(logits, target):
        return ce(logits, target)
    return criterion


@wrong("log_missing")
def make_criterion():
    def criterion(logits, target):
        p = logits.softmax(1)
        chosen = p.gather(1, torch.where(target == 255, 0, target)[:, None])[:, 0]
        return -chosen[target != 255].mean()
    return criterion


@wrong("log_of_mean")
def make_criterion():
    def criterion(logits, target):
        p = logits.softmax(1)
        chosen = p.gather(1, torch.where(target == 255, 0, target)[:, None])[:, 0]
        return -chosen[target != 255].mean().log()
    return criterion


@wrong("wrong_axis")
def make_criterion():
    def criterion(logits, target):
        return F.cross_entropy(logits.log_softmax(2), target, ignore_index=255)
    return criterion


@wrong("log_missing")
def make_criterion():
    def criterion(logits, target):
        return F.nll_loss(logits.softmax(1), target, ignore_index=255)
    return criterion


@wrong("wrong_axis")
def make_criterion():
    def criterion(logits, target):
        return F.nll_loss(logits.log_softmax(0), target, ignore_index=255)
    return criterion


@right("the module")
def make_criterion():
    return nn.CrossEntropyLoss(ignore_index=255)


@right("a lambda")
def make_criterion():
    return lambda logits, target: F.cross_entropy(logits, target, ignore_index=255)


@right("a class of its own")
def make_criterion():
    class Criterion(nn.Module):
        def forward(self, logits, target):
            logits = logits.permute(0, 2, 3, 1).reshape(-1, logits.shape[1])
            target = target.reshape(-1)
            keep = target != 255
            return nn.functional.cross_entropy(logits[keep], target[keep])
    return Criterion()


@right("log_softmax and NLL")
def make_criterion():
    nll = nn.NLLLoss(ignore_index=255)
    return lambda logits, target: nll(logits.log_softmax(dim=1), target)


@right("by hand")
def make_criterion():
    def criterion(logits, target):
        valid = target != 255
        chosen = logits.gather(1, torch.where(valid, target, 0)[:, None])[:, 0]
        return ((logits.logsumexp(1) - chosen) * valid).sum() / valid.sum()
    return criterion


@right("partial")
def make_criterion():
    return functools.partial(F.cross_entropy, ignore_index=255)


@right("a subclass")
def make_criterion() -> nn.Module:
    class VoidLoss(nn.CrossEntropyLoss):
        def __init__(self):
            super().__init__(ignore_index=255, reduction="mean")
    return VoidLoss()


@right("per pixel, then the mean of valid ones")
def make_criterion():
    per_pixel = nn.CrossEntropyLoss(reduction="none", ignore_index=255)

    def criterion(logits, target):
        loss = per_pixel(logits, target)
        return loss[target != 255].mean()
    return criterion


@right("one-hot by hand")
def make_criterion():
    def criterion(logits, target):
        valid = (target != 255).float()
        one_hot = F.one_hot(target.masked_fill(target == 255, 0), logits.shape[1]).permute(0, 3, 1, 2)
        loss = -(one_hot * F.log_softmax(logits, dim=1)).sum(1)
        return (loss * valid).sum() / valid.sum()
    return criterion


@right("flattened")
def make_criterion():
    ce = nn.CrossEntropyLoss(ignore_index=255)

    def criterion(logits, target):
        n, c, h, w = logits.shape
        print("loss of", n, "images")
        return ce(logits.view(n, c, h * w), target.view(n, h * w))
    return criterion


@right("sequential log_softmax NLL")
def make_criterion():
    log_softmax = nn.LogSoftmax(dim=1)
    loss = nn.NLLLoss(ignore_index=255)
    return lambda logits, target: loss(log_softmax(logits), target)


@right("explicit options, weight ones")
def make_criterion():
    return nn.CrossEntropyLoss(weight=None, ignore_index=255, reduction="mean", label_smoothing=0.0)


@right("sum over count")
def make_criterion():
    def criterion(logits, target):
        total = F.cross_entropy(logits, target, ignore_index=255, reduction="sum")
        return total / (target != 255).sum()
    return criterion


@right("void as the library's default -100")
def make_criterion():
    ce = nn.CrossEntropyLoss()

    def criterion(logits, target):
        target = torch.where(target == 255, -100, target)
        return ce(logits, target)
    return criterion


@right("loop over images, weighted")
def make_criterion():
    def criterion(logits, target):
        losses, pixels = 0, 0
        for l, t in zip(logits, target):
            losses = losses + F.cross_entropy(l[None], t[None], ignore_index=255, reduction="sum")
            pixels += int((t != 255).sum())
        return losses / pixels
    return criterion


@right("extra logit for void")
def make_criterion():
    def criterion(logits, target):
        c = logits.shape[1]
        t = torch.where(target == 255, c, target)
        padded = F.pad(logits, (0, 0, 0, 0, 0, 1), value=-1e9)
        return F.cross_entropy(padded, t, ignore_index=c)
    return criterion
