"""Attacks by what lies in the handed-in folder and in the notebook file itself."""
# ruff: noqa: F821, F841

import io
import pickle
import zipfile

from nbformat.v4 import new_code_cell, new_output

from tests.attacks import MARK, cell


def _link(folder, course):
    (folder / "model.safetensors").symlink_to("../../../gradebook.db")


def _link_away(folder, course):
    (folder / "model.safetensors").symlink_to("/etc/passwd")


def _zip_bomb(folder, course):
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("bomb", bytes(50_000_000))
    (folder / "model.safetensors").write_bytes(data.getvalue())


class _Bomb:
    def __reduce__(self):
        return exec, (f"open('/tmp/{MARK}', 'w')",)


def _pickle_bomb(folder, course):
    (folder / "model.safetensors").write_bytes(pickle.dumps(_Bomb()))


def _modules(folder, course):
    for name in ("json", "grading", "sitecustomize", "usercustomize", "ipykernel_launcher", "zmq", "torch", "helpers"):
        (folder / f"{name}.py").write_text(f"open('/tmp/{MARK}-{name}', 'w')\nprint('BREACH')")
    (folder / "nbgrader_config.py").write_text(f"open('/tmp/{MARK}-config', 'w')")


@cell(files=(_link,))
def links_its_model_to_the_gradebook():
    attempt(open, "model.safetensors", "rb")


@cell(files=(_link_away,))
def links_its_model_to_a_system_file():
    attempt(open, "model.safetensors", "rb")


@cell(files=(_zip_bomb,))
def hands_in_a_zip_bomb():
    attempt(open, "model.safetensors", "wb")


@cell(files=(_pickle_bomb,))
def hands_in_a_pickle_bomb():
    attempt(open, "model.safetensors", "ab")


@cell(files=(_modules,))
def hands_in_modules_with_known_names():
    import json
    json.dumps(1)


def _tags(notebook):
    for each in notebook.cells:
        each.metadata["tags"] = ["skip-execution", "raises-exception", "remove-cell"]
        if each.metadata.get("nbgrader", {}).get("grade_id") == "count_pixels":
            each.source = "count_pixels = None"


@cell(change=_tags, lost=("count_pixels",))
def asks_to_be_skipped():
    pass


def _kernel(notebook):
    notebook.metadata["kernelspec"] = {"name": "bash", "display_name": "bash", "language": "bash"}
    notebook.metadata["language_info"] = {"name": "../../x", "file_extension": "/../../x"}


@cell(change=_kernel)
def asks_for_another_kernel():
    pass


def _huge(notebook):
    notebook.metadata["x"] = ["y" * 1000] * 2000
    notebook.cells[0].metadata["x"] = {"z" * 100_000: 10 ** 300}


@cell(change=_huge)
def fills_the_metadata():
    pass


def _points(notebook):
    notebook.cells.append(new_code_cell("None", metadata={"nbgrader": {
        "grade": True, "grade_id": "test_bonus", "points": 1000, "locked": False, "solution": False, "task": False,
        "schema_version": 3}}))
    for each in notebook.cells:
        if each.metadata.get("nbgrader", {}).get("grade"):
            each.metadata["nbgrader"]["points"] = 1000


@cell(change=_points)
def gives_itself_points():
    pass


def _edited(notebook):
    for each in notebook.cells:
        kind = each.metadata.get("nbgrader", {})
        if kind.get("grade"):
            each.source = "None"
        if kind.get("grade_id") == "count_pixels":
            each.source = "count_pixels = None"


@cell(change=_edited, lost=("count_pixels",))
def edits_the_tests():
    pass


def _outputs(notebook):
    for each in notebook.cells:
        if each.cell_type == "code":
            each.outputs = [new_output("execute_result", {"text/plain": "8.0", "text/html": "<script>1</script>"})]
        if each.metadata.get("nbgrader", {}).get("grade_id") == "count_pixels":
            each.source = "raise KeyboardInterrupt"


@cell(change=_outputs, lost=("count_pixels",))
def brings_outputs_along():
    pass
