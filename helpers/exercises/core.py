"""What an exercise is made of: its record, its mistakes, and a check with four outcomes.

Right (one friendly line), wrong, not attempted, raised: the last three are a `CheckFailed`, whose `id`
names the mistake and whose message is for the student.
"""

import textwrap
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from helpers.exercises.probe import Probe

HEADLINES = {
    "not_attempted": "Still empty.", "raised": "Your code stopped with an error.", "different": "The result differs.",
    "changes_input": "Your function changed its input.", "returns_none": "Nothing was returned.",
    "not_a_function": "This is not a function.", "wrong_arity": "Your function takes other arguments.",
    "wrong_dtype": "The dtype differs.", "wrong_shape": "The shape differs.", "returns_nan": "The result is NaN.",
    "unexpected": "The result could not be read.",
}  # of what can happen in any exercise; a mistake of one exercise says itself what it is


class CheckFailed(AssertionError):
    """An answer is not right yet: the id of the mistake, the outcome, and the message for the student."""

    def __init__(self, id, message):
        super().__init__(message)
        self.id, self.message = id, message
        self.outcome = id if id in ("not_attempted", "raised") else "wrong"

    def _render_traceback_(self):
        """What IPython and nbgrader show instead of a tower of frames."""
        headline = HEADLINES.get(self.id, "Not right yet.")
        lines = [headline]
        for paragraph in self.message.splitlines():
            lines += textwrap.wrap(paragraph, 100, subsequent_indent=" " * (4 if paragraph[:1] == " " else 0)) or [""]
        return lines


@dataclass(frozen=True)
class Mistake:
    """A wrong idea: `imitate` computes what it would on the same inputs, `says` explains it to the student."""

    id: str
    imitate: Callable
    says: str


def mistakes(id, says, *imitations):
    """One wrong idea and the forms it takes."""
    return [Mistake(id, imitate, says) for imitate in imitations]


@dataclass(frozen=True)
class Exercise:
    """All that is known of one exercise: every table of points, titles or references is made from these records.

    `signatures` are those of the functions that a student writes. `check` is given a `Student` for each of them and
    a seed; it raises CheckFailed, or returns a friendly line, alone or with a function that draws a figure. An
    exercise without functions is checked on values and has no probe. `reference` is the right function (a tuple
    of several), `may_use` names functions of `helpers` that an answer may call while it is examined, `values` are the
    notebook's names for what a check without functions is given.
    """

    number: str
    name: str
    title: str
    points: int
    notebook: str
    signatures: tuple[str, ...]
    check: Callable
    probe: Probe | None
    reference: Any
    may_use: tuple[str, ...] = ()
    values: tuple[str, ...] = ()

    @property
    def functions(self):
        """The names of the functions that a student writes."""
        return [signature.partition("(")[0] for signature in self.signatures]

    @property
    def test(self):
        """The grade id of its test; that of its answer is its name."""
        return f"test_{self.name}"

    @property
    def source(self):
        """The visible line of its test."""
        return f"checks.{self.name}({', '.join(self.functions or self.values)})"

    @property
    def references(self):
        """Where the right functions are, as in "metrics.mean_iou"."""
        right = self.reference if isinstance(self.reference, tuple) else [self.reference]
        return [f"{function.__module__.removeprefix('helpers.')}.{function.__qualname__}" for function in right
                if function]
