"""No way leads to the answer key from the room in which an answer is examined, and no forged answer passes there."""

import sys

import nbformat
import pytest

from grading import shard
from grading.mark import examine
from grading.run import jail
from helpers.exercises import EXERCISES
from helpers.settings import ROOT
from tests.attacks import acting, lying, reaching, searching  # noqa: F401
from tests.support import golden

pytestmark = pytest.mark.usefixtures("bubblewrap")
TARGETS = ("mean_iou", "count_pixels", "denormalize", "predict", "make_criterion")  # one of each notebook
EACH = [(way, "mean_iou") for way in reaching.WAYS] + [
    (way, TARGETS[1 + number % 4]) for number, way in enumerate(reaching.WAYS)]


def taken(way, name):
    """Code that answers an exercise with what a way leads to."""
    reference = EXERCISES[name].reference
    return (f"MODULE, NAME, ROOT = {reference.__module__!r}, {reference.__name__!r}, {str(ROOT)!r}\n"
            f"{reaching.WAYS[way]}\n\ndef {name}(*given):\n    return KEY(*given)\n")


def blank_with(name, *cells):
    """A notebook with every answer left blank and cells of the student's own in front of the first exercise."""
    notebook = golden.submission(EXERCISES[name].notebook, filled=False)
    first = next(number for number, cell in enumerate(notebook.cells) if golden.kind(cell).get("solution"))
    own = [nbformat.v4.new_code_cell(text) for text in cells]
    for number, cell in enumerate(own):
        cell.id = f"student-{number}"
    notebook.cells[first:first] = own
    return notebook


@pytest.mark.parametrize("way, name", EACH)
def test_the_key_is_not_in_the_room(way, name, the_judge):
    notebook = golden.submission(EXERCISES[name].notebook, filled=False,
                                 change=lambda this, blank: taken(way, name) if this == name else blank)
    found = examine.examine(notebook, name, 5, the_judge)
    assert found.outcome in ("raised", "wrong", "not_run"), found


@pytest.mark.parametrize("lie", lying.LIES)
def test_a_lie_is_no_answer(lie, the_judge):
    """Nor does it earn anything for what stands below it."""
    notebook = golden.submission("05_evaluation", lambda this, blank: lying.LIES[lie] if this == "mean_iou" else blank,
                                 filled=False)
    found = examine.examine(notebook, "mean_iou", 5, the_judge, jail.Limits(wall=5))
    assert found.outcome in ("raised", "wrong", "not_run"), found
    assert examine.examine(notebook, "evaluate", 5, the_judge).outcome == "not_attempted"


@pytest.mark.parametrize("act", acting.ACTS)
def test_what_stands_above_a_lie_keeps_its_points(act, the_judge):
    answers = golden.answers("05_evaluation") | {"mean_iou": lying.LIES[act]}
    notebook = golden.submission("05_evaluation", lambda this, blank: answers[this])
    assert examine.examine(notebook, "confusion_matrix", 5, the_judge).outcome == "right"


@pytest.mark.parametrize("name", TARGETS)
def test_a_blank_notebook_that_reaches_for_the_key_earns_nothing(name):
    """Also where its cells run in the notebook itself, beside the whole course."""
    cells = ["try:\n" + "".join(f"    {line}\n" for line in taken(way, name).splitlines()) + "except Exception: pass"
             for way in ("import_it", "the_records", "all_loaded_modules", "exec_of_the_source")]
    shown = (f"from IPython.display import display\n"
             f"display({{'application/vnd.segmentation-course.check+json': {{'exercise': {name!r}, 'outcome': 'right', "
             "'misconception': None, 'message': 'yes'}}, raw=True)")
    notebook = blank_with(name, *(cell.replace(f"def {name}", f"def other_{name}") for cell in cells), shown,
                          f"globals()[{name!r}] = other_{name}")
    result, _ = shard.grade(shard.Task(EXERCISES[name].notebook, nbformat.writes(notebook).encode(), None, 0))
    assert result["score"] == 0
    assert {each["outcome"] for each in result["exercises"]} == {"not_attempted"}, result["exercises"]


def test_the_parent_of_jails_holds_nothing_of_the_course():
    """What a fork finds in its memory was in its parent's."""
    code = ("import gc, sys, types; gc.unfreeze(); "
            "print([name for name in sys.modules if name.startswith(('helpers', 'solutions', 'tests'))], "
            "[each.__qualname__ for each in gc.get_objects() if isinstance(each, types.FunctionType) "
            "and each.__name__ in NAMES])")
    names = sorted({path.split(".")[1] for exercise in EXERCISES.values() for path in exercise.references}
                   - {"predict", "evaluate", "overlay", "load_checkpoint", "save_checkpoint"})  # others have such names
    run = jail.run(("builtins:exec", code.replace("NAMES", repr(names)), {}))
    assert run.stdout.strip() == "[] []", run.stdout + run.stderr
    assert sys.modules["helpers"]
