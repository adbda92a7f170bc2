"""The maintainer's commands: what goes wrong is one line, and one notebook can be run on its own."""

import json
import sys

import nbformat
import pytest

from tools import course, notebooks, release


def test_a_solution_that_cannot_be_released_is_one_line_that_says_why(tmp_path):
    notebook = nbformat.read(notebooks.solution("01_setup"), as_version=4)
    cell = next(cell for cell in notebook.cells if "### END SOLUTION" in cell.source)
    cell.source = cell.source.replace("### END SOLUTION", "")
    (tmp_path / "source" / "01_setup").mkdir(parents=True)
    nbformat.write(notebook, tmp_path / "source" / "01_setup" / "01_setup.ipynb")
    with pytest.raises(SystemExit) as stop:
        release.generate("01_setup", tmp_path)
    said = str(stop.value)
    assert said.startswith("make release: 01_setup: ") and "\n" not in said and "solution" in said.lower()
    assert "above traceback" not in said


@pytest.fixture
def ran(tmp_path, monkeypatch):
    """What `make course` would run, with an earlier run's model in its folder; each notebook is one cell."""
    calls = []

    def run(notebook, folder, environment, on_cell):
        calls.append(folder.name)
        history = [{"mean_iou": 0.1}] * 3
        (course.OUTPUT / "history.json").write_text(json.dumps(history))
        on_cell()
    monkeypatch.setattr(course, "OUTPUT", tmp_path / "course")
    monkeypatch.setattr(notebooks, "run", run)
    course.OUTPUT.mkdir()
    (course.OUTPUT / "last.pt").write_text("a model")
    return calls


@pytest.mark.parametrize("only", ["5", "05", "05_evaluation"])
def test_one_notebook_is_run_on_what_an_earlier_run_has_left(ran, monkeypatch, capsys, only):
    monkeypatch.setattr(sys, "argv", ["course", "--only", only])
    course.main()
    assert ran == ["05_evaluation"] and (course.OUTPUT / "last.pt").exists()
    assert (course.OUTPUT / "05_evaluation.html").exists()


def test_an_unknown_notebook_is_one_line(ran, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["course", "--only", "6"])
    with pytest.raises(SystemExit):
        course.main()
    assert "expected 1 to 5 or one of 01_setup," in capsys.readouterr().err and not ran


def test_without_a_terminal_progress_is_lines_and_no_carriage_returns(ran, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["course", "--only", "4"])
    course.main()
    out, err = capsys.readouterr()
    assert "\r" not in out + err
    assert out.splitlines()[-1].startswith("04_training     ") and " cells in " in out
