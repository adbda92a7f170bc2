"""A student's function: called without harm, and what is wrong with what it returns put into words."""

import inspect
import re
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from helpers.exercises.core import CheckFailed
from helpers.exercises.values import (
    a_kind,
    contrast,
    describe,
    dtype_name,
    has_more_than_raise,
    is_number,
    is_stub,
    same,
    show,
    student_line,
)


@dataclass(frozen=True)
class Outcome:
    """What one call came to: a value, or the exception it ended in; `changed` names the inputs it altered."""

    value: Any = None
    error: BaseException | None = None
    changed: tuple[str, ...] = ()


class Student:
    """A student's function; whatever it does, calling it is safe."""

    def __init__(self, function, signature, section, returned_by=None):
        self.function, self.signature, self.section = function, signature, section
        self.returned_by = returned_by  # the student's function that made this one
        self.name = signature.partition("(")[0]
        self.parameters = [p.split("=")[0].strip() for p in signature.partition("(")[2].rstrip(")").split(",") if p]
        if function is None or function is ...:
            self.not_attempted()
        if not callable(function):
            self.fail("not_a_function", f"{self.name} is {show(function)}, not a function. Was the name used again "
                      "for something else? Run the cell with your function once more.")

    def fail(self, id, message):
        """Raise CheckFailed; the message ends with where to look."""
        raise CheckFailed(id, f"{message}\nSee exercise {self.section} in this notebook.")

    def not_attempted(self, task=""):
        task = f" ({task})" if task else ""
        self.fail("not_attempted", f"{self.name} is still empty{task}. Replace the placeholder with your own lines, "
                  "run that cell, then run this one again.")

    def attempt(self, *args, frozen=True):
        """Call it and say what happened; not attempted and wrong arity end the check at once.

        Tensors are passed as copies; with `frozen` a change to one is noted.
        """
        self._fits(args)
        copies = [a.clone() if type(a) is torch.Tensor and not a.requires_grad else a for a in args]
        try:
            value = self.function(*copies)
        except CheckFailed:
            raise
        except BaseException as error:  # SystemExit and KeyboardInterrupt too: the next check must still run
            if isinstance(error, NotImplementedError) and student_line(error, innermost=True):
                if has_more_than_raise(error):
                    self.fail("raise_left", "The `raise NotImplementedError` line is still there, among your own "
                              "lines. Delete it.")
                self.not_attempted(str(error))
            if isinstance(error, KeyboardInterrupt):  # somebody wants this to stop: no further call
                self.raised(error)
            return Outcome(error=error)
        if value is ... or (value is None and is_stub(self.function)):
            self.not_attempted()
        changed = tuple(name for name, a, b in zip(self.parameters, args, copies)
                        if frozen and b is not a and not same(a, b))
        return Outcome(value, changed=changed)

    def __call__(self, *args, frozen=True):
        """The value of a call; anything else ends the check."""
        outcome = self.attempt(*args, frozen=frozen)
        self.healthy(outcome)
        return outcome.value

    def healthy(self, outcome, before=""):
        """End the check if the outcome is an exception, a generator or a changed input."""
        if outcome.error is not None:
            self.raised(outcome.error, before)
        if inspect.isgenerator(outcome.value) or isinstance(outcome.value, (map, filter, zip)):
            self.fail("returns_generator", f"{self.name} returned a {type(outcome.value).__name__}: nothing has been "
                      "computed yet. Use `return` in place of `yield`, and return all the results at once.")
        if outcome.changed:
            name = outcome.changed[0]
            self.fail("changes_input", f"{self.name} changed its input `{name}`, which its caller still needs. "
                      f"`{name} *= ...`, `{name}[...] = ...` and methods such as `.clamp_()` change it; write "
                      f"`{name} = {name} * ...`, or begin with `{name} = {name}.clone()`.")

    def raised(self, error, before=""):
        """End the check with the student's own exception, line number and source line."""
        self.fail("raised", before + self.stopped(error))

    def stopped(self, error):
        """The student's own exception in words, with its line."""
        line = student_line(error)
        return f"{self.name} stopped with {describe(error)}" + (
            f"\n    line {line[0]}: {line[1]}".rstrip(": ") if line else "")

    def compare(self, reference, cases, mistakes, expects, tolerance=1e-4):
        """Run all `cases` (tuples of arguments, smallest first) and end the check unless each is as `reference` says.

        `expects` says the form of the answer in words, as in "a tensor Int64[C, C]".
        """
        outcomes = [self.attempt(*case) for case in cases]
        found = [entry for entry in zip(cases, outcomes, (reference(*case) for case in cases))
                 if not right(*entry[1:], tolerance) or entry[1].changed]
        if not found:
            return
        case, outcome, wanted = found[0]
        if outcome.error is None:
            self.healthy(Outcome(outcome.value))
            self.container(outcome.value, wanted, expects)
        # a value that differs says more than an exception
        differing = (entry for entry in found if entry[1].error is None and not right(*entry[1:], tolerance))
        shown = next(differing, found[0])
        for mistake in mistakes:
            if all(alike(o, imitated(mistake, case), tolerance) for o, case in zip(outcomes, cases)):
                self.wrong(mistake.id, *shown, mistake.says)
        self.healthy(outcome, f"Called with {self.arguments(case)}, ")
        self.details(outcome.value, wanted, expects)
        self.wrong("different", case, outcome, wanted, "Work this small case out by hand, then compare each step.")

    def parentheses(self, outcome):
        """End the check if `no_grad` stands in a `with` without its parentheses."""
        text = describe(outcome.error) if outcome.error is not None else ""
        if "context manager" in text and "'type'" in text:
            self.fail("no_grad_without_parentheses", f"{self.stopped(outcome.error)}\n`torch.no_grad` needs its "
                      "parentheses here: `with torch.no_grad():`.")

    def gradients_on(self):
        """End the check if the last call left PyTorch without gradients."""
        if not torch.is_grad_enabled():
            torch.set_grad_enabled(True)
            self.fail("gradients_left_off", f"{self.name} switched gradients off and left them off, so the next "
                      "training would fail. `with torch.no_grad():` switches them on again at its end.")

    def container(self, value, wanted, expects):
        """End the check if the answer is not of the right Python type."""
        if value is None:
            self.fail("returns_none", f"{self.name} returned None; expected {expects}. Is the `return` missing?")
        if torch.is_tensor(wanted) == torch.is_tensor(value) and (torch.is_tensor(value) or is_number(value)):
            return
        ids = [(list, "returns_list"), (tuple, "returns_list"), (np.ndarray, "returns_numpy"),
               (torch.Tensor, "returns_tensor"), (dict, "returns_dictionary")]
        id = next((id for kind, id in ids if isinstance(value, kind)), "wrong_type")
        cure = {"returns_tensor": "`.item()` makes a Python number of a tensor with one element.",
                "returns_numpy": "`torch.from_numpy` makes a tensor of it.",
                "returns_list": "`torch.tensor` or `torch.stack` makes a tensor of it."}
        cure = cure.get(id, "") if id == "returns_tensor" or torch.is_tensor(wanted) else ""
        self.fail(id, f"{self.name} returned {a_kind(value)}; expected {expects}. {cure}".rstrip())

    def details(self, value, wanted, expects):
        """End the check if shape or dtype is wrong, or if it is NaN."""
        if not torch.is_tensor(wanted):
            if value != value:
                self.fail("returns_nan", f"{self.name} returned NaN; expected {expects}. Look for 0 / 0, or for a "
                          "mean over nothing.")
            return
        if value.shape != wanted.shape:
            self.fail("wrong_shape", f"{self.name} returned shape {list(value.shape)}; expected {list(wanted.shape)}: "
                      f"{expects}.")
        if value.is_floating_point() and value.isnan().any() and not wanted.isnan().any():
            self.fail("returns_nan", f"{self.name} returned NaN in {int(value.isnan().sum())} places; expected "
                      f"{expects}. Look for 0 / 0.")
        if value.dtype != wanted.dtype:
            self.fail("wrong_dtype", f"{self.name} returned {dtype_name(value)}; expected {expects}. The values may "
                      f"be right, but the next step needs this dtype: `.to(torch.{dtype_name(wanted).lower()})`.")

    def wrong(self, id, case, outcome, wanted, says):
        """End the check: what was returned for which input, what was expected, and why; an exception with its line."""
        if outcome.error is not None:
            self.fail(id, f"{self.stopped(outcome.error)}\n{says}")
        got, expected = contrast(outcome.value, wanted)
        self.fail(id, f"{self.name} returned {got}\n    for {self.arguments(case)}\n    expected {expected}\n{says}")

    def arguments(self, case):
        """`name = value` for the arguments of a call."""
        return ", ".join(f"{name} = {show(value)}" for name, value in zip(self.parameters, case))

    def _fits(self, args):
        try:
            signature = inspect.signature(self.function)
        except (TypeError, ValueError):  # some callables written in C have none
            return
        try:
            signature.bind(*args)
        except TypeError:
            takes = str(signature) if signature.parameters else "no arguments"
            if self.returned_by:
                self.fail("wrong_arity", f"The function that {self.returned_by} returns must take "
                          f"`({self.signature.partition('(')[2]}`; yours takes {takes}.")
            self.fail("wrong_arity", f"{self.name} is called as {self.signature}; yours takes {takes}. Keep the first "
                      "line as it was given.")


def right(outcome, wanted, tolerance):
    """Whether an outcome is the wanted value in the wanted form."""
    value = outcome.value
    if outcome.error is not None or torch.is_tensor(value) != torch.is_tensor(wanted):
        return False
    if torch.is_tensor(wanted) and value.dtype != wanted.dtype:
        return False
    return same(value, wanted, tolerance)


def imitated(mistake, case):
    """What a wrong idea comes to on one case."""
    try:
        return Outcome(mistake.imitate(*(a.clone() if torch.is_tensor(a) else a for a in case)))
    except Exception as error:
        return Outcome(error=error)


def alike(outcome, other, tolerance):
    """Whether two outcomes are the same mistake: equal values, or the same exception."""
    if outcome.error is not None or other.error is not None:
        return _told(outcome.error) == _told(other.error)
    return same(outcome.value, other.value, tolerance)


def _told(error):
    """What an exception says, whatever the order of its numbers: a + b and b + a fail alike."""
    return sorted(re.findall(r"\w+", describe(error))) if error is not None else None
