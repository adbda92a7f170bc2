"""The ONNX file gives PyTorch's answers, describes itself, and is read with suspicion."""

import json

import numpy as np
import onnx
import pytest
import torch
from onnx import helper

from helpers import notebook, onnx_model, settings
from helpers.models import predict
from helpers.settings import MEAN, STD, SettingsError
from tests.support.demo_page import NAMES, PALETTE, SIZE

pytestmark = pytest.mark.xdist_group("onnx")


@pytest.fixture(scope="module")
def files(exported, tmp_path_factory):
    """The model, its ONNX file, and the 8 bit version of that."""
    model, path = exported
    small = tmp_path_factory.mktemp("small") / "model-int8.onnx"
    onnx_model.quantize(path, small, [(torch.rand(3, SIZE, SIZE), None)])
    return model, path, small


def test_the_file_gives_pytorchs_logits_and_labels(files):
    model, path, _ = files
    exported, _ = onnx_model.load(path)
    images = torch.randn(3, 3, SIZE, SIZE)
    with torch.no_grad():
        assert torch.allclose(exported(images)["out"], model(images)["out"], atol=1e-3, rtol=1e-3)
    assert onnx_model.differences(model, exported, [(image, None) for image in images])[2] == 0
    assert predict(exported, images).shape == (3, SIZE, SIZE)


def test_one_file_says_how_a_picture_must_be_prepared_and_nothing_of_this_machine(files):
    for path in files[1:]:
        card = onnx_model.load(path)[1]
        assert card["class_names"] == list(NAMES) and card["palette"] == [list(colour) for colour in PALETTE]
        assert card["preprocessing"] == {"size": SIZE, "mean": list(MEAN), "std": list(STD)}
        assert f"resized to {SIZE} pixels" in card["input"]
        content = path.read_bytes()
        assert str(settings.ROOT).encode() not in content and b"site-packages" not in content
        assert [other.name for other in path.parent.iterdir()] == [path.name]


def test_eight_bits_take_a_quarter_of_the_bytes_and_mean_the_same(files):
    model, path, small = files
    assert small.stat().st_size < 0.3 * path.stat().st_size
    image = torch.rand(3, SIZE, SIZE)
    ours, theirs = (predict(one, image[None]) for one in (model, onnx_model.load(small)[0]))
    assert (ours == theirs).float().mean() > 0.5


def test_differences_are_counted_and_ties_are_told_apart():
    class Fixed(torch.nn.Module):
        def __init__(self, logits):
            super().__init__()
            self.logits = torch.nn.Parameter(torch.tensor(logits)[:, None, :])  # Float32[C, 1, W]

        def forward(self, images):
            return {"out": self.logits[None]}
    ours = Fixed([[0.0, 1.0, 0.0], [0.0005, 0.0, 5.0]])
    theirs = Fixed([[0.0005, 0.0, 0.0], [0.0, 1.0, 5.0]])
    assert onnx_model.differences(ours, theirs, [(torch.zeros(3, 1, 3), None)]) == (0, 2, 1)
    assert onnx_model.differences(ours, ours, [(torch.zeros(3, 1, 3), None)] * 2) == (2, 0, 0)


def test_saving_leaves_the_model_as_it_was(files):
    assert not files[0].training and next(files[0].parameters()).device.type == "cpu"


def test_without_a_network_or_in_grading_the_section_is_left_out(monkeypatch, capsys):
    monkeypatch.setattr(notebook, "found", lambda name: None if name == "onnxscript" else "1")
    asked = []
    monkeypatch.setattr(notebook, "install", asked.extend)
    assert onnx_model.ready() is False and asked == ["onnxscript"]
    assert "onnxscript cannot be fetched without a network" in capsys.readouterr().out
    monkeypatch.setenv("COURSE_GRADING", "1")
    assert onnx_model.ready() is False and capsys.readouterr().out == ""


def tiny(metadata, shape=(1, 2, SIZE, SIZE)):
    """The bytes of an ONNX file with one layer."""
    weight = helper.make_tensor("weight", onnx.TensorProto.FLOAT, (shape[1], 3, 1, 1), np.ones(3 * shape[1]))
    graph = helper.make_graph(
        [helper.make_node("Conv", ["image", "weight"], ["logits"])], "tiny",
        [helper.make_tensor_value_info("image", onnx.TensorProto.FLOAT, (1, 3, *shape[2:]))],
        [helper.make_tensor_value_info("logits", onnx.TensorProto.FLOAT, shape)], [weight])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    for key, value in metadata.items():
        model.metadata_props.add(key=key, value=value)
    return model.SerializeToString()


CARD = {"class_names": json.dumps(["background", "cat"]), "palette": "[[0, 0, 0], [1, 2, 3]]",
        "preprocessing": json.dumps({"size": SIZE, "mean": MEAN, "std": STD})}


def test_a_small_file_of_another_program_will_do(tmp_path):
    path = tmp_path / "model.onnx"
    path.write_bytes(tiny(CARD))
    model, card = onnx_model.load(path)
    assert card["class_names"] == ["background", "cat"]
    assert torch.allclose(model(torch.ones(1, 3, SIZE, SIZE))["out"], torch.tensor(3.0))


@pytest.mark.parametrize("content", [
    b"", b"garbage", tiny({}), tiny(CARD | {"class_names": "["}), tiny(CARD | {"class_names": '["a", "b", "c"]'}),
    tiny(CARD | {"palette": "[[0, 0, 0]]"}), tiny({key: CARD[key] for key in ("class_names", "preprocessing")}),
    tiny(CARD, (1, 2, 32, 32)), tiny(CARD)[:-200]])
def test_a_file_that_is_none_is_one_line(tmp_path, content):
    path = tmp_path / "model.onnx"
    path.write_bytes(content)
    with pytest.raises(SettingsError, match="model file: expected an ONNX file that notebook 5 wrote") as error:
        onnx_model.load(path)
    assert "\n" not in str(error.value)
