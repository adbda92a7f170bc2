"""Probes of notebook 4."""

from pathlib import Path

import torch
from torch import nn

from helpers import training
from helpers.checks import checkpoints, toys
from helpers.checks.loss import criterion_cases
from helpers.checks.training import OnMeta
from helpers.probes.data import Probe, call


def _criterion(make_criterion, cases):
    """Values and gradients of the loss."""
    made = call(make_criterion)
    results = []
    for logits, target in cases:
        logits = logits.requires_grad_()
        try:
            loss = call(made["value"], logits, target)
            gradient, = torch.autograd.grad(loss["value"], logits)
            results.append([loss, gradient])
        except Exception as error:
            results.append({"error": type(error).__name__})
    return results


def _epoch(train_one_epoch, seed):
    """An epoch with another loss than usual: what it returned, and what it made of the model."""
    model = toys.toy(seed).eval()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.3)
    criterion = nn.CrossEntropyLoss(ignore_index=255, label_smoothing=0.2)
    loader = toys.loader(seed)
    loss = call(train_one_epoch, model, loader, criterion, optimizer, torch.device("cpu"))
    return {"loss": loss, "model": model.state_dict(), "arrived on": _devices(train_one_epoch)}


def _devices(train_one_epoch):
    """Where the images and the targets of a batch arrive if the device is "meta"."""
    model, weight, targets = OnMeta(), nn.Parameter(torch.ones(1)), []

    def criterion(logits, target):
        targets.append(target.device.type)
        return weight.sum()
    call(train_one_epoch, model, toys.loader(0), criterion, torch.optim.SGD([weight], lr=0.1), torch.device("meta"))
    return {"images": "cpu" not in model.devices, "targets": "cpu" not in targets}


def _checkpoint(functions, seed):
    """A restart: what is restored, and what becomes of files that do not fit, come from a GPU, or die half-way."""
    save, load = functions
    path = Path("checkpoint.pt").absolute()  # in the empty folder of the probe
    model, optimizer = checkpoints.trained(seed)
    epoch = 1 + seed % 90
    data = {"saved": "error" not in call(save, path, model, optimizer, epoch), "file": path.is_file(),
            "objects": checkpoints.objects_in(path) if path.is_file() else []}
    resumed, its_optimizer = checkpoints.fresh(seed)
    data["next epoch"] = call(load, path, resumed, its_optimizer)
    data |= {"model": resumed.state_dict(), "optimizer": its_optimizer.state_dict(),
             "trainable": all(parameter.requires_grad for parameter in resumed.parameters())}
    other = checkpoints.Renamed()
    data["refused"] = "error" in call(load, path, other, torch.optim.Adam(other.parameters()))
    elsewhere = path.with_name("from_gpu.pt")
    if path.is_file() and checkpoints.pretend_saved_on_gpu(path, elsewhere):
        data["from a GPU"] = "error" not in call(load, elsewhere, *checkpoints.fresh(seed))
    else:
        data["from a GPU"] = True  # another format, which knows no devices
    dying = checkpoints.Dying()
    call(save, path, dying, torch.optim.Adam(dying.parameters()), epoch + 1)
    survivor, its_optimizer = checkpoints.fresh(seed)
    data["after dying"] = "error" not in call(load, path, survivor, its_optimizer)
    return data | {"survivor": survivor.state_dict()}


PROBES = {
    "make_criterion": Probe(criterion_cases, _criterion, training.make_criterion),
    "train_one_epoch": Probe(int, _epoch, training.train_one_epoch),
    "checkpoint": Probe(int, _checkpoint, (training.save_checkpoint, training.load_checkpoint)),
}
