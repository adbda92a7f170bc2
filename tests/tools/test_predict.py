"""The way back: label maps become labelme's polygons, which give the same label maps again."""

import json

import numpy as np
import pytest
import torch
from PIL import Image

from helpers import export, models
from tests.tools.photographs import as_json, photograph
from tools import predict
from tools.annotations import devkit, labelme, regions

NAMES = ("background", "leaf", "worm", "stone")


def scene():
    """A ring with an island in its hole, a disc within a disc, a thing at the edge and a speck."""
    y, x = np.mgrid[:300, :400]
    labels = np.zeros((300, 400), np.uint8)
    for value, radius in ((1, 110), (0, 60), (2, 30)):
        labels[(y - 150) ** 2 + (x - 150) ** 2 < radius ** 2] = value
    for value, radius in ((2, 60), (1, 30)):
        labels[(y - 100) ** 2 + (x - 330) ** 2 < radius ** 2] = value
    labels[270:, 350:] = 3
    labels[5, 5] = 3
    return labels


def drawn(record, size):
    sample = regions.Sample("a", None, size, [labelme.region(shape) for shape in record["shapes"]], "a")
    return devkit.draw(sample, NAMES, size)


def test_a_label_map_comes_back_as_it_was_holes_and_islands_too():
    labels = scene()
    again = drawn(predict.as_labelme(labels, NAMES, "a.jpg", (400, 300)), (400, 300))
    for value in range(4):
        ours, theirs = again == value, labels == value
        assert (ours & theirs).sum() > 0.97 * (ours | theirs).sum()
    assert again[5, 5] == 0  # a speck is nothing to correct by hand


def test_outlines_have_few_points_and_are_enlarged_to_the_photograph():
    record = predict.as_labelme(scene(), NAMES, "a.jpg", (4000, 3000))
    assert all(len(shape["points"]) < 60 for shape in record["shapes"])
    assert drawn(record, (4000, 3000))[1500, 600] == 1


def test_the_fields_are_those_that_labelme_insists_on():
    """As `_load_shape_json_obj` and `LabelFile.load` of labelme 6.3 read them."""
    record = json.loads(json.dumps(predict.as_labelme(scene(), NAMES, "a.jpg", (400, 300))))
    assert {"version", "imageData", "imagePath", "shapes", "flags", "imageHeight", "imageWidth"} == record.keys()
    assert record["imagePath"] == "a.jpg" and record["imageData"] is None and record["flags"] == {}
    for shape in record["shapes"]:
        assert isinstance(shape["label"], str) and shape["shape_type"] == "polygon" and shape["group_id"] is None
        assert shape["flags"] == {} and shape["mask"] is None and shape["description"] == ""
        assert len(shape["points"]) > 2
        assert all(isinstance(value, float) for x, y in shape["points"] for value in (x, y))


def test_an_empty_label_map_gives_no_shapes():
    assert predict.as_labelme(np.zeros((30, 40), np.uint8), NAMES, "a.jpg", (40, 30))["shapes"] == []


@pytest.fixture
def model_file(tmp_path):
    torch.manual_seed(0)
    path = tmp_path / "model.safetensors"
    export.save_model(path, models.create("lraspp_mobilenet_v3_large", 4), NAMES, 64)
    return path


def test_photographs_get_a_file_each_and_what_is_annotated_stays(tmp_path, model_file, capsys):
    folder = tmp_path / "photos"
    exif = Image.Exif()
    exif[0x0112] = 6
    photograph(folder / "a.jpg", (60, 40), exif=exif)
    photograph(folder / "b.jpg")
    as_json(folder / "b.json", {"mine": True})
    (folder / "c.jpg").write_bytes(b"no picture")
    predict.main([str(folder), "--model", str(model_file)])
    record = json.loads((folder / "a.json").read_text())
    assert (record["imageWidth"], record["imageHeight"]) == (40, 60)  # upright, as labelme shows it
    assert json.loads((folder / "b.json").read_text()) == {"mine": True} and not (folder / "c.json").exists()
    said = capsys.readouterr().out
    assert "1 labelme files written, 1 photographs were annotated already" in said and "skipped c.jpg" in said


@pytest.mark.parametrize("folder, model, said", [
    ("nowhere", "model.safetensors", "FOLDER: expected a folder of photographs, found nothing"),
    (".", "nothing.safetensors", "--model: expected a model that notebook 5 wrote, found nothing"),
    ("empty", "model.safetensors", "FOLDER: expected photographs, found none")])
def test_what_is_missing_is_one_line(tmp_path, model_file, folder, model, said):
    (tmp_path / "empty").mkdir()
    with pytest.raises(SystemExit, match=said) as stop:
        predict.main([str(tmp_path / folder), "--model", str(tmp_path / model)])
    assert "\n" not in str(stop.value)
