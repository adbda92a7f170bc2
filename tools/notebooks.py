"""Reading, running and tidying notebooks."""

import nbformat
from nbclient import NotebookClient
from traitlets.config import Config

from helpers.files import atomic
from helpers.settings import ROOT

NAMES = ("01_setup", "02_augmentation", "03_model", "04_training", "05_evaluation")
_ENCRYPTED = Config({"KernelManager": {"transport_encryption": "auto"}})  # else every kernel warns on stderr


def solution(name):
    return ROOT / "solutions" / name / f"{name}.ipynb"


def run(notebook, folder, environment, on_cell=lambda **_: None):
    """Execute in place, in `folder`, with these environment variables; `on_cell(cell_index=..., ...)` after each.

    Raises nbclient's CellExecutionError.
    """
    NotebookClient(notebook, timeout=None, kernel_name="python3", record_timing=False, config=_ENCRYPTED,
                   resources={"metadata": {"path": str(folder)}}, on_cell_executed=on_cell).execute(env=environment)


def tidy(notebook):
    """Take out what differs from machine to machine or is for no reader: times, versions, widgets."""
    notebook.metadata = {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
                         "language_info": {"name": "python"}}
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)
        for output in cell.get("outputs", []):
            data = output.get("data", {})
            data.pop("application/vnd.jupyter.widget-view+json", None)
            if "class=\"still-" in data.get("text/html", ""):  # of an explorer, with the live view's random name
                del data["text/html"]
        if cell.cell_type == "code":
            cell.outputs = [output for output in cell.outputs if output.get("data") != {}]
    return notebook


def write(notebook, path):
    """Write atomically; a reader sees the old file or the new one."""
    with atomic(path) as half_done:
        nbformat.write(notebook, half_done)
