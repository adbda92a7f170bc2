"""A cell's syntax tree is parsed once and shared by all who look at it."""

import ast

import pytest

from grading.intake import source
from grading.mark import flags, published
from grading.report import similar
from grading.restore import commenting
from tests.support import golden
from tools import notebooks

LOOKS = {
    "steps": lambda cells: [similar.steps.__wrapped__(cell.source) for cell in cells],  # not what it keeps
    "fingerprint": lambda cells: [source.fingerprint.__wrapped__(cell.source) for cell in cells],
    "defined": lambda cells: [source.defined(cell.source) for cell in cells],
    "published": lambda cells: [list(published.functions(cell.source)) for cell in cells],
    "flags": lambda cells: [flags.flags(cells), published.flags(cells)],
    "names_taken": lambda cells: [source.names_taken(source.tree(cell.source)) for cell in cells],
    "commented": lambda cells: [commenting.comment_out(cell.source) for cell in cells],
}


@pytest.mark.parametrize("look", LOOKS)
@pytest.mark.parametrize("name", notebooks.NAMES)
def test_who_looks_at_a_cell_leaves_its_tree_as_it_is(name, look):
    """What a report renames would be graded under those names."""
    cells = [cell for cell in golden.submission(name).cells if cell.cell_type == "code"]
    before = {cell.source: ast.dump(source.tree(cell.source)) for cell in cells}
    LOOKS[look](cells)
    assert {text: ast.dump(source.tree(text)) for text in before} == before
