"""Answers as plain data: what a probe is, and how values are written and compared."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch

from helpers.exercises.values import cut, is_number

NOT_FINITE = {"nan": math.nan, "inf": math.inf, "-inf": -math.inf}


@dataclass(frozen=True)
class Probe:
    """How one exercise is examined.

    `inputs(seed)` are plain data: nested lists and dictionaries of tensors, numbers, text and bytes.
    `run(function, inputs)` is the only part that meets a student's function, and knows nothing of what is right;
    it gives the answers as plain data. Integers must agree exactly with those of the reference, floats within
    `tolerance` (relative and absolute). Where that is not the question, `verdict(inputs, data)` decides instead: a
    reason why the encoded answers are wrong, or None.
    """

    inputs: Callable
    run: Callable
    tolerance: float = 1e-4
    verdict: Callable | None = None


def call(function, *args):
    """What a call came to: its value and whether the tensors given are as they were, or the error."""
    copies = [arg.clone() if torch.is_tensor(arg) else arg for arg in args]
    try:
        value = function(*copies)
    except KeyboardInterrupt:  # somebody wants this to stop
        raise
    except BaseException as error:  # SystemExit too: the answers that were right must still be shown
        return {"error": type(error).__name__}
    unchanged = all(torch.equal(a, b) for a, b in zip(args, copies) if torch.is_tensor(a))
    return {"value": value, "inputs unchanged": unchanged}


def each(function, cases):
    """The answer to each case, a tuple of arguments."""
    return [call(function, *case) for case in cases]


def encode(value):
    """`value` in lists, dictionaries, text, numbers and truth values; anything else is its type's name."""
    if torch.is_tensor(value):
        if value.device.type == "meta":
            return {"tensor": "no data"}
        value = value.detach().cpu()
        return {"tensor": [encode(item) for item in value.flatten().tolist()], "shape": list(value.shape),
                "dtype": str(value.dtype).removeprefix("torch.")}
    if value is None or type(value) in (bool, str):
        return value
    if is_number(value):
        number = float(value)
        whole = isinstance(value, int) and abs(value) < 2 ** 53
        return int(value) if whole else number if math.isfinite(number) else str(number)
    if isinstance(value, (list, tuple)):
        return [encode(item) for item in value]
    if isinstance(value, dict):
        return {str(key): encode(item) for key, item in value.items()}
    return {"other": type(value).__name__}


def difference(found, wanted, tolerance, place="answers"):
    """The first place where encoded data differs, in words, or None."""
    if isinstance(wanted, dict):
        if not isinstance(found, dict) or found.keys() != wanted.keys():
            return f"{place}: expected {_brief(wanted)}, found {_brief(found)}"
        pairs = [(key, found[key], item) for key, item in wanted.items()]
    elif isinstance(wanted, list):
        if not isinstance(found, list) or len(found) != len(wanted):
            return f"{place}: expected {_brief(wanted)}, found {_brief(found)}"
        pairs = [(index, found[index], item) for index, item in enumerate(wanted)]
    else:
        return None if _same(found, wanted, tolerance) else f"{place}: expected {_brief(wanted)}, found {_brief(found)}"
    return next(filter(None, (difference(f, w, tolerance, f"{place}[{key}]") for key, f, w in pairs)), None)


def _same(found, wanted, tolerance):
    if isinstance(found, (dict, list, bool)) and type(found) is not type(wanted):
        return False
    if isinstance(wanted, float) or found in NOT_FINITE or wanted in NOT_FINITE:
        try:
            found, wanted = (NOT_FINITE.get(value, value) for value in (found, wanted))
            close = math.isclose(found, wanted, rel_tol=tolerance, abs_tol=tolerance)
            return close or math.isnan(found) and math.isnan(wanted)
        except TypeError:
            return False
    return type(found) is type(wanted) and found == wanted


def _brief(data):
    if isinstance(data, dict):
        text = "{" + ", ".join(map(str, data)) + "}"
    else:
        text = f"a list of {len(data)}" if isinstance(data, list) else repr(data)
    return cut(text, 80)
