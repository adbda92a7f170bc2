"""Exercise 4.1: make_criterion."""

import torch
import torch.nn.functional as F
from torch import nn

from helpers import training
from helpers.exercises.core import CheckFailed, Exercise, Mistake, mistakes
from helpers.exercises.probe import Probe, call
from helpers.exercises.student import Student
from helpers.exercises.values import a_kind, describe, is_number, same, show
from helpers.settings import IGNORE_INDEX


def _clean(target):
    return torch.where(target == IGNORE_INDEX, 0, target)


def _per_pixel(logits, target):
    return F.cross_entropy(logits, target, ignore_index=IGNORE_INDEX, reduction="none")


def _binary(logits, target):
    one_hot = F.one_hot(_clean(target), logits.shape[1]).movedim(-1, 1).to(logits)
    return F.binary_cross_entropy_with_logits(logits, one_hot * (target != IGNORE_INDEX)[:, None])


def _binary_valid(logits, target):
    one_hot = F.one_hot(_clean(target), logits.shape[1]).movedim(-1, 1).to(logits)
    loss = F.binary_cross_entropy_with_logits(logits, one_hot, reduction="none").mean(1)
    return loss[target != IGNORE_INDEX].mean()


def _flattened(logits, target):
    return F.cross_entropy(logits.reshape(-1, logits.shape[1]), target.flatten(), ignore_index=IGNORE_INDEX)


def _image_by_image(logits, target):
    losses = [F.cross_entropy(x[None], t[None], ignore_index=IGNORE_INDEX) for x, t in zip(logits, target)]
    return torch.stack(losses).mean()


def _loss(**options):
    return lambda logits, target: F.cross_entropy(logits, target, **{"ignore_index": IGNORE_INDEX} | options)


def _one_hot(logits, target):
    return F.one_hot(target, logits.shape[1]).movedim(-1, 1).to(logits)


def _binary_with(void):
    """Binary cross entropy with void turned into the class `void`, over all pixels."""
    def imitate(logits, target):
        filled = torch.where(target == IGNORE_INDEX, void % logits.shape[1], target)
        return F.binary_cross_entropy_with_logits(logits, _one_hot(logits, filled))
    return imitate


def _focal(logits, target):
    loss = _per_pixel(logits, target)
    return ((1 - torch.exp(-loss)) ** 2 * loss)[target != IGNORE_INDEX].mean()


def _dice(logits, target):
    share, truth = logits.softmax(1), _one_hot(logits, _clean(target))
    return 1 - 2 * (share * truth).sum() / (share.sum() + truth.sum())


def _chosen(logits, target):
    """The probability of the right class at each pixel that has one."""
    return logits.softmax(1).gather(1, _clean(target)[:, None])[:, 0][target != IGNORE_INDEX]


_BINARY = ("Binary cross entropy asks about each class on its own, yes or no. Here each pixel has exactly one class: "
           "CrossEntropyLoss takes the class indices as they are.")
MISTAKES = [
    Mistake("no_ignore_index", lambda logits, target: F.cross_entropy(logits, target),
            "255 in the target means void, and there is no logit number 255. Tell the loss to leave it out: "
            "`ignore_index=255`."),
    Mistake("ignore_index_zero", lambda logits, target: F.cross_entropy(logits, target, ignore_index=0),
            "It ignores class 0, which is background and should be learned. Void is 255: `ignore_index=255`."),
    Mistake("ignore_index_zero", lambda logits, target: F.cross_entropy(logits, _clean(target), ignore_index=0),
            "It ignores background together with void. Only void is to be left out: `ignore_index=255`."),
    Mistake("void_as_background", lambda logits, target: F.cross_entropy(logits, _clean(target)),
            "Void pixels are taught as background here. Nobody knows what they are: `ignore_index=255` leaves them "
            "out."),
    Mistake("softmax_first", lambda logits, target: _loss()(logits.softmax(1), target),
            "CrossEntropyLoss takes raw logits; it applies the softmax itself. With another softmax before it the loss "
            "hardly falls, and training crawls."),
    Mistake("sigmoid_first", lambda logits, target: _loss()(logits.sigmoid(), target),
            "CrossEntropyLoss takes raw logits. A sigmoid before it squeezes them into 0 to 1, and training crawls."),
    Mistake("log_softmax_missing", lambda logits, target: F.nll_loss(logits, target, ignore_index=IGNORE_INDEX),
            "NLLLoss expects log-probabilities, and these are logits. CrossEntropyLoss does both steps."),
    Mistake("reduction_sum", _loss(reduction="sum"),
            "That is the sum over all pixels; it grows with the image and with the batch, and so would each step. Use "
            "the mean, which is the default."),
    Mistake("reduction_sum", lambda logits, target: _loss(reduction="sum")(logits, target) / len(logits),
            "The sum over the pixels was divided by the number of images, so it grows with the size of the image. Use "
            "the mean over pixels, which is the default."),
    Mistake("void_as_last_class", lambda logits, target: F.cross_entropy(logits, target.clamp(max=logits.shape[1] - 1)),
            "Void pixels are taught as the last class here. Nobody knows what they are: `ignore_index=255` leaves them "
            "out."),
    Mistake("void_in_mean", lambda logits, target: _per_pixel(logits, target).mean(),
            "Void pixels add 0 to the sum, but the sum is still divided by all pixels. Divide by the number of pixels "
            "that are not void."),
    *mistakes("one_hot_targets", _BINARY, _binary, _binary_valid),
    *mistakes("one_hot_targets", _BINARY, _binary_with(-1), _binary_with(0),
              lambda logits, target: _binary_valid(logits, target) * logits.shape[1]),
    Mistake("squared_error", lambda logits, target: F.mse_loss(logits.softmax(1), _one_hot(logits, _clean(target))),
            "That is the squared difference of probabilities. For classes, cross entropy learns much faster: "
            "CrossEntropyLoss takes logits and class indices."),
    Mistake("focal_loss", _focal, "That is a focal loss, which makes easy pixels count less. Here every pixel that is "
            "not void counts the same: CrossEntropyLoss as it is."),
    Mistake("dice_loss", _dice, "That is a Dice loss, which compares regions. Here the mean cross entropy of the "
            "pixels is asked for: CrossEntropyLoss."),
    *mistakes("log_missing", "The probability of the right class was taken without its logarithm. CrossEntropyLoss "
              "does all the steps: softmax, logarithm, mean.", lambda logits, target: -_chosen(logits, target).mean(),
              lambda logits, target: 1 - _chosen(logits, target).mean()),
    Mistake("log_of_mean", lambda logits, target: -_chosen(logits, target).mean().log(),
            "The probabilities were averaged first, then the logarithm was taken. Take the logarithm at each pixel, "
            "then the mean; CrossEntropyLoss does both."),
    *mistakes("wrong_axis", "The softmax ran over another axis than the classes. Logits are [N, C, H, W], so the "
              "classes are on axis 1; CrossEntropyLoss knows that.",
              *(lambda logits, target, axis=axis, loss=loss: loss(logits.log_softmax(axis), target)
                for axis in (0, 2, 3) for loss in (_loss(), lambda x, t: F.nll_loss(x, t, ignore_index=IGNORE_INDEX)))),
    Mistake("permute_forgotten", _flattened,
            "Flattening [N, C, H, W] to rows of C mixes pixels and classes. Move the classes to the end first "
            "(`permute(0, 2, 3, 1)`), or do not flatten: CrossEntropyLoss takes images."),
    Mistake("mean_of_images", _image_by_image,
            "The mean was taken for each image, then over images, so a pixel of an image with much void weighs more. "
            "Average over all valid pixels of the batch at once."),
    Mistake("sign_wrong", lambda logits, target: -_loss()(logits, target),
            "The sign is wrong: minimising this makes the right class less likely with each step."),
]


def inputs(seed):
    """Arguments of the criterion: one pixel, then no void, then void shared unevenly."""
    generator = torch.Generator().manual_seed(seed)
    cases = [(torch.tensor([[[[1.0]], [[0.0]], [[-1.0]]]]), torch.tensor([[[1]]]))]
    for shape, void in [((2, 3, 1, 2), 0), ((2, 3, 2, 3), 2), ((3, 4, 3, 5), 6)]:
        images, classes, height, width = shape
        target = torch.randint(classes, (images, height, width), generator=generator)
        target[0, 0, 0], target[-1, 0, 0] = 0, classes - 1
        target[0].view(-1)[1:1 + void] = IGNORE_INDEX
        cases.append((2 * torch.randn(shape, generator=generator), target))
    return cases


def check(student, seed):
    made = student()
    if isinstance(made, type):
        student.fail("class_not_instance", f"make_criterion returned the class {made.__name__}, not a loss made from "
                     "it. Call the class: parentheses, and between them what it should ignore.")
    if isinstance(made, (nn.BCELoss, nn.BCEWithLogitsLoss, nn.MSELoss, nn.L1Loss, nn.SmoothL1Loss, nn.KLDivLoss)):
        student.fail("another_loss", f"make_criterion returned {a_kind(made)}, which takes no class indices. Here each "
                     "pixel has one class out of C: CrossEntropyLoss.")
    if made is None:
        student.fail("returns_none", "make_criterion returned None; expected a loss that can be called. Is the "
                     "`return` missing?")
    if not callable(made):
        student.fail("not_callable", f"make_criterion returned {a_kind(made)}; expected something to be called as "
                     "criterion(logits, target), such as a module or a function.")
    criterion = Student(made, "criterion(logits, target)", "4.1")
    cases = inputs(seed)
    outcomes = [criterion.attempt(*case) for case in cases]
    swapped = [criterion.attempt(*case[::-1]) for case in cases]
    if all(same(o.value, training.make_criterion()(*case)) for o, case in zip(swapped, cases)):
        student.fail("arguments_swapped", "Your criterion takes (target, logits); the training loop calls it as "
                     "criterion(logits, target), as all losses in PyTorch are called.")
    for case, outcome in zip(cases, outcomes):
        if outcome.error is not None and "Class values must be smaller than num_classes" in describe(outcome.error):
            student.fail("one_hot_targets", f"criterion stopped with {describe(outcome.error)}\nNo one-hot targets are "
                         "needed, and void (255) has no place in them: CrossEntropyLoss takes the class indices.")
        if torch.is_tensor(outcome.value) and outcome.value.shape == case[1].shape and outcome.value.ndim == 3:
            student.fail("not_reduced", f"criterion returned {a_kind(outcome.value)}, a loss for each pixel; expected "
                         "one number, their mean over the pixels that are not void.")
        if is_number(outcome.value):
            student.fail("graph_cut", f"criterion returned the Python number {show(outcome.value)}. `backward()` needs "
                         "a tensor with its graph: leave `.item()` to the training loop.")
    try:
        criterion.compare(training.make_criterion(), cases, MISTAKES, "a tensor Float32[], one number")
    except CheckFailed as failed:
        if failed.id == "different":
            _nearly_right(criterion, cases, outcomes)
        raise
    for logits, target in cases[-1:]:
        logits.requires_grad_()
        value = criterion(logits, target)
        if not value.requires_grad:
            student.fail("graph_cut", "The value of the loss is right, but its graph is cut (`detach`, `no_grad` or a "
                         "way through NumPy), so the model cannot learn from it.")
        expected, = torch.autograd.grad(training.make_criterion()(logits, target), logits)
        if not same(torch.autograd.grad(value, logits)[0], expected):
            student.fail("different_gradient", "The value of the loss is right, but its gradient is not. Is a part of "
                         "it detached?")
    return "make_criterion: mean cross entropy over the pixels that are not void."


def _nearly_right(criterion, cases, outcomes):
    """Name what changes the loss by an amount of the student's own choice."""
    if any(outcome.error for outcome in outcomes):
        return
    right = training.make_criterion()
    values = [(float(o.value), float(right(*case)), float(-case[0].log_softmax(1).mean(1)[case[1] != 255].mean()))
              for o, case in zip(outcomes, cases)]
    shown = next(index for index, (value, wanted, _) in enumerate(values) if not same(value, wanted))

    def wrong(id, says):
        criterion.wrong(id, cases[shown], outcomes[shown], right(*cases[shown]), says)
    smoothing = [(value - wanted) / (even - wanted) for value, wanted, even in values if not same(even, wanted)]
    if all(same(found, smoothing[0], 1e-3) for found in smoothing):
        wrong("label_smoothing", "Label smoothing is switched on. Leave it out here, so that the losses of two "
              "trainings can be compared.")
    scales = [value / wanted for value, wanted, _ in values]
    if all(same(found, scales[0], 1e-3) for found in scales):
        wrong("scaled", f"The loss is {scales[0]:.3g} times what it should be, and so would each step be. Leave the "
              "factor out; the learning rate has its place in the optimizer.")
    alone = [(logits, torch.where(target == IGNORE_INDEX, target, 1)) for logits, target in cases]
    if all(same(criterion.attempt(*case).value, right(*case)) for case in alone):
        wrong("class_weights", "Where all pixels are of one class the loss is right, so the classes have weights. "
              "Leave them out here: every pixel that is not void counts the same.")


def run(make_criterion, cases):
    """Values and gradients of the loss."""
    made = call(make_criterion)
    results = []
    for logits, target in cases:
        logits = logits.clone().requires_grad_()
        try:
            loss = call(made["value"], logits, target)
            gradient, = torch.autograd.grad(loss["value"], logits)
            results.append([loss, gradient])
        except Exception as error:
            results.append({"error": type(error).__name__})
    return results


EXERCISE = Exercise(number="4.1", name="make_criterion", title="The criterion", points=5, notebook="04_training",
                    signatures=("make_criterion()",),
                    check=check, probe=Probe(inputs, run), reference=training.make_criterion)
