"""What students get is what the solutions say, and what is stored is complete and says nothing of this machine."""

import ast
import json
import re
import subprocess
import sys

import nbformat
import pytest

from grading.run import library
from helpers import exercises
from helpers.settings import ROOT
from tools import address, notebooks, release

EXERCISES = {name: [exercise for exercise in exercises.EXERCISES.values() if exercise.notebook == name]
             for name in notebooks.NAMES}
POINTS = {name: sum(exercise.points for exercise in EXERCISES[name]) for name in notebooks.NAMES}
SECRETS = ("BEGIN SOLUTION", "END SOLUTION", "HIDDEN TESTS")


def read(name, folder="notebooks"):
    return nbformat.read(ROOT / folder / name / f"{name}.ipynb", as_version=4)


def code_cells(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


@pytest.fixture(scope="module")
def built():
    return release.build()


def test_a_release_now_would_change_nothing(built):
    stale = [str(path.relative_to(ROOT)) for path, content in built.items() if path.read_bytes() != content]
    assert not stale, f"run `make release`: {stale}"


def test_nbgraders_own_command_writes_the_same_bytes(built, tmp_path):
    for folder, name in (("solutions", "01_setup"), (".", "nbgrader_config.py"), (".", "grading")):
        (tmp_path / folder).mkdir(exist_ok=True)
        (tmp_path / folder / name).symlink_to(ROOT / folder / name)
    subprocess.run([sys.executable, "-m", "nbgrader", "generate_assignment", "01_setup"], cwd=tmp_path, check=True,
                   capture_output=True)
    written = (tmp_path / "notebooks/01_setup/01_setup.ipynb").read_bytes()
    assert written.strip() == built[ROOT / "notebooks/01_setup/01_setup.ipynb"].strip()


@pytest.mark.parametrize("name", notebooks.NAMES)
def test_every_blank_parses_names_its_task_and_hides_the_answer(name):
    notebook = read(name)
    for cell in code_cells(notebook):
        ast.parse(cell.source)
        assert not cell.outputs and cell.execution_count is None
        if cell.metadata.get("nbgrader", {}).get("solution"):
            assert re.search(r'raise NotImplementedError\("Exercise \d\.\d: .+"\)', cell.source)
    text = nbformat.writes(notebook)
    assert not [secret for secret in SECRETS if secret in text]


@pytest.mark.parametrize("name", notebooks.NAMES)
def test_a_released_notebook_is_its_solution_but_for_blanks_and_outputs(name):
    solution, student = read(name, "solutions"), read(name)
    assert [cell.id for cell in solution.cells] == [cell.id for cell in student.cells]
    for ours, theirs in zip(solution.cells, student.cells):
        if "SOLUTION" not in ours.source:
            assert ours.source == theirs.source


@pytest.mark.parametrize("name", notebooks.NAMES)
def test_points_are_those_of_the_records_and_graded_cells_are_locked(name):
    graded = [cell.metadata.nbgrader for cell in read(name).cells if cell.metadata.get("nbgrader", {}).get("grade")]
    assert sum(cell.points for cell in graded) == POINTS[name]
    assert all(cell.locked for cell in graded)
    setup, check = (next(cell for cell in read(name).cells if cell.metadata.get("nbgrader", {}).get(key))
                    for key in ("locked", "grade"))
    assert setup.metadata.nbgrader.grade_id == "setup" and setup.metadata.get("editable", True)  # it has switches
    assert check.metadata.editable is False


@pytest.mark.parametrize("name", notebooks.NAMES)
def test_a_notebook_begins_with_a_picture_and_ends_with_handing_in(name):
    cells = code_cells(read(name, "solutions"))
    assert cells[0].metadata.nbgrader.grade_id == "setup" and cells[-1].metadata.nbgrader.grade_id == "hand_in"
    assert any("image/png" in output.get("data", {}) for output in cells[1].outputs)
    assert f"visible checks: {POINTS[name]} of {POINTS[name]} points" in cells[-1].outputs[0].text


@pytest.mark.parametrize("name", notebooks.NAMES)
def test_stored_outputs_are_complete(name):
    cells = code_cells(read(name, "solutions"))
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    outputs = [output for cell in cells for output in cell.outputs]
    assert not [output for output in outputs if output.output_type == "error" or output.get("name") == "stderr"]
    assert sum("image/png" in output.get("data", {}) for output in outputs) >= 4


@pytest.mark.parametrize("name", notebooks.NAMES)
def test_stored_notebooks_hold_no_path_date_or_machine(name):
    text = (ROOT / "solutions" / name / f"{name}.ipynb").read_text()
    text = re.sub(r'"image/png": "[^"]*"', "", text)
    for pattern in (re.escape(str(ROOT)), r"/(home/\w|root/|tmp/|Users/)", r"\b20\d\d-\d\d-\d\d\b",
                    r"widget-view", r"iopub"):
        assert not re.search(pattern, text), pattern


@pytest.mark.parametrize("name", notebooks.NAMES)
def test_a_notebook_can_be_read_a_screen_at_a_time(name):
    notebook = read(name, "solutions")
    titles = [line for cell in notebook.cells if cell.cell_type == "markdown"
              for line in cell.source.splitlines() if line.startswith("# ")]
    assert len(titles) == 1
    free = [cell for cell in code_cells(notebook) if not cell.metadata.get("nbgrader", {}).get("solution")]
    assert max(len(cell.source.splitlines()) for cell in free) <= 16
    assert 12 <= len(code_cells(notebook)) <= 14 + 4 * len(EXERCISES[name])


def test_the_address_is_written_in_one_place(built):
    text = "https://colab.research.google.com/github/a/b/blob/main/notebooks/x and git clone https://github.com/a/b.git"
    assert address.stamped(text, "new/home").count("new/home") == 2
    assert address.stamped("[read](https://a.github.io/b/)", "new/home") == "[read](https://new.github.io/home/)"
    here = address.repository()
    for path, content in built.items():
        for found in re.findall(r"(?:github\.com/|githubusercontent\.com/|google\.com/github/)([\w.-]+/[\w-]+)",
                                content.decode()):
            assert found == here or found.startswith(("pytorch/", "google/")), (path, found)


def test_results_of_the_course_have_the_promised_keys():
    path = ROOT / "build" / "course" / "results.json"
    if not path.exists():
        pytest.skip("run `make course` first")
    results = json.loads(path.read_text())
    assert {"dataset", "device", "mean_iou", "baseline_mean_iou", "untrained_mean_iou", "seconds",
            "notebooks"} <= results.keys()
    assert set(results["notebooks"]) == set(notebooks.NAMES)


@pytest.mark.parametrize("name", notebooks.NAMES)
def test_the_first_and_the_last_cell_do_no_harm_where_an_answer_is_examined(name):
    cells = code_cells(read(name))
    modules = {alias.name for cell in (cells[0], cells[-1]) for node in ast.walk(ast.parse(cell.source))
               if isinstance(node, ast.ImportFrom) and node.module == "helpers" for alias in node.names}
    assert modules == {"notebook", "handin"} and modules <= set(library.QUIET)


def test_solutions_hold_notebooks_alone():
    """nbgrader takes every folder there for an assignment, and Python makes one beside each module."""
    assert sorted(path.name for path in (ROOT / "solutions").iterdir()
                  if not path.name.startswith(".")) == list(notebooks.NAMES)
