"""Exercise 4.2: train_one_epoch."""

import torch
from torch import nn

from helpers import training
from helpers.exercises import toys
from helpers.exercises.core import Exercise, Mistake
from helpers.exercises.probe import Probe, call
from helpers.exercises.values import a_kind, contrast, describe, is_number, same, show


class _Run:
    """One epoch on a Toy: what came out, and how often each part was used."""

    def __init__(self, seed, train, device="cpu"):
        self.model = toys.toy(seed).eval()  # as an evaluation leaves it
        self.optimizer = torch.optim.SGD(self.model.parameters(), lr=0.5)
        self.loader, self.losses, self.steps, self.backwards = toys.loader(seed, uneven=True), [], 0, 0
        self.given = []  # what the criterion was called with
        self.gradient = None  # of the last layer's bias, at the first step
        self.optimizer.register_step_pre_hook(self._step)
        self.outcome = train(self.model, self.loader, self.criterion, self.optimizer, torch.device(device))
        self.parameters = [parameter.detach() for parameter in self.model.parameters()]

    def _step(self, *_):
        bias = self.model.classifier.bias.grad
        if self.steps == 0 and bias is not None:
            self.gradient = bias.clone()
        self.steps += 1

    def _backward(self, gradient):
        self.backwards += 1

    def criterion(self, logits, target):
        self.given.append((logits, target))
        loss = training.make_criterion()(logits, target)
        self.losses.append(loss)
        if loss.requires_grad:
            loss.register_hook(self._backward)
        return loss


def _train(zero="before", step="batch", train_mode=True, epochs=1):
    """A training epoch with its parts in other places."""
    def run(model, loader, criterion, optimizer, device):
        model.train(train_mode)
        optimizer.zero_grad()
        for _ in range(epochs):
            for images, targets in loader:
                if zero == "before":
                    optimizer.zero_grad()
                criterion(model(images)["out"], targets).backward()
                if step == "batch":
                    optimizer.step()
        if step == "epoch":
            optimizer.step()
    return run


STEPS = [
    Mistake("no_zero_grad", _train(zero="never"),
            "The gradients of earlier batches are still there when you step: `backward()` adds to `.grad`. Call "
            "`optimizer.zero_grad()` once for every batch."),
    Mistake("one_step_per_epoch", _train(zero="never", step="epoch"),
            "There is one step for the whole epoch. `optimizer.step()` belongs inside the loop, after each "
            "`backward()`."),
    Mistake("one_step_per_epoch", _train(step="epoch"),
            "There is one step for the whole epoch, with the gradient of the last batch. `optimizer.step()` belongs "
            "inside the loop, after each `backward()`."),
]


def check(student, seed):
    run = _Run(seed, student.attempt)
    _used_well(student, run)
    reference = _Run(seed, training.train_one_epoch)
    _stepped_well(student, run, reference, seed)
    _returned_well(student, run, reference)
    _moves_batches(student)
    return f"train_one_epoch steps once a batch and returns the mean loss per image, here {reference.outcome:.3f}."


def _used_well(student, run):
    """All arguments were used, each batch once, in training mode."""
    error, calls, batches = run.outcome.error, run.model.calls, len(run.loader)
    text = describe(error) if error is not None else ""
    if "dict" in text and isinstance(error, (AttributeError, TypeError)):
        student.fail("dict_not_unpacked", f"train_one_epoch stopped with {text}\nThe model returns a dictionary; the "
                     'logits are under `"out"`.')
    if "does not require grad" in text:
        student.fail("graph_off", f"train_one_epoch stopped with {text}\nThere is no graph to go back through: no "
                     "`no_grad`, `detach` or `item` between the model and `backward()`.")
    if "modified by an inplace operation" in text and run.steps:
        student.fail("step_before_backward", f"{student.stopped(error)}\nThe optimizer changed the weights before the "
                     "gradient of this loss was computed. The order for each batch is zero_grad, backward, step.")
    if run.given and all(map(torch.is_tensor, run.given[0])):
        logits, target = run.given[0]
        if target.is_floating_point() and not logits.is_floating_point():
            student.fail("arguments_swapped", "train_one_epoch called criterion(targets, logits). PyTorch's losses "
                         "take the model's output first: `criterion(logits, targets)`.")
        if logits.dtype in (torch.float16, torch.bfloat16):
            student.fail("half_precision", f"The logits reached the criterion as {a_kind(logits)}: `autocast` is on, "
                         "and on the CPU it makes the loss inexact. Switch it on where `device.type == \"cuda\"`, or "
                         "leave it out.")
        if logits.ndim == 4 and logits.is_floating_point() and logits.device.type != "meta":
            total = logits.sum(1)
            if same(total, torch.ones_like(total), 1e-3):
                student.fail("softmax_first", "The criterion was given probabilities. It applies the softmax itself: "
                             "give it the logits as they are.")
            if (logits >= 0).all() and (logits <= 1).all():
                student.fail("sigmoid_first", "The criterion was given values between 0 and 1. Give it the logits as "
                             "they are, without a sigmoid.")
        if not logits.is_floating_point():
            student.fail("labels_in_loss", f"train_one_epoch gave the criterion {a_kind(logits)}, class indices. They "
                         "have no gradient: give it the logits as they are, without `argmax`.")
    if calls and not run.loader.read:
        student.fail("argument_ignored", "train_one_epoch never read the `loader` that it was given. Loop over the "
                     "argument, not over a variable of the notebook with a similar name.")
    student.healthy(run.outcome)
    for name, used in [("model", calls), ("criterion", run.losses)]:
        if not used:
            student.fail("argument_ignored", f"Your function never called the `{name}` it was given. Use the argument, "
                         "not a variable of the notebook (or a loss made inside): the caller decides.")
    if not all(call.training for call in calls):
        student.fail("no_train_mode", "The model was in eval mode while it was trained: BatchNorm then learns no "
                     "statistics. Call `model.train()` at the beginning: an evaluation may have switched it off.")
    if len(calls) == batches - 1 and sum(call.images for call in calls) + 2 == len(run.loader.dataset):
        student.fail("last_batch_left_out", "The model never saw the last batch, which is smaller than the others. "
                     "Train on it too; the mean per image takes care of its size.")
    if len(calls) < batches:
        student.fail("stops_early", f"The loader has {batches} batches and the model saw {len(calls)}. Go through all "
                     "of them in a loop, with the `return` after it, not inside.")


def _stepped_well(student, run, reference, seed):
    """The weights moved as they should."""
    if same(run.parameters, reference.parameters, 1e-4):
        if not same(dict(run.model.state_dict()), dict(reference.model.state_dict()), 1e-4):
            student.fail("too_many_steps", "The weights are right, but BatchNorm's running statistics are not. In "
                         f"training mode each call of the model counts: {len(run.model.calls)} for {len(run.loader)} "
                         "batches.")
        return
    batches, unchanged = len(run.loader), same(run.parameters, [p.detach() for p in toys.toy(seed).parameters()], 1e-7)
    if run.backwards == 0:
        student.fail("no_backward", "The weights did not move, and `loss.backward()` was never called: without it "
                     "there are no gradients.")
    if run.steps == 0:
        student.fail("no_step", "The gradients were computed, but no weight moved: the `optimizer` that was given "
                     "never took a `step()`.")
    if unchanged:
        student.fail("zero_grad_before_step", "You step, but no weight moved: the gradients were set to zero between "
                     "`backward()` and `step()`. The order is zero_grad, backward, step.")
    if 0 < run.steps < batches and not unchanged:
        _skipped_steps(student, run)
    if all(not (target == 255).any() for _, target in run.given):
        student.fail("void_given_a_class", "The targets reached the criterion without void (255). Leave them as they "
                     "are: the criterion leaves void out.")
    ratio = _ratio(run.gradient, reference.gradient)
    if ratio is not None and abs(ratio - 1) > 1e-3:
        student.fail("gradient_scaled", f"At the first step the gradient is {ratio:.3g} times what it should be. Was "
                     "the loss multiplied or divided before `backward()`, or the gradient clipped? Weigh by "
                     "`len(images)` only in the mean that you return.")
    for mistake in STEPS:
        if same(run.parameters, _Run(seed, mistake.imitate).parameters):
            student.fail(mistake.id, f"After {batches} batches the weights are not what they should be. {mistake.says}")
    if len(run.model.calls) > batches or run.steps > batches:
        student.fail("too_many_steps", f"The loader has {batches} batches; the model was called {len(run.model.calls)} "
                     f"times and the optimizer stepped {run.steps} times. One of each for every batch is an epoch.")
    bias, wanted = run.parameters[-1], reference.parameters[-1]
    student.fail("different", f"After one epoch of {batches} batches the bias of the last layer is {show(bias)}, "
                 f"expected {show(wanted)}.\nFor each batch: zero_grad, logits, criterion(logits, targets), backward, "
                 "step, and nothing else.")


def _skipped_steps(student, run):
    """One step for the epoch is a mistake of its own, named below."""
    if run.steps > 1 or len(run.model.calls) == run.steps:
        student.fail("steps_left_out", f"The loader has {len(run.loader)} batches and the optimizer took {run.steps} "
                     "steps. Take one step for every batch.")


def _ratio(found, wanted):
    """How many times `wanted` a gradient is, or None if it is no multiple of it."""
    if found is None or wanted is None:
        return None
    ratio = float((found * wanted).sum() / (wanted * wanted).sum())
    return ratio if ratio and same(found, ratio * wanted, 1e-4) else None


def _returned_well(student, run, reference):
    """The value is the mean loss per image, as a Python float."""
    value, wanted = run.outcome.value, reference.outcome
    losses, sizes = [loss.item() for loss in reference.losses], [len(images) for images, _ in run.loader]
    total, batches = sum(loss * size for loss, size in zip(losses, sizes)), len(losses)
    if torch.is_tensor(value) and value.requires_grad:
        student.fail("graph_kept", f"train_one_epoch returned {a_kind(value)} that still holds its graph, and with it "
                     "the memory of the epoch. Add up `loss.item()`, a Python float.")
    if not is_number(value):
        student.container(value, wanted, "a Python float")
    known = [
        ("sum_returned", total, "That is the sum over all images. Divide by the number of images."),
        ("sum_returned", sum(losses), "That is the sum of the losses of the batches. Weigh each by its number of "
         "images, then divide by all images."),
        ("mean_of_batches", sum(losses) / batches, "That is the mean over batches, and the last one is smaller: its "
         "images weigh too much. Multiply each loss by `len(images)` and divide by the number of images."),
        ("last_batch_loss", losses[-1], "That is the loss of the last batch only. Add up inside the loop."),
        ("last_batch_loss", losses[-1] * sizes[-1] / sum(sizes), "Only the last batch was added up. Use `+=` inside "
         "the loop."),
        ("weighted_by_pixels", _by_pixels(run, losses), "The batches were weighed by their labelled pixels. Here every "
         "image weighs the same: multiply by `len(images)`."),
        ("first_batch_loss", losses[0], "That is the loss of the first batch only. Add up inside the loop."),
        ("wrong_divisor", sum(losses) / sum(sizes), "The loss of a batch is already a mean. Multiply it by "
         "`len(images)` before you add it up and divide by the number of images."),
        ("wrong_divisor", total / batches, "The sum over images was divided by the number of batches. Divide by the "
         "number of images."),
        ("batch_size_assumed", total / (batches * sizes[0]), "The last batch is smaller than batch_size, so there are "
         "fewer images than batches * batch_size. Count them: `len(images)`."),
        ("batch_size_assumed", sum(losses) * sizes[0] / sum(sizes), "The last batch is smaller than batch_size. Weigh "
         "its loss by the images it has: `len(images)`."),
    ]
    if same(value, wanted, 1e-4):
        return
    got, expected = contrast(value, wanted)
    story = (f"train_one_epoch returned {got}; expected {expected}\n    for batches of {sizes} images with "
             f"the losses {', '.join(f'{loss:.4g}' for loss in losses)}\n")
    for id, number, says in known:
        if same(value, number, 1e-5):
            student.fail(id, story + says)
    if value != value:
        student.fail("returns_nan", story + "Something was divided by zero, or a loss was not a number.")
    student.fail("different", story + "The mean per image is the sum of loss * images over all batches, divided by all "
                 "images.")


def _by_pixels(run, losses):
    pixels = [int((targets != 255).sum()) for _, targets in run.loader]
    return sum(loss * n for loss, n in zip(losses, pixels)) / sum(pixels)


class OnMeta(nn.Module):
    """A model without memory: it shows on which device the batch arrives."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1, device="meta"))
        self.devices = []

    def forward(self, images):
        self.devices.append(images.device.type)
        return {"out": torch.zeros(len(images), 3, *images.shape[2:], device="meta")}


def _moves_batches(student):
    """On a device without memory ("meta") it shows whether both parts of the batch go where `device` says."""
    for name, devices in arrivals(student.attempt).items():
        if "cpu" in devices:
            student.fail("batch_not_moved", f"With device = meta the {name} stayed on the CPU. On a GPU that ends in "
                         "an error: `images.to(device)` and `targets.to(device)` return moved copies, so keep what "
                         "they return; and let `device` be the argument, not a variable of the notebook.")


def arrivals(train_one_epoch):
    """Where the images and the targets of each batch arrive if the device is "meta"."""
    model, weight, targets = OnMeta(), nn.Parameter(torch.ones(1)), []

    def criterion(logits, target):
        targets.append(target.device.type)
        return weight.sum()
    optimizer = torch.optim.SGD([weight], lr=0.1)
    train_one_epoch(model, toys.loader(0), criterion, optimizer, torch.device("meta"))
    return {"images": model.devices, "targets": targets}


def run(train_one_epoch, seed):
    """An epoch with another loss than usual: what it returned, and what it made of the model."""
    model = toys.toy(seed).eval()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.3)
    criterion = nn.CrossEntropyLoss(ignore_index=255, label_smoothing=0.2)
    loss = call(train_one_epoch, model, toys.loader(seed, uneven=True), criterion, optimizer, torch.device("cpu"))
    arrived = arrivals(lambda *args: call(train_one_epoch, *args))
    moved = {name: "cpu" not in devices for name, devices in arrived.items()}
    return {"loss": loss, "model": model.state_dict(), "moved": moved}


EXERCISE = Exercise(number="4.2", name="train_one_epoch", title="Train one epoch", points=10, notebook="04_training",
                    signatures=("train_one_epoch(model, loader, criterion, optimizer, device)",),
                    check=check, probe=Probe(int, run), reference=training.train_one_epoch)
