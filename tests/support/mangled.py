"""Ways in which a notebook comes back from Colab, an LMS, an editor or a pair of hands.

Each function takes a notebook as it should be and gives what arrives: a notebook, or the bytes of a file. The code
of the answers is the same in all of them, so the points must be.
"""

import ast
import copy
import gzip
import json
import random
import re

import jupytext
import nbformat
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_output, new_raw_cell

from grading.intake import source

MANGLES = {}


def mangle(function):
    """Registers a mangle; it works on a copy."""
    MANGLES[function.__name__] = lambda notebook: function(copy.deepcopy(notebook))
    return function


def as_bytes(arrived, name="notebook.ipynb"):
    """What lies in the file, and the name that it has."""
    if isinstance(arrived, tuple):
        return arrived
    return (arrived if isinstance(arrived, bytes) else json.dumps(arrived).encode()), name


def marks(cell):
    return cell.metadata.get("nbgrader", {})


def answers(notebook):
    return [cell for cell in notebook.cells if marks(cell).get("solution")]


def checks(notebook):
    return [cell for cell in notebook.cells if marks(cell).get("grade")]


def stub(cell):
    """A blank for each function of an answer."""
    node = ast.parse(cell.source)
    return "\n\n".join(f'{lines[0]}\n    raise NotImplementedError("Exercise")' for function in node.body
                       if isinstance(function, ast.FunctionDef)
                       for lines in [ast.get_source_segment(cell.source, function).split("\n")])


def anonymous(*sources):
    return [new_code_cell(text) for text in sources]


# What programs do

@mangle
def nbgrader_marks_lost(notebook):
    for cell in notebook.cells:
        cell.metadata.pop("nbgrader", None)
    return notebook


@mangle
def cell_ids_drawn_anew(notebook):
    for number, cell in enumerate(notebook.cells):
        cell.id = f"{number:08x}"
    return notebook


@mangle
def all_metadata_and_ids_lost(notebook):
    notebook.metadata, notebook.nbformat_minor = {}, 4
    for cell in notebook.cells:
        del cell["id"]
        cell.metadata = {}
    return notebook


@mangle
def saved_by_colab(notebook):
    widgets = {"application/vnd.jupyter.widget-state+json": {"abc": {"model_name": "HTMLModel"}}}
    notebook.metadata = {"colab": {"provenance": [], "gpuType": "T4"}, "accelerator": "GPU", "widgets": widgets,
                         "kernelspec": {"name": "python3", "display_name": "Python 3"}}
    notebook.nbformat_minor = 0
    for number, cell in enumerate(notebook.cells):
        cell.metadata["id"] = cell.pop("id")
        if cell.cell_type == "code":
            cell.metadata |= {"cellView": "form", "outputId": f"{number:08x}-0000", "colab": {"height": 35}}
            cell.source = f"# @title Cell {number} {{ display-mode: \"form\" }}\n{cell.source}"
            cell.execution_count = number
            view = {"application/vnd.jupyter.widget-view+json": {"model_id": "abc"}}
            cell.outputs = [new_output("display_data", view)]
    return notebook


@mangle
def saved_by_colab_without_marks(notebook):
    notebook = saved_by_colab(notebook)
    for number, cell in enumerate(notebook.cells):
        cell.metadata = {"id": f"Xy{number}"}
    return notebook


@mangle
def lines_for_colab_within_the_answers(notebook):
    before = ("%pip install -q torchmetrics\n!nvidia-smi\n!pip install \\\n    albumentations\n"
              "from google.colab import drive, files; drive.mount('/content/drive')\n%matplotlib inline\n")
    for cell in answers(notebook):
        cell.source = before + cell.source + "\nfiles.download('x.png')\n%cd /content/drive/MyDrive"
    return notebook


@mangle
def answers_are_timed(notebook):
    for cell, magic in zip(answers(notebook), ["%%time", "%%timeit -n1", "%%capture", "%%prun"]):
        cell.source = f"{magic}\n{cell.source}"
    return notebook


@mangle
def saved_by_kaggle(notebook):
    notebook.metadata["kaggle"] = {"accelerator": "gpu", "dataSources": []}
    notebook.nbformat_minor = 4
    for number, cell in enumerate(notebook.cells):
        del cell["id"]
        cell.metadata = {"_uuid": f"{number:040x}", "trusted": True, "execution": {"iopub.status.busy": "2026"}}
    return notebook


@mangle
def saved_by_vscode(notebook):
    notebook.metadata["language_info"] = {"name": "python", "version": "3.13.1", "codemirror_mode": {"version": 3}}
    notebook.metadata["kernelspec"] = {"name": "venv", "display_name": ".venv", "language": "python"}
    for cell in notebook.cells:
        cell.metadata["vscode"] = {"languageId": "python"}
    return json.dumps(notebook, indent=1, ensure_ascii=False).replace("\n", "\r\n").encode()


@mangle
def notebook_format_3(notebook):
    notebook = nbformat.convert(notebook, 3)
    return json.dumps(notebook).encode()


@mangle
def a_jupytext_script(notebook):
    return jupytext.writes(notebook, fmt="py:percent").encode(), "notebook.py"


@mangle
def a_script_of_nbconvert(notebook):
    text = "#!/usr/bin/env python\n# coding: utf-8\n\n"
    for cell in notebook.cells:
        text += f"# In[ ]:\n\n\n{cell.source}\n\n\n" if cell.cell_type == "code" else \
            "\n".join(f"# {line}" for line in cell.source.split("\n")) + "\n\n"
    return text.encode(), "notebook.py"


@mangle
def through_jupytext_and_back(notebook):
    return jupytext.reads(jupytext.writes(notebook, fmt="py:light"), fmt="py:light")


@mangle
def formatted_by_a_tool(notebook):
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.source = ast.unparse(ast.parse(cell.source))
    return notebook


@mangle
def tabs_for_spaces(notebook):
    for cell in notebook.cells:
        cell.source = re.sub(r"(?m)^(?: {4})+", lambda match: "\t" * (len(match[0]) // 4), cell.source)
    return notebook


@mangle
def line_ends_of_windows(notebook):
    for cell in notebook.cells:
        cell.source = cell.source.replace("\n", "\r\n")
    return notebook


@mangle
def byte_order_mark(notebook):
    return b"\xef\xbb\xbf" + json.dumps(notebook, ensure_ascii=False).encode()


@mangle
def utf_16(notebook):
    return json.dumps(notebook, ensure_ascii=False).encode("utf-16")


@mangle
def code_page_of_windows(notebook):
    return json.dumps(notebook, ensure_ascii=False).encode("cp1252", "replace")


@mangle
def packed_by_a_browser(notebook):
    return gzip.compress(json.dumps(notebook).encode())


@mangle
def text_behind_the_end(notebook):
    return json.dumps(notebook).encode() + b"\n<!-- served by example -->\0\0"


@mangle
def cut_off_behind_the_last_cell(notebook):
    return json.dumps({"nbformat": 4, "cells": notebook.cells, "metadata": notebook.metadata}).encode()[:-20]


@mangle
def numbers_that_are_none(notebook):
    notebook.cells[1].metadata["time"] = float("nan")
    notebook.cells[2].outputs = [{"output_type": "execute_result", "data": {"loss": float("inf")}}]
    return json.dumps(notebook).encode()


@mangle
def sources_as_lists_or_nothing(notebook):
    for cell in notebook.cells:
        cell.source = None if cell.cell_type == "markdown" else cell.source.splitlines(keepends=True)
    return notebook


@mangle
def metadata_of_the_wrong_kind(notebook):
    notebook.metadata = None
    for number, cell in enumerate(notebook.cells):
        cell.metadata = [None, [], "text", 7][number % 4]
        cell.pop("outputs", None)
    notebook.cells[3:3] = [None, 7, {}, {"cell_type": "code"}]
    return notebook


@mangle
def unknown_kinds_of_cells(notebook):
    for cell in notebook.cells:
        cell.cell_type = {"markdown": "heading", "code": "cell"}[cell.cell_type]
    return notebook


@mangle
def outputs_of_5_megabytes(notebook):
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs = [new_output("stream", text="x" * 200_000)]
    notebook.cells[0]["attachments"] = {"a.png": {"image/png": "x" * 3_000_000}}
    return notebook


# What hands do

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
