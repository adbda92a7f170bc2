"""Wrong and right answers, kept a module an exercise; the module's name is the exercise's.

    from tests.exercises.bank import right, wrong

    @wrong("absent_as_zero")  # the id that the check must report
    def mean_iou(confusion): ...

    @right("loops")  # a few words on its style
    def mean_iou(confusion): ...

An exercise of several functions is a class with one static method each, in the order of the check.
"""

import importlib
import pkgutil
from dataclasses import dataclass
from typing import Any

_ANSWERS = []


@dataclass(frozen=True)
class Answer:
    """One way to answer an exercise: `kind` is "wrong" or "right", `id` the mistake's id or the style."""

    exercise: str
    kind: str
    id: str
    function: Any

    @property
    def functions(self):
        """What the check is called with: the function, or each static method of a class."""
        if isinstance(self.function, type):
            methods = [name for name, value in vars(self.function).items() if isinstance(value, staticmethod)]
            return [getattr(self.function, name) for name in methods] or [self.function]
        return [self.function]

    def __str__(self):
        return f"{self.exercise}-{self.id}"


def wrong(id):
    return lambda function: _register(function, "wrong", id)


def right(style):
    return lambda function: _register(function, "right", style)


def answers(exercise=None, kind=None):
    """All answers in the bank, or those of one exercise, or of one kind."""
    import tests.exercises as package
    for module in pkgutil.iter_modules(package.__path__):
        if module.name != "bank" and not module.name.startswith("test_"):
            importlib.import_module(f"{package.__name__}.{module.name}")
    return [answer for answer in _ANSWERS
            if exercise in (None, answer.exercise) and kind in (None, answer.kind)]


def _register(function, kind, id):
    exercise = function.__module__.rpartition(".")[2]
    _ANSWERS.append(Answer(exercise, kind, id, function))
    return function
