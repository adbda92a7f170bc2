"""Submissions with a known mark, made from the release and the answers of `solutions/`."""

import nbformat

from tools import notebooks

BROKEN = "def {name}(*args, **kwargs):\n    return 'not an answer'"


def kind(cell):
    return cell.metadata.get("nbgrader", {})


def answers(name):
    """The solution cells of one notebook: grade id to source."""
    solution = nbformat.read(notebooks.solution(name), as_version=4)
    return {kind(cell)["grade_id"]: cell.source for cell in solution.cells if kind(cell).get("solution")}


def points(name):
    """Points of each graded cell, by grade id."""
    release = nbformat.read(notebooks.ROOT / "notebooks" / name / f"{name}.ipynb", as_version=4)
    return {kind(cell)["grade_id"]: kind(cell)["points"] for cell in release.cells if kind(cell).get("grade")}


def submission(name, change=lambda grade_id, source: source, filled=True):
    """A student's notebook: the release with answers filled in, each passed through `change`."""
    release = nbformat.read(notebooks.ROOT / "notebooks" / name / f"{name}.ipynb", as_version=4)
    right = answers(name)
    for cell in release.cells:
        if kind(cell).get("solution"):
            grade_id = kind(cell)["grade_id"]
            cell.source = change(grade_id, right[grade_id] if filled else cell.source)
    return release


def wrong(name, grade_id):
    """All right but one exercise."""
    functions = {"checkpoint": ("save_checkpoint", "load_checkpoint")}.get(grade_id, (grade_id,))
    lines = "\n\n".join(BROKEN.format(name=function) for function in functions)
    return submission(name, lambda this, source: lines if this == grade_id else source)


def syntax_error(name, grade_id):
    """All right but one cell that does not even parse."""
    return submission(name, lambda this, source: "def broken(:\n" if this == grade_id else source)


def noisy(name):
    """All right, with warnings and progress bars on stderr, prints, and cells of the student's own."""
    noise = ("import sys, warnings\nfrom tqdm import tqdm\nwarnings.warn('careful')\n"
             "print('working', file=sys.stderr)\nfor _ in tqdm(range(3)): pass\n")
    notebook = submission(name, lambda this, source: noise + source + "\nprint('defined', 41)")
    for place in (len(notebook.cells) // 2, len(notebook.cells)):
        notebook.cells[place:place] = [nbformat.v4.new_code_cell("print('my own experiment')\n0.41"),
                                       nbformat.v4.new_markdown_cell("my notes")]
    return notebook
