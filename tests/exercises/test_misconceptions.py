"""The bank of wrong and right answers against the checks: each mistake is named, no right answer refused."""

import pytest

from helpers import checks
from tests.exercises import bank

pytestmark = pytest.mark.filterwarnings("ignore")  # answers may warn: that is part of the test
SEEDS = range(20)
WRONG, RIGHT = bank.answers(kind="wrong"), bank.answers(kind="right")


def verdict(answer, seed):
    """The id that the check reports, or None."""
    try:
        getattr(checks, answer.exercise)(*answer.functions, seed=seed)
    except checks.CheckFailed as failed:
        return failed.id


@pytest.mark.parametrize("answer", WRONG, ids=str)
def test_a_wrong_answer_is_named(answer, capfd):
    assert {verdict(answer, seed) for seed in SEEDS} == {answer.id}
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("answer", RIGHT, ids=str)
def test_a_right_answer_passes(answer, capfd):
    assert {verdict(answer, seed) for seed in SEEDS} == {None}
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("exercise", sorted({answer.exercise for answer in WRONG + RIGHT}))
def test_an_exercise_has_enough_of_both(exercise):
    assert len({answer.id for answer in bank.answers(exercise, "wrong")}) >= 5
    assert len(bank.answers(exercise, "right")) >= 3
