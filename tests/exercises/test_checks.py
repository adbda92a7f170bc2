"""What every check promises: it is quick, quiet, leaves all as it was, and survives whatever it is given."""

import os
import random
import re
import time

import numpy as np
import pytest
import torch

from helpers import checks, metrics
from helpers.exercises import guard, values
from tests.exercises import bank

pytestmark = pytest.mark.filterwarnings("ignore")
EXERCISES = sorted({answer.exercise for answer in bank.answers()})
FIRST_RIGHT = {name: bank.answers(name, "right")[0] for name in EXERCISES}


def failure(exercise, *functions, seed=0):
    """The CheckFailed of a check, or None."""
    try:
        getattr(checks, exercise)(*functions, seed=seed)
    except checks.CheckFailed as failed:
        return failed


def each(exercise, function):
    """`function` in place of all functions of an exercise."""
    return [function] * len(FIRST_RIGHT[exercise].functions)


def world():
    return (random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist(),
            torch.get_default_dtype(), torch.is_grad_enabled(), torch.get_default_device(), os.getcwd(),
            sorted(os.listdir()))


@pytest.mark.parametrize("exercise", EXERCISES)
def test_a_check_is_quick_quiet_and_leaves_the_world_as_it_was(exercise, capfd):
    before, start = world(), time.process_time()
    assert failure(exercise, *FIRST_RIGHT[exercise].functions, seed=3) is None
    assert time.process_time() - start < 2
    assert world() == before
    shown = capfd.readouterr()
    assert shown.err == "" and shown.out.splitlines()[-1].startswith("✓ ")


@pytest.mark.parametrize("exercise", EXERCISES)
def test_an_answer_that_turns_the_world_upside_down_leaves_it_as_it_was(exercise, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def vandal(*args):
        torch.manual_seed(1)
        random.seed(1)
        np.random.seed(1)
        torch.set_grad_enabled(False)
        torch.set_default_dtype(torch.float64)
        open("left behind", "w").close()
        os.chdir("/")
        raise ValueError("done")
    before = world()
    assert failure(exercise, *each(exercise, vandal))
    assert world() == before


@pytest.mark.parametrize("exercise", EXERCISES)
def test_a_stub_is_not_attempted(exercise):
    def raising(*args):
        raise NotImplementedError("Exercise 9.9: do it")

    def dots(*args):
        ...

    def documented(*args):
        """Does nothing yet."""

    def placeholder(*args):
        result = ...
        return result
    for stub in (raising, dots, documented, placeholder, None, ...):
        assert failure(exercise, *each(exercise, stub)).id == "not_attempted"
    assert "Exercise 9.9: do it" in str(failure(exercise, *each(exercise, raising)))


@pytest.mark.parametrize("exercise", EXERCISES)
def test_the_students_own_exception_is_shown_with_their_line_and_no_frame_of_the_checker(exercise):
    def broken(*args):
        return undefined_name + 1  # noqa: F821
    failed = failure(exercise, *each(exercise, broken))
    assert failed.id == "raised"
    assert "NameError: name 'undefined_name' is not defined" in str(failed)
    assert re.search(r"line \d+: return undefined_name \+ 1", str(failed))
    rendered = "\n".join(failed._render_traceback_())
    assert "helpers" not in rendered and "Traceback" not in rendered


@pytest.mark.parametrize("error", [SystemExit, KeyboardInterrupt, GeneratorExit, MemoryError])
@pytest.mark.parametrize("exercise", EXERCISES)
def test_nothing_that_an_answer_raises_ends_the_run(exercise, error):
    def stop(*args):
        raise error
    failed = failure(exercise, *each(exercise, stop))
    assert failed.id == "raised" and error.__name__ in str(failed)


@pytest.mark.parametrize("exercise", EXERCISES)
def test_the_wrong_number_of_parameters_is_named(exercise):
    def odd(one, two, three, four, five, six, seven):
        pass
    assert failure(exercise, *each(exercise, odd)).id == "wrong_arity"


@pytest.mark.parametrize("exercise", EXERCISES)
def test_a_value_instead_of_a_function_is_named(exercise):
    assert failure(exercise, *each(exercise, 3)).id == "not_a_function"


class Hostile:
    """An answer whose every use fails."""

    def __getattr__(self, name):
        raise RuntimeError("no")

    def __eq__(self, other):
        raise RuntimeError("no")

    def __repr__(self):
        raise RuntimeError("no")


VALUES = [3, 2.5, "text", [], [1, 2], (), {}, {"out": 1}, b"x", True, object(), Hostile(), torch.tensor(float("nan")),
          torch.zeros(0), torch.zeros(2, 3, 4), np.zeros((2, 3)), float("nan"), torch.nn.Linear(1, 1), range(3), print,
          int, torch.zeros(1, device="meta"), torch.zeros(2, dtype=torch.complex64), torch.eye(2).to_sparse()]


@pytest.mark.parametrize("value", VALUES, ids=lambda value: type(value).__name__)
@pytest.mark.parametrize("exercise", EXERCISES)
def test_whatever_an_answer_returns_it_gets_a_sentence(exercise, value):
    failed = failure(exercise, *each(exercise, lambda *args: value))
    assert failed and re.fullmatch("[a-z0-9_]+", failed.id)
    assert 20 < len(str(failed)) < 2000
    assert failed._render_traceback_()


@pytest.mark.parametrize("exercise", EXERCISES)
def test_a_generator_is_named(exercise):
    def generate(*args):
        yield 1
    assert failure(exercise, *each(exercise, generate)).id in ("returns_generator", "not_callable")


@pytest.mark.parametrize("exercise, id, function", [
    ("confusion_matrix", "returns_list", lambda *args: metrics.confusion_matrix(*args).tolist()),
    ("confusion_matrix", "returns_numpy", lambda *args: metrics.confusion_matrix(*args).numpy()),
    ("confusion_matrix", "wrong_dtype", lambda *args: metrics.confusion_matrix(*args).int()),
    ("mean_iou", "returns_tensor", lambda *args: torch.tensor(metrics.mean_iou(*args))),
    ("mean_iou", "returns_nan", lambda confusion: float("nan")),
    ("evaluate", "wrong_dtype", lambda *args: metrics.evaluate(*args).float()),
])
def test_a_right_value_in_the_wrong_form_is_named(exercise, id, function):
    assert failure(exercise, function).id == id


def test_printing_without_end_is_cut(capfd):
    def chatty(confusion):
        print("x" * 100_000_000)
        print(*range(100_000), sep="\n")
        return metrics.mean_iou(confusion)
    assert failure("mean_iou", chatty) is None
    assert len(capfd.readouterr().out) < 5000


def test_names_of_checks_and_seeds_give_the_same_verdict_twice():
    def transposed(*args):
        return metrics.confusion_matrix(*args).T
    texts = {str(failure("confusion_matrix", transposed, seed=7)) for _ in range(3)}
    assert len(texts) == 1


@pytest.mark.parametrize("scores, id", [
    ((0.55, 0.1, 0.03), None), ((0.40, 0.1, 0.03), None), ((0.39, 0.1, 0.03), "below_goal"),
    ((0.1, 0.1, 0.03), "below_baseline"), ((0.5, 0.1, 0.6), "below_untrained"), ((55.0, 0.1, 0.03), "per_cent"),
    ((float("nan"), 0.1, 0.03), "returns_nan"), ((torch.tensor(0.5), 0.1, 0.03), "wrong_type"),
    ((None, 0.1, 0.03), "not_attempted"),
])
def test_a_trained_model_must_reach_the_goal_and_beat_both_baselines(scores, id):
    failed = None
    try:
        checks.trained_model(*scores)
    except checks.CheckFailed as error:
        failed = error.id
    assert failed == id


def test_values_compare_as_answers_do():
    assert values.same(torch.tensor([1.0, float("nan")]), torch.tensor([1.0, float("nan")]))
    assert values.same(1, 1.0) and values.same([1, {"a": 2}], (1, {"a": 2.0}))
    assert not values.same(torch.zeros(2), torch.zeros(2, 1))
    assert not values.same(True, 1) and not values.same(None, 0)


def test_the_guard_yields_what_was_printed():
    with guard.as_found() as printed:
        print("inside")
    assert printed.text == "inside\n"
