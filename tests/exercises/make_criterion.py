"""Answers to exercise 4.1."""

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
