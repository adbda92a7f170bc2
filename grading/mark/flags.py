"""What an instructor should look at in a student's own code: read from its syntax, which is never run.

Two kinds: "reference", an answer that is the course's own from `helpers`, and "tampering", code that reaches for
the grader instead of the exercise. A flag is a hint for a person, never a mark; it can be fooled.
"""

import ast
import contextlib
import re
from functools import cache
from pathlib import Path

from grading.intake import source
from grading.run import library

_HELPERS = {path.stem for path in (Path(__file__).resolve().parents[2] / "helpers").glob("[a-z]*")}


@cache
def references():
    """Exercise to the functions of `helpers` that are its reference, as in "metrics.mean_iou"."""
    return {name: [path.removeprefix("helpers.") for path in exercise["references"]]
            for name, exercise in library.exercises().items()}


@cache
def _functions():
    return {path.split(".")[1]: exercise for exercise, paths in references().items() for path in paths}


_MODULES = {"ctypes": "memory behind Python's back", "builtins": "Python's builtins",
            "subprocess": "other programs", "socket": "the network", "pty": "other programs", "grading": "the grader",
            "unittest.mock": "other code, to replace it", "_thread": "threads", "faulthandler": "the interpreter",
            "helpers.exercises": "the grader's questions", "nbgrader": "the grader", "resource": "the grader's limits"}
_NAMES = {"sys.modules": "the loaded modules", "sys._getframe": "the frames of its callers",
          "sys.settrace": "a tracer", "sys.setprofile": "a tracer", "sys.meta_path": "the import system",
          "sys.path_hooks": "the import system",
          "inspect.currentframe": "the frames of its callers", "inspect.stack": "the frames of its callers",
          "inspect.getouterframes": "the frames of its callers", "inspect.trace": "the frames of its callers",
          "os.system": "other programs", "os.popen": "other programs", "os.fork": "other processes",
          "os.kill": "other processes", "os._exit": "the end of the kernel", "os.execv": "other programs",
          **{f"gc.{name}": "every object in memory" for name in ("get_objects", "get_referrers", "get_referents")},
          "os.getppid": "other processes", "os.setsid": "other processes", "exec": "code in a text",
          "eval": "code in a text", "compile": "code in a text", "__builtins__": "Python's builtins",
          "atexit.register": "the end of the kernel", "signal.signal": "the grader's interrupts"}
_PATCHED = ("helpers", "IPython", "builtins", "__builtins__", "torch", "numpy", "json", "base64", "nbclient",
            "ipykernel", "math", "random", "torchvision")  # their attributes are not for assigning ...
_FREE = ("torch.backends", "torch.manual_seed")  # ... but these are settings
_KERNEL = re.compile(r"get_ipython\(\)\.(?!system|getoutput|run_line_magic|run_cell_magic|magic)\w+")
_PATHS = re.compile(r"gradebook\.db|/proc/(?:self|\d)|nbgrader_config|\.ipython/profile|hidden.?tests?\b"
                    r"|(?:^|/)(?:solutions|autograded|grading)/|vnd\.segmentation-course", re.IGNORECASE)
_SETTINGS = ("COURSE_DATASET", "COURSE_DATA_ROOT", "COURSE_WEIGHTS", "COURSE_MODEL", "COURSE_DEVICE",
             "COURSE_SEED")  # for students to set


def flags(cells):
    """Flags of a student's code cells.

    Parameters
    ----------
    cells : iterable of NotebookNode
        Answers are known by nbgrader's marks, locked cells are left out, all others are the student's own.

    Returns
    -------
    list of dict
        {"kind": "reference" or "tampering", "exercise": grade id or None, "text": sentence}; each once.
    """
    found, known = [], {name: f"helpers.{name}" for name in _HELPERS}
    for cell in cells:
        marks = cell.metadata.get("nbgrader", {})
        node = source.tree(cell.source) if cell.cell_type == "code" and not marks.get("locked") else None
        if node is None:
            continue
        exercise = marks.get("grade_id") if marks.get("solution") else None
        lines = cell.source.split("\n")
        for line in lines:
            if line.lstrip().startswith(("!", "%")) and _PATHS.search(line):
                found.append(_flag("tampering", exercise, "Names something of the grader's", line))
        with contextlib.suppress(RecursionError):  # functions in functions, some hundreds deep
            for place, kind, about, text in _looked_at(node, exercise, known):
                flag = _flag(kind, about, text, lines[getattr(place, "lineno", 1) - 1])
                found += [flag] if flag not in found else []
    return found


def _flag(kind, exercise, text, line):
    return {"kind": kind, "exercise": exercise, "text": f"{text}: `{' '.join(line.split())[:120]}`"}


_SCOPES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ListComp, ast.SetComp, ast.DictComp,
           ast.GeneratorExp)
_OTHER = "?"  # where a name leads that was bound to something of the student's own


def _nodes(tree):
    """The nodes below a tree in the order of their places; what is in a scope of its own is left out."""
    found, queue = [], list(ast.iter_child_nodes(tree))
    while queue:
        node = queue.pop()
        found.append(node)
        queue += [] if isinstance(node, _SCOPES) else ast.iter_child_nodes(node)
    return sorted(found, key=lambda node: (getattr(node, "lineno", 0), getattr(node, "col_offset", 0)))


def _own_names(scope):
    """The parameters of a function or the variables of a comprehension, which hide what has the same name outside."""
    names = [scope.args] if hasattr(scope, "args") else [each.target for each in scope.generators]
    return {getattr(node, "arg", getattr(node, "id", None)) for name in names for node in ast.walk(name)}


def _looked_at(tree, exercise, known):
    """(node, kind, exercise, sentence) for each finding; `known` maps names to what they are imported from."""
    nodes = _nodes(tree)
    texts = {id(node.value) for node in nodes if isinstance(node, ast.Expr)}  # documentation
    assigned = {id(target) for node in nodes if isinstance(node, (ast.Assign, ast.AnnAssign, ast.AugAssign))
                for target in getattr(node, "targets", None) or [node.target]}
    for node in nodes:
        if isinstance(node, _SCOPES):
            if getattr(node, "name", None) in ("__eq__", "__ne__") and _constant(node):
                yield node, "tampering", exercise, "A comparison that always gives the same result"
            yield from _looked_at(node, exercise, known | dict.fromkeys(_own_names(node), _OTHER))
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store) and id(node) not in assigned:
            known[node.id] = _OTHER  # a loop, a `with`, several names at once
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            module = f"{node.module}." if isinstance(node, ast.ImportFrom) and node.module else ""
            for alias in node.names:
                path = module + alias.name
                if isinstance(node, ast.ImportFrom) or alias.asname:
                    known[alias.asname or alias.name] = path
                else:
                    known[alias.name.split(".")[0]] = alias.name.split(".")[0]
                yield from _import(node, path, alias, exercise)
        elif isinstance(node, (ast.Assign, ast.AugAssign, ast.AnnAssign, ast.Delete)):
            yield from _assignment(node, exercise, known)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in texts:
            if _PATHS.search(node.value) or node.value.startswith("COURSE_") and node.value not in _SETTINGS:
                yield node, "tampering", exercise, "Names something of the grader's"
        elif isinstance(node, ast.Call) and getattr(node.func, "id", None) in ("setattr", "delattr") and node.args:
            path = _path(node.args[0], known)
            if path and _watched(f"{path}.x"):
                yield node, "tampering", exercise, f"Changes {path}"
        if isinstance(node, (ast.Name, ast.Attribute, ast.Subscript, ast.Call)) and (path := _path(node, known)):
            yield from _use(node, path, exercise)


def _import(node, path, alias, exercise):
    for name, what in _MODULES.items():
        if path == name or path.startswith(f"{name}."):
            yield node, "tampering", exercise, f"Reaches for {what}"
    if path in _NAMES:
        yield node, "tampering", exercise, f"Reaches for {_NAMES[path]}"
    taken = [exercise] if exercise else [_functions().get(alias.asname or alias.name)]
    for about in filter(None, taken):
        ends = references().get(about, [])
        if any(_is_reference(path, end) or path == f"helpers.{end.split('.')[0]}.*" for end in ends):
            yield node, "reference", about, "Imports the course's own answer"


def _assignment(node, exercise, known):
    targets = node.targets if isinstance(node, (ast.Assign, ast.Delete)) else [node.target]
    for target in targets:
        path = _path(target, known)
        inside = isinstance(target, (ast.Attribute, ast.Subscript))
        if inside and path and _watched(path):
            yield node, "tampering", exercise, f"Changes {path}"
        if isinstance(target, ast.Attribute) and target.attr in ("__eq__", "__ne__", "__code__"):
            yield node, "tampering", exercise, f"Changes {target.attr}"
        value = getattr(node, "value", None)
        if isinstance(target, ast.Name) and value is not None:
            origin = _path(value, known)
            about = _functions().get(target.id)
            if about and not exercise and any(_is_reference(origin, end) for end in references()[about]):
                yield node, "reference", about, "Takes the course's own answer"
            known[target.id] = _OTHER
            if origin and isinstance(value, (ast.Name, ast.Attribute, ast.Call, ast.Subscript)):
                known[target.id] = origin


def _use(node, path, exercise):
    if path in _NAMES and (isinstance(node, ast.Attribute) or "." not in path):
        yield node, "tampering", exercise, f"Reaches for {_NAMES[path]}"
    elif _KERNEL.fullmatch(path):
        yield node, "tampering", exercise, f"Reaches for the kernel, {path}"
    elif isinstance(node, ast.Attribute) and any(path == name or path.startswith(f"{name}.") for name in
                                                 ("helpers.exercises", "builtins")):
        yield node, "tampering", exercise, f"Reaches for {path}"
    elif exercise and any(_is_reference(path, end) for end in references().get(exercise, [])):
        yield node, "reference", exercise, "Uses the course's own answer"


def _is_reference(path, end):
    """Whether a path in `helpers` ends at a reference, through another module perhaps; a check is not one."""
    function = end.split(".")[1]
    check = f"helpers.checks.{function}"
    return (path or "").startswith("helpers.") and path.endswith(f".{function}") and path != check


def _watched(path):
    return path.split(".")[0] in _PATCHED and "." in path and not path.startswith(_FREE)


def _path(node, known):
    """Where an expression leads, as a dotted name: imports, `getattr`, `vars` and `__dict__` seen through; or None."""
    steps = []
    while len(steps) < 20:
        if isinstance(node, ast.Attribute):
            steps += [] if node.attr == "__dict__" else [node.attr]
            node = node.value
        elif isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Constant):
            steps.append(str(node.slice.value))
            node = node.value
        elif isinstance(node, ast.Call):
            function = _path(node.func, known) if not isinstance(node.func, ast.Call) else None
            texts = [arg.value for arg in node.args if isinstance(arg, ast.Constant) and isinstance(arg.value, str)]
            if function == "getattr" and len(node.args) > 1 and texts:
                steps.append(texts[0])
                node = node.args[0]
            elif function == "vars" and node.args:
                node = node.args[0]
            elif function in ("__import__", "importlib.import_module") and texts:
                return ".".join([texts[0], *reversed(steps)])
            elif function == "get_ipython":
                return ".".join(["get_ipython()", *reversed(steps)])
            else:
                return None
        elif isinstance(node, ast.Name):
            return ".".join([known.get(node.id, node.id), *reversed(steps)])
        else:
            return None


def _constant(function):
    """Whether a function does nothing but return a constant."""
    body = [statement for statement in function.body if not isinstance(statement, ast.Expr)]
    return len(body) == 1 and isinstance(body[0], ast.Return) and isinstance(body[0].value, ast.Constant)

