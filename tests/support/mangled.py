"""Ways in which a notebook comes back: from programs (`exported`), converters (`converted`) or hands (here)."""

import ast
import copy
import random
import re

import nbformat
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_raw_cell

from grading.intake import source
from tests.support import converted  # noqa: F401 (registers its own)
from tests.support.exported import MANGLES, answers, as_bytes, checks, mangle, marks  # noqa: F401


def stub(cell):
    """A blank for each function of an answer."""
    node = ast.parse(cell.source)
    return "\n\n".join(f'{lines[0]}\n    raise NotImplementedError("Exercise")' for function in node.body
                       if isinstance(function, ast.FunctionDef)
                       for lines in [ast.get_source_segment(cell.source, function).split("\n")])


def anonymous(*sources):
    return [new_code_cell(text) for text in sources]


@mangle
def everything_in_one_cell(notebook):
    text = "\n\n".join(cell.source for cell in notebook.cells if cell.cell_type == "code")
    return nbformat.v4.new_notebook(cells=anonymous(text))


@mangle
def everything_in_one_cell_with_a_syntax_error(notebook):
    texts = [cell.source for cell in notebook.cells if cell.cell_type == "code"]
    place = texts.index(answers(notebook)[1].source)
    texts[place:place] = ["x = = 3", "print('never closed'"]
    return nbformat.v4.new_notebook(cells=anonymous("\n\n".join(texts)))


@mangle
def all_answers_in_one_cell_at_the_end(notebook):
    text = "\n\n".join(cell.source for cell in answers(notebook))
    for cell in answers(notebook):
        cell.source = stub(cell)
    notebook.cells += anonymous(text)
    return notebook


@mangle
def all_answers_in_one_cell_at_the_top(notebook):
    text = "\n\n".join(cell.source for cell in answers(notebook))
    for cell in answers(notebook):
        cell.source = stub(cell)
    notebook.cells[2:2] = anonymous(text)
    return notebook


@mangle
def answers_below_the_blanks(notebook):
    for cell in answers(notebook):
        place = notebook.cells.index(cell)
        notebook.cells[place + 1:place + 1] = anonymous(cell.source)
        cell.source = stub(cell)
    return notebook


@mangle
def answers_below_the_blanks_in_the_same_cell(notebook):
    for cell in answers(notebook):
        cell.source = f"{stub(cell)}\n\n\n{cell.source}"
    return notebook


@mangle
def answers_in_the_cells_of_the_checks(notebook):
    for answer, check in zip(answers(notebook), checks(notebook)):
        check.source = f"{answer.source}\n\n{check.source}"
        answer.source = stub(answer)
    return notebook


@mangle
def answers_below_their_checks(notebook):
    for cell in answers(notebook):
        place = notebook.cells.index(cell)
        notebook.cells[place + 2:place + 2] = anonymous(cell.source)
        cell.source = stub(cell)
    return notebook


@mangle
def blank_copies_below(notebook):
    for cell in answers(notebook):
        twin = copy.deepcopy(cell)
        twin.source = stub(cell)
        notebook.cells.insert(notebook.cells.index(cell) + 1, twin)
    return notebook


@mangle
def blank_copies_above(notebook):
    for cell in answers(notebook):
        twin = copy.deepcopy(cell)
        twin.source = stub(cell)
        notebook.cells.insert(notebook.cells.index(cell), twin)
    return notebook


@mangle
def graded_cells_twice(notebook):
    for cell in answers(notebook) + checks(notebook):
        notebook.cells.insert(notebook.cells.index(cell) + 1, copy.deepcopy(cell))
    return notebook


@mangle
def cells_in_reverse(notebook):
    notebook.cells.reverse()
    return notebook


@mangle
def cells_shuffled(notebook):
    random.Random(3).shuffle(notebook.cells)
    return notebook


@mangle
def answers_moved_to_the_end(notebook):
    moved = answers(notebook)
    notebook.cells = [cell for cell in notebook.cells if cell not in moved] + moved
    return notebook


@mangle
def text_deleted(notebook):
    notebook.cells = [cell for cell in notebook.cells if cell.cell_type != "markdown"]
    return notebook


@mangle
def all_but_the_answers_deleted(notebook):
    notebook.cells = answers(notebook)
    return notebook


@mangle
def checks_deleted(notebook):
    notebook.cells = [cell for cell in notebook.cells if not marks(cell).get("locked")]
    return notebook


@mangle
def checks_replaced(notebook):
    for cell in checks(notebook):
        cell.source = "assert True"
    return notebook


@mangle
def checks_commented_out(notebook):
    for cell in checks(notebook):
        cell.source = "# " + cell.source.replace("\n", "\n# ")
    return notebook


@mangle
def points_edited(notebook):
    for cell in checks(notebook):
        marks(cell)["points"] = 100
    return notebook


@mangle
def marks_flipped(notebook):
    for cell in notebook.cells:
        if marks(cell):
            marks(cell).update({key: not marks(cell).get(key) for key in ("grade", "solution", "locked", "task")})
    return notebook


@mangle
def marks_of_answers_swapped(notebook):
    first, second = answers(notebook)[:2]
    first.metadata, second.metadata = second.metadata, first.metadata
    first.id, second.id = second.id, first.id
    return notebook


@mangle
def marks_moved_on_by_one(notebook):
    cells = [cell for cell in notebook.cells if marks(cell)]
    moved = [copy.deepcopy(cell.metadata) for cell in cells]
    for cell, metadata in zip(cells, moved[1:] + moved[:1]):
        cell.metadata = metadata
    return notebook


@mangle
def all_ids_the_same(notebook):
    for cell in notebook.cells:
        cell.id = "same"
        if marks(cell):
            marks(cell)["grade_id"] = marks(answers(notebook)[0])["grade_id"]
    return notebook


@mangle
def answers_turned_into_text(notebook):
    for cell in answers(notebook):
        cell.cell_type = "markdown"
        del cell["outputs"], cell["execution_count"]
    return notebook


@mangle
def answers_turned_into_raw_cells_without_marks(notebook):
    for place, cell in enumerate(notebook.cells):
        if cell in answers(notebook):
            notebook.cells[place] = new_raw_cell(cell.source)
    return notebook


@mangle
def own_cells_everywhere(notebook):
    cells = []
    for number, cell in enumerate(notebook.cells):
        own = [new_code_cell(f"experiment_{number} = {number}\n0.5"), new_markdown_cell(f"note {number}"),
               new_code_cell("def broken(:\n"), new_raw_cell("raw")]
        own[0].metadata = {"tags": ["skip-execution"],
                           "nbgrader": {"grade": True, "grade_id": f"x{number}", "points": 9}}
        cells += [cell, *own]
    return NotebookNode({**notebook, "cells": cells})


@mangle
def answers_split_within_the_function(notebook):
    for cell in answers(notebook):
        lines = cell.source.split("\n")
        place = next((place for place in range(len(lines) - 1, 0, -1) if lines[place].startswith("    ")
                     and source.tree("\n".join(lines[:place])) and source.tree("\n".join(lines[place:])) is None
                     and lines[place].strip()[:3] != "###"), None)
        if place:
            cell.source = "\n".join(lines[:place])
            notebook.cells.insert(notebook.cells.index(cell) + 1, new_code_cell("\n".join(lines[place:])))
    return notebook


@mangle
def answers_split_at_each_statement(notebook):
    for cell in answers(notebook):
        first, *others = [block.text for block in source.blocks(cell.source)]
        place = notebook.cells.index(cell) + 1
        cell.source = first
        notebook.cells[place:place] = anonymous(*others)
    return notebook


@mangle
def halves_of_an_answer_in_two_copies(notebook):
    for cell in answers(notebook):
        blocks = [block.text for block in source.blocks(cell.source)]
        if len(blocks) > 1:
            twin, blanks = copy.deepcopy(cell), stub(cell).split("\n\n")
            cell.source = "\n\n".join([*blocks[:-1], *blanks[-1:]])
            twin.source = "\n\n".join([*blanks[:-1], blocks[-1]])
            notebook.cells.insert(notebook.cells.index(cell) + 1, twin)
    return notebook


@mangle
def helpers_at_the_end(notebook):
    """Each answer calls a function of the student's that stands in the last cell."""
    helpers = []
    for cell in answers(notebook):
        for block in source.blocks(cell.source):
            for name in re.findall(r"^def (\w+)", block.text, re.MULTILINE):
                helpers.append(block.text.replace(f"def {name}(", f"def my_{name}(", 1))
                cell.source = cell.source.replace(block.text, f"\n\ndef {name}(*given):\n    return my_{name}(*given)")
    notebook.cells += anonymous("\n\n".join(helpers))
    return notebook


@mangle
def ipython_syntax_in_the_answers(notebook):
    for cell in answers(notebook):
        name = re.search(r"def (\w+)", cell.source)[1]
        cell.source = (f"?torch.nn.Module\n!pip install torchmetrics\nfound = !ls\n%time found = 3\n{cell.source}\n"
                       f"%timeit -n 1 3 + 4\n{name}?\n{name}??")
    return notebook


@mangle
def neighbours_merged(notebook):
    """As Shift+M does."""
    cells = []
    for cell in notebook.cells:
        if cells and cells[-1].cell_type == cell.cell_type == "code":
            cells[-1].source += f"\n\n{cell.source}"
        else:
            cells.append(cell)
    notebook.cells = cells
    return notebook
