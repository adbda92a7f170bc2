"""Figures say in words what they show, and draw what they are given."""

import io

import numpy as np
import pytest
import torch
from PIL import Image

from helpers import plotting, shapes, training, voc

DEVKIT = voc.Devkit(None, shapes.CLASS_NAMES, torch.from_numpy(shapes.PALETTE))
IMAGE = torch.rand(3, 12, 16)
TARGET = torch.randint(0, 6, (12, 16))


def test_overlay_leaves_background_void_and_its_input_alone():
    target = TARGET.clone()
    target[0, :4] = 255
    before = IMAGE.clone()
    result = plotting.overlay(IMAGE, target, DEVKIT.palette, alpha=0.25)
    kept = (target == 0) | (target == 255)
    assert torch.equal(IMAGE, before) and torch.equal(result[:, kept], IMAGE[:, kept])
    y, x = (~kept).nonzero()[0].tolist()
    colour = DEVKIT.palette[target[y, x]] / 255
    assert torch.allclose(result[:, y, x], 0.75 * IMAGE[:, y, x] + 0.25 * colour)
    assert 0 <= result.min() and result.max() <= 1


def test_a_figure_is_shown_with_its_description(monkeypatch):
    shown = []
    monkeypatch.setattr(plotting, "display", lambda data, metadata, raw: shown.append((data, metadata, raw)))
    figure = plotting.bars_figure([0.5, float("nan")], ["cat", "dog"], "IoU", mark=(0.4, "goal"))
    plotting.show(figure, "Two bars")
    (data, metadata, raw), = shown
    assert data["text/plain"] == "Two bars" and metadata["image/png"]["alt"] == "Two bars" and raw
    assert [text.get_text() for text in figure.axes[0].texts][:2] == ["0.50", "absent"]


@pytest.mark.parametrize("make", [
    lambda: plotting.panels_figure([(IMAGE, "image"), (TARGET, "target"), (torch.rand(4, 5), "heat")], DEVKIT),
    lambda: plotting.history_figure([training.Epoch(0, 1.5, 0.2, 3.0), training.Epoch(1, 1.0, 0.3, 3.0)], 4),
    lambda: plotting.history_figure([], 4),
    lambda: plotting.confusion_figure(torch.randint(0, 50, (6, 6)), DEVKIT.class_names),
    lambda: plotting.stages_figure({"backbone 0": (16, 48, 48), "head cbr": (128, 6, 6)}, (96, 96)),
    lambda: plotting.curve_figure([3, 2, 1], "step", "loss")])
def test_a_figure_is_a_picture_with_something_on_it_and_no_traces_of_its_maker(make):
    png = plotting.png(make())
    picture = Image.open(io.BytesIO(png))
    assert "Software" not in picture.info and np.asarray(picture.convert("L")).std() > 5


def test_panels_name_the_classes_in_the_picture_not_by_colour_alone():
    target = torch.zeros(20, 20, dtype=torch.int64)
    target[5:15, 5:15] = 4
    figure = plotting.panels_figure([(target, "mask")], DEVKIT)
    assert [text.get_text() for text in figure.axes[0].texts] == ["horse"]
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["background", "horse"]
