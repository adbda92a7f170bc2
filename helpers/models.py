"""Segmentation models from torchvision; reference answers of notebook 3.

Every model maps images Float32[N, 3, H, W] to {"out": logits Float32[N, C, H, W]}.
"""

from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import nn
from torchvision.models import mobilenet_v2, segmentation
from torchvision.models._utils import IntermediateLayerGetter
from torchvision.models.segmentation.lraspp import LRASPP
from torchvision.ops.misc import Conv2dNormActivation

from helpers.settings import MODELS, SettingsError, first_line, show


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


class PyramidHead(nn.Module):
    """Coarse features, enlarged step by step and joined with finer ones; dictionary of features to logits.

    Lin et al., Feature Pyramid Networks, CVPR 2017, with depthwise convolutions; the coarsest level is
    gated by its mean over the image as in LR-ASPP, and sees its surroundings through dilated convolutions (ASPP of
    Chen et al., DeepLab, TPAMI 2018). Its mean also says, for the whole image, how likely each class is (late fusion
    of Liu et al., ParseNet, 2015). `channels` of the features, finest first.
    """

    def __init__(self, channels, num_classes, width=128):
        super().__init__()
        self.lateral = nn.ModuleList(Conv2dNormActivation(c, width, 1, activation_layer=None) for c in channels)
        self.context = nn.ModuleList(nn.Sequential(
            Conv2dNormActivation(channels[-1], width, 1),
            Conv2dNormActivation(width, width, 3, groups=width, dilation=dilation),
            Conv2dNormActivation(width, width, 1, activation_layer=None)) for dilation in (1, 2, 3))
        self.gate = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Conv2d(channels[-1], width, 1), nn.Sigmoid())
        self.smooth = nn.ModuleList(nn.Sequential(Conv2dNormActivation(width, width, 3, groups=width),
                                                  Conv2dNormActivation(width, width, 1, activation_layer=None))
                                    for _ in channels[:-1])
        self.classifier = nn.Sequential(nn.Dropout2d(0.1), nn.Conv2d(width, num_classes, 1))
        self.image_level = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Dropout(0.2),
                                         nn.Conv2d(channels[-1], num_classes, 1))
        nn.init.zeros_(self.image_level[-1].weight)

    def forward(self, features):
        *finer, coarsest = features.values()
        x = self.lateral[-1](coarsest) + sum(branch(coarsest) for branch in self.context)
        x = F.relu(x) * self.gate(coarsest)
        for feature, lateral, smooth in reversed(list(zip(finer, self.lateral, self.smooth))):
            x = F.interpolate(x, feature.shape[-2:], mode="bilinear")
            x = F.relu(x + lateral(feature))
            x = F.relu(x + smooth(x))
        return self.classifier(x) + self.image_level(coarsest)


class PyramidNetwork(nn.Module):
    """A backbone with a PyramidHead; images to {"out": logits} like torchvision's models."""

    def __init__(self, backbone, head, pretrained):
        super().__init__()
        self.backbone, self.classifier, self.pretrained = backbone, head, pretrained

    def forward(self, images):
        logits = self._half_precision_logits(images) if self.training else self._logits(images)
        return {"out": F.interpolate(logits, images.shape[-2:], mode="bilinear")}

    def _logits(self, images):
        logits = self.classifier(self.backbone(images.contiguous(memory_format=torch.channels_last)))
        return logits.contiguous()  # a criterion goes through them class by class

    def _half_precision_logits(self, images):
        """Twice as fast where the processor has bfloat16; elsewhere (T4, MPS) in float32.

        float16 would need a loss scaler in the student's loop; bfloat16 has the range of float32.
        """
        device = images.device
        native = {"cuda": lambda: torch.cuda.get_device_capability(device)[0] >= 8,
                  "cpu": torch.ops.mkldnn._is_mkldnn_bf16_supported}.get(device.type, lambda: False)
        with torch.autocast(device.type, torch.bfloat16, enabled=native()):
            return self._logits(images).float()

    def train(self, mode=True):
        super().train(mode)
        if self.pretrained:
            self.backbone.eval()  # BatchNorm keeps what it learned: small batches would only blur it
        return self


class _StridedDepthwise(nn.Conv2d):
    """Always in float32: in bfloat16, a CPU takes ten times as long for the gradient of this kind of convolution."""

    def forward(self, x):
        if not torch.is_autocast_enabled("cpu"):
            return super().forward(x)
        with torch.autocast("cpu", enabled=False):
            return super().forward(x.float())


def fpn_mobilenet_v2(num_classes, backbone_weights=None):
    """A feature pyramid on MobileNetV2, for little data: with weights, its first layers stay frozen."""
    classifier = mobilenet_v2(weights=None)
    if backbone_weights is not None:
        classifier.load_state_dict(backbone_weights)
        classifier.features[:4].requires_grad_(False)
    for layer in classifier.features.modules():
        if isinstance(layer, nn.Conv2d) and layer.groups > 1 and layer.stride != (1, 1):
            layer.__class__ = _StridedDepthwise
    stages = {"3": 24, "6": 32, "13": 96, "18": 1280}  # layer to channels, at strides 4, 8, 16 and 32
    backbone = IntermediateLayerGetter(classifier.features, {layer: layer for layer in stages})
    head = PyramidHead(list(stages.values()), num_classes)
    return PyramidNetwork(backbone, head, pretrained=backbone_weights is not None)


_FROM_BACKBONE = {"fpn_mobilenet_v2": fpn_mobilenet_v2, "lraspp_mobilenet_v2": lraspp_mobilenet_v2}


def create(name, num_classes, weights=None):
    """A model by its name in `settings.MODELS`, its final layers new.

    `weights` is a file (see `pretrained.start`), or None for a random start. It holds an ImageNet classifier for the
    models on MobileNetV2, a whole segmentation model of that name for the others. With `name` None the file decides.
    Raises SettingsError for another architecture's file.
    """
    if name not in (None, *MODELS):
        raise SettingsError(f"model: expected one of {', '.join(MODELS)}, found {name!r}")
    state = None if weights is None else read_weights(weights)
    fitting = _names_for(state) if state else MODELS
    name = name or (fitting[0] if fitting else "a model of the course")
    if name not in fitting:
        raise SettingsError(
            f"weights: expected those of {name}, found {fitting[0] if fitting else 'unknown layers'} in "
            f"{show(weights)}; name the model that fits with MODEL=, or leave WEIGHTS out"
        )
    try:
        if name in _FROM_BACKBONE:
            model = _FROM_BACKBONE[name](num_classes, state)
        else:
            model = _from_torchvision(name, num_classes, state)
    except RuntimeError as error:
        raise SettingsError(f"weights: expected those of {name}, found others in {show(weights)} "
                            f"({first_line(error, 120)}); download the file again") from None
    raise_momentum(model)
    return model


def _from_torchvision(name, num_classes, state):
    kwargs = {"aux_loss": True} if state and any(key.startswith("aux_classifier") for key in state) else {}
    model = getattr(segmentation, name)(weights=None, weights_backbone=None, **kwargs)
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
        state = (load_file(path) if Path(path).suffix == ".safetensors" else
                 torch.load(path, map_location="cpu", weights_only=True))
        state = {key: value.float() if value.is_floating_point() else value for key, value in state.items()}
    except Exception:  # an unpickler that reads garbage may end in any exception
        raise SettingsError(f"weights: expected a file of named tensors (a state dict), found something else in "
                            f"{show(path)}; download it again, or leave WEIGHTS out") from None
    return state


# Layers by which a state dict is told apart
_SIGNS = {"fpn_mobilenet_v2": {"classifier.gate.1.weight", "backbone.17.conv.0.0.weight"},
          "lraspp_mobilenet_v2": {"classifier.low_classifier.weight", "backbone.17.conv.0.0.weight"},
          "lraspp_mobilenet_v3_large": {"classifier.low_classifier.weight", "backbone.16.0.weight"},
          "deeplabv3_mobilenet_v3_large": {"classifier.4.weight", "backbone.16.0.weight"},
          "deeplabv3_resnet50": {"classifier.4.weight", "backbone.layer4.2.conv3.weight"}}
_MOBILENET_V2 = {"features.17.conv.0.0.weight", "features.18.0.weight"}  # of the classifier


def architecture_of(state):
    """The name in `settings.MODELS` of the whole model that a state dict belongs to, or None."""
    return next((name for name, layers in _SIGNS.items() if layers <= state.keys()), None)


def _names_for(state):
    """The names of the models that a weights file serves."""
    if _MOBILENET_V2 <= state.keys():
        return tuple(_FROM_BACKBONE)
    name = architecture_of(state)
    return (name,) if name and name not in _FROM_BACKBONE else ()
