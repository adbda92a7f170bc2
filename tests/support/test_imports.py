"""Imports run one way and stop at what is private, one module reads the environment, and no file is too long."""

import ast
import functools
from graphlib import CycleError, TopologicalSorter

import pytest

from helpers.settings import ROOT
from tests.conftest import ACCEPTANCE

ALLOWED = {"helpers": {"helpers"}, "grading": {"grading", "helpers"}, "tools": {"tools", "grading", "helpers"},
           "benchmarks": {"benchmarks", "tools", "grading", "helpers", "tests"}}
PATHS = {path.relative_to(ROOT).with_suffix("").as_posix().replace("/", ".").removesuffix(".__init__"): path
         for room in ALLOWED for path in (ROOT / room).rglob("*.py")}
SOURCES = {name: path.read_text(encoding="utf-8") for name, path in PATHS.items()}
READERS = {"helpers.settings", "grading.run.inside"}  # the second replaces the environment of a jailed process


@functools.cache
def look(source):
    """The course's modules that a source imports, and its reaches as (line, text), at its top or in a function."""
    modules, own, reaches, nodes = set(), set(), [], list(ast.walk(ast.parse(source)))
    for node in nodes:
        if isinstance(node, ast.Import):
            modules |= {alias.name for alias in node.names if alias.name.partition(".")[0] in {*ALLOWED, "tests"}}
        elif isinstance(node, ast.ImportFrom) and node.module.partition(".")[0] in {*ALLOWED, "tests"}:
            members = {f"{node.module}.{alias.name}" for alias in node.names}
            modules |= members & PATHS.keys() or {node.module}
            own |= {alias.asname or alias.name for alias in node.names}
            reaches += [(node.lineno, alias.name) for alias in node.names if alias.name.startswith("_")]
    for node in nodes:
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            text = f"{node.value.id}.{node.attr}"
            if text in ("os.environ", "os.getenv") or node.value.id in own and node.attr.startswith("_"):
                reaches.append((node.lineno, text))
    return modules, reaches


def faults(sources):
    """What is not as it should be, as lines."""
    found, graph = [], {name: look(source)[0] for name, source in sources.items()}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        found.append("circle: " + " -> ".join(reversed(error.args[1])))
    for name, source in sources.items():
        room = name.partition(".")[0]
        found += [f"{name} imports {module}" for module in graph[name] if module.partition(".")[0] not in ALLOWED[room]]
        found += [f"{name}, line {line}: {text}" for line, text in look(source)[1]
                  if not text.startswith("os.") or name not in READERS and room != "benchmarks"]
    return found


def test_imports_run_one_way_and_stop_at_what_is_private():
    assert faults(SOURCES) == []


@pytest.mark.parametrize("name, line, fault", [
    ("helpers.settings", "def late():\n    from helpers import own", "circle: "),
    ("helpers.metrics", "from grading.results import read", "helpers.metrics imports grading.results"),
    ("grading.grade", "from tests.support import golden", "grading.grade imports tests.support"),
    ("grading.grade", "import tools.course", "grading.grade imports tools.course"),
    ("helpers.metrics", "import os\nos.environ", "os.environ"),
    ("grading.cluster", "import os\nos.getenv('A')", "os.getenv"),
    ("helpers.metrics", "from helpers import shapes\nshapes._HUE", "shapes._HUE"),
    ("helpers.metrics", "from helpers.shapes import _HUE", "_HUE"),
    ("grading.grade", "from grading.intake.source import tree\ntree.__wrapped__('')", "tree.__wrapped__")])
def test_each_fault_is_seen(name, line, fault):
    assert any(fault in said for said in faults(SOURCES | {name: f"{SOURCES[name]}\n{line}\n"}))


def test_no_file_of_code_is_longer_than_300_lines():
    lengths = {name: source.count("\n") for name, source in SOURCES.items()}
    assert {name: length for name, length in lengths.items() if length > 300} == {}


@pytest.mark.parametrize("entry", ACCEPTANCE)
def test_what_is_said_to_take_the_course_as_a_whole_is_there(entry):
    path, _, name = entry.partition("::")
    assert (ROOT / path).exists()
    assert not name or f"def {name.partition('[')[0]}" in (ROOT / path).read_text()
