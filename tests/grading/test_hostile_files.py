"""One hostile file never ends or stalls the class: it is a line about that file, and everybody else is taken in."""

import gzip
import itertools
import json
import os
import struct
import subprocess
import sys
import time

import pytest

from grading.intake import child, layouts
from tests.grading.test_ingest import ONE, data, taken_in, zipped  # noqa: F401
from tests.support import fuzz
from tools import notebooks


def header(text):
    return struct.pack("<Q", len(text)) + text


def notebook(**fields):
    return json.dumps({"cells": [{"cell_type": "code", "source": "x = 1", **fields}], "nbformat": 4}).encode()


ALIASES = ("# ---\n# a0: &a0 [x, x]\n" + "".join(f"# a{n}: &a{n} [*a{n - 1}, *a{n - 1}]\n" for n in range(1, 60))
           + "# ---\nx = 1\n").encode()
HOSTILE = {
    "a tensor without a place": ("m.safetensors", header(b'{"a": {"data_offsets": []}}')),
    "tensors that are no dictionary": ("m.safetensors", header(b'{"a": 7, "b": [[[[1]]]]}')),
    "offsets of 400 digits": ("m.safetensors", header(b'{"a": {"data_offsets": [0, 1' + b"0" * 400 + b"]}}")),
    "offsets of 5,000 digits": ("m.safetensors", header(b'{"a": {"data_offsets": [0, 1' + b"0" * 5000 + b"]}}")),
    "a deep header": ("m.safetensors", header(b"[" * 200_000)),
    "a bomb of aliases": ("01_setup.py", ALIASES),
    "13 million cells": ("01_setup.ipynb", gzip.compress(b'{"cells": [' + b"{}," * 13_000_000 + b"{}]}")),
    "deep JSON": ("01_setup.ipynb", b'{"cells": [{"source": ' + b"[" * 500_000 + b"]" * 500_000 + b"}]}"),
    "a number of 5,000 digits": ("01_setup.ipynb", b'{"nbformat": 1' + b"0" * 5000 + b', "cells": []}'),
    "a deep expression": ("01_setup.py", b"x = " + b"(" * 9000 + b")" * 9000),
    "a long chain of calls": ("01_setup.py", b"x = y" + b"()" * 20_000),
    "many markers of a conflict": ("01_setup.py", b"<<<<<<< a\n=======\n>>>>>>> b\n" * 30_000),
}


def test_hostile_files_cost_one_line_each_and_nobody_else(taken_in):  # noqa: F811
    download = {f"{number:02}-{what}/{name}": content for number, (what, (name, content)) in enumerate(HOSTILE.items())}
    submissions, problems = taken_in({**download, "zoe/x.ipynb": ONE[1]})
    assert [one.name for one in submissions.values() if one.name == "zoe"] == ["zoe"]
    assert {problem.file for problem in problems} >= download.keys()
    assert all("\n" not in problem.text and len(problem.text) < 700 for problem in problems)


def test_sixty_names_of_60000_characters_do_not_stall(taken_in):  # noqa: F811
    names = {f"{'a' * 59_000}{'_' * 900}{number}_assignsubmission_file_/x.ipynb": ONE[1] for number in range(60)}
    submissions, problems = taken_in({"ada.zip": zipped(names), "bob/x.ipynb": ONE[1]})
    assert submissions.keys() == {("bob", "01_setup")} and len(problems) <= 30
    assert all(len(problem.file) < 400 for problem in problems)


@pytest.mark.parametrize("text", ["9999-12-31 23:59 -1200", "0001-01-01 00:00 +1400", "2026-13-45-99-99-99", "1" * 400,
                                  "Nov 22, 2026 1000 AM" * 50, "2026-11-22 " + "9" * 5000, "\ud800 2026",
                                  "12:00:00 2026 BCD"])
def test_no_date_in_a_name_raises(text):
    time = layouts.when(text)
    assert time == "" or "2000" <= time[:4] <= "2099"


def test_a_date_of_the_far_future_is_a_place_without_a_time(taken_in):  # noqa: F811
    submissions, _ = taken_in({"1-2 - ada - Dec 31, 9999 1159 PM - x.ipynb": ONE[1],
                               "3-2 - bob - Nov 22, 2026 1000 AM - x.ipynb": ONE[1]})
    assert {one.name for one in submissions.values()} >= {"bob"}
    assert not any(one.time.startswith(("9999", "10000")) for one in submissions.values())


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no such names")
def test_names_in_latin_1_are_taken_in_and_can_be_printed_on_any_screen(tmp_path):
    folder = os.fsencode(tmp_path / "class" / "x")[:-1] + "Jos\xe9".encode("latin-1")
    os.makedirs(folder)
    (tmp_path / "class" / "bob").mkdir()
    (tmp_path / "class" / "bob" / "x.ipynb").write_bytes(ONE[1])
    for name, content in ((b"caf\xe9.ipynb", ONE[1]), (b"\xff\xfe01_setup.ipynb", b"broken")):
        with open(folder + b"/" + name, "wb") as stream:
            stream.write(content)
    code = ("import sys; from grading.intake import ingest; r = ingest.ingest(*sys.argv[1:])\n"
            "print([one.name for one in r.submissions])\nfor one in r.problems: print(one.file, one.text)\nr.to_json()")
    run = subprocess.run([sys.executable, "-c", code, tmp_path / "class", tmp_path / "course"], cwd=notebooks.ROOT,
                         env={**os.environ, "PYTHONIOENCODING": "latin-1"}, capture_output=True)
    assert run.returncode == 0, run.stderr.decode()
    assert "José" in run.stdout.decode("latin-1") and "bob" in run.stdout.decode("latin-1")


def test_halves_of_characters_in_any_field_are_no_obstacle(taken_in):  # noqa: F811
    half = "\ud800"
    attachments = {half: {"image/png": half}}
    content = notebook(
        id=half,
        source=[half, "def load_target(path):\n    return 1"],
        attachments=attachments,
        metadata={"nbgrader": {"grade_id": half}, "id": half, half: half},
    )
    markdown = json.dumps({"cells": [{"cell_type": "markdown", "source": half, "attachments": attachments}],
                           "metadata": {half: half}}).encode()
    submissions, _ = taken_in({"ada/01_setup.ipynb": content, "bob/01_setup.ipynb": markdown})
    assert {student for student, _ in submissions} == {"ada", "bob"}


def test_who_hands_in_many_slow_files_uses_up_their_own_time_alone(taken_in, monkeypatch):  # noqa: F811
    calls = []

    def call(self, name, *arguments, **options):
        if name == "notebooks" and "ada" in arguments[0][0]:
            calls.append(arguments)
            raise child.Unreadable("reading it ended the process that read it", costly=True)
        return original(self, name, *arguments, **options)
    original = child.Child.call
    monkeypatch.setattr(child.Child, "call", call)
    submissions, problems = taken_in({**{f"ada/{n}.ipynb": b"{}" for n in range(50)}, "bob/x.ipynb": ONE[1]})
    assert submissions.keys() == {("bob", "01_setup")} and len(calls) == 3
    assert "47 more files were not read" in problems[-1].text


def test_a_busy_machine_costs_nobody_a_file(taken_in, monkeypatch):  # noqa: F811
    """Whoever looks at the clock finds that others had the CPU for 70 seconds."""
    clock = itertools.count(step=70)
    monkeypatch.setattr(time, "monotonic", lambda: float(next(clock)))
    submissions, problems = taken_in({f"ada/{name}.ipynb": data(name) for name in notebooks.NAMES})
    assert {name for _, name in submissions} == set(notebooks.NAMES) and problems == []


def test_a_reader_that_has_died_is_replaced():
    with child.Child(notebooks.ROOT / "notebooks") as reader:
        assert reader.call("head", [str(notebooks.ROOT / "README.md")])
        reader._process.kill()
        reader._process.wait()
        assert reader.call("head", [str(notebooks.ROOT / "README.md")])


def test_an_entry_without_a_name_costs_an_archive_no_other_file(taken_in):  # noqa: F811
    archive = zipped({"x.ipynb": ONE[1], "Q.ipynb": b"x"}).replace(b"Q.ipynb", b"\0.ipynb")
    submissions, _ = taken_in({"ada.zip": archive, "bob/x.ipynb": ONE[1]})
    assert {student for student, _ in submissions} == {"ada", "bob"}


@pytest.mark.parametrize("name", fuzz.PROPERTIES)
def test_what_comes_by_chance_is_taken_in_or_a_line(name):
    """The same few examples each time; `python -m benchmarks.fuzz` tries others for as long as it is told."""
    fuzz.run(name, 10)
