"""The examination: what counts as an answer, what an answer may rely on, and what it costs when it dies."""

import ast
import inspect
import textwrap
from types import SimpleNamespace

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_output

from grading import shard
from grading.mark import examine, judge, known, published
from grading.restore.answers import restore
from grading.run import jail, library, selection
from helpers.exercises import EXERCISES
from helpers.settings import CHECK_MIME
from tests.exercises import bank
from tests.support import golden

pytestmark = pytest.mark.usefixtures("bubblewrap")


def notebook(name, answer=None, before=(), behind=(), others=()):
    """The release; the answer to an exercise (None: blank), own cells before it and behind its test, `others` right."""
    place = EXERCISES[name].notebook
    made = golden.submission(place, filled=False)
    right = golden.answers(place)
    cells = []
    for cell in made.cells:
        grade_id = golden.kind(cell).get("grade_id")
        cells += [own(text) for text in before] if grade_id == name else []
        if grade_id == name and answer is not None or grade_id in others:
            cell.source = answer if grade_id == name else right[grade_id]
        cells.append(cell)
        cells += [own(text) for text in behind] if grade_id == f"test_{name}" else []
    for number, cell in enumerate(cells):
        cell.id = f"student-{number}" if cell.metadata.get("own") else cell.id
    made.cells = cells
    return made


def own(text):
    return new_code_cell(text, metadata={"own": True})


def found(name, the_judge, *arguments, **named):
    return examine.examine(notebook(name, *arguments, **named), name, 7, the_judge, jail.Limits(wall=20))


MEAN_IOU = """
def mean_iou(confusion):
    intersection = confusion.diag().double()
    union = confusion.sum(0) + confusion.sum(1) - confusion.diag()
    return (intersection / union).nanmean().item()
"""
WRONG = "def mean_iou(confusion):\n    return 0.5\n"

ODD = {
    "a class that is called": ("mean_iou", """
class MeanIoU:
    def __call__(self, confusion):
        values = [confusion[c, c].item() / max(1, (confusion[c].sum() + confusion[:, c].sum() - confusion[c, c]).item())
                  for c in range(len(confusion)) if confusion[c].sum() + confusion[:, c].sum() > 0]
        return sum(values) / len(values)
mean_iou = MeanIoU()
"""),
    "a closure": ("mean_iou", """
def make(eps):
    def inner(confusion):
        c = confusion.float()
        union = c.sum(0) + c.sum(1) - c.diagonal()
        keep = union > eps
        return float((c.diagonal()[keep] / union[keep]).mean())
    return inner
mean_iou = make(0)
"""),
    "NumPy": ("mean_iou", """
import numpy as np
def mean_iou(confusion):
    c = np.asarray(confusion, dtype=float)
    with np.errstate(all="ignore"):
        return float(np.nanmean(np.diag(c) / (c.sum(0) + c.sum(1) - np.diag(c))))
"""),
    "a function of the course that may be used": ("evaluate", """
from helpers.metrics import confusion_matrix, mean_iou
@torch.no_grad()
def evaluate(model, loader, num_classes, device):
    model.eval()
    return sum(confusion_matrix(y, model(x.to(device))["out"].argmax(1).cpu(), num_classes) for x, y in loader)
"""),
    "a wrapped function": ("evaluate", """
def evaluate(model, loader, num_classes, device):
    mode = model.training
    model.eval()
    with torch.inference_mode():
        total = 0
        for x, y in loader:
            total = total + metrics.confusion_matrix(y, model(x.to(device))['out'].argmax(1).cpu(), num_classes)
    model.train(mode)
    return total
"""),
    "a magic and a plot in its cell": ("mean_iou", "%matplotlib inline\nimport matplotlib.pyplot as plt\n"
                                       "plt.plot([1, 2])\n!echo hello\nplotting.panels([], data)\n" + MEAN_IOU),
    "a timed cell": ("mean_iou", "%%time\n" + MEAN_IOU),
    "IPython's syntax": ("mean_iou", "?torch.mean\n!pip install torchmetrics\nfiles = !ls\n" + MEAN_IOU +
                         "\nmean_iou?\n%time mean_iou(torch.eye(3).long())\n%timeit -n1 torch.eye(3)\n"),
    "pictures and prints to find a mistake": ("mean_iou", MEAN_IOU.replace("    intersection", """
    import matplotlib.pyplot as plt
    global calls
    calls += 1
    print("call", calls, confusion.shape); display(confusion)
    plt.imshow(confusion); plt.show()
    intersection""", 1) + "\ncalls = 0"),
    "annotations that are not evaluated": ("mean_iou", "from __future__ import annotations\n" + MEAN_IOU.replace(
        "(confusion):", "(confusion: Confusion) -> Score:")),
    "a decorator": ("mean_iou", """
import functools, time
def timed(function):
    @functools.wraps(function)
    def inner(*given, **named):
        start = time.time()
        result = function(*given, **named)
        print(function.__name__, time.time() - start)
        return result
    return inner
@timed
@functools.lru_cache(maxsize=None)
""" + MEAN_IOU.strip()),
    "TorchScript": ("mean_iou", "@torch.jit.script\n" + MEAN_IOU.strip().replace(
        "(confusion):", "(confusion: torch.Tensor) -> float:").replace(".nanmean()", ".nanmean().double()")),
    "where a program begins": ("mean_iou", "if __name__ == '__main__':\n" + textwrap.indent(MEAN_IOU, "\t")),
    "a lambda": ("denormalize", "denormalize = lambda image: (image * torch.tensor(STD).view(3, 1, 1) + "
                                "torch.tensor(MEAN).view(3, 1, 1)).clamp(0, 1)"),
    "a partial": ("make_criterion", "import functools\n"
                                    "make_criterion = functools.partial(nn.CrossEntropyLoss, ignore_index=255)"),
    "annotations and defaults": ("predict", """
from typing import *
def predict(model: "nn.Module", images: torch.Tensor, *, batch: Optional[int] = None) -> torch.Tensor:
    with torch.no_grad():
        return model.eval()(images)["out"].max(1)[1]
"""),
    "settings of the course": ("count_pixels", """
from helpers.settings import IGNORE_INDEX
def count_pixels(targets, num_classes):
    total = torch.zeros(num_classes, dtype=torch.long)
    for target in targets:
        flat = target[target != IGNORE_INDEX].flatten()
        total.scatter_add_(0, flat, torch.ones_like(flat))
    return total
"""),
}


@pytest.mark.parametrize("style", ODD)
def test_a_right_answer_in_an_odd_style_passes(style, the_judge):
    name, answer = ODD[style]
    assert found(name, the_judge, answer).outcome == "right", found(name, the_judge, answer)


def test_helper_cells_and_names_of_the_course_are_there(the_judge):
    answer = "def mean_iou(confusion):\n    return average(ious(confusion))\n"
    before = ["import math as m", "def ious(confusion):\n    d = confusion.diag().double()\n"
              "    return d / (confusion.sum(0) + confusion.sum(1) - d)",
              "def average(values):\n    values = [v for v in values.tolist() if not m.isnan(v)]\n"
              "    return sum(values) / len(values)"]
    assert found("mean_iou", the_judge, answer, before=before).outcome == "right"


def test_a_cell_may_say_how_those_below_it_are_read_and_write_a_module(the_judge):
    before = ["from __future__ import annotations", "%%writefile mine.py" + MEAN_IOU.replace("mean_iou", "average")]
    answer = "from mine import average\ndef mean_iou(confusion: Confusion) -> Score:\n    return average(confusion)\n"
    assert found("mean_iou", the_judge, answer, before=before).outcome == "right"


def test_what_fails_in_an_own_cell_loses_no_definition_behind_it(the_judge):
    before = ["from helpers import nothing_of_this_name\nmetrics.iou_per_class(3)\nraise SystemExit\nKEEP = 1",
              "from helpers.metrics import mean_iou as theirs, pixel_accuracy, confusion_matrix\n"
              "import sys\nsys.exit()"]
    answer = MEAN_IOU.replace("def mean_iou(confusion):", "def mean_iou(confusion):\n    assert KEEP")
    assert found("mean_iou", the_judge, answer, before=before).outcome == "right"


@pytest.mark.parametrize("cell", [
    "torch.set_default_dtype(torch.float64)", "torch.set_grad_enabled(False)", "torch.set_default_device('meta')",
    "import os; os.chdir('/')", "torch.manual_seed(1); import random; random.seed(1)",
    "import warnings; warnings.simplefilter('error')"])
@pytest.mark.parametrize("name", ["mean_iou", "denormalize", "train_one_epoch", "checkpoint", "parameter_groups"])
def test_an_answer_may_rely_on_the_usual_settings_whatever_a_cell_has_set(cell, name, the_judge):
    right = golden.answers(EXERCISES[name].notebook)[name]
    assert found(name, the_judge, right, before=["import torch", cell]).outcome == "right"


def test_a_blank_is_called_so_whatever_the_rest_does(the_judge):
    reach = "from helpers.metrics import mean_iou"
    result = found("mean_iou", the_judge, before=["globals()['mean_iou'] = lambda c: 1.0",
                                                  "exec('def mean_iou(c): return 1')"])
    assert (result.outcome, result.reason) == ("not_attempted", "mean_iou is still empty.")
    assert found("mean_iou", the_judge, before=[reach]).outcome in ("raised", "not_attempted")


@pytest.mark.parametrize("lent", ["mean_iou = checks.lend('mean_iou')",
                                  "from helpers.checks import lend\nmean_iou = lend('mean_iou')"])
def test_what_is_lent_is_no_answer_and_takes_none_away(lent, the_judge):
    assert found("mean_iou", the_judge, behind=[lent]).outcome == "not_attempted"
    assert found("mean_iou", the_judge, MEAN_IOU, behind=[lent]).outcome == "right"


def test_one_half_left_blank_is_named(the_judge):
    save = golden.answers("04_training")["checkpoint"].partition("def load_checkpoint")[0]
    result = found("checkpoint", the_judge, save)
    assert (result.outcome, result.reason) == ("not_attempted", "load_checkpoint is still empty.")


def test_the_last_definition_counts(the_judge):
    assert found("mean_iou", the_judge, WRONG, behind=[MEAN_IOU]).outcome == "right"
    assert found("mean_iou", the_judge, MEAN_IOU, behind=[WRONG]).outcome == "wrong"


def test_the_last_definition_counts_after_a_restoration_too(the_judge):
    """A student's notebook as it is handed in: cells of their own below the answer, and a copy of the blank."""
    release = golden.submission("05_evaluation", filled=False)
    blank = next(cell.source for cell in release.cells if golden.kind(cell).get("grade_id") == "mean_iou")
    for answer, below, outcome in ((WRONG, MEAN_IOU, "right"), (MEAN_IOU, WRONG, "wrong"), (None, MEAN_IOU, "right")):
        made, _ = restore(notebook("mean_iou", answer, behind=[below, blank.replace("pred", "PRED"), blank]), release)
        assert examine.examine(made, "mean_iou", 7, the_judge, jail.Limits(wall=20)).outcome == outcome, answer


def test_a_false_number_on_the_channel_costs_nobody_but_its_sender(the_judge):
    for number in (b"9999999", b"-7", b"x"):
        cell = ("import os, struct\n"
                f"os.write(3, struct.pack('>Q', {len(number)}) + {number!r})\nos._exit(0)")
        assert found("mean_iou", the_judge, MEAN_IOU, before=[cell]).outcome in ("right", "not_run")


def test_a_name_used_again_for_something_else_takes_nothing_away(the_judge):
    answer = MEAN_IOU.replace("confusion.diag().double()", "confusion.diag().to(dtype)")
    assert found("mean_iou", the_judge, answer, before=["dtype = torch.float64"],
                 behind=["mean_iou = mean_iou(torch.eye(3).long())", "dtype = 'something else'"]).outcome == "right"


def test_a_syntax_error_is_reported_with_its_line(the_judge):
    result = found("mean_iou", the_judge, "def mean_iou(confusion):\n    return (confusion\n")
    assert result.outcome == "raised" and "SyntaxError in line 2" in result.reason and "NameError" not in result.reason


def test_what_is_the_answer_says_so_in_a_sentence(the_judge):
    result = found("mean_iou", the_judge, "def mean_iou(confusion):\n    return metrics.mean_iou(confusion)\n")
    assert result.outcome == "raised"
    assert ("metrics.mean_iou is the answer to exercise 5.2, so it is not available while that exercise is graded. "
            "Write it yourself.") in result.reason


def test_an_answer_that_deals_out_the_devices_in_turn_fails(the_judge):
    answer = ("kinds = iter(['cuda', 'mps', 'cpu', 'cpu', 'cuda'] * 99)\n"
              "def choose_device():\n    return torch.device(next(kinds))\n")
    assert found("choose_device", the_judge, answer).outcome == "wrong"


@pytest.mark.parametrize("cell", ["import os; os._exit(0)", "import os; os.close(3)"])
def test_a_cell_that_ends_its_room_is_left_out(cell, the_judge):
    assert found("mean_iou", the_judge, MEAN_IOU, before=[cell]).outcome == "right"


def test_death_and_time_cost_this_exercise_with_a_reason(the_judge):
    made = notebook("mean_iou", "def mean_iou(confusion):\n    import os\n    os._exit(0)\n",
                    others=("confusion_matrix",))
    result = examine.examine(made, "mean_iou", 7, the_judge)
    assert result.outcome == "not_run" and "ended the Python process" in result.reason
    assert examine.examine(made, "confusion_matrix", 7, the_judge).outcome == "right"
    slow = notebook("mean_iou", "def mean_iou(confusion):\n    while True: pass\n")
    result = examine.examine(slow, "mean_iou", 7, the_judge, jail.Limits(wall=3))
    assert result.outcome == "not_run" and "3 s" in result.reason


def test_rooms_that_end_one_after_the_other_share_a_clock(monkeypatch):
    now, walls = [0], []

    def room(task, name, limits):
        walls.append(limits.wall)
        now[0] += limits.wall
        return None, examine._End(0, "TimeUp", "it took too long")
    monkeypatch.setattr(examine, "time", SimpleNamespace(monotonic=lambda: now[0]))
    monkeypatch.setattr(examine, "_in_a_room", room)
    result = examine.examine(notebook("mean_iou", WRONG, before=["hangs()"] * 5), "mean_iou", 7,
                             SimpleNamespace(ask=lambda *_: b""), jail.Limits(wall=6))
    assert result.outcome == "not_run" and walls == [6, 6, 1]


def test_own_cells_that_train_for_minutes_take_no_points_away(the_judge):
    slow = ["import time\ntime.sleep(300)\nKEEP = 1"] * 6
    answer = MEAN_IOU.replace("def mean_iou(confusion):", "def mean_iou(confusion):\n    assert KEEP")
    result = examine.examine(notebook("mean_iou", answer, before=slow), "mean_iou", 7, the_judge, jail.Limits(wall=60))
    assert result.outcome == "right", result


# ---- words and points ----

def graded(outputs=()):
    cell = new_code_cell("checks.mean_iou(mean_iou)", outputs=list(outputs))
    cell.metadata["nbgrader"] = {"grade": True, "solution": False, "grade_id": "test_mean_iou", "points": 4}
    return cell


def said(**more):
    return new_output("display_data", {CHECK_MIME: {"exercise": "mean_iou", "outcome": "wrong", "misconception": "dice",
                                                    "message": "That is Dice.", **more}})


def test_the_checks_words_are_used_where_an_answer_is_wrong_and_nowhere_else():
    wrong = examine.Finding("wrong", "The answers differ.")
    assert examine.in_words(wrong, [said()], "mean_iou") == examine.Finding("wrong", "That is Dice.", "dice")
    assert examine.in_words(wrong, [said(outcome="right")], "mean_iou") is wrong
    assert examine.in_words(wrong, [said(exercise="overlay")], "mean_iou") is wrong
    right = examine.Finding("right")
    assert examine.in_words(right, [said()], "mean_iou") is right


@pytest.mark.parametrize("forged", [
    {"misconception": "no_data"}, {"misconception": "below_goal"}, {"misconception": "my_own_invention"},
    {"misconception": None}, {"misconception": "stretched"}, {"misconception": "*"}, {"misconception": "dice "}])
def test_a_mistake_that_the_check_does_not_know_is_not_counted(forged):
    """The notebook's own run can show any words; the class's mistakes are the course's."""
    wrong = examine.Finding("wrong", "The answers differ.")
    assert examine.in_words(wrong, [said(**forged)], "mean_iou") is wrong
    raised = examine.in_words(wrong, [said(outcome="raised", misconception="dice")], "mean_iou")
    assert (raised.outcome, raised.misconception) == ("raised", None)


def test_every_mistake_of_the_bank_is_known_and_no_text_is():
    for answer in bank.answers(kind="wrong"):
        assert known.is_known(answer.id, answer.exercise), answer
    ids = [known.ids(name) for name in library.exercises()]
    assert all(10 < len(each) < 80 for each in ids)
    assert {id for each in ids for id in each if "*" in id} == {"*_not_a_tensor"}


def test_outputs_of_the_notebooks_own_run_decide_no_points():
    from nbgrader.utils import determine_grade
    cell = graded([new_output("execute_result", {"text/plain": "4.0"}),
                   new_output("error", ename="E", evalue="x", traceback=[])])
    examine.write(cell, examine.Finding("right"))
    assert determine_grade(cell) == (4, 4) and cell.metadata["course"]["outcome"] == "right"
    cell = graded([new_output("execute_result", {"text/plain": "4.0"})])
    examine.write(cell, examine.Finding("wrong", "No.", "dice"))
    assert determine_grade(cell) == (0, 4)
    assert cell.metadata["course"] == {"outcome": "wrong", "reason": "No.", "misconception": "dice", "mean_iou": None}


@pytest.mark.parametrize("told", [b"", b"null", b"[]", b"{", b"\xff", b'{"answers": ' + b"[" * 100_000,
                                  b'{"answers": 1' + b"0" * 400 + b"}", b'{"answers": {"a": NaN}}',
                                  b'{"answers": [' + b"[[]]," * 1_000_000 + b"0]}",
                                  b'{"missing": 3, "failed": [], "raised": {}}',
                                  b'{"failed": {"x": 1, "1": null, "2": "\\ud800"}, "raised": "\\ud800"}',
                                  '{"failed": {"²": "x", "-1": "x", "٣": "x"}}'.encode(),
                                  b'{"failed": {"' + b"1" * 5000 + b'": "x"}}'], ids=lambda told: ascii(told[:30]))
def test_whatever_a_room_tells_is_judged_without_a_crash(told):
    result = judge.compare("mean_iou", 5, told)
    assert not result["right"] and all(isinstance(number, int) for number in result["failed"])
    nbformat.validate(nbformat.v4.new_notebook(cells=[new_code_cell(str(result))]))
    str(result).encode()


# ---- the published solution ----

def flagged(name, answer):
    made = notebook(name, answer)
    return [(flag["kind"], flag["exercise"]) for flag in published.flags(filter(selection.is_own, made.cells))]


def test_the_published_solution_is_flagged_also_renamed_and_laid_out_anew():
    right = golden.answers("05_evaluation")["mean_iou"]
    assert flagged("mean_iou", right) == [("published solution", "mean_iou")]
    renamed = ast.unparse(ast.parse(right)).replace("confusion", "matrix").replace("intersection", "both")
    assert renamed != right and flagged("mean_iou", renamed) == [("published solution", "mean_iou")]
    assert flagged("mean_iou", MEAN_IOU) == flagged("mean_iou", WRONG) == []


def test_what_is_too_short_to_be_written_in_two_ways_is_no_published_solution():
    for name in ("predict", "make_criterion", "choose_device"):
        assert flagged(name, golden.answers(EXERCISES[name].notebook)[name]) == []


# ---- libraries ----

@pytest.mark.parametrize("name", library.exercises())
def test_a_library_holds_no_reference_no_check_and_no_mistake(name):
    """Neither as text nor as bytecode."""
    exercise = EXERCISES[name]
    references = exercise.reference if isinstance(exercise.reference, tuple) else (exercise.reference,)
    forbidden = {ast.dump(ast.parse(textwrap.dedent(inspect.getsource(each))).body[0]) for each in references}
    for path in (library.folder() / name).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
                assert ast.dump(node) not in forbidden, path
                assert node.name not in ("check", "Mistake", "Exercise"), path
        assert "EXERCISE" not in path.read_text().replace("EXERCISES", ""), path
    sources = {path.with_suffix("").name for path in (library.folder() / name).rglob("*.py")}
    assert {path.name.partition(".")[0] for path in (library.folder() / name).rglob("*.pyc")} <= sources


def test_a_library_that_would_need_the_reference_is_an_error():
    with pytest.raises(library.LibraryError, match="metrics.confusion_matrix must not be there"):
        library.closure([("helpers.metrics", "evaluate")], {("helpers.metrics", "confusion_matrix")})


def test_a_submission_in_float64_keeps_its_points():
    """From the notebook to its points, whatever the visible checks say."""
    made = golden.submission("02_augmentation")
    first = next(number for number, cell in enumerate(made.cells) if golden.kind(cell).get("solution"))
    made.cells.insert(first, new_code_cell("torch.set_default_dtype(torch.float64)"))
    result, _ = shard.grade(shard.Task("02_augmentation", nbformat.writes(made).encode(), None, 0))
    assert result["score"] == 20, [(one["name"], one["outcome"], one["reason"]) for one in result["exercises"]]


def test_only_what_an_answer_needs_of_the_course_is_run_before_it():
    made = notebook("mean_iou", MEAN_IOU, before=["KEEP = Path('x')"])
    texts = "\n".join(text for _, text in selection.cells(made, "mean_iou", ["mean_iou"]))
    assert "from pathlib import Path" in texts and "trained_model(" not in texts


def test_the_notebooks_run_shows_own_cells_and_the_checks_of_what_is_not_right():
    made = notebook("mean_iou", WRONG, before=["print('mine')", "import os; os._exit(0)"],
                    others=("confusion_matrix", "evaluate", "overlay"))
    result, text = shard.grade(shard.Task("05_evaluation", nbformat.writes(made).encode(), None, 0))
    outcomes = {one["name"]: (one["outcome"], one["misconception"]) for one in result["exercises"]}
    assert outcomes["mean_iou"][0] == "wrong" and known.is_known(outcomes["mean_iou"][1], "mean_iou")
    assert outcomes["confusion_matrix"] == outcomes["overlay"] == ("right", None)
    assert result["problem"] == "This cell was stopped: it ended the Python process."
    graded = {golden.kind(cell).get("grade_id"): cell for cell in nbformat.reads(text, 4).cells}
    assert [output.text for output in graded["test_overlay"].outputs] == ["Examined: right.\n"]
    assert '"mine\\n"' in text
