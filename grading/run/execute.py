"""Run a notebook in the jail and come back with a definite result, whatever its code does.

`JailedExecute` takes the place of nbgrader's Execute. It runs the cells itself, because nbclient raises
out of the notebook when a kernel dies, and reads all that a kernel sends. A cell that ends its process,
fills the memory or runs past its time earns nothing, with a reason; the cells before it keep what they
earned, and the ones behind it are run in a fresh kernel, in which all but the offending cells have been
run again. So an answer that kills costs its own points only. At most `restarts` times, and never longer
than the clock of the whole submission.

A death that a cell prepares and leaves to a later one (a timer, a thread) costs the later one too: who
sets a bomb in one's own kernel pays for what it hits.
"""

import atexit
import contextlib
import importlib
import os
import threading
import time
from pathlib import Path

from nbformat.v4 import new_output
from nbgrader.coursedir import CourseDirectory
from nbgrader.preprocessors import Execute
from nbgrader.utils import is_grade
from traitlets import Bool, Dict, Integer

from grading.run import jail
from grading.run.kernel import Kernel

class JailedExecute(Execute):
    """nbgrader's Execute in the jail; `timeout` bounds one cell, the other bounds are `grading.run.jail.Limits`."""

    limits = Dict(help="what differs from the defaults of grading.run.jail.Limits, such as {'wall': 600}").tag(config=True)
    warm = Bool(False, help="fork kernels from a process that has imported PyTorch (see grading.run.warm)").tag(
        config=True)
    timeout = Integer(60, help="seconds for one cell; a cold kernel imports PyTorch in one").tag(config=True)
    restarts = Integer(5, help="fresh kernels after cells that killed theirs").tag(config=True)
    total_output = Integer(50 * 2 ** 20, help="bytes of output that ungraded cells together may keep").tag(config=True)
    iopub_timeout = Integer(10, help="seconds for a cell's last output to arrive after its reply").tag(config=True)

    def preprocess(self, nb, resources, km=None):
        """`nb` with outputs; every graded cell that was not run to its end has an error output that says why."""
        limits = jail.Limits(**self.limits)
        run = _Run(nb, limits, time.monotonic() + limits.wall, self)
        model = self.folder(resources) / jail.MODEL
        jail.install()
        path = resources["nest"] = nest() if self.warm and jail.backend() == "bubblewrap" else ""
        if not path:  # the judge will want PyTorch: it is imported while the kernel does the same
            threading.Thread(target=importlib.import_module, args=["grading.mark.compare"], daemon=True).start()
        for _ in range(self.restarts + 1):
            with self.kernel(model, run, limits, path) as kernel:
                if run.through(kernel):
                    break
        run.close()
        return nb, resources

    @contextlib.contextmanager
    def kernel(self, model, run, limits, path):
        """A kernel that answers; where the first does not come up, a second one is started, cold."""
        with contextlib.ExitStack() as stack:
            try:
                kernel = stack.enter_context(Kernel(model, run.remaining(), limits, self.startup_timeout, path))
            except (jail.JailError, OSError, RuntimeError) as error:
                self.log.warning("%s; once more", error)
                kernel = stack.enter_context(Kernel(model, run.remaining(), limits, self.startup_timeout))
            yield kernel

    def folder(self, resources):
        """What was handed in, as it was handed in: nbgrader's own copy has followed symbolic links."""
        ids = resources.get("nbgrader")
        if not ids:
            return Path(resources.get("metadata", {}).get("path") or ".")
        course = CourseDirectory(config=self.config)
        return Path(course.format_path(course.submitted_directory, ids["student"], ids["assignment"]))


_nests = {}  # this process's own, by its id: a fork must not take its parent's


def nest():
    """The path of this process's warm parent, started on first use and after it has died; "" if it does not start."""
    from grading.run import warm  # Linux only
    found = _nests.get(os.getpid())
    if found is None or found.process.poll() is not None:
        try:
            _nests[os.getpid()] = found = warm.Nest().__enter__()
        except jail.JailError:
            return ""
        atexit.register(found.__exit__)
    return found.path


class _Run:
    """One notebook on its way through one or more kernels."""

    def __init__(self, nb, limits, deadline, settings):
        self.nb, self.limits, self.deadline, self.settings = nb, limits, deadline, settings
        self.cells = [cell for cell in nb.cells if cell.cell_type == "code"]
        for cell in self.cells:
            cell.outputs, cell.execution_count = [], None
        # what stands behind the last graded cell earns nothing: exports, farewells
        last = max((number for number, cell in enumerate(self.cells) if is_grade(cell)), default=-1)
        self.cells = [cell for cell in self.cells[:last + 1] if cell.source.strip()]
        self.done, self.offending, self.kept = set(), set(), 0

    def remaining(self):
        return max(1, self.deadline - time.monotonic())

    def through(self, kernel):
        """Run what is left, behind what ran before; True when nothing graded is left to be tried."""
        for number, cell in enumerate(self.cells):
            again = number in self.done
            if number in self.offending or again and is_grade(cell):
                continue  # a graded cell defines nothing that a later one needs
            if time.monotonic() > self.deadline:
                return True
            ended = kernel.execute(cell.source, min(self.settings.timeout, self.remaining()),
                                   is_grade(cell), self.settings.iopub_timeout)
            if not again:
                self.keep(cell, number, ended)
            if ended.problem:
                self.offending.add(number)
            if ended.exits:
                self.offending.add(number)
                kernel.kill()
            if not kernel.alive:
                return not any(is_grade(cell) for later, cell in enumerate(self.cells) if later not in self.done)
        return True

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
