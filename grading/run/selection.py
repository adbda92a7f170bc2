"""Which cells are run: the student's own, and what of the course they need; for one answer, or for all checks."""

import ast
import builtins

from nbgrader.utils import is_grade, is_solution

from grading.intake import source

_SILENT = (ast.FunctionDef, ast.Import, ast.ImportFrom)
BY_FILE = "trained_model"  # the exercise that no function answers: its file is judged


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
    found = {number: cell.source for number, cell in enumerate(nb.cells[:last + 1]) if is_own(cell)}
    needed = {name for text in found.values() for name in source.names_taken(source.tree(text))}
    parts = _parts(nb.cells[:last + 1])
    there = {name for part in parts for name in part[2]} | {
        name for text in found.values() for name, _ in source.defined(text)} | set(dir(builtins))
    for number, cell in enumerate(nb.cells[last + 1:], last + 1):
        defined = {name for name, _ in source.defined(cell.source)} if is_own(cell) else set()
        if defined & (needed - there):
            found[number] = cell.source
            needed |= source.names_taken(source.tree(cell.source))
            there |= defined
    found |= _course(nb, parts, needed)
    return [(nb.cells[number].id, found[number]) for number in sorted(found)]


def watched(nb, decided=()):
    """What the notebook's own run needs for its checks, in order: (cell, text) pairs.

    The checks but for those of exercises that are `decided`, all that is the student's own, and those statements of the
    course that define or change a name which these need: while grading nobody looks at the course's figures. Nothing,
    where there are only definitions: they show nothing.
    """
    last = max((number for number, cell in enumerate(nb.cells) if is_grade(cell)), default=-1)
    unasked = {f"test_{name}" for name in (BY_FILE, *decided)}
    found = {number: cell.source for number, cell in enumerate(nb.cells[:last + 1]) if cell.cell_type == "code" and (
        is_own(cell) or is_grade(cell) and cell.metadata.nbgrader["grade_id"] not in unasked)}
    if not any(map(_shows, found.values())):
        return []
    needed = {name for text in found.values() for name in source.names_taken(source.tree(text))}
    parts = _parts(nb.cells[:last + 1])
    modules = {name for _, block, names in parts if block.imports for name in names}
    parts = [(number, block, names | _changed(block.node) - modules) for number, block, names in parts]
    found |= _course(nb, parts, needed)
    return [(nb.cells[number], found[number]) for number in sorted(found) if found[number].strip()]


def _shows(text):
    """Whether a cell may show something: it does more than import and define functions, or has magics."""
    tree = source.parsed(text)
    return tree is None or not all(isinstance(node, _SILENT) and not getattr(node, "decorator_list", None)
                                   for node in tree.body)


def _parts(cells):
    """The statements of the course's cells: (number of the cell, block, names that it binds)."""
    return [(number, block, {name for name, _ in source.bindings(block.node)})
            for number, cell in enumerate(cells)
            if cell.cell_type == "code" and not is_own(cell) and not is_grade(cell)
            for block in source.blocks(cell.source) if block.node]


def _changed(node):
    """The names of what a statement may change in place: `images.append(...)`, `count[0] += 1`."""
    places = [inner.func if isinstance(inner, ast.Call) else inner for inner in ast.walk(node)
              if isinstance(inner, ast.Call) or isinstance(getattr(inner, "ctx", None), ast.Store)]
    return {place.value.id for place in places if isinstance(place, (ast.Attribute, ast.Subscript))
            and isinstance(place.value, ast.Name)}


def _course(nb, parts, needed):
    """Those of `parts` that define what is needed, what these need themselves, and so on: cell number to text."""
    course, needed = {}, set(needed)
    while True:
        more = [part for part in parts if part[2] & needed]
        if not more:
            break
        parts = [part for part in parts if not part[2] & needed]
        for number, block, _ in more:
            course.setdefault(number, []).append(block)
            needed |= source.names_taken(block.node)
    return {number: "\n".join(sorted((block.text for block in blocks), key=nb.cells[number].source.index))
            for number, blocks in course.items()}
