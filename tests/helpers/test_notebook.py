"""From the badge to a running notebook: the first cell and colab_setup.sh, on Colab, Kaggle, a clone, and offline."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import nbformat
import pytest
import torch
from IPython.core.error import UsageError

from helpers import notebook, settings
from helpers.settings import ROOT
from tools import notebooks, verify

SETUP = nbformat.read(notebooks.solution("01_setup"), as_version=4).cells[1].source
needs = pytest.mark.skipif(not all(map(shutil.which, ("bash", "curl", "git"))), reason="needs bash, curl and git")


@pytest.fixture(autouse=True)
def history(monkeypatch, tmp_path_factory):
    """Where an IPython of these tests keeps its files."""
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path_factory.mktemp("ipython")))


@pytest.fixture(scope="module")
def repository(tmp_path_factory):
    """The course as a repository to clone from: what stands in this working tree."""
    folder = tmp_path_factory.mktemp("repository")
    shutil.copytree(ROOT / "helpers", folder / "helpers", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("requirements.txt", "colab_setup.sh"):
        shutil.copy(ROOT / name, folder)
    for step in (["init", "-q"], ["add", "."], ["-c", "user.name=x", "-c", "user.email=x@x", "commit", "-qm", "x"]):
        subprocess.run(["git", "-C", folder, *step], check=True)
    return f"file://{folder}"


def first_cell(folder, repository="nowhere", script=f"file://{ROOT}/colab_setup.sh", more=""):
    """Run the first cell in `folder` in an IPython of its own, with `script` in the place of the published one."""
    lines = [f'SETUP = "{script}"' if line.startswith("SETUP =") else line for line in SETUP.splitlines()]
    assert sum(line.startswith("SETUP =") for line in lines) == 1
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("COURSE_", "PYTHONPATH"))}
    return subprocess.run([sys.executable, "-m", "IPython", "--colors=NoColor", "-c", "\n".join([*lines, more])],
                          cwd=folder, capture_output=True, text=True,
                          env={**environment, "REPOSITORY": repository})


def fetch(folder, repository, *arguments):
    """colab_setup.sh as it comes on Colab: through a pipe."""
    return subprocess.run(["bash", "-s", *arguments], cwd=folder, capture_output=True, text=True,
                          input=(ROOT / "colab_setup.sh").read_text(), env={"PATH": os.environ["PATH"],
                                                                           "HOME": str(folder),
                                                                           "REPOSITORY": repository})


@needs
def test_in_an_empty_folder_the_first_cell_fetches_the_course_and_says_what_is_there(repository, tmp_path):
    where = "import helpers; print(helpers.__file__)"
    first = first_cell(tmp_path, repository, more=where)
    line, place = first.stdout.splitlines()
    assert re.fullmatch(r"(Everything is as tested: torch [\d.]+|Ready, but not quite as tested: .*), .*, "
                        r"data set shapes\.", line) and not first.stderr
    assert Path(place) == (tmp_path / "segmentation-course" / "helpers" / "__init__.py").resolve()
    again = first_cell(tmp_path, "nowhere", "file:///nowhere", more=where)  # a restart, the network gone
    assert again.stdout == first.stdout


@needs
def test_in_a_clone_the_first_cell_needs_no_network(tmp_path):
    done = first_cell(ROOT / "notebooks", script="file:///nowhere", more="import helpers; print(helpers.__file__)")
    assert done.stdout.splitlines()[-1] == str(ROOT / "helpers" / "__init__.py")


@needs
@pytest.mark.parametrize("script, reason", [("file:///nowhere", "curl: (37)"),
                                            (f"file://{ROOT}/colab_setup.sh", "does not exist")])
def test_without_clone_and_network_the_first_cell_ends_in_one_line(tmp_path, script, reason):
    failed = first_cell(tmp_path, "nowhere", script)
    lines = failed.stderr.strip().splitlines()
    assert len(lines) == 1 and lines[0].startswith("UsageError: the course could not be fetched; is there a network?")
    assert reason in lines[0] and not failed.stdout
    assert not list(tmp_path.iterdir())


@needs
def test_setup_fetches_the_course_once_and_leaves_nothing_half_done(repository, tmp_path):
    (tmp_path / "segmentation-course.part").mkdir()  # of a machine that stopped half-way
    (tmp_path / "segmentation-course.part" / "half").touch()
    failed = fetch(tmp_path, str(tmp_path / "nowhere"))
    assert failed.returncode == 1 and "is there a network?" in failed.stderr and not list(tmp_path.iterdir())
    (tmp_path / "segmentation-course.part").mkdir()
    (tmp_path / "segmentation-course.part" / "half").touch()
    assert "now in segmentation-course" in fetch(tmp_path, repository).stdout
    assert (tmp_path / "segmentation-course" / "helpers").is_dir()
    assert "already here" in fetch(tmp_path, "nowhere").stdout
    assert "expected nothing or verify" in fetch(tmp_path, "nowhere", "verfy").stderr


@pytest.fixture
def clean(monkeypatch):
    """No COURSE_ variable set, nothing chosen yet, and all as before afterwards."""
    for name in ("COURSE_DATASET", "COURSE_OUTPUT", "COURSE_DATA_ROOT", "COURSE_GRADING"):
        monkeypatch.setenv(name, "")  # so that monkeypatch takes back what the code sets
    monkeypatch.setattr(settings, "_chosen", {})
    return monkeypatch


def environment():
    return {name: os.environ.get(f"COURSE_{name}") or None for name in ("DATASET", "OUTPUT", "DATA_ROOT")}


def test_a_switch_is_followed_each_time_the_first_cell_is_run(clean):
    for dataset in ("shapes", "voc", "shapes"):
        notebook.start(dataset)
        assert environment() == {"DATASET": dataset, "OUTPUT": None, "DATA_ROOT": None}


def test_what_was_set_outside_the_notebook_wins(clean, capsys):
    clean.setenv("COURSE_DATASET", "voc")
    notebook.start("shapes")
    assert os.environ["COURSE_DATASET"] == "voc" and "data set voc" in capsys.readouterr().out


def test_a_grader_sees_no_table_and_keeps_its_settings(clean, capsys):
    clean.setenv("COURSE_GRADING", "1")
    notebook.start("voc", drive=True)
    assert environment() == {"DATASET": None, "OUTPUT": None, "DATA_ROOT": None} and not capsys.readouterr().out


def test_an_unknown_data_set_is_one_line_that_names_the_known(clean):
    with pytest.raises(UsageError, match='DATASET: expected "shapes", "voc" or "own", found \'VOC\''):
        notebook.start("VOC")


@pytest.fixture
def google(clean, tmp_path):
    """A Colab whose Drive is a temporary folder; its `mounted` list holds what was mounted."""
    module, mounted = ModuleType("google.colab"), []
    module.drive = SimpleNamespace(mount=mounted.append)
    clean.setitem(sys.modules, "google", ModuleType("google"))
    clean.setitem(sys.modules, "google.colab", module)
    clean.setattr(notebook, "DRIVE", tmp_path / "drive")
    return SimpleNamespace(drive=module.drive, mounted=mounted, folder=tmp_path / "drive/MyDrive/segmentation-course")


def test_drive_is_mounted_only_if_asked_and_then_keeps_checkpoints_and_the_archive(google, capsys):
    notebook.start("voc")
    assert not google.mounted and environment() == {"DATASET": "voc", "OUTPUT": None, "DATA_ROOT": None}
    notebook.start("voc", drive=True)
    assert google.mounted == [str(notebook.DRIVE)] and google.folder.is_dir() and "Drive" in capsys.readouterr().out
    assert environment() == {"DATASET": "voc", "OUTPUT": str(google.folder / "voc"),
                             "DATA_ROOT": str(google.folder / "voc-data")}
    notebook.start("shapes", drive=True)  # drawn anew in a second: no reason to keep it
    assert environment() == {"DATASET": "shapes", "OUTPUT": str(google.folder / "shapes"), "DATA_ROOT": None}
    notebook.start("shapes")
    assert environment() == {"DATASET": "shapes", "OUTPUT": None, "DATA_ROOT": None}


def test_a_drive_that_is_refused_is_one_line(google):
    def refuse(_):
        raise ValueError("mount failed: consent denied\nmore")
    google.drive.mount = refuse
    with pytest.raises(UsageError, match="mount failed: consent denied.*DRIVE = False"):
        notebook.start("shapes", drive=True)


def test_without_a_drive_the_switch_does_no_harm(clean, capsys):
    clean.setitem(sys.modules, "google.colab", None)
    notebook.start("shapes", drive=True)
    assert environment()["OUTPUT"] is None and "only Colab has Google Drive" in capsys.readouterr().out


@pytest.mark.parametrize("name, version, says", [
    ("torch", "2.11.0", "as tested"), ("torch", "2.11", "older"), ("torch", "2.12.1", "newer"),
    ("torch", "2.10.0", "older"), ("torch", "2.8.0", "too old: needs 2.9"), ("torch", None, "missing"),
    ("numpy", "1.26.4", "older"), ("ipywidgets", "7.6.5", "too old: needs 7.7")])
def test_a_version_is_judged_by_what_was_tested(name, version, says):
    assert notebook.compared(name, {"torch": ["2.11.0"], "numpy": ["2.1.3"], "ipywidgets": ["8.1.9", "7.7.1"]}[name],
                         version) == says


def test_both_tested_versions_of_the_widgets_are_as_tested():
    assert notebook.compared("ipywidgets", ["8.1.9", "7.7.1"], "7.7.1") == "as tested"


def test_a_small_package_that_is_missing_is_brought_and_nothing_large_ever(clean):
    installed, calls = {"filelock": None, "torch": None}, []
    clean.setattr(notebook, "found", lambda name: installed.get(name, notebook.tested()[name][0]))

    def pip(command, **_):
        calls.append([part for part in command if "==" in part])
        installed["filelock"] = notebook.tested()["filelock"][0]
    clean.setattr(notebook.subprocess, "run", pip)
    with pytest.raises(UsageError, match="torch is missing.*pip install torch==[0-9.]+, then restart"):
        notebook.start()
    assert calls == [[f"filelock=={notebook.tested()['filelock'][0]}"]]


def test_torch_and_torchvision_of_different_makes_are_one_line(clean):
    clean.setitem(sys.modules, "torchvision", None)  # as an import that fails
    with pytest.raises(UsageError, match="do not work together.*pip install torch==.* torchvision=="):
        notebook.require()


def test_the_gpu_is_named_with_its_memory_or_where_the_data_set_needs_one_the_way_to_one(clean):
    clean.setattr(torch.cuda, "is_available", lambda: False)
    clean.setattr(torch.backends.mps, "is_available", lambda: False)
    assert notebook.runtime("shapes") == "no GPU (this data set needs none)"
    assert "Change runtime type > T4 GPU" in notebook.runtime("voc")
    clean.setenv("KAGGLE_KERNEL_RUN_TYPE", "Interactive")
    assert "Settings > Accelerator" in notebook.runtime("voc")
    clean.setattr(torch.cuda, "is_available", lambda: True)
    clean.setattr(torch.cuda, "get_device_properties",
                  lambda _: SimpleNamespace(name="Tesla T4", total_memory=15_828_320_256))
    assert notebook.runtime("voc") == "Tesla T4 with 15 GB of memory"


@pytest.fixture
def as_tested(clean):
    """All packages as tested, but for those that a test puts in here."""
    versions = {}
    clean.setattr(notebook, "found", lambda name: versions.get(name, notebook.tested()[name][0]))
    return versions


def test_the_first_cell_shows_one_line_and_folds_the_versions_away(as_tested, clean):
    shown = []
    clean.setattr(notebook, "display", lambda data, raw: shown.append(data))
    notebook.start()
    as_tested["numpy"] = "1.26.4"
    notebook.start()
    line, html = shown[0]["text/plain"], shown[0]["text/html"]
    assert line.startswith("Everything is as tested: torch ") and line.endswith("data set shapes.")
    assert html.startswith(line + "<details><summary>All versions</summary>") and "pillow" in html
    assert shown[1]["text/plain"].startswith("Ready, but not quite as tested: numpy 1.26.4 is older, ")


@pytest.fixture(scope="module")
def notebook_after():
    """What an IPython shows for its last cell: a function of the sources of all, the first of which is run for it."""
    def last(*cells):
        lines = ["import os; os.environ['COURSE_DATASET'] = 'shapes'", "from helpers import notebook; notebook.start()",
                 *cells]
        code = ("from IPython.core.interactiveshell import InteractiveShell\n"
                "shell = InteractiveShell.instance(colors='NoColor')\n"
                f"for source in {lines!r}:\n    print('@@', flush=True)\n"
                "    shell.run_cell(source, store_history=True)\n")
        done = subprocess.run([sys.executable, "-c", code], cwd=ROOT / "notebooks" / "05_evaluation",
                              capture_output=True, text=True, env=os.environ | {"PYTHONPATH": str(ROOT)})
        assert not done.stderr
        return done.stdout.split("@@\n")[-1].strip()
    return last


IMPORTS = "from helpers import checks, metrics\n"
NOT_THERE = "`{}` is not there yet: choose Run > Run All Above Selected Cell, then run this cell again."


def test_after_a_restart_a_cell_of_the_course_says_in_one_line_what_to_run(notebook_after):
    figure = next(cell.source for cell in nbformat.read(notebooks.solution("05_evaluation"), as_version=4).cells
                  if cell.source.startswith("confusion = evaluate("))
    assert notebook_after(figure) == NOT_THERE.format("evaluate")
    assert notebook_after("checks.mean_iou(mean_iou)") == NOT_THERE.format("checks")
    assert notebook_after(IMPORTS, "checks.mean_iou(mean_iou)") == NOT_THERE.format("mean_iou")


def test_the_same_in_a_students_own_code_keeps_its_traceback_and_a_slip_of_theirs_gets_no_advice(notebook_after):
    own = notebook_after("def mine():\n    return mean_iou(1)\n\nmine()")
    assert "Traceback" in own and own.endswith(NOT_THERE.format("mean_iou"))
    assert "not there yet" not in notebook_after("prin('x')")


def test_a_figure_that_needs_an_empty_answer_says_which_and_how_to_go_on(notebook_after):
    stub = 'def mean_iou(confusion):\n    raise NotImplementedError("Exercise 5.2: average")'
    says = notebook_after(IMPORTS, stub, "print(mean_iou(1))")
    assert says.startswith("Exercise 5.2 is still empty.") and says.count("\n") == 0
    assert says.endswith('mean_iou = checks.lend("mean_iou")')
    ours = notebook_after(IMPORTS, 'mean_iou = checks.lend("mean_iou")', "checks.mean_iou(mean_iou)")
    assert ours.startswith("○ mean_iou: lent") and "no points" in ours


@pytest.mark.parametrize("score, ran, ending, passed", [
    (0.578, True, "mean IoU 0.578: above 0.40: passed", True),
    (0.4, True, "mean IoU 0.400: above 0.40: passed", True),
    (0.399, True, "mean IoU 0.399: not above 0.40: not passed", False),
    (0.5, False, "mean IoU 0.500: above 0.40, but not every cell ran: not passed", False),
    (None, False, "notebook 5 did not run to its end: not passed", False)])
def test_verify_ends_in_a_verdict(monkeypatch, tmp_path, clean, score, ran, ending, passed):
    def solutions(*_):
        if score is not None:
            verify.OUTPUT.mkdir()
            (verify.OUTPUT / "evaluation.json").write_text(json.dumps({"mean_iou": score}))
        return ran
    monkeypatch.setattr(verify, "run_solutions", solutions)
    monkeypatch.setattr(verify, "OUTPUT", tmp_path / "verify")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as end:
        verify.main()
    log = Path("verify.log").read_text().splitlines()
    assert log[-2].endswith(ending) and end.value.code == (0 if passed else 1)
    assert any("DATASET=shapes" in line for line in log) and any("tested with" in line for line in log)


def test_verify_without_its_data_is_a_line_and_a_failure(monkeypatch, tmp_path, clean):
    clean.setenv("COURSE_WEIGHTS", str(tmp_path / "none.pt"))
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as end:
        verify.main()
    assert end.value.code == 1 and "verify: COURSE_WEIGHTS: expected a weights file" in Path("verify.log").read_text()
