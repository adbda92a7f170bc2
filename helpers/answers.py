"""Answers that go from notebook to notebook: notebook 4 trains with the transform of notebook 2 and the model of 3.

Each notebook has a kernel of its own. So the last cell of notebooks 2 and 3 writes down the student's code, with all
that it needs, if from that alone it passes its check. It is read again in the student's own kernel, and never while
grading.
"""

import ast
import dis

from helpers import files, settings
from helpers.notebook import names

USED = {"train_transform": 2, "build_model": 3}  # the answer and its notebook


def keep(name, sources, passes):
    """Write the answer `name` from the `sources` of the cells that ran, if `passes(namespace)`; else remove it."""
    path = _path(name)
    try:
        text = needed(name, sources)
        if passes(_run(text)):
            with files.atomic(path) as half_done:
                half_done.write_text(text, encoding="utf-8")
            return
    except Exception:  # whatever the code of a student ends in
        pass
    path.unlink(missing_ok=True)


def load():
    """The student's functions that passed their checks, by name; says which these are.

    Empty while grading.
    """
    if settings.grading():
        return {}
    found = {}
    for name in USED:
        try:
            found[name] = _run(_path(name).read_text(encoding="utf-8"))[name]
        except Exception:  # none there, or the course has changed since
            pass
    print("Training uses " + " and ".join(f"your {name}" if name in found else
                                          f"our {name} (or yours, once the last cell of notebook {number} has seen it "
                                          "pass its check)" for name, number in USED.items()))
    return found


def needed(name, sources):
    """The last statements in `sources` that define `name` and whatever that uses, in their order."""
    nodes = []
    for source in sources:
        try:
            nodes += ast.parse(source).body
        except SyntaxError:  # a cell that never ran
            continue
    last = {defined: index for index, node in enumerate(nodes) for defined in names([ast.unparse(node)])}
    taken, open_names = set(), [name]
    while open_names:
        index = last.get(open_names.pop())
        if index is not None and index not in taken:
            taken.add(index)
            open_names += _globals(compile(ast.unparse(nodes[index]), name, "exec"))
    return "\n\n".join(ast.unparse(nodes[index]) for index in sorted(taken)) + "\n"


def _globals(code):
    """The names that code looks up outside itself, its inner functions too."""
    found = {instruction.argval for instruction in dis.get_instructions(code)
             if instruction.opname in ("LOAD_GLOBAL", "LOAD_NAME")}
    return found.union(*(_globals(inner) for inner in code.co_consts if hasattr(inner, "co_code")))


def _run(text):
    namespace = {"__name__": "answer"}
    exec(compile(text, "answer", "exec"), namespace)
    return namespace


def _path(name):
    return settings.load().output / "answers" / f"{name}.py"
