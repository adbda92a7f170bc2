"""`make release`: write notebooks/ from solutions/ with nbgrader, byte for byte the same each time.

The repository's public address is stamped in on the way, from pyproject.toml, its only source.
`--check` writes nothing and fails if anything would change.
"""

import io
import logging
import re
import sys
import tempfile
from pathlib import Path

import nbformat
from nbgrader.converters import GenerateAssignment
from nbgrader.converters.base import NbGraderException
from nbgrader.coursedir import CourseDirectory
from traitlets.config import PyFileConfigLoader

from helpers.settings import ROOT
from tools import notebooks
from tools.address import repository, stamped


def build():
    """The files of a release: a dict from path to its bytes."""
    files, address = {}, repository()
    for path in (ROOT / "README.md", ROOT / "colab_setup.sh"):
        files[path] = stamped(path.read_text(), address).encode()
    for name in notebooks.NAMES:
        source = nbformat.read(notebooks.solution(name), as_version=4)
        for cell in source.cells:
            cell.source = stamped(cell.source, address)
        files[notebooks.solution(name)] = (nbformat.writes(source) + "\n").encode()
    with tempfile.TemporaryDirectory() as folder:
        for name in notebooks.NAMES:
            stage = Path(folder, "source", name, f"{name}.ipynb")
            stage.parent.mkdir(parents=True)
            stage.write_bytes(files[notebooks.solution(name)])
            generate(name, Path(folder))
            released = Path(folder, "release", name, f"{name}.ipynb").read_bytes()
            files[ROOT / "notebooks" / name / f"{name}.ipynb"] = released.rstrip(b"\n") + b"\n"
    return files


def generate(name, folder):
    """Run nbgrader's generate_assignment from `folder`/source to `folder`/release; what stops it ends in one line."""
    config = PyFileConfigLoader("nbgrader_config.py", path=str(ROOT)).load_config()
    config.CourseDirectory.root = str(folder)
    config.CourseDirectory.source_directory = "source"
    config.CourseDirectory.release_directory = "release"
    config.CourseDirectory.assignment_id = name
    config.GenerateAssignment.no_database = True
    config.SaveCells.enabled = False
    errors, log = logging.StreamHandler(io.StringIO()), logging.Logger("nbgrader", logging.ERROR)
    log.addHandler(errors)
    try:
        GenerateAssignment(coursedir=CourseDirectory(config=config), config=config, log=log).start()
    except NbGraderException:  # it points at a traceback that it has only logged
        said = errors.stream.getvalue().strip()
        reasons = re.findall(r"^[\w.]+(?:Error|Exception): .+", said, re.MULTILINE)
        sys.exit(f"make release: {name}: {reasons[-1] if reasons else said}")


def main():
    files = build()
    changed = [path for path, content in files.items() if not path.exists() or path.read_bytes() != content]
    if "--check" in sys.argv:
        sys.exit(f"make release would change {', '.join(str(p.relative_to(ROOT)) for p in changed)}" if changed else 0)
    for path in changed:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(files[path])
    print(f"make release: {len(files)} files, {len(changed)} written")


if __name__ == "__main__":
    main()
