"""Colab's published list of packages, beside what the course is tested with.

`python -m tests.colab.versions requirements LIST` prints the pins for an environment like Colab's of today,
`... difference LIST` a table of what has changed since the tests were written (nothing if nothing has).
"""

import re
import sys
from pathlib import Path
from urllib.parse import unquote

TESTED = Path(__file__).with_name("requirements.txt")
FRONT_END = ("jupyterlab", "jupyterlab-widgets")  # ours: Colab has its own


def parse(text):
    """Name to version of a `pip freeze`, names as PyPI writes them, versions without a build like `+cu128`.

    A package that came from a file (`torch @ https://.../torch-2.1.0%2Bcu118-cp310-....whl`) has its version there.
    """
    versions = {}
    for name, version in re.findall(r"^([\w.-]+) *(?:==|@) *([^#\s]+)", text, re.MULTILINE):
        if "/" in version:
            file = re.match(r".*?-(\d[\w.]*?)(\.tar\.gz|\.zip|\+|-|$)", unquote(version.rpartition("/")[2]))
            version = file[1] if file else ""
        if version:
            versions[normal(name)] = version.partition("+")[0]
    return versions


def requirements(colab, tested):
    """Lines for pip: what the course needs, in the versions of `colab`; ours where Colab has none."""
    return [f"{name}=={colab.get(name, version)}" for name, version in tested.items() if name not in FRONT_END]


def difference(colab, tested):
    """A table in Markdown of the packages that differ; empty if none does."""
    rows = [(name, version, colab.get(name, "missing")) for name, version in tested.items()
            if name not in (*FRONT_END, "nbval") and colab.get(name) != version]
    if not rows:
        return ""
    lines = ["| package | tested with | on Colab |", "|---|---|---|", *("| " + " | ".join(row) + " |" for row in rows)]
    return "\n".join(lines)


def normal(name):
    return re.sub(r"[-_.]+", "-", name).lower()


def main(command, path):
    colab, tested = parse(Path(path).read_text()), parse(TESTED.read_text())
    if not colab.get("torch"):
        sys.exit(f"versions: expected Colab's list of packages with torch in it, found none in {path}; has it moved?")
    lines = requirements(colab, tested) if command == "requirements" else difference(colab, tested).splitlines()
    sys.stdout.writelines(f"{line}\n" for line in lines)


if __name__ == "__main__":
    main(*sys.argv[1:])
