"""`make gradescope`: build/gradescope/autograder-NN_name.zip for each notebook, to be uploaded to Gradescope.

At the root of a zip are `setup.sh`, which Gradescope runs once, and `run_autograder`, which it runs for each
submission; beside them what grades: helpers/, grading/, the notebooks with and without answers, the packages' pins.
"""

import ast
import json
import re
import secrets
import sys
import zipfile
from importlib.metadata import packages_distributions
from pathlib import Path

import nbformat

from helpers.files import atomic
from helpers.settings import ROOT, show
from tools import notebooks

OUTPUT = ROOT / "build" / "gradescope"
HERE = Path(__file__).parent
LEFT_OUT = ("grading/grade.py", "grading/cluster.py", "grading/adapters/classroom50.py",
            "grading/adapters/vocareum.py")  # for whole classes, and for others
SECONDS = 540  # of Gradescope's ten minutes


def main():
    files, seed = course(), held_out_seed()
    for name in notebooks.NAMES:
        path = OUTPUT / f"autograder-{name}.zip"
        with atomic(path) as half_done:
            write(half_done, files | about(name, seed))
        print(f"{show(path):44} {path.stat().st_size / 1e6:.1f} MB")
    print("How to upload them: docs/gradescope.md")


def course():
    """The files of every autograder: a path in the zip to bytes."""
    paths = [path for folder in ("helpers", "grading") for path in sorted((ROOT / folder).rglob("*"))
             if "__pycache__" not in path.parts and path.is_file()]
    files = {path.relative_to(ROOT).as_posix(): path.read_bytes() for path in [*paths, ROOT / "nbgrader_config.py"]}
    files = {name: data for name, data in files.items() if name not in LEFT_OUT}
    for name in notebooks.NAMES:
        files[f"notebooks/{name}/{name}.ipynb"] = (ROOT / "notebooks" / name / f"{name}.ipynb").read_bytes()
        files[f"solutions/{name}/{name}.ipynb"] = without_outputs(notebooks.solution(name))
    files["requirements.txt"] = "\n".join(requirements(files)).encode() + b"\n"
    return files | {name: (HERE / name).read_bytes() for name in ("setup.sh", "run_autograder")}


def without_outputs(path):
    notebook = nbformat.read(path, as_version=4)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    return nbformat.writes(notebook).encode()


def requirements(files):
    """The lines of requirements.txt for what these files import."""
    nodes = [node for name, data in files.items() if name.endswith(".py") for node in ast.walk(ast.parse(data))]
    modules = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    modules |= {node.module for node in nodes if isinstance(node, ast.ImportFrom) and not node.level}
    known = packages_distributions()
    wanted = {_normal(each) for module in modules for each in known.get(module.partition(".")[0], [])}
    return [line for line in (ROOT / "requirements.txt").read_text().splitlines()
            if _normal(line.partition("==")[0]) in wanted]


def _normal(name):
    return re.sub(r"[-_.]+", "-", name).lower()


def about(name, seed):
    """What an autograder is for, as a file of it."""
    return {"about.json": json.dumps({"notebook": name, "held_out_seed": seed, "seconds": SECONDS}).encode()}


def held_out_seed():
    """Draws the images that judge models: once for all builds, so that a leaderboard compares like with like."""
    memory = OUTPUT / "held_out_seed"
    if not memory.exists():
        with atomic(memory) as half_done:
            half_done.write_text(str(secrets.randbelow(2 ** 30)))
    return int(memory.read_text())


def write(path, files):
    """A zip of these files, the same bytes for the same files; scripts can be run."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in sorted(files.items()):
            entry = zipfile.ZipInfo(name, (2026, 1, 1, 0, 0, 0))
            entry.external_attr = (0o100755 if name in ("setup.sh", "run_autograder") else 0o100644) << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, data)


if __name__ == "__main__":
    sys.exit(main())
