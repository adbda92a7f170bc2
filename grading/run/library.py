"""What the room of an examination holds of the course: for each exercise a library made for it.

    python -m grading.run.library FOLDER

From the sources of `helpers` those definitions are taken that the exercise's probe needs, those that its record lets an
answer use, the settings, and what all these need in turn. Everything else is not there, neither as text nor as
bytecode nor as an object; whoever asks for it is told so in one sentence. A library that would hold a reference, a
check or a mistake is an error.
"""

import ast
import compileall
import hashlib
import json
import py_compile
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from grading.intake.source import names_taken
from grading.run.limits import ROOT, JailError, last_line

SOURCES = ROOT / "helpers"
# What draws or checks does nothing in the room, so that the cells around it define what they define
QUIET = ("checks", "plotting", "widgets", "controls", "notebook", "handin", "answers", "progress")
_INIT = '''\
"""What an answer to exercise {number} may use of the course while it is graded."""

_ANSWERS, _MAY_USE, _QUIET = {answers!r}, {may_use!r}, {quiet!r}


class NotAvailable(ImportError):
    """A part of the course that is not there while an exercise is graded."""


class _Nothing:
    """Stands for whatever draws or checks: can be called, and does nothing."""

    def __call__(self, *_, **__):
        return self

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return self

    def __iter__(self):
        return iter(())

    def __enter__(self):
        return self

    def __exit__(self, *_):
        return None


def absent(module, name):
    """What a module answers that is asked for something that is not there."""
    module = module.removeprefix("helpers.")
    if name.startswith("__"):
        raise AttributeError(name)
    if f"{{module}}.{{name}}" in _ANSWERS:
        raise NotAvailable(f"{{module}}.{{name}} is the answer to exercise {number}, so it is not available while that "
                           "exercise is graded. Write it yourself.")
    if (module, name) == ("checks", "lend"):
        raise NotAvailable("Nothing is lent while an exercise is graded: it counts as your own function answers it.")
    if module in _QUIET:
        return _Nothing()
    allowed = f"It may use {{' and '.join(_MAY_USE)}}." if _MAY_USE else "Write what you need yourself."
    raise NotAvailable(f"{{module}}.{{name}} is not available while exercise {number} is graded. {{allowed}}")
'''
_END = '''

def __getattr__(name):
    from helpers import absent
    return absent(__name__, name)
'''


class LibraryError(RuntimeError):
    """A library would hold what must not be in it."""


@cache
def folder():
    """The folder with a library for each exercise, made if it is not there yet; raises JailError."""
    digest = hashlib.sha256(Path(__file__).read_bytes() + (ROOT / "grading" / "intake" / "source.py").read_bytes())
    for path in sorted(SOURCES.rglob("*.py")):
        digest.update(path.relative_to(SOURCES).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    place = ROOT / "build" / "libraries" / digest.hexdigest()[:16]
    if not place.exists():  # in a process of its own: the records of the exercises need PyTorch
        made = subprocess.run([sys.executable, "-m", "grading.run.library", str(place)], cwd=ROOT, capture_output=True,
                              text=True)
        if made.returncode:
            raise JailError(f"jail: making the libraries failed: {last_line(made.stderr)}")
    return place


@cache
def exercises():
    """Of each exercise with a probe, by name: number, functions, references and what an answer may use, as text."""
    return json.loads((folder() / "exercises.json").read_text())


@dataclass
class _Source:
    """A module: its top-level statements, imports taken apart, and which of them bind a name."""

    name: str
    statements: list = field(default_factory=list)
    binds: dict = field(default_factory=dict)

    @classmethod
    @cache
    def of(cls, name):
        path = SOURCES.parent.joinpath(*name.split("."))
        path = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
        made = cls(name)
        for statement in ast.parse(path.read_text()).body:
            for part in _taken_apart(statement):
                for bound in _bound(part):
                    made.binds.setdefault(bound, []).append(len(made.statements))
                made.statements.append(part)
        return made


def _taken_apart(statement):
    if isinstance(statement, ast.Import):
        return [ast.Import([alias]) for alias in statement.names]
    if isinstance(statement, ast.ImportFrom):
        return [ast.ImportFrom(statement.module, [alias], statement.level) for alias in statement.names]
    return [statement]


def _bound(statement):
    if isinstance(statement, (ast.Import, ast.ImportFrom)):
        return [(alias.asname or alias.name.split(".")[0]) for alias in statement.names]
    if isinstance(statement, (ast.FunctionDef, ast.ClassDef)):
        return [statement.name]
    return [node.id for node in ast.walk(statement) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)]


def _is_module(name):
    path = SOURCES.parent.joinpath(*name.split("."))
    return path.is_dir() or path.with_suffix(".py").is_file()


def _leads_to(statement):
    """(module, name or None for the module itself) of an import from `helpers`, else None."""
    if isinstance(statement, ast.ImportFrom) and (statement.module or "").split(".")[0] == "helpers":
        name = f"{statement.module}.{statement.names[0].name}"
        return (name, None) if _is_module(name) else (statement.module, statement.names[0].name)
    return None


def closure(roots, forbidden):
    """Module name to the numbers of the statements that the `roots`, (module, name) pairs, need in the end.

    Raises LibraryError where one of the `forbidden` pairs is among them.
    """
    kept, queue, seen = {}, list(roots), set()
    while queue:
        module, name = pair = queue.pop()
        if pair in seen:
            continue
        seen.add(pair)
        if pair in forbidden:
            raise LibraryError(f"{module}.{name} must not be there, and is needed")
        source = _Source.of(module)
        if name not in source.binds:
            raise LibraryError(f"{module} has no {name}")
        for number in source.binds[name]:
            statement = source.statements[number]
            kept.setdefault(module, set()).add(number)
            target = _leads_to(statement)
            if target:
                queue += [target] if target[1] else []
                kept.setdefault(target[0], set())
                continue
            queue += _needs(source, statement)
    return kept


def _needs(source, statement):
    """The (module, name) pairs that a statement refers to."""
    taken = names_taken(statement) & source.binds.keys()
    modules = {}
    for name in taken:
        targets = [_leads_to(source.statements[number]) for number in source.binds[name]]
        modules |= dict([(name, target[0]) for target in targets if target and target[1] is None])
    through = [node for node in ast.walk(statement) if isinstance(node, ast.Attribute)
               and isinstance(node.value, ast.Name) and node.value.id in modules]
    alone = {node.id for node in ast.walk(statement) if isinstance(node, ast.Name) and node.id in modules}
    if alone - {node.value.id for node in through}:
        raise LibraryError(f"{source.name} hands a whole module on: {', '.join(sorted(alone))}")
    return [(source.name, name) for name in taken] + [(modules[node.value.id], node.attr) for node in through]


def _paths(reference):
    return [(function.__module__, function.__qualname__)
            for function in (reference if isinstance(reference, tuple) else (reference,))]


def write(place, exercise):
    """The library of one exercise in `place`/helpers."""
    answers = _paths(exercise.reference)
    mistaken = {(name, bound) for name in _exercise_modules() for bound in ("EXERCISE", "MISTAKES", "check")}
    forbidden = {*answers, *mistaken, ("helpers.exercises.core", "Mistake"), ("helpers.exercises", "EXERCISES")}
    allowed = [tuple(f"helpers.{path}".rsplit(".", 1)) for path in exercise.may_use]
    roots = [_home(exercise.probe.run), ("helpers.exercises.probe", "encode"), *allowed]
    for name in _Source.of("helpers.settings").binds:
        try:  # all settings, but for what is an answer or built on one
            closure([("helpers.settings", name)], forbidden)
            roots.append(("helpers.settings", name))
        except LibraryError:
            pass
    kept = closure(roots, forbidden)
    for path in SOURCES.glob("*.py"):
        kept.setdefault(f"helpers.{path.stem}", set())
    kept.setdefault("helpers.exercises", set())
    for name, numbers in kept.items():
        source = _Source.of(name)
        text = "\n\n".join(ast.unparse(source.statements[number]) for number in sorted(numbers))
        path = place.joinpath(*name.split("."))
        package = (SOURCES.parent / path.relative_to(place)).is_dir()  # whose __getattr__ would hide its modules
        path = path / "__init__.py" if package else path.with_suffix(".py")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{text}\n{'' if package else _END}")
    (place / "helpers" / "__init__.py").write_text(_INIT.format(
        number=exercise.number, answers=[f"{module.removeprefix('helpers.')}.{name}" for module, name in answers],
        may_use=list(exercise.may_use), quiet=QUIET))
    compileall.compile_dir(place / "helpers", quiet=1, invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH)


def _home(function):
    """Where a function is defined."""
    return function.__module__, function.__qualname__


def _exercise_modules():
    return [f"helpers.exercises.{path.stem}" for path in (SOURCES / "exercises").glob("[a-z]*.py")]


def main(place):
    from helpers.exercises import EXERCISES
    place = Path(place)
    place.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=place.parent) as made:
        index = {}
        for name, exercise in EXERCISES.items():
            if exercise.probe:
                write(Path(made, name), exercise)
                index[name] = {"number": exercise.number, "functions": exercise.functions, "may_use": exercise.may_use,
                               "references": [".".join(pair) for pair in _paths(exercise.reference)]}
        Path(made, "exercises.json").write_text(json.dumps(index, indent=1))
        Path(made).chmod(0o755)
        try:
            Path(made).rename(place)  # another process may have been faster
        except OSError:
            return
        Path(made).mkdir()  # for the context to remove


if __name__ == "__main__":
    main(*sys.argv[1:])
