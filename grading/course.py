"""The course as a grader sees it: its notebooks, nbgrader's settings, and all of it that decides a mark."""

import ast
import hashlib
import json
import re
import sys
from functools import cache
from importlib import metadata

import nbformat
from nbgrader.utils import is_grade
from traitlets.config import PyFileConfigLoader

from helpers import settings
from helpers.settings import ROOT

# What only collects, reports and shows: changed, it regrades nobody. All else in helpers/ and grading/ decides marks
_SHOWS = ("helpers/controls", "helpers/fetch", "helpers/handin", "helpers/notebook", "helpers/own_picture",
          "helpers/photographs", "helpers/plotting", "helpers/progress", "helpers/widgets",
          "grading/adapters/", "grading/cluster", "grading/dates", "grading/giveback/", "grading/grade",
          "grading/gradebook", "grading/intake/", "grading/one", "grading/report/")
# ... but for these parts of them: the reference of 5.4, and what reads the cells of a notebook
_PARTS = {"helpers/plotting.py": ("overlay",), "grading/intake/source.py": None, "grading/intake/reading.py": None}
PACKAGES = ("torch", "torchvision", "numpy", "pillow", "safetensors", "nbgrader", "nbclient", "ipykernel")


@cache
def release():
    """The notebooks that students were given, in the course's order: name to notebook."""
    paths = sorted((ROOT / "notebooks").glob("*/*.ipynb"))
    return {path.stem: nbformat.read(path, as_version=4) for path in paths if path.stem == path.parent.name}


@cache
def solutions():
    """The same notebooks with their answers."""
    return {name: nbformat.read(ROOT / "solutions" / name / f"{name}.ipynb", as_version=4) for name in release()}


def config():
    """A copy of the course's nbgrader settings."""
    return PyFileConfigLoader("nbgrader_config.py", path=str(ROOT)).load_config()


@cache
def titles():
    """What a person calls a notebook or an exercise: `05_evaluation` to "Notebook 5", `mean_iou` to "5.2 Mean IoU"."""
    found = {}
    for name, notebook in release().items():
        heading = found[name] = f"Notebook {name.partition('_')[0].lstrip('0')}"
        for cell in notebook.cells:
            for number, title in re.findall(r"\*\*Exercise (\d+\.\d+) · ([^*]+)\*\*", cell.source):
                heading = f"{number} {title}"
            if is_grade(cell):
                found[cell.metadata.nbgrader["grade_id"].removeprefix("test_")] = heading
    return found


def max_score(name):
    """Points of a released notebook."""
    return sum(float(cell.metadata.nbgrader["points"]) for cell in release()[name].cells if is_grade(cell))


@cache
def version():
    """A hash of all in the course and in the environment that decides a mark.

    Comments, docstrings, markdown, figures and reports are left out; the weights that models start from and the
    versions of the packages are in.
    """
    digest = hashlib.sha256()
    chosen = {name: value for name, value in settings.handed_down().items() if name.startswith("COURSE_")}
    for line in (*_code(), *_cells(), *_weights(), f"{chosen} {settings.weights()}", f"python {sys.version_info[:2]}",
                 *(f"{name} {metadata.version(name)}" for name in PACKAGES)):
        digest.update(line.encode() + b"\0")
    return digest.hexdigest()


def _code():
    """The code that decides, file by file."""
    for path in sorted([*ROOT.glob("helpers/**/*.py"), *ROOT.glob("grading/**/*.py"), ROOT / "nbgrader_config.py"]):
        name = path.relative_to(ROOT).as_posix()
        if name in _PARTS or not name.startswith(_SHOWS):
            yield name
            yield from (ast.dump(node) for node in _Bare().visit(ast.parse(path.read_text(encoding="utf-8"))).body
                        if not _PARTS.get(name) or getattr(node, "name", None) in _PARTS[name])


def _weights():
    """What the models start from, so that "no better than before its training" means the same."""
    for path in sorted(ROOT.glob("helpers/weights/*.safetensors")):
        yield f"{path.name} {hashlib.sha256(path.read_bytes()).hexdigest()}"


class _Bare(ast.NodeTransformer):
    """Leaves out what does nothing: docstrings and other texts that stand alone."""

    def visit_Expr(self, node):
        return None if isinstance(node.value, ast.Constant) else node


def _cells():
    """The cells that decide: all code that is run around an answer, the blanks, the tests, the points."""
    for name, notebook in release().items():
        graded = [cell for cell in solutions()[name].cells if is_grade(cell)]
        for cell in [*notebook.cells, *graded]:
            if cell.cell_type == "code":
                marks = {key: value for key, value in cell.metadata.get("nbgrader", {}).items() if key != "checksum"}
                yield json.dumps([name, cell.source, marks], sort_keys=True)
