"""Which mistakes the check of an exercise may name: read from its module as text, so that PyTorch need not be there."""

import ast
import fnmatch
import re
from functools import cache

from helpers.settings import ROOT

FOLDER = ROOT / "helpers" / "exercises"
_ID = re.compile(r"[a-z*][a-z0-9]*(_[a-z0-9]+)*")


def is_known(misconception, exercise):
    """Whether the check of an exercise may name this mistake: what student code shows is not to be counted as one."""
    return any(fnmatch.fnmatchcase(misconception or "", each) for each in ids(exercise))


@cache
def ids(exercise):
    """The ids that the check of an exercise may name, sorted; `*` stands for a part that it fills in.

    Whatever looks like an id there is one, and a single word where ids stand: first among the arguments of a call or
    the members of a tuple. So a few other words are among them; text of a stranger's is not.
    """
    always = (exercise, "core", "student")
    found, queue, seen = set(), list(always), set()
    while queue:
        name = queue.pop()
        if name in seen or not (FOLDER / f"{name}.py").is_file():
            continue
        seen.add(name)
        nodes = list(ast.walk(ast.parse((FOLDER / f"{name}.py").read_text(encoding="utf-8"))))
        fails = any(isinstance(node, ast.Attribute) and node.attr == "fail" for node in nodes)
        if not fails and name not in always:
            continue  # what draws, calls or compares names no mistake
        queue += [node.module.rpartition(".")[2] for node in nodes
                  if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("helpers.exercises.")]
        first = [part for node in nodes for part in (
            node.args[:1] if isinstance(node, ast.Call) else node.elts[:1] if isinstance(node, ast.Tuple) else
            node.keys if isinstance(node, ast.Dict) else [])]
        found |= {text for node in nodes if "_" in (text := _text(node)) and _ID.fullmatch(text)}
        found |= {text for node in first if _ID.fullmatch(text := _text(node))}
    return tuple(sorted(found))


def _text(node):
    """The text that an expression is, `*` for what an f-string fills in; "" for anything else."""
    parts = node.values if isinstance(node, ast.JoinedStr) else [node]
    texts = [part.value if isinstance(part, ast.Constant) else "*" for part in parts]
    known = isinstance(node, (ast.Constant, ast.JoinedStr)) and all(isinstance(text, str) for text in texts)
    return "".join(texts) if known else ""
