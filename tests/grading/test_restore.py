"""What restoring answers finds and mends. The submissions are right ones, mangled; nothing is run here."""

import ast
import copy
import functools
import json

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell

from grading.intake import reading, source
from grading.mark import flags
from grading.restore.answers import RestoreAnswers, restore
from grading.restore.commenting import comment_out
from helpers.exercises import EXERCISES
from tests.exercises import bank
from tests.support import golden
from tests.support.mangled import MANGLES, answers, as_bytes, checks, marks
from tools import notebooks

# the answers are other ones there, which do the same
REWRITTEN = {"helpers_at_the_end"}


@functools.cache
def release(name):
    return nbformat.read(notebooks.ROOT / "notebooks" / name / f"{name}.ipynb", as_version=4)


right_one = functools.cache(golden.submission)


def arrived(mangled):
    return reading.read(*as_bytes(mangled))[0]


@functools.cache
def functions(name):
    return {function: f"test_{exercise}" for exercise, text in golden.answers(name).items()
            for function, node in source.defined(text) if isinstance(node, ast.FunctionDef)}


def definitions(notebook, name):
    """What each exercise's functions are when their check runs, as code without its layout."""
    result, now = {}, {}
    for cell in notebook.cells:
        for function, grade_id in functions(name).items():
            if marks(cell).get("grade_id") == grade_id:
                result[function] = now.get(function)
        if cell.cell_type == "code" and source.tree(cell.source):  # else it does not run at all
            now |= {bound: source.same(node) for bound, node in source.defined(cell.source) if node}
    return result


def assert_gradeable(notebook, original):
    nbformat.validate(notebook)
    ids = {cell.id for cell in original.cells}
    assert (notebook.nbformat, notebook.nbformat_minor) == (4, 5)
    assert len({cell.id for cell in notebook.cells}) == len(notebook.cells)
    ours = [cell for cell in notebook.cells if cell.id in ids]
    assert [cell.id for cell in ours] == [cell.id for cell in original.cells]
    for found, cell in zip(ours, original.cells):
        assert found.metadata == cell.metadata
        assert found.source == cell.source or marks(cell).get("solution")
    assert not any(cell.get("outputs") for cell in notebook.cells)
    assert all(cell.metadata == {} for cell in notebook.cells if cell.id not in ids)
    assert notebook.metadata == original.metadata


@pytest.mark.parametrize("name", notebooks.NAMES)
@pytest.mark.parametrize("mangle", MANGLES)
def test_a_mangled_answer_is_graded_as_if_nothing_had_happened(mangle, name):
    right, original = right_one(name), release(name)
    notebook, _ = restore(arrived(MANGLES[mangle](right)), original)
    assert_gradeable(notebook, original)
    if mangle in REWRITTEN:
        called = [ast.parse(cell.source).body[-1].name for cell in answers(notebook)]
        before = [{name for cell in notebook.cells[:notebook.cells.index(answer)]
                   for name, _ in source.defined(cell.source)} for answer in answers(notebook)]
        assert all(f"my_{function}" in names for function, names in zip(called, before))
    else:
        assert definitions(notebook, name) == definitions(right, name)


@pytest.mark.parametrize("mangle", sorted(MANGLES.keys() - REWRITTEN))
def test_no_mangle_turns_wrong_into_right(mangle):
    wrong = golden.wrong("05_evaluation", "mean_iou")
    notebook, _ = restore(arrived(MANGLES[mangle](wrong)), release("05_evaluation"))
    assert definitions(notebook, "05_evaluation") == definitions(wrong, "05_evaluation")
    blank, original = golden.submission("04_training", filled=False), release("04_training")
    notebook, _ = restore(arrived(MANGLES[mangle](blank)), original)
    assert definitions(notebook, "04_training") == definitions(original, "04_training")


@pytest.mark.parametrize("name", notebooks.NAMES)
def test_a_right_submission_comes_back_as_it_was_and_nothing_is_reported(name):
    for right in (golden.submission(name), golden.submission(name, filled=False)):
        notebook, found = restore(right, release(name))
        assert [cell.source for cell in notebook.cells] == [cell.source for cell in right.cells]
        assert (found.repairs, found.flags) == ([], [])


@pytest.mark.parametrize("name", notebooks.NAMES)
def test_own_cells_stay_where_they_were(name):
    noisy = golden.noisy(name)
    notebook, found = restore(noisy, release(name))
    assert [cell.source for cell in notebook.cells] == [cell.source for cell in noisy.cells]
    assert found.flags == []


def test_the_arguments_are_not_changed():
    student, original = MANGLES["checks_replaced"](golden.submission("01_setup")), release("01_setup")
    copies = copy.deepcopy((student, original))
    restore(student, original)
    assert (student, original) == copies


@pytest.mark.parametrize("answer", [
    "make_criterion = lambda: nn.CrossEntropyLoss(ignore_index=255)",
    "class make_criterion(nn.CrossEntropyLoss):\n"
    "    def __init__(self):\n        super().__init__(ignore_index=255)",
    "@torch.no_grad()\ndef make_criterion():\n    return 1",
    "async def make_criterion():\n    return 1",
    "from my_losses import void_free as make_criterion",
    "try:\n    import x\nexcept ImportError:\n    def make_criterion():\n        return 1",
    "def build():\n    return 1\nmake_criterion: object = build",
    "if True:\n    def make_criterion():\n        return 1",
    "a, make_criterion = 1, nn.CrossEntropyLoss",
])
def test_an_answer_is_found_in_every_form_without_ids(answer):
    student = MANGLES["all_metadata_and_ids_lost"](
        golden.submission("04_training", lambda grade_id, text: answer if grade_id == "make_criterion" else text))
    notebook, _ = restore(arrived(student), release("04_training"))
    assert answers(notebook)[0].source == answer


def one_answer(text, grade_id="mean_iou", name="05_evaluation"):
    student = golden.submission(name, lambda this, right: text if this == grade_id else right)
    notebook, found = restore(student, release(name))
    return next(cell.source for cell in answers(notebook) if marks(cell)["grade_id"] == grade_id), found


@pytest.mark.parametrize("way", [None, "nbgrader_marks_lost", "cell_ids_drawn_anew", "all_metadata_and_ids_lost"])
def test_a_renamed_function_is_the_answer_that_its_cell_holds(way):
    right = golden.answers("05_evaluation")["mean_iou"]
    text = "def my_mean(c):\n    return 1"
    if way == "all_metadata_and_ids_lost":  # then its docstring is known
        text = right.replace("def mean_iou", "def my_mean")
    student = golden.submission("05_evaluation", lambda this, answer: text if this == "mean_iou" else answer)
    notebook, _ = restore(arrived(MANGLES[way](student) if way else student), release("05_evaluation"))
    assert next(cell.source for cell in answers(notebook) if marks(cell)["grade_id"] == "mean_iou") == text


def test_a_syntax_error_stays_in_its_own_cell():
    for text in ("def mean_iou(confusion):\n    return (0.5", "def mean_iou(confusion):\n\u00a0\u00a0return “x”"):
        assert one_answer(text)[0] == text
    name, text = "05_evaluation", "def mean_iou(confusion:\n    return 0.5"
    broken = golden.submission(name, lambda this, right: text if this == "mean_iou" else right)
    for way in ("all_metadata_and_ids_lost", "everything_in_one_cell"):
        one = nbformat.v4.new_notebook(cells=[new_code_cell("\n\n".join(
            cell.source for cell in broken.cells if cell.cell_type == "code"))]) if "one" in way \
            else MANGLES[way](broken)
        notebook, _ = restore(arrived(one), release(name))
        found, wanted = definitions(notebook, name), definitions(golden.submission(name), name)
        assert {key for key in wanted if found[key] != wanted[key]} == {"mean_iou"}, way


def test_of_two_marked_answers_the_last_one_counts_and_both_are_shown():
    student = golden.submission("05_evaluation")
    cell = next(cell for cell in answers(student) if marks(cell)["grade_id"] == "mean_iou")
    twin = copy.deepcopy(cell)
    twin.source = "def mean_iou(confusion):\n    return 0.5"
    student.cells.insert(student.cells.index(cell) + 3, twin)
    notebook, found = restore(student, release("05_evaluation"))
    assert next(cell.source for cell in answers(notebook) if marks(cell)["grade_id"] == "mean_iou") == twin.source
    assert [(flag["kind"], flag["exercise"]) for flag in found.flags] == [("duplicate", "mean_iou")]
    assert definitions(notebook, "05_evaluation")["mean_iou"] == source.same(ast.parse(twin.source).body[0])


def test_an_experiment_below_a_filled_answer_is_no_answer():
    student = golden.submission("05_evaluation")
    student.cells.append(new_code_cell("def mean_iou(confusion):\n    return 0.5"))
    student.cells.append(new_code_cell("overlay = plotting.overlay(image, target, data.palette)"))
    notebook, found = restore(student, release("05_evaluation"))
    assert definitions(notebook, "05_evaluation") == definitions(student, "05_evaluation")
    assert found.flags == [] and len(notebook.cells) == len(student.cells)


def test_a_copy_of_another_exercise_in_an_answer_does_not_replace_that_exercise():
    right = golden.answers("05_evaluation")
    text = "def confusion_matrix(target, prediction, num_classes):\n    return 7\n\n\n" + right["evaluate"]
    for strip in (False, True):
        student = golden.submission("05_evaluation", lambda this, answer: text if this == "evaluate" else answer)
        student = MANGLES["all_metadata_and_ids_lost"](student) if strip else student
        notebook, _ = restore(arrived(student), release("05_evaluation"))
        wanted = definitions(golden.submission("05_evaluation"), "05_evaluation")
        assert definitions(notebook, "05_evaluation") == wanted


@pytest.mark.parametrize("edit, flagged", [
    ("assert True", True), ("{0}\nchecks.mean_iou = print", True), ("import math\n{0}", False),
    ("# my own line\n{0}   ", False), ("%pip install x\n{0}", False), ("# {0}", True),
])
def test_an_edited_check_is_flagged_unless_it_says_the_same(edit, flagged):
    student = golden.submission("05_evaluation")
    cell = next(cell for cell in checks(student) if marks(cell)["grade_id"] == "test_mean_iou")
    cell.source = edit.format(cell.source)
    _, found = restore(student, release("05_evaluation"))
    edits = [flag for flag in found.flags if flag["kind"] == "edited"]
    assert [flag["exercise"] for flag in edits] == ["mean_iou"] * flagged
    assert json.loads(json.dumps(found.flags)) == found.flags


def test_what_a_student_added_to_a_cell_of_the_course_runs_behind_it():
    student = golden.submission("05_evaluation")
    student.cells[2].source += "\nimport numpy as np\nmy_size = 7"
    notebook, found = restore(student, release("05_evaluation"))
    assert notebook.cells[2].source == release("05_evaluation").cells[2].source
    assert notebook.cells[3].source.split("\n") == ["import numpy as np", "my_size = 7"]
    assert len(notebook.cells) == len(student.cells) + 1 and len(found.repairs) == 1 and found.flags == []


def test_a_syntax_error_in_a_cell_of_the_course_costs_nothing():
    student = golden.submission("05_evaluation")
    student.cells[2].source = student.cells[2].source.replace("from helpers import", "from helpers inport", 1)
    notebook, _ = restore(student, release("05_evaluation"))
    assert notebook.cells[2].source == release("05_evaluation").cells[2].source


def test_exit_and_other_lines_without_use_become_comments_and_keep_their_line():
    text = ("!pip install x\nfrom google.colab import drive\ndrive.mount(\n    '/content')\n%matplotlib inline\n"
            "if True:\n    quit()\nname = '''\n!pip\n'''\nexit")
    kept, removed = comment_out(text)
    lines = kept.split("\n")
    assert len(lines) == len(text.split("\n"))
    assert lines[4] == "%matplotlib inline" and lines[6].startswith("    pass  #") and lines[8] == "!pip"
    assert all(line.startswith(("pass  #", "#")) for line in [*lines[:4], lines[-1]])
    assert set(removed) == {"!pip", "google.colab", "quit()", "exit()"}
    for harmless in ("try:\n    import google.colab\n    C = 1\nexcept ImportError:\n    C = 0",
                     "x = '!pip install y'", "def f():\n    exit()", "!ls", "%time f(3)",
                     "%%writefile a.py\nimport x"):
        assert comment_out(harmless) == (harmless, [])


@pytest.mark.parametrize("line", ["lambda: (yield)", "lambda x: x", "x.args", "exit", "(exit)", "[exit()]"])
def test_any_expression_may_stand_alone(line):
    assert comment_out(f"{line}\nx = 1")[0].endswith("\nx = 1")


def test_a_half_that_is_answered_where_it_belongs_is_not_replaced_by_a_later_try():
    right = golden.answers("04_training")["checkpoint"]
    save, load = (block.text for block in source.blocks(right)[:2])
    blank = "def load_checkpoint(path, model, optimizer):\n    raise NotImplementedError"
    half = f"{save}\n\n\n{blank}"
    student = golden.submission("04_training", lambda this, text: half if this == "checkpoint" else text)
    student.cells.append(new_code_cell(f"def save_checkpoint(*given):\n    return 1\n\n\n{load}"))
    notebook, _ = restore(student, release("04_training"))
    assert definitions(notebook, "04_training") == definitions(golden.submission("04_training"), "04_training")


def test_an_answer_with_another_exercises_id_is_not_taken_for_that_one():
    student = golden.submission("05_evaluation", lambda this, text: "pass" if this == "confusion_matrix" else text)
    notebook, _ = restore(MANGLES["marks_of_answers_swapped"](student), release("05_evaluation"))
    first, second = answers(notebook)[:2]
    assert "def mean_iou" not in first.source and second.source == golden.answers("05_evaluation")["mean_iou"]


def test_code_in_a_note_is_no_answer():
    student = golden.submission("05_evaluation", lambda this, text: "" if this == "mean_iou" else text)
    student.cells.append(new_markdown_cell("```python\ndef mean_iou(confusion):\n    return 1\n```"))
    notebook, _ = restore(student, release("05_evaluation"))
    assert marks(notebook.cells[-1]) == {} and "NotImplementedError" in one_answer("")[0]


def test_hostile_cells_cost_no_more_than_themselves():
    deep = ["(" * 5000, "-" * 100_000 + "1", "x" + "+x" * 50_000, "\0", "\ud800"[:0] + "f('''", "@" * 999,
            "x = [" * 300, "def mean_iou(" * 200, "a.b" * 30_000]
    student = golden.submission("05_evaluation")
    student.cells[4:4] = [new_code_cell(text) for text in deep]
    notebook, _ = restore(student, release("05_evaluation"))
    assert definitions(notebook, "05_evaluation") == definitions(golden.submission("05_evaluation"), "05_evaluation")


def test_no_release_is_one_line():
    tool = RestoreAnswers(release="/nowhere")
    resources = {"nbgrader": {"assignment": "01_setup", "notebook": "01_setup"}}
    with pytest.raises(Exception, match="make release") as raised:
        tool.preprocess(golden.submission("01_setup"), resources)
    assert "\n" not in str(raised.value)
    notebook, _ = RestoreAnswers().preprocess(MANGLES["checks_replaced"](golden.submission("01_setup")), resources)
    assert notebook.metadata["course"]["flags"] and json.dumps(notebook.metadata["course"])
    nbformat.validate(notebook)


def test_the_table_of_references_is_that_of_the_exercises():
    found = {name: exercise.references for name, exercise in EXERCISES.items() if exercise.references}
    assert found == flags.references()


def flagged(text, exercise=None):
    cell = new_code_cell(text)
    if exercise:
        cell.metadata["nbgrader"] = {"solution": True, "grade_id": exercise}
    return {(flag["kind"], flag["exercise"]) for flag in flags.flags([cell])}


@pytest.mark.parametrize("text, exercise", [
    ("from helpers.metrics import mean_iou", "mean_iou"),
    ("from helpers.metrics import mean_iou as answer\ndef mean_iou(c):\n    return answer(c)", "mean_iou"),
    ("import helpers\ndef mean_iou(c):\n    return helpers.metrics.mean_iou(c)", "mean_iou"),
    ("def mean_iou(c):\n    return metrics.mean_iou(c)", "mean_iou"),
    ("mean_iou = metrics.mean_iou", "mean_iou"), ("mean_iou = metrics.mean_iou", None),
    ("from helpers.metrics import mean_iou", None), ("import helpers.metrics as m\nmean_iou = m.mean_iou", None),
    ("def mean_iou(c):\n    return getattr(metrics, 'mean_iou')(c)", "mean_iou"),
    ("def mean_iou(c):\n    return vars(metrics)['mean_iou'](c)", "mean_iou"),
    ("def mean_iou(c):\n    return training.metrics.mean_iou(c)", "mean_iou"),
    ("import importlib\nm = importlib.import_module('helpers.metrics')\nmean_iou = lambda c: m.mean_iou(c)",
    "mean_iou"),
    ("from helpers.metrics import *", "mean_iou"),
])
def test_an_answer_that_is_the_courses_own_is_flagged(text, exercise):
    assert flagged(text, exercise) == {("reference", "mean_iou")}


@pytest.mark.parametrize("text", [
    "from helpers.exercises import EXERCISES", "checks.mean_iou = print",
    "setattr(checks, 'mean_iou', print)", "import IPython.display\nIPython.display.display = print", "import builtins",
    "import sys\nsys.modules['helpers.checks'] = 1", "import ctypes", "import gc\ngc.get_objects()",
    "import inspect\ninspect.currentframe().f_back", "import sys\nsys._getframe(1)",
    "import os\nos.environ['COURSE_GRADING']", "import subprocess", "import socket", "import os\nos._exit(0)",
    "class Yes(float):\n    def __eq__(self, other):\n        return True", "torch.equal = lambda *a: True",
    "torch.Tensor.__eq__ = lambda *a: True", "get_ipython().input_transformers_post.append(f)",
    "open('../gradebook.db', 'wb')", "!cat ../gradebook.db", "from unittest.mock import patch",
    "import os\nos.system('ls')", "__builtins__.sum = max",
    "open('/proc/self/maps')", "exec(text)",
])
def test_reaching_for_the_grader_is_flagged(text):
    assert flagged(text) == {("tampering", None)}


@pytest.mark.parametrize("text", [
    "checks.mean_iou(mean_iou)", "import os\nos.path.join('a', os.environ.get('HOME', ''))\nos.replace('a', 'b')",
    "from tqdm import tqdm", "model.eval()", "torch.backends.cudnn.benchmark = True",
    "print(metrics.mean_iou(confusion))",
    "class Point:\n    def __eq__(self, other):\n        return self.x == other.x", "model.classifier = None",
    "import inspect\nprint(inspect.getsource(nn.Conv2d))", "re.compile('x')",
    "import os\nos.environ['COURSE_DATASET'] = 'voc'", "setattr(model.classifier, 'low_classifier', None)",
    "plt.rcParams['x'] = 1", "def f(:",
    "def build_model(n, weights=None, models=None):\n    models.head = None\n    weights['x'] = 1",
    "def f(torch):\n    torch.x = 1", "for training in models_of_mine:\n    training.rate = 3",
    "[setattr(metrics, 'x', 1) for metrics in mine]", "with open('x') as files:\n    files.x = 1",
    "model, transforms = build_model(6), None\ntransforms.x = 3", "lambda settings: setattr(settings, 'x', 1)",
    "import gc\ndel model\ngc.collect()", "gpus = !nvidia-smi",
    "import torchvision\ndef build_model(num_classes, weights=None):\n"
    "    models = torchvision.models.segmentation.lraspp_mobilenet_v3_large(weights=weights)\n"
    "    models.classifier.low_classifier = nn.Conv2d(40, num_classes, 1)\n    return models",
    "from helpers.transforms import denormalize as pictures", "'''This cell mentions the hidden tests.'''",
])
def test_ordinary_code_is_not_flagged(text):
    assert flagged(text) == set()


def test_no_answer_of_the_bank_and_no_cell_of_the_course_is_flagged():
    texts = {answer.exercise: (notebooks.ROOT / "tests" / "exercises" / f"{answer.exercise}.py").read_text()
             for answer in bank.answers()}
    # toys are the bank's own: what a notebook has at that place
    texts = {name: "\n".join(line for line in text.split("\n") if "toys" not in line) for name, text in texts.items()}
    assert {exercise: found for exercise, text in texts.items() if (found := flagged(text, exercise))} == {}
    assert [flags.flags(release(name).cells) for name in notebooks.NAMES] == [[]] * 5
