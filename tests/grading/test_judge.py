"""The bank against the judge: the answers that a kernel shows as data, compared with the reference outside it."""

import json

import pytest
from nbformat.v4 import new_code_cell, new_notebook, new_output

from grading.mark import compare, judge
from helpers.exercises import EXERCISES
from helpers.probes import answers
from helpers.settings import PROBE_MIME as MIME
from tests.exercises import bank

pytestmark = [pytest.mark.filterwarnings("ignore"), pytest.mark.usefixtures("bubblewrap")]  # answers may warn
WRONG = [answer for answer in bank.answers(kind="wrong") if EXERCISES[answer.exercise].probe]
RIGHT = [answer for answer in bank.answers(kind="right") if EXERCISES[answer.exercise].probe]
SEEDS = (11, 2 ** 31 - 2)


def shown(answer, seed):
    """The bundle as it arrives in the notebook file."""
    functions = answer.functions
    given = tuple(functions) if len(functions) > 1 else functions[0]
    return json.loads(json.dumps({"name": answer.exercise, "seed": seed,
                                  "answers": answers(answer.exercise, given, seed)}, allow_nan=False))


@pytest.mark.parametrize("answer", WRONG, ids=str)
def test_a_wrong_answer_earns_nothing(answer):
    for seed in SEEDS:
        assert compare.verdict(answer.exercise, seed, [shown(answer, seed)])


@pytest.mark.parametrize("answer", RIGHT, ids=str)
def test_a_right_answer_earns_its_points(answer):
    for seed in SEEDS:
        assert compare.verdict(answer.exercise, seed, [shown(answer, seed)]) is None


def notebook(*outputs):
    cell = new_code_cell("checks.mean_iou(mean_iou)", outputs=list(outputs))
    cell.metadata["nbgrader"] = {"grade": True, "solution": False, "grade_id": "test_mean_iou", "points": 4}
    return new_notebook(cells=[cell])


def judged(*outputs, seed=5):
    nb, _ = judge.Judge().preprocess(notebook(*outputs), {"probe_seed": seed})
    return [output.output_type for output in nb.cells[0].outputs]


def bundle(seed=5, name="mean_iou", data=None):
    data = answers("mean_iou", EXERCISES["mean_iou"].reference, seed) if data is None else data
    return new_output("display_data", {MIME: {"name": name, "seed": seed, "answers": data}})


def test_right_answers_are_left_as_they_are():
    assert judged(bundle()) == ["display_data"]


def test_answers_that_are_missing_doubled_or_of_another_seed_fail():
    for outputs in ([], [bundle(), bundle()], [bundle(seed=6)], [bundle(name="overlay")]):
        assert judged(*outputs)[0] == "error"


def test_hard_coded_answers_fail_on_another_seed():
    old = bundle(seed=6)["data"][MIME]["answers"]
    assert judged(bundle(data=old))[0] == "error"


def test_a_number_as_result_is_no_partial_credit():
    forged = new_output("execute_result", {"text/plain": "4.0"})
    assert judged(forged, bundle(data=[])) == ["error", "display_data"]


@pytest.mark.parametrize("data", [None, 3, "x", [1], {"a": {}}, [[[[]]]], {"value": float("nan")}, [True] * 9],
                         ids=repr)
def test_answers_of_any_form_are_judged_without_a_crash(data):
    assert compare.verdict("mean_iou", 5, [{"name": "mean_iou", "seed": 5, "answers": data}])
    assert compare.verdict("mean_iou", 5, [data])


def test_the_seed_is_drawn_anew_for_each_submission(monkeypatch):
    monkeypatch.delenv("COURSE_PROBE_SEED", raising=False)
    seeds = [judge.DrawSeed().preprocess(notebook(), {})[1]["probe_seed"] for _ in range(3)]
    assert len(set(seeds)) == 3
