"""Which notebook of the release a student's file is: by its content first, then by its name."""

import re
from collections import Counter
from pathlib import Path

import nbformat

from grading.intake import source


def names(release):
    """The assignments of the release that `make release` wrote to a folder, in order."""
    return [path.stem for path in sorted(Path(release).glob("*/*.ipynb")) if path.stem == path.parent.name]


class Catalogue:
    """What tells the notebooks of a release apart."""

    def __init__(self, release):
        notebooks = {name: nbformat.read(Path(release, name, f"{name}.ipynb"), as_version=4) for name in names(release)}
        self.functions = {name: {function for cell in notebook.cells
                                 if cell.metadata.get("nbgrader", {}).get("solution")
                                 for function in source.blanks(cell.source)} for name, notebook in notebooks.items()}
        features = {name: set(_features(notebook)) for name, notebook in notebooks.items()}
        count = Counter(feature for name in notebooks for feature in features[name])
        self.feature_of = {feature: name for name in notebooks for feature in features[name] if count[feature] == 1}

    def recognise(self, notebook, hint):
        """Which notebook of the release this is, or None, and whether its content says so; `hint`: its file's name."""
        score = Counter(self.feature_of[feature] for feature in set(_features(notebook)) if feature in self.feature_of)
        (best, most), = score.most_common(1) or [(None, 0)]
        name = hint if hint and score[hint] == most or most < 2 else best
        return name, score[name] > 0

    def filled(self, notebook, name):
        """How many of the functions of a notebook's exercises are filled in."""
        done = set()
        for cell in notebook.cells:
            if any(function in cell.source for function in self.functions[name]):
                done |= {bound for bound, node in source.defined(cell.source)
                         if bound in self.functions[name] and not source.is_blank(node)}
        return len(done)


def _features(notebook):
    """What a notebook can be known by: ids, grade ids, whole cells, titles and functions."""
    for cell in notebook.cells:
        yield f"id {cell.metadata.get('id', cell.id)}"
        yield f"grade id {cell.metadata.get('nbgrader', {}).get('grade_id')}"
        yield f"cell {' '.join(cell.source.split())}" if cell.source.strip() else "nothing"
        yield from (f"title {line}" for line in cell.source.split("\n") if line.startswith("# ") and "·" in line)
        yield from (f"defines {name}" for name in re.findall(r"^(?:async def|def|class) (\w+)", cell.source, re.M))
