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

from grading import trained_model

MOST = 5_000_000  # characters of answers; the largest probe shows a tenth of that


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
    outside the kernel too (`grading.trained_model`).
    """

    held_out_seed = Integer(0, help="draws the images that handed-in models are judged on").tag(config=True)

    def preprocess(self, nb, resources):
        from helpers.probes import MIME, PROBES  # imports torch: only when something is graded
        seed = resources["probe_seed"]
        for cell in nb.cells:
            if cell.cell_type != "code" or not is_grade(cell):
                continue
            # a number shown as a cell's result would be read as partial credit, ahead of any error
            cell.outputs = [output for output in cell.outputs if output.output_type != "execute_result"]
            name = cell.metadata.nbgrader["grade_id"].removeprefix("test_")
            if name == trained_model.NAME:
                cell.outputs = [self.model_output(resources)]
            elif name in PROBES and not any(output.output_type == "error" for output in cell.outputs):
                reason = verdict(name, seed, [output["data"][MIME] for output in cell.outputs
                                              if MIME in output.get("data", {})])
                if reason:
                    self.log.warning("%s: %s", name, reason)
                    cell.outputs.insert(0, failed(reason))
        return nb, resources

    def model_output(self, resources):
        """The one output of exercise 5.5: what the model file reached, or why it earns nothing."""
        path = Path(resources["metadata"]["path"], "model.safetensors")
        id, text = trained_model.verdict(path, self.held_out_seed)
        return failed(text, id) if id else new_output("stream", name="stdout", text=f"✓ {text}\n")


def verdict(name, seed, bundles):
    """Why the bundles that a cell showed for the probe `name` earn no points, or None."""
    from helpers.checks.guard import as_found
    from helpers.probes import PROBES, answers
    from helpers.probes.data import difference
    if len(bundles) != 1:
        return f"The hidden test shows its answers once; here they were shown {len(bundles)} times."
    bundle = bundles[0]
    try:
        if not isinstance(bundle, dict) or len(json.dumps(bundle)) > MOST:
            return "The answers are not in the form of the hidden test."
    except (TypeError, ValueError, RecursionError):
        return "The answers are not in the form of the hidden test."
    if bundle.get("name") != name or bundle.get("seed") != seed:
        return "The answers are those of another hidden test."
    probe = PROBES[name]
    if probe.verdict:
        with as_found(seed):
            reason = probe.verdict(probe.inputs(seed), bundle.get("answers"))
    else:
        reason = difference(bundle.get("answers"), answers(name, probe.reference, seed), probe.tolerance)
    return reason and f"The answers on fresh inputs differ from the right ones. {reason}."


def failed(reason, id="hidden_test"):
    """An error output that says why, in the place of a traceback, and in the form of a check's."""
    return new_output("error", ename="HiddenTest", evalue=reason,
                      traceback=[f"Not yet: {id.replace('_', ' ')}.", reason])
