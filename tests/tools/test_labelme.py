"""labelme's files, as the program writes them and as people leave them."""

import base64
import io

import numpy as np
import pytest
from PIL import Image

from tests.tools.photographs import as_json, maps, photograph, rectangle

SIZE = (40, 30)
SQUARE = [[10, 5], [20, 5], [20, 15], [10, 15]]


def shape(label="leaf", points=SQUARE, kind="polygon", **more):
    return {"label": label, "points": points, "group_id": None, "shape_type": kind, "flags": {}} | more


def record(*shapes, name="a.jpg", data=None, size=SIZE):
    return {"version": "5.5.0", "flags": {}, "shapes": list(shapes), "imagePath": name, "imageData": data,
            "imageHeight": size[1], "imageWidth": size[0]}


def one(folder, *shapes, **more):
    """The label map of one picture with these shapes, the class names, the reasons for skipping."""
    photograph(folder / "a.jpg")
    as_json(folder / "a.json", record(*shapes, **more))
    found, names, skips = maps(folder)
    return found.get("a"), names, skips


def test_a_polygon_covers_the_pixels_whose_centres_it_holds(tmp_path):
    target, names, skips = one(tmp_path, shape())
    assert names == ("background", "leaf") and not skips
    assert (target == rectangle(10, 5, 20, 15)).all()


def test_what_was_drawn_later_lies_on_top_and_background_cuts_a_hole(tmp_path):
    hole = shape("_background_", [[12, 7], [15, 7], [15, 10], [12, 10]])
    target, names, _ = one(tmp_path, shape(), hole, shape("worm", [[13, 8], [14, 8], [14, 9], [13, 9]]))
    assert names == ("background", "leaf", "worm")
    assert target[8, 13] == 2 and target[7, 12] == 0 and target[6, 12] == 1


@pytest.mark.parametrize("kind, points, inside, outside", [
    ("rectangle", [[20, 15], [10, 5]], (10, 15), (20, 15)),
    ("circle", [[20, 15], [26, 15]], (15, 25), (15, 27)),
    ("oriented_rectangle", [[20, 5], [30, 15], [20, 25], [10, 15]], (15, 15), (7, 12)),
    (None, SQUARE, (10, 15), (20, 15)),
])
def test_every_kind_with_an_area_is_drawn(tmp_path, kind, points, inside, outside):
    target, _, _ = one(tmp_path, shape(kind=kind, points=points))
    assert target[inside] == 1 and target[outside] == 0


def test_a_mask_lies_where_its_box_says_and_may_leave_the_picture(tmp_path):
    buffer = io.BytesIO()
    Image.fromarray(np.ones((10, 8), bool)).save(buffer, "PNG")
    text = base64.b64encode(buffer.getvalue()).decode()
    target, _, _ = one(tmp_path, shape(kind="mask", points=[[35, 25], [42, 34]], mask=text))
    assert (target == rectangle(35, 25, 40, 30)).all()


def test_shapes_of_one_group_are_one_class(tmp_path):
    far = [[30, 20], [35, 20], [35, 25], [30, 25]]
    target, names, _ = one(tmp_path, shape(group_id=1), shape(points=far, group_id=1))
    assert names == ("background", "leaf") and (target == rectangle(10, 5, 20, 15) + rectangle(30, 20, 35, 25)).all()


@pytest.mark.parametrize("points", [
    [[1, 1], [5, 5]], [[1, 1], [1, 1], [1, 1], [5, 5]], [], None, "10 5", [[1, 2, 3]] * 4,
    [[0, 0], [float("nan"), 3], [5, 5]], [[0, 0], [1e300, 3], [5, 5]], [[0, 0], ["x", 3], [5, 5]]])
def test_points_that_enclose_nothing_are_left_out_and_the_rest_is_kept(tmp_path, points):
    target, _, skips = one(tmp_path, shape("worm", points), shape())
    assert (target == rectangle(10, 5, 20, 15)).all() and not skips


@pytest.mark.parametrize("far", [100, 10_000, 9_000_000])
def test_a_polygon_may_leave_the_picture_as_far_as_it_likes(tmp_path, far):
    target, _, _ = one(tmp_path, shape(points=[[20, -far], [far, -far], [far, far], [20, far]]))
    assert (target == rectangle(20, 0, 40, 30)).all()


def test_points_and_lines_have_no_area(tmp_path):
    target, names, _ = one(tmp_path, shape("eye", [[3, 3]], "point"), shape("stem", SQUARE[:2], "line"), shape())
    assert names == ("background", "leaf")


def test_a_picture_inside_the_file_needs_no_other(tmp_path):
    data = base64.b64encode(photograph(tmp_path / "a.jpg").read_bytes()).decode()
    (tmp_path / "a.jpg").unlink()
    as_json(tmp_path / "a.json", record(shape(), data=data))
    found, _, skips = maps(tmp_path)
    assert (found["a"] == rectangle(10, 5, 20, 15)).all() and not skips


@pytest.mark.parametrize("data", ["!!!", "AAAA", base64.b64encode(b"<html>").decode()])
def test_a_broken_picture_inside_the_file_is_one_line(tmp_path, data):
    from tools.annotations import devkit, read
    from tools.annotations.folder import Folder
    from tools.annotations.regions import Unusable
    as_json(tmp_path / "a.json", record(shape(), data=data))
    [sample], _, _, _ = read.samples(Folder(tmp_path))
    with pytest.raises(Unusable, match="picture") as error:
        devkit.convert(sample, ("background", "leaf"), devkit.Options())
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", [
    "..\\photos\\a.jpg", "C:\\Users\\Jo\\photos\\a.jpg", "photos/a.jpg", "/home/jo/photos/A.JPG", "../../photos/a.jpg"])
def test_a_path_of_another_machine_finds_the_picture_here(tmp_path, name):
    photograph(tmp_path / "photos" / "a.jpg")
    as_json(tmp_path / "labels" / "a.json", record(shape(), name=name))
    found, _, skips = maps(tmp_path)
    assert list(found) == ["a"] and not skips


def test_a_path_never_leads_out_of_the_folder(tmp_path):
    photograph(tmp_path / "secret.jpg")
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "link.jpg").symlink_to(tmp_path / "secret.jpg")
    for index, name in enumerate(["../secret.jpg", str(tmp_path / "secret.jpg"), "link.jpg"]):
        as_json(tmp_path / "in" / f"{index}.json", record(shape(), name=name))
    found, _, skips = maps(tmp_path / "in")
    assert not found and len(skips) == 4 and "link" in skips["link.jpg"]
    assert "no picture named secret.jpg" in skips["0.json"]


def test_a_picture_on_its_side_is_turned_and_its_mask_fits(tmp_path):
    """labelme shows and annotates the upright picture; EXIF 6 is stored lying."""
    exif = Image.Exif()
    exif[0x0112] = 6
    photograph(tmp_path / "a.jpg", (30, 40), exif=exif)  # upright it is 40 wide and 30 high
    as_json(tmp_path / "a.json", record(shape()))
    found, _, _ = maps(tmp_path)
    assert (found["a"] == rectangle(10, 5, 20, 15)).all()


def test_an_annotation_of_the_picture_as_stored_is_turned_with_it(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    photograph(tmp_path / "a.jpg", (40, 30), exif=exif)
    as_json(tmp_path / "a.json", record(shape()))
    found, _, _ = maps(tmp_path)
    assert found["a"].shape == (40, 30)
    assert (found["a"] == np.rot90(rectangle(10, 5, 20, 15), -1)).all()


def test_an_annotation_at_half_the_size_is_enlarged_and_one_of_other_proportions_is_not(tmp_path):
    photograph(tmp_path / "a.jpg", (80, 60))
    as_json(tmp_path / "a.json", record(shape()))
    assert (maps(tmp_path)[0]["a"] == rectangle(20, 10, 40, 30, size=(80, 60))).all()
    from tools.annotations.pictures import fit
    from tools.annotations.regions import Unusable
    with pytest.raises(Unusable, match="annotated at 40 x 30 pixels, but the picture has 80 x 80"):
        fit(Image.new("L", SIZE), SIZE, (80, 80), 1, (80, 80))


@pytest.mark.parametrize("text, reason", [
    ("{", "not whole JSON"), ("[" * 100_000, "not whole JSON"), ("9" * 10_000, "not whole JSON"), ('{"a": 1}', "known"),
    ("", "not whole JSON")])
def test_a_file_that_is_no_annotation_is_skipped_and_named(tmp_path, text, reason):
    photograph(tmp_path / "a.jpg")
    as_json(tmp_path / "a.json", record(shape()))
    (tmp_path / "b.json").write_text(text)
    found, _, skips = maps(tmp_path)
    assert list(found) == ["a"] and reason in skips["b.json"]


def test_hostile_fields_end_in_a_line_each(tmp_path):
    photograph(tmp_path / "a.jpg")
    for index, change in enumerate([{"imagePath": None}, {"imagePath": ["a.jpg"]}, {"imageWidth": "wide"},
                                    {"imageWidth": 10**9, "imageHeight": 10**9}, {"shapes": [shape()] * 5001},
                                    {"imagePath": "\x1b[31m\n" * 9}]):
        as_json(tmp_path / f"{index}.json", record(shape()) | change)
    found, _, skips = maps(tmp_path)
    assert not found and len(skips) == 6
    assert all(reason.isprintable() and len(reason) < 200 for reason in skips.values())
