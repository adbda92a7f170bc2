"""A student's cell as Python: tolerant of magics, of Google Colab and of syntax errors. Nothing is run."""

import ast
import functools
import re
import warnings
from collections import deque
from dataclasses import dataclass

LONGEST = 50_000  # characters; a longer cell is not looked into
MOST_CHUNKS = 500  # of a cell with a syntax error

_MAGIC = re.compile(r"^(\s*)(?:!|\?|%{1,2}\w|\w[\w.]*\?+\s*$)")
_ASSIGNED_MAGIC = re.compile(r"^(\s*[\w., ]+=\s*)[!%].*$")
_TIMED = re.compile(r"^%time(?:it)?\s+(?=\w+\s*=)")
_CELL_MAGIC = re.compile(r"^\s*%%(\w+)")
_FOREIGN = {"bash", "sh", "shell", "script", "cmd", "html", "HTML", "javascript", "js", "latex", "markdown", "perl",
            "ruby", "svg", "SVG", "writefile", "file", "cython", "bigquery", "sql", "R"}
_NETWORK = r"(?:sudo\s+)?(?:python3?\s+-m\s+)?(?:pip3?|conda|mamba|uv|apt|apt-get|wget|curl|git|gdown|kaggle|" \
           r"nvidia-smi|nvcc)\b"
_USELESS = re.compile(rf"^\s*(?:!+\s*{_NETWORK}|%(?:pip|conda|mamba|uv|cd)\b|(?:pip3?|conda) install\b|!+\s*cd\b)")
_USELESS_TEXT = re.compile(rf"^\s*{_NETWORK}|^(?:pip|conda|mamba|uv|cd)$")
_CHUNK = re.compile(r"^(?:@|(?:async\s+def|def|class|import|from)\b|\w[\w.]*\s*[=(\[])")
_DEF = re.compile(r"^(?:async\s+)?(?:def|class)\s+(\w+)", re.MULTILINE)


@dataclass(frozen=True)
class Block:
    """A top-level statement with the comments above it; `node` is None where it does not parse."""

    text: str
    node: ast.Module | None

    @property
    def imports(self):
        """Whether it does nothing but import, if anything."""
        kinds = (ast.Import, ast.ImportFrom, ast.Pass)
        return bool(self.node) and all(isinstance(node, kinds) for node in self.node.body)


@functools.lru_cache(maxsize=256)
def tree(source):
    """The syntax tree of a cell, magics passed over; None for what is no Python."""
    if len(source) > LONGEST:
        return None
    return _parsed(source) or _parsed(_without_magics(source))


def _parsed(text):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # odd escapes in strings are the student's business
        try:
            return ast.parse(text)
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return None


def _without_magics(source):
    """The same lines with `pass` for a magic, so that Python can parse the rest."""
    if (magic := _CELL_MAGIC.match(source)) and magic[1] in _FOREIGN:
        return "\n".join("#" + line for line in source.split("\n"))
    lines = [_ASSIGNED_MAGIC.sub(r"\1None", _TIMED.sub("", line)) for line in source.split("\n")]
    return "\n".join(_MAGIC.sub(r"\1pass  # ", line) for line in lines)


def bindings(node):
    """The names that a tree binds at its top level: (name, node), functions and classes as their definition."""
    found, queue = [], deque([node] if node else [])
    while queue:
        node = queue.popleft()
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            found.append((node.name, node))
        elif isinstance(node, ast.alias):
            found.append((node.asname or node.name.split(".")[0], node))
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            found.append((node.id, node))
        elif not isinstance(node, (ast.Lambda, ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)):
            queue.extend(ast.iter_child_nodes(node))
    return found


def defined(source):
    """`bindings` of a cell; of what does not parse in it, (name, None) for each `def` line."""
    node = tree(source)
    if node:
        return bindings(node)
    return [pair for block in blocks(source) for pair in (
        bindings(block.node) if block.node else [(name, None) for name in _DEF.findall(block.text)])]


def blanks(source):
    """The functions that a cell leaves to be written."""
    return [name for name, node in defined(source) if is_blank(node)]


def is_blank(node):
    """Whether a definition is still to be written: nothing in it but a docstring, `pass` or NotImplementedError."""
    if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
        return False
    for statement in node.body:
        raised = getattr(statement, "exc", None)
        raised = getattr(raised, "func", raised)
        if not (isinstance(statement, ast.Pass) or getattr(raised, "id", None) == "NotImplementedError"
                or isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)):
            return False
    return True


def same(node):
    """What two trees have in common that differ in layout, comments and docstrings alone; None if too deep.

    Docstrings are taken out of `node` itself.
    """
    for inner in ast.walk(node):
        definition = isinstance(inner, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef))
        if definition and ast.get_docstring(inner, clean=False) is not None:
            inner.body = inner.body[1:] or [ast.Pass()]
    try:
        return ast.dump(node)
    except RecursionError:
        return None


@functools.lru_cache(maxsize=4096)
def fingerprint(source):
    """Equal for cells that do the same, word for word."""
    node = tree.__wrapped__(source)  # `same` changes it
    return (node and node.body and same(node)) or " ".join(source.split())


def blocks(source):
    """A cell in top-level statements, in order; joined by line breaks they are the cell again."""
    node = tree(source)
    if node is None:
        return _broken_blocks(source)
    lines, result, done = source.split("\n"), [], 0
    for i, statement in enumerate(node.body):
        end = statement.end_lineno
        if i + 1 < len(node.body) and node.body[i + 1].lineno <= end:  # a semicolon: they go together
            continue
        result.append("\n".join(lines[done:end]))
        done = end
    rest = "\n".join(lines[done:])
    if rest.strip() or not result:
        result.append(rest)
    return [Block(text, tree(text)) for text in result]


def _broken_blocks(source):
    """Blocks of a cell with a syntax error: cut where lines look like beginnings, as few broken as possible."""
    chunks = []
    for line in source.split("\n"):
        if chunks and not (_CHUNK.match(line) and not chunks[-1][-1].startswith("@")):
            chunks[-1].append(line)
        else:
            chunks.append([line])
    chunks, result = ["\n".join(chunk) for chunk in chunks], []
    if len(chunks) > MOST_CHUNKS:
        return [Block(source, None)]
    while chunks:
        length = next((n for n in range(1, min(len(chunks), 8) + 1) if tree("\n".join(chunks[:n]))), 0)
        text = "\n".join(chunks[:length or 1])
        result += blocks(text) if length else [Block(text, None)]
        del chunks[:length or 1]
    return result


def tame(source):
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
    if len(source) > LONGEST:
        return source, []
    magic = _CELL_MAGIC.match(source)
    if magic and magic[1] in _FOREIGN:
        shell = magic[1] in ("bash", "sh", "shell", "script", "cmd")
        return ("\n".join(f"# {line}" for line in source.split("\n")), [f"%%{magic[1]}"]) if shell else (source, [])
    source, removed = _tame_lines(source) if re.search(r"^\s*[!%]|^\s*(?:pip|conda)", source, re.M) else (source, [])
    return _tame_statements(source, removed)


def _tame_lines(source):
    if _parsed(source):
        return source, []  # a percent sign or so within a string
    lines, removed, going_on = source.split("\n"), [], False
    node = tree(source)
    texts = {line for inner in (ast.walk(node) if node else ()) if isinstance(inner, (ast.Constant, ast.JoinedStr))
             for line in range(inner.lineno, inner.end_lineno)}
    for i, line in enumerate(lines):
        if i in texts:
            continue
        cell_magic = _CELL_MAGIC.match(line)
        if going_on or cell_magic or _USELESS.match(line):
            indent = line[:len(line) - len(line.lstrip())]
            lines[i] = f"# {line}" if going_on or cell_magic else f"{indent}pass  # {line.strip()}"
            removed += [] if going_on else [line.split()[0]]
            going_on = line.rstrip().endswith("\\") and not cell_magic
    return "\n".join(lines), removed


def _tame_statements(source, removed):
    node = tree(source)
    if node is None:
        return source, removed
    original, masked = source.split("\n"), _without_magics(source).split("\n")
    lines = list(original)
    for statement, word in reversed(_useless_statements(node)):
        first, last = statement.lineno - 1, statement.end_lineno - 1
        if original[first] != masked[first] and not _parsed(source):
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
    """The simple statements that `tame` takes out, in order, each with a word for it."""
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
                colab.update(name for name, _ in bindings(statement))
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
    texts = [argument.value for argument in getattr(value, "args", []) if isinstance(argument, ast.Constant)]
    if top and name in ("exit", "quit") or isinstance(value, ast.Call) and top and name == "input":
        return f"{name}()"
    if re.fullmatch(r"get_ipython\(\)\.(system|run_line_magic|magic)", name) and texts \
            and _USELESS_TEXT.match(str(texts[0])):
        return str(texts[0]).split()[0]
    if name == "os.chdir" and texts and str(texts[0]).startswith("/content"):
        return name
    return None
