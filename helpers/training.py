"""The training loop and its checkpoints; reference answers of notebook 4."""

import ast
import inspect
import math
import os
import textwrap
from dataclasses import dataclass
from functools import partial

import torch
import torch.nn.functional as F
from torch import nn
from torch.optim.lr_scheduler import LambdaLR
from torch.utils.data import DataLoader
from torchvision.transforms.functional import pil_to_tensor

from helpers import checkpoints, metrics, models, pretrained, transforms
from helpers.loading import Pairs
from helpers.progress import Order, Progress
from helpers.settings import IGNORE_INDEX, show

WARM_UP = 0.04  # of a training, in which the learning rate rises to its peak


def make_criterion():
    """Cross entropy of logits Float32[N, C, H, W] and target Int64[N, H, W], void ignored (exercise 4.1)."""
    return nn.CrossEntropyLoss(ignore_index=IGNORE_INDEX)


def train_one_epoch(model, loader, criterion, optimizer, device):
    """One pass over `loader`; the mean loss per image as a float (exercise 4.2)."""
    model.train()
    total, count = 0.0, 0
    for images, targets in loader:
        images, targets = images.to(device), targets.to(device)
        optimizer.zero_grad()
        loss = criterion(model(images)["out"], targets)
        loss.backward()
        optimizer.step()
        total += loss.item() * len(images)
        count += len(images)
    return total / count


def save_checkpoint(path, model, optimizer, epoch):
    """Write all that is needed to go on after `epoch`; the file is whole or not there (exercise 4.3)."""
    checkpoints.write(path, {"model": model.state_dict(), "optimizer": optimizer.state_dict(), "epoch": epoch})


def load_checkpoint(path, model, optimizer):
    """Restore `model` and `optimizer` on the device they are on; the epoch to go on with (exercise 4.3)."""
    device = next(model.parameters()).device
    checkpoint = torch.load(path, map_location=device, weights_only=True)
    model.load_state_dict(checkpoint["model"])
    optimizer.load_state_dict(checkpoint["optimizer"])
    return checkpoint["epoch"] + 1


def make_loaders(devkit, settings, train_transform=None):
    """The training and the validation DataLoader of (images, targets) batches at the recipe's size.

    `train_transform` is a student's, by default the course's. A last training batch that is short is dropped
    (BatchNorm cannot work on one image). A data set too small for the recipe's `least` batches is gone through several
    times an epoch, each time augmented anew.
    """
    recipe = settings.recipe
    # on a CPU, workers would only take cores from the training: measured 20 % slower on two cores
    workers = min(os.cpu_count(), 8) if settings.device.type == "cuda" else 0
    common = {"batch_size": recipe.batch_size, "num_workers": workers, "pin_memory": workers > 0}
    train, val = devkit.open("train"), devkit.open("val")
    times = max(1, -(-recipe.least * recipe.batch_size // len(train)))
    most = 3 * recipe.batch_size if settings.grading else None
    make_transform = train_transform or partial(transforms.train_transform, scale=recipe.scale)
    train = Pairs(train, make_transform, recipe.size, ([*range(len(train))] * times)[:most], keep=not workers)
    val = Pairs(val, transforms.eval_transform, recipe.size, range(len(val))[:most], keep=not workers)
    generator = torch.Generator().manual_seed(settings.seed)
    order = Order(train, generator=generator)
    return (DataLoader(train, sampler=order, drop_last=True, generator=generator, **common),
            DataLoader(val, **common))


def make_model(devkit, settings, build_model=None):
    """The model of `settings` for the classes of `devkit`, on its device, pretrained where that is possible.

    `build_model` is a student's; it is used unless `settings` name a model or a weights file.
    """
    start = pretrained.start(settings)
    torch.manual_seed(settings.seed)
    if not build_model or settings.model or settings.weights:
        return models.create(settings.model, devkit.num_classes, start).to(settings.device)
    model = build_model(devkit.num_classes, pretrained.entry(start))
    models.raise_momentum(model)
    return model.to(settings.device)


def learning_rate_factor(done):
    """The schedule: a warm-up over the first part of training (`WARM_UP`), then straight down to 0; `done` in 0..1.

    Chen et al., DeepLab, TPAMI 2018, whose power is 0.9 in place of 1.
    """
    return done / WARM_UP if done < WARM_UP else (1 - done) / (1 - WARM_UP)


@dataclass(frozen=True)
class Epoch:
    """What one epoch came to: mean training loss, validation mean IoU (0..1), seconds for both."""

    epoch: int
    loss: float
    mean_iou: float
    seconds: float


def _code(function):
    """The code of a student's function as text, without comments; None for the course's own or where it is unknown."""
    if getattr(function, "__module__", None) == __name__:
        return None
    try:
        return ast.unparse(ast.parse(textwrap.dedent(inspect.getsource(function))))
    except (OSError, TypeError, SyntaxError):
        return None


class Diverged(RuntimeError):
    """The loss is no longer a number."""


def fit(model, train_loader, val_loader, optimizer, settings, num_classes, train_one_epoch=train_one_epoch,
        make_criterion=make_criterion, view=None, epochs=None, attempt=None):
    """Train for `epochs`, by default the recipe's, and return the history, a list of `Epoch`.

    After each epoch, and every few minutes within one, `last.pt` is written to `settings.output` (see
    `progress`), after each epoch `history.json` and, if it scored highest, `best.pt`. Called again, it goes on
    where the last call stopped, on a CPU to the same bits, or returns at once if nothing is left to do. More `epochs`
    than before train on; an `attempt` above the checkpoint's starts from nothing. `view`
    (see `widgets.TrainingView`) is told of each batch and epoch. An interrupt ends it after the batch in work.
    Raises Diverged on a loss that is not finite, SettingsError on another training's checkpoint.
    """
    if settings.grading or epochs is None:
        epochs = settings.recipe.epochs
    code = {"train_one_epoch": _code(train_one_epoch), "make_criterion": _code(make_criterion)}
    progress = Progress(model, optimizer, train_loader, make_criterion(), settings, view, code, attempt)
    progress.load(Epoch)
    history = progress.history
    if view and history:
        view.epoch(history)
    if attempt and len(history) >= epochs:
        print(f"{len(history)} epochs are trained already. To train longer, raise EPOCHS; to start again from nothing, "
              f"set ATTEMPT = {progress.attempt + 1}.")
    steps = epochs * len(train_loader)
    # LambdaLR computes the factor from the step alone, so that it needs no state of its own
    schedule = LambdaLR(optimizer, lambda step: learning_rate_factor((step + 1) / (steps + 1)),
                        last_epoch=progress.steps - 1)

    def count(*_):
        progress.steps += 1
        schedule.step()
    hook = optimizer.register_step_post_hook(count)
    try:
        with progress.patient():
            for epoch in range(len(history), epochs):
                resumed, loss = progress.done > 0, None
                if progress.done < len(train_loader):
                    loss = train_one_epoch(model, progress.batches, progress.criterion, optimizer, settings.device)
                else:  # it stopped before the validation
                    progress.drain()
                if resumed:
                    loss = progress.mean_loss()
                if not math.isfinite(loss):
                    raise Diverged(f"the loss is {loss} after epoch {epoch + 1}: look for a learning rate that is too "
                                   "large, or for batches that are void everywhere; the last good epoch is in "
                                   f"{show(progress.folder)}")
                confusion = metrics.evaluate(model, progress.at_size(val_loader), num_classes, settings.device)
                record = Epoch(epoch, loss, metrics.mean_iou(confusion), progress.seconds)
                if record.mean_iou >= max((earlier.mean_iou for earlier in history), default=0):
                    progress.keep(save_checkpoint, progress.folder / "best.pt", model, optimizer, epoch)
                progress.finish_epoch(record)
                if view:
                    view.epoch(history)
    except KeyboardInterrupt:
        progress.save()
        print(f"Stopped. Saved: {progress.saved} (of {epochs} epochs of {len(train_loader)} batches); "
              "run this cell again to go on.")
    finally:
        hook.remove()
    return history


def trained_model(devkit, settings, view=None):
    """The model that notebook 4 trained and its history; trained here if there is none or it is unfinished."""
    model = make_model(devkit, settings)
    optimizer = torch.optim.AdamW(models.parameter_groups(model, settings.recipe.learning_rate), fused=True)
    loaders = make_loaders(devkit, settings)
    history = fit(model, *loaders, optimizer, settings, devkit.num_classes, view=view)
    return model, history


def baselines(devkit, settings):
    """Validation mean IoU (0..1) of saying background everywhere, and of the model before training."""
    untrained = make_model(devkit, settings)
    confusion = metrics.evaluate(untrained, make_loaders(devkit, settings)[1], devkit.num_classes, settings.device)
    return metrics.all_background(confusion), metrics.mean_iou(confusion)


@torch.no_grad()
def evaluate_at_mask_size(model, devkit, settings):
    """Like `metrics.evaluate` on the validation images, at the stored masks' own sizes, as VOC scores.

    The padding is cut off the logits, they are enlarged to the mask, then comes argmax.
    """
    model.eval()
    size, confusion = settings.recipe.size, 0
    transform = transforms.eval_transform(size)
    for image, mask in devkit.open("val"):
        target = pil_to_tensor(mask)[0]
        height, width = transforms.fitted(target.shape, size)
        logits = model(transform(image, mask)[0][None].to(settings.device))["out"][..., :height, :width]
        prediction = F.interpolate(logits, target.shape, mode="bilinear").max(1).indices[0].cpu()
        confusion += metrics.confusion_matrix(target, prediction, devkit.num_classes)
    return confusion
