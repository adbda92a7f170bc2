"""Models by name, and their weights files."""

import os
import pickle

import pytest
import torch
import torch.nn.functional as F
from torchvision.models import mobilenet_v2, segmentation

from helpers import models
from helpers.settings import MODELS, SettingsError, load

IMAGES = torch.rand(2, 3, 64, 48)


def test_a_pretrained_backbone_keeps_its_statistics_and_its_first_layers(tmp_path):
    torch.save(mobilenet_v2(weights=None).state_dict(), tmp_path / "v2.pth")
    model = models.create("fpn_mobilenet_v2", 5, tmp_path / "v2.pth").train()
    before = {key: value.clone() for key, value in model.backbone.state_dict().items() if "running" in key}
    model(IMAGES)["out"].mean().backward()
    assert all(torch.equal(value, model.backbone.state_dict()[key]) for key, value in before.items())
    assert model.classifier.training and not model.backbone["0"][0].weight.requires_grad
    assert model.backbone["17"].conv[2].weight.grad is not None
    assert models.create("fpn_mobilenet_v2", 5).train().backbone.training  # a random start has to learn them


def test_half_precision_leaves_strided_depthwise_convolutions_in_float32():
    strided = [layer for layer in models.fpn_mobilenet_v2(5).backbone.modules()
               if isinstance(layer, torch.nn.Conv2d) and layer.groups > 1 and layer.stride == (2, 2)]
    assert len(strided) == 4
    for layer in strided:
        x = torch.rand(1, layer.in_channels, 9, 9).bfloat16()
        expected = F.conv2d(x.float(), layer.weight, None, 2, 1, groups=layer.groups)
        with torch.autocast("cpu", torch.bfloat16):
            assert torch.equal(layer(x), expected)


@pytest.mark.parametrize("name", MODELS)
def test_every_model_gives_logits_of_the_images_size(name):
    model = models.create(name, 5).eval()
    with torch.no_grad():
        assert model(IMAGES)["out"].shape == (2, 5, 64, 48)
    assert models.architecture_of(model.state_dict()) == name
    assert all(module.momentum == 0.1 for module in model.modules() if isinstance(module, torch.nn.BatchNorm2d))


def test_a_classifiers_file_becomes_a_backbone(tmp_path):
    classifier = mobilenet_v2(weights=None)
    torch.save({key: value.half() if value.is_floating_point() else value
                for key, value in classifier.state_dict().items()}, tmp_path / "fp16.pth")
    model = models.create(None, 7, tmp_path / "fp16.pth")
    assert models.architecture_of(model.state_dict()) == "fpn_mobilenet_v2"
    kept = model.state_dict()["backbone.0.0.weight"]
    assert torch.allclose(kept, classifier.state_dict()["features.0.0.weight"], atol=1e-3)
    assert kept.dtype == torch.float32


def test_a_whole_models_file_keeps_all_but_the_final_layers(tmp_path):
    whole = segmentation.lraspp_mobilenet_v3_large(weights=None, weights_backbone=None)
    torch.save(whole.state_dict(), tmp_path / "whole.pth")
    model = models.create(None, 7, tmp_path / "whole.pth")
    before, after = whole.state_dict(), model.state_dict()
    changed = {
        key for key in before if before[key].shape != after[key].shape or not torch.equal(before[key], after[key])
    }
    assert changed == {f"classifier.{branch}_classifier.{kind}" for branch in ("low", "high")
                       for kind in ("weight", "bias")}


class Evil:
    def __reduce__(self):
        return os.system, ("touch evil-was-here",)


@pytest.mark.parametrize("content, message", [
    (b"<html>404</html>", "a state dict"), (b"", "a state dict"), (b"hi\n", "a state dict"),
    (pickle.dumps(Evil()), "a state dict"), ("a list", "a state dict"),
    ({"layer.weight": torch.ones(2)}, "unknown layers")])
def test_a_file_that_is_no_weights_file_is_named_in_one_line(tmp_path, monkeypatch, content, message):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "weights.pth"
    path.write_bytes(content) if isinstance(content, bytes) else torch.save(
        [1, 2] if content == "a list" else content, path)
    with pytest.raises(SettingsError, match=message) as error:
        models.create(None, 6, path)
    assert "\n" not in str(error.value) and not (tmp_path / "evil-was-here").exists()


def test_weights_for_another_architecture_are_named(tmp_path):
    torch.save(mobilenet_v2(weights=None).state_dict(), tmp_path / "v2.pth")
    with pytest.raises(SettingsError, match="expected those of deeplabv3_resnet50, found fpn_mobilenet_v2"):
        models.create("deeplabv3_resnet50", 6, tmp_path / "v2.pth")


def test_parameter_groups_have_each_trainable_parameter_once():
    model = models.create("lraspp_mobilenet_v2", 3)
    model.backbone["0"].requires_grad_(False)
    slow, fast = models.parameter_groups(model, 1.0)
    assert (slow["lr"], fast["lr"]) == (0.1, 1.0)
    listed = [id(parameter) for group in (slow, fast) for parameter in group["params"]]
    assert sorted(listed) == sorted(id(p) for p in model.parameters() if p.requires_grad)
    assert {id(p) for p in model.classifier.parameters()} == {id(p) for p in fast["params"]}


def test_stage_shapes_list_the_image_shrinking():
    shapes = models.stage_shapes(models.create("lraspp_mobilenet_v3_large", 6), IMAGES[:1])
    assert shapes["backbone 0"] == (16, 32, 24) and shapes["head high_classifier"][0] == 6


def test_settings_choose_a_device_that_torch_knows():
    assert torch.zeros(1, device=load().device).device.type == load().device.type
