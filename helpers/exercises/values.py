"""Comparing answers, and putting values and exceptions into words."""

import ast
import dis
import inspect
import linecache
import re
import sysconfig
from numbers import Real
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader

from helpers.settings import ROOT

LIBRARIES = (str(ROOT / "helpers"), sysconfig.get_path("stdlib"), sysconfig.get_path("purelib"),
             str(Path(torch.__file__).parent.parent), "<frozen")


def is_number(value):
    """A plain number (Python's or NumPy's), not a truth value."""
    return isinstance(value, Real) and not isinstance(value, (bool, np.bool_))


def same(a, b, tolerance=1e-4):
    """Whether two answers agree: tensors of one shape, whatever their dtype or device; numbers; lists; NaN is NaN."""
    if torch.is_tensor(a) and torch.is_tensor(b):
        if a.shape != b.shape:
            return False
        a, b = a.detach().cpu(), b.detach().cpu()
        if a.dtype == b.dtype and torch.equal(a, b):  # several times as fast as comparing with a tolerance
            return True
        if a.is_floating_point() or b.is_floating_point():
            return torch.allclose(a.double(), b.double(), rtol=tolerance, atol=tolerance, equal_nan=True)
        return torch.equal(a.long(), b.long())
    if is_number(a) and is_number(b):
        return same(torch.tensor(float(a)), torch.tensor(float(b)), tolerance)
    if isinstance(a, (list, tuple)) and isinstance(b, (list, tuple)):
        return len(a) == len(b) and all(same(x, y, tolerance) for x, y in zip(a, b))
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(same(a[key], b[key], tolerance) for key in a)
    return type(a) is type(b) and not isinstance(a, (torch.Tensor, np.ndarray)) and bool(a == b)


def is_stub(function):
    """Whether a function does nothing yet: `...`, `pass`, or a docstring alone."""
    code = getattr(inspect.unwrap(function), "__code__", None)
    idle = ("RESUME", "LOAD_CONST", "RETURN", "NOP", "POP_TOP", "CACHE", "COPY_FREE_VARS", "MAKE_CELL", "LOAD_COMMON")
    return code is not None and all(step.opname.startswith(idle) for step in dis.get_instructions(code))


def student_line(error, innermost=False):
    """(line number, source line) of the last line of the student's own that an exception went through, or None.

    With `innermost`, only if that line itself says `raise`.
    """
    frames, trace = [], error.__traceback__
    while trace:
        frames.append((trace.tb_frame.f_code.co_filename, trace.tb_lineno, trace.tb_frame.f_globals))
        trace = trace.tb_next
    own = [index for index, (name, *_) in enumerate(frames) if not name.startswith(LIBRARIES)]
    if not own or innermost and own[-1] != len(frames) - 1:
        return None
    name, number, names = frames[own[-1]]
    source = linecache.getline(name, number, names).strip()
    return None if innermost and source and "raise" not in source else (number, source)


def has_more_than_raise(error):
    """Whether the function whose own `raise` this exception comes from has other lines too."""
    trace = error.__traceback__
    while trace.tb_next:
        trace = trace.tb_next
    frame = trace.tb_frame
    try:
        tree = ast.parse("".join(linecache.getlines(frame.f_code.co_filename, frame.f_globals)))
    except (SyntaxError, ValueError):
        return False
    around = [node for node in ast.walk(tree) if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
              and node.lineno <= trace.tb_lineno <= node.end_lineno]
    lines = around[-1].body if around else []
    return any(not isinstance(line, (ast.Raise, ast.Pass))
               and not (isinstance(line, ast.Expr) and isinstance(line.value, ast.Constant)) for line in lines)


def describe(error):
    """An exception's type and message, on one line of at most 300 characters."""
    try:
        text = " ".join(str(error).split())
    except BaseException:  # an exception of the student's own may be broken too
        text = ""
    text = cut(text, 300)
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def cut(text, most):
    """`text`, or its first characters and "..." where it is longer than `most`."""
    return text if len(text) <= most else text[:most - 3] + "..."


def dtype_name(value):
    """`Int64` for torch.int64."""
    return str(value.dtype).rpartition(".")[2].capitalize()


def a_kind(value):
    """What sort of thing a value is: "a list", "Float32[2, 3]"."""
    if torch.is_tensor(value):
        return f"a tensor {dtype_name(value)}{list(value.shape)}"
    names = {np.ndarray: "a NumPy array", type(None): "None", dict: "a dictionary"}
    return names.get(type(value), f"{'an' if type(value).__name__[0] in 'aeiouAEIO' else 'a'} {type(value).__name__}")


def show(value, most=24):
    """A value as a student would type it, shortened where it is large."""
    if torch.is_tensor(value):
        if value.device.type == "meta" or value.layout != torch.strided or value.numel() > most:
            return f"{dtype_name(value)}{list(value.shape)}"
        value = value.detach().cpu()
        value = value.float() if value.dtype == torch.bfloat16 else value  # NumPy has none
        items = np.array2string(value.numpy(), separator=", ", precision=3, suppress_small=True)
        return re.sub(r"\s*\n\s*", " ", items)
    if isinstance(value, int) and abs(value) > 2 ** 53:
        return "a very large number"
    if is_number(value):
        return str(int(value)) if float(value).is_integer() and not isinstance(value, float) else f"{float(value):.4g}"
    if isinstance(value, np.ndarray):
        return f"array {show(torch.as_tensor(np.asarray(value)))}" if value.dtype.kind in "iuf" else "a NumPy array"
    if isinstance(value, nn.Module):
        return type(value).__name__
    if isinstance(value, DataLoader):
        return f"a loader of {len(value)} batches, {len(value.dataset)} images"
    if isinstance(value, torch.device):
        return str(value)
    if isinstance(value, Path):
        return f'"{value.name}"'
    if isinstance(value, list) and any(map(torch.is_tensor, value)):
        return f"[{', '.join(map(show, value))}]"
    if callable(value):
        return getattr(value, "__name__", type(value).__name__)
    try:
        text = repr(value)
    except BaseException:  # the student's own class may be broken
        text = a_kind(value)
    return cut(text, 120)


def contrast(value, wanted):
    """Two answers that differ, shown so that one sees it: whole, else at the first place where they part."""
    texts = show(value), show(wanted)
    if texts[0] != texts[1]:
        return texts
    if not torch.is_tensor(value) or value.shape != wanted.shape:
        return cut(repr(value), 120), cut(repr(wanted), 120)
    a, b = value.detach().cpu().flatten(), wanted.detach().cpu().flatten()
    place = int((~torch.isclose(a.double(), b.double(), rtol=1e-4, atol=1e-4, equal_nan=True)).nonzero()[0])
    index = [int(i) for i in np.unravel_index(place, value.shape)]
    return f"{texts[0]} with {a[place].item()!r} at {index}", f"{b[place].item()!r} there"
