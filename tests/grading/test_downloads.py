"""Each student's newest of each file counts, by the LMS's time, whatever the order of downloads."""

import itertools
import json

import pytest

from grading.intake import ingest
from tests.grading.test_ingest import ONE, TWO, data, half_filled, model, tree


def course_of(tmp_path, downloads):
    """The downloads taken in, in order: the Intake of everything stored."""
    for number, files in enumerate(downloads):
        ingest.ingest(tree(tmp_path / f"download-{number}" / "class", files), tmp_path / "course")
    return ingest.stored(tmp_path / "course")


EARLY = {"1-2 - ada - Nov 20, 2026 1000 AM/x.ipynb": half_filled(), "2-2 - bob - Nov 20, 2026 1000 AM/x.ipynb": TWO[1],
         "1-2 - ada - Nov 20, 2026 1000 AM/m.safetensors": model(8),
         "1-2 - ada - Nov 20, 2026 1000 AM/5.ipynb": data("05_evaluation")}
LATE = {"1-2 - ada - Nov 21, 2026 1000 AM/x.ipynb": ONE[1], "2-2 - bob - Nov 20, 2026 1000 AM/x.ipynb": TWO[1]}
MODEL_ALONE = {"1-2 - ada - Nov 22, 2026 1000 AM/m.safetensors": model(16)}


@pytest.mark.parametrize("order", itertools.permutations(range(3)))
def test_the_newest_of_each_file_counts_whatever_the_order_of_downloads(order, tmp_path):
    stored = course_of(tmp_path, [[EARLY, LATE, MODEL_ALONE][place] for place in order])
    ada = {one.assignment: one for one in stored.submissions if one.name == "ada"}
    assert ada["01_setup"].time == "2026-11-21 10:00:00" and ada["05_evaluation"].time == "2026-11-20 10:00:00"
    assert ada["05_evaluation"].model.read_bytes() == model(16)
    assert ada["05_evaluation"].model.parent == ada["05_evaluation"].notebook.parent
    assert {one.assignment for one in stored.submissions if one.name == "bob"} == {"02_augmentation"}


def test_notebook_5_alone_keeps_the_model_of_an_earlier_download(tmp_path):
    stored = course_of(tmp_path, [{"ada/5.ipynb": data("05_evaluation"), "ada/m.safetensors": model()},
                                  {"ada/5.ipynb": data("05_evaluation")}, {"ada/1.ipynb": ONE[1]}])
    one, = [one for one in stored.submissions if one.assignment == "05_evaluation"]
    assert one.model.read_bytes() == model()


def test_problems_stay_until_the_file_is_mended(tmp_path):
    broken = {"ada/01_setup.ipynb": b"not a notebook", "bob/02_augmentation.ipynb": b"{", "bob/x.ipynb": ONE[1]}
    stored = course_of(tmp_path, [broken, {"eve/x.ipynb": ONE[1], "bob/y.ipynb": TWO[1]}])
    assert [problem.student for problem in stored.problems] == ["ada"]
    assert course_of(tmp_path, [broken, {"ada/x.ipynb": ONE[1]}, {"bob/y.ipynb": TWO[1]}]).problems == []


@pytest.mark.parametrize("text", ["", "{", "[]", "7", '{"names": 7}', '{"names": {}, "records": {"ada": 7}}'])
def test_an_unreadable_intake_json_counts_as_none(text, tmp_path):
    course_of(tmp_path, [{"ada/x.ipynb": ONE[1]}])
    (tmp_path / "course" / "intake.json").write_text(text)
    assert [one.student for one in course_of(tmp_path, [{"ada/x.ipynb": ONE[1]}]).submissions] == ["ada"]
    assert json.loads((tmp_path / "course" / "intake.json").read_text())["records"]["ada"]
