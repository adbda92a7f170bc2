"""From solution to blank: an nbgrader preprocessor that leaves the name of the task in its place."""

import re

from nbgrader.preprocessors import ClearSolutions

_REGION = re.compile(r"^( *)### BEGIN SOLUTION ?(.*)\n(?s:.*?)### END SOLUTION *$", re.MULTILINE)


class NameTheTask(ClearSolutions):
    """`### BEGIN SOLUTION Exercise 5.1: count pairs` becomes `raise NotImplementedError("Exercise 5.1: ...")`."""

    def _replace_solution_region(self, cell, language):
        cell.source, regions = _REGION.subn(_stub, cell.source)
        if "BEGIN SOLUTION" in cell.source or "END SOLUTION" in cell.source:
            raise RuntimeError(f"a solution region is not closed or not opened in this cell:\n{cell.source}")
        return regions > 0


def _stub(match):
    indent, task = match.groups()
    if not task:
        raise RuntimeError(f"name the task behind BEGIN SOLUTION in this cell:\n{match.string}")
    return f'{indent}raise NotImplementedError("{task}")'
