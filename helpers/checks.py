"""Instant checks: `checks.mean_iou(mean_iou)` passes, or names the mistake and says where to look."""

import functools
import re

from IPython import get_ipython
from IPython.core.error import UsageError
from IPython.display import display

from helpers import settings
from helpers.exercises import EXERCISES
from helpers.exercises.core import CheckFailed
from helpers.exercises.guard import as_found
from helpers.exercises.student import Student
from helpers.exercises.values import describe

_broken = set()  # functions whose newest cell has a syntax error, so that an older version is checked


def _note(result):
    """After each cell: which functions it would have defined, had it no syntax error."""
    names = re.findall(r"^\s*def\s+(\w+)", getattr(result.info, "raw_cell", None) or "", re.MULTILINE)
    if isinstance(result.error_before_exec, SyntaxError):
        _broken.update(names)
    else:
        _broken.difference_update(names)


if get_ipython():
    get_ipython().events.register("post_run_cell", _note)


def run(exercise, *given, seed=0):
    """Check the given functions (or values): print a friendly line, or raise CheckFailed."""
    if any(map(is_lent, given)) and not settings.grading():
        print(f"○ {' and '.join(exercise.functions)}: lent, so the notebook goes on. Exercise {exercise.number} earns "
              "no points until you run a function of your own.")
        return
    failure = drawing = None
    if exercise.signatures and len(given) != len(exercise.signatures):
        raise TypeError(f"checks.{exercise.name} takes {' and '.join(exercise.functions)}")
    with as_found(seed) as printed:
        try:
            if exercise.signatures:
                given = [Student(*pair, exercise.number) for pair in zip(given, exercise.signatures)]
            line = exercise.check(*given, seed)
            line, drawing = line if isinstance(line, tuple) else (line, None)
        except CheckFailed as error:
            failure = error
        except Exception as error:  # an answer so odd that looking at it fails
            failure = CheckFailed("unexpected", f"{exercise.name} returned something that could not be looked at "
                                  f"({describe(error)}).\nSee exercise {exercise.number} in this notebook.")
    printed.show()
    for name in sorted(_broken.intersection(exercise.functions)):
        print(f"Your last cell with `{name}` has a syntax error and did not run: this judges the version before it.")
    if settings.grading():
        display({settings.CHECK_MIME: {
            "exercise": exercise.name, "outcome": failure.outcome if failure else "right",
            "misconception": failure.id if failure and failure.outcome == "wrong" else None,
            "message": failure.message if failure else line}}, raw=True)
    if failure:
        raise failure.with_traceback(None) from None
    print(f"✓ {line}")
    if drawing and get_ipython() and not settings.grading():  # a grader looks at no picture of what is right
        drawing()


def lend(name):
    """The right function of an exercise (a tuple if it has several), to go on without it; it earns no points.

    Raises UsageError for a name that is no exercise, and while grading, where there is nothing to lend.
    """
    if settings.grading():
        raise UsageError("lend: nothing is lent while grading; the exercise is graded on your own answer")
    exercise = EXERCISES.get(name)
    if not exercise or not exercise.functions:
        known = ", ".join(exercise.name for exercise in EXERCISES.values() if exercise.functions)
        raise UsageError(f"lend: expected one of {known}; found {name!r}")
    if isinstance(exercise.reference, tuple):
        return tuple(map(_lent, exercise.reference))
    return _lent(exercise.reference)


def _lent(reference):
    @functools.wraps(reference)
    def function(*args, **kwargs):
        return reference(*args, **kwargs)
    function.lent = True
    return function


def is_lent(function):
    """Whether it comes from `lend`."""
    return getattr(function, "lent", False) is True


def _named(exercise):
    def check(*given, seed=0):
        run(exercise, *given, seed=seed)
    check.__name__, check.__doc__ = exercise.name, f"Exercise {exercise.number}: {exercise.title}."
    return check


globals().update({name: _named(exercise) for name, exercise in EXERCISES.items()})
