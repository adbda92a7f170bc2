"""Segmentation models from torchvision; reference answers of notebook 3.

Every model maps images Float32[N, 3, H, W] to {"out": logits Float32[N, C, H, W]}.
"""

import json
import os
import pickle
import struct
import subprocess
import sys
import tempfile
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import nn
from torchvision.models import mobilenet_v2, segmentation
from torchvision.models._utils import IntermediateLayerGetter
from torchvision.models.segmentation.lraspp import LRASPP

from helpers.settings import MEAN, MODELS, STD, SettingsError, show


def build_model(num_classes, weights=None):
    """torchvision's LR-ASPP MobileNetV3-Large with `num_classes` outputs (exercise 3.1).

    `weights` is a torchvision weights enum, whose backbone and head are kept but for the two
    final classifiers, or None for a random start.
    """
    model = segmentation.lraspp_mobilenet_v3_large(weights=weights, weights_backbone=None)
    replace_classifiers(model, num_classes)
    return model


def replace_classifiers(model, num_classes):
    """Give an LR-ASPP or DeepLabV3 `model` new final layers, `num_classes` wide."""
    head = model.classifier
    if isinstance(model, LRASPP):
        head.low_classifier = nn.Conv2d(head.low_classifier.in_channels, num_classes, 1)
        head.high_classifier = nn.Conv2d(head.high_classifier.in_channels, num_classes, 1)
    else:
        head[-1] = nn.Conv2d(head[-1].in_channels, num_classes, 1)


def lraspp_mobilenet_v2(num_classes, backbone_weights=None):
    """LR-ASPP on MobileNetV2, composed from torchvision's parts, so that any classifier's weights serve.

    `backbone_weights` is a state dict for `torchvision.models.mobilenet_v2()`, or None.
    """
    classifier = mobilenet_v2(weights=None)
    if backbone_weights is not None:
        classifier.load_state_dict(backbone_weights)
    backbone = IntermediateLayerGetter(classifier.features, {"6": "low", "17": "high"})
    return LRASPP(backbone, low_channels=32, high_channels=320, num_classes=num_classes)


def create(name, num_classes, weights=None):
    """A model by its name in `settings.MODELS`, its final layers new.

    `weights` is a file, "torchvision", or None for a random start. A file may hold a whole
    segmentation model of that name or, for `lraspp_mobilenet_v2`, an ImageNet classifier. With
    `name` None the file decides. Raises SettingsError for another architecture's file.
    """
    state = None if weights in (None, "torchvision") else read_weights(weights)
    found = architecture_of(state) if state else None
    name = name or found or MODELS[0]
    if state and found != name:
        raise SettingsError(f"weights: expected those of {name}, found {found or 'no model that the course knows'} in "
                            f"{show(weights)}; name the model that fits with MODEL=, or leave WEIGHTS out")
    try:
        if name == "lraspp_mobilenet_v2":
            model = lraspp_mobilenet_v2(num_classes, state)
        else:
            model = _from_torchvision(name, num_classes, weights, state)
    except RuntimeError as error:
        raise SettingsError(f"weights: expected those of {name}, found others in {show(weights)} "
                            f"({_first_difference(error)}); download the file again") from None
    raise_momentum(model)
    return model


def _from_torchvision(name, num_classes, weights, state):
    kwargs = {"aux_loss": True} if state and any(key.startswith("aux_classifier") for key in state) else {}
    weights = "DEFAULT" if weights == "torchvision" else None
    model = getattr(segmentation, name)(weights=weights, weights_backbone=None, **kwargs)
    if state is not None:
        model.load_state_dict(state)
    if getattr(model, "aux_classifier", None) is not None:
        model.aux_classifier = None  # the course trains the main output alone
    replace_classifiers(model, num_classes)
    return model


def raise_momentum(model, momentum=0.1):
    """BatchNorm as quick to adapt as torch's default; MobileNetV3's 0.01 is too slow for a short training."""
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = momentum


def predict(model, images):
    """Label map per image, Int64[N, H, W], in eval mode and without a graph (exercise 3.2)."""
    model.eval()
    with torch.no_grad():
        return model(images)["out"].argmax(1)


def parameter_groups(model, lr):
    """For the optimizer: the backbone at lr/10, the head at lr, each trainable parameter once (exercise 3.3)."""
    backbone = {id(parameter) for parameter in model.backbone.parameters()}
    trainable = [parameter for parameter in model.parameters() if parameter.requires_grad]
    return [{"params": [p for p in trainable if id(p) in backbone], "lr": lr / 10},
            {"params": [p for p in trainable if id(p) not in backbone], "lr": lr}]


def stage_shapes(model, images):
    """The shape (C, H, W) of every stage that `images` pass on their way: a dict from name to shape."""
    shapes = {}

    def note(name):
        return lambda module, _, output: shapes.update({name: tuple(output.shape[1:])})
    stages = {f"backbone {name}": part for name, part in model.backbone.named_children()}
    stages |= {f"head {name}": part for name, part in model.classifier.named_children()}
    hooks = [part.register_forward_hook(note(name)) for name, part in stages.items()]
    with torch.no_grad():
        model.eval()(images)
    for hook in hooks:
        hook.remove()
    return shapes


def count_parameters(module):
    """Number of trainable parameters."""
    return sum(parameter.numel() for parameter in module.parameters() if parameter.requires_grad)


def read_weights(path):
    """A state dict in float32 from a file; nothing in it is ever executed. Raises SettingsError."""
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        state = {key: value.float() if value.is_floating_point() else value for key, value in state.items()}
    except (OSError, RuntimeError, EOFError, AttributeError, pickle.UnpicklingError):
        raise SettingsError(f"weights: expected a file of named tensors (a state dict), found something else in "
                            f"{show(path)}; download it again, or leave WEIGHTS out") from None
    return state


# Layers that only one architecture has: of a whole model, and of a classifier that becomes a backbone
_SIGNS = {"lraspp_mobilenet_v2": {"classifier.low_classifier.weight", "backbone.17.conv.0.0.weight"},
          "lraspp_mobilenet_v3_large": {"classifier.low_classifier.weight", "backbone.16.0.weight"},
          "deeplabv3_mobilenet_v3_large": {"classifier.4.weight", "backbone.16.0.weight"},
          "deeplabv3_resnet50": {"classifier.4.weight", "backbone.layer4.2.conv3.weight"}}
_BACKBONE_SIGNS = {"lraspp_mobilenet_v2": {"features.17.conv.0.0.weight", "features.18.0.weight"}}


def architecture_of(state):
    """The name in `settings.MODELS` that a state dict belongs to, or None."""
    for signs in (_SIGNS, _BACKBONE_SIGNS):
        for name, layers in signs.items():
            if layers <= state.keys():
                return name
    return None


def save_model(path, model, class_names, size):
    """Write `model` as safetensors, atomically; class names and preprocessing travel in its metadata."""
    metadata = {"model": architecture_of(model.state_dict()), "class_names": json.dumps(list(class_names)),
                "preprocessing": json.dumps({"size": size, "mean": MEAN, "std": STD})}
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    half_done = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        save_file({key: value.contiguous().cpu() for key, value in model.state_dict().items()}, half_done, metadata)
        half_done.replace(path)
    finally:
        half_done.unlink(missing_ok=True)


def load_model(path):
    """The model of a `save_model` file in eval mode, and its metadata: class_names, preprocessing, model.

    Raises SettingsError if the file is no such thing. Tensors only: no code in it can run.
    """
    try:
        with safe_open(path, "pt") as file:
            metadata = dict(file.metadata() or {})
            state = {key: file.get_tensor(key) for key in file.keys()}
        for key in ("class_names", "preprocessing"):
            metadata[key] = json.loads(metadata[key])
        model = create(metadata["model"], len(metadata["class_names"]))
        model.load_state_dict(state)
    except (OSError, SafetensorError, struct.error, KeyError, AttributeError, RuntimeError, ValueError) as error:
        raise SettingsError(f"model file: expected one that notebook 5 wrote, found {show(path)} "
                            f"({_first_difference(error)}); run notebook 5 to its end again") from None
    return model.eval(), metadata


class Predictor(nn.Module):
    """A model with its preprocessing inside: UInt8[N, 3, size, size] pixels to Int64[N, size, size] labels."""

    def __init__(self, model):
        super().__init__()
        self.model = model
        self.register_buffer("mean", torch.tensor(MEAN)[:, None, None])
        self.register_buffer("std", torch.tensor(STD)[:, None, None])

    def forward(self, pixels):
        return self.model((pixels / 255 - self.mean) / self.std)["out"].argmax(1)


def export_program(path, model, size):
    """Write a program that needs torch alone: `torch.export.load(path).module()(pixels)` gives the labels."""
    predictor = Predictor(model).eval().cpu()
    example = torch.zeros(1, 3, size, size, dtype=torch.uint8)
    program = torch.export.export(predictor, (example,))
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    half_done = path.with_name(f"half_{os.getpid()}_{path.name}")  # torch insists on the ending .pt2
    try:
        torch.export.save(program, half_done)
        half_done.replace(path)
    finally:
        half_done.unlink(missing_ok=True)


def run_elsewhere(program, pixels):
    """The answer of an exported program, from a fresh Python in an empty folder that cannot see the course."""
    with tempfile.TemporaryDirectory() as folder:
        source, answer = Path(folder, "pixels.safetensors"), Path(folder, "labels.safetensors")
        save_file({"pixels": pixels.contiguous()}, source)
        script = ("import sys, torch; from safetensors.torch import load_file, save_file; "
                  "program = torch.export.load(sys.argv[1]).module(); "
                  "save_file({'labels': program(load_file(sys.argv[2])['pixels'])}, sys.argv[3])")
        subprocess.run([sys.executable, "-I", "-W", "ignore", "-c", script, Path(program).absolute(), source, answer],
                       cwd=folder, check=True, capture_output=True)
        return load_file(answer)["labels"]


def _first_difference(error):
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return (lines[1] if len(lines) > 1 else lines[0] if lines else type(error).__name__)[:120]
