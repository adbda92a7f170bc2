"""What programs that open a notebook make of it; `converted` and `mangled` add what converters and hands do.

Each function takes a notebook as it should be and gives what arrives: a notebook, or the bytes of a file. The code
of the answers is the same in all of them, so the points must be.
"""

import copy
import json

import nbformat
from nbformat.v4 import new_code_cell, new_output

MANGLES = {}


def mangle(function):
    """Registers a mangle; it works on a copy."""
    MANGLES[function.__name__] = lambda notebook: function(copy.deepcopy(notebook))
    return function


def as_bytes(arrived, name="notebook.ipynb"):
    """What lies in the file, and the name that it has."""
    if isinstance(arrived, tuple):
        return arrived
    return (arrived if isinstance(arrived, bytes) else json.dumps(arrived).encode()), name


def marks(cell):
    return cell.metadata.get("nbgrader", {})


def answers(notebook):
    return [cell for cell in notebook.cells if marks(cell).get("solution")]


def checks(notebook):
    return [cell for cell in notebook.cells if marks(cell).get("grade")]


@mangle
def nbgrader_marks_lost(notebook):
    for cell in notebook.cells:
        cell.metadata.pop("nbgrader", None)
    return notebook


@mangle
def cell_ids_drawn_anew(notebook):
    for number, cell in enumerate(notebook.cells):
        cell.id = f"{number:08x}"
    return notebook


@mangle
def all_metadata_and_ids_lost(notebook):
    notebook.metadata, notebook.nbformat_minor = {}, 4
    for cell in notebook.cells:
        del cell["id"]
        cell.metadata = {}
    return notebook


@mangle
def saved_by_colab(notebook):
    widgets = {"application/vnd.jupyter.widget-state+json": {"abc": {"model_name": "HTMLModel"}}}
    notebook.metadata = {"colab": {"provenance": [], "gpuType": "T4"}, "accelerator": "GPU", "widgets": widgets,
                         "kernelspec": {"name": "python3", "display_name": "Python 3"}}
    notebook.nbformat_minor = 0
    for number, cell in enumerate(notebook.cells):
        cell.metadata["id"] = cell.pop("id")
        if cell.cell_type == "code":
            cell.metadata |= {"cellView": "form", "outputId": f"{number:08x}-0000", "colab": {"height": 35}}
            cell.source = f"# @title Cell {number} {{ display-mode: \"form\" }}\n{cell.source}"
            cell.execution_count = number
            view = {"application/vnd.jupyter.widget-view+json": {"model_id": "abc"}}
            cell.outputs = [new_output("display_data", view)]
    return notebook


@mangle
def saved_by_colab_without_marks(notebook):
    notebook = saved_by_colab(notebook)
    for number, cell in enumerate(notebook.cells):
        cell.metadata = {"id": f"Xy{number}"}
    return notebook


@mangle
def lines_for_colab_within_the_answers(notebook):
    before = ("%pip install -q torchmetrics\n!nvidia-smi\n!pip install \\\n    albumentations\n"
              "from google.colab import drive, files; drive.mount('/content/drive')\n%matplotlib inline\n")
    for cell in answers(notebook):
        cell.source = before + cell.source + "\nfiles.download('x.png')\n%cd /content/drive/MyDrive"
    return notebook


@mangle
def answers_are_timed(notebook):
    for cell, magic in zip(answers(notebook), ["%%time", "%%timeit -n1", "%%capture", "%%prun"]):
        cell.source = f"{magic}\n{cell.source}"
    return notebook


@mangle
def saved_by_kaggle(notebook):
    notebook.metadata["kaggle"] = {"accelerator": "gpu", "dataSources": []}
    notebook.nbformat_minor = 4
    for number, cell in enumerate(notebook.cells):
        del cell["id"]
        cell.metadata = {"_uuid": f"{number:040x}", "trusted": True, "execution": {"iopub.status.busy": "2026"}}
    return notebook


@mangle
def saved_by_vscode(notebook):
    notebook.metadata["language_info"] = {"name": "python", "version": "3.13.1", "codemirror_mode": {"version": 3}}
    notebook.metadata["kernelspec"] = {"name": "venv", "display_name": ".venv", "language": "python"}
    for cell in notebook.cells:
        cell.metadata["vscode"] = {"languageId": "python"}
    return json.dumps(notebook, indent=1, ensure_ascii=False).replace("\n", "\r\n").encode()


@mangle
def notebook_format_3(notebook):
    notebook = nbformat.convert(notebook, 3)
    return json.dumps(notebook).encode()


@mangle
def sources_as_lists_or_nothing(notebook):
    for cell in notebook.cells:
        cell.source = None if cell.cell_type == "markdown" else cell.source.splitlines(keepends=True)
    return notebook


@mangle
def metadata_of_the_wrong_kind(notebook):
    notebook.metadata = None
    for number, cell in enumerate(notebook.cells):
        cell.metadata = [None, [], "text", 7][number % 4]
        cell.pop("outputs", None)
    notebook.cells[3:3] = [None, 7, {}, {"cell_type": "code"}]
    return notebook


@mangle
def unknown_kinds_of_cells(notebook):
    for cell in notebook.cells:
        cell.cell_type = {"markdown": "heading", "code": "cell"}[cell.cell_type]
    return notebook


@mangle
def outputs_of_5_megabytes(notebook):
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs = [new_output("stream", text="x" * 200_000)]
    notebook.cells[0]["attachments"] = {"a.png": {"image/png": "x" * 3_000_000}}
    return notebook


@mangle
def exported_by_databricks(notebook):
    notebook.metadata = {"application/vnd.databricks.v1+notebook": {"notebookName": "x", "widgets": {}},
                         "language_info": {"name": "python"}}
    notebook.nbformat_minor = 0
    for cell in notebook.cells:
        del cell["id"]
        cell.metadata = {"application/vnd.databricks.v1+cell": {"nuid": "1-2", "title": "", "cellMetadata": {}}}
    for cell in notebook.cells[:0:-7]:
        if cell.cell_type == "code":
            cell.source = f"%python\n{cell.source}"
    notebook.cells[1:1] = [new_code_cell(text) for text in ("%pip install torchmetrics", "%md\n# My notes, it's me",
                                                            "dbutils.library.restartPython()", "%sql select 1")]
    return notebook


@mangle
def saved_by_deepnote(notebook):
    notebook.metadata = {"deepnote": {}, "deepnote_notebook_id": "0123", "orig_nbformat": 2}
    for number, cell in enumerate(notebook.cells):
        cell.id = f"{number:032x}"
        cell.metadata = {"cell_id": cell.id, "deepnote_cell_type": cell.cell_type, "source_hash": "1", "tags": []}
    return notebook


@mangle
def saved_by_jupyterlite(notebook):
    notebook.metadata = {"kernelspec": {"name": "python", "display_name": "Python (Pyodide)", "language": "python"}}
    notebook.cells.insert(1, new_code_cell("import piplite\nawait piplite.install('tqdm')"))
    for number, cell in enumerate(notebook.cells):
        cell.id, cell.metadata = f"{number:08x}-0000-4000-8000-000000000000", {"trusted": True}
    return notebook


@mangle
def notebook_format_4_0(notebook):
    notebook.nbformat_minor = 0
    for cell in notebook.cells:
        del cell["id"]
    return notebook


@mangle
def a_converter_that_leaves_the_number_of_the_format_3(notebook):
    return json.dumps({**notebook, "nbformat": 3}).encode()


@mangle
def lines_without_their_ends(notebook):
    for cell in notebook.cells:
        cell.source = cell.source.split("\n")
    return json.dumps(notebook).encode()
