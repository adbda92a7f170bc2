"""From a folder or zip to a data set: all of it or nothing, nothing outside it, and one line for what is wrong."""

import subprocess
import sys
import tempfile
import zipfile
from collections import Counter

import numpy as np
import pytest
from PIL import Image

from helpers import settings, voc
from helpers.own import classes
from tests.tools.photographs import as_json, maps, photograph, run
from tests.tools.test_labelme import SQUARE, record, shape
from tools.annotations import devkit, pictures, report


@pytest.fixture
def photos(tmp_path):
    """Six annotated photographs of two classes, and one thing wrong."""
    folder = tmp_path / "photos"
    for index in range(6):
        photograph(folder / f"{index}.jpg")
        shapes = [shape(), shape("Käfer auf Blatt", [[25, 5], [35, 5], [35, 15]])] if index < 3 else [shape()]
        as_json(folder / f"{index}.json", record(*shapes, name=f"{index}.jpg"))
    as_json(folder / "7.json", record(shape(), name="7.jpg"))
    return folder


def lists(target):
    folder = target / "VOCdevkit/VOC2012/ImageSets/Segmentation"
    return {part: (folder / f"{part}.txt").read_text().split() for part in ("train", "val", "trainval")}


def test_a_folder_becomes_a_data_set_that_passes_the_courses_own_check(photos, tmp_path, capsys):
    run(photos, "--to", tmp_path / "own")
    names, palette = classes(tmp_path / "own")
    assert names == ("background", "Käfer auf Blatt", "leaf") and palette.shape == (3, 3)
    data = voc.Devkit(tmp_path / "own", names, palette)
    voc.check(data)
    parts = lists(tmp_path / "own")
    assert sorted(parts["train"] + parts["val"]) == parts["trainval"] == ["0", "1", "2", "3", "4", "5"]
    said = capsys.readouterr().out
    assert "6 images (" in said and "7.json: no picture named 7.jpg" in said and "make course DATASET=own" in said
    assert [path.name for path in tmp_path.iterdir()] == ["photos", "own"] or len(list(tmp_path.iterdir())) == 2


def test_each_class_is_on_both_sides_of_the_split_and_a_seed_always_gives_the_same():
    images = {f"{index}": Counter({0: 5, 1: 5 * (index < 30), 2: 5 * (index in (3, 31)), 3: index == 9}) for index in
              range(40)}
    images = {name: Counter({value: count for value, count in counts.items() if count}) for name, counts in
              images.items()}
    parts = devkit.split(images, 0.2, 0)
    assert parts == devkit.split(images, 0.2, 0) != devkit.split(images, 0.2, 1)
    assert sorted(parts["train"] + parts["val"]) == sorted(images) and 7 <= len(parts["val"]) <= 10
    assert all(any(value in images[name] for name in parts[part]) for part in parts for value in (0, 1, 2))
    assert "9" in parts["train"]  # the only one of its class


@pytest.mark.parametrize("count, share", [(2, 0.2), (3, 0.9), (5, 0.01)])
def test_neither_side_is_ever_empty(count, share):
    parts = devkit.split({str(index): Counter({0: 1, 1: 1}) for index in range(count)}, share, 0)
    assert parts["train"] and parts["val"]


def test_overlaps_and_borders_are_drawn_as_asked(tmp_path):
    small = [[12, 7], [15, 7], [15, 10], [12, 10]]
    photograph(tmp_path / "a.jpg")
    as_json(tmp_path / "a.json", record(shape("worm", small), shape()))
    values = {overlap: maps(tmp_path, overlap=overlap)[0]["a"][8, 13] for overlap in devkit.OVERLAPS}
    assert values == {"last": 1, "small": 2, "void": 255}


def test_a_border_is_void_on_both_sides(photos, tmp_path):
    run(photos, "--to", tmp_path / "own", "--border", 1)
    mask = np.array(Image.open(tmp_path / "own/VOCdevkit/VOC2012/SegmentationClass/5.png"))
    assert mask[10, 8:13].tolist() == [0, 255, 255, 2, 2]


def test_labels_that_differ_in_case_or_spaces_are_one_class_and_voids_are_none(tmp_path):
    photograph(tmp_path / "a.jpg")
    labels = ["  Big   leaf", "big leaf", "big leaf", "BIG LEAF", "__ignore__", "void", "_background_"]
    as_json(tmp_path / "a.json", record(*map(shape, labels)))
    assert maps(tmp_path)[1] == ("background", "big leaf")


def test_chosen_classes_keep_their_order_and_others_become_background(photos, tmp_path, capsys):
    run(photos, "--to", tmp_path / "own", "--classes", "background,leaf,moss")
    assert classes(tmp_path / "own")[0] == ("background", "leaf", "moss")
    assert "not in the list of classes, so background: 'Käfer auf Blatt' (3 regions)" in capsys.readouterr().out


def test_large_pictures_are_shrunk_with_their_masks(tmp_path):
    for index in range(2):
        photograph(tmp_path / "p" / f"{index}.jpg", (400, 300))
        as_json(tmp_path / "p" / f"{index}.json", record(shape(points=[[10 * x, 10 * y] for x, y in SQUARE]),
                                                         name=f"{index}.jpg", size=(400, 300)))
    run(tmp_path / "p", "--to", tmp_path / "own", "--longest", 40)
    mask = np.array(Image.open(tmp_path / "own/VOCdevkit/VOC2012/SegmentationClass/0.png"))
    assert mask.shape == (30, 40) and mask[5:15, 10:20].all() and mask.sum() == 100


@pytest.mark.parametrize("mode", ["P", "L", "RGBA", "LA", "CMYK", "1", "I;16", "F"])
def test_a_picture_of_any_mode_is_shrunk_and_saved_in_colour(tmp_path, mode):
    picture = Image.fromarray(np.arange(48 * 64, dtype=np.uint16).reshape(48, 64))
    picture = picture if mode == "I;16" else picture.convert("F") if mode == "F" else picture.convert("L").convert(mode)
    picture.save(tmp_path / ("a.tif" if mode in ("F", "CMYK") else "a.png"))
    image, stored, _ = pictures.load(next(tmp_path.iterdir()), 32)
    assert (image.mode, image.size, stored) == ("RGB", (32, 24), (64, 48)) and len(image.getcolors()) > 1


def test_one_picture_under_two_names_is_taken_once_and_one_name_for_two_pictures_is_made_two(photos, tmp_path):
    (photos / "copy.jpg").write_bytes((photos / "0.jpg").read_bytes())
    as_json(photos / "copy.json", record(shape(), name="copy.jpg"))
    photograph(photos / "more" / "1.jpg", seed=99)
    as_json(photos / "more" / "1.json", record(shape(), name="1.jpg"))
    run(photos, "--to", tmp_path / "own")
    assert lists(tmp_path / "own")["trainval"] == ["0", "1", "1-2", "2", "3", "4", "5"]
    assert "the same picture as 0.json" in (tmp_path / "own" / "report.html").read_text()


def test_a_picture_without_a_region_is_skipped_or_all_background(photos, tmp_path):
    as_json(photos / "5.json", record(name="5.jpg"))
    run(photos, "--to", tmp_path / "own")
    run(photos, "--to", tmp_path / "with", "--keep-empty")
    assert "5" not in lists(tmp_path / "own")["trainval"] and "5" in lists(tmp_path / "with")["trainval"]


def test_the_report_shows_counts_pictures_and_skipped_files_and_runs_nothing_foreign(photos, tmp_path):
    as_json(photos / "<script>alert(1)<.json", record(shape(), name="8.jpg"))
    run(photos, "--to", tmp_path / "own")
    page = (tmp_path / "own" / "report.html").read_text()
    assert page.count('<img src="data:image/png;base64,iVBOR') == 6 and "<script" not in page
    assert "no picture named 7.jpg in the folder" in page and "Käfer auf Blatt: in 3 images only" in page
    assert str(tmp_path) not in page


def test_ten_pictures_show_every_class():
    images = {f"{index}": Counter({0: 9} | ({index: 1} if index in (3, 7) else {})) for index in range(50)}
    shown = report.chosen(images)
    assert len(set(shown)) == 10 and {"3", "7"} <= set(shown)


@pytest.mark.parametrize("setup, said", [
    (lambda folder: None, "expected a folder or a zip, found nothing"),
    (lambda folder: folder.mkdir(), "expected labelme, COCO, .*, found none of them"),
    (lambda folder: photograph(folder / "a.jpg"), "expected labelme, COCO, .*, found none of them"),
    (lambda folder: as_json(folder / "a.json", record(shape())), "skipped, the first, a.json: no picture named a.jpg"),
    (lambda folder: folder.write_text("PK"), "expected a folder or a zip, found another kind of file"),
])
def test_a_folder_of_nothing_is_one_line_and_writes_nothing(tmp_path, setup, said):
    setup(tmp_path / "in")
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(SystemExit, match=said) as stop:
        run(tmp_path / "in", "--to", tmp_path / "own")
    assert str(stop.value).startswith("annotations: ") and "\n" not in str(stop.value)
    assert sorted(tmp_path.rglob("*")) == before


def test_one_picture_is_no_data_set(tmp_path):
    photograph(tmp_path / "in" / "a.jpg")
    as_json(tmp_path / "in" / "a.json", record(shape()))
    with pytest.raises(SystemExit, match="at least 2 annotated pictures that can be used, found 1"):
        run(tmp_path / "in", "--to", tmp_path / "own")


@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError(28, "No space left on device")])
def test_an_interrupt_or_a_full_disk_leaves_nothing(photos, tmp_path, monkeypatch, error):
    def fail(*_):
        raise error
    monkeypatch.setattr(report, "write", fail)
    with pytest.raises((KeyboardInterrupt, SystemExit)):
        run(photos, "--to", tmp_path / "own")
    assert [path.name for path in tmp_path.iterdir()] == ["photos"]


def test_what_stands_there_is_replaced_only_if_asked_and_only_if_it_is_ours(photos, tmp_path):
    run(photos, "--to", tmp_path / "own")
    with pytest.raises(SystemExit, match="--replace takes its place"):
        run(photos, "--to", tmp_path / "own")
    run(photos, "--to", tmp_path / "own", "--replace", "--classes", "leaf")
    assert classes(tmp_path / "own")[0] == ("background", "leaf")
    with pytest.raises(SystemExit, match="choose another name, or delete it"):
        run(photos, "--to", photos, "--replace")
    assert (photos / "0.jpg").exists() and len(list(tmp_path.iterdir())) == 2


def test_the_commands_need_nothing_that_colab_does_not_have():
    there = "import sys; sys.modules |= dict.fromkeys(('nbgrader', 'sqlalchemy', 'dask', 'bleach', 'onnx'))"
    code = (f"{there}; import tools.annotations.__main__, tools.predict; del sys.modules['onnx']\n"
            "import tools.demo.__main__")  # notebook 5 has fetched it by then
    ran = subprocess.run([sys.executable, "-c", code], cwd=settings.ROOT, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr


def zipped(folder, target, **more):
    with zipfile.ZipFile(target, "w") as archive:
        for path in sorted(folder.rglob("*")):
            archive.write(path, path.relative_to(folder.parent))
        for name, content in more.items():
            archive.writestr(name, content)
    return target


def test_a_zip_serves_as_a_folder_and_hostile_names_in_it_go_nowhere(photos, tmp_path, monkeypatch):
    deep = tmp_path / "a" / "b" / "c"  # two steps up from what is unpacked here are still seen
    deep.mkdir(parents=True)
    monkeypatch.setattr(tempfile, "tempdir", str(deep))
    archive = zipped(photos, tmp_path / "photos.zip", **{
        "../../escaped.json": "{}", "/absolute.json": "{}", "C:\\windows.json": "{}", "ok/../../up.jpg": "x",
        "__MACOSX/._0.json": "\0", "run.py": "print()"})
    run(archive, "--to", tmp_path / "own")
    assert len(lists(tmp_path / "own")["trainval"]) == 6
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "own", "photos", "photos.zip"]
    assert [path.name for path in (tmp_path / "a").rglob("*")] == ["b", "c"]


@pytest.mark.parametrize("harm", ["cut", "garbled", "bomb"])
def test_a_damaged_zip_or_a_bomb_is_one_line(photos, tmp_path, monkeypatch, harm):
    archive = zipped(photos, tmp_path / "photos.zip")
    data = bytearray(archive.read_bytes())
    if harm == "cut":
        archive.write_bytes(data[:len(data) // 2])
    elif harm == "garbled":
        data[60:90] = b"x" * 30
        archive.write_bytes(data)
    else:
        monkeypatch.setattr("tools.annotations.folder.MOST_UNPACKED", 1000)
    with pytest.raises(SystemExit) as stop:
        run(archive, "--to", tmp_path / "own")
    assert "\n" not in str(stop.value) and not (tmp_path / "own").exists()


@pytest.mark.parametrize("arguments, said", [
    (["--val", "1"], "a share between 0 and 1"), (["--border", "-1"], "a whole number from 0 to 20"),
    (["--overlap", "first"], "invalid choice: 'first'")])
def test_an_option_that_makes_no_sense_is_named(photos, tmp_path, capsys, arguments, said):
    with pytest.raises(SystemExit):
        run(photos, "--to", tmp_path / "own", *arguments)
    assert said in capsys.readouterr().err
