"""A class of students made of the bank of answers: results as the grader writes them, without any grading.

    results, intake = classroom.results(30, seed=1)
    results = classroom.copied(results, "ada-lovelace-3", "ken-patel-7")

    python -m tests.support.classroom report.html     the report of such a class, for the site to show
"""

import ast
import contextlib
import copy
import functools
import inspect
import io
import random
import sys
import textwrap
import warnings

import nbformat

from tests.exercises import bank
from tools import notebooks

FIRST = ("Ada Grace Alan Edsger Barbara Donald Katherine Dennis Radia Ken Frances Claude Emmy Kurt Sofia Leonhard "
         "Mary Carl Hedy John Noor Ravi Mei Jamal Ingrid Pablo Yuki Olga Tunde Zoë").split()
LAST = ("Lovelace Hopper Turing Dijkstra Liskov Knuth Johnson Ritchie Perlman Thompson Allen Shannon Noether Gödel "
        "Kovalevskaya Euler Somerville Gauss Lamarr Backus Okafor Patel Chen Haddad Nilsson García Tanaka Petrova "
        "Adeyemi Müller").split()
REPAIRS = ("The cells had lost their ids: answers were found by their first line.",
           "The file was saved by Colab: its metadata was restored.", "Widget state without content was dropped.",
           "A line starting with %pip was taken out.")
FLAGS = (("tampering", "The cell that checks the answer was changed; the original was used."),
         ("edited", "A locked cell was changed; the original was used."),
         ("reference", "The answer calls helpers.metrics, the course's own solution."),
         ("duplicate", "The exercise was answered in two cells; the last one counts."))
PROBLEMS = ("the kernel was ended after 300 s", "the kernel used more than 1.5 GB of memory and was ended",
            "the kernel ended by itself (os._exit)")
ODD_NAMES = ("<script>window.hacked = 1</script>", "\u202etxt.exe\u202c Reverse", "🦄🎓 Unicorn", "x" * 500,
             "Robert'); DROP TABLE students;--", "<img src=x onerror=window.hacked=1>",
             "\ud800 half\x00a\x1bcharacter")


@functools.cache
def exercises():
    """(notebook, exercise, points) of the whole course, in its order."""
    found = []
    for name in notebooks.NAMES:
        release = nbformat.read(notebooks.ROOT / "notebooks" / name / f"{name}.ipynb", as_version=4)
        for cell in release.cells:
            kind = cell.metadata.get("nbgrader", {})
            if kind.get("grade"):
                found.append((name, kind["grade_id"].removeprefix("test_"), kind["points"]))
    return found


@functools.cache
def sources(exercise):
    """The bank's answers to one exercise, each with its code: a list of (Answer, str)."""
    answers = bank.answers(exercise)
    if not answers:
        return []
    text = inspect.getsource(inspect.getmodule(answers[0].function))
    nodes = [node for node in ast.parse(text).body if any(map(_is_mark, getattr(node, "decorator_list", [])))]
    assert len(nodes) == len(answers), exercise
    return [(answer, _source(text, node)) for answer, node in zip(answers, nodes)]


@functools.cache
def reason(answer):
    """What the check says to a wrong answer."""
    from helpers import checks
    try:
        with warnings.catch_warnings(action="ignore"), contextlib.redirect_stdout(io.StringIO()):
            getattr(checks, answer.exercise)(*answer.functions, seed=1)
    except checks.CheckFailed as failed:
        return str(failed)


def results(count, seed=0, odd_names=False):
    """Results of `count` students in all notebooks, and an intake; the same for the same seed."""
    chance = random.Random(seed)
    everybody = []
    for number in range(count):
        name = f"{chance.choice(FIRST)} {chance.choice(LAST)}"
        student = f"{name.lower().replace(' ', '-')}-{number}"
        if odd_names and number < len(ODD_NAMES):
            name = ODD_NAMES[number]
        skill = chance.betavariate(5, 2)
        for notebook in notebooks.NAMES:
            if chance.random() < 0.97:
                everybody.append(_result(chance, student, name, notebook, skill))
    problems = [{"file": "notes.docx", "student": None, "text": "no notebook; expected a file that ends in .ipynb"},
                {"file": "ada/01_setup (1).ipynb", "student": "ada",
                 "text": "two files for one notebook; the newer one counts"}]
    return everybody, {"problems": problems if count > 1 else []}


def copied(results, source, copier, share=lambda number: True):
    """The results once `copier` has handed in answers of `source` under other names: those that `share` picks."""
    own = {(result["assignment"], exercise["name"]): exercise
           for result in results if result["student"] == copier for exercise in result["exercises"]}
    copies = copy.deepcopy([result for result in results if result["student"] == source])
    number = 0
    for result in copies:
        result["student"] = result["name"] = copier
        for place, exercise in enumerate(result["exercises"]):
            if exercise["source"]:
                number += 1
                if share(number):
                    exercise["source"] = renamed(exercise["source"], f"{copier[:3]}s")
                else:
                    result["exercises"][place] = own.get((result["assignment"], exercise["name"]), exercise)
    return [result for result in results if result["student"] != copier] + copies


def renamed(source, mark="my"):
    """The same answer in the hands of somebody who changes every name and the layout, and adds a print."""
    tree = ast.parse(source)
    chosen = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    chosen |= {node.arg for node in ast.walk(tree) if isinstance(node, ast.arg)}
    new = {name: f"{mark}_{name[::-1]}" for name in sorted(chosen)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Name):
            node.id = new.get(node.id, node.id)
        elif isinstance(node, ast.arg):
            node.arg = new.get(node.arg, node.arg)
    return ast.unparse(tree) + "\nprint('it works')\n"


def _result(chance, student, name, notebook, skill):
    problem = chance.choice(PROBLEMS) if chance.random() < 0.01 else None
    done = [_exercise(chance, exercise, points, skill, problem)
            for place, exercise, points in exercises() if place == notebook]
    flags = [{"kind": kind, "exercise": chance.choice(done)["name"], "text": text}
             for kind, text in FLAGS if chance.random() < 0.008]
    return {"student": student, "name": name, "assignment": notebook,
            "score": float(sum(one["points"] for one in done)),
            "max_score": float(sum(one["max_points"] for one in done)), "exercises": done,
            "repairs": [chance.choice(REPAIRS)] if chance.random() < 0.05 else [], "flags": flags,
            "problem": problem, "seconds": round(chance.gammavariate(9, 0.8), 1)}


def _exercise(chance, exercise, points, skill, problem):
    result = {"name": exercise, "points": 0.0, "max_points": float(points), "outcome": "not_attempted",
              "misconception": None, "reason": f"{exercise} is still empty.", "source": ""}
    if problem:
        return result | {"outcome": "not_run", "reason": f"Not run: {problem}."}
    luck = chance.random()
    if luck < 0.06 * (1.2 - skill) * 2:
        return result
    kind = "right" if luck < 0.15 + skill else "wrong"
    known = [pair for pair in sources(exercise) if pair[0].kind == kind]
    if not known:  # the exercise of the trained model: there is nothing to write
        right = {"points": float(points), "outcome": "right", "reason": None}
        return result | (right if kind == "right" else
                         {"outcome": "wrong", "misconception": "below_goal",
                          "reason": "The model reaches 0.31 mean IoU; expected 0.40 or more."})
    answer, source = known[min(int(chance.expovariate(6 / len(known))), len(known) - 1)]
    if kind == "right":
        return result | {"points": float(points), "outcome": "right", "reason": None, "source": source}
    outcome = answer.id if answer.id in ("not_attempted", "raised") else "wrong"
    return result | {"outcome": outcome, "misconception": answer.id if outcome == "wrong" else None,
                     "reason": reason(answer), "source": source}


def _is_mark(decorator):
    return isinstance(decorator, ast.Call) and getattr(decorator.func, "id", None) in ("wrong", "right")


def _source(text, node):
    """The code of a decorated function, or of the functions of a pair of them."""
    kept = [mark for mark in node.decorator_list if not _is_mark(mark)]
    start = min([node.lineno, *(mark.lineno for mark in kept)])
    if isinstance(node, ast.ClassDef) and node.name in ("Pair", "Usual"):
        first = node.body[0]
        start = min([first.lineno, *(mark.lineno for mark in getattr(first, "decorator_list", []))])
    # no two students write the same comment, so the bank's go
    block = [line.split("  # ")[0] for line in text.splitlines()[start - 1:node.end_lineno]
             if line.strip() != "@staticmethod" and not line.strip().startswith("#")]
    return textwrap.dedent("\n".join(block)) + "\n"


def main(path):
    """Write the report of sixty students, two of whom have handed in the same work."""
    from grading.report import class_report
    everybody, intake = results(60, seed=7)
    names = {result["student"]: result["name"] for result in everybody}
    everybody = copied(everybody, *list(names)[11:43:31])
    for result in everybody:
        result["name"] = names[result["student"]]
    class_report.write(everybody, intake, path, title="Report of a made-up class")


if __name__ == "__main__":
    main(*sys.argv[1:])
