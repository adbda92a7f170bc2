"""What a student sees when something goes wrong: one line that says what to do, in the JupyterLab of `make lab`."""

import re

import pytest

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
from tests.browser.test_browser import browser  # noqa: E402, F401  (the fixture)
from tests.browser.test_student import clone, code_cells, opened, without_markers  # noqa: E402, F401  (fixtures)
from tests.support.front_ends import Lab  # noqa: E402
from tools import notebooks  # noqa: E402

expect = playwright.expect
pytestmark = pytest.mark.xdist_group("browser")
CELLS = code_cells(notebooks.solution("01_setup"))


@pytest.fixture(scope="module")
def notebook(opened):  # noqa: F811
    return opened("01_setup")


def number(start):
    return next(number for number, cell in enumerate(CELLS) if cell.source.startswith(start))


def shown(notebook, number):
    """Run a cell, whatever it ends in; its output."""
    cell = notebook.cell(number)
    cell.locator(Lab.EDITOR).click(position={"x": 5, "y": 5})
    notebook.page.keyboard.press("Shift+Enter")
    expect(cell.locator(Lab.PROMPT)).to_have_text(re.compile(r"\[\d+\]:"))
    return cell.locator(Lab.OUTPUT)


def lines(output):
    return [line for line in output.inner_text().splitlines() if line.strip()]


def test_the_accidents_of_a_first_hour_end_in_a_line_each(notebook):
    setup = shown(notebook, 0)
    expect(setup).to_contain_text("data set shapes.")
    expect(setup.get_by_text("All versions")).to_be_visible()
    expect(setup.locator("pre", has_text="pillow")).to_be_hidden()

    # after a restart: the check before its answer, the figure before the imports
    assert lines(shown(notebook, number("checks.load_target"))) == [
        "`checks` is not there yet: choose Run > Run All Above Selected Cell, then run this cell again."]
    shown(notebook, 1)
    assert lines(shown(notebook, number("checks.load_target"))) == [
        "`load_target` is not there yet: choose Run > Run All Above Selected Cell, then run this cell again."]

    # stuck on 1.2
    for start in ("from torchvision.datasets", "image, mask = train_set", "indices =", "import numpy"):
        shown(notebook, number(start))
    figure = number("target = load_target")
    stuck = lines(shown(notebook, figure))
    assert len(stuck) == 1 and stuck[0].startswith("Exercise 1.2 is still empty.")
    notebook.write(number("import numpy"), 'load_target = checks.lend("load_target")')
    shown(notebook, number("import numpy"))
    expect(shown(notebook, number("checks.load_target"))).to_contain_text("no points")
    expect(shown(notebook, figure).locator("img")).to_have_count(1)

    # handed in before it was saved, then saved
    answer = number("def choose_device")
    notebook.write(answer, without_markers(CELLS[answer].source))
    shown(notebook, answer)
    says = shown(notebook, len(CELLS) - 1)
    expect(says).to_contain_text("Save the notebook first (Ctrl+S), then run this cell again")
    expect(says).not_to_contain_text("Exercise 1.1: still empty")
    expect(says).to_contain_text("1.2 Load a mask")
    notebook.save()
    expect(notebook.page.locator(".jp-DirtyIndicator, [data-dirty]")).to_have_count(0)
    notebook.page.wait_for_timeout(1000)
    expect(shown(notebook, len(CELLS) - 1)).not_to_contain_text("Save the notebook first")
