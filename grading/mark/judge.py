"""The judge: two nbgrader preprocessors that compare a student's probed answers with the reference.

`DrawSeed` stands before nbgrader's Execute, `Judge` right behind it. The comparison happens here, in
a process that no student's code has touched; what a kernel shows is read as data and nothing else.
"""

import json
import os
import secrets
import tempfile
from pathlib import Path

from nbformat.v4 import new_output
from nbgrader.preprocessors import NbGraderPreprocessor
from nbgrader.utils import is_grade
from traitlets import Integer

from grading.mark import trained_model
from grading.run import jail
from helpers.settings import MODEL_FILE, PROBE_MIME


class DrawSeed(NbGraderPreprocessor):
    """Hands a submission's kernel the seed of its probes, drawn for it, and an empty folder to write into."""

    seed = Integer(None, allow_none=True, help="one seed for all submissions (for tests); drawn anew if None").tag(
        config=True)

    def preprocess(self, nb, resources):
        seed = secrets.randbelow(2 ** 31) if self.seed is None else self.seed
        os.environ["COURSE_PROBE_SEED"] = str(seed)  # the kernel inherits it
        resources["probe_seed"] = seed
        # checkpoints of one submission must not serve the next; the folder goes when `resources` do
        resources["course_output"] = tempfile.TemporaryDirectory(prefix="course-")
        os.environ["COURSE_OUTPUT"] = resources["course_output"].name
        self.log.info("Probes of this submission are drawn from seed %d", seed)
        return nb, resources


class Judge(NbGraderPreprocessor):
    """Marks a graded cell failed, with a reason, where its probe's answers differ or are missing.

    A graded cell has a probe if its grade id is `test_` and the name of one. The trained model is run
    outside the kernel too (`grading.mark.trained_model`).
    """

    held_out_seed = Integer(0, help="draws the images that handed-in models are judged on").tag(config=True)

    def preprocess(self, nb, resources):
        cells = {cell.metadata.nbgrader["grade_id"].removeprefix("test_"): cell for cell in nb.cells
                 if cell.cell_type == "code" and is_grade(cell)}
        for cell in cells.values():
            # a number shown as a cell's result would be read as partial credit, ahead of any error
            cell.outputs = [output for output in cell.outputs if output.output_type != "execute_result"]
        shown = {name: [output["data"][PROBE_MIME] for output in cell.outputs if PROBE_MIME in output.get("data", {})]
                 for name, cell in cells.items() if not any(output.output_type == "error" for output in cell.outputs)}
        for name, reason in verdicts(resources["probe_seed"], shown).items():
            if reason:
                self.log.warning("%s: %s", name, reason)
                cells[name].outputs.insert(0, failed(reason))
        if trained_model.NAME in cells:
            cells[trained_model.NAME].outputs = [self.model_output(resources)]
        return nb, resources

    def model_output(self, resources):
        """The one output of exercise 5.5: what the model file reached, or why it earns nothing."""
        path = Path(resources["metadata"]["path"], MODEL_FILE)
        id, text = trained_model.verdict(path, self.held_out_seed)
        return failed(text, id) if id else new_output("stream", name="stdout", text=f"✓ {text}\n")


def verdicts(seed, shown):
    """Name to reason or None (see `grading.mark.compare`)."""
    return json.loads(jail.run(("grading.mark.compare:main", seed), stdin=json.dumps(shown)).stdout)


def failed(reason, id="hidden_test"):
    """An error output that says why, in the place of a traceback, and in the form of a check's."""
    return new_output("error", ename="HiddenTest", evalue=reason,
                      traceback=[f"Not yet: {id.replace('_', ' ')}.", reason])
