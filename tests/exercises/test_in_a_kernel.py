"""What a check says in a real kernel, after cells that did not run."""

import nbformat
import pytest
from nbclient import NotebookClient

from helpers.settings import ROOT

RIGHT = "from helpers import checks, metrics\ndef mean_iou(confusion):\n    return metrics.mean_iou(confusion)"
BROKEN = "def mean_iou(confusion)\n    return 1"
CHECK = "checks.mean_iou(mean_iou)"


def said(*sources):
    """All that the last cell shows."""
    cells = [nbformat.v4.new_code_cell(source) for source in sources]
    nb = nbformat.v4.new_notebook(cells=cells)
    NotebookClient(nb, timeout=120, allow_errors=True, resources={"metadata": {"path": str(ROOT)}}).execute()
    return "".join(output.get("text") or "\n".join(output.get("traceback", ())) for output in nb.cells[-1].outputs)


@pytest.mark.parametrize("sources, judged_the_version_before", [
    ([RIGHT, CHECK], False), ([RIGHT, BROKEN, CHECK], True), ([RIGHT, BROKEN, "1 + 1", CHECK], True),
    ([RIGHT, BROKEN, RIGHT, CHECK], False), ([RIGHT, "def other()\n    pass", CHECK], False),
    ([RIGHT, "  1\n 2\ndef mean_iou(confusion): pass", CHECK], True),
])
def test_after_a_syntax_error_the_check_says_that_it_judges_the_version_before(sources, judged_the_version_before):
    text = said(*sources)
    assert "\u2713" in text and ("judges the version before" in text) == judged_the_version_before
