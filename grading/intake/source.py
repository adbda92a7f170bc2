"""A student's cell as Python: tolerant of magics, of Google Colab and of syntax errors. Nothing is run."""

import ast
import functools
import re
import symtable
import warnings
from collections import deque
from dataclasses import dataclass

LONGEST = 50_000  # characters; a longer cell is not looked into
MOST_CHUNKS = 500  # of a cell with a syntax error

_MAGIC = re.compile(r"^(\s*)(?:!|\?|%{1,2}\w|\w[\w.]*\?+\s*$)")
_ASSIGNED_MAGIC = re.compile(r"^(\s*[\w., ]+=\s*)[!%].*$")
_TIMED = re.compile(r"^%time(?:it)?\s+(?=\w+\s*=)")
CELL_MAGIC = re.compile(r"^\s*%%(\w+)")
FOREIGN = {"bash", "sh", "shell", "script", "cmd", "html", "HTML", "javascript", "js", "latex", "markdown", "perl",
            "ruby", "svg", "SVG", "writefile", "file", "cython", "bigquery", "sql", "R"}
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
    """The syntax tree of a cell, magics passed over; None for what is no Python. It is shared: not to be changed."""
    return fresh_tree(source)


def fresh_tree(source):
    """The same, the caller's own: it may be changed."""
    if len(source) > LONGEST:
        return None
    return parsed(source) or parsed(without_magics(source))


def parsed(text):
    """The syntax tree of Python as it is written, or None."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # odd escapes in strings are the student's business
        try:
            return ast.parse(text)
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return None


def without_magics(source):
    """The same lines with `pass` for a magic, so that Python can parse the rest."""
    if (magic := CELL_MAGIC.match(source)) and magic[1] in FOREIGN:
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


def names_taken(node):
    """The names that a tree takes from the notebook around it, at any depth."""
    if node is None:
        return set()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tables = [symtable.symtable(ast.unparse(node), "cell", "exec")]
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return {inner.id for inner in ast.walk(node) if isinstance(inner, ast.Name)}
    found = set()
    while tables:
        table = tables.pop()
        tables += table.get_children()
        found |= {symbol.get_name() for symbol in table.get_symbols()
                  if symbol.is_referenced() and (symbol.is_global() or table.get_type() == "module")}
    return found


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
    node = fresh_tree(source)  # `same` changes it
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
