"""Masks as pictures: indices and colours, and what becomes of them on the way."""

import numpy as np
import pytest
from PIL import Image

from helpers.settings import SettingsError
from tests.tools.photographs import maps, photograph, rectangle
from tools.annotations import tables

SQUARE = rectangle(10, 5, 20, 15)
TABLE = {"background": (0, 0, 0), "leaf": (0, 255, 0), "worm": (128, 0, 0)}


def put(folder, values, name="a.png", mode=None):
    """A photograph and its mask of these values."""
    photograph(folder / "images" / f"{name[0]}.jpg")
    (folder / "masks").mkdir(exist_ok=True)
    image = Image.fromarray(values)
    if mode == "P":
        image.putpalette([200, 100, 0] * 256)
    image.save(folder / "masks" / name)
    return folder


def coloured(target, table=TABLE):
    return np.array(list(table.values()), np.uint8)[target]


@pytest.mark.parametrize("mode", ["L", "P", "16 bit"])
def test_indices_are_classes_and_255_is_void(tmp_path, mode):
    target = SQUARE * 2
    target[20] = 255
    put(tmp_path, target.astype(np.uint16) if mode == "16 bit" else target, mode=mode)
    found, names, _ = maps(tmp_path, classes=("background", "leaf", "worm"))
    assert names == ("background", "leaf", "worm") and (found["a"] == target).all()


def test_without_names_classes_are_called_by_their_numbers(tmp_path):
    assert maps(put(tmp_path, SQUARE * 3))[1] == ("background", "class 3")


@pytest.mark.parametrize("values", [SQUARE * 255, SQUARE == 1, coloured(SQUARE, {0: (0, 0, 0), 1: (255, 255, 255)})])
def test_black_and_white_are_background_and_one_class(tmp_path, values):
    found, names, _ = maps(put(tmp_path, values))
    assert names == ("background", "object") and (found["a"] == SQUARE).all()


def test_numbers_of_objects_are_no_classes(tmp_path):
    put(tmp_path, SQUARE)
    put(tmp_path, SQUARE.astype(np.uint16) * 26_001, "b.png")
    found, _, skips = maps(tmp_path)
    assert list(found) == ["a"] and "values up to 26001" in skips["masks/b.png"]


def test_colours_are_classes_and_blends_along_a_smoothed_edge_are_void(tmp_path):
    large = Image.fromarray(coloured(SQUARE)).resize((400, 300), Image.Resampling.NEAREST)
    put(tmp_path, np.asarray(large.resize((43, 33), Image.Resampling.BILINEAR).resize((40, 30), Image.Resampling.BOX)))
    found, names, _ = maps(tmp_path, table=TABLE)
    target = found["a"]
    assert names == ("background", "leaf") and set(np.unique(target)) == {0, 1, 255}
    assert (target[7:13, 12:18] == 1).all() and (target[:3] == 0).all() and (target == 255).mean() < 0.1


def test_a_mask_in_other_colours_than_the_table_is_skipped_and_says_which(tmp_path):
    put(tmp_path, coloured(SQUARE))
    put(tmp_path, coloured(SQUARE + rectangle(0, 15, 40, 30, 2), TABLE | {"worm": (9, 9, 200)}), "b.png")
    found, _, skips = maps(tmp_path, table=TABLE)
    assert list(found) == ["a"] and "#0909c8" in skips["masks/b.png"]


def test_colours_without_a_table_ask_for_one(tmp_path):
    with pytest.raises(SettingsError, match="colour table.*#000000, #00ff00.*--colours") as error:
        maps(put(tmp_path, coloured(SQUARE)))
    assert "\n" not in str(error.value)


def test_a_table_beside_the_masks_is_found(tmp_path):
    put(tmp_path, coloured(SQUARE))
    (tmp_path / "labelmap.txt").write_text("# label:color_rgb:parts:actions\nbackground:0,0,0::\nleaf:0,255,0::\n")
    assert maps(tmp_path)[1] == ("background", "leaf")


@pytest.mark.parametrize("text", [
    "leaf #00ff00\nred worm #800000", "leaf 0 255 0\nred worm 128 0 0\n", "name,r,g,b\nleaf,0,255,0\nred worm,128,0,0",
    "leaf:0,255,0::\nred worm:128,0,0::", "0 255 0\tleaf\n128 0 0\tred worm", "1 leaf 0 255 0\n2 red worm 128 0 0"])
def test_tables_of_other_programs_are_read(text):
    assert tables.colours(text, "table") == {"leaf": (0, 255, 0), "red worm": (128, 0, 0)}


@pytest.mark.parametrize("text", ["leaf", "leaf #00ff0", "leaf 0 256 0", "leaf #00ff00\nworm #00ff00"])
def test_a_table_that_makes_no_sense_is_one_line(text):
    with pytest.raises(SettingsError, match="correct that line") as error:
        tables.colours(text, "table")
    assert "\n" not in str(error.value)


def test_a_mask_of_half_the_size_is_enlarged(tmp_path):
    found, _, _ = maps(put(tmp_path, SQUARE[5:15:2, 10:20:2].repeat(3, 0).repeat(4, 1)))
    assert found["a"].shape == (30, 40) and set(np.unique(found["a"])) == {1}


@pytest.mark.parametrize("name", ["a.png", "a_mask.png", "A.PNG", "a_L.png", "a.bmp"])
def test_a_mask_belongs_to_the_photograph_of_its_name(tmp_path, name):
    assert list(maps(put(tmp_path, SQUARE, name.lower() if name == "A.PNG" else name))[0]) == ["a"]


def test_masks_lie_beside_their_photographs_too(tmp_path):
    photograph(tmp_path / "a.jpg")
    Image.fromarray(SQUARE).save(tmp_path / "a.png")
    found, _, skips = maps(tmp_path)
    assert (found["a"] == SQUARE).all() and not skips


def test_masks_without_a_photograph_or_with_two_are_named(tmp_path):
    put(tmp_path, SQUARE)
    Image.fromarray(SQUARE).save(tmp_path / "masks" / "b.png")
    Image.fromarray(SQUARE).save(tmp_path / "masks" / "c.png")
    photograph(tmp_path / "images" / "c.jpg")
    photograph(tmp_path / "images" / "c.jpeg")
    _, _, skips = maps(tmp_path)
    assert skips == {"masks/b.png": "no photograph of its name",
                     "masks/c.png": "2 photographs of its name; give them names of their own"}
