"""What of a notebook is run for its checks: the student's own cells, and of the course what these need."""

import nbformat
import pytest

from grading.restore.answers import restore
from grading.run import selection
from helpers.settings import ROOT
from tests.support import golden
from tools import notebooks


def arrived(name, *own):
    """A right submission of a notebook, with cells of the student's own at its end, as it is graded."""
    notebook = golden.submission(name)
    last = max(number for number, cell in enumerate(notebook.cells) if golden.kind(cell).get("grade"))
    notebook.cells[last:last] = [nbformat.v4.new_code_cell(text) for text in own]
    release = nbformat.read(ROOT / "notebooks" / name / f"{name}.ipynb", as_version=4)
    return restore(notebook, release)[0]


def texts(*arguments):
    return "\n".join(text for _, text in selection.watched(arrived(*arguments)))


@pytest.mark.parametrize("name", notebooks.NAMES)
def test_answers_and_checks_are_run_and_no_figure_of_the_course(name):
    graded = arrived(name)
    found = {cell.id: text for cell, text in selection.watched(graded)}
    for cell in graded.cells:
        kind = golden.kind(cell)
        if kind.get("solution") or kind.get("grade") and kind["grade_id"] != "test_trained_model":
            assert found.pop(cell.id) == cell.source
    assert "checks" in "\n".join(found.values())
    for word in ("panels", "show(", "trained_model", "training.fit", "DataLoader("):
        assert word not in "\n".join(found.values())


DECIDED = {"confusion_matrix", "mean_iou", "evaluate", "overlay"}


def test_a_check_that_has_no_more_to_say_is_left_out():
    made = arrived("05_evaluation")
    found = [golden.kind(cell) for cell, _ in selection.watched(made, DECIDED - {"mean_iou"})]
    assert [kind["grade_id"] for kind in found if kind.get("grade")] == ["test_mean_iou"]
    assert sum(bool(kind.get("solution")) for kind in found) == 4


@pytest.mark.parametrize("own, run", [
    ("def twice(x):\n    return 2 * x", False), ("import math", False), ("print(1)", True), ("KEEP = 1", True),
    ("%time 1", True), ("!ls", True), ("def broken(:", True), ("@print\ndef shown(): pass", True)])
def test_definitions_alone_show_nothing_and_are_not_run(own, run):
    made = arrived("05_evaluation", own)
    assert bool(selection.watched(made, DECIDED)) is run
    assert selection.watched(made)


def test_what_a_students_own_cell_uses_is_run_in_order():
    found = texts("04_training", "print(losses[-1] < losses[0])")
    for statement in ("config = settings.load()", "sanity = training.make_model", "losses = [train_one_epoch(sanity"):
        assert statement in found
    assert found.index("config =") < found.index("sanity =") < found.index("losses =") < found.index("print(losses")
    assert "learning_rate_factor" not in found and "curve_figure" not in found


def test_what_changes_a_name_in_place_is_run_with_it():
    found = texts("05_evaluation", "print(wrong, pictures)")
    assert "wrong[index] +=" in found and "pictures.append(" in found


def test_a_module_that_is_only_called_draws_nothing_else_in():
    assert "manual_seed" not in texts("02_augmentation", "print(torch.__version__)")
