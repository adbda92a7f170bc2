"""Small models, loaders and weights for the checks: a few pixels, real PyTorch, and a record of how they were used."""

import contextlib
import functools
from unittest import mock

import torch
import torchvision
from torch import nn
from torch.utils.data import DataLoader, TensorDataset
from torchvision.models import MobileNet_V3_Large_Weights, mobilenet_v3_large
from torchvision.models._api import WeightsEnum
from torchvision.models.segmentation import LRASPP_MobileNet_V3_Large_Weights, lraspp_mobilenet_v3_large

from helpers.settings import IGNORE_INDEX

WEIGHTS = LRASPP_MobileNet_V3_Large_Weights.DEFAULT
FINAL = ("classifier.low_classifier.", "classifier.high_classifier.")


class Toy(nn.Module):
    """A segmentation model of two 1x1 convolutions that notes each call: `calls` holds a `Call` per batch."""

    def __init__(self, num_classes=3, width=4):
        super().__init__()
        self.backbone = nn.Sequential(nn.Conv2d(3, width, 1), nn.BatchNorm2d(width), nn.ReLU())
        self.classifier = nn.Conv2d(width, num_classes, 1)
        self.calls = []
        self._note = self.calls.append  # a copy of the model notes its calls here too

    def forward(self, images):
        logits = self.classifier(self.backbone(images))
        self._note(Call(self.training, logits.requires_grad, images.device.type, len(images)))
        return {"out": logits}


class Call:
    """How a model was called."""

    def __init__(self, training, graph, device, images):
        self.training, self.graph, self.device, self.images = training, graph, device, images


def toy(seed, num_classes=3):
    """A Toy whose weights and running statistics depend on `seed` alone; in training mode, as models start."""
    generator = torch.Generator().manual_seed(seed)
    model = Toy(num_classes)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator))
        norm = model.backbone[1]
        norm.running_mean.copy_(torch.randn(norm.running_mean.shape, generator=generator))
        norm.running_var.copy_(torch.rand(norm.running_var.shape, generator=generator) + 0.5)
    return model


def loader(seed, images=8, batch_size=3, num_classes=3, height=3, width=4, void=0.2, uneven=False):
    """A Loader of random images and targets with some void; the last batch is smaller.

    `uneven`: the last image is void but for its first row, so that its pixels weigh less than those of others.
    """
    generator = torch.Generator().manual_seed(seed)
    pictures = torch.randn(images, 3, height, width, generator=generator)
    targets = torch.randint(num_classes, (images, height, width), generator=generator)
    targets[torch.rand(targets.shape, generator=generator) < void] = IGNORE_INDEX
    targets[:, 0, 0] = torch.arange(images) % num_classes  # never void everywhere
    if uneven:
        targets[-1, 1:] = IGNORE_INDEX
    return Loader(TensorDataset(pictures, targets), batch_size)


class Loader(DataLoader):
    """A DataLoader that notes how often it was read."""

    read = 0

    def __iter__(self):
        self.read += 1
        return super().__iter__()


@functools.cache
def _fresh(segmentation):
    build = functools.partial(lraspp_mobilenet_v3_large, weights_backbone=None) if segmentation else mobilenet_v3_large
    with torch.random.fork_rng([]):
        torch.manual_seed(segmentation)
        return build(weights=None).state_dict()


def made_up(seed, segmentation=True):
    """A state dict for torchvision's LR-ASPP (21 classes), or for its ImageNet classifier."""
    return {key: value.clone() for key, value in _made_up(seed, segmentation).items()}


@functools.lru_cache(maxsize=8)  # the tests of the bank come back to the same few seeds
def _made_up(seed, segmentation):
    random = torch.Generator().manual_seed(2 * seed + segmentation)
    return {key: value + 0.1 * value.std(correction=0) * torch.randn(value.shape, generator=random)
            + 0.01 * torch.rand(value.shape, generator=random) if value.is_floating_point() else value + 1
            for key, value in _fresh(segmentation).items()}


@contextlib.contextmanager
def no_network(seed):
    """Let torchvision's weights come from `made_up(seed)`; yields the list of files that were asked for."""
    asked = []

    def state_of(address, *args, **kwargs):
        asked.append(address)
        for weights, segmentation in ((LRASPP_MobileNet_V3_Large_Weights, True), (MobileNet_V3_Large_Weights, False)):
            if address in [member.url for member in weights]:
                return made_up(seed, segmentation)
        raise RuntimeError(f"the check downloads nothing, and does not know {address.rpartition('/')[2]}")

    with contextlib.ExitStack() as stack:
        for module in (torch.hub, torchvision._internally_replaced_utils, torchvision.models._api):
            stack.enter_context(mock.patch.object(module, "load_state_dict_from_url", state_of))
        stack.enter_context(mock.patch.object(WeightsEnum, "get_state_dict", lambda self, *_, **__: state_of(self.url)))
        yield asked
