"""The bank of wrong and right answers against the checks: each mistake is named, no right answer refused."""

import os
import re

import pytest

from helpers import checks
from tests.exercises import bank

pytestmark = pytest.mark.filterwarnings("ignore")  # answers may warn: that is part of the test
SEEDS = [range(int(os.environ["BANK_SEEDS"]))] if "BANK_SEEDS" in os.environ else [(0, 1), (2, 3)]
RETURNED = re.compile(r"returned (.+?)(?:;|\n(?:    for .+\n)?)\s*expected (.+?)(?:\n|$)")
WRONG, RIGHT = bank.answers(kind="wrong"), bank.answers(kind="right")


def failure(answer, seed):
    """The CheckFailed of a check, or None."""
    try:
        getattr(checks, answer.exercise)(*answer.functions, seed=seed)
    except checks.CheckFailed as failed:
        return failed


def verdict(answer, seed):
    """The id that the check reports, or None."""
    failed = failure(answer, seed)
    return failed and failed.id


def first(seeds):
    return f"seeds_{seeds[0]}"


@pytest.mark.parametrize("answer", WRONG, ids=str)
@pytest.mark.parametrize("seeds", SEEDS, ids=first)
def test_a_wrong_answer_is_named(seeds, answer, capfd):
    failures = [failure(answer, seed) for seed in seeds]
    assert {failed and failed.id for failed in failures} == {answer.id}
    assert capfd.readouterr().err == ""
    for failed in failures:
        shows_a_difference(failed.message)
        assert len(re.findall("See exercise", failed.message)) == 1


def shows_a_difference(message):
    """Whatever is said to have been returned is not what is said to be expected."""
    for returned, expected in RETURNED.findall(message):
        assert returned != expected, message


@pytest.mark.parametrize("answer", RIGHT, ids=str)
@pytest.mark.parametrize("seeds", SEEDS, ids=first)
def test_a_right_answer_passes(seeds, answer, capfd):
    assert {verdict(answer, seed) for seed in seeds} == {None}
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("exercise", sorted({answer.exercise for answer in WRONG + RIGHT}))
def test_an_exercise_has_enough_of_both(exercise):
    assert len({answer.id for answer in bank.answers(exercise, "wrong")}) >= 5
    assert len(bank.answers(exercise, "right")) >= 3
