"""Run a notebook in the jail and come back with a definite result, whatever its code does.

`JailedExecute` takes the place of nbgrader's Execute. Of an exercise that `resources["decided"]` names, the check is
left out: nobody needs its words. It runs the cells itself, because nbclient raises out of the notebook when a kernel
dies, and reads all that a kernel sends. A cell that ends its process, fills the memory or runs past its time earns
nothing, with a reason; the cells before it keep what they earned, and the ones behind it are run in a fresh kernel, in
which all but the offending cells have been run again. So an answer that kills costs its own points only. At most
`restarts` times, and never longer than the clock of the whole submission.

A death that a cell prepares and leaves to a later one (a timer, a thread) costs the later one too: who
sets a bomb in one's own kernel pays for what it hits.
"""

import dataclasses
import time
from pathlib import Path

from nbformat.v4 import new_output
from nbgrader.coursedir import CourseDirectory
from nbgrader.preprocessors import Execute
from nbgrader.utils import is_grade
from traitlets import Dict, Integer

from grading.run import jail, selection
from grading.run.kernel import Kernel
from grading.run.limits import Limits
from helpers.settings import MODEL_FILE


class JailedExecute(Execute):
    """nbgrader's Execute in the jail; `timeout` bounds one cell, `limits` the whole submission."""

    limits = Dict(help="what differs from the defaults of grading.run.limits.Limits, such as {'wall': 600}").tag(
        config=True)
    timeout = Integer(60, help="seconds for one cell").tag(config=True)
    restarts = Integer(5, help="fresh kernels after cells that killed theirs").tag(config=True)
    total_output = Integer(50 * 2 ** 20, help="bytes of output that ungraded cells together may keep").tag(config=True)
    iopub_timeout = Integer(10, help="seconds for a cell's last output to arrive after its reply").tag(config=True)

    def preprocess(self, nb, resources, km=None):
        """`nb` with outputs; every graded cell that was not run to its end has an error output that says why."""
        jail.require()
        limits = Limits(**self.limits)
        run = _Run(nb, limits, time.monotonic() + limits.wall, self, resources.get("decided", ()))
        run.skip(resources.get("stopped", {}))
        for _ in range(self.restarts + 1):
            if not run.through(self.folder(resources) / MODEL_FILE):
                break
        run.close()
        return nb, resources

    def folder(self, resources):
        """What was handed in, as it was handed in: nbgrader's own copy has followed symbolic links."""
        ids = resources.get("nbgrader")
        if not ids:
            return Path(resources.get("metadata", {}).get("path") or ".")
        course = CourseDirectory(config=self.config)
        return Path(course.format_path(course.submitted_directory, ids["student"], ids["assignment"]))


class _Run:
    """One notebook on its way through one or more kernels."""

    def __init__(self, nb, limits, deadline, settings, decided):
        self.nb, self.limits, self.deadline, self.settings = nb, limits, deadline, settings
        for cell in nb.cells:
            if cell.cell_type == "code":
                cell.outputs, cell.execution_count = [], None
        watched = selection.watched(nb, decided)
        self.cells, self.texts = [cell for cell, _ in watched], [text for _, text in watched]
        self.done, self.offending, self.kept = set(), set(), 0

    def skip(self, stopped):
        """Cells that the examination had to stop are not tried again: id to (name, reason) of their problem."""
        for number, cell in enumerate(self.cells):
            if cell.id in stopped:
                name, reason = stopped[cell.id]
                self.done.add(number)
                self.offending.add(number)
                self.mark(cell, name, f"This cell was stopped: {reason}.")

    def remaining(self):
        return max(1, self.deadline - time.monotonic())

    def through(self, model):
        """Run what is left in a fresh kernel, behind what ran before; whether something graded is left to be tried."""
        left = dataclasses.replace(self.limits, wall=self.remaining())
        if len(self.done) < len(self.cells):
            with Kernel(model, left, self.settings.startup_timeout) as kernel:
                self._cells(kernel)
        return any(is_grade(cell) for number, cell in enumerate(self.cells) if number not in self.done) \
            and time.monotonic() < self.deadline

    def _cells(self, kernel):
        for number, cell in enumerate(self.cells):
            again = number in self.done
            if number in self.offending or again and is_grade(cell):
                continue  # a graded cell defines nothing that a later one needs
            if time.monotonic() > self.deadline:
                return
            ended = kernel.execute(self.texts[number], min(self.settings.timeout, self.remaining()),
                                   is_grade(cell), self.settings.iopub_timeout)
            if not again:
                self.keep(cell, number, ended)
            if ended.problem:
                self.offending.add(number)
            if ended.exits:
                self.offending.add(number)
                kernel.kill()
            if not kernel.alive:
                return

    def keep(self, cell, number, ended):
        self.done.add(number)
        cell.execution_count = number + 1
        self.kept += ended.size
        if is_grade(cell) or self.kept < self.settings.total_output:
            cell.outputs = ended.outputs
        if ended.problem:
            self.mark(cell, *ended.problem)

    def mark(self, cell, name, reason):
        cell.outputs.append(new_output("error", ename=name, evalue=reason, traceback=[reason]))
        self.nb.metadata.setdefault("course", {}).setdefault("problem", reason)
        self.settings.log.warning("%s: %s", cell.metadata.get("nbgrader", {}).get("grade_id", "a cell"), reason)

    def close(self):
        for number, cell in enumerate(self.cells):
            if number not in self.done and is_grade(cell):
                late = time.monotonic() > self.deadline
                self.mark(cell, "TimeUp" if late else "KernelDied", "This cell was not run: " + (
                    f"the submission took longer than it may ({self.limits.wall:.0f} s)." if late else
                    "too many cells before it ended the Python process."))
