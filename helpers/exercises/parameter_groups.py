"""Exercise 3.3: parameter_groups."""

import math

import torch
from torch import nn
from torchvision.models._utils import IntermediateLayerGetter
from torchvision.models.segmentation.lraspp import LRASPP

from helpers import models
from helpers.exercises.core import Exercise
from helpers.exercises.probe import Probe, call
from helpers.exercises.values import a_kind, describe, is_number, show


def small_lraspp(seed, frozen=False, more=False):
    """An LR-ASPP with a backbone of four layers; two of them share their weights.

    The first may be `frozen`; the model may have `more` parts than backbone and classifier.
    """
    torch.manual_seed(seed)
    layers = [nn.Conv2d(3, 4, 3, 2, 1), nn.Sequential(nn.Conv2d(4, 4, 3, 2, 1), nn.BatchNorm2d(4), nn.ReLU()),
              nn.Conv2d(4, 4, 3, 2, 1), nn.Conv2d(4, 6, 3, 2, 1)]
    layers[2].weight = layers[1][0].weight
    backbone = IntermediateLayerGetter(nn.Sequential(*layers), {"1": "low", "3": "high"})
    model = LRASPP(backbone, low_channels=4, high_channels=6, num_classes=3, inter_channels=5)
    if more:
        model.aux_classifier, model.after_backbone = nn.Conv2d(6, 3, 1), nn.Conv2d(3, 3, 1)
    if frozen:
        model.backbone["0"].requires_grad_(False)
        model.classifier.scale.requires_grad_(False)
    return model


_COMPARED = ("must match the size of tensor", "Boolean value of Tensor")  # how `p in parameters` ends


_LAST = ("classifier.low_classifier", "classifier.high_classifier")


def _members(student, group):
    """The parameters of one group as a list."""
    members = group["params"]
    if isinstance(members, set):
        student.fail("set_of_parameters", "The parameters of a group are in a set, whose order changes from run to "
                     "run, so PyTorch refuses it. Use a list.")
    if isinstance(members, torch.Tensor):
        return [members]
    if isinstance(members, dict) or not hasattr(members, "__iter__"):
        student.fail("not_parameters", f"A group has {a_kind(members)} as its \"params\"; expected a list of "
                     "parameters, as from `module.parameters()`.")
    members = [member[1] if isinstance(member, tuple) else member for member in members]
    odd = next((member for member in members if not isinstance(member, torch.Tensor)), None)
    if odd is not None:
        student.fail("not_parameters", f"A group's \"params\" hold {a_kind(odd)}; expected parameters. "
                     "`named_parameters()` gives pairs of name and parameter, `parameters()` parameters alone.")
    return members


def rates(student, model, lr):
    """Call it; a list of (parameter, its rate or None), in the order of the groups."""
    outcome = student.attempt(model, lr)
    if isinstance(outcome.error, RuntimeError) and any(words in str(outcome.error) for words in _COMPARED):
        student.fail("compares_values", f"{student.stopped(outcome.error)}\n`p in parameters` compares the numbers in "
                     "two tensors. What counts is whether they are the same tensor: look at the names in "
                     "`model.named_parameters()`, or compare `id(p)`.")
    student.healthy(outcome)
    value = outcome.value
    if isinstance(value, torch.optim.Optimizer):
        student.fail("returns_optimizer", f"parameter_groups returned {a_kind(value)}; expected the list of groups "
                     "alone. The optimizer is made of it later.")
    if isinstance(value, dict):
        student.fail("returns_dictionary", "parameter_groups returned one dictionary; expected a list of dictionaries, "
                     "one for each group, with \"params\" and \"lr\".")
    if not isinstance(value, (list, tuple)):
        student.fail("returns_none" if value is None else "wrong_type", f"parameter_groups returned {a_kind(value)}; "
                     "expected a list of dictionaries, each with \"params\" and \"lr\".")
    for group in value:
        if not isinstance(group, dict) or "params" not in group:
            keys = f"a dictionary with {', '.join(map(repr, group))}" if isinstance(group, dict) else a_kind(group)
            student.fail("not_groups", f"A group is {keys}; expected a dictionary with \"params\" and \"lr\".")
    found = [(parameter, group.get("lr")) for group in value for parameter in _members(student, group)]
    if any(rate is None for _, rate in found):
        student.fail("lr_missing", "A group has no \"lr\", so it gets the optimizer's default, whatever that is. Give "
                     "each group its own \"lr\".")
    if not all(is_number(rate) or torch.is_tensor(rate) for _, rate in found):
        student.fail("wrong_type", "A group's \"lr\" is not a number.")
    return found


def check(student, seed):
    for number, (lr, *parts) in enumerate([(0.01, False), (0.5, True), (0.2, False, True)]):
        model = small_lraspp(seed + number, *parts)
        trainable = {id(p): name for name, p in model.named_parameters() if p.requires_grad}
        found = rates(student, model, lr)
        if sum(p.requires_grad for p in model.parameters()) != len(trainable):
            student.fail("unfrozen", "parameter_groups changed which parameters are trained (`requires_grad`). "
                         "Somebody froze them on purpose: leave them as they are.")
        _once_each(student, model, found, trainable)
        _right_rates(student, found, trainable, lr)
        try:
            groups = student(model, lr)
            torch.optim.SGD(list(groups), lr=1)
        except (TypeError, ValueError, KeyError) as error:
            student.fail("refused_by_optimizer", f"An optimizer refuses these groups: {describe(error)}.")
    return "parameter_groups has each trainable parameter once: the backbone at lr / 10, the head at lr."


def _once_each(student, model, found, trainable):
    """End the check unless each trainable parameter is there once, and nothing else."""
    names = {id(p): name for name, p in model.named_parameters(remove_duplicate=False)}
    ids = [id(parameter) for parameter, _ in found]
    foreign = [parameter for parameter, _ in found if id(parameter) not in names]
    if foreign:
        student.fail("other_model", f"{len(foreign)} of the parameters do not belong to this model. Were they taken "
                     "from another one, or before its head was replaced? Use the argument `model`.")
    frozen = [names[i] for i in ids if i not in trainable]
    if frozen:
        student.fail("frozen_included", f"`{frozen[0]}` is frozen (`requires_grad` is False) and in a group all the "
                     "same. Leave out what is not trained.")
    twice = [names[i] for i in ids if ids.count(i) > 1]
    if twice:
        student.fail("twice", f"`{twice[0]}` is in the groups more than once, so it would be trained more than once. "
                     "`model.parameters()` holds the head too, and layers may share their weights.")
    missing = [name for i, name in trainable.items() if i not in ids]
    if missing == [name for name in trainable.values() if not name.startswith("backbone")]:
        student.fail("head_missing", "No group holds the head (`model.classifier`), so it would never learn. Were the "
                     "groups made for another head?")
    if missing == [name for name in trainable.values() if name.startswith("backbone")]:
        student.fail("backbone_missing", "No group holds the backbone, so it would stay as it is. Give it a group with "
                     "lr / 10.")
    if missing and not any(name.startswith(("backbone", "classifier")) for name in missing):
        student.fail("third_part_missing", f"`{missing[0]}` is in no group, so it would never learn. A model may "
                     "have parts besides `backbone` and `classifier`: all that is not in the backbone gets `lr`.")
    if missing:
        student.fail("some_missing", f"{len(missing)} of {len(trainable)} trainable parameters are in no group, such "
                     f"as `{missing[0]}`: they would never learn.")


def _right_rates(student, found, trainable, lr):
    """End the check unless the backbone has lr / 10 and the head lr."""
    named = [rate for parameter, rate in found if trainable[id(parameter)].startswith("after_backbone")]
    if named and all(_close(rate, lr / 10) for rate in named) and all(
            _close(rate, lr) for parameter, rate in found if trainable[id(parameter)].startswith("classifier")):
        student.fail("name_holds_backbone", "`after_backbone.weight` got lr / 10 and is not in "
                     "`model.backbone`. Its name only holds the word. Ask for names that start with `backbone.`, or "
                     "use `model.backbone.parameters()`.")
    backbone, head, new = set(), set(), set()
    for parameter, rate in found:
        name = trainable[id(parameter)]
        (backbone if name.startswith("backbone") else new if name.startswith(_LAST) else head).add(float(rate) / lr)
    inner, last = _one(backbone), _one(head | new)
    says = f"With lr = {show(lr)} the backbone got {_times(backbone, lr)} and the head {_times(head | new, lr)}"
    if _close(inner, 0.1) and _close(last, 1):
        return
    cases = [
        ("rates_swapped", _close(inner, 1) and _close(last, 0.1),
         "The two changed places: the pretrained backbone should change slowly, the new head fast."),
        ("same_rate", inner is not None and _close(inner, last),
         "The backbone has learned before: give it a tenth of the head's rate."),
        ("ten_times", inner is not None and last is not None and (_close(last, 10) or _close(inner, 10)),
         "`lr` is the head's rate, and the backbone's is a tenth of it."),
        ("new_layers_only", _close(inner, 0.1) and _close(_one(head), 0.1) and _close(_one(new), 1),
         "The whole head (`model.classifier`) learns at lr, its inner layers too."),
        ("lr_ignored", lr == 0.5 and inner is not None and last is not None,
         "With lr = 0.01 they were right: is a number written in the function? Compute both from `lr`."),
        ("lr_ignored", inner is not None and last is not None and _close(last / inner if inner else 0, 10),
         "Their ratio is right. Compute both from `lr`."),
        ("rate_of_backbone", _close(last, 1), "Compute lr / 10 for the backbone, with `/`: `//` rounds down."),
        ("rate_of_head", _close(inner, 0.1), "Expected lr for the head."),
    ]
    for mistake, explains, cure in cases:
        if explains:
            student.fail(mistake, f"{says}; expected {show(lr / 10)} and {show(lr)}. {cure}")
    student.fail("wrong_rates", f"{says}; expected {show(lr / 10)} and {show(lr)}.")


def _one(ratios):
    """The one value in a set of ratios, or None."""
    values = sorted(ratios)
    return values[0] if values and _close(values[0], values[-1]) else None


def _close(a, b):
    return a is not None and b is not None and math.isclose(a, b, rel_tol=1e-5, abs_tol=1e-9)


def _times(ratios, lr):
    return " and ".join(show(ratio * lr) for ratio in sorted(ratios))


def inputs(seed):
    """Seed of a small model, learning rate, whether a part of it is frozen, whether it has more parts than usual."""
    return [(seed, 0.01 + seed % 7 / 10, False, False), (seed, 0.5, True, False), (seed, 0.3, False, True)]


def run(parameter_groups, cases):
    """Each parameter in a group with its rate, in the order of their names."""
    results = []
    for seed, lr, frozen, more in cases:
        model = small_lraspp(seed, frozen, more)
        names = {id(parameter): name for name, parameter in model.named_parameters()}
        groups = call(parameter_groups, model, lr)
        try:
            groups = groups["value"]
            groups = torch.optim.SGD(groups if isinstance(groups, (list, tuple)) else None, lr=99).param_groups
            found = [[names.get(id(p), "unknown"), float(group["lr"])] for group in groups for p in group["params"]]
            results.append([sorted(found), sum(p.requires_grad for p in model.parameters())])
        except Exception as error:
            results.append({"error": type(error).__name__})
    return results


EXERCISE = Exercise(number="3.3", name="parameter_groups", title="Parameter groups", points=6, notebook="03_model",
                    signatures=("parameter_groups(model, lr)",),
                    check=check, probe=Probe(inputs, run), reference=models.parameter_groups)
