"""Figures say in words what they show, and draw what they are given."""

import io

import numpy as np
import pytest
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.text import Text
from PIL import Image

from helpers import models, plotting, shapes, training, voc, widgets

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


FIGURES = [
    lambda: plotting.panels_figure([(IMAGE, "image"), (TARGET, "target"), (torch.rand(4, 5), "heat")], DEVKIT),
    lambda: plotting.history_figure([training.Epoch(0, 1.5, 0.2, 3.0), training.Epoch(1, 1.0, 0.3, 3.0)], 4),
    lambda: plotting.history_figure([], 4),
    lambda: plotting.confusion_figure(torch.randint(0, 50, (6, 6)), DEVKIT.class_names),
    lambda: plotting.stages_figure({"backbone 0": (16, 48, 48), "head cbr": (128, 6, 6)}, (96, 96)),
    lambda: plotting.curve_figure([3, 2, 1], "step", "loss")]


@pytest.mark.parametrize("make", FIGURES)
def test_a_figure_is_a_picture_with_something_on_it_and_no_traces_of_its_maker(make):
    png = plotting.png(make())
    picture = Image.open(io.BytesIO(png))
    assert "Software" not in picture.info and np.asarray(picture.convert("L")).std() > 5


def test_panels_name_the_classes_in_the_picture_not_by_colour_alone():
    target = torch.zeros(20, 20, dtype=torch.int64)
    target[5:15, 5:15] = 4
    figure = plotting.panels_figure([(target, "mask")], DEVKIT)
    assert [text.get_text() for text in figure.axes[0].texts] == ["horse"]
    assert _legend(figure) == ["background", "horse"]


def _legend(figure):
    return [text.get_text() for text in figure.legends[0].get_texts()]


def test_void_has_the_same_colour_and_pattern_in_mask_and_legend():
    target = torch.zeros(20, 20, dtype=torch.int64)
    target[:, 10:] = 255
    figure = plotting.panels_figure([(target, "mask")], DEVKIT)
    patch = figure.legends[0].get_patches()[_legend(figure).index("void")]
    in_mask = plotting.colorize(target, DEVKIT.palette)[:, 0, 15].tolist()
    assert patch.get_facecolor()[:3] == pytest.approx(in_mask)
    [void] = figure.axes[0].collections
    assert void.hatches == [patch.get_hatch()] and patch.get_hatch()
    assert shapes.draw(0)[1].getpalette()[3 * 255:] == list(plotting.VOID_COLOUR) == voc.palette(256)[255].tolist()


def test_a_tiny_label_map_shows_its_numbers():
    figure = plotting.panels_figure([(torch.tensor([[0, 2], [255, 7]]), "tiny")], DEVKIT)
    assert [text.get_text() for text in figure.axes[0].texts] == ["0", "2", "255", "7"]
    assert _legend(figure) == ["background", "heart", "no class", "void"]


def test_regions_can_have_names_of_their_own():
    target = torch.zeros(20, 20, dtype=torch.int64)
    target[2:18, 5:8] = 3
    figure = plotting.panels_figure([(target, "areas")], DEVKIT, names=("neither", "target", "prediction", "overlap"))
    assert _legend(figure) == ["neither", "overlap"]
    [name] = figure.axes[0].texts
    assert name.get_text() == "overlap"


def test_a_name_stands_upright_in_a_region_too_narrow_for_it():
    narrow, wide = torch.zeros(2, 40, 40, dtype=torch.int64)
    narrow[5:35, 10:13], wide[5:35, 5:35] = 4, 4
    figure = plotting.panels_figure([(narrow, ""), (wide, "")], DEVKIT, columns=4)
    assert [axes.texts[0].get_rotation() for axes in figure.axes] == [90, 0]


def test_predictions_in_the_padding_are_not_drawn():
    target = torch.zeros(6, 8, dtype=torch.int64)
    target[:, 6:], target[5] = 255, 255  # padding at the right and below
    target[2, 3] = 255  # void inside the image, where a prediction is worth seeing
    drawn = plotting.without_padding(torch.full((6, 8), 4), target)
    assert (drawn[:5, :6] == 4).all() and (drawn[:, 6:] == 255).all() and (drawn[5] == 255).all()


@pytest.mark.parametrize(
    "value, text",
    [
        (0.0044, "0.0044"),
        (0.5, "0.50"),
        (0.0, "0.00"),
        (1.0, "1.00"),
        (0.087, "0.087"),
        (1020, "1,020"),
        (2971952, "2,971,952"),
        (float("nan"), "absent"),
    ],
)
def test_a_small_ratio_is_not_written_as_nothing(value, text):
    assert plotting.number(value) == text


def _letters(figure):
    """Every text of a figure that is drawn."""
    return [text for text in figure.findobj(Text) if text.get_text() and text.get_visible()]


@pytest.mark.parametrize("make", FIGURES)
def test_letters_can_be_read_on_a_screen_800_pixels_wide(make):
    figure = make()
    plotting.png(figure)
    shrunk = min(1, 600 / (100 * figure.get_size_inches()[0]))  # the column of cells is about 600 pixels wide there
    assert min(text.get_fontsize() * 100 / 72 * shrunk for text in _letters(figure)) >= 8


def test_the_labels_of_a_network_with_many_stages_do_not_overlap():
    shapes_of = models.stage_shapes(models.build_model(6), torch.zeros(1, 3, 96, 96))
    figure = plotting.stages_figure(shapes_of, (96, 96))
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    [axes], renderer = figure.axes, canvas.get_renderer()
    for texts in (axes.texts, axes.get_xticklabels()):
        boxes = [text.get_window_extent(renderer) for text in texts]
        assert not [1 for left, right in zip(boxes, boxes[1:]) if left.overlaps(right)]
    assert "4–6" in [label.get_text() for label in axes.get_xticklabels()]


@pytest.mark.parametrize("count", [2, 3, 6])
@pytest.mark.parametrize("height", [60, 96])
def test_titles_stay_within_their_figure_and_off_the_pictures(count, height):
    target = torch.randint(0, 6, (height, 96))
    figure = plotting.panels_figure([(target, f"panel {number}") for number in range(count)], DEVKIT, columns=3)
    plotting.png(figure)
    renderer = FigureCanvasAgg(figure).get_renderer()
    titles = [axes.title.get_window_extent(renderer) for axes in figure.axes]
    pictures = [axes.get_window_extent(renderer) for axes in figure.axes]
    assert max(title.y1 for title in titles) <= figure.bbox.height - 1
    assert not any(title.overlaps(picture) for title in titles for picture in pictures)


@pytest.mark.parametrize("count", [1, 2, 4])
def test_a_legend_of_every_class_of_voc_stays_within_its_figure(count):
    devkit = voc.Devkit(None, voc.CLASS_NAMES, voc.palette(21))
    target = torch.arange(22).where(torch.arange(22) < 21, 255).repeat_interleave(10).repeat(200, 1)
    figure = plotting.panels_figure([(target, "mask")] * count, devkit)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    box = figure.legends[0].get_window_extent(canvas.get_renderer())
    assert box.x0 >= 0 and box.x1 <= figure.bbox.width and len(_legend(figure)) == 22


def test_wrong_pixels_are_darker_than_the_image_behind_them_for_those_who_see_no_colours():
    def luminance(colour):
        linear = torch.tensor([value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4
                               for value in colour])
        return linear @ torch.tensor([0.2126, 0.7152, 0.0722]) + 0.05
    darkest = luminance([widgets.DARKEST] * 3)
    assert darkest / luminance([value / 255 for value in widgets.WRONG]) > 1.9
