"""Classes of any size with known marks: right, wrong, mangled and hostile submissions, seeded."""

import ast
import functools
import inspect
import random
from dataclasses import dataclass

import nbformat

from tests import attacks, classroom, golden, mangled
from tests.misconceptions import bank
from tools import notebooks

KINDS = {"right": 0.35, "wrong": 0.35, "mangled": 0.2, "hostile": 0.1}


@dataclass(frozen=True)
class Submission:
    """One notebook as bytes, and the points by grade id that it must get."""

    label: str
    assignment: str
    notebook: bytes
    model: bytes | None
    expected: dict


def generated(count, seed, model, only=None):
    """`count` submissions in the proportions of KINDS; of one notebook alone with `only`."""
    chance = random.Random(seed)
    kinds = chance.choices(list(KINDS), KINDS.values(), k=count)
    return [_one(chance, number, kind, model, only) for number, kind in enumerate(kinds)]


def _one(chance, number, kind, model, only):
    if kind == "hostile" and only in (None, *attacks.NOTEBOOKS):
        attack = chance.choice([attack for attack in attacks.ALL if only in (None, attack.notebook)])
        return Submission(f"{number}: attack {attack.name}", attack.notebook, nbformat.writes(attack.submission()).encode(),
                          model, attack.expected())
    name = only or chance.choice(notebooks.NAMES)
    exercise = chance.choice(list(golden.answers(name)))
    expected, label = golden.points(name), f"{number}: {kind} {name}"
    if kind == "wrong":
        answer, source = chance.choice(sources(exercise, "wrong"))
        notebook, expected = _with(name, {exercise: source}), expected | {f"test_{exercise}": 0}
        label += f" {answer}"
    else:
        chosen = {each: chance.choice(sources(each, "right")) for each in golden.answers(name)}
        notebook = _with(name, {each: source for each, (_, source) in chosen.items()})
        label += " " + ", ".join(answer.id for answer, _ in chosen.values())
    data = nbformat.writes(notebook).encode()
    if kind == "mangled":
        way = chance.choice(list(mangled.WAYS))
        data, label = mangled.WAYS[way](golden.submission(name)), f"{number}: mangled {name} {way}"
    return Submission(label, name, data, model, expected)


def _with(name, sources):
    return golden.submission(name, lambda grade_id, source: sources.get(grade_id, source))


@functools.cache
def sources(exercise, kind):
    """(Answer, cell source) of the bank's answers, each with the imports and helper functions that it leans on."""
    module = inspect.getmodule(bank.answers(exercise)[0].function)
    rest = [node for node in ast.parse(inspect.getsource(module)).body
            if not getattr(node, "decorator_list", []) and not _of_tests(node)]
    before = "\n".join(map(ast.unparse, rest)) + "\n\n\n"
    return [(answer, before + source) for answer, source in classroom.sources(exercise) if answer.kind == kind]


def _of_tests(node):
    return isinstance(node, ast.Expr) or isinstance(node, ast.ImportFrom) and node.module.startswith("tests")
