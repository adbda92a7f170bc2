"""The way back: label maps become labelme's polygons, which give the same label maps again."""

import json

import numpy as np

from tools import outlines
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
    again = drawn(outlines.as_labelme(labels, NAMES, "a.jpg", (400, 300)), (400, 300))
    for value in range(4):
        ours, theirs = again == value, labels == value
        assert (ours & theirs).sum() > 0.97 * (ours | theirs).sum()
    assert again[5, 5] == 0  # a speck is nothing to correct by hand


def test_outlines_have_few_points_and_are_enlarged_to_the_photograph():
    record = outlines.as_labelme(scene(), NAMES, "a.jpg", (4000, 3000))
    assert all(len(shape["points"]) < 60 for shape in record["shapes"])
    assert drawn(record, (4000, 3000))[1500, 600] == 1


def test_the_fields_are_those_that_labelme_insists_on():
    """As `_load_shape_json_obj` and `LabelFile.load` of labelme 6.3 read them."""
    record = json.loads(json.dumps(outlines.as_labelme(scene(), NAMES, "a.jpg", (400, 300))))
    assert {"version", "imageData", "imagePath", "shapes", "flags", "imageHeight", "imageWidth"} == record.keys()
    assert record["imagePath"] == "a.jpg" and record["imageData"] is None and record["flags"] == {}
    for shape in record["shapes"]:
        assert isinstance(shape["label"], str) and shape["shape_type"] == "polygon" and shape["group_id"] is None
        assert shape["flags"] == {} and shape["mask"] is None and shape["description"] == ""
        assert len(shape["points"]) > 2
        assert all(isinstance(value, float) for x, y in shape["points"] for value in (x, y))


def test_an_empty_label_map_gives_no_shapes():
    assert outlines.as_labelme(np.zeros((30, 40), np.uint8), NAMES, "a.jpg", (40, 30))["shapes"] == []
