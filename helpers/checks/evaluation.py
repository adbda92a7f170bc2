"""Checks of notebook 5, second half: evaluation of a data set, overlay, the trained model."""

import math
from pathlib import Path

import torch

from helpers import metrics, plotting, settings
from helpers.checks import toys
from helpers.checks.core import CheckFailed, Mistake, check
from helpers.checks.guard import as_found
from helpers.checks.values import describe, is_number, same, show
from helpers.settings import IGNORE_INDEX

TOLERANCE = 0.004  # of an overlay: a way through bytes is right too
GOAL = 0.40  # mean IoU of the last exercise
CPU = torch.device("cpu")


def _added_up(batches):
    """An evaluation that makes a (target, logits) -> matrix of each batch and adds `batches` of them."""
    def imitate(predict):
        def run(model, loader, num_classes, device):
            model.eval()
            with torch.no_grad():
                matrices = [metrics.confusion_matrix(targets, predict(model(images)["out"]), num_classes)
                            for images, targets in loader]
            return batches(matrices)
        return run
    return imitate


def _label(logits):
    return logits.argmax(1)


EVALUATE = [
    Mistake("last_batch_only", _added_up(lambda matrices: matrices[-1])(_label),
            "Only the last batch is in this matrix. Start with zeros before the loop and use `+=` inside it."),
    Mistake("first_batch_only", _added_up(lambda matrices: matrices[0])(_label),
            "Only the first batch is in this matrix. Look at the indentation of `return`: it belongs after the loop."),
    Mistake("last_batch_dropped", _added_up(lambda matrices: sum(matrices[:-1] or matrices))(_label),
            "The last batch is missing. It may be smaller than the others, but its pixels count."),
    Mistake("averaged", _added_up(lambda matrices: torch.stack(matrices).double().mean(0))(_label),
            "The matrices of the batches were averaged. Add them up: counts can be summed, and then a small last "
            "batch weighs no more than it should."),
    Mistake("transposed", _added_up(lambda matrices: sum(matrices).T)(_label),
            "Rows and columns have changed places: pass the target first, then the prediction."),
    Mistake("wrong_axis", _added_up(sum)(lambda logits: logits.argmax(-1)),
            "argmax ran over the width of the image. The classes are on axis 1 of the logits [N, C, H, W]."),
    Mistake("wrong_axis", _added_up(sum)(lambda logits: logits.argmax(2)),
            "argmax ran over the height of the image. The classes are on axis 1 of the logits [N, C, H, W]."),
    Mistake("wrong_axis", _added_up(sum)(lambda logits: logits.argmax(0)),
            "argmax ran over the images of the batch. The classes are on axis 1 of the logits [N, C, H, W]."),
]


class _Spy(torch.overrides.TorchFunctionMode):
    """Notes the names of the torch functions that are called."""

    def __init__(self):
        super().__init__()
        self.names = set()

    def __torch_function__(self, function, types, args=(), kwargs=None):
        self.names.add(getattr(function, "__name__", ""))
        return function(*args, **kwargs or {})


@check("evaluate(model, loader, num_classes, device)", "5.3")
def evaluate(student, seed):
    """Exercise 5.3."""
    expects = "one tensor Int64[num_classes, num_classes]"
    # as many images, classes, rows and columns: here even argmax over a wrong axis gives a matrix
    cube = (toys.toy(seed), toys.loader(seed, 3, 3, 3, 3, 3), 3, CPU)
    uneven = (toys.toy(seed + 1, 4), toys.loader(seed + 1, num_classes=4), 4, CPU)
    spy, model = _Spy(), uneven[0]
    state = {key: value.clone() for key, value in model.state_dict().items()}
    with spy:
        outcome = student.attempt(*uneven)
    _explain_error(student, outcome, model, spy)
    _used_well(student, model)
    value = outcome.value
    if is_number(value) or torch.is_tensor(value) and value.numel() == 1:
        means = [metrics.mean_iou(metrics.evaluate(uneven[0], [batch], 4, CPU)) for batch in uneven[1]]
        mean = same(float(value), sum(means) / len(means), 1e-6)
        kind = "the mean of the mean IoU of each batch" if mean else "a score"
        student.fail("mean_of_batches" if mean else "returns_score",
                     f"evaluate returned {show(value)}, {kind}; expected {expects}. A batch may lack a class, or be "
                     "smaller than the others: add up the counts of all batches and divide once, at the very end.")
    if not same(state, dict(model.state_dict())):
        student.fail("model_changed", "Your evaluate changed the model: its weights or running statistics differ "
                     "afterwards. Evaluation only looks: no optimizer, and `model.eval()` before the first batch.")
    student.compare(metrics.evaluate, [cube, uneven], EVALUATE, expects)
    if any(call.graph for call in model.calls):
        student.fail("graph_kept", "The counts are right, but PyTorch recorded every operation for a backward pass "
                     "that never comes, which fills the memory. Put the loop under `with torch.no_grad():`.")
    _moves_images(student)
    return "evaluate adds up one matrix over all batches, in eval mode and without a graph."


def _explain_error(student, outcome, model, spy):
    """Name the mistakes that end in an exception."""
    text = describe(outcome.error) if outcome.error is not None else ""
    chosen = spy.names & {"argmax", "max", "topk", "sort", "argsort", "numpy", "__array__", "tolist", "predict"}
    if "dict" in text and isinstance(outcome.error, (AttributeError, TypeError)):
        student.fail("dict_not_unpacked", f"evaluate stopped with {text}\nThe model returns a dictionary; the logits "
                     'are under `"out"`.')
    if isinstance(outcome.error, (RuntimeError, IndexError, ValueError)) and not chosen:
        student.fail("not_argmaxed", f"evaluate stopped with {text}\nThe logits hold a number for each class; the "
                     "confusion matrix needs one label a pixel. Take the `argmax` over axis 1 first.")
    if outcome.error is None or not model.calls:
        student.healthy(outcome)


def _used_well(student, model):
    """The model was called, and in eval mode."""
    if not model.calls:
        student.fail("argument_ignored", "Your evaluate never called the `model` it was given. Use the arguments, not "
                     "variables of the notebook with a similar name.")
    if any(call.training for call in model.calls):
        student.fail("train_mode", "The model was in training mode while it was evaluated: BatchNorm then uses the "
                     "batch instead of what it learned, and dropout drops. Call `model.eval()` before the loop.")


def arrives_on(evaluate):
    """The kind of device on which `evaluate` shows images to the model if its device is "meta"; None if it shows none.

    A meta tensor has no data, so that this works on any machine.
    """
    model, arrived = toys.toy(0).to("meta"), []
    model.register_forward_pre_hook(lambda module, inputs: arrived.append(inputs[0].device.type))
    evaluate(model, toys.loader(0), 3, torch.device("meta"))
    return arrived[0] if arrived else None


def _moves_images(student):
    """The images go where `device` says."""
    device = arrives_on(student.attempt)
    if device not in (None, "meta"):
        student.fail("batch_not_moved", f"With device = meta the images reached the model on {device}. On a GPU that "
                     "ends in an error: move each batch with `.to(device)`, and let `device` be the argument, not a "
                     "variable of the notebook.")


def _masked(target, *skipped):
    painted = torch.ones_like(target, dtype=torch.bool)
    for label in skipped:
        painted &= target != label
    return painted


def _blend(mix, *skipped):
    """An overlay that mixes image and colour its own way on all pixels but those of `skipped` labels."""
    def imitate(image, target, palette, alpha=0.5):
        colours = palette[target.clamp(max=len(palette) - 1)].permute(2, 0, 1) / 255
        return torch.where(_masked(target, *skipped), mix(image, colours, alpha), image)
    return imitate


OVERLAY = [
    Mistake("alpha_swapped", _blend(lambda image, colour, alpha: alpha * image + (1 - alpha) * colour, 0, 255),
            "`alpha` is the share of the class colour, 1 - alpha that of the image. Here they have changed places; "
            "with alpha = 0.5 nobody would notice."),
    Mistake("alpha_ignored", _blend(lambda image, colour, alpha: 0.5 * (image + colour), 0, 255),
            "The result does not depend on `alpha`. Use the argument instead of a fixed 0.5."),
    Mistake("alpha_ignored", _blend(lambda image, colour, alpha: colour, 0, 255),
            "The class colours cover the image whole. Mix them: (1 - alpha) of the image and alpha of the colour."),
    Mistake("palette_not_scaled", _blend(lambda i, c, a: (1 - a) * i + a * c * 255, 0, 255),
            "The palette holds 0 to 255, the image 0 to 1. Divide the colours by 255 before mixing."),
    Mistake("palette_not_scaled", _blend(lambda i, c, a: ((1 - a) * i + a * c * 255).clamp(0, 1), 0, 255),
            "The palette holds 0 to 255, the image 0 to 1. Clipping hides it: divide the colours by 255 instead."),
    Mistake("added_not_blended", _blend(lambda i, c, a: i + a * c, 0, 255),
            "The colour was added to the whole image, so the sum can be above 1. The image's share is 1 - alpha."),
    Mistake("added_not_blended", _blend(lambda i, c, a: (i + a * c).clamp(0, 1), 0, 255),
            "The colour was added to the whole image and clipped. The image's share is 1 - alpha."),
    Mistake("not_blended", lambda image, target, palette, alpha=0.5: image,
            "That is the image itself, nothing is painted. Did the blended pixels get stored in the result?"),
]


def overlay_cases(seed):
    """Arguments of overlay: one pixel of an object, of background, of void, with another share; then all of them."""
    generator = torch.Generator().manual_seed(seed)
    palette = torch.tensor([[0, 0, 0], [230, 159, 0], [0, 114, 178], [255, 255, 255]], dtype=torch.uint8)
    cases = []
    for target, *alpha in [([[1]],), ([[0]],), ([[255]],), ([[2]], 0.2), ([[2, 255, 0], [3, 1, 1]], 0.7)]:
        target = torch.tensor(target)
        image = torch.randint(1, 10, (3, *target.shape), generator=generator) / 10
        cases.append((image, target, palette, *alpha))
    return cases


def divided_by_256(image, target, palette, *alpha):
    """An overlay in which white is not quite white; too close to tell apart by TOLERANCE."""
    return plotting.overlay(image, target, palette * (255 / 256), *alpha)


@check("overlay(image, target, palette, alpha=0.5)", "5.4")
def overlay(student, seed):
    """Exercise 5.4."""
    cases = overlay_cases(seed)
    outcomes = [student.attempt(*case) for case in cases]
    _overlay_places(student, cases, outcomes)
    if all(same(outcome.value, divided_by_256(*case), 1e-6) for outcome, case in zip(outcomes, cases)):
        student.wrong("divided_by_256", cases[0], outcomes[0], plotting.overlay(*cases[0]), "The colours were divided "
                      "by 256. The largest byte is 255, and white must become exactly 1.")
    student.compare(plotting.overlay, cases, OVERLAY, "a tensor Float32[3, H, W] in [0, 1]",
                    TOLERANCE)

    def draw():
        rows, columns = torch.meshgrid(torch.arange(48), torch.arange(96), indexing="ij")
        image = torch.stack([rows / 48, columns / 96, 1 - rows / 48])
        target = 1 + (columns // 32)
        target[(rows < 12) | (rows > 40)] = 0
        target[(rows - 26) ** 2 + (columns - 48) ** 2 < 60] = IGNORE_INDEX
        with as_found():
            yours = student(image, target, cases[0][2], 0.5)
        pictures = [(yours, "yours"), (plotting.overlay(image, target, cases[0][2], 0.5), "expected")]
        plotting.panels(pictures, None, "Your overlay beside the expected one; they agree.", columns=2)
    return "overlay paints the objects and leaves background, void and your image alone.", draw


def _overlay_places(student, cases, outcomes):
    """Name the mistakes that show in where the result differs, whatever was painted there."""
    odd = {"objects": 0, "background": 0, "void": 0}
    for (image, target, *rest), outcome in zip(cases, outcomes):
        void, background = target == IGNORE_INDEX, target == 0
        if outcome.error is not None and void.any():  # a palette without a colour number 255
            odd["void"] += 1
        elif outcome.error is not None or not torch.is_tensor(outcome.value) or outcome.value.shape != image.shape:
            return
        else:
            wanted = plotting.overlay(image, target, *rest)
            differs = ~torch.isclose(outcome.value.double(), wanted.double(), atol=TOLERANCE).all(0)
            odd["background"] += int((differs & background).sum())
            odd["void"] += int((differs & void).sum())
            odd["objects"] += int((differs & ~background & ~void).sum())
    if odd["objects"]:
        return
    if odd["background"]:
        student.wrong("background_darkened", cases[1], outcomes[1], plotting.overlay(*cases[1]), "The background "
                      "changed. It is black in the palette, so mixing it in darkens the image: paint only where the "
                      "target is not 0.")
    if odd["void"]:
        student.wrong("void_painted", cases[2], outcomes[2], plotting.overlay(*cases[2]), "Void pixels (255) belong to "
                      "no class, and the palette has no colour for them. Paint only where the target is a class: "
                      "`(target != 0) & (target != 255)`.")


def trained_model(mean_iou, baseline, untrained):
    """Exercise 5.5: ratios of the trained model, of "background everywhere", and of the untrained model.

    A grader trains a few steps at most: there the model file beside the notebook counts.
    """
    if settings.grading() and not Path("model.safetensors").exists():
        _not_trained("no_model_file", "No model.safetensors was handed in beside this notebook, so there is no trained "
                     "model to judge. Notebook 5 writes it; hand in both files.")
    if mean_iou is None or mean_iou is ...:
        _not_trained("not_attempted", "There is no mean IoU yet: train and evaluate your model first.")
    scores = {"mean_iou": mean_iou, "baseline": baseline, "untrained": untrained}
    for name, value in scores.items():
        if not is_number(value):
            _not_trained("wrong_type", f"{name} is {show(value)}; expected a Python float, as mean_iou returns.")
        if math.isnan(value):
            _not_trained("returns_nan", f"{name} is NaN. Was any image evaluated, and is the loss a number?")
        if not 0 <= value <= 1:
            _not_trained("per_cent", f"{name} is {show(value)}; expected a ratio in 0 to 1, not per cent.")
    reached = f"Your model reaches {mean_iou:.1%} mean IoU on held-out images"
    if mean_iou <= baseline:
        _not_trained("below_baseline", f"{reached}, and calling every pixel background gives {baseline:.1%}. Probably "
                     "it predicts one class only: look at the picture of its predictions, and at the loss curve.")
    if mean_iou <= untrained:
        _not_trained("below_untrained", f"{reached}, and the untrained model {untrained:.1%}. The training did not "
                     "arrive here: is this the model that you trained, or a new one?")
    if mean_iou < GOAL:
        _not_trained("below_goal", f"{reached}; the goal is {GOAL:.0%}. It does learn (untrained: {untrained:.1%}). "
                     "Does the loss still fall at the end? Then train longer; else look at the learning rate.")
    print(f"✓ {reached}: above the goal of {GOAL:.0%}, above the untrained model ({untrained:.1%}), and above "
          f"calling everything background ({baseline:.1%}). Well done!")


def _not_trained(id, message):
    raise CheckFailed(id, f"{message}\nSee exercise 5.5 in this notebook.")
