"""Submissions with a known mark, made from the release and the answers of `solutions/`.

    python -m tests.support.golden tests/golden                     a small class as a folder
    python -m tests.support.golden tests/golden build/rehearsal     compare what it got with what it must get
"""

import dataclasses
import functools
import shutil
import sys
from pathlib import Path
from types import MappingProxyType

import nbformat

from tools import notebooks

BROKEN = "def {name}(*args, **kwargs):\n    return 'not an answer'"


def kind(cell):
    return cell.metadata.get("nbgrader", {})


@functools.cache
def answers(name):
    """The solution cells of one notebook: grade id to source; not to be changed."""
    solution = nbformat.read(notebooks.solution(name), as_version=4)
    return MappingProxyType({kind(cell)["grade_id"]: cell.source for cell in solution.cells
                             if kind(cell).get("solution")})


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


def model_file():
    """A model file above 40 %: what `make course` or the tests have trained, or else trained now."""
    from helpers import export, settings, training, voc
    for folder in ("nbval", "golden"):
        path = notebooks.ROOT / "build" / folder / "model.safetensors"
        if path.exists() and export.load_model(path)[1]["preprocessing"]["size"] == settings.RECIPES["shapes"].size:
            return path
    if path.exists():  # of an earlier recipe, with checkpoints that no longer fit
        shutil.rmtree(path.parent)
    print("golden: training a model first (about a minute) ...")
    config = dataclasses.replace(settings.load(), dataset="shapes", data_root=notebooks.ROOT / "data" / "shapes",
                                 weights=None, output=path.parent, grading=False)
    devkit = voc.prepare(config)
    model, _ = training.trained_model(devkit, config)
    export.save_model(path, model, devkit.class_names, config.recipe.size)
    return path


def small_class():
    """Student to {notebook name: (notebook, points by grade id)}: one of each kind that a grader meets."""
    def everywhere(make):
        return {name: make(name) for name in notebooks.NAMES}
    right = everywhere(lambda name: (submission(name), points(name)))
    return {
        "right": right,
        "untouched": everywhere(lambda name: (submission(name, filled=False), dict.fromkeys(points(name), 0))),
        "noisy": everywhere(lambda name: (noisy(name), points(name))),
        "first_wrong": everywhere(lambda name: _one_off(name, wrong, 0)),
        "last_broken": everywhere(lambda name: _one_off(name, syntax_error, -1)),
        "two_notebooks": {name: right[name] for name in notebooks.NAMES[:2]},
        "no_model": {"05_evaluation": (right["05_evaluation"][0], points("05_evaluation") | {"test_trained_model": 0})},
    }


def _one_off(name, make, index):
    exercise = list(answers(name))[index]
    return make(name, exercise), points(name) | {f"test_{exercise}": 0}


def write(folder, students, model):
    """Lay a class out as <student>/<notebook>.ipynb, with the model where it belongs; the marks, as nested dicts."""
    marks = {}
    for student, handed_in in students.items():
        (folder / student).mkdir(parents=True)
        for name, (notebook, expected) in handed_in.items():
            nbformat.write(notebook, folder / student / f"{name}.ipynb")
            marks.setdefault(student, {})[name] = dict(expected)
            if name == "05_evaluation" and expected["test_trained_model"]:
                shutil.copy(model, folder / student / "model.safetensors")
    return marks


def compare(marks):
    """How many notebooks of the small class were expected to be graded, and a line for each that has other marks.

    `marks` are `gradebook.marks`.
    """
    lines, count = [], 0
    for student, handed_in in small_class().items():
        for name, (_, expected) in handed_in.items():
            count += 1
            mark = marks.get((student, name))
            found = mark and {f"test_{exercise}": points for exercise, points in mark.points.items()}
            if found != expected:
                lines.append(f"{student}, {name}: expected {sum(expected.values()):g} points, found "
                             f"{f'{mark.raw_score:g}' if mark else 'none'}")
    return count, lines


def main(folder, grades=None):
    if grades:
        from grading import gradebook
        count, lines = compare(gradebook.marks(Path(grades, "gradebook.db")))
        print(*lines, f"rehearsal: {count - len(lines)} of {count} notebooks as expected", sep="\n")
        return bool(lines)
    shutil.rmtree(folder, ignore_errors=True)
    marks = write(Path(folder), small_class(), model_file())
    print(f"golden: {sum(map(len, marks.values()))} notebooks of {len(marks)} students in {folder}")


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
