"""The explorers in a real JupyterLab, driven by a real browser: does a picture follow its controls?"""

import re
import shutil
import sys
from contextlib import contextmanager
from pathlib import Path

import nbformat
import pytest
from PIL import Image
from playwright import sync_api as playwright

from helpers import shapes
from tests.support import missing
from tests.support.front_ends import Lab, served

expect = playwright.expect
pytestmark = pytest.mark.xdist_group("browser")  # one JupyterLab for all of them

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 120_000  # milliseconds
expect.set_options(timeout=PATIENCE)
CELLS = {
    "start": "import torch\nfrom helpers import models, settings, training, voc, widgets\n"
             "torch.set_num_threads(1)\ndevkit = voc.prepare(settings.load())",
    "browse": "widgets.browse(devkit)",
    "augmentation": "widgets.explore_augmentation(devkit, 96)",
    "predictions": "model = models.build_model(devkit.num_classes)\n"
                   "widgets.explore_predictions(model, devkit, 96, images=4)",
    # Untrained, it may see background alone, and then no opacity changes the picture: class 1 wins everywhere
    "photograph": "model = models.build_model(devkit.num_classes)\n"
                  "torch.nn.init.constant_(model.classifier.high_classifier.bias[1:2], 100.0)\n"
                  "widgets.explore_photograph(model, devkit, 96)",
    "training": "view = widgets.TrainingView(2)\nfor number in range(1, 6):\n    view.batch(number, 5)\n"
                "history = [training.Epoch(0, 1.2, 0.1, 5.0)]\nview.epoch(history)",
    "second epoch": "view.batch(1, 2)\nhistory.append(training.Epoch(1, 0.7, 0.4, 5.0))\nview.epoch(history)",
}


@pytest.fixture(scope="module")
def browser():
    found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    with playwright.sync_playwright() as driver:
        if not found and not Path(driver.chromium.executable_path).exists():
            missing("no chromium or chrome: neither on PATH nor playwright's own")
        chromium = driver.chromium.launch(executable_path=found, args=[
            "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
            "--disable-component-update", "--disable-sync"])
        yield chromium
        chromium.close()


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """The address of a JupyterLab that shows a folder with one notebook, all.ipynb."""
    folder = tmp_path_factory.mktemp("lab")
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(code) for code in CELLS.values()])
    notebook.metadata.kernelspec = {"name": "python3", "display_name": "Python 3", "language": "python"}
    (folder / "notebooks").mkdir()
    nbformat.write(notebook, folder / "notebooks" / "all.ipynb")
    with served(Lab, [sys.executable, "-m", "jupyterlab"], folder / "notebooks",
                {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}) as address:
        yield address("all.ipynb")


@pytest.fixture(scope="module")
def page(browser, lab):
    """The notebook in JupyterLab, 1000 pixels wide, its first cell run."""
    page = browser.new_page(viewport={"width": 1000, "height": 2600})
    page.set_default_timeout(PATIENCE)
    page.goto(lab)
    page.get_by_text("Python 3 (ipykernel) | Idle").wait_for()
    _run(page, "start")
    return page


def _run(page, name):
    """Run one cell, wait for its end, and return it."""
    cell = page.locator(".jp-CodeCell").nth(list(CELLS).index(name))
    cell.locator(".cm-content").click()
    page.keyboard.press("Shift+Enter")
    expect(cell.locator(".jp-InputPrompt")).to_have_text(re.compile(r"\[\d+\]:"))
    expect(cell.locator("[data-mime-type='application/vnd.jupyter.stderr']")).to_have_count(0)
    return cell


def _picture(cell):
    """The one picture that a cell shows: a live widget, not the still figure."""
    picture = cell.locator(".jupyter-widgets img")
    expect(picture).to_have_count(1)
    for still in cell.locator("[class^=still-]").all():
        expect(still).to_be_hidden()
    expect(picture).to_have_attribute("src", re.compile("^data:image/png"))
    expect(picture).to_be_visible()
    box = _box(picture)
    assert box["width"] > 400 and box["height"] > 150 and box["x"] + box["width"] <= 1000
    return picture


def _box(picture):
    """Where the picture is; a redraw may replace it just while one asks."""
    for _ in range(100):
        box = picture.bounding_box()
        if box:
            return box
        picture.page.wait_for_timeout(100)
    raise AssertionError("the picture never came to rest")


@contextmanager
def _changes(picture):
    before = picture.get_attribute("src")
    yield
    expect(picture).not_to_have_attribute("src", before)


def _slider(cell, name):
    return cell.locator(".widget-slider", has_text=re.compile(f"^{name}")).get_by_role("slider")


def _press(cell, name, key="ArrowRight"):
    slider = _slider(cell, name)
    before = slider.get_attribute("aria-valuetext")
    slider.focus()
    slider.press(key)
    expect(slider).not_to_have_attribute("aria-valuetext", before)


def test_the_browser_of_images_follows_its_controls(page):
    cell = _run(page, "browse")
    picture = _picture(cell)
    number = cell.get_by_role("spinbutton", name="image")
    with _changes(picture):
        number.press("ArrowUp")
    with _changes(picture):
        cell.get_by_role("button", name="next").click()
    expect(number).to_have_value("2")
    with _changes(picture):
        number.fill("317")
        number.press("Enter")
    with _changes(picture):
        _press(cell, "opacity")
    with _changes(picture):
        cell.get_by_role("checkbox").click()
    with _changes(picture):
        cell.get_by_role("combobox").select_option("star")


def test_one_seed_turns_every_knob_of_the_augmentation(page):
    cell = _run(page, "augmentation")
    picture, zoom = _picture(cell), _slider(cell, "zoom")
    before = zoom.get_attribute("aria-valuetext")
    with _changes(picture):
        _press(cell, "seed")
    expect(zoom).not_to_have_attribute("aria-valuetext", before)
    with _changes(picture):
        _press(cell, "crop size")


def test_a_click_on_a_pixel_shows_its_probabilities(page):
    cell = _run(page, "predictions")
    picture = _picture(cell)
    with _changes(picture):
        _press(cell, "worst to best")
    with _changes(picture):
        _press(cell, "pixel x")
    size = _box(picture)
    with _changes(picture):
        picture.click(position={"x": 0.08 * size["width"], "y": 0.1 * size["height"]})
    for name in ("pixel x", "pixel y"):  # the upper left of the first panel
        value = float(_slider(cell, name).get_attribute("aria-valuetext"))
        assert 0 < value < 30
    with _changes(picture):
        cell.get_by_role("combobox").select_option("heart")


def test_a_photograph_is_uploaded_or_found_at_its_path(page, tmp_path):
    cell = _run(page, "photograph")
    picture = _picture(cell)
    expect(cell.get_by_text("picture 0 of ours, 1200 × 900 pixels")).to_be_visible()
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was held upright
    shapes.draw(7, (4000, 3000))[0].save(tmp_path / "telephone.jpg", exif=exif)
    shapes.draw(8, (500, 400))[0].convert("LA").save(tmp_path / "web.png")
    (tmp_path / "notes.pdf").write_bytes(b"%PDF-1.7")
    with _changes(picture):
        _choose(page, cell, tmp_path / "telephone.jpg")
    expect(cell.get_by_text("telephone.jpg, 3000 × 4000 pixels: ")).to_be_visible()
    with _changes(picture):
        _press(cell, "opacity")
    path = cell.get_by_placeholder("such as photos/cat.jpg")
    with _changes(picture):
        path.fill(str(tmp_path / "web.png"))
        path.press("Enter")
    expect(cell.get_by_text("web.png, 500 × 400 pixels: ")).to_be_visible()
    _choose(page, cell, tmp_path / "notes.pdf")
    expect(cell.get_by_text("expected an image (JPEG, PNG, WebP ...), found a PDF")).to_be_visible()
    expect(picture).to_have_count(0)
    _press(cell, "or ours")
    expect(cell.get_by_text("picture 1 of ours")).to_be_visible()
    expect(_picture(cell)).to_be_visible()


def _choose(page, cell, path):
    """Upload a file as a student does: a click on the button, a choice in the dialogue of the browser."""
    with page.expect_file_chooser() as dialogue:
        cell.get_by_role("button", name="your picture").click()
    dialogue.value.set_files(path)


def test_the_training_view_draws_each_epoch(page):
    cell = _run(page, "training")
    picture = _picture(cell)
    expect(cell.get_by_text("1 of 2 epochs done")).to_be_visible()
    with _changes(picture):
        _run(page, "second epoch")
    expect(cell.get_by_text("2 of 2 epochs done, validation mean IoU 40.0%, best 40.0%")).to_be_visible()


def test_opened_again_with_a_new_kernel_the_explorers_show_their_stills(page, lab, browser):
    for name in ("browse", "training"):
        _run(page, name)
    page.keyboard.press("Control+s")
    expect(page.locator(".jp-Notebook-ExecutionIndicator")).to_have_attribute("data-status", "idle")
    page.get_by_role("menuitem", name="Kernel", exact=True).click()
    page.get_by_text("Shut Down Kernel", exact=True).click()
    page.wait_for_timeout(1000)
    again = browser.new_page(viewport={"width": 1000, "height": 2600})
    again.goto(lab)
    again.get_by_text("Python 3 (ipykernel) | Idle").wait_for()
    cell = again.locator(".jp-CodeCell").nth(list(CELLS).index("browse"))
    expect(cell.get_by_alt_text("A browser of the train images")).to_be_visible()
    expect(cell.get_by_text("Run the cell to use it")).to_be_visible()
    training = again.locator(".jp-CodeCell").nth(list(CELLS).index("training"))
    expect(training.get_by_text("A live view of the training")).to_be_visible()
    gone = again.get_by_text("model not found")
    expect(gone.first).to_be_attached()
    assert not [text for text in gone.all() if text.is_visible()]
    again.close()
