"""torchvision's pretrained weights, fetched into its cache with the same care as the data set."""

import hashlib
from types import SimpleNamespace

import pytest
import torch
from torchvision.models import segmentation

from helpers import fetch, models
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
    name = f"lraspp-{hashlib.sha256(content).hexdigest()[:8]}.pth"
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "hub"))
    with FaultServer({name: content}) as server:
        def served(fault):
            default = SimpleNamespace(DEFAULT=SimpleNamespace(url=server.url(fault, name)))
            monkeypatch.setattr(models, "get_model_weights", lambda _: default)
            server.times.clear()
            return server
        yield served, tmp_path / "hub" / "checkpoints" / name, model.state_dict(), content


def starts_from(model, state):
    return torch.equal(model.state_dict()["backbone.0.0.weight"], state["backbone.0.0.weight"])


def test_torchvisions_weights_are_fetched_once_into_its_cache(weights):
    served, cached, state, content = weights
    server = served("drops")
    assert starts_from(models.create(None, 6, "torchvision"), state) and cached.read_bytes() == content
    assert starts_from(models.create("lraspp_mobilenet_v3_large", 6, "torchvision"), state)
    assert server.times == {f"/drops/{cached.name}": 2}  # the two halves of the first time


def test_weights_put_by_hand_serve_without_a_network_and_corrupt_ones_are_fetched_again(weights):
    served, cached, state, content = weights
    cached.parent.mkdir(parents=True)
    cached.write_bytes(content)
    served("refuses")
    assert starts_from(models.create(None, 6, "torchvision"), state)
    cached.write_bytes(content[:-1] + b"x")
    served("ok")
    assert starts_from(models.create(None, 6, "torchvision"), state) and cached.read_bytes() == content


@pytest.mark.parametrize(
    "fault, reason", [("refuses", "refused"), ("wrong bytes", "wrong bytes"), ("page", "web page")]
)
def test_without_weights_to_be_had_one_line_warns_and_the_start_is_random(weights, fault, reason):
    served, cached, state, _ = weights
    served(fault)
    with pytest.warns(UserWarning, match=f"no pretrained weights .*{reason}.*{cached.name}") as record:
        model = models.create(None, 6, "torchvision")
    assert not starts_from(model, state) and not cached.exists()
    assert len(record) == 1 and "\n" not in str(record[0].message)
