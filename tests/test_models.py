"""Models by name, their weights files, and how a model travels."""

import json
import os
import pickle

import pytest
import torch
from safetensors.torch import save_file
from torchvision.models import mobilenet_v2, segmentation

from helpers import models
from helpers.settings import MODELS, SettingsError, load

IMAGES = torch.rand(2, 3, 64, 48)


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
    assert models.architecture_of(model.state_dict()) == "lraspp_mobilenet_v2"
    kept = model.state_dict()["backbone.0.0.weight"]
    assert torch.allclose(kept, classifier.state_dict()["features.0.0.weight"], atol=1e-3)
    assert kept.dtype == torch.float32


def test_a_whole_models_file_keeps_all_but_the_final_layers(tmp_path):
    whole = segmentation.lraspp_mobilenet_v3_large(weights=None, weights_backbone=None)
    torch.save(whole.state_dict(), tmp_path / "whole.pth")
    model = models.create(None, 7, tmp_path / "whole.pth")
    before, after = whole.state_dict(), model.state_dict()
    changed = {key for key in before if before[key].shape != after[key].shape or not torch.equal(before[key], after[key])}
    assert changed == {f"classifier.{branch}_classifier.{kind}" for branch in ("low", "high")
                       for kind in ("weight", "bias")}


class Evil:
    def __reduce__(self):
        return os.system, ("touch evil-was-here",)


@pytest.mark.parametrize("content, message", [
    (b"<html>404</html>", "a state dict"), (b"", "a state dict"),
    (pickle.dumps(Evil()), "a state dict"), ("a list", "a state dict"),
    ({"layer.weight": torch.ones(2)}, "no model that the course knows")])
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
    with pytest.raises(SettingsError, match="expected those of deeplabv3_resnet50, found lraspp_mobilenet_v2"):
        models.create("deeplabv3_resnet50", 6, tmp_path / "v2.pth")


def test_a_saved_model_answers_the_same_and_knows_its_classes(tmp_path):
    model = models.create("lraspp_mobilenet_v3_large", 3)
    models.save_model(tmp_path / "model.safetensors", model, ["background", "cat", "dog"], 64)
    restored, card = models.load_model(tmp_path / "model.safetensors")
    assert torch.equal(models.predict(restored, IMAGES), models.predict(model, IMAGES))
    assert card["class_names"] == ["background", "cat", "dog"] and card["preprocessing"]["size"] == 64
    assert os.listdir(tmp_path) == ["model.safetensors"]


@pytest.mark.parametrize("break_it", ["missing", "garbage", "foreign", "half"])
def test_a_broken_model_file_is_named_in_one_line(tmp_path, break_it):
    path = tmp_path / "model.safetensors"
    if break_it == "garbage":
        path.write_bytes(b"\x00" * 100)
    elif break_it == "foreign":
        save_file({"x": torch.ones(1)}, path, {"class_names": json.dumps(["a"]), "preprocessing": "{}", "model": "unet"})
    elif break_it == "half":
        models.save_model(path, models.create("lraspp_mobilenet_v2", 2), ["a", "b"], 64)
        path.write_bytes(path.read_bytes()[:100_000])
    with pytest.raises(SettingsError, match="model file: expected one that notebook 5 wrote") as error:
        models.load_model(path)
    assert "\n" not in str(error.value)


def test_the_exported_program_gives_the_same_answer_elsewhere(tmp_path):
    model = models.create("lraspp_mobilenet_v2", 3)
    pixels = torch.randint(0, 256, (1, 3, 64, 64), dtype=torch.uint8)
    models.export_program(tmp_path / "model.pt2", model, 64)
    elsewhere = models.run_elsewhere(tmp_path / "model.pt2", pixels)
    assert torch.equal(elsewhere, models.Predictor(model).eval()(pixels))
    assert os.listdir(tmp_path) == ["model.pt2"]


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
