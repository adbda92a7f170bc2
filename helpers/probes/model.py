"""Probes of notebook 3."""

import torch
from torch import nn

from helpers import models
from helpers.checks import toys
from helpers.checks.groups import small_lraspp
from helpers.checks.pretrained import FINAL, WEIGHTS, made_up, no_network
from helpers.probes.data import Probe, call


def _build_model(build_model, seed):
    """Widths, what is left of the pretrained weights, and the logits once the final layers are known."""
    results = []
    with no_network(seed):
        for num_classes, weights in [(2 + seed % 7, None), (11 + seed % 10, WEIGHTS), (21, WEIGHTS)]:
            built = call(build_model, num_classes, *[weights] * (weights is not None))
            try:
                results.append(_fingerprint(built["value"], num_classes, weights, made_up(seed)))
            except Exception as error:
                results.append({"error": type(error).__name__})
    return results


def _fingerprint(model, num_classes, weights, state):
    """What can be read off a model without sending all of it."""
    generator = torch.Generator().manual_seed(num_classes)
    found, old, finals = model.state_dict(), [], []
    for name in FINAL:
        layer = model.get_submodule(name.rstrip("."))
        last = [module for module in layer.modules() if isinstance(module, nn.Conv2d)][-1]
        old.append(torch.allclose(last.weight, state[name + "weight"][:num_classes].expand_as(last.weight)))
        finals += [last.weight, last.bias]
    kept = [key for key in state if not key.startswith(FINAL) and "num_batches" not in key]
    fresh = not torch.allclose(found["backbone.0.0.weight"], state["backbone.0.0.weight"])
    sums = [float(found[key].double().sum()) for key in kept]
    model.load_state_dict(found | {key: state[key] for key in kept} if weights is None else found)
    with torch.no_grad():
        for parameter in (parameter for parameter in finals if parameter is not None):
            parameter.copy_(torch.randn(parameter.shape, generator=generator) if parameter.ndim > 1 else parameter * 0)
        logits = model.eval()(torch.randn(1, 3, 32, 48, generator=generator))["out"][:, :, ::8, ::8]
    return {"kept": sums if weights else fresh, "old rows": any(old), "logits": logits,
            "learns": all(parameter.requires_grad for parameter in finals if parameter is not None)}


def _predict(predict, seed):
    """Label maps, and how the model was used."""
    generator, results = torch.Generator().manual_seed(seed), []
    for classes, shape in [(4, (1, 3, 2, 3)), (5, (3, 3, 5, 6))]:
        model = toys.toy(seed, classes)
        if classes == 4:
            model.classifier.bias.data[0] += 100  # background everywhere
        labels = call(predict, model, torch.randn(shape, generator=generator))
        results.append({"labels": labels, "training": any(use.training for use in model.calls),
                        "graph": any(use.graph for use in model.calls),
                        "trainable": all(parameter.requires_grad for parameter in model.parameters())})
    return results


def _parameter_groups(parameter_groups, seed):
    """Each parameter in a group with its rate, in the order of their names."""
    results = []
    for lr, frozen in [(0.01 + seed % 7 / 10, False), (0.5, True)]:
        model = small_lraspp(seed, frozen)
        names = {id(parameter): name for name, parameter in model.named_parameters()}
        groups = call(parameter_groups, model, lr)
        try:
            groups = groups["value"]
            groups = torch.optim.SGD(groups if isinstance(groups, (list, tuple)) else None, lr=99).param_groups
            rates = [[names.get(id(p), "unknown"), float(group["lr"])] for group in groups for p in group["params"]]
            results.append([sorted(rates), sum(p.requires_grad for p in model.parameters())])
        except Exception as error:
            results.append({"error": type(error).__name__})
    return results


PROBES = {
    "build_model": Probe(int, _build_model, models.build_model),
    "predict": Probe(int, _predict, models.predict),
    "parameter_groups": Probe(int, _parameter_groups, models.parameter_groups),
}
