"""A student's answers, put into the pristine release notebook.

What each of the student's cells is, is found out in this order:

1. word for word: a cell that says the same as a cell of the release is that cell, whatever its ids say;
2. by nbgrader's grade id, 3. by the cell id (also where Colab puts it): both only if the cell does not define
   another exercise's function instead;
4. by its lines: at least half of them are those of one cell of the release;
5. for an answer: by the function it defines, with `def` or `class` (and no other exercise's, if there is a choice),
   else with `=` or `import`.

Of several cells that answer an exercise, the best found one that is filled in counts, and the last one if several
are equally well found. The release's own cells stand around the answers; what else the student wrote stays, in
cells of its own, behind the cell of the release that it stood behind. Nothing is run here.
"""

import ast
import builtins
import copy
from dataclasses import dataclass, field
from pathlib import Path

import nbformat
from nbformat.v4 import new_code_cell, new_markdown_cell, new_raw_cell
from nbgrader.converters.base import NbGraderException
from nbgrader.preprocessors import NbGraderPreprocessor
from traitlets import Unicode

from grading.intake import reading, source
from grading.mark import flags
from grading.restore.commenting import comment_out
from grading.restore.match import ALONE, AMONG, BOUND, CELL_ID, GRADE_ID, LINES, Cell, Release, recognise
from helpers.settings import ROOT

_BY = {CELL_ID: "by cell id", LINES: "by their lines", ALONE: "by their def line",
       AMONG: "by their def line, among others", BOUND: "by name"}
_NEW = {"code": new_code_cell, "markdown": new_markdown_cell, "raw": new_raw_cell}


@dataclass
class Findings:
    """What was mended, and what an instructor should look at: {"kind", "exercise" or None, "text"} each."""

    repairs: list = field(default_factory=list)
    flags: list = field(default_factory=list)

    def flag(self, kind, exercise, text):
        self.flags.append({"kind": kind, "exercise": exercise, "text": text})


class RestoreAnswers(NbGraderPreprocessor):
    """The first of nbgrader's sanitize preprocessors; what it finds goes on in `nb.metadata["course"]`."""

    release = Unicode(str(ROOT / "notebooks"), help="the folder that `make release` wrote").tag(config=True)

    def preprocess(self, nb, resources):
        path = Path(self.release, resources["nbgrader"]["assignment"], f"{resources['nbgrader']['notebook']}.ipynb")
        if not path.is_file():
            raise NbGraderException(f"There is no release at {path}: run `make release` first.")
        nb, found = restore(nb, nbformat.read(path, as_version=4))
        nb.metadata["course"] = {"repairs": found.repairs, "flags": found.flags}
        for line in [*found.repairs, *(flag["text"] for flag in found.flags)]:
            self.log.info("Restored: %s", line)
        return nb, resources


def restore(student, release):
    """The release notebook with the student's answers and own cells.

    Parameters
    ----------
    student : NotebookNode
        As handed in, in any state.
    release : NotebookNode
        As `make release` wrote it.

    Returns
    -------
    NotebookNode, Findings
        Valid in format 4.5: the release's graded and locked cells, ids and metadata. Neither argument is changed.
    """
    plan, found = Release(release), Findings()
    cells = _read(student, found)
    recognise(cells, plan)
    winners = _choose(cells, plan, found)
    answers, before, behind = _share_out(cells, winners, plan, found)

    sequence = list(behind[-1])
    for position, cell in enumerate(release.cells):
        cell = copy.deepcopy(cell)
        if answers.get(position):
            cell.source = "\n\n\n".join(text.strip("\n") for text in answers[position])
        sequence += [*before[position], cell, *behind[position]]
    _bring_helpers(sequence, plan, found)
    own = [cell for cell in sequence if cell.id not in plan.ids or answers.get(plan.ids[cell.id])]
    found.flags += flags.flags(own)
    for number, cell in enumerate([cell for cell in sequence if cell.id not in plan.ids]):
        cell.id = f"student-{number}"
    return nbformat.from_dict({**release, "metadata": copy.deepcopy(release.metadata), "cells": sequence}), found


def _read(student, found):
    """The student's cells, cleaned for the grader; the halves of a function that was split are joined."""
    cells, commented = [], set()
    for number, cell in enumerate(reading.clean(student).cells, start=1):
        text, removed = comment_out(cell.source) if cell.cell_type == "code" else (cell.source, [])
        commented.update(removed)
        above = cells[-1] if cells else None
        if above and above.kind == cell.cell_type == "code" and text[:1] in (" ", "\t") \
                and source.tree(text) is None and source.tree(joined := f"{above.text}\n{text}"):
            above.text = joined
            found.repairs.append(f"Cell {number} goes on with the code of the cell above it; they were joined.")
        elif text.strip():
            cells.append(Cell(cell.cell_type, text, number, cell.metadata.get("nbgrader", {}).get("grade_id"),
                              cell.metadata.get("id", cell.id)))
    for cell in cells:
        if cell.kind == "code" or source.tree(cell.text):
            cell.defines = source.defined(cell.text)
    if commented:
        found.repairs.append("Lines that are of no use while grading became comments: "
                                 f"{', '.join(sorted(commented))}.")
    return cells


def _choose(cells, plan, found):
    """The cells that answer each exercise: release position to a dictionary from function to cell."""
    winners, found_by = {}, {}
    for position, exercise in plan.solutions.items():
        winners[position] = {}
        for name in plan.functions[position]:
            ranks = {cell: cell.rank(name, position, plan.exercise_of) for cell in cells if cell.fills(name)}
            best = [cell for cell in ranks if ranks[cell] == min(ranks.values())]
            if best:
                winners[position][name] = best[-1]
                found_by.setdefault(ranks[best[-1]], []).append(name)
            if len({source.fingerprint(cell.text) for cell in best}) > 1:
                found.flag("duplicate", exercise, f"{name} is answered in different ways in cells "
                           f"{', '.join(str(cell.number) for cell in best)}; the last of them was graded.")
        if len(set(winners[position].values())) > 1:
            places = " and ".join(str(cell.number) for cell in dict.fromkeys(winners[position].values()))
            found.repairs.append(f"The answer to {exercise} was put together from cells {places}.")
        if not winners[position]:  # renamed, or not Python: the exercise's cell is the answer
            stub = source.fingerprint(plan.cells[position].source)
            attempts = [cell for cell in cells if cell.position == position
                        and source.fingerprint(cell.text) != stub
                        and not any(name in plan.functions[position] for name, _ in cell.defines)]
            winners[position] = {"": attempts[-1]} if attempts else {}
    for how, names in found_by.items():
        if how != GRADE_ID:
            found.repairs.append(f"Answers found {_BY[how]}: {', '.join(names)}.")
    return winners


def _share_out(cells, winners, plan, found):
    """The texts of each answer, and the student's own cells before and behind each position of the release."""
    answers = {position: [] for position in winners}
    before, behind = ({position: [] for position in range(-1, len(plan.cells))} for _ in range(2))
    last, seen = -1, set()
    for cell in cells:
        won = [position for position, chosen in winners.items() if cell in chosen.values()]
        pieces, rest, own = _cut(cell, won, winners, plan)
        for position, text in pieces.items():
            answers[position] += [text] if text.strip() else []
        if cell.kind != "code" and won:
            found.repairs.append(f"Cell {cell.number} is an answer that had become {cell.kind}; it was read as code.")
        if len(own | set(won)) > 1:
            found.repairs.append(f"Cell {cell.number} holds several cells of the course; it was taken apart.")
        last = won[-1] if won else last if cell.position is None else cell.position
        # what stood in the cell of an answer or of its test may be needed by both
        place = before if not won and cell.position is not None and (last in winners or last in plan.graded) else behind
        place[last] += [_NEW["code" if won else cell.kind](text) for text in rest if text.strip()]
        seen |= {cell.position, *won, *own}
        if cell.position is not None and not won and cell.position not in winners:
            _report_edit(cell, rest, plan, found)
    missing = [cell for position, cell in enumerate(plan.cells) if position not in seen and cell.cell_type == "code"]
    if missing:
        names = [cell.metadata.get("nbgrader", {}).get("grade_id", cell.id) for cell in missing]
        found.repairs.append(f"Cells of the course that were missing were put back: {', '.join(names)}.")
    return answers, before, behind


def _cut(cell, won, winners, plan):
    """A cell's share in the answers it won, the rest of it in texts, and the positions whose statements it repeats."""
    if cell.exact and not won:
        return {}, [], set()
    if cell.kind != "code" and not won:
        return {}, [cell.text], set()
    blocks = source.blocks(cell.text)
    homes = [plan.home(block) for block in blocks]
    own = {home for home in homes if home is not None} - {cell.position, *won}
    merged = len(won) > 1 or len(own) > 2
    pieces, rest, pending = {position: [] for position in won}, [], []
    for block, home in zip(blocks, homes):
        names = [(name, node) for name, node in source.defined(block.text) if name in plan.exercise_of]
        positions = [plan.exercise_of[name] for name, _ in names]
        if names and all(source.is_blank(node) for _, node in names):
            continue  # a blank that was not filled in must not overwrite an answer
        if len(won) == 1 and any(position in won and winners[position].get(name, cell) is not cell
                                 for position, (name, _) in zip(positions, names)):
            continue  # the other half of this exercise is answered in another cell
        if home is not None and (merged or home == cell.position) and home not in won \
                and not (block.imports and home > min(won, default=home)):
            continue  # the release says it
        mine = [position for position in positions if position in pieces]
        if block.node is None and merged:
            (pieces[mine[0]] if mine else rest).append(block.text)  # broken: it costs what it defines, no more
        elif mine and merged:
            pieces[mine[0]] += [*pending, block.text]
            pending = []
        else:
            pending.append(block.text)
    if won and not merged:
        pieces[won[0]], pending = pending, []
    texts = {position: "\n".join(texts) for position, texts in pieces.items()}
    return texts, [*rest, "\n".join(pending)], own if merged else set()


def _report_edit(cell, rest, plan, found):
    """Say that a cell of the course that is no answer was changed: a check is worth a flag."""
    if cell.exact or cell.kind != "code":
        return
    whole = plan.statements(plan.cells[cell.position].source) <= plan.statements(cell.text)
    added = [block for text in rest if text.strip() for block in source.blocks(text)]
    if cell.position in plan.graded and not (whole and all(block.imports for block in added)):
        what = "lines were added to it" if whole else "it was changed"
        found.flag("edited", plan.locked[cell.position].removeprefix("test_"),
                   f"Cell {cell.number} is the course's {plan.locked[cell.position]} and locked, but {what}; "
                   "the course's own was run.")
    elif added:
        found.repairs.append(f"Cell {cell.number} was edited; the course's own runs, then what was new in it.")


def _bring_helpers(sequence, plan, found):
    """Move up a student's cell that an answer above it needs, and that nothing before provides."""
    bound, needed = {}, {}
    for cell in sequence:
        node = source.tree(cell.source) if cell.cell_type == "code" else None
        bound[id(cell)] = {name for name, _ in source.bindings(node)}
        inner = list(ast.walk(node)) if node else []
        names = [leaf for leaf in inner if isinstance(leaf, ast.Name)]
        local = {getattr(leaf, "arg", None) or getattr(leaf, "name", None) for leaf in inner}  # also arguments
        needed[id(cell)] = {leaf.id for leaf in names} - local - {
            leaf.id for leaf in names if isinstance(leaf.ctx, ast.Store)}
    for answer in [cell for cell in sequence if plan.ids.get(cell.id) in plan.solutions]:
        moved, place = True, sequence.index(answer)
        wanted = set(needed[id(answer)])
        while moved:
            known = set(dir(builtins)).union(*(bound[id(cell)] for cell in sequence[:place + 1]))
            moved = next((cell for cell in sequence[place + 1:]
                          if cell.id not in plan.ids and bound[id(cell)] & (wanted - known)), None)
            if moved:
                sequence.remove(moved)
                sequence.insert(sequence.index(answer), moved)
                wanted |= needed[id(moved)]
                place += 1
                found.repairs.append(f"A cell that {plan.solutions[plan.ids[answer.id]]} needs was moved above it.")
