"""Answers that are the published solution's, renamed and laid out anew perhaps: a flag for a person, never a mark."""

import ast
import copy
from functools import cache

import nbformat

from grading.intake import source
from helpers.settings import ROOT

SMALLEST = 40  # nodes of a syntax tree; what is shorter (a line or two, or asking for CUDA, then MPS) many write alike
LONGEST = 600  # characters of a passage


@cache
def solutions():
    """{normalised tree: exercise} of the published solution's functions that are long enough."""
    return {text: cell.metadata.nbgrader["grade_id"] for path in sorted((ROOT / "solutions").glob("*/*.ipynb"))
            for cell in nbformat.read(path, as_version=4).cells if cell.metadata.get("nbgrader", {}).get("solution")
            for _, text, size in functions(cell.source) if size >= SMALLEST}


def functions(text):
    """(node, normalised tree, size) of each function at the top level of a cell."""
    node = source.tree(text)
    for statement in node.body if node else ():
        if isinstance(statement, ast.FunctionDef):
            yield statement, *normalised(statement)


def normalised(function):
    """(text, number of nodes): names of one's own numbered as they come, no annotations, docstrings or decoration."""
    function = copy.deepcopy(function)
    for node in ast.walk(function):
        if isinstance(node, ast.arg):
            node.annotation = None
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            node.returns, node.type_comment = None, None
            if ast.get_docstring(node, clean=False) is not None:
                node.body = node.body[1:] or [ast.Pass()]
    own = [node.arg if isinstance(node, ast.arg) else node.id for node in ast.walk(function)
           if isinstance(node, ast.arg) or isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)]
    own += [node.name for node in ast.walk(function) if isinstance(node, ast.FunctionDef)]
    numbers = {name: f"name{number}" for number, name in enumerate(dict.fromkeys(own))}
    for node in ast.walk(function):
        if isinstance(node, ast.arg):
            node.arg = numbers[node.arg]
        elif isinstance(node, ast.Name):
            node.id = numbers.get(node.id, node.id)
        elif isinstance(node, ast.FunctionDef):
            node.name = numbers.get(node.name, node.name)
    size = sum(not isinstance(node, (ast.expr_context, ast.arguments)) for node in ast.walk(function))
    return ast.dump(function), size


def flags(cells):
    """A flag for each function in the student's own `cells` that is the published solution's, with the passage."""
    return [{"kind": "published solution", "exercise": solutions()[text],
             "text": f"{node.name} is the published solution, apart from names and layout: "
                     f"`{ast.get_source_segment(source.without_magics(cell.source), node)[:LONGEST]}`"}
            for cell in cells if cell.cell_type == "code"
            for node, text, _ in functions(cell.source) if text in solutions()]
