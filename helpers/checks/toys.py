"""Small models and loaders for the checks: a few pixels, real PyTorch, and a record of how they were used."""

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from helpers.settings import IGNORE_INDEX


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


def loader(seed, images=8, batch_size=3, num_classes=3, height=3, width=4, void=0.2):
    """A DataLoader of random images and targets with some void; the last batch is smaller."""
    generator = torch.Generator().manual_seed(seed)
    pictures = torch.randn(images, 3, height, width, generator=generator)
    targets = torch.randint(num_classes, (images, height, width), generator=generator)
    targets[torch.rand(targets.shape, generator=generator) < void] = IGNORE_INDEX
    targets[:, 0, 0] = torch.arange(images) % num_classes  # never void everywhere
    return DataLoader(TensorDataset(pictures, targets), batch_size)
