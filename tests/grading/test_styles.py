"""However a right answer is put into a notebook, it passes the examination of its exercise."""

import re
import textwrap

import pytest
from nbformat.v4 import new_code_cell

from grading.mark import examine
from grading.run import jail, library
from helpers.exercises import EXERCISES
from tests.support import golden

pytestmark = pytest.mark.usefixtures("bubblewrap")


def renamed(name, text):
    """The right answer with an underscore in front of its functions, and their names."""
    names = EXERCISES[name].functions
    for each in names:
        text = re.sub(rf"\b{each}\b", f"_{each}", text)
    return names, text


def put(pattern, around="{text}"):
    """A style: the answer renamed, and for each function a line that makes it of the renamed one."""
    def style(name, text):
        names, text = renamed(name, text)
        made = "\n".join(textwrap.dedent(pattern).replace("NAME", each) for each in names)
        return [], f"{around.replace('{text}', text)}\n{made}\n", []
    return style


def inside(head):
    """A style: the answer as the body of a statement."""
    return lambda name, text: ([], f"{head}\n{textwrap.indent(text, '    ')}\n", [])


def helper_cells(name, text):
    names, text = renamed(name, text)
    return [text, "KEPT = {}"], "\n".join(f"def {each}(*args, **kwargs):\n    return _{each}(*args, **kwargs)\n"
                                          for each in names), []


def helper_cells_below(name, text):
    before, answer, _ = helper_cells(name, text)
    return before[1:], answer, before[:1]


def a_module_of_ones_own(name, text):
    names, text = renamed(name, text)
    imports = ("import copy, math, os, random\nfrom pathlib import Path\nimport numpy as np\nimport torch\n"
               "import torchvision\nimport torch.nn.functional as F\nfrom PIL import Image\nfrom torch import nn\n"
               "from torchvision import tv_tensors\nfrom torchvision.models import segmentation\n"
               "from torchvision.transforms import v2\n"
               "from helpers import metrics, models\nfrom helpers.settings import IGNORE_INDEX, MEAN, STD\n")
    exported = f"__all__ = {[f'_{each}' for each in names]}\n"
    return ([f"%%writefile mine.py\n{imports}{exported}{text}"],
            "from mine import *\n" + "\n".join(f"{each} = _{each}" for each in names), [])


STYLES = {
    "helper cells": helper_cells,
    "a helper cell below the test": helper_cells_below,
    "a star import of one's own module": a_module_of_ones_own,
    "a class that is called": put("""
        class NAMEr:
            def __call__(self, *args, **kwargs):
                return _NAME(*args, **kwargs)
        NAME = NAMEr()"""),
    "a dataclass": put("""
        import dataclasses
        @dataclasses.dataclass(frozen=True)
        class Solver:
            how: object = None
            def __call__(self, *args, **kwargs):
                return self.how(*args, **kwargs)
        NAME = Solver(_NAME)"""),
    "a closure": put("""
        def make_NAME():
            inner = _NAME
            def outer(*args, **kwargs):
                nonlocal inner
                return inner(*args, **kwargs)
            return outer
        NAME = make_NAME()"""),
    "a decorator that keeps the name": put("""
        import functools
        def logged(function):
            calls = 0
            @functools.wraps(function)
            def inner(*args, **kwargs):
                nonlocal calls
                print("call", calls := calls + 1, end="\\r")
                return function(*args, **kwargs)
            return inner
        NAME = logged(_NAME)"""),
    "a partial": put("import functools\nNAME = functools.partial(_NAME)"),
    "a static method": put("class Mine:\n    NAME = staticmethod(_NAME)\nNAME = Mine.NAME"),
    "a lambda": put("NAME = same = lambda *args, **kwargs: _NAME(*args, **kwargs)"),
    "a walrus": put("(NAME := _NAME)"),
    "functions in functions": put("""
        def NAME(*args, **kwargs):
            def outer():
                def inner():
                    return (lambda: _NAME(*args, **kwargs))()
                return inner()
            return outer()"""),
    "annotations that name nothing": put("""
        def NAME(*args: Every, **kwargs: list[Thing | None]) -> Nothing:
            answer: Whatever = _NAME(*args, **kwargs)
            return answer""", "from __future__ import annotations\n{text}"),
    "below a condition": inside("if True:"),
    "in a with": inside("import contextlib\nwith contextlib.suppress(ImportError):"),
    "a captured cell": lambda name, text: ([], f"%%capture\n{text}", []),
    "below a docstring, a shebang and a coding": lambda name, text: (
        [], f'#!/usr/bin/env python\n# -*- coding: utf-8 -*-\n"""My answer."""\n{text}\n"The end."', []),
    "with a try of its own": lambda name, text: (
        [], f"{text}\n\nif __name__ == '__main__':\n    print({EXERCISES[name].functions[0]}.__name__)\n"
            f"    assert 1 == 2, 'an old test that fails'\n", []),
    "with Windows' line ends and tabs": lambda name, text: ([], text.replace("    ", "\t").replace("\n", "\r\n"), []),
    "among settings of other people": lambda name, text: ([
        "import os, random, numpy as np, torch\nos.environ['CUBLAS_WORKSPACE_CONFIG'] = ':4096:8'\n"
        "torch.use_deterministic_algorithms(True)\ntorch.set_num_threads(2)\ntorch.set_printoptions(precision=9)\n"
        "torch.set_float32_matmul_precision('medium')\ntorch.backends.cudnn.benchmark = True\nnp.seterr(all='raise')\n"
        "random.seed(1); np.random.seed(1); torch.manual_seed(1)\nimport warnings; warnings.simplefilter('error')\n"
        "torch.inference_mode().__enter__()\ntorch.set_default_device('meta')\ntorch.set_default_dtype(torch.float64)"],
        text, []),
}
TRIED = [(style, name) for place, style in enumerate(STYLES)
         for number, name in enumerate(library.exercises()) if (place + number) % 4 == 0]


@pytest.mark.parametrize("style, name", TRIED)
def test_a_right_answer_passes_in_any_style(style, name, the_judge):
    place = EXERCISES[name].notebook
    before, answer, behind = STYLES[style](name, golden.answers(place)[name])
    notebook = golden.submission(place, lambda this, blank: answer if this == name else blank, filled=False)
    for grade_id, texts, offset in ((name, before, 0), (f"test_{name}", behind, 1)):
        at = [golden.kind(cell).get("grade_id") for cell in notebook.cells].index(grade_id) + offset
        notebook.cells[at:at] = [new_code_cell(text, id=f"student-{offset}-{number}")
                                 for number, text in enumerate(texts)]
    found = examine.examine(notebook, name, 7, the_judge, jail.Limits(wall=60))
    assert found.outcome == "right", found
