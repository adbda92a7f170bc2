"""COCO, CVAT and Label Studio: what their exports hold, with what makes real ones odd."""

import io

import numpy as np
import pytest

from tests.tools.photographs import as_json, maps, photograph, rectangle
from tools.annotations import cvat, rle
from tools.annotations.regions import Unusable

SQUARE = rectangle(10, 5, 20, 15)
FLAT = [10, 5, 20, 5, 20, 15, 10, 15]
# of pycocotools 2.0.11: `mask.encode` of SQUARE, and of a disc of 11 pixels radius about (20, 15)
COMPRESSED = "a9:d000000000000000000cb0"
DISC = "m81i08J4M2N2N2O0O2O00000O20N1000001N101N2N2N3L6HU7"


def coco(folder, *annotations, categories=((7, "leaf"), (90, "worm")), **image):
    photograph(folder / "images" / "a.jpg")
    as_json(folder / "annotations" / "instances.json", {
        "images": [{"id": 1, "file_name": "a.jpg", "width": 40, "height": 30} | image],
        "annotations": [{"id": index, "image_id": 1, "category_id": 7, "iscrowd": 0} | annotation
                        for index, annotation in enumerate(annotations)],
        "categories": [{"id": number, "name": name} for number, name in categories]})
    return maps(folder)


@pytest.mark.parametrize("segmentation", [
    [FLAT], FLAT, [[[10, 5], [20, 5], [20, 15], [10, 15]]],
    {"size": [30, 40], "counts": [305, *[10, 20] * 9, 10, 615]},
    {"size": [30, 40], "counts": COMPRESSED}])
def test_cocos_polygons_and_both_kinds_of_run_lengths_are_one_square(tmp_path, segmentation):
    found, names, skips = coco(tmp_path, {"segmentation": segmentation})
    assert names == ("background", "leaf") and not skips and (found["a"] == SQUARE).all()


def test_category_ids_with_gaps_and_names_that_come_twice(tmp_path):
    other = [25, 5, 35, 5, 35, 15, 25, 15]
    found, names, _ = coco(tmp_path, {"segmentation": [FLAT]}, {"segmentation": [other], "category_id": 90},
                           categories=((7, "Leaf"), (90, "leaf"), (91, "never used")))
    assert len(names) == 2 and (found["a"] == SQUARE + rectangle(25, 5, 35, 15)).all()


def test_a_crowd_is_void(tmp_path):
    found, _, _ = coco(tmp_path, {"segmentation": [[0, 0, 5, 0, 5, 5, 0, 5]]},
                       {"segmentation": {"size": [30, 40], "counts": COMPRESSED}, "iscrowd": 1})
    assert (found["a"] == SQUARE * 255 + rectangle(0, 0, 5, 5)).all()


def test_several_polygons_of_one_annotation_are_one_region(tmp_path):
    found, _, _ = coco(tmp_path, {"segmentation": [FLAT, [12, 7, 15, 7, 15, 10, 12, 10], [1, 1, 2, 2]]})
    assert (found["a"] == SQUARE).all()


@pytest.mark.parametrize("annotation", [
    {"bbox": [1, 1, 5, 5]}, {"segmentation": []}, {"segmentation": [[1, 1, 5, 5]]}, {"segmentation": "x"},
    {"segmentation": {"counts": "a9", "size": [30, 40]}}, {"segmentation": {"counts": [10**18], "size": [30, 40]}},
    {"segmentation": {"counts": [-5, 1205], "size": [30, 40]}}, {"segmentation": {"counts": "\u00e4", "size": [3, 4]}},
    {"segmentation": {"counts": [1200], "size": [40, 30]}}, {"segmentation": {"counts": [1200]}},
    {"segmentation": {"counts": "o" * 5000, "size": [30, 40]}}, {"segmentation": {"counts": 1, "size": [30, 40]}},
    {"segmentation": [FLAT], "category_id": 8}])
def test_an_annotation_of_coco_without_pixels_is_left_out_and_the_rest_kept(tmp_path, annotation):
    found, _, skips = coco(tmp_path, annotation, {"segmentation": [FLAT]})
    assert (found["a"] == SQUARE).all() and not skips


def test_an_image_that_is_missing_and_one_of_an_absurd_size_are_named(tmp_path):
    assert "no picture named b.jpg" in str(coco(tmp_path, {"segmentation": [FLAT]}, file_name="x/b.jpg")[2])
    assert "120 million" in str(coco(tmp_path, {"segmentation": [FLAT]}, width=10**6, height=10**6)[2])


def test_compressed_run_lengths_are_those_of_pycocotools():
    y, x = np.mgrid[:30, :40]
    disc = (y - 15) ** 2 + (x - 20) ** 2 <= 121
    assert (rle.mask(rle.coco_runs(DISC), 30, 40, "F")() == disc).all()


CVAT = """<?xml version="1.0" encoding="utf-8"?>
<annotations><version>1.1</version><meta><task><name>garden</name></task></meta>
<image id="0" name="garden/a.jpg" width="40" height="30">{}</image>
<image id="1" name="gone.jpg" width="40" height="30"></image></annotations>"""
POLYGON = '<polygon label="leaf" points="10.00,5.00;20.00,5.00;20.00,15.00;10.00,15.00" z_order="0" source="manual"/>'


def of_cvat(folder, shapes):
    photograph(folder / "images" / "garden" / "a.jpg")
    (folder / "annotations.xml").write_text(CVAT.format(shapes), encoding="utf-8")
    return maps(folder)


@pytest.mark.parametrize("shape", [
    POLYGON, '<box label="leaf" xtl="10" ytl="5" xbr="20" ybr="15"><attribute name="big">true</attribute></box>',
    '<box label="leaf" xtl="10" ytl="5" xbr="20" ybr="15" rotation="90.00"/>',
    '<mask label="leaf" rle="0, 100" left="10" top="5" width="10" height="10" occluded="0"/>'])
def test_cvats_shapes_are_one_square(tmp_path, shape):
    found, names, skips = of_cvat(tmp_path, shape)
    assert names == ("background", "leaf") and (found["a"] == SQUARE).all()
    assert skips == {"annotations.xml: gone.jpg": "no picture named gone.jpg in the folder"}


def test_cvats_masks_are_run_lengths_row_by_row_in_their_own_box(tmp_path):
    found, _, _ = of_cvat(tmp_path, '<mask label="leaf" rle="1, 2, 1, 2" left="10" top="5" width="3" height="2"/>')
    assert found["a"][5:7, 10:13].tolist() == [[0, 1, 1], [0, 1, 1]] and found["a"].sum() == 4


def test_an_ellipse_is_turned_clockwise_about_its_centre(tmp_path):
    found, _, _ = of_cvat(tmp_path, '<ellipse label="leaf" cx="20" cy="15" rx="12" ry="4" rotation="45"/>')
    mask = found["a"]
    assert mask[21, 26] == 1 and mask[9, 26] == 0 and abs(mask.sum() - np.pi * 48) < 8


def test_what_has_the_higher_z_order_lies_on_top(tmp_path):
    top = '<box label="worm" xtl="12" ytl="7" xbr="15" ybr="10" z_order="5"/>'
    found, names, _ = of_cvat(tmp_path, top + POLYGON)
    assert found["a"][8, 13] == names.index("worm")


@pytest.mark.parametrize("shape", [
    '<points label="eye" points="1,1"/>', '<polyline label="eye" points="1,1;2,2;3,3"/>', '<tag label="eye"/>',
    '<skeleton label="eye"/>', '<polygon label="eye" points="1,1;2,2"/>', '<polygon label="eye"/>',
    '<box label="eye" xtl="a"/>', '<mask label="eye" rle="5" left="0" top="0" width="99999" height="99999"/>',
    '<mask label="eye" rle="99999999999" left="0" top="0" width="2" height="2"/>', "<polygon/>", "<party/>"])
def test_a_shape_of_cvat_without_an_area_is_left_out(tmp_path, shape):
    found, names, _ = of_cvat(tmp_path, shape + POLYGON)
    assert names == ("background", "leaf") and (found["a"] == SQUARE).all()


@pytest.mark.parametrize("xml", [
    '<!DOCTYPE a [<!ENTITY b "boom"><!ENTITY c "&b;&b;">]><annotations><image name="&c;"/></annotations>',
    '<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><annotations><image name="&b;"/></annotations>',
    "<annotations><image>", "", "\0", '<?xml version="1.0" encoding="nonsense"?><annotations/>'])
def test_xml_with_entities_or_without_an_end_is_refused(xml):
    with pytest.raises(Unusable):
        cvat.parse(xml.encode())


def test_an_export_for_videos_says_what_to_choose_instead(tmp_path):
    (tmp_path / "annotations.xml").write_text('<annotations><track id="0" label="car"/></annotations>')
    assert "CVAT for images 1.1" in str(maps(tmp_path)[2])


def packed(mask):
    """Label Studio's bytes for Bool[H, W], as its converter writes them: runs of at most 2^16, four equal channels."""
    values = np.repeat(mask.ravel().astype(np.uint8) * 255, 4)
    edges = np.flatnonzero(np.diff(values)) + 1
    bits = io.StringIO()
    bits.write(f"{len(values):032b}{7:05b}" + "".join(f"{size - 1:04b}" for size in (3, 4, 8, 16)))
    for run in np.split(values, edges):
        if len(run) <= 16:  # also as single values, which are allowed
            bits.write(f"001{len(run) - 1:04b}" + "".join(f"{value:08b}" for value in run))
        else:
            bits.write(f"111{len(run) - 1:016b}{run[0]:08b}")
    text = bits.getvalue()
    text += "0" * (8 - len(text) % 8)
    return [int(text[index:index + 8], 2) for index in range(0, len(text), 8)]


def result(kind, value, **more):
    return {"id": "x", "type": kind, "from_name": "tag", "to_name": "img", "original_width": 40, "original_height": 30,
            "image_rotation": 0, "value": value} | more


def task(*results, image="/data/upload/3/0a1b2c3d-a.jpg", **more):
    return {"id": 5, "data": {"image": image}, "annotations": [{"result": list(results)}]} | more


SQUARES = {
    "polygonlabels": {"points": [[25, 100 / 6], [50, 100 / 6], [50, 50], [25, 50]]},
    "rectanglelabels": {"x": 25, "y": 100 / 6, "width": 25, "height": 100 / 3, "rotation": 0},
    "brushlabels": {"format": "rle", "rle": packed(SQUARE > 0)},
}


@pytest.mark.parametrize("kind", SQUARES)
def test_label_studios_shapes_are_one_square(tmp_path, kind):
    photograph(tmp_path / "a.jpg")
    as_json(tmp_path / "project.json", [task(result(kind, SQUARES[kind] | {kind: ["leaf"]}))])
    found, names, skips = maps(tmp_path)
    assert names == ("background", "leaf") and not skips and (found["a"] == SQUARE).all()


@pytest.mark.parametrize("kind", SQUARES)
def test_the_short_export_of_label_studio_is_read_too(tmp_path, kind):
    photograph(tmp_path / "a.jpg")
    mark = SQUARES[kind] | {kind: ["leaf"], "original_width": 40, "original_height": 30}
    as_json(tmp_path / "project.json", [{"id": 1, "image": "/data/local-files/?d=some%20where/a.jpg", "tag": [mark]}])
    assert (maps(tmp_path)[0]["a"] == SQUARE).all()


def test_a_rectangle_of_label_studio_turns_about_its_corner(tmp_path):
    photograph(tmp_path / "a.jpg")
    value = {"x": 50, "y": 100 / 6, "width": 25, "height": 100 / 3, "rotation": 90, "rectanglelabels": ["leaf"]}
    as_json(tmp_path / "project.json", [task(result("rectanglelabels", value))])
    assert (maps(tmp_path)[0]["a"] == SQUARE).all()


def test_keypoints_choices_and_broken_brushes_are_left_out(tmp_path):
    photograph(tmp_path / "a.jpg")
    as_json(tmp_path / "project.json", [task(
        result("keypointlabels", {"x": 1, "y": 1, "width": 1, "keypointlabels": ["eye"]}),
        result("choices", {"choices": ["good"]}), result("polygonlabels", SQUARES["polygonlabels"]),
        *(result("brushlabels", {"rle": broken, "brushlabels": ["eye"]})
          for broken in ([], [1, 2], "abc", [999], packed(SQUARE > 0)[:30], packed(SQUARE[:9] > 0))),
        result("polygonlabels", SQUARES["polygonlabels"] | {"polygonlabels": ["eye"]}, image_rotation=90),
        result("polygonlabels", SQUARES["polygonlabels"] | {"polygonlabels": ["leaf"]}))])
    found, names, _ = maps(tmp_path)
    assert names == ("background", "leaf") and (found["a"] == SQUARE).all()


def test_of_several_annotations_the_newest_counts_and_unfinished_tasks_are_named(tmp_path):
    photograph(tmp_path / "a.jpg")
    old = {"result": [result("polygonlabels", SQUARES["polygonlabels"] | {"polygonlabels": ["old"]})],
           "updated_at": "2024-01-01"}
    new = {"result": [result("polygonlabels", SQUARES["polygonlabels"] | {"polygonlabels": ["new"]})],
           "updated_at": "2025-01-01"}
    as_json(tmp_path / "project.json", [
        task(annotations=[old, new, old | {"updated_at": "2026-01-01", "was_cancelled": True}]),
        task(annotations=[], predictions=[new], id=6), {"id": 7, "data": {"text": "no picture"}}, 8])
    _, names, skips = maps(tmp_path)
    assert names == ("background", "new") and len(skips) == 3
    assert "not annotated yet" in skips["project.json: task 6"]
