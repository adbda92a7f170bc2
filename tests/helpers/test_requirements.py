"""requirements.txt pins what is imported, and nothing else."""

import ast
import re
import sys
from importlib.metadata import packages_distributions

from helpers.settings import ROOT

OURS = {"helpers", "grading", "tests", "tools", "benchmarks", "google", "root", "copied"}  # the last two: attacks
RUN = {"jupyterlab", "nbval", "pytest-xdist", "ruff", "uv",  # started by the Makefile, imported by nobody
       "onnxscript",  # imported by torch
       "jsonschema",  # imported by nbformat; newer ones are slow
       "myst-nb", "sphinx-book-theme"}  # named in tools/site/conf.py


def normal(name):
    return re.sub(r"[-_.]+", "-", name).lower()


def imported():
    """Distributions that Python files of the course import, by the distribution's name."""
    names = set()
    for room in ("helpers", "grading", "tests", "tools", "benchmarks"):
        for path in (ROOT / room).rglob("*.py"):
            if path.is_relative_to(ROOT / "tests" / "golden"):
                continue
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Import):
                    names |= {alias.name.partition(".")[0] for alias in node.names}
                elif isinstance(node, ast.ImportFrom) and not node.level:
                    names.add(node.module.partition(".")[0])
    found = packages_distributions()
    return {normal(found.get(name, [name])[0]) for name in names - sys.stdlib_module_names - OURS}


def test_every_direct_import_is_pinned_and_every_pin_is_used():
    pinned = {normal(name) for name in re.findall(r"^([\w.-]+)==", (ROOT / "requirements.txt").read_text(), re.M)}
    assert imported() - pinned == set(), "imported, but not in requirements.txt"
    assert pinned - imported() - RUN == set(), "in requirements.txt, but imported nowhere"
