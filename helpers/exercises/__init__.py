"""The exercises, one module each: mistakes, cases, check, probe, reference, and the record of it all.

`EXERCISES` maps each name to its record, in the order of the numbers.
"""

import importlib
import pkgutil

_MODULES = [importlib.import_module(f"{__name__}.{module.name}") for module in pkgutil.iter_modules(__path__)]
_FOUND = [module.EXERCISE for module in _MODULES if hasattr(module, "EXERCISE")]  # the others are what they share


def _number(exercise):
    return [int(part) for part in exercise.number.split(".")]  # 5.10 comes after 5.9


EXERCISES = {exercise.name: exercise for exercise in sorted(_FOUND, key=_number)}
