"""The bank against the examination, which is judged by who has seen no student's code."""

import json
import pickle

import pytest

from grading.mark import examine, judge
from grading.run import library
from helpers.exercises import EXERCISES
from helpers.exercises.guard import as_found
from helpers.exercises.probe import encode
from tests.exercises import bank
from tests.support import classes, golden

RIGHT = [pair for name in library.exercises() for pair in classes.sources(name, "right")]
WRONG = [answer for answer in bank.answers(kind="wrong") if answer.exercise in library.exercises()]
SEED = 2 ** 31 - 2


def named(value):
    return str(value) if isinstance(value, bank.Answer) else ""


def notebook(exercise, source):
    """The release with one answer."""
    return golden.submission(EXERCISES[exercise].notebook, lambda name, blank: source if name == exercise else blank,
                             filled=False)


def told(exercise, functions):
    """What a room would send."""
    inputs = pickle.loads(judge.draw(exercise, SEED, []))["inputs"]
    with as_found(SEED):
        try:
            answers = encode(EXERCISES[exercise].probe.run(functions[0] if len(functions) == 1 else tuple(functions),
                                                           inputs))
        except Exception:
            answers = None
    return json.dumps({"answers": answers}).encode()


@pytest.mark.filterwarnings("ignore")  # answers may warn
@pytest.mark.parametrize("answer", WRONG, ids=str)
def test_a_wrong_answer_earns_nothing(answer):
    """Without its room, so that the judge alone refuses it."""
    assert not judge.compare(answer.exercise, SEED, told(answer.exercise, answer.functions))["right"]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("answer", [answer for answer, _ in RIGHT], ids=str)
def test_the_same_way_a_right_answer_is_right(answer):
    """Else everything would be refused, for whatever reason."""
    assert judge.compare(answer.exercise, SEED, told(answer.exercise, answer.functions))["right"]


@pytest.mark.usefixtures("bubblewrap")
@pytest.mark.parametrize("answer, source", RIGHT, ids=named)
def test_a_right_answer_earns_its_points(answer, source, the_judge):
    found = examine.examine(notebook(answer.exercise, source), answer.exercise, SEED, the_judge)
    assert found.outcome == "right", found
