"""Which cell of the release each of a student's cells is; the order of the evidence is explained in `restore`."""

import ast
from collections import Counter
from dataclasses import dataclass, field

from grading.intake import source

GRADE_ID, CELL_ID, LINES, ALONE, AMONG, BOUND, NOTHING = range(7)  # how a cell was found, best first


@dataclass(eq=False)
class Cell:
    """A student's cell. `position` is the place in the release of the cell that it is, `exact` if word for word."""

    kind: str  # "code", "markdown" or "raw"
    text: str
    number: int  # in the student's notebook, counted from 1 as readers do
    grade_id: str | None = None
    cell_id: str | None = None
    defines: list = field(default_factory=list)  # (name, syntax tree) of what it binds
    position: int | None = None
    exact: bool = False
    how: int = NOTHING

    def fills(self, name):
        """Whether this cell defines `name` and the last definition of it is no blank."""
        nodes = [node for bound, node in self.defines if bound == name]
        return bool(nodes) and not source.is_blank(nodes[-1])

    def rank(self, name, position, exercise_of):
        """How good the evidence is that this is the answer of a position; less is better."""
        if self.position == position and self.how != NOTHING:
            return self.how
        if isinstance([node for bound, node in self.defines if bound == name][-1], (ast.Name, ast.alias)):
            return BOUND
        exercises = {exercise_of[name] for name, _ in self.defines if name in exercise_of}
        return ALONE if exercises == {position} else AMONG


class Release:
    """A release notebook, with what is needed to recognise its cells; a position is an index into `cells`."""

    def __init__(self, notebook):
        self.cells = notebook.cells
        marks = [cell.metadata.get("nbgrader", {}) for cell in self.cells]
        self.ids = {cell.id: position for position, cell in enumerate(self.cells)}
        self.marked = {mark["grade_id"]: position for position, mark in enumerate(marks) if "grade_id" in mark}
        self.solutions = {position: mark["grade_id"] for position, mark in enumerate(marks) if mark.get("solution")}
        self.locked = {position: mark["grade_id"] for position, mark in enumerate(marks) if mark.get("locked")}
        self.graded = {position for position, mark in enumerate(marks) if mark.get("grade")}
        self.functions = {position: source.blanks(self.cells[position].source) for position in self.solutions}
        self.exercise_of = {name: position for position, names in self.functions.items() for name in names}
        self._switches = {name for position in self.locked.keys() - self.graded
                          for block in source.blocks(self.cells[position].source) for name in _constants(block)}
        self._prints = {source.fingerprint(cell.source): position for position, cell in enumerate(self.cells)}
        self._statements = {statement: position for position, cell in enumerate(self.cells)
                            if cell.cell_type == "code" and position not in self.solutions
                            for statement in self.statements(cell.source)}
        self._lines = [_lines(cell.source) for cell in self.cells]

    def same(self, text):
        """The position whose cell says the same as a text, or None."""
        return self._prints.get(source.fingerprint(text))

    def home(self, block):
        """The position of the cell that a statement comes from, word for word, or None; answers' cells left out."""
        return self._statements.get(self._statement(block)) if block.node and block.node.body else None

    def statements(self, text):
        """What a text says, statement by statement."""
        return {self._statement(block) for block in source.blocks(text)}

    def _statement(self, block):
        """A statement's fingerprint; a switch of the course says the same in any position."""
        switches = [name for name in _constants(block) if name in self._switches]
        return f"switch {switches[0]}" if switches else source.fingerprint(block.text)

    def nearest(self, cell, free):
        """The one of the free positions with most of a cell's lines, at least half of them, or None."""
        lines, best, most = _lines(cell.text), None, 0.5
        for position in free:
            total = lines.total() + self._lines[position].total()
            share = 2 * (lines & self._lines[position]).total() / total
            if share >= most and self.cells[position].cell_type == cell.kind:
                best, most = position, share
        return best


def _constants(block):
    """The names that a statement sets to a constant, as the course's switches are."""
    return [target.id for node in (block.node.body if block.node else []) if isinstance(node, ast.Assign)
            and isinstance(node.value, ast.Constant) for target in node.targets if isinstance(target, ast.Name)]


def _lines(text):
    return Counter(line.strip() for line in text.split("\n") if line.strip())


def recognise(cells, plan):
    """Give each of the student's cells its position, one kind of evidence after the other."""
    for cell in cells:
        cell.position = plan.same(cell.text)
        cell.exact = cell.position is not None
    # an edited copy is the student's own
    taken = {cell.position for cell in cells if cell.exact} - plan.solutions.keys()
    for how, claim in ((GRADE_ID, lambda cell: plan.marked.get(cell.grade_id)),
                       (CELL_ID, lambda cell: plan.ids.get(cell.cell_id))):
        for cell in cells:
            position = claim(cell)
            answers = {plan.exercise_of[name] for name, _ in cell.defines if name in plan.exercise_of}
            fits = cell.position == position or cell.position is None and position not in taken
            if cell.how == NOTHING and position is not None and fits and (not answers or position in answers):
                cell.position, cell.how = position, how
    free = set(range(len(plan.cells))) - {cell.position for cell in cells}
    for cell in cells:
        if cell.position is None and not any(name in plan.exercise_of for name, _ in cell.defines):
            cell.position = plan.nearest(cell, free)
            if cell.position is not None:
                cell.how = LINES
                free.discard(cell.position)
