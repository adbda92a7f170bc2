"""Answers to exercise 3.3, wrong and right."""

import itertools
import re

import torch
from torch import nn

from tests.exercises.bank import right, wrong

OLD = nn.Conv2d(4, 3, 1)


def others(model):
    """All parts but the backbone."""
    return nn.ModuleDict({name: part for name, part in model.named_children() if name != "backbone"})


def trainable(module):
    return [parameter for parameter in module.parameters() if parameter.requires_grad]


@wrong("same_rate")
def parameter_groups(model, lr):
    return [{"params": trainable(model), "lr": lr}]


@wrong("same_rate")
def parameter_groups(model, lr):
    return [{"params": trainable(model.backbone), "lr": lr}, {"params": trainable(model.classifier), "lr": lr}]


@wrong("rates_swapped")
def parameter_groups(model, lr):
    return [{"params": trainable(model.backbone), "lr": lr}, {"params": trainable(model.classifier), "lr": lr / 10}]


@wrong("ten_times")
def parameter_groups(model, lr):
    return [{"params": trainable(model.backbone), "lr": lr}, {"params": trainable(model.classifier), "lr": 10 * lr}]


@wrong("ten_times")
def parameter_groups(model, lr):
    return [{"params": trainable(model.backbone), "lr": lr * 10}, {"params": trainable(model.classifier), "lr": lr}]


@wrong("rate_of_backbone")
def parameter_groups(model, lr):
    return [{"params": trainable(model.backbone), "lr": lr / 100}, {"params": trainable(model.classifier), "lr": lr}]


@wrong("rate_of_backbone")
def parameter_groups(model, lr):
    return [{"params": trainable(model.backbone), "lr": lr // 10}, {"params": trainable(model.classifier), "lr": lr}]


@wrong("lr_ignored")
def parameter_groups(model, lr):
    return [{"params": trainable(model.backbone), "lr": 1e-3}, {"params": trainable(model.classifier), "lr": 1e-2}]


@wrong("lr_missing")
def parameter_groups(model, lr):
    return [{"params": trainable(model.backbone), "lr": lr / 10}, {"params": trainable(model.classifier)}]


@wrong("lr_missing")
def parameter_groups(model, lr):
    return [{"params": trainable(model.backbone), "learning_rate": lr / 10},
            {"params": trainable(model.classifier), "learning_rate": lr}]


@wrong("head_missing")
def parameter_groups(model, lr):
    return [{"params": trainable(model.backbone), "lr": lr / 10}]


@wrong("head_missing")
def parameter_groups(model, lr):
    head = [p for name, p in model.named_parameters() if name.startswith("head") and p.requires_grad]
    return [{"params": trainable(model.backbone), "lr": lr / 10}, {"params": head, "lr": lr}]


@wrong("backbone_missing")
def parameter_groups(model, lr):
    return [{"params": trainable(model.classifier), "lr": lr}]


@wrong("other_model")
def parameter_groups(model, lr):
    return [{"params": trainable(model.backbone), "lr": lr / 10}, {"params": trainable(OLD), "lr": lr}]


@wrong("new_layers_only")
def parameter_groups(model, lr):
    new = [*trainable(model.classifier.low_classifier), *trainable(model.classifier.high_classifier)]
    ids = {id(parameter) for parameter in new}
    rest = [parameter for parameter in trainable(model) if id(parameter) not in ids]
    return [{"params": rest, "lr": lr / 10}, {"params": new, "lr": lr}]


@wrong("some_missing")
def parameter_groups(model, lr):
    new = [*trainable(model.classifier.low_classifier), *trainable(model.classifier.high_classifier)]
    return [{"params": trainable(model.backbone), "lr": lr / 10}, {"params": new, "lr": lr}]


@wrong("some_missing")
def parameter_groups(model, lr):
    def weights(module):
        return [p for name, p in module.named_parameters() if p.requires_grad and "bias" not in name]
    return [{"params": weights(model.backbone), "lr": lr / 10}, {"params": weights(model.classifier), "lr": lr}]


@wrong("twice")
def parameter_groups(model, lr):
    return [{"params": trainable(model), "lr": lr / 10}, {"params": trainable(model.classifier), "lr": lr}]


@wrong("twice")
def parameter_groups(model, lr):
    backbone = [p for module in model.backbone.modules() for p in module.parameters() if p.requires_grad]
    return [{"params": backbone, "lr": lr / 10}, {"params": trainable(model.classifier), "lr": lr}]


@wrong("frozen_included")
def parameter_groups(model, lr):
    return [{"params": list(model.backbone.parameters()), "lr": lr / 10},
            {"params": list(model.classifier.parameters()), "lr": lr}]


@wrong("frozen_included")
def parameter_groups(model, lr):
    return [{"params": model.backbone.parameters(), "lr": lr / 10}, {"params": trainable(model.classifier), "lr": lr}]


@wrong("unfrozen")
def parameter_groups(model, lr):
    model.requires_grad_(True)
    return [{"params": trainable(model.backbone), "lr": lr / 10}, {"params": trainable(model.classifier), "lr": lr}]


@wrong("returns_optimizer")
def parameter_groups(model, lr):
    return torch.optim.AdamW([{"params": trainable(model.backbone), "lr": lr / 10},
                              {"params": trainable(model.classifier), "lr": lr}])


@wrong("returns_dictionary")
def parameter_groups(model, lr):
    return {"backbone": trainable(model.backbone), "classifier": trainable(model.classifier)}


@wrong("not_groups")
def parameter_groups(model, lr):
    return [trainable(model.backbone), trainable(model.classifier)]


@wrong("not_groups")
def parameter_groups(model, lr):
    return [{"backbone": trainable(model.backbone), "lr": lr / 10}, {"head": trainable(model.classifier), "lr": lr}]


@wrong("not_parameters")
def parameter_groups(model, lr):
    return [{"params": model.backbone, "lr": lr / 10}, {"params": model.classifier, "lr": lr}]


@wrong("not_parameters")
def parameter_groups(model, lr):
    return [{"params": model.backbone.state_dict(), "lr": lr / 10}, {"params": model.classifier.state_dict(), "lr": lr}]


@wrong("set_of_parameters")
def parameter_groups(model, lr):
    return [{"params": set(trainable(model.backbone)), "lr": lr / 10},
            {"params": set(trainable(model.classifier)), "lr": lr}]


@wrong("returns_generator")
def parameter_groups(model, lr):
    yield {"params": trainable(model.backbone), "lr": lr / 10}
    yield {"params": trainable(model.classifier), "lr": lr}


@wrong("not_attempted")
def parameter_groups(model, lr):
    raise NotImplementedError("Exercise 3.3: two groups, two learning rates")


@wrong("compares_values")
def parameter_groups(model, lr):
    backbone = list(model.backbone.parameters())
    head = [p for p in model.parameters() if p not in backbone]
    return [{"params": backbone, "lr": lr / 10}, {"params": head, "lr": lr}]


@wrong("compares_values")
def parameter_groups(model, lr):
    backbone, head = [p for p in model.backbone.parameters() if p.requires_grad], []
    for parameter in model.parameters():
        if parameter.requires_grad and parameter not in backbone:
            head.append(parameter)
    return [{"params": backbone, "lr": lr / 10}, {"params": head, "lr": lr}]


@wrong("third_part_missing")
def parameter_groups(model, lr):
    return [{"params": trainable(model.backbone), "lr": lr / 10}, {"params": trainable(model.classifier), "lr": lr}]


@wrong("third_part_missing")
def parameter_groups(model, lr):
    backbone, head = [], []
    for name, parameter in model.named_parameters():
        if parameter.requires_grad and name.startswith("backbone."):
            backbone.append(parameter)
        elif parameter.requires_grad and name.startswith("classifier."):
            head.append(parameter)
    return [{"params": backbone, "lr": lr / 10}, {"params": head, "lr": lr}]


@wrong("name_holds_backbone")
def parameter_groups(model, lr):
    backbone, rest = [], []
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            (backbone if "backbone" in name else rest).append(parameter)
    return [{"params": backbone, "lr": lr / 10}, {"params": rest, "lr": lr}]


@wrong("some_missing")
def parameter_groups(model, lr):
    backbone, rest = [], []
    for name, p in model.named_parameters():
        if not p.requires_grad:
            (backbone if name.startswith("backbone") else rest).append(p)
    return [{"params": backbone, "lr": lr / 10}, {"params": rest, "lr": lr}]


@wrong("name_holds_backbone")
def parameter_groups(model, lr):
    backbone, rest = [], []
    for name, p in model.named_parameters():
        if p.requires_grad:
            (backbone if "backbone." in name else rest).append(p)
    return [{"params": backbone, "lr": lr / 10}, {"params": rest, "lr": lr}]


@wrong("same_rate")
def parameter_groups(model, lr):
    return [{"params": [p for p in model.parameters() if p.requires_grad], "lr": lr / 10}]


@wrong("not_groups")
def parameter_groups(model, lr):
    return [p for p in model.parameters() if p.requires_grad]


@wrong("twice")
def parameter_groups(model, lr):
    return [{"params": model.backbone.parameters(), "lr": lr / 10}, {"params": model.parameters(), "lr": lr}]


@wrong("unfrozen")
def parameter_groups(model, lr):
    for p in model.backbone.parameters():
        p.requires_grad = False
    return [{"params": [p for p in model.parameters() if p.requires_grad], "lr": lr}]


@wrong("ten_times")
def parameter_groups(model, lr):
    backbone = [p for p in model.backbone.parameters() if p.requires_grad]
    ids = set(map(id, backbone))
    rest = [p for p in model.parameters() if p.requires_grad and id(p) not in ids]
    return [{"params": backbone, "lr": lr}, {"params": rest, "lr": lr * 10}]


@wrong("rate_of_backbone")
def parameter_groups(model, lr):
    backbone = [p for p in model.backbone.parameters() if p.requires_grad]
    ids = set(map(id, backbone))
    rest = [p for p in model.parameters() if p.requires_grad and id(p) not in ids]
    return [{"params": backbone, "lr": lr - lr / 10}, {"params": rest, "lr": lr}]


@wrong("not_parameters")
def parameter_groups(model, lr):
    backbone = [n for n, p in model.named_parameters() if n.startswith("backbone") and p.requires_grad]
    rest = [n for n, p in model.named_parameters() if not n.startswith("backbone") and p.requires_grad]
    return [{"params": backbone, "lr": lr / 10}, {"params": rest, "lr": lr}]


@wrong("frozen_included")
def parameter_groups(model, lr):
    backbone = [p for p in model.backbone.parameters() if p.requires_grad]
    return [{"params": backbone, "lr": lr / 10}, {"params": list(set(model.parameters()) - set(backbone)), "lr": lr}]


@wrong("lr_missing")
def parameter_groups(model, lr):
    backbone = [p for p in model.backbone.parameters() if p.requires_grad]
    ids = set(map(id, backbone))
    rest = [p for p in model.parameters() if p.requires_grad and id(p) not in ids]
    return {"params": backbone, "lr": lr / 10}, {"params": rest}


@wrong("backbone_missing")
def parameter_groups(model, lr):
    rest = [p for n, p in model.named_parameters() if not n.startswith("backbone") and p.requires_grad]
    return [{"params": rest, "lr": lr}]


@wrong("other_model")
def parameter_groups(model, lr):
    backbone = [p.data for p in model.backbone.parameters() if p.requires_grad]
    rest = [p.data for n, p in model.named_parameters() if not n.startswith("backbone") and p.requires_grad]
    return [{"params": backbone, "lr": lr / 10}, {"params": rest, "lr": lr}]


@right("by identity")
def parameter_groups(model, lr):
    backbone = {id(parameter) for parameter in model.backbone.parameters()}
    return [{"params": [parameter], "lr": lr / 10 if id(parameter) in backbone else lr}
            for parameter in model.parameters() if parameter.requires_grad]


@right("part by part")
def parameter_groups(model, lr):
    return [{"params": trainable(part), "lr": lr / 10 if name == "backbone" else lr}
            for name, part in model.named_children() if trainable(part)]


@right("two list comprehensions")
def parameter_groups(model, lr):
    return [
        {"params": [p for p in model.backbone.parameters() if p.requires_grad], "lr": lr / 10},
        {
            "params": [
                p for name, p in model.named_parameters() if p.requires_grad and "backbone" != name.split(".")[0]
            ],
            "lr": lr,
        },
    ]


@right("by name, head first, with a print")
def parameter_groups(model, lr):
    head, backbone = [], []
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            (backbone if name.startswith("backbone") else head).append(parameter)
    print(len(head), "in the head,", len(backbone), "in the backbone")
    return [{"params": head, "lr": lr, "name": "head"}, {"params": backbone, "lr": 0.1 * lr, "weight_decay": 0.0}]


@right("filters and generators")
def parameter_groups(model, lr):
    return [dict(params=filter(lambda p: p.requires_grad, model.backbone.parameters()), lr=lr * 1e-1),
            dict(params=(p for p in others(model).parameters() if p.requires_grad), lr=lr)]


@right("a group for each parameter")
def parameter_groups(model, lr):
    return [{"params": parameter, "lr": lr / 10 if name.startswith("backbone") else lr}
            for name, parameter in model.named_parameters() if parameter.requires_grad]


@right("no weight decay for biases and norms")
def parameter_groups(model, lr):
    groups = []
    for module, rate in ((model.backbone, lr / 10), (others(model), lr)):
        parameters = [p for p in module.parameters() if p.requires_grad]
        groups += [{"params": [p for p in parameters if p.ndim > 1], "lr": rate, "weight_decay": 1e-2},
                   {"params": [p for p in parameters if p.ndim <= 1], "lr": rate, "weight_decay": 0}]
    return groups


@right("with names, as a tuple")
def parameter_groups(model, lr):
    def named(module):
        return [(name, parameter) for name, parameter in module.named_parameters() if parameter.requires_grad]
    return ({"params": named(model.backbone), "lr": lr / 10}, {"params": named(others(model)), "lr": lr})


@right("a set of names, plain Adam accepts it")
def parameter_groups(model, lr):
    inside = {parameter for parameter in model.backbone.parameters()}
    groups = {True: [], False: []}
    for parameter in model.parameters():
        if parameter.requires_grad:
            groups[parameter in inside].append(parameter)
    groups = [{"params": groups[True], "lr": lr * 0.1}, {"params": groups[False], "lr": lr}]
    torch.optim.Adam(groups)
    return groups


@right("ids, a set")
def parameter_groups(model: nn.Module, lr: float) -> list:
    ids = {id(p) for p in model.backbone.parameters()}
    backbone = [p for p in model.parameters() if id(p) in ids and p.requires_grad]
    rest = [p for p in model.parameters() if id(p) not in ids and p.requires_grad]
    return [{"params": backbone, "lr": lr / 10}, {"params": rest, "lr": lr}]


@right("ParameterList")
def parameter_groups(model, lr):
    backbone, rest = nn.ParameterList(), nn.ParameterList()
    for name, p in model.named_parameters():
        if p.requires_grad:
            (backbone if name.startswith("backbone.") else rest).append(p)
    return [{"params": backbone, "lr": lr / 10}, {"params": rest, "lr": lr}]


@right("regular expression, itertools")
def parameter_groups(model, lr):
    named = [(n, p) for n, p in model.named_parameters() if p.requires_grad]
    def is_backbone(pair):
        return bool(re.match(r"backbone\.", pair[0]))
    inside = [p for n, p in filter(is_backbone, named)]
    outside = [p for n, p in itertools.filterfalse(is_backbone, named)]
    return [dict(params=inside, lr=lr / 10.0), dict(params=outside, lr=lr)]


@right("a dict of lists")
def parameter_groups(model, lr):
    groups = {lr / 10: [], lr: []}
    for name, p in model.named_parameters():
        if not p.requires_grad:
            continue
        groups[lr / 10 if name.partition(".")[0] == "backbone" else lr].append(p)
    return [{"params": ps, "lr": rate} for rate, ps in groups.items()]


@right("chain of children")
def parameter_groups(model, lr):
    children = dict(model.named_children())
    backbone = children.pop("backbone")
    head = itertools.chain(*(c.parameters() for c in children.values()))
    def keep(ps):
        return [p for p in ps if p.requires_grad]
    return [{"params": keep(backbone.parameters()), "lr": 0.1 * lr}, {"params": keep(head), "lr": lr}]


@right("the optimizer's own groups, prints")
def parameter_groups(model, lr):
    trainable = [(n, p) for n, p in model.named_parameters() if p.requires_grad]
    backbone = [p for n, p in trainable if n.startswith("backbone.")]
    rest = [p for n, p in trainable if not n.startswith("backbone.")]
    opt = torch.optim.AdamW([{"params": backbone, "lr": lr / 10}, {"params": rest, "lr": lr}])
    print(opt)
    return opt.param_groups


@right("any identity")
def parameter_groups(model, lr):
    backbone = [p for p in model.backbone.parameters() if p.requires_grad]
    rest = [p for p in model.parameters() if p.requires_grad and not any(p is q for q in backbone)]
    return [{"params": backbone, "lr": lr / 10}, {"params": rest, "lr": lr}]


@right("empty groups left out, tensors as lr")
def parameter_groups(model, lr):
    names = {n for n, _ in model.backbone.named_parameters(prefix="backbone")}
    a = [p for n, p in model.named_parameters() if n in names and p.requires_grad]
    b = [p for n, p in model.named_parameters() if n not in names and p.requires_grad]
    return [g for g in ({"params": b, "lr": lr, "betas": (0.9, 0.99)}, {"params": a, "lr": lr / 10}) if g["params"]]


@right("by module walk")
def parameter_groups(model, lr):
    groups, seen = [], set()
    for name, module in model.named_modules():
        rate = lr / 10 if name == "backbone" or name.startswith("backbone.") else lr
        own = [p for p in module.parameters(recurse=False) if p.requires_grad and id(p) not in seen]
        seen.update(map(id, own))
        if own:
            groups.append({"params": own, "lr": rate})
    return groups
