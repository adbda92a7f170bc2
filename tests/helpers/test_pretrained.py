"""Pretrained weights: torchvision's, fetched into its cache with care, and the course's own, which need no network."""

import hashlib
import re
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
from torchvision.models import segmentation

from helpers import fetch, models, pretrained, settings, shapes
from tests.support.fault_server import FaultServer


@pytest.fixture(autouse=True)
def short_patience(monkeypatch):
    monkeypatch.setattr(fetch, "PATIENCE", fetch.Patience(attempts=3, first_wait=0.01, longest_wait=2, stall=20))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.fixture
def weights(tmp_path, monkeypatch):
    """torchvision's weights as a server of ours has them: the server, the cache, a state dict and its bytes."""
    torch.manual_seed(0)
    model = segmentation.lraspp_mobilenet_v3_large(weights=None, weights_backbone=None)
    torch.save(model.state_dict(), tmp_path / "weights")
    content = (tmp_path / "weights").read_bytes()
    monkeypatch.setattr(pretrained, "_missing", set())
    name = f"lraspp-{hashlib.sha256(content).hexdigest()[:8]}.pth"
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "hub"))
    with FaultServer({name: content}) as server:
        def served(fault):
            default = SimpleNamespace(DEFAULT=SimpleNamespace(url=server.url(fault, name)))
            monkeypatch.setattr(pretrained, "get_model_weights", lambda _: default)
            server.times.clear()
            return server
        yield served, tmp_path / "hub" / "checkpoints" / name, model.state_dict(), content


CONFIG = replace(settings.load(), dataset="voc", weights=None, model=None)


def starts_from(file, state):
    return torch.equal(models.create(None, 6, file).state_dict()["backbone.0.0.weight"], state["backbone.0.0.weight"])


def test_torchvisions_weights_are_fetched_once_into_its_cache(weights):
    served, cached, state, content = weights
    server = served("drops")
    assert starts_from(pretrained.start(CONFIG), state) and cached.read_bytes() == content
    assert starts_from(pretrained.start(replace(CONFIG, model="lraspp_mobilenet_v3_large")), state)
    assert server.times == {f"/drops/{cached.name}": 2}  # the two halves of the first time
    assert pretrained.weights(CONFIG) is segmentation.LRASPP_MobileNet_V3_Large_Weights.DEFAULT


def test_weights_put_by_hand_serve_without_a_network_and_corrupt_ones_are_fetched_again(weights):
    served, cached, state, content = weights
    cached.parent.mkdir(parents=True)
    cached.write_bytes(content)
    served("refuses")
    assert starts_from(pretrained.start(CONFIG), state)
    cached.write_bytes(content[:-1] + b"x")
    served("ok")
    assert starts_from(pretrained.start(CONFIG), state) and cached.read_bytes() == content


@pytest.mark.parametrize(
    "fault, reason", [("refuses", "refused"), ("wrong bytes", "wrong bytes"), ("page", "web page")]
)
def test_without_weights_to_be_had_one_line_warns_and_the_courses_own_have_to_do(weights, capsys, fault, reason):
    served, cached, _, _ = weights
    server = served(fault)
    assert pretrained.start(CONFIG) == pretrained.GLYPHS and not cached.exists()
    line = capsys.readouterr().out.splitlines()[-1]
    assert re.fullmatch(f"Warning: .*weights can't be had .*{reason}.*the course's own.*{cached.name} into .*", line)
    asked = sum(server.times.values())
    assert pretrained.start(CONFIG) == pretrained.GLYPHS  # the next cell neither waits nor reads it again
    assert sum(server.times.values()) == asked and capsys.readouterr().out == ""
    assert pretrained.start(replace(CONFIG, model="deeplabv3_resnet50")) is None
    assert "starts from random numbers" in capsys.readouterr().out


def test_weights_put_there_after_the_line_are_used(weights):
    served, cached, state, content = weights
    served("refuses")
    assert pretrained.start(CONFIG) == pretrained.GLYPHS
    cached.parent.mkdir(parents=True, exist_ok=True)
    cached.write_bytes(content)
    assert starts_from(pretrained.start(CONFIG), state)


def test_shapes_starts_from_the_courses_own_weights_without_asking_anybody(monkeypatch, tmp_path):
    monkeypatch.setattr(fetch, "fetch", None)
    config = replace(CONFIG, dataset="shapes")
    assert pretrained.start(config) == pretrained.GLYPHS
    assert pretrained.start(replace(config, model="deeplabv3_mobilenet_v3_large")) is None
    assert pretrained.start(replace(config, weights=tmp_path)) == tmp_path
    entry = pretrained.weights(config)
    assert pretrained.weights(replace(config, model="fpn_mobilenet_v2", weights=tmp_path)) is entry
    model = segmentation.lraspp_mobilenet_v3_large(weights=entry, weights_backbone=None)  # as torchvision takes its own
    assert starts_from(pretrained.GLYPHS, model.state_dict())
    assert len(entry.meta["categories"]) == 21 and not set(entry.meta["categories"][1:]) & set(shapes.CLASS_NAMES)
    assert entry.transforms()(torch.rand(3, 64, 64)).shape == (3, 128, 128)
    with pytest.raises(ValueError, match="21"):
        segmentation.lraspp_mobilenet_v3_large(weights=entry, weights_backbone=None, num_classes=6)


def test_the_card_is_that_of_the_file_and_tells_what_it_was_made_of():
    card, content = pretrained.card(), pretrained.GLYPHS.read_bytes()
    assert card["sha256"] == hashlib.sha256(content).hexdigest() and card["bytes"] == len(content) <= 7_000_000
    assert card["training"]["seconds"] <= 3600 and card["mean_iou"] > 0.5
    assert card["data"]["training seeds"][1] == 5000 and len(card["classes"]) >= 20


def test_the_stored_curves_are_those_of_the_recipe():
    curves, recipe = pretrained.curves(), settings.RECIPES["shapes"]
    assert (curves["size"], tuple(curves["small"]), curves["epochs"]) == (recipe.size, recipe.small, recipe.epochs)
    assert len(curves["pretrained"]) == len(curves["random"]) == 5
    assert all(len(curve) == recipe.epochs for curve in curves["pretrained"] + curves["random"])
    assert min(curve[-1] for curve in curves["pretrained"]) > max(curve[-1] for curve in curves["random"])
