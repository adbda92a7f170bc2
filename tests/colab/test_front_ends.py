"""A student works through the five notebooks in a browser: Colab's versions, classic Notebook and JupyterLab.

`make test-colab` builds the environment and runs this; elsewhere it is skipped.
"""

import os
import re
import shutil
from pathlib import Path

import nbformat
import pytest
from playwright import sync_api as playwright

from helpers import shapes
from tests.browser.test_browser import browser  # noqa: F401  (the fixture)
from tests.support.front_ends import Classic, Lab, served
from tools import notebooks

ROOT = Path(__file__).resolve().parent.parent.parent
VENV = os.environ.get("COLAB_VENV")
EXPLORERS = ("widgets.browse(", "widgets.explore_augmentation(", "widgets.explore_predictions(",
             "widgets.explore_photograph(")
expect = playwright.expect
pytestmark = [pytest.mark.skipif(not VENV, reason="run `make test-colab`"), pytest.mark.xdist_group("browser")]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A student's folder: the released notebooks, and where the model of notebook 4 is kept for notebook 5."""
    folder = tmp_path_factory.mktemp("student")
    shutil.copytree(ROOT / "notebooks", folder / "notebooks", ignore=shutil.ignore_patterns(".*"))
    return folder


@pytest.fixture(scope="module", params=[Classic, Lab], ids=["classic", "lab"])
def opened(request, browser, folder):  # noqa: F811
    """A function that opens one of the notebooks."""
    environment = {"PYTHONPATH": str(ROOT), "COURSE_OUTPUT": str(folder / "output"), "OMP_NUM_THREADS": "1"}
    with served(
        request.param, [Path(VENV, "bin", "python"), "-m", request.param.MODULE], folder, environment
    ) as address:

        def open_notebook(name):
            page = browser.new_page(viewport={"width": 1100, "height": 1400})
            front_end = request.param(page)
            shutil.copy(ROOT / "notebooks" / name / f"{name}.ipynb", folder / "notebooks" / name)
            front_end.open(address(f"notebooks/{name}/{name}.ipynb"))
            return front_end
        yield open_notebook


@pytest.mark.parametrize("name", notebooks.NAMES)
def test_a_student_gets_from_the_first_cell_to_a_notebook_that_can_be_handed_in(opened, folder, name):
    notebook, answers, explored = opened(name), _code(notebooks.solution(name)), 0
    for number, cell in enumerate(answers[:-1]):
        if cell.metadata.get("nbgrader", {}).get("solution"):
            notebook.write(number, cell.source)
        output = notebook.run(number)
        if number == 1:
            expect(output.locator("img")).to_have_count(1)  # two cells, and there is a picture
        if cell.source.startswith(EXPLORERS):
            _moves(output)
            explored += 1
        if cell.source.startswith("widgets.explore_photograph("):
            _takes(notebook, output, folder / "web.png")
    assert explored == {"01_setup": 1, "02_augmentation": 1, "05_evaluation": 2}.get(name, 0)
    saved = folder / "notebooks" / name / f"{name}.ipynb"
    before = saved.stat().st_mtime_ns
    notebook.save()
    for _ in range(300):
        if saved.stat().st_mtime_ns != before:
            break
        notebook.page.wait_for_timeout(100)
    output = notebook.run(len(answers) - 1)
    expect(output).to_contain_text("visible checks: 20 of 20 points")
    expect(output).to_contain_text(f"{name}.ipynb: every answer is filled in, every graded cell is there")
    assert (saved.with_name("model.safetensors").exists()) == (name == "05_evaluation")
    notebook.page.close()


def test_the_training_is_watched_in_a_live_view(opened):
    notebook = opened("04_training")
    notebook.run(0)
    notebook.write(1, "from helpers import training, widgets\nview = widgets.TrainingView(2)\n"
                      "history = [training.Epoch(0, 1.2, 0.1, 5.0)]\nview.epoch(history)")
    output = notebook.run(1)
    expect(output.get_by_text("1 of 2 epochs done")).to_be_visible()
    picture = output.locator("img")
    before = picture.get_attribute("src")
    notebook.write(2, "history.append(training.Epoch(1, 0.7, 0.4, 5.0))\nview.epoch(history)")
    notebook.run(2)
    expect(picture).not_to_have_attribute("src", before)
    notebook.page.close()


def _moves(output):
    """The live explorer is there: a slider moves, and the picture and the number beside the slider follow."""
    picture = output.locator(".jupyter-widgets img, .widget-html img")
    expect(picture.first).to_be_visible()
    slider = output.locator(".widget-slider").first
    readout = slider.locator(".widget-readout")
    number, before = readout.inner_text(), picture.first.get_attribute("src")
    handle = slider.locator(".ui-slider-handle, .noUi-handle")
    handle.focus()
    handle.press("ArrowRight")
    expect(readout).not_to_have_text(number)
    expect(picture.first).not_to_have_attribute("src", before)
    assert re.match("data:image/png", picture.first.get_attribute("src"))


def _takes(notebook, output, path):
    """A picture is uploaded as a student does it, and its mask is shown."""
    shapes.draw(8, (500, 400))[0].save(path)
    picture = output.locator(".jupyter-widgets img, .widget-html img").first
    before = picture.get_attribute("src")
    with notebook.page.expect_file_chooser() as dialogue:
        output.get_by_role("button", name="your picture").click()
    dialogue.value.set_files(path)
    expect(output.get_by_text(f"{path.name}, 500 × 400 pixels: ")).to_be_visible()
    expect(picture).not_to_have_attribute("src", before)


def _code(path):
    return [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]
