"""The embedded data set, and one line for everything that can be wrong with a data folder."""

import dataclasses
import errno
import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from helpers import settings, shapes, voc
from helpers.settings import IGNORE_INDEX, SettingsError

FEW = {"train": 6, "val": 4}
REAL = settings.ROOT.parent / "shared" / "voc"
MASKS = "02246e8a68b3d880a2c1d66ddda6f14b064ecb790f72091fe0ca5a532a57b144"


def digest(folder):
    """One hash over every file's name and bytes."""
    total = hashlib.sha256()
    for path in sorted(Path(folder).rglob("*")):
        total.update(str(path.relative_to(folder)).encode() + (path.read_bytes() if path.is_file() else b""))
    return total.hexdigest()


@pytest.fixture
def devkit(tmp_path):
    shapes.write(tmp_path, FEW)
    return voc.Devkit(tmp_path, shapes.CLASS_NAMES, torch.from_numpy(shapes.PALETTE))


def first(devkit, folder):
    return next(iter(sorted((devkit.folder / folder).iterdir())))


def test_two_runs_write_the_same_bytes(tmp_path):
    shapes.write(tmp_path / "a", FEW)
    script = f"from helpers import shapes; shapes.write({str(tmp_path / 'b')!r}, {FEW})"
    subprocess.run([sys.executable, "-c", script], check=True, cwd=settings.ROOT)
    assert digest(tmp_path / "a") == digest(tmp_path / "b")


def test_the_masks_are_those_that_the_course_was_measured_on():
    masks = b"".join(np.asarray(shapes.draw(seed)[1]).tobytes() for seed in range(10_000, 10_020))
    assert hashlib.sha256(masks).hexdigest() == MASKS


def test_every_class_occurs_and_none_as_often_as_another():
    masks = [np.asarray(shapes.draw(seed)[1]) for seed in range(150)]
    counts = np.bincount(np.concatenate([mask.ravel() for mask in masks]), minlength=256)
    assert (counts[:6] > 0).all() and counts[IGNORE_INDEX] > 0 and counts[6:IGNORE_INDEX].sum() == 0
    assert counts[0] > 5 * counts[1] and counts[1] > 1.5 * counts[5]
    assert len({mask.shape for mask in masks}) > 100


def test_void_lies_between_any_two_labels():
    for seed in range(20):
        target = np.asarray(shapes.draw(seed)[1]).astype(int)
        for a, b in ((target[1:], target[:-1]), (target[:, 1:], target[:, :-1])):
            assert ((a == b) | (a == IGNORE_INDEX) | (b == IGNORE_INDEX)).all()


def test_an_interrupted_generation_leaves_nothing(tmp_path, monkeypatch):
    calls = iter([None] * 3)

    def interrupted(seed):
        next(calls, "stop") and (_ for _ in ()).throw(KeyboardInterrupt)
        return draw(seed)
    draw = shapes.draw
    monkeypatch.setattr(shapes, "draw", interrupted)
    with pytest.raises(KeyboardInterrupt):
        shapes.write(tmp_path / "data", FEW)
    assert list((tmp_path / "data").iterdir()) == []


def test_a_full_disk_leaves_nothing_and_says_so(tmp_path, monkeypatch):
    def full(*_, **__):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    monkeypatch.setattr(Image.Image, "save", full)
    with pytest.raises(SettingsError, match="space.*No space left on device.*DATA_ROOT"):
        shapes.write(tmp_path / "data", FEW)
    assert list((tmp_path / "data").iterdir()) == []


def test_what_another_process_wrote_meanwhile_is_kept(tmp_path, monkeypatch):
    real = shapes._write_devkit

    def slower(*args):
        monkeypatch.setattr(shapes, "_write_devkit", real)
        shapes.write(tmp_path, FEW)  # the other process wins
        real(*args)
    monkeypatch.setattr(shapes, "_write_devkit", slower)
    shapes.write(tmp_path, FEW)
    assert [path.name for path in tmp_path.iterdir()] == ["VOCdevkit"]


def test_a_whole_folder_passes(devkit):
    voc.check(devkit)
    assert len(devkit.open("train")) == 6 and len(devkit.open("val")) == 4


def test_load_target_and_count_pixels_agree_with_numpy(devkit):
    targets = [voc.load_target(path) for path in devkit.open("train").masks]
    assert all(target.dtype == torch.int64 and target.ndim == 2 for target in targets)
    expected = sum(np.bincount(np.asarray(Image.open(path)).ravel(), minlength=256)
                   for path in devkit.open("train").masks)
    assert voc.count_pixels(iter(targets), 6).tolist() == expected[:6].tolist()


def break_list(devkit):
    shutil.rmtree(devkit.folder / "ImageSets")
    return r"expected VOCdevkit/VOC2012/ImageSets/Segmentation/train.txt.*DATA_ROOT.*DATASET=shapes"


def empty_list(devkit):
    (devkit.folder / "ImageSets/Segmentation/val.txt").write_text("")
    return "expected image names in val.txt, found none"


def lose_image(devkit):
    first(devkit, "JPEGImages").unlink()
    return "which a list names, found no such file"


def lose_mask(devkit):
    first(devkit, "SegmentationClass").unlink()
    return "SegmentationClass/train_0000.png, which a list names"


def truncate_image(devkit):
    path = first(devkit, "JPEGImages")
    path.write_bytes(path.read_bytes()[:1500])
    return "whole JPEG in JPEGImages/train_0000.jpg, found a corrupt one"


def garble_image(devkit):
    first(devkit, "JPEGImages").write_bytes(b"<html>not found</html>")
    return "whole JPEG.*corrupt"


def truncate_mask(devkit):
    path = first(devkit, "SegmentationClass")
    path.write_bytes(path.read_bytes()[:200])
    return "whole PNG.*corrupt"


def grey_mask(devkit):
    path = first(devkit, "SegmentationClass")
    Image.open(path).convert("L").save(path)
    return "palette PNG.*found PNG with mode L"


def class_out_of_range(devkit):
    path = first(devkit, "SegmentationClass")
    mask = Image.open(path)
    values = np.array(mask)
    values[0, 0] = 77
    broken = Image.fromarray(values)
    broken.putpalette(mask.getpalette())
    broken.save(path)
    return "classes 0 to 5 and 255.*found 77"


def resize_mask(devkit):
    path = first(devkit, "SegmentationClass")
    Image.open(path).resize((10, 10)).save(path)
    return "the same size"


@pytest.mark.parametrize("harm", [break_list, empty_list, lose_image, lose_mask, truncate_image, garble_image,
                                  truncate_mask, grey_mask, class_out_of_range, resize_mask])
def test_harm_is_named_in_one_line(devkit, harm):
    message = harm(devkit)
    with pytest.raises(SettingsError, match=message) as error:
        voc.check(devkit)
    assert "\n" not in str(error.value) and str(devkit.root) not in str(error.value)


@pytest.mark.skipif(not REAL.exists(), reason="no real VOC images beside the checkout")
def test_real_voc_opens_with_its_palette():
    devkit = voc.prepare(dataclasses.replace(settings.load(), dataset="voc", data_root=REAL))
    _, mask = devkit.open("val")[0]
    assert mask.getpalette()[:63] == devkit.palette.flatten().tolist()


@pytest.mark.parametrize("variable, value, message", [
    ("DATASET", "coco", "expected one of shapes, voc, own, found 'coco'"),
    ("MODEL", "unet", "expected one of lraspp_mobilenet_v3_large.*found 'unet'"),
    ("WEIGHTS", "/nowhere/weights.pth", "expected a weights file, found nothing"),
    ("DEVICE", "abacus", "COURSE_DEVICE"),
    ("SEED", "seven", "COURSE_SEED")])
def test_a_setting_that_makes_no_sense_is_named(monkeypatch, variable, value, message):
    monkeypatch.setenv(f"COURSE_{variable}", value)
    with pytest.raises(SettingsError, match=message) as error:
        settings.load()
    assert "\n" not in str(error.value)


def test_no_variable_set_or_an_empty_one_means_the_default(monkeypatch):
    for name in ("DATASET", "DATA_ROOT", "WEIGHTS", "MODEL", "DEVICE", "GRADING", "SEED", "OUTPUT", "MIRRORS"):
        monkeypatch.setenv(f"COURSE_{name}", "")
    config = settings.load()
    assert (config.dataset, config.weights, config.grading, config.seed, config.mirrors) == (
        "shapes", None, False, 0, ())
