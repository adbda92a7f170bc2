"""How a model travels, and what a broken file earns."""

import json
import os

import pytest
import torch
from safetensors.torch import save_file

from helpers import export, models
from helpers.settings import SettingsError

IMAGES = torch.rand(2, 3, 64, 48)


def test_a_saved_model_answers_the_same_and_knows_its_classes(tmp_path):
    model = models.create("lraspp_mobilenet_v3_large", 3)
    export.save_model(tmp_path / "model.safetensors", model, ["background", "cat", "dog"], 64)
    restored, card = export.load_model(tmp_path / "model.safetensors")
    assert torch.equal(models.predict(restored, IMAGES), models.predict(model, IMAGES))
    assert card["class_names"] == ["background", "cat", "dog"] and card["preprocessing"]["size"] == 64
    assert os.listdir(tmp_path) == ["model.safetensors"]


@pytest.mark.parametrize("break_it", ["missing", "garbage", "foreign", "half"])
def test_a_broken_model_file_is_named_in_one_line(tmp_path, break_it):
    path = tmp_path / "model.safetensors"
    if break_it == "garbage":
        path.write_bytes(b"\x00" * 100)
    elif break_it == "foreign":
        save_file(
            {"x": torch.ones(1)}, path, {"class_names": json.dumps(["a"]), "preprocessing": "{}", "model": "unet"}
        )
    elif break_it == "half":
        export.save_model(path, models.create("lraspp_mobilenet_v2", 2), ["a", "b"], 64)
        path.write_bytes(path.read_bytes()[:100_000])
    with pytest.raises(SettingsError, match="model file: this is not the file that notebook 5 saves: ") as error:
        export.load_model(path)
    assert "\n" not in str(error.value)


def test_the_exported_program_gives_the_same_answer_elsewhere(tmp_path):
    model = models.create("lraspp_mobilenet_v2", 3)
    pixels = torch.randint(0, 256, (1, 3, 64, 64), dtype=torch.uint8)
    export.export_program(tmp_path / "model.pt2", model, ["background", "cat", "dog"], 64)
    elsewhere = export.run_elsewhere(tmp_path / "model.pt2", pixels)
    assert torch.equal(elsewhere, export.Predictor(model).eval()(pixels))
    assert os.listdir(tmp_path) == ["model.pt2"]
