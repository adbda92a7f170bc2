"""Exercise 5.3: evaluate."""

import torch

from helpers import metrics
from helpers.exercises import toys
from helpers.exercises.core import Exercise, Mistake, mistakes
from helpers.exercises.probe import Probe, call
from helpers.exercises.values import describe, is_number, same, show
from helpers.settings import IGNORE_INDEX

CPU = torch.device("cpu")


def _added_up(batches):
    """An evaluation that makes a (target, logits) -> matrix of each batch and adds `batches` of them."""
    def imitate(predict, first=False, void=None, twice=False):
        def run(model, loader, num_classes, device):
            model.eval()
            matrices = []
            for images, targets in loader:
                images, targets = (images[:1], targets[:1]) if first else (images, targets)
                targets = void(targets, num_classes) if void else targets
                with torch.no_grad():
                    labels = targets.clamp(max=num_classes - 1) if twice else predict(model(images)["out"])
                matrices.append(metrics.confusion_matrix(targets, labels, num_classes))
            return batches(matrices)
        return run
    return imitate


def _label(logits):
    return logits.argmax(1)


TRANSPOSED = ("Rows and columns have changed places: `confusion_matrix` takes the targets first, then the predictions.")
MISTAKES = [
    Mistake("last_batch_only", _added_up(lambda matrices: matrices[-1])(_label),
            "Only the last batch is in this matrix. Start with zeros before the loop and use `+=` inside it."),
    Mistake("first_batch_only", _added_up(lambda matrices: matrices[0])(_label),
            "Only the first batch is in this matrix. Look at the indentation of `return`: it belongs after the loop."),
    Mistake("last_batch_dropped", _added_up(lambda matrices: sum(matrices[:-1] or matrices))(_label),
            "The last batch is missing. It may be smaller than the others, but its pixels count."),
    *mistakes("averaged", "The counts were divided by the number of batches or images. Add them up and leave them as "
              "they are: then a small last batch weighs no more than it should.",
              *(_added_up(divided)(_label) for divided in (
                  lambda matrices: torch.stack(matrices).double().mean(0),
                  lambda matrices: sum(matrices) // len(matrices),
                  lambda matrices: torch.stack(matrices).double().mean(0).round().long()))),
    Mistake("averaged", lambda model, loader, num_classes, device: _added_up(sum)(_label)(
            model, loader, num_classes, device) / len(loader.dataset),
            "The counts were divided by the number of images. Add them up and leave them as they are."),
    Mistake("first_image_only", _added_up(sum)(_label, first=True),
            "Only the first image of each batch was counted. `argmax(1)` gives a label map for every image; leave out "
            "the `[0]`."),
    *mistakes("void_counted", "Void pixels (255) were given a class before they were counted. Leave the targets as "
              "they are: `confusion_matrix` leaves void out.",
              *(_added_up(sum)(_label, void=void) for void in (lambda t, c: torch.where(t == IGNORE_INDEX, 0, t),
                                                               lambda t, c: t.clamp(max=c - 1)))),
    Mistake("targets_twice", _added_up(sum)(_label, twice=True),
            "The targets were compared with themselves. The second argument of `confusion_matrix` is the prediction."),
    Mistake("argmin", _added_up(sum)(lambda logits: logits.argmin(1)),
            "These are the least likely classes. Use `argmax`."),
    Mistake("transposed", _added_up(lambda matrices: sum(matrices).T)(_label),
            TRANSPOSED),
    Mistake("wrong_axis", _added_up(sum)(lambda logits: logits.argmax(-1)),
            "argmax ran over the width of the image. The classes are on axis 1 of the logits [N, C, H, W]."),
    Mistake("wrong_axis", _added_up(sum)(lambda logits: logits.argmax(2)),
            "argmax ran over the height of the image. The classes are on axis 1 of the logits [N, C, H, W]."),
    Mistake("wrong_axis", _added_up(sum)(lambda logits: logits.argmax(0)),
            "argmax ran over the images of the batch. The classes are on axis 1 of the logits [N, C, H, W]."),
]


class Spy(torch.overrides.TorchFunctionMode):
    """Notes the names of the torch functions that are called, and sums of the form [C, C] as short floats."""

    def __init__(self, num_classes):
        super().__init__()
        self.names, self.sums, self.form = set(), [], (num_classes, num_classes)

    def __torch_function__(self, function, types, args=(), kwargs=None):
        name = getattr(function, "__name__", "")
        self.names.add(name)
        result = function(*args, **kwargs or {})
        if name in ("add", "add_", "__iadd__", "__radd__") and torch.is_tensor(result) and result.shape == self.form \
                and result.is_floating_point() and result.dtype != torch.float64:
            self.sums.append(result.detach().clone())
        return result

    def summed_short(self, value):
        """Whether all that was counted, `value`, has been a sum in float32: exact up to 2 ** 24 pixels only."""
        return torch.is_tensor(value) and any(torch.equal(value.double(), found.double()) for found in self.sums)


def check(student, seed):
    expects = "one tensor Int64[num_classes, num_classes]"
    # as many images, classes, rows and columns: here even argmax over a wrong axis gives a matrix
    cube = (toys.toy(seed), toys.loader(seed, 3, 3, 3, 3, 3), 3, CPU)
    uneven = (toys.toy(seed + 1, 4), toys.loader(seed + 1, num_classes=4), 4, CPU)
    spy, model, loader = Spy(4), *uneven[:2]
    state = {key: value.clone() for key, value in model.state_dict().items()}
    with spy:
        outcome = student.attempt(*uneven)
    student.parentheses(outcome)
    if outcome.error is not None:
        _swapped(student, seed)
    _explain_error(student, outcome, model, spy)
    _used_well(student, model, loader)
    value = outcome.value
    if is_number(value) or torch.is_tensor(value) and value.numel() == 1:
        means = [metrics.mean_iou(metrics.evaluate(uneven[0], [batch], 4, CPU)) for batch in uneven[1]]
        mean = same(float(value), sum(means) / len(means), 1e-6)
        kind = "the mean of the mean IoU of each batch" if mean else "a score"
        student.fail("mean_of_batches" if mean else "returns_score",
                     f"evaluate returned {show(value)}, {kind}; expected {expects}. A batch may lack a class, or be "
                     "smaller than the others: add up the counts of all batches and divide once, at the very end.")
    student.gradients_on()
    if not all(parameter.requires_grad for parameter in model.parameters()):
        student.fail("model_frozen", "evaluate froze the model: `requires_grad` is False now, so it would never learn "
                     "again. Leave the parameters alone; `with torch.no_grad():` is enough.")
    if not same(state, dict(model.state_dict())):
        student.fail("model_changed", "Your evaluate changed the model: its weights or running statistics differ "
                     "afterwards. Evaluation only looks: no optimizer, and `model.eval()` before the first batch.")
    student.compare(metrics.evaluate, [uneven, cube], MISTAKES, expects)
    if spy.summed_short(value):
        student.fail("summed_in_float32", "The counts are right here, but they were added up as Float32, which holds "
                     "whole numbers exactly up to 16 777 216 only: a validation set has more pixels. Start with "
                     "`torch.zeros(num_classes, num_classes, dtype=torch.int64)`.")
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
    if isinstance(outcome.error, (AttributeError, TypeError)) and "max" in spy.names and "argmax" not in spy.names:
        student.fail("max_without_indices", f"{student.stopped(outcome.error)}\n`max(1)` gives two things: the highest "
                     "values and the classes that have them. Take `.indices`, or use `argmax(1)`.")
    if isinstance(outcome.error, (RuntimeError, IndexError, ValueError)) and not chosen:
        student.fail("not_argmaxed", f"evaluate stopped with {text}\nThe logits hold a number for each class; the "
                     "confusion matrix needs one label for each pixel. Take the `argmax` over axis 1 first.")
    if outcome.error is None or not model.calls:
        student.healthy(outcome)


def _swapped(student, seed):
    """Without void, an exchange of target and prediction ends in a matrix."""
    case = (toys.toy(seed), toys.loader(seed, void=0), 3, CPU)
    outcome, wanted = student.attempt(*case), metrics.evaluate(*case)
    if same(outcome.value, wanted.T) and not same(outcome.value, wanted):
        student.wrong("transposed", case, outcome, wanted, TRANSPOSED)


def _used_well(student, model, loader):
    """Model and loader were used, and the model in eval mode."""
    if model.calls and not loader.read:
        student.fail("argument_ignored", "Your evaluate never read the `loader` that it was given. Loop over the "
                     "argument, not over a variable of the notebook with a similar name.")
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


def inputs(seed):
    """Seed, number of classes, of images, images in a batch, and width of an image."""
    return [(seed, 3, 3, 2, 3), (seed, 5, 8, 3, 6)]  # several batches: one alone may be counted in float32


def run(evaluate, cases):
    """Matrices of small data sets, and how the model was used."""
    results = []
    for seed, classes, images, batch_size, width in cases:
        model = toys.toy(seed, classes)
        loader = toys.loader(seed, images, batch_size, classes, 3, width)
        spy = Spy(classes)
        with spy:
            matrix = call(evaluate, model, loader, classes, torch.device("cpu"))
        results.append({"matrix": matrix, "in float32": spy.summed_short(matrix.get("value")),
                        "gradients on": torch.is_grad_enabled(),
                        "trainable": all(parameter.requires_grad for parameter in model.parameters()),
                        "training": any(use.training for use in model.calls),
                        "graph": any(use.graph for use in model.calls)})
    return [*results, {"moved": arrives_on(lambda *args: call(evaluate, *args)) in (None, "meta")}]


EXERCISE = Exercise(number="5.3", name="evaluate", title="Evaluate", points=4, notebook="05_evaluation",
                    signatures=("evaluate(model, loader, num_classes, device)",),
                    check=check, probe=Probe(inputs, run), reference=metrics.evaluate,
                    may_use=("metrics.confusion_matrix", "models.predict"))
