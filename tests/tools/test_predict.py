"""What a model sees in photographs: masks, overlays and shares as files, or labelme's files."""

import csv
import json

import numpy as np
import pytest
import torch
from PIL import Image

from helpers import export, models, photographs, pretrained, shapes
from tests.tools.photographs import as_json, photograph
from tools import predict

NAMES = ("background", "=leaf", "worm", "stone")
PALETTE = [(0, 0, 0), (250, 10, 10), (10, 250, 10), (10, 10, 250)]


@pytest.fixture(scope="module")
def model_files(tmp_path_factory):
    """One model as safetensors and as a program; it sees several classes in noise."""
    torch.manual_seed(1)
    folder, name = tmp_path_factory.mktemp("model"), "lraspp_mobilenet_v3_large"
    model = models.create(name, 4, pretrained.own(name)).eval()
    export.save_model(folder / "model.safetensors", model, NAMES, 64, PALETTE)
    export.export_program(folder / "model.pt2", model, NAMES, 64, PALETTE)
    return {path.suffix: path for path in folder.iterdir()}


@pytest.fixture
def model_file(model_files):
    return model_files[".safetensors"]


@pytest.mark.parametrize("ending", [".safetensors", ".pt2"])
def test_a_photograph_gets_a_mask_and_an_overlay_at_its_own_size_upright(tmp_path, model_files, ending, capsys):
    exif = Image.Exif()
    exif[0x0112] = 6
    path = tmp_path / "a.jpg"
    shapes.draw(0, (60, 40))[0].save(path, exif=exif)
    predict.main([str(path), "--model", str(model_files[ending]), "--to", str(tmp_path / "out")])
    model, card = export.load_model(model_files[".safetensors"])
    expected = photographs.segment(model, photographs.open_photograph(path), 64).numpy()
    with Image.open(tmp_path / "out" / "a-mask.png") as mask:
        assert mask.mode == "P" and mask.size == (40, 60) and np.array_equal(np.array(mask), expected)
        assert mask.getpalette()[3:6] == [250, 10, 10] and mask.getpalette()[-3:] == [224, 224, 192]
    with Image.open(tmp_path / "out" / "a-overlay.jpg") as overlay:
        assert overlay.size == (40, 60)
    said = capsys.readouterr().out
    shares = {NAMES[value]: (expected == value).mean() for value in np.unique(expected)}
    assert len(shares) > 1 and said.startswith("a.jpg, 40 x 60 pixels")
    for name, share in shares.items():
        assert f"{name:15} {share:7.2%}" in said


def test_an_overlay_leaves_background_as_it_is():
    picture = Image.new("RGB", (2, 1), (100, 100, 100))
    found = np.array(predict.overlay(picture, np.array([[0, 1]], np.uint8), PALETTE))
    assert found[0, 0].tolist() == [100, 100, 100] and np.abs(found[0, 1] - [190.0, 46, 46]).max() <= 1


def test_a_folder_gives_a_table_and_what_is_no_picture_is_named(tmp_path, model_file, capsys):
    folder = tmp_path / "photos"
    for name in ("a.jpg", "a.png", "sub/a.jpg", "=cmd.jpg"):
        photograph(folder / name)
    (folder / "b.jpg").write_bytes(b"%PDF-1.7")
    (folder / "c.heic").write_bytes(b"x")
    predict.main([str(folder), "--model", str(model_file), "--to", str(tmp_path / "out")])
    found = {path.relative_to(tmp_path / "out").as_posix() for path in (tmp_path / "out").rglob("*.png")}
    assert found == {"a.jpg-mask.png", "a.png-mask.png", "sub/a-mask.png", "=cmd-mask.png"}
    said = capsys.readouterr().out
    assert "skipped b.jpg: photograph: expected an image (JPEG, PNG, WebP ...), found a PDF" in said
    assert "skipped c.heic: " in said and "4 images" in said
    with open(tmp_path / "out" / "shares.csv", encoding="utf-8-sig", newline="") as file:
        rows = list(csv.reader(file))
    assert rows[0] == ["image", "width", "height", "background", "'=leaf", "worm", "stone"]
    assert {row[0] for row in rows[1:]} == {"a.jpg", "a.png", "sub/a.jpg", "'=cmd.jpg"}
    assert all(sum(map(float, row[3:])) == pytest.approx(1, abs=1e-5) for row in rows[1:])


def test_for_labelme_photographs_get_a_file_each_and_what_is_annotated_stays(tmp_path, model_file, capsys):
    folder = tmp_path / "photos"
    exif = Image.Exif()
    exif[0x0112] = 6
    photograph(folder / "a.jpg", (60, 40), exif=exif)
    photograph(folder / "b.jpg")
    as_json(folder / "b.json", {"mine": True})
    (folder / "c.jpg").write_bytes(b"no picture")
    predict.main([str(folder), "--model", str(model_file), "--labelme"])
    record = json.loads((folder / "a.json").read_text())
    assert (record["imageWidth"], record["imageHeight"]) == (40, 60)  # upright, as labelme shows it
    assert json.loads((folder / "b.json").read_text()) == {"mine": True} and not (folder / "c.json").exists()
    said = capsys.readouterr().out
    assert "1 labelme files written, 1 photographs were annotated already" in said and "skipped c.jpg" in said


@pytest.mark.parametrize("image, model, said", [
    ("nowhere", "model.safetensors", "IMAGE: expected a photograph or a folder, found nothing"),
    ("photo.jpg", "nothing.safetensors", "MODEL_FILE: expected a model that notebook 5 wrote, found nothing"),
    ("photo.jpg", "model.h5", "MODEL_FILE: expected a file that ends in .safetensors, .onnx, .pt2, found model.h5"),
    ("photo.jpg", "broken.pt2", "model file: expected a model.pt2 that notebook 5 wrote, found broken.pt2"),
    ("photo.jpg", "broken.onnx", "model file: expected an ONNX file that notebook 5 wrote, found broken.onnx"),
    ("text.jpg", "model.safetensors", "photograph: expected an image .*, found something else"),
    ("empty", "model.safetensors", "IMAGE: expected photographs, found none")])
def test_what_is_missing_or_wrong_is_one_line_and_nothing_is_written(tmp_path, model_file, image, model, said):
    (tmp_path / "empty").mkdir()
    (tmp_path / "text.jpg").write_text("nothing to see")
    photograph(tmp_path / "photo.jpg")
    (tmp_path / "model.safetensors").symlink_to(model_file)
    for name in ("model.h5", "broken.pt2", "broken.onnx"):
        (tmp_path / name).write_bytes(b"garbage")
    with pytest.raises(SystemExit, match=said) as stop:
        predict.main([str(tmp_path / image), "--model", str(tmp_path / model), "--to", str(tmp_path / "out")])
    assert "\n" not in str(stop.value) and not (tmp_path / "out").exists()
