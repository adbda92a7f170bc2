"""Imports: where the seconds of each notebook's import lines go, in a fresh process (Python's -X importtime)."""

import ast
import collections
import re
import statistics
import subprocess
import sys

import nbformat

from helpers.settings import ROOT
from tools import notebooks

ROUNDS = 3
SHOWN = ("torch", "torchvision", "matplotlib", "helpers")
_LINE = re.compile(r"import time:\s*(\d+) \|\s*\d+ \|\s*(\S+)")


def main():
    print(f"{'seconds, median of ' + str(ROUNDS):24} {'all':>6} " + " ".join(f"{name:>11}" for name in SHOWN)
          + "  others")
    for name in notebooks.NAMES:
        code = lines(name)
        rounds = [by_package(code) for _ in range(ROUNDS)]
        seconds = {part: statistics.median(one[part] for one in rounds) for part in ("all", *SHOWN)}
        others = seconds["all"] - sum(seconds[part] for part in SHOWN)
        print(f"{name:24} {seconds['all']:6.2f} " + " ".join(f"{seconds[part]:11.3f}" for part in SHOWN)
              + f"  {others:6.2f}")


def lines(name):
    """The import statements of a solution, as a program; those of its first cell set the course up and are left out."""
    cells = [cell.source for cell in nbformat.read(notebooks.solution(name), as_version=4).cells
             if cell.cell_type == "code"][1:]
    cells = [cell for cell in cells if not re.search(r"^\s*[%!]", cell, re.MULTILINE)]
    return "\n".join(ast.unparse(statement) for cell in cells for statement in ast.parse(cell).body
                     if isinstance(statement, (ast.Import, ast.ImportFrom)))


def by_package(code):
    """Seconds by top-level package, each module's own time without what it imports; "all" is the sum."""
    run = subprocess.run([sys.executable, "-X", "importtime", "-c", code], cwd=ROOT, capture_output=True, text=True,
                         check=True)
    seconds = collections.Counter()
    for spent, module in _LINE.findall(run.stderr):
        seconds[module.partition(".")[0]] += int(spent) / 1e6
    seconds["all"] = sum(seconds.values())
    return seconds


if __name__ == "__main__":
    main()
