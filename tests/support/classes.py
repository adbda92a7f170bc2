"""Classes of any size with known marks: right, wrong, mangled and hostile submissions, seeded."""

import ast
import functools
import inspect
import random
import shutil
from dataclasses import dataclass

import nbformat

from helpers.settings import ROOT
from tests import attacks
from tests.exercises import bank
from tests.support import classroom, golden, mangled
from tools import notebooks

KINDS = {"right": 0.35, "wrong": 0.35, "mangled": 0.2, "hostile": 0.1}
ATTACKED = "01_setup"


@dataclass(frozen=True)
class Submission:
    """One notebook as it arrives, under a file name; `expected` are its points by grade id."""

    student: str
    assignment: str
    file: str
    data: bytes
    expected: dict
    about: str


def generated(count, seed, only=None):
    """`count` submissions in the proportions of KINDS; of one notebook alone with `only`."""
    chance = random.Random(seed)
    kinds = chance.choices(list(KINDS), KINDS.values(), k=count)
    return [_one(chance, f"student-{number:03}", kind, only) for number, kind in enumerate(kinds)]


def write(folder, everybody, model):
    """Lay a class out as <student>/<file>, with the model file beside notebook 5."""
    for each in everybody:
        place = folder / each.student
        place.mkdir(parents=True)
        (place / each.file).write_bytes(each.data)
        if each.assignment == "05_evaluation":
            shutil.copy(model, place)


def _one(chance, student, kind, only):
    name = only or chance.choice(notebooks.NAMES)
    file, expected = f"{name}.ipynb", golden.points(name)
    if kind == "hostile" and only in (None, ATTACKED):
        name, file, expected = ATTACKED, f"{ATTACKED}.ipynb", golden.points(ATTACKED)
        # those that end by a clock have their own tests: here they would measure the clock
        attack = chance.choice([each for each in attacks.everything() if not each.slow and not each.files])
        notebook, about = _attacked(attack), attack.name
        expected |= {f"test_{lost}": 0 for lost in attack.lost}
    elif kind == "wrong":
        exercise = chance.choice(list(golden.answers(name)))
        answer, source = chance.choice(sources(exercise, "wrong"))
        notebook, about = _with(name, {exercise: source}), str(answer)
        expected |= {f"test_{exercise}": 0}
    else:
        chosen = {each: chance.choice(sources(each, "right")) for each in golden.answers(name)}
        notebook = _with(name, {each: source for each, (_, source) in chosen.items()})
        about = ", ".join(str(answer) for answer, _ in chosen.values())
    data = nbformat.writes(notebook).encode()
    if kind == "mangled":
        about = chance.choice(sorted(mangled.MANGLES))
        data, file = mangled.as_bytes(mangled.MANGLES[about](golden.submission(name)), file)
    return Submission(student, name, file, data, expected, f"{kind}: {about}")


def _attacked(attack):
    def change(grade_id, source):
        code = attacks.preamble("/nowhere", ROOT, 9) + "\n" + attack.code
        return source if grade_id != attack.answer else code if grade_id in attack.lost else f"{code}\n\n{source}"
    notebook = golden.submission(ATTACKED, change)
    if not attack.answer:
        places = {golden.kind(cell).get("grade_id"): number for number, cell in enumerate(notebook.cells)}
        place = places[f"test_{attack.behind}"] + 1 if attack.behind else places["choose_device"]
        code = attacks.preamble("/nowhere", ROOT, 9) + "\n" + attack.code
        notebook.cells.insert(place, nbformat.v4.new_code_cell(code))
    if attack.change:
        attack.change(notebook)
    return notebook


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
