"""Which cells of a notebook an answer is made of: the student's own up to it, and what of the course they need."""

import ast
import builtins
import symtable
import warnings

from nbgrader.utils import is_solution

from grading.intake import source


def is_own(cell):
    """Whether a code cell is the student's: an answer, or a cell that the release does not have."""
    return cell.cell_type == "code" and (is_solution(cell) or cell.id.startswith("student-"))


def unanswered(nb, functions):
    """Those of the functions that no cell of the student's own defines; blanks and what is lent do not count."""
    written = {name for cell in nb.cells if is_own(cell) for block in source.blocks(cell.source) if not _lends(block)
               for name, node in source.defined(block.text) if node is None or not source.is_blank(node)}
    return [name for name in functions if name not in written]


def _lends(block):
    """Whether a statement is `mean_iou = checks.lend("mean_iou")`."""
    return block.node and any("lend" in (getattr(node, "attr", None), getattr(node, "id", None))
                              for node in ast.walk(block.node) if isinstance(node, (ast.Attribute, ast.Name)))


def cells(nb, grade_id, functions):
    """What to run before an answer is examined, in order: (cell id, text) pairs.

    The student's own cells as far as the test of the exercise, or as far as one of its functions is defined again; a
    name that is used for something else further down does no harm. Of those further down, what defines a name that
    nothing above does: a student runs cells in any order. Of the course's cells, those statements that define
    names which these need, and so on.
    """
    ids = [cell.metadata.get("nbgrader", {}).get("grade_id") for cell in nb.cells]
    last = max([ids.index(f"test_{grade_id}"), *(
        number for number, cell in enumerate(nb.cells) if is_own(cell)
        and any(name in functions for name, _ in source.defined(cell.source)))])
    found, needed, parts = {}, set(), []
    for number, cell in enumerate(nb.cells[:last + 1]):
        if is_own(cell):
            found[number] = cell.source
            needed |= taken(source.tree(cell.source))
        elif cell.cell_type == "code":
            parts += [(number, block, {name for name, _ in source.bindings(block.node)})
                      for block in source.blocks(cell.source) if block.node]
    there = {name for part in parts for name in part[2]} | {
        name for text in found.values() for name, _ in source.defined(text)} | set(dir(builtins))
    for number, cell in enumerate(nb.cells[last + 1:], last + 1):
        defined = {name for name, _ in source.defined(cell.source)} if is_own(cell) else set()
        if defined & (needed - there):
            found[number] = cell.source
            needed |= taken(source.tree(cell.source))
            there |= defined
    course = {}
    while True:
        more = [part for part in parts if part[2] & needed]
        if not more:
            break
        parts = [part for part in parts if not part[2] & needed]
        for number, block, _ in more:
            course.setdefault(number, []).append(block)
            needed |= taken(block.node)
    for number, blocks in course.items():
        text = nb.cells[number].source
        found[number] = "\n".join(sorted((block.text for block in blocks), key=text.index))
    return [(nb.cells[number].id, found[number]) for number in sorted(found)]


def taken(node):
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
