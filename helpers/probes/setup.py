"""Probes of notebook 1."""

import torch

from helpers import settings, voc
from helpers.checks.counting import label_maps
from helpers.checks.setup import MACHINES, machine, masks
from helpers.probes.data import Probe, call


def _choose_device(choose_device, _):
    """The kind of device on machines with CUDA, with MPS, with both, with neither."""
    found = []
    for _, cuda, mps, built, _ in MACHINES:
        with machine(cuda, mps, built):
            result = call(choose_device)
        device = result.get("value")
        if isinstance(device, torch.device):
            result = [device.type, device.index in (None, 0)]
        found.append(result)
    return found


def _load_target(load_target, paths):
    """The target of each mask."""
    return [call(load_target, path) for path in paths]


def _count_pixels(count_pixels, seed):
    """Counts over targets of different sizes that can be read once, and whether the targets are as they were."""
    results = []
    for targets, num_classes in [(label_maps(seed), 8), (label_maps(seed + 1, 21), 21)]:  # the first lacks two classes
        copies = [target.clone() for target in targets]
        counts = call(count_pixels, iter(copies), num_classes)
        results.append([counts, all(torch.equal(a, b) for a, b in zip(targets, copies))])
    return results


PROBES = {
    "choose_device": Probe(int, _choose_device, settings.choose_device),
    "load_target": Probe(masks, _load_target, voc.load_target),
    "count_pixels": Probe(int, _count_pixels, voc.count_pixels),
}
