"""The explorers without a front end: every control moves its picture, and nothing else moves."""

import base64
import hashlib
import random
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

from helpers import controls, models, settings, shapes, training, voc, widgets
from tools import notebooks

VIEW = "application/vnd.jupyter.widget-view+json"


@pytest.fixture(scope="module")
def devkit(tmp_path_factory):
    root = tmp_path_factory.mktemp("shapes")
    shapes.write(root, {"train": 12, "val": 6})
    return voc.Devkit(root, shapes.CLASS_NAMES, torch.from_numpy(shapes.PALETTE))


@pytest.fixture(scope="module")
def model(devkit):
    torch.manual_seed(0)
    model = models.build_model(devkit.num_classes)
    model.train()
    model.backbone.eval()  # a frozen backbone: the modes of the layers differ
    return model


@pytest.fixture
def shown(monkeypatch):
    """What was displayed: pairs of a widget and its bundle, with the metadata."""
    displayed, boxes, show = [], [], controls.show

    def remember(box, *rest):
        boxes.append(box)
        return show(box, *rest)
    monkeypatch.setattr(controls, "show", remember)
    monkeypatch.setattr(widgets, "show", remember)

    def display(bundle, metadata=None, raw=False):
        if VIEW in bundle:
            displayed.append(SimpleNamespace(box=boxes[-1], view=bundle))
        else:
            displayed[-1].bundle, displayed[-1].metadata = bundle, metadata
    monkeypatch.setattr(controls, "display", display)
    return displayed


EXPLORERS = {
    "browse": lambda devkit, model: widgets.browse(devkit),
    "augmentation": lambda devkit, model: widgets.explore_augmentation(devkit, 96),
    "predictions": lambda devkit, model: widgets.explore_predictions(model, devkit, 96),
    "photograph": lambda devkit, model: widgets.explore_photograph(model, devkit, 96),
}
# another value for every control
CONTROLS = {
    "browse": {"image": 3, "class": "star", "opacity": 0.9, "show void": False},
    "augmentation": {"image": 3, "seed": 5, "zoom": 0.8, "crop x": 1.0, "crop y": 1.0, "crop size": 60, "jitter": 0.9,
                     "flip": None},
    "predictions": {"worst to best": 5, "opacity": 0.9, "probability of": "star", "pixel x": 3, "pixel y": 3},
    "photograph": {"or its path": f"{settings.ROOT}/docs/predictions.png", "or ours": 3, "opacity": 0.9},
}
EVERY = pytest.mark.parametrize("name", EXPLORERS)


def _controls(box):
    return {control.description: control for control in box.children[0].children}


def _picture(box):
    """The PNG bytes that the widget shows now."""
    return base64.b64decode(box.children[1].value.split("base64,")[1].split('"')[0])


def _step(box, description, value=None):
    control = _controls(box)[description]
    control.value = not control.value if value is None else value


@EVERY
def test_a_live_view_comes_with_a_still_and_words(name, devkit, model, shown):
    assert EXPLORERS[name](devkit, model) is None
    [it] = shown
    assert it.view == {VIEW: {"version_major": 2, "version_minor": 0, "model_id": it.box.model_id}}
    assert set(it.bundle) == {"text/html", "image/png", "text/plain"}
    assert it.bundle["image/png"] in it.bundle["text/html"] and it.bundle["text/plain"] in it.bundle["text/html"]
    assert base64.b64decode(it.bundle["image/png"]) == _picture(it.box)
    assert it.bundle["text/plain"] == it.metadata["image/png"]["alt"]
    assert it.box.model_id not in it.bundle["text/plain"]


@EVERY
def test_still_and_words_are_the_same_every_time(name, devkit, model, shown):
    EXPLORERS[name](devkit, model)
    EXPLORERS[name](devkit, model)
    for key in ("image/png", "text/plain"):
        assert shown[0].bundle[key] == shown[1].bundle[key]


@EVERY
def test_each_control_moves_the_picture_and_back_again(name, devkit, model, shown):
    EXPLORERS[name](devkit, model)
    box = shown[0].box
    before = _picture(box)
    for control, value in CONTROLS[name].items():
        at_first = _controls(box)[control].value
        _step(box, control, value)
        assert _picture(box) != before, control
        _step(box, control, at_first)
        assert _picture(box) == before, control


@EVERY
def test_every_control_is_named_and_explained(name, devkit, model, shown):
    EXPLORERS[name](devkit, model)
    controls = _controls(shown[0].box)
    assert set(CONTROLS[name]) <= set(controls)
    for control in controls.values():
        new = "tooltip" in control.trait_names()
        assert control.description and (control.tooltip if new else control.description_tooltip)


@EVERY
def test_no_random_state_and_no_layer_mode_is_touched(name, devkit, model, shown):
    def states():
        numpy_state = np.random.get_state()
        return (random.getstate(), hashlib.sha256(numpy_state[1].tobytes()).hexdigest(), numpy_state[2:],
                torch.get_rng_state().tolist(), [module.training for module in model.modules()])
    before, files = states(), sorted(devkit.root.rglob("*"))
    EXPLORERS[name](devkit, model)
    for control, value in CONTROLS[name].items():
        _step(shown[0].box, control, value)
    assert states() == before
    assert sorted(devkit.root.rglob("*")) == files


@EVERY
def test_nothing_reaches_stdout_or_stderr(name, devkit, model, shown, capfd, caplog, recwarn):
    EXPLORERS[name](devkit, model)
    for control, value in CONTROLS[name].items():
        _step(shown[0].box, control, value)
    assert capfd.readouterr() == ("", "")
    assert not caplog.records
    assert not [warning for warning in recwarn if not issubclass(warning.category, DeprecationWarning)]


def test_opacity_changes_nothing_where_the_mask_is_all_background(devkit, shown):
    widgets.browse(devkit)
    box = shown[0].box
    dataset = devkit.open("train")
    absent = next(name for label, name in enumerate(devkit.class_names)
                  if not (voc.load_target(dataset.masks[0]) == label).any())
    _step(box, "show void", False)
    _step(box, "class", absent)
    before = _picture(box)
    _step(box, "opacity", 1.0)
    assert _picture(box) == before
    assert f"No {absent} here" in box.children[1].value


def test_next_leads_to_an_image_that_has_the_class(devkit, shown):
    widgets.browse(devkit)
    controls, dataset = _controls(shown[0].box), devkit.open("train")
    controls["class"].value = "star"
    for button in ("next", "next", "previous", "previous", "previous"):
        controls[button].click()
        assert (voc.load_target(dataset.masks[controls["image"].value]) == 1).any()


def test_next_stays_where_no_image_has_the_class(tmp_path, shown):
    shapes.write(tmp_path, {"train": 1, "val": 1})
    names = (*shapes.CLASS_NAMES, "unicorn")
    widgets.browse(voc.Devkit(tmp_path, names, voc.palette(len(names))), "val")
    controls = _controls(shown[0].box)
    controls["class"].value = "unicorn"
    controls["next"].click()
    assert controls["image"].value == 0


def test_one_seed_turns_the_knobs_and_draws_one_picture(devkit, shown, monkeypatch):
    widgets.explore_augmentation(devkit, 96)
    box, drawn, png = shown[0].box, [], widgets.plotting.png
    monkeypatch.setattr(widgets.plotting, "png", lambda figure: drawn.append(figure) or png(figure))
    before = {name: control.value for name, control in _controls(box).items()}
    _step(box, "seed", 7)
    after = {name: control.value for name, control in _controls(box).items()}
    assert {name for name in after if after[name] != before[name]} >= {"seed", "zoom", "crop x", "crop y"}
    assert len(drawn) == 1


def test_image_and_mask_move_alike_with_void_outside(devkit, shown, monkeypatch):
    drawn, figure = [], widgets.plotting.panels_figure
    monkeypatch.setattr(widgets.plotting, "panels_figure",
                        lambda panels, *rest, **options: drawn.append(panels) or figure(panels, *rest, **options))
    target = np.ones((60, 80), np.uint8)
    target[:, 40:] = 3  # two halves, and an image as bright as its mask says
    pair = Image.fromarray(np.repeat(50 * target[..., None], 3, 2)), Image.fromarray(target)
    monkeypatch.setattr(voc.VOCSegmentation, "__getitem__", lambda self, index: pair)
    widgets.explore_augmentation(devkit, 96, jitter=0)
    for seed in range(8):
        _step(shown[0].box, "seed", seed)
        image, mask = drawn[-1][2][0][0], drawn[-1][3][0]
        assert image.shape == mask.shape == (96, 96)
        assert ((image == 0) == (mask == 255)).all()
        inside = mask != 255
        assert ((image.float() - 50 * mask.float())[inside].abs() < 1).float().mean() > 0.9


def test_predictions_are_sorted_from_worst_to_best(devkit, model, shown):
    widgets.explore_predictions(model, devkit, 96, images=5)
    box, scores = shown[0].box, []
    rank = _controls(box)["worst to best"]
    assert rank.max == 4
    for value in range(5):
        rank.value = value
        scores.append(int(box.children[1].value.split("IoU ")[1].split("%")[0]))
    assert scores == sorted(scores)


def test_a_click_into_a_panel_chooses_its_pixel(devkit, model, shown):
    widgets.explore_predictions(model, devkit, 96)
    box, click = shown[0].box, shown[0].box.children[2]
    controls = _controls(box)
    click.value = "0.17,0.24"  # about the middle of the first panel
    assert abs(controls["pixel x"].value - 48) < 8 and abs(controls["pixel y"].value - 48) < 12
    before = _picture(box)
    click.value = "0.17,0.99"  # the legend
    assert _picture(box) == before
    click.value = "0.02,0.06"  # the upper left corner
    assert controls["pixel x"].value < 6 and controls["pixel y"].value < 8


def test_pictures_keep_their_size(devkit, model, shown):
    for explorer in EXPLORERS.values():
        explorer(devkit, model)
        box, sizes = shown[-1].box, set()
        [slider] = [control for name, control in _controls(box).items()
                    if name in ("image", "worst to best", "or ours")]
        for value in range(3):
            slider.value = value
            sizes.add(_picture(box)[16:24])  # width and height in a PNG's header
        assert len(sizes) == 1


def test_the_picture_is_described_for_those_who_cannot_see_it(devkit, model, shown):
    widgets.browse(devkit)
    alt = shown[0].box.children[1].value.split('alt="')[1].split('"')[0]
    assert alt.startswith("Image 0, ") and "background" in alt


def _history(count):
    return [training.Epoch(index, 1 / (index + 1), 0.1 * (index + 1), 2.0) for index in range(count)]


def test_the_training_view_moves_with_batches_and_epochs(shown):
    view = widgets.TrainingView(2)
    [it] = shown
    assert set(it.bundle) == {"text/html", "text/plain"} and it.metadata == {}
    bar, text = it.box.children[0].children
    empty = _picture(it.box)
    view.batch(10, 10)
    assert bar.value == 1 and "epoch 1 of 2, batch 10 of 10" in text.value
    view.epoch(_history(1))
    first = _picture(it.box)
    assert first != empty and "1 of 2 epochs done, validation mean IoU 10.0%" in text.value
    view.epoch(_history(2))
    assert _picture(it.box) != first and bar.bar_style == "success" and "best 20.0%" in text.value


def test_the_bar_is_updated_a_few_times_a_second_at_most(shown, monkeypatch):
    clock = iter(0.01 * tick for tick in range(10_000))
    monkeypatch.setattr(widgets.time, "monotonic", lambda: next(clock))
    view, changes = widgets.TrainingView(3), []
    bar, text = shown[0].box.children[0].children
    text.observe(lambda change: changes.append(change.new), "value")
    for number in range(1, 501):  # five seconds
        view.batch(number, 500)
    assert 10 < len(changes) <= 21 and changes[-1].endswith("validation images")
    assert any("about 12 s left" in change for change in changes)


def test_the_training_view_works_with_fit(devkit, tmp_path, shown):
    config = replace(settings.load(), dataset="shapes", grading=True, device=torch.device("cpu"), output=tmp_path)
    batch = torch.zeros(2, 3, 8, 8), torch.zeros(2, 8, 8, dtype=torch.int64)
    net = _OneLayer()
    view = widgets.TrainingView(config.recipe.epochs)
    training.fit(net, [batch] * 3, [batch], torch.optim.SGD(net.parameters(), 0.1), config, 6, view=view)
    assert "1 of 1 epochs done" in shown[0].box.children[0].children[1].value


class _OneLayer(torch.nn.Module):
    def __init__(self, channels=6):
        super().__init__()
        self.layer = torch.nn.Conv2d(3, channels, 1)

    def forward(self, images):
        return {"out": self.layer(images)}


@pytest.mark.parametrize("call, error, message", [
    (lambda devkit: widgets.browse("data"), TypeError, r"devkit: expected what voc.prepare.* found str"),
    (lambda devkit: widgets.browse(devkit, "test"), ValueError, 'split: expected "train" or "val", found \'test\''),
    (lambda devkit: widgets.explore_augmentation(None, 96), TypeError, "devkit: .* found NoneType"),
    (lambda devkit: widgets.explore_predictions(_OneLayer(21), devkit, 96), ValueError, "6 classes, found 21 classes"),
    (lambda devkit: widgets.explore_predictions(torch.nn.Conv2d(3, 6, 1), devkit, 96), ValueError, "found Tensor"),
    (lambda devkit: widgets.TrainingView(0), ValueError, "epochs: expected a whole number of at least 1, found 0"),
    (lambda devkit: widgets.TrainingView([1]), ValueError, "epochs: expected a whole number"),
])
def test_errors_say_what_was_expected_and_found(call, error, message, devkit, shown):
    with pytest.raises(error, match=message):
        call(devkit)
    assert not shown


def test_a_notebook_without_a_front_end_stores_still_and_words(tmp_path):
    nbclient = pytest.importorskip("nbclient")
    nbformat = pytest.importorskip("nbformat")
    code = [f"import sys\nsys.path.insert(0, {str(settings.ROOT)!r})\nfrom pathlib import Path\nimport torch\n"
            "from helpers import models, shapes, voc, widgets\nshapes.write(Path('.'), {'train': 3, 'val': 2})\n"
            "devkit = voc.Devkit(Path('.'), shapes.CLASS_NAMES, torch.from_numpy(shapes.PALETTE))",
            "widgets.browse(devkit)", "widgets.explore_augmentation(devkit, 96)",
            "widgets.explore_predictions(models.build_model(6), devkit, 96)",
            "widgets.explore_photograph(models.build_model(6), devkit, 96)",
            "view = widgets.TrainingView(2)\nview.batch(1, 2)\nview.batch(2, 2)"]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in code])
    nbclient.NotebookClient(notebook, timeout=120, resources={"metadata": {"path": str(tmp_path)}}).execute()
    outputs = [cell.outputs for cell in notebook.cells]
    assert [len(output) for output in outputs] == [0, 2, 2, 2, 2, 2]
    assert all(set(output[0].data) == {VIEW} for output in outputs[1:])
    outputs = [cell.outputs for cell in notebooks.tidy(notebook).cells]
    assert [len(output) for output in outputs] == [0, 1, 1, 1, 1, 1]
    for [output] in outputs[1:5]:
        assert output.output_type == "display_data" and set(output.data) == {"image/png", "text/plain"}
    assert set(outputs[5][0].data) == {"text/plain"}
