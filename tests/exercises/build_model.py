"""Answers to exercise 3.1, wrong and right."""

import copy

import torch
import torch.nn.functional as F
from torch import nn
from torchvision.models import get_model, mobilenet_v3_large, segmentation
from torchvision.models.segmentation import LRASPP_MobileNet_V3_Large_Weights, lraspp_mobilenet_v3_large
from torchvision.models.segmentation.lraspp import LRASPP, LRASPPHead

from tests.exercises.bank import right, wrong


def replaced(model, num_classes):
    """`model` with both final layers new, as it should be."""
    model.classifier.low_classifier = nn.Conv2d(40, num_classes, 1)
    model.classifier.high_classifier = nn.Conv2d(128, num_classes, 1)
    return model


@wrong("head_not_replaced")
def build_model(num_classes, weights=None):
    return lraspp_mobilenet_v3_large(weights=weights)


@wrong("only_one_classifier")
def build_model(num_classes, weights=None):
    model = lraspp_mobilenet_v3_large(weights=weights)
    model.classifier.high_classifier = nn.Conv2d(128, num_classes, 1)
    return model


@wrong("only_one_classifier")
def build_model(num_classes, weights=None):
    model = lraspp_mobilenet_v3_large(weights=weights)
    model.classifier.low_classifier = nn.Conv2d(40, num_classes, 1)
    return model


@wrong("attribute_edited")
def build_model(num_classes, weights=None):
    model = lraspp_mobilenet_v3_large(weights=weights)
    model.classifier.low_classifier.out_channels = num_classes
    model.classifier.high_classifier.out_channels = num_classes
    return model


@wrong("unused_layer")
def build_model(num_classes, weights=None):
    model = lraspp_mobilenet_v3_large(weights=weights)
    model.fc = nn.Linear(128, num_classes)
    return model


@wrong("unused_layer")
def build_model(num_classes, weights=None):
    model = lraspp_mobilenet_v3_large(weights=weights)
    model.classifier.low = nn.Conv2d(40, num_classes, 1)
    model.classifier.high = nn.Conv2d(128, num_classes, 1)
    return model


@wrong("num_classes_with_weights")
def build_model(num_classes, weights=None):
    return lraspp_mobilenet_v3_large(weights=weights, num_classes=num_classes)


@wrong("weights_dropped")
def build_model(num_classes, weights=None):
    return lraspp_mobilenet_v3_large(num_classes=num_classes)


@wrong("weights_dropped")
def build_model(num_classes, weights=None):
    return replaced(lraspp_mobilenet_v3_large(weights=None, weights_backbone=None), num_classes)


@wrong("weights_dropped")
def build_model(num_classes, weights=None):
    if weights is not None:
        weights.get_state_dict(progress=False)  # fetched, never loaded
    return lraspp_mobilenet_v3_large(weights_backbone=None, num_classes=num_classes)


@wrong("always_pretrained")
def build_model(num_classes, weights=None):
    model = lraspp_mobilenet_v3_large(weights=LRASPP_MobileNet_V3_Large_Weights.DEFAULT)
    return replaced(model, num_classes)


@wrong("backbone_reinitialised")
def build_model(num_classes, weights=None):
    model = replaced(lraspp_mobilenet_v3_large(weights=weights, weights_backbone=None), num_classes)
    for module in model.backbone.modules():
        if hasattr(module, "reset_parameters"):
            module.reset_parameters()
    return model


@wrong("backbone_reinitialised")
def build_model(num_classes, weights=None):
    model = replaced(lraspp_mobilenet_v3_large(weights=weights, weights_backbone=None), num_classes)
    model.backbone = lraspp_mobilenet_v3_large(weights_backbone=None).backbone
    return model


@wrong("whole_head_new")
def build_model(num_classes, weights=None):
    model = lraspp_mobilenet_v3_large(weights=weights, weights_backbone=None)
    model.classifier = LRASPPHead(40, 960, num_classes, 128)
    return model


@wrong("weights_dropped")
def build_model(num_classes, weights=None):
    model = replaced(lraspp_mobilenet_v3_large(weights=weights, weights_backbone=None), num_classes)
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight)
        elif isinstance(module, nn.BatchNorm2d):
            module.reset_parameters()
    return model


@wrong("weights_changed")
def build_model(num_classes, weights=None):
    model = replaced(lraspp_mobilenet_v3_large(weights=weights, weights_backbone=None), num_classes)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.reset_running_stats()
    return model


@wrong("kept_at_21")
def build_model(num_classes, weights=None):
    model = lraspp_mobilenet_v3_large(weights=weights, weights_backbone=None)
    return model if num_classes == 21 else replaced(model, num_classes)


@wrong("old_rows_kept")
def build_model(num_classes, weights=None):
    model = lraspp_mobilenet_v3_large(weights=weights, weights_backbone=None)
    for name in ("low_classifier", "high_classifier"):
        old = getattr(model.classifier, name)
        new = nn.Conv2d(old.in_channels, num_classes, 1)
        new.weight.data, new.bias.data = old.weight.data[:num_classes].clone(), old.bias.data[:num_classes].clone()
        setattr(model.classifier, name, new)
    return model


@wrong("off_by_one")
def build_model(num_classes, weights=None):
    return replaced(lraspp_mobilenet_v3_large(weights=weights, weights_backbone=None), num_classes + 1)


@wrong("off_by_one")
def build_model(num_classes, weights=None):
    return replaced(lraspp_mobilenet_v3_large(weights=weights, weights_backbone=None), num_classes - 1)


class _Softmax(LRASPP):
    def forward(self, images):
        return {"out": super().forward(images)["out"].softmax(1)}


@wrong("softmax")
def build_model(num_classes, weights=None):
    model = replaced(lraspp_mobilenet_v3_large(weights=weights, weights_backbone=None), num_classes)
    model.__class__ = _Softmax
    return model


@wrong("softmax")
def build_model(num_classes, weights=None):
    model = replaced(lraspp_mobilenet_v3_large(weights=weights, weights_backbone=None), num_classes)
    model.register_forward_hook(lambda module, inputs, output: {"out": F.log_softmax(output["out"], 1)})
    return model


@wrong("sigmoid")
def build_model(num_classes, weights=None):
    model = replaced(lraspp_mobilenet_v3_large(weights=weights, weights_backbone=None), num_classes)
    model.register_forward_hook(lambda module, inputs, output: {"out": output["out"].sigmoid()})
    return model


@wrong("no_out")
def build_model(num_classes, weights=None):
    model = replaced(lraspp_mobilenet_v3_large(weights=weights, weights_backbone=None), num_classes)
    return nn.Sequential(model.backbone, model.classifier)


@wrong("no_out")
def build_model(num_classes, weights=None):
    model = replaced(lraspp_mobilenet_v3_large(weights=weights, weights_backbone=None), num_classes)
    model.register_forward_hook(lambda module, inputs, output: output["out"])
    return model


@wrong("another_model")
def build_model(num_classes, weights=None):
    return segmentation.deeplabv3_mobilenet_v3_large(weights=None, weights_backbone=None, num_classes=num_classes)


@wrong("another_model")
def build_model(num_classes, weights=None):
    return mobilenet_v3_large(num_classes=num_classes)


@wrong("frozen_head")
def build_model(num_classes, weights=None):
    model = replaced(lraspp_mobilenet_v3_large(weights=weights, weights_backbone=None), num_classes)
    return model.requires_grad_(False)


@wrong("num_classes_ignored")
def build_model(num_classes, weights=None):
    return replaced(lraspp_mobilenet_v3_large(weights=weights, weights_backbone=None), 6)


@wrong("returns_none")
def build_model(num_classes, weights=None):
    model = replaced(lraspp_mobilenet_v3_large(weights=weights, weights_backbone=None), num_classes)
    model.eval()


@wrong("raised")
def build_model(num_classes, weights=None):
    model = lraspp_mobilenet_v3_large(weights=weights, weights_backbone=None)
    model.classifier[-1] = nn.Conv2d(128, num_classes, 1)
    return model


@wrong("wrong_channels")
def build_model(num_classes, weights=None):
    model = lraspp_mobilenet_v3_large(weights=weights, weights_backbone=None)
    model.classifier.low_classifier = nn.Conv2d(128, num_classes, 1)
    model.classifier.high_classifier = nn.Conv2d(40, num_classes, 1)
    return model


@wrong("not_attempted")
def build_model(num_classes, weights=None):
    raise NotImplementedError("Exercise 3.1: two new final layers")


@wrong("whole_head_new")
def build_model(num_classes, weights=None):
    model = lraspp_mobilenet_v3_large(weights=weights, weights_backbone=None)
    model.classifier = nn.Linear(960, num_classes)
    return model


@wrong("whole_head_new")
def build_model(num_classes, weights=None):
    model = lraspp_mobilenet_v3_large(weights=weights, weights_backbone=None)
    model.classifier = nn.Conv2d(960, num_classes, 1)
    return model


@wrong("whole_head_new")
def build_model(num_classes, weights=None):
    model = lraspp_mobilenet_v3_large(weights=weights, weights_backbone=None)
    model.classifier = nn.Sequential(nn.Conv2d(960, 128, 1), nn.ReLU(), nn.Conv2d(128, num_classes, 1))
    return model


@wrong("linear_layer")
def build_model(num_classes, weights=None):
    model = lraspp_mobilenet_v3_large(weights=weights, weights_backbone=None)
    model.classifier.low_classifier = nn.Linear(40, num_classes)
    model.classifier.high_classifier = nn.Linear(128, num_classes)
    return model


@wrong("wrapped")
def build_model(num_classes, weights=None):
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.net = lraspp_mobilenet_v3_large(weights=weights, weights_backbone=None)
            self.net.classifier.low_classifier = nn.Conv2d(40, num_classes, 1)
            self.net.classifier.high_classifier = nn.Conv2d(128, num_classes, 1)

        def forward(self, x):
            return self.net(x)
    return Net()


@wrong("other_layers")
def build_model(num_classes, weights=None):
    model = lraspp_mobilenet_v3_large(weights=weights, weights_backbone=None)
    model.classifier.low_classifier = nn.Conv2d(40, num_classes, 3, padding=1)
    model.classifier.high_classifier = nn.Conv2d(128, num_classes, 3, padding=1)
    return model


@wrong("other_layers")
def build_model(num_classes, weights=None):
    model = lraspp_mobilenet_v3_large(weights=weights, weights_backbone=None)
    model.classifier.low_classifier = nn.Sequential(nn.Conv2d(40, 32, 1), nn.ReLU(), nn.Conv2d(32, num_classes, 1))
    model.classifier.high_classifier = nn.Sequential(nn.Conv2d(128, 64, 1), nn.ReLU(), nn.Conv2d(64, num_classes, 1))
    return model


@wrong("head_not_replaced")
def build_model(num_classes, weights=None):
    return lraspp_mobilenet_v3_large(weights=weights, weights_backbone=None)


@wrong("unused_layer")
def build_model(num_classes, weights=None):
    model = lraspp_mobilenet_v3_large(weights=weights, weights_backbone=None)
    model.low_classifier = nn.Conv2d(40, num_classes, 1)
    model.high_classifier = nn.Conv2d(128, num_classes, 1)
    return model


@wrong("frozen_head")
def build_model(num_classes, weights=None):
    model = lraspp_mobilenet_v3_large(weights=weights, weights_backbone=None)
    model.classifier.low_classifier = nn.Conv2d(40, num_classes, 1)
    model.classifier.high_classifier = nn.Conv2d(128, num_classes, 1)
    for p in model.parameters():
        p.requires_grad = False
    return model


@wrong("wrong_channels")
def build_model(num_classes, weights=None):
    model = lraspp_mobilenet_v3_large(weights=weights, weights_backbone=None)
    model.classifier.low_classifier = nn.Conv2d(40, num_classes, 1)
    model.classifier.high_classifier = nn.Conv2d(128, num_classes, 1)
    return model.half()


@wrong("no_out")
def build_model(num_classes, weights=None):
    model = lraspp_mobilenet_v3_large(weights=weights, weights_backbone=None)
    model.classifier.low_classifier = nn.Conv2d(40, num_classes, 1)
    model.classifier.high_classifier = nn.Conv2d(128, num_classes, 1)
    return model.classifier


@wrong("always_pretrained")
def build_model(num_classes, weights=None):
    model = lraspp_mobilenet_v3_large(weights="DEFAULT", weights_backbone=None)
    model.classifier.low_classifier = nn.Conv2d(40, num_classes, 1)
    model.classifier.high_classifier = nn.Conv2d(128, num_classes, 1)
    return model


@wrong("weights_dropped")
def build_model(num_classes, weights=None):
    model = lraspp_mobilenet_v3_large(weights=None, weights_backbone="DEFAULT")
    model.classifier.low_classifier = nn.Conv2d(40, num_classes, 1)
    model.classifier.high_classifier = nn.Conv2d(128, num_classes, 1)
    return model


@wrong("weights_changed")
def build_model(num_classes, weights=None):
    model = lraspp_mobilenet_v3_large(weights=weights, weights_backbone=None)
    model.classifier.low_classifier = nn.Conv2d(40, num_classes, 1)
    model.classifier.high_classifier = nn.Conv2d(128, num_classes, 1)
    model.classifier.cbr = nn.Sequential(nn.Conv2d(960, 128, 1, bias=False), nn.BatchNorm2d(128), nn.ReLU())
    return model


@wrong("old_rows_kept")
def build_model(num_classes, weights=None):
    model = lraspp_mobilenet_v3_large(weights=weights, weights_backbone=None)
    c = model.classifier
    for layer in (c.low_classifier, c.high_classifier):
        layer.weight = nn.Parameter(layer.weight[:num_classes].detach().clone())
        layer.bias = nn.Parameter(layer.bias[:num_classes].detach().clone())
    return model


@wrong("kept_at_21")
def build_model(num_classes, weights=None):
    model = lraspp_mobilenet_v3_large(weights=weights, weights_backbone=None)
    if num_classes != 21:
        model.classifier.low_classifier = nn.Conv2d(40, num_classes, 1)
        model.classifier.high_classifier = nn.Conv2d(128, num_classes, 1)
    return model


@wrong("off_by_one")
def build_model(num_classes, weights=None):
    model = lraspp_mobilenet_v3_large(weights=weights, weights_backbone=None)
    model.classifier.low_classifier = nn.Conv2d(40, num_classes + 1, 1)
    model.classifier.high_classifier = nn.Conv2d(128, num_classes + 1, 1)
    return model


@right("two new convolutions")
def build_model(num_classes, weights=None):
    return replaced(lraspp_mobilenet_v3_large(weights=weights, weights_backbone=None), num_classes)


@wrong("fetches_backbone")
def build_model(num_classes, weights=None):
    model = segmentation.lraspp_mobilenet_v3_large(weights=weights)
    for name in ("low_classifier", "high_classifier"):
        old = getattr(model.classifier, name)
        setattr(model.classifier, name, nn.Conv2d(old.in_channels, num_classes, kernel_size=old.kernel_size))
    return model.eval()


@right("by the state dict, not strict")
def build_model(num_classes, weights=None):
    model = get_model("lraspp_mobilenet_v3_large", weights=None, weights_backbone=None, num_classes=num_classes)
    if weights is not None:
        state = weights.get_state_dict(progress=True, check_hash=True)
        kept = {key: value for key, value in state.items() if "low_classifier" not in key and "high_class" not in key}
        print(model.load_state_dict(kept, strict=False))
    return model


@right("by the address, into a head without bias, weights spread by hand")
def build_model(num_classes, weights=None):
    model = lraspp_mobilenet_v3_large(weights_backbone=None)
    if weights:
        model.load_state_dict(torch.hub.load_state_dict_from_url(weights.url, progress=False))
    head = model.classifier
    head.low_classifier = nn.Conv2d(40, num_classes, 1, bias=False)
    head.high_classifier = nn.Sequential(nn.Dropout(0.1), nn.Conv2d(128, num_classes, 1))
    nn.init.normal_(head.low_classifier.weight, std=0.01)
    return model


@right("a frozen backbone, a subclass")
def build_model(num_classes, weights=None):
    class Student(LRASPP):
        pass
    model = replaced(lraspp_mobilenet_v3_large(weights=weights, weights_backbone=None), num_classes)
    model.__class__ = Student
    for parameter in model.backbone.parameters():
        parameter.requires_grad = False
    return model


@right("layers that start at zero")
def build_model(num_classes, weights=None):
    model = replaced(lraspp_mobilenet_v3_large(weights=weights, weights_backbone=None), num_classes)
    for layer in (model.classifier.low_classifier, model.classifier.high_classifier):
        nn.init.zeros_(layer.weight)
        nn.init.zeros_(layer.bias)
    return model


@right("setattr in a loop")
def build_model(num_classes: int, weights=None) -> nn.Module:
    model = segmentation.lraspp_mobilenet_v3_large(weights=weights, weights_backbone=None)
    for name in ("low_classifier", "high_classifier"):
        old = getattr(model.classifier, name)
        setattr(model.classifier, name, type(old)(old.in_channels, num_classes, old.kernel_size, bias=True))
    return model


@right("early return without weights")
def build_model(num_classes, weights=None):
    if weights is None:
        return lraspp_mobilenet_v3_large(weights=None, weights_backbone=None, num_classes=num_classes)
    model = lraspp_mobilenet_v3_large(weights=weights, progress=False)
    model.classifier.low_classifier = nn.Conv2d(40, num_classes, kernel_size=(1, 1), stride=(1, 1))
    model.classifier.high_classifier = nn.Conv2d(128, num_classes, kernel_size=(1, 1), stride=(1, 1))
    return model


@right("a new head that takes the old inner layers")
def build_model(num_classes, weights=None):
    model = lraspp_mobilenet_v3_large(weights=weights, weights_backbone=None)
    head = LRASPPHead(40, 960, num_classes, 128)
    head.cbr, head.scale = model.classifier.cbr, model.classifier.scale
    model.classifier = head
    return model


@right("named modules, set_submodule")
def build_model(num_classes, weights=None):
    model = lraspp_mobilenet_v3_large(weights=weights, weights_backbone=None)
    finals = [(n, m) for n, m in model.named_modules() if isinstance(m, nn.Conv2d) and m.out_channels == 21]
    for name, old in finals:
        parent, _, child = name.rpartition(".")
        model.get_submodule(parent).register_module(child, nn.Conv2d(old.in_channels, num_classes, 1))
    print(len(finals), "layers replaced")
    return model


@right("a helper, Xavier, train mode")
def build_model(num_classes, weights=None):
    def fresh(old):
        new = nn.Conv2d(old.in_channels, num_classes, old.kernel_size)
        nn.init.xavier_uniform_(new.weight)
        nn.init.zeros_(new.bias)
        return new
    model = lraspp_mobilenet_v3_large(weights=weights, weights_backbone=None)
    model.classifier.low_classifier = fresh(model.classifier.low_classifier)
    model.classifier.high_classifier = fresh(model.classifier.high_classifier)
    return model.train()


@right("seeded, deep copy")
def build_model(num_classes, weights=None):
    torch.manual_seed(0)
    model = copy.deepcopy(lraspp_mobilenet_v3_large(weights=weights, weights_backbone=None))
    c = model.classifier
    c.low_classifier, c.high_classifier = nn.Conv2d(40, num_classes, 1), nn.Conv2d(128, num_classes, 1)
    return model


@right("verify the weights; the classifier's modules by dictionary")
def build_model(num_classes, weights=None):
    weights = LRASPP_MobileNet_V3_Large_Weights.verify(weights)
    model = lraspp_mobilenet_v3_large(weights=weights, weights_backbone=None)
    for name, layer in list(model.classifier.named_children()):
        if name.endswith("_classifier"):
            model.classifier._modules[name] = nn.Conv2d(layer.in_channels, num_classes, 1)
    return model
