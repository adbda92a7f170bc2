"""Hostile submissions (`tests.attacks`), graded by nbgrader's own converter with the course's settings."""

import contextlib
import io
import json
import logging
import os
import secrets
import shutil
import socket
import tempfile
import threading
from pathlib import Path

import nbformat
import psutil
import pytest
from nbgrader.api import Gradebook
from nbgrader.converters import Autograde, GenerateAssignment
from nbgrader.converters.base import NbGraderException
from nbgrader.coursedir import CourseDirectory
from traitlets.config import PyFileConfigLoader

from grading.mark import examine
from grading.run import jail
from helpers.settings import ROOT
from tests import attacks
from tests.support import golden

NAME = "01_setup"
FULL = {"test_choose_device": 4, "test_load_target": 8, "test_count_pixels": 8}
ATTACKS = attacks.everything()
QUICK = [attack for attack in ATTACKS if not attack.slow]
SLOW = [attack for attack in ATTACKS if attack.slow]
BATCHES = {**{f"quick-{number}": QUICK[number::4] for number in range(4)},
           **{f"clocks-{number}": SLOW[number::2] for number in range(2)}}
HONEST = ("a_honest", "m_honest", "zz_honest")  # before, between and behind the others


pytestmark = pytest.mark.usefixtures("bubblewrap")


def short(notebook):
    """Without the cells that only draw: what is tested here is the jail."""
    keep = ("setup", "choose_device", "load_target", "count_pixels", *FULL)
    notebook.cells = [cell for cell in notebook.cells if cell.metadata.get("nbgrader", {}).get("grade_id") in keep
                      or cell.source.startswith("import torch\n")]
    return notebook


def settings(course, seed):
    """The course's own settings, for a course of one short notebook."""
    config = PyFileConfigLoader("nbgrader_config.py", path=str(ROOT)).load_config()
    config.CourseDirectory.root = str(course)
    config.CourseDirectory.source_directory = "source"
    config.CourseDirectory.release_directory = "release"
    config.CourseDirectory.assignment_id = NAME
    config.CourseDirectory.db_url = f"sqlite:///{course}/gradebook.db"
    config.RestoreAnswers.release = str(course / "release")
    config.Examine.seed = seed
    config.JailedExecute.timeout, config.Examine.timeout = 4, 8
    config.JailedExecute.limits = {"wall": 300, "memory": 2 ** 31, "disk": 2 ** 26}
    return config


def convert(converter, config):
    log = logging.getLogger(f"attacks-{os.getpid()}")
    said = io.StringIO()
    log.propagate, log.handlers = False, [logging.StreamHandler(said)]
    log.setLevel(logging.ERROR)
    for left in (1, 0):  # as grading.shard: where nbgrader stumbles once, it goes on with what is left
        try:
            return converter(coursedir=CourseDirectory(config=config), config=config, log=log).start()
        except NbGraderException:
            if not left:
                pytest.fail(f"nbgrader could not grade a submission:\n{said.getvalue()[-5000:]}")


def hand_in(course, name, answers, attack=None, port=0):
    """One student's folder."""
    notebook = nbformat.read(course / "release" / NAME / f"{NAME}.ipynb", as_version=4)
    places = {}
    for number, cell in enumerate(notebook.cells):
        grade_id = cell.metadata.get("nbgrader", {}).get("grade_id")
        places[grade_id] = number
        if grade_id in answers:
            cell.source = answers[grade_id]
            if attack and attack.answer == grade_id:
                code = attacks.preamble(course, ROOT, port) + "\n" + attack.code
                cell.source = code if grade_id in attack.lost else f"{code}\n\n{cell.source}"
    if attack and not attack.answer:
        place = places[f"test_{attack.behind}"] + 1 if attack.behind else places["choose_device"]
        code = attacks.preamble(course, ROOT, port) + "\n" + attack.code
        notebook.cells.insert(place, nbformat.v4.new_code_cell(code))
    if attack and attack.change:
        attack.change(notebook)
    folder = course / "submitted" / name / NAME
    folder.mkdir(parents=True)
    (folder / f"{NAME}.ipynb").write_text(json.dumps(notebook))
    for put in attack.files if attack else ():
        put(folder, course)


def listing(*folders):
    """Every file with size and time of change, but for what Python compiles."""
    return {str(path): (path.lstat().st_size, path.lstat().st_mtime_ns) for folder in folders
            for path in Path(folder).rglob("*") if path.is_file() and "__pycache__" not in path.parts}


def left_behind(*folders):
    return [str(path) for folder in folders for path in Path(folder).rglob(f"*{attacks.MARK}*")]


def jails():
    """Living processes of jails: those that the parent of jails, itself one of them, has forked and all of theirs."""
    found = []
    for process in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.Error):
            if process.status() != psutil.STATUS_ZOMBIE and "inside.serve" in " ".join(process.cmdline()):
                found.append(process.name())
    return [name for name in found if name != "bwrap"][1:]


def leaks(student):
    """Whether an attack may see more behind the second wall, as docs/gradescope.md says."""
    return jail.require() == jail.USERS and student in ("reads_what_is_not_its_own", "reaches_sockets_of_the_host")


@pytest.fixture
def listener():
    """A port of this machine, and an abstract socket, that nobody may reach; yields the port."""
    with socket.create_server(("127.0.0.1", 0)) as server, socket.socket(socket.AF_UNIX) as abstract:
        port = server.getsockname()[1]
        abstract.bind(f"\0{attacks.MARK}-{port}")
        abstract.listen()
        yield port


@pytest.mark.parametrize("batch", BATCHES)
def test_a_hostile_submission_earns_what_its_honest_part_earns(batch, tmp_path, monkeypatch, listener):
    monkeypatch.setenv("SECRET", "of the grader")
    hostile = BATCHES[batch]
    jail.run(["true"])  # the parent of jails serves all batches of this process: its folder is not of this one
    scratch = Path(tempfile.mkdtemp(prefix="a-"))  # sockets want a short path
    monkeypatch.setattr(tempfile, "tempdir", str(scratch))
    threads = threading.active_count()
    seed = secrets.randbelow(2 ** 31)
    config = settings(tmp_path, seed)
    source = tmp_path / "source" / NAME
    source.mkdir(parents=True)
    solution = nbformat.read(ROOT / "solutions" / NAME / f"{NAME}.ipynb", as_version=4)
    nbformat.write(short(solution), source / f"{NAME}.ipynb")
    convert(GenerateAssignment, config)
    answers = golden.answers(NAME)
    for honest in HONEST:
        hand_in(tmp_path, honest, answers)
    for attack in hostile:
        hand_in(tmp_path, attack.name, answers, attack, listener)
    before = listing(ROOT / "data", ROOT / "helpers", source, tmp_path / "release", tmp_path / "submitted")

    convert(Autograde, config)

    expected = {honest: FULL for honest in HONEST}
    for attack in hostile:
        expected[attack.name] = {**FULL, **{f"test_{name}": 0 for name in attack.lost}}
    with Gradebook(config.CourseDirectory.db_url, "segmentation-course") as gradebook:
        found = {submission.student.id: {grade.cell.name: grade.score for grade in submission.notebooks[0].grades}
                 for submission in gradebook.assignment_submissions(NAME)}
        assert not [grade for submission in gradebook.assignment_submissions(NAME)
                    for grade in submission.notebooks[0].grades if grade.manual_score or grade.extra_credit]
    assert found == expected
    for student in expected:
        graded = (tmp_path / "autograded" / student / NAME / f"{NAME}.ipynb").read_text()
        for cell in nbformat.reads(graded, as_version=4).cells:
            printed = [output.text for output in cell.get("outputs", []) if output.output_type == "stream"]
            assert "BREACH" not in "".join(printed) or leaks(student), (student, printed)
            shown = [mime for output in cell.get("outputs", []) for mime in output.get("data", {})]
            assert not {"text/html", "application/javascript", "image/svg+xml"} & set(shown), student
        assert len(graded) < 12_000_000, student
    assert listing(ROOT / "data", ROOT / "helpers", source, tmp_path / "release", tmp_path / "submitted") == before
    assert left_behind(ROOT / "helpers", ROOT / "data", tmp_path / "autograded", "/dev/shm", scratch) == []
    assert not [path for path in Path("/tmp").glob(f"*{attacks.MARK}*")]
    assert [path.name for path in scratch.iterdir() if path.name.startswith("cj-")] == []
    examine.end_judge()  # it has seen no student's code, and would serve the next notebook
    assert jails() == []
    assert threading.active_count() <= threads + 2
    shutil.rmtree(scratch)
