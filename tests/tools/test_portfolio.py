"""A finished student's page: its figures are measured, what stands on it is text, and the demo runs inside."""

import hashlib
import json
import math
import os
import re
import subprocess
import sys

import pytest
import torch
from bs4 import BeautifulSoup

from helpers import export, metrics, models, settings, shapes, training, transforms, voc
from tests.support import axe
from tests.support.hostile import chromium  # noqa: F401 (a fixture)
from tools import portfolio
from tools.portfolio import __main__ as command

pytestmark = pytest.mark.xdist_group("portfolio")
NAME = "Ada </h1><script>window.hacked = 1</script> & Söhne"
DEMO = """<!doctype html><html lang="en"><head><title>x</title></head><body><h1>A demo</h1><!-- <script> -->
<script>document.body.append("it runs, 1 < 2 & </" + "script>")</script></body></html>"""
EPOCHS = [{"epoch": 0, "loss": 0.9, "mean_iou": 0.31, "seconds": 4.0},
          {"epoch": 1, "loss": 0.5, "mean_iou": 0.42, "seconds": 5.0}]


@pytest.fixture(scope="module")
def course(tmp_path_factory):
    """A folder as the course leaves it, with a model that has learned nothing, and few images."""
    folder = tmp_path_factory.mktemp("course")
    shapes.write(folder / "data", {"train": 8, "val": 9})
    torch.manual_seed(0)
    export.save_model(folder / settings.MODEL_FILE, models.build_model(6), shapes.CLASS_NAMES, 96)
    (folder / "history.json").write_text(json.dumps(EPOCHS))
    os.utime(folder / settings.MODEL_FILE, (1000, 1000))
    (folder / "demo.html").write_text(DEMO)
    return folder


@pytest.fixture(scope="module")
def page(course):
    """The page that the command writes of it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COURSE_DATA_ROOT", str(course / "data"))
        command.main([NAME, "--model", str(course / settings.MODEL_FILE), "--to", str(course / "page.html"),
                      "--demo", str(course / "demo.html")])
    return course / "page.html"


@pytest.fixture
def run(course, monkeypatch, tmp_path, capsys):
    """What the command says, and whether it wrote a page."""
    monkeypatch.setenv("COURSE_DATA_ROOT", str(course / "data"))

    def call(*arguments):
        with pytest.raises(SystemExit) as end:
            command.main([*map(str, arguments), "--to", str(tmp_path / "page.html")])
        return end.value.code, (tmp_path / "page.html").exists()
    return call


def test_the_figures_are_those_of_the_model(course, page, monkeypatch):
    monkeypatch.setenv("COURSE_DATA_ROOT", str(course / "data"))
    data = voc.prepare(settings.load())
    model = export.load_model(course / settings.MODEL_FILE)[0]
    images = data.open("val", transforms.eval_transform(96))
    confusion = metrics.evaluate(model, torch.utils.data.DataLoader(images), 6, "cpu")
    shown = BeautifulSoup(page.read_text(encoding="utf-8"), "html.parser")
    tiles = [float(tile.text.partition(" ")[0]) for tile in shown.select(".tiles strong")]
    assert tiles[:2] == [round(100 * value, 1) for value in (metrics.mean_iou(confusion),
                                                             metrics.all_background(confusion))]
    epochs, classes = ([[cell.text for cell in row.select("td")] for row in table.select("tbody tr")]
                       for table in shown.select("table"))
    assert epochs == [["1", "0.900", "31.0 %"], ["2", "0.500", "42.0 %"]]
    assert classes == [[name, "absent" if math.isnan(value) else f"{100 * value:.1f} %"] for name, value in
                       zip(shapes.CLASS_NAMES, metrics.iou_per_class(confusion).tolist())]
    digest = hashlib.sha256((course / settings.MODEL_FILE).read_bytes()).hexdigest()
    assert digest[:16] in shown.select_one("dl").text and "2 epochs, 9 s" in shown.select_one("dl").text


def test_best_and_worst_are_in_order_and_none_is_both(page):
    shown = BeautifulSoup(page.read_text(encoding="utf-8"), "html.parser")
    said = [list(map(float, re.findall(r"\d\.\d\d", image["alt"])))
            for image in shown.select("img") if "validation images" in image["alt"]]
    best, worst = said
    assert len(best) == len(worst) == 4
    assert best == sorted(best, reverse=True) and worst == sorted(worst) and best[-1] >= worst[-1]
    assert all(image["alt"] and image["src"].startswith("data:image/png;base64,") for image in shown.select("img"))


def test_the_demo_opens_inside_and_nothing_leaves_the_page(page, chromium):  # noqa: F811
    tab = chromium.new_context(offline=True).new_page()
    asked = []
    tab.on("request", lambda request: asked.append(request.url.partition(":")[0]))
    tab.goto(page.as_uri())
    assert tab.evaluate("window.hacked") is None and NAME in tab.locator("h1").inner_text()
    tab.get_by_role("button", name="Open the demo").press("Enter")
    frame = tab.frame_locator("iframe")
    frame.get_by_text("it runs, 1 < 2 & </script>").wait_for()
    assert frame.locator("h1").inner_text() == "A demo"
    assert set(asked) <= {"file", "data", "about"} and asked.count("file") == 1
    tab.context.close()


@pytest.mark.parametrize("scheme, width", [("light", 1100), ("dark", 390)])
def test_everybody_can_read_it(page, chromium, scheme, width):  # noqa: F811
    assert axe.complaints(chromium, page, scheme, width) == []
    assert axe.overflow(chromium, page, width) <= 0


def test_a_demo_that_is_older_than_the_model_stays_out(course, tmp_path):
    old = tmp_path / "old.html"
    old.write_text(DEMO)
    os.utime(old, (500, 500))
    assert command.is_newer(course / "demo.html", course / settings.MODEL_FILE)
    assert not command.is_newer(old, course / settings.MODEL_FILE)
    assert not command.is_newer(tmp_path / "none.html", course / settings.MODEL_FILE)
    assert portfolio.demo_section(None) == ""


def test_the_newest_model_is_taken_wherever_the_notebook_has_left_it(tmp_path):
    for folder, time in (("course", 2000), ("shapes", 1000)):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / settings.MODEL_FILE).touch()
        os.utime(tmp_path / folder / settings.MODEL_FILE, (time, time))
    places = tmp_path / "course", tmp_path / "shapes"
    assert command.newest(*places) == places[0] / settings.MODEL_FILE
    os.utime(places[1] / settings.MODEL_FILE, (3000, 3000))
    assert command.newest(*places) == places[1] / settings.MODEL_FILE
    assert command.newest(tmp_path / "gone", tmp_path) == tmp_path / settings.MODEL_FILE


def test_a_missing_model_and_one_of_other_classes_are_one_line(course, run, tmp_path):
    said, written = run("--model", tmp_path / "gone.safetensors")
    assert "found nothing at " in said and "run notebook 5 to its end" in said and "\n" not in said and not written
    export.save_model(tmp_path / "other.safetensors", models.build_model(3), ["background", "leaf", "mug"], 96)
    said, written = run("--model", tmp_path / "other.safetensors")
    assert "found one of background, leaf, mug" in said and "\n" not in said and not written
    (tmp_path / "broken.safetensors").write_bytes(b"no model")
    said, written = run("--model", tmp_path / "broken.safetensors")
    assert "make portfolio: model file" in said and not written


def test_it_needs_nothing_that_colab_lacks():
    """Students run it there: `%run -m tools.portfolio`."""
    blocked = "import sys; sys.modules |= dict.fromkeys(('nbgrader', 'bs4', 'sphinx', 'onnx', 'dask'))"
    subprocess.run([sys.executable, "-c", f"{blocked}; import tools.portfolio.__main__"], cwd=settings.ROOT, check=True)


def test_a_training_without_a_record_and_a_single_image_make_a_page_too(course, tmp_path, monkeypatch):
    assert command.history(tmp_path) == []
    shapes.write(tmp_path / "data", {"train": 8, "val": 1})
    monkeypatch.setenv("COURSE_DATA_ROOT", str(tmp_path / "data"))
    monkeypatch.setattr(training, "baselines", lambda *_: (0.1, 0.2))
    config = settings.load()
    model = export.load_model(course / settings.MODEL_FILE)[0]
    portfolio.write(tmp_path / "page.html", model, 96, [], voc.prepare(config), config)
    text = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "I trained a model" in text and "was not kept" in text and "too few validation images" in text
