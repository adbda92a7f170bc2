"""The last cell of each notebook: is what will be handed in complete, and what do its visible checks give?

Nothing here counts in grading, which asks the same of fresh inputs.
"""

import ast
import json
import shutil
from pathlib import Path

from IPython import get_ipython
from IPython.utils.capture import capture_output

from helpers import answers, checks, files, settings
from helpers.exercises import EXERCISES

UNSAVED = "unsaved"


def report(name, namespace, model=None):
    """Print what is missing from the notebook `name`, the points of its visible checks, and how to hand it in.

    `namespace` is the notebook's `globals()`. `model`, a file among the course's outputs, is copied beside the
    notebook: it is handed in too. Does nothing while a grader runs the notebook.
    """
    config = settings.load()
    if config.grading:
        return
    exercises = [exercise for exercise in EXERCISES.values() if exercise.notebook == name]
    cells, path = find_notebook(exercises, namespace)
    print(scores(exercises, namespace), end="\n\n")
    for exercise in exercises:
        if exercise.name in answers.USED:
            sources = executed() or [_source(cell) for cell in cells or [] if cell["cell_type"] == "code"]
            answers.keep(exercise.name, sources, lambda namespace: not says_of(exercise, namespace))
    found = problems(exercises, cells, executed()) if cells else ["Its file cannot be read from here, so nothing has "
                                                                  "checked that every graded cell is in it."]
    file = path.name if path else f"{name}.ipynb"
    if found:
        print(f"{file}: look at this before you hand it in.", *found, sep="\n  - ")
    else:
        print(f"{file}: every answer is filled in, every graded cell is there and unchanged.")
    names = [file]
    if model:
        names += place_model(config.output / model, path.parent if path else Path.cwd())
        if config.dataset == "own":
            print(f"\n{model} was trained on your own data: only a model of shapes or voc earns points.")
    print(f"\nTo hand in: {' and '.join(names)}", *how_to_download(names), sep="\n  - ")


def find_notebook(exercises, namespace):
    """The cells of the notebook that runs this, and its path; None for what cannot be found.

    Colab is asked for what stands on the screen. Elsewhere it is the file as it was last saved: the one
    that the server or the editor names, else the newest in the working folder that has these exercises.
    """
    try:
        from google.colab import _message
        reply = _message.blocking_request("get_ipynb", timeout_sec=30)
        return reply["ipynb"]["cells"], None
    except (ImportError, TypeError, KeyError):  # not Colab, or no answer in time
        pass
    named = [namespace.get("__vsc_ipynb_file__"), settings.notebook_name()]
    named = [path for path in (Path(Path.cwd(), Path(name).name) for name in named if name) if path.is_file()]
    newest = sorted(Path.cwd().glob("*.ipynb"), key=lambda path: path.stat().st_mtime, reverse=True)
    ids = {exercise.test for exercise in exercises}
    for path in (*named, *newest):
        try:
            cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        except (OSError, ValueError, KeyError, TypeError):
            continue
        if ids & {_grade_id(cell) for cell in cells}:
            return cells, path
    return None, None


def problems(exercises, cells, executed=()):
    """What is not in order in the `cells` of a notebook, as lines for a person; `executed`: the sources that ran."""
    lines, unsaved = [], []
    for exercise in exercises:
        number = exercise.number
        for grade_id, what in ((exercise.name if exercise.functions else None, "answer"), (exercise.test, "check")):
            sources = [_source(cell).strip() for cell in cells if grade_id and _grade_id(cell) == grade_id]
            if grade_id and not sources:
                lines.append(f"Exercise {number}: the cell of its {what} is gone. Take a fresh copy of the notebook "
                             "and put your answers into that.")
            elif what == "check":
                if len(sources) > 1:
                    lines.append(f"Exercise {number}: its check is there {len(sources)} times. Delete all but one.")
                if set(sources) - {exercise.source}:
                    lines.append(f"Exercise {number}: its check was changed. Only the original counts.")
            elif grade_id:
                line = _answer_problem(exercise, sources, [_source(cell).strip() for cell in cells], executed)
                unsaved += [number] if line == UNSAVED else []
                lines += [f"Exercise {number}: {line}"] if line and line != UNSAVED else []
    if unsaved:
        lines.insert(0, f"Save the notebook first (Ctrl+S), then run this cell again: the file does not have the "
                        f"answer to {', '.join(unsaved)} that ran here.")
    return lines


def _answer_problem(exercise, sources, everywhere, executed):
    """What is not in order in the cells of an answer, one or several; None if nothing is. UNSAVED: the file is old."""
    written = {name: _definitions(name, sources) for name in exercise.functions}
    blank = any(_blank(exercise, source) for source in sources)
    ran = [source for source in executed if any(_definitions(name, [source]) for name in exercise.functions)
           and not _blank(exercise, source)]
    if ran and ran[-1] not in everywhere and (blank or all(source in executed for source in sources)):
        return UNSAVED
    filled = {name: {text for text in texts if not _blank(exercise, text)}
              or {text for text in _definitions(name, everywhere) if not _blank(exercise, text)}  # in a cell of its own
              for name, texts in written.items()}
    if blank and not all(filled.values()):
        return "still empty."
    doubled = [name for name, texts in filled.items() if len(texts) > 1]
    if doubled:
        return (f"{' and '.join(doubled)} is written in different ways in several cells. The last one counts: delete "
                "the rest.")
    if executed and any(source not in executed for source in sources):
        return ("the answer in the file is not the one that ran here. Save the notebook (Ctrl+S), run the answer's "
                "cell, then this one again.")


def _blank(exercise, source):
    return f'NotImplementedError("Exercise {exercise.number}:' in source


def _definitions(name, sources):
    """The texts of the definitions of a function in the `sources` of cells."""
    found = set()
    for source in sources:
        try:
            nodes = ast.parse(source).body
        except SyntaxError:
            continue
        found |= {ast.get_source_segment(source, node) for node in nodes if getattr(node, "name", None) == name}
    return found


def scores(exercises, namespace):
    """The visible checks, run once more on what the notebook has now: a line each, and their sum."""
    lines, total = [], 0
    for exercise in exercises:
        says = says_of(exercise, namespace)
        points = 0 if says else exercise.points
        total += points
        title = f"{exercise.number} {exercise.title}"
        lines.append(f"{title:34} {points:2} of {exercise.points:2}  {says or '✓'}")
    most = sum(exercise.points for exercise in exercises)
    return "\n".join([*lines, f"visible checks: {total} of {most} points"])


def says_of(exercise, namespace):
    """What is to be said of the exercise's functions in `namespace`, in a few words; None if they are right."""
    if any(checks.is_lent(namespace.get(function)) for function in exercise.functions):
        return "lent, which earns no points"
    return outcome(exercise.source, namespace)


def outcome(source, namespace):
    """What the check `source` says of the functions in `namespace`, in a few words; None if it passes."""
    with capture_output():
        try:
            exec(source, {**namespace, "checks": checks})
        except checks.CheckFailed as error:
            return "still empty" if error.id == "not_attempted" else f"not yet: {error.id.replace('_', ' ')}"
        except NameError as error:
            return f"{error.name} is not there: run the notebook from the top"
        except Exception as error:
            return f"stopped with {type(error).__name__}: run the notebook from the top"


def place_model(model, folder):
    """Copy the model file into `folder`; its name in a list, empty if there is none.

    Not beside a solution, from where it would travel into the students' release.
    """
    if not model.is_file():
        print(f"{model.name} is not there yet: run the cell that writes it.")
        return []
    if not folder.is_relative_to(settings.ROOT / "solutions"):
        with files.atomic(folder / model.name) as half_done:
            shutil.copyfile(model, half_done)
    return [model.name]


def how_to_download(names):
    """Where to click, as lines for a person."""
    try:
        import google.colab  # noqa: F401
    except ImportError:
        return ["save the notebook (Ctrl+S)",
                "JupyterLab: right-click the file in the list at the left > Download",
                "Notebook: tick the file in the list of files > Download"]
    return [f"{names[0]}: File > Download > Download .ipynb",
            *(f"{name}: folder symbol at the left > ⋮ beside the file > Download" for name in names[1:])]


def executed():
    """The source of every cell that this kernel has run, in order; empty where it keeps no history (as for nbval)."""
    shell = get_ipython()
    return [source.strip() for source in shell.history_manager.input_hist_raw if source] if shell else []


def _grade_id(cell):
    return cell.get("metadata", {}).get("nbgrader", {}).get("grade_id")


def _source(cell):
    return "".join(cell["source"])  # a string, or a list of lines
