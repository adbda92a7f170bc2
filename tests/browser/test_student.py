"""A student's hour: a fresh clone, `make lab`, five notebooks in a real browser, right answers typed in."""

import re
import shutil
from pathlib import Path

import nbformat
import pytest
from playwright import sync_api as playwright

from helpers import settings
from tests.browser.test_browser import browser  # noqa: F401  (the fixture)
from tests.support import missing
from tests.support.copies import copy_of_the_course
from tests.support.front_ends import PATIENCE, Lab, served
from tools import notebooks

expect = playwright.expect
pytestmark = pytest.mark.xdist_group("browser")
ROOT = Path(__file__).resolve().parents[2]
ENVIRONMENT = ROOT / ".venv"


@pytest.fixture(scope="module")
def clone(tmp_path_factory):
    """What a clone of this checkout holds, nothing else, and the environment linked in."""
    if not (ENVIRONMENT / "bin" / "jupyter").exists() or not shutil.which("make"):
        missing("needs make and its environment, .venv")
    folder = tmp_path_factory.mktemp("clone")
    copy_of_the_course(folder)
    (folder / ".venv").symlink_to(ENVIRONMENT)
    return folder


@pytest.fixture(scope="module")
def opened(browser, clone, tmp_path_factory):  # noqa: F811
    """A function that opens a page of the JupyterLab that `make lab` starts in the clone."""
    command = ["make", "-o", ".venv/ready", "lab"]  # the environment is there: not to be made again
    with served(Lab, command, clone, {}, tmp_path_factory.mktemp("lab")) as address:
        def open_notebook(name, view=Lab.ADDRESS):
            front_end = Lab(browser.new_page(viewport={"width": 1200, "height": 1600}))
            front_end.open(address(f"{name}/{name}.ipynb").replace(Lab.ADDRESS, view))
            return front_end
        yield open_notebook


def test_right_answers_typed_into_the_five_notebooks_earn_100_points_and_train_a_model_above_40_per_cent(opened, clone):
    for name in notebooks.NAMES:
        notebook, cells = opened(name), code_cells(notebooks.solution(name))
        for number, cell in enumerate(cells):
            if cell.metadata.get("nbgrader", {}).get("solution"):
                notebook.write(number, without_markers(cell.source))
        notebook.save()
        notebook.choose("Run", "Run All Cells")
        last = notebook.cell(len(cells) - 1)
        expect(last.locator(Lab.PROMPT)).to_have_text(f"[{len(cells)}]:", timeout=6 * PATIENCE)
        expect(notebook.page.locator(Lab.ERROR)).to_have_count(0)
        expect(last).to_contain_text("visible checks: 20 of 20 points")
        expect(last).to_contain_text(f"To hand in: {name}.ipynb")
        if name == "04_training":
            curve = [float(score) for score in re.findall(r"epoch \d+: .*mean IoU ([\d.]+)%", notebook.text())]
            assert len(curve) == settings.RECIPES["shapes"].epochs and curve[-1] > 40
    expect(last).to_contain_text("To hand in: 05_evaluation.ipynb and model.safetensors")
    assert (clone / "notebooks" / name / "model.safetensors").stat().st_size > 1e6


def test_make_lab_shows_students_none_of_nbgraders_controls(opened):
    page = opened("01_setup", "lab/tree").page
    expect(page.get_by_text("| Idle").first).to_be_visible()
    expect(page.locator(".lm-MenuBar-item", has_text="Kernel")).to_be_visible()
    expect(page.locator(".lm-MenuBar-item", has_text="Nbgrader")).to_have_count(0)
    expect(page.get_by_text("Validate")).to_have_count(0)
    expect(page.locator("[data-id*=nbgrader], .nbgrader-CreateAssignmentWidget")).to_have_count(0)


def code_cells(path):
    return [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]


def without_markers(source):
    """An answer as a student would type it."""
    return re.sub(r"^ *### (BEGIN|END) SOLUTION.*\n", "", source, flags=re.MULTILINE)
