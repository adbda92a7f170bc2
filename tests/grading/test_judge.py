"""The bank against the examination: each answer in a room of its own, judged by who has seen no student's code."""


import pytest

from grading.mark import examine
from grading.run import library
from helpers.exercises import EXERCISES
from tests.exercises import bank
from tests.support import classes, golden

pytestmark = pytest.mark.usefixtures("bubblewrap")
WRONG, RIGHT = ([pair for name in library.exercises() for pair in classes.sources(name, kind)]
                for kind in ("wrong", "right"))
SEED = 2 ** 31 - 2


def named(value):
    return str(value) if isinstance(value, bank.Answer) else ""


@pytest.fixture(scope="module")
def the_judge():
    with examine.Judge() as made:
        yield made


def notebook(exercise, source):
    """The release with one answer."""
    return golden.submission(EXERCISES[exercise].notebook, lambda name, blank: source if name == exercise else blank,
                             filled=False)


def outcome(exercise, source, the_judge, seed=SEED):
    return examine.examine(notebook(exercise, source), exercise, seed, the_judge)


@pytest.mark.parametrize("answer, source", WRONG, ids=named)
def test_a_wrong_answer_earns_nothing(answer, source, the_judge):
    assert outcome(answer.exercise, source, the_judge).outcome != "right"


@pytest.mark.parametrize("answer, source", RIGHT, ids=named)
def test_a_right_answer_earns_its_points(answer, source, the_judge):
    found = outcome(answer.exercise, source, the_judge)
    assert found.outcome == "right", found
