"""The explorer of one's own picture without a front end: what is uploaded, typed or ours is what it shows."""

import datetime

import pytest
from PIL import Image
from traitlets import Bunch, HasTraits

from helpers import shapes, voc, widgets
from tests.helpers.test_photographs import picture, saved
from tests.helpers.test_widgets import _controls, _picture, devkit, model, shown  # noqa: F401  (fixtures)


def of_ipywidgets_7(name, content):
    return {name: {"metadata": {"name": name, "type": "image/png", "size": len(content), "lastModified": 0},
                   "content": content}}


def of_ipywidgets_8(name, content):
    return ({"name": name, "type": "image/png", "size": len(content), "content": memoryview(content),
             "last_modified": datetime.datetime.now(datetime.UTC)},)


@pytest.fixture
def explorer(devkit, model, shown):  # noqa: F811
    widgets.explore_photograph(model, devkit, 96)
    return shown[0].box


def upload(explorer, value):
    """What a front end does, whichever ipywidgets is here: the other's value is handed to the same callback."""
    control = _controls(explorer)["your picture"]
    control._trait_values["value"] = value
    HasTraits.notify_change(control, Bunch(name="value", old=None, new=value, owner=control, type="change"))


def says(explorer):
    return explorer.children[1].value.split(">", 1)[1].split("</div>")[0]


@pytest.mark.parametrize("version", [of_ipywidgets_7, of_ipywidgets_8])
def test_an_upload_is_shown_with_name_size_shares_and_what_the_model_cannot_know(explorer, version):
    before = _picture(explorer)
    upload(explorer, version("cat.png", saved(picture(300, 200))))
    assert _picture(explorer) != before
    assert says(explorer).startswith("cat.png, 300 × 200 pixels: ")
    assert says(explorer).count("%") >= 1
    assert ("The model was taught background, star, heart, cloud, horse, plane, and nothing else: whatever else"
            in says(explorer))


def test_what_was_chosen_last_is_shown(explorer, tmp_path):
    controls = _controls(explorer)
    (tmp_path / "dog.png").write_bytes(saved(picture(30, 20)))
    upload(explorer, of_ipywidgets_8("cat.png", saved(picture(300, 200))))
    controls["or its path"].value = f' "{tmp_path}/dog.png" '  # as a file manager copies it
    assert says(explorer).startswith("dog.png, 30 × 20 pixels")
    controls["or ours"].value = 4
    assert says(explorer).startswith("picture 4 of ours, 1200 × 900 pixels")
    upload(explorer, of_ipywidgets_8("cow.png", saved(picture(100, 200))))
    controls["opacity"].value = 0.9
    assert says(explorer).startswith("cow.png, 100 × 200 pixels")


def test_what_is_no_image_is_one_line_and_no_picture_and_the_next_one_is_shown(explorer):
    upload(explorer, of_ipywidgets_8("notes.pdf", b"%PDF-1.7"))
    assert says(explorer).startswith("photograph: expected an image") and "<img" not in explorer.children[1].value
    _controls(explorer)["or its path"].value = "nowhere.jpg"
    assert "nowhere.jpg" in says(explorer) and "<img" not in explorer.children[1].value
    upload(explorer, of_ipywidgets_8("cat.png", saved(picture(300, 200))))
    assert "<img" in explorer.children[1].value


def test_a_name_is_text_and_never_part_of_the_page(explorer):
    upload(explorer, of_ipywidgets_8("<script>x</script>.png", saved(picture())))
    assert "<script" not in explorer.children[1].value and "&lt;script&gt;" in explorer.children[1].value


def test_the_picture_is_computed_once_however_often_the_opacity_moves(explorer, monkeypatch):
    upload(explorer, of_ipywidgets_8("cat.png", saved(picture())))
    monkeypatch.setattr(widgets.photographs, "segment", lambda *_: pytest.fail("segmented again"))
    _controls(explorer)["opacity"].value = 0.8


def test_with_other_classes_ours_are_validation_images(tmp_path, model, shown):  # noqa: F811
    shapes.write(tmp_path, {"train": 1, "val": 2})
    names = ("background", "a", "b", "c", "d", "e")
    widgets.explore_photograph(model, voc.Devkit(tmp_path, names, voc.palette(6)), 96)
    with Image.open(tmp_path / "VOCdevkit/VOC2012/JPEGImages/val_0000.jpg") as image:
        assert f"picture 0 of ours, {image.width} × {image.height} pixels" in says(shown[0].box)


def test_a_model_of_other_classes_is_an_error_at_once(devkit, shown):  # noqa: F811
    from tests.helpers.test_widgets import _OneLayer
    with pytest.raises(ValueError, match="6 classes, found 21 classes"):
        widgets.explore_photograph(_OneLayer(21), devkit, 96)
    assert not shown
