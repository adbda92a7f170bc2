"""Lines of a cell that no grader needs, and that would fail or stop a notebook there, become comments."""

import ast
import re

from grading.intake import source as python

_NETWORK = r"(?:sudo\s+)?(?:python3?\s+-m\s+)?(?:pip3?|conda|mamba|uv|apt|apt-get|wget|curl|git|gdown|kaggle|" \
           r"nvidia-smi|nvcc)\b"
_USELESS = re.compile(rf"^\s*(?:!+\s*{_NETWORK}|%(?:pip|conda|mamba|uv|cd)\b|(?:pip3?|conda) install\b|!+\s*cd\b)")
_USELESS_TEXT = re.compile(rf"^\s*{_NETWORK}|^(?:pip|conda|mamba|uv|cd)$")


def comment_out(source):
    """The cell with harmless lines for what is no answer and fails or stops the notebook on a grader.

    Magics that time or capture a cell, installing and downloading, changing folders, `google.colab`, and
    `exit()`, `quit()` and `input()` as statements of their own become comments, so lines keep their numbers.
    (IPython's `exit` ends the kernel, and with it every later exercise.) Other magics are left to IPython.

    Returns
    -------
    str, list of str
        The source and what was taken out, in a word each.
    """
    source = source.replace("\r\n", "\n").replace("\r", "\n")
    if len(source) > python.LONGEST:
        return source, []
    magic = python.CELL_MAGIC.match(source)
    if magic and magic[1] in python.FOREIGN:
        shell = magic[1] in ("bash", "sh", "shell", "script", "cmd")
        return ("\n".join(f"# {line}" for line in source.split("\n")), [f"%%{magic[1]}"]) if shell else (source, [])
    source, removed = _lines(source) if re.search(r"^\s*[!%]|^\s*(?:pip|conda)", source, re.M) else (source, [])
    return _statements(source, removed)


def _lines(source):
    if python.parsed(source):
        return source, []  # a percent sign or so within a string
    lines, removed, going_on = source.split("\n"), [], False
    node = python.tree(source)
    texts = {line for inner in (ast.walk(node) if node else ()) if isinstance(inner, (ast.Constant, ast.JoinedStr))
             for line in range(inner.lineno, inner.end_lineno)}
    for i, line in enumerate(lines):
        if i in texts:
            continue
        cell_magic = python.CELL_MAGIC.match(line)
        if going_on or cell_magic or _USELESS.match(line):
            indent = line[:len(line) - len(line.lstrip())]
            lines[i] = f"# {line}" if going_on or cell_magic else f"{indent}pass  # {line.strip()}"
            removed += [] if going_on else [line.split()[0]]
            going_on = line.rstrip().endswith("\\") and not cell_magic
    return "\n".join(lines), removed


def _statements(source, removed):
    node = python.tree(source)
    if node is None:
        return source, removed
    original, masked = source.split("\n"), python.without_magics(source).split("\n")
    lines = list(original)
    for statement, word in reversed(_useless_statements(node)):
        first, last = statement.lineno - 1, statement.end_lineno - 1
        if original[first] != masked[first] and not python.parsed(source):
            continue  # behind a magic, where columns are others
        head, text = _cut(lines[first], statement.col_offset)
        tail = _cut(lines[last], statement.end_col_offset)[1] if first == last else ""
        lines[first] = f"{head}pass{tail}" if tail.strip() else f"{head}pass  # {text}"
        lines[first + 1:last + 1] = [f"# {line}" for line in lines[first + 1:last + 1]]
        removed = [*removed, word]
    return "\n".join(lines), removed


def _cut(line, column):
    """Before and behind a column of the syntax tree, which counts bytes."""
    return line.encode()[:column].decode(), line.encode()[column:].decode()


def _useless_statements(node):
    """The simple statements that `comment_out` takes out, in order, each with a word for it."""
    colab, found = set(), []
    queue = [(statement, True, False) for statement in node.body]  # statement, at top level, guarded by try
    while queue:
        statement, top, guarded = queue.pop(0)
        inner = [child for child in ast.walk(statement)] if not hasattr(statement, "body") else []
        if hasattr(statement, "body"):
            function = isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef))
            trying = isinstance(statement, ast.Try) and bool(statement.handlers)
            for child in [*statement.body, *getattr(statement, "orelse", []), *getattr(statement, "finalbody", [])]:
                queue.append((child, top and not function, guarded or trying))
        elif isinstance(statement, (ast.Import, ast.ImportFrom)) and not guarded:
            names = [alias.name for alias in statement.names]
            if isinstance(statement, ast.ImportFrom) and (statement.module or "").startswith("google.colab") \
                    or isinstance(statement, ast.Import) and all(name.startswith("google.colab") for name in names):
                colab.update(name for name, _ in python.bindings(statement))
                found.append((statement, "google.colab"))
        elif any(isinstance(child, ast.Name) and child.id in colab for child in inner):
            found.append((statement, "google.colab"))
        elif isinstance(statement, ast.Expr) and (word := _useless(statement.value, top)):
            found.append((statement, word))
    return sorted(found, key=lambda pair: (pair[0].lineno, pair[0].col_offset))


def _useless(value, top):
    """A word for an expression that stands alone and is no answer, or None."""
    name = ast.unparse(value.func if isinstance(value, ast.Call) else value) if isinstance(
        value, (ast.Call, ast.Name)) and len(list(ast.walk(value))) < 50 else ""
    given = value.args if isinstance(value, ast.Call) else []
    texts = [argument.value for argument in given if isinstance(argument, ast.Constant)]
    if top and name in ("exit", "quit") or isinstance(value, ast.Call) and top and name == "input":
        return f"{name}()"
    if re.fullmatch(r"get_ipython\(\)\.(system|run_line_magic|magic)", name) and texts \
            and _USELESS_TEXT.match(str(texts[0])):
        return str(texts[0]).split()[0]
    if name == "os.chdir" and texts and str(texts[0]).startswith("/content"):
        return name
    return None
