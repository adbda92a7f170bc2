"""What an LMS, a browser or a hostile student can put into a download, and what is taken in from it."""

import functools
import gzip
import io
import json
import os
import struct
import subprocess
import sys
import time
import zipfile

import nbformat
import pytest
from nbgrader.utils import parse_utc

from grading.intake import download, files, ingest, reading, students
from tests.support import golden
from tests.support.lms import zipped
from tools import notebooks


@functools.cache
def data(name="01_setup", filled=True):
    return nbformat.writes(golden.submission(name, filled=filled)).encode()


@functools.cache
def half_filled(name="01_setup"):
    full = golden.answers(name)
    kept = list(full)[0]
    blank = {cell.metadata.nbgrader.grade_id: cell.source for cell in golden.submission(name, filled=False).cells
             if cell.metadata.get("nbgrader", {}).get("solution")}
    return nbformat.writes(golden.submission(name, lambda this, text: text if this == kept else blank[this])).encode()


def model(size=4):
    header = json.dumps({"a": {"dtype": "U8", "shape": [size], "data_offsets": [0, size]}}).encode()
    return struct.pack("<Q", len(header)) + header + b"\1" * size


def tree(folder, files):
    """Write files: a dictionary from path to bytes."""
    for path, content in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)
    return folder


@pytest.fixture
def taken_in(tmp_path):
    """Files in a folder `class` are taken in: (student, assignment) to submission, and the problems."""
    def take(files, **options):
        source = tree(tmp_path / "class", files) if isinstance(files, dict) else files
        result = ingest.ingest(source, tmp_path / "course", **options)
        for submission in result.submissions:
            notebook = nbformat.read(submission.notebook, as_version=4)
            nbformat.validate(notebook)
            assert submission.notebook.parent.parent.parent == tmp_path / "course" / "submitted"
        json.loads(result.to_json())
        return {(one.student, one.assignment): one for one in result.submissions}, result.problems
    return take


def named(submissions):
    return {(one.name, one.assignment) for one in submissions.values()}


ONE, TWO = ("01_setup", data()), ("02_augmentation", data("02_augmentation"))

LAYOUTS = {
    "a folder per student": {"ada/Untitled3.ipynb": ONE[1], "bob/hw.ipynb": TWO[1]},
    "a zip per student": {"ada.zip": zipped({"x.ipynb": ONE[1]}), "bob.zip": zipped({"a/b/x.ipynb": TWO[1]})},
    "nbgrader": {"submitted/ada/01_setup/01_setup.ipynb": ONE[1],
                 "submitted/bob/02_augmentation/02_augmentation.ipynb": TWO[1]},
    "golden": {"ada/01_setup.ipynb": ONE[1], "bob/02_augmentation.ipynb": TWO[1]},
    "nbgrader without submitted": {"ada/01_setup/01_setup.ipynb": ONE[1], "bob/02_augmentation/x.ipynb": TWO[1]},
    "by assignment": {"01_setup/ada/x.ipynb": ONE[1], "02_augmentation/bob/x.ipynb": TWO[1]},
    "loose": {"01_setup_ada.ipynb": ONE[1], "bob - 02 Augmentation (1).ipynb": TWO[1]},
    "Moodle, folders": {"ada_12345_assignsubmission_file_/x.ipynb": ONE[1],
                        "bob_12346_assignsubmission_file/x.ipynb": TWO[1]},
    "Moodle, files": {"ada_12345_assignsubmission_file_x.ipynb": ONE[1],
                      "bob_12346_assignsubmission_file_x y_z.ipynb": TWO[1]},
    "Canvas": {"ada_LATE_12345_67890_01_setup-2.ipynb": ONE[1], "bob_22345_67891_Untitled.ipynb": TWO[1]},
    "Blackboard": {"HW 1_ada_attempt_2026-11-22-10-00-00_file.ipynb": ONE[1],
                   "HW 1_bob_attempt_2026-11-22-10-00-01_x_y.ipynb": TWO[1],
                   "HW 1_bob_attempt_2026-11-22-10-00-01.txt": b"Name"},
    "Brightspace": {"123-456 - ada - Nov 22, 2026 1000 AM - 01_setup.ipynb": ONE[1],
                    "124-456 - bob - Nov 22, 2026 1001 AM - n.ipynb": TWO[1]},
    "one zip of a class": {"download.zip": zipped({"ada_12345_assignsubmission_file_/x.ipynb": ONE[1],
                                                   "bob_12346_assignsubmission_file_/x.ipynb": TWO[1]})},
    "zips within a zip": {"hw.zip": zipped({"ada_123_456_all.zip": zipped({"x.ipynb": ONE[1]}),
                                            "bob_124_457_all.zip": zipped({"x.ipynb": TWO[1]})})},
    "a renamed zip": {"ada/01_setup.ipynb": zipped({"__MACOSX/._x.ipynb": b"x", "x.ipynb": ONE[1]}),
                      "bob/x.ipynb": TWO[1]},
    "endings": {"ada/01_setup.ipynb.txt": ONE[1], "bob/02_augmentation.json": TWO[1]},
    "endings of browsers": {"ada/x.ipynb.gz": gzip.compress(ONE[1]), "bob/x.ipynb.download": TWO[1]},
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_whose_file_it_is_and_which_notebook_is_found_out(layout, taken_in):
    submissions, problems = taken_in(LAYOUTS[layout])
    assert named(submissions) == {("ada", "01_setup"), ("bob", "02_augmentation")}
    assert problems == []


NAMES = ["Copy of 01_setup.ipynb", "01_setup (2).ipynb", "01_setup.ipynb.", "01_setup.ipynb...", "01_setup.ipynb.txt",
         "01_setup.txt", "01_setup", "01_setup.IPYNB", "01_setup.ipynb.json", "01_setup.ipynb (1)", " 01 Setup .ipynb",
         "01_setup - Kopie.ipynb", "Untitled12.ipynb", "01_setup.ipynb.ipynb", "notebook1a2b3c.ipynb",
         "01\u2010set\u00fcp.ipynb", "my.solution.v2.final.ipynb", "#1.ipynb", "01_setup-checkpoint.ipynb"]


def test_no_name_that_a_file_may_have_costs_anything(taken_in):
    download = {f"student {number}/{name}": ONE[1] for number, name in enumerate(NAMES)}
    download |= {"zip/01_setup.ipynb.zip": zipped({"01_setup.ipynb": ONE[1]}),
                 "zips/all.zip": zipped({"inner.zip": zipped({"01_setup/01_setup.ipynb": ONE[1]})})}
    submissions, problems = taken_in(download)
    assert named(submissions) == {(path.split("/")[0], "01_setup") for path in download} and problems == []


def test_a_class_below_a_folder_that_is_nobodys(taken_in):
    submissions, _ = taken_in({"2026/hw one/ada/x.ipynb": ONE[1], "2026/hw one/bob/x.ipynb": ONE[1]})
    assert submissions.keys() == {("ada", "01_setup"), ("bob", "01_setup")}


def test_folders_of_one_student_are_one_students(taken_in):
    submissions, _ = taken_in({"ada/week 1/01_setup.ipynb": ONE[1], "ada/week 2/02_augmentation.ipynb": TWO[1]})
    assert submissions.keys() == {("ada", "01_setup"), ("ada", "02_augmentation")}


def test_a_zip_a_notebook_and_a_folder_of_five_can_be_given_themselves(taken_in, tmp_path):
    files = {"all.zip": zipped({"ada/x.ipynb": ONE[1], "bob/x.ipynb": TWO[1]}), "ada_01_setup.ipynb": ONE[1]}
    tree(tmp_path, files)
    assert len(taken_in(tmp_path / "all.zip")[0]) == 2
    assert taken_in(tmp_path / "ada_01_setup.ipynb")[0].keys() == {("ada", "01_setup")}
    five = tree(tmp_path / "grace", {f"{name}.ipynb": data(name) for name in notebooks.NAMES})
    assert taken_in(five)[0].keys() == {("grace", name) for name in notebooks.NAMES}


def test_an_instructors_own_pattern_goes_first(taken_in):
    files = {"submission--7--ada--x.ipynb": ONE[1], "submission--7--bob--x.ipynb": TWO[1]}
    submissions, _ = taken_in(files, named_regexp=r"submission--\d+--(?P<student_id>\w+)--(?P<file_id>.*)")
    assert submissions.keys() == {("ada", "01_setup"), ("bob", "02_augmentation")}


def test_content_tells_which_notebook_it_is_before_the_name_does(taken_in):
    submissions, problems = taken_in({"ada/01_setup.ipynb": TWO[1]})
    assert submissions.keys() == {("ada", "02_augmentation")}
    rewritten = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("def load_target(path):\n    return 1")])
    submissions, problems = taken_in({"bob/01_setup.ipynb": nbformat.writes(rewritten).encode()})
    assert ("bob", "01_setup") in submissions and problems == []
    submissions, problems = taken_in({"eve/01_setup.ipynb": b'{"cells": []}'})
    assert ("eve", "01_setup") in submissions and "only by its name" in problems[0].text


def test_a_notebook_of_another_course_is_a_problem_and_no_submission(taken_in):
    other = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("def evaluate(x):\n    return x")])
    submissions, problems = taken_in({"ada/hw7.ipynb": nbformat.writes(other).encode(), "bob/x.ipynb": ONE[1]})
    assert submissions.keys() == {("bob", "01_setup")}
    assert [(one.student, "not one of this course" in one.text) for one in problems] == [("ada", True)]


@pytest.mark.parametrize("words, content", [(words, content) for content, words in [
    (b"", "empty"), (b"<!DOCTYPE html><html>sign in</html>", "web page"), (b"not a notebook", "not a notebook"),
    (b"{", "broken"), (b'{"nbformat": 4}', "no cells"), (b'{"cells": 7}', "no cells"), (b'{"cells": [7', "broken"),
    (b'{"cells": [' * 100_000, "nested"), (b"\x1f\x8b" + b"x" * 50, "gzip"), (b"PK\3\4" + b"x" * 50, "cannot be read"),
    (b'{"nbformat": 3, "worksheets": [7]}', "cannot be converted"), (b'{"nbformat": 2, "worksheets": {}}', "format 2"),
    (b"\xff\xfe\x00", "not a notebook"), (b"\0\1\2\3\4\5", "not a notebook"),
]], ids=lambda value: value if isinstance(value, str) else repr(value[:20]))
def test_a_bad_file_is_one_line_and_stops_nobody_else(words, content, taken_in):
    submissions, problems = taken_in({"ada/01_setup.ipynb": content, "bob/x.ipynb": ONE[1]})
    assert submissions.keys() == {("bob", "01_setup")}
    assert len(problems) == 1 and words in problems[0].text and "\n" not in problems[0].text
    assert (problems[0].student, problems[0].file) == ("ada", "ada/01_setup.ipynb")


def test_a_file_that_is_cut_off_gives_its_whole_cells(taken_in):
    notebook = json.loads(data())
    text = json.dumps({"cells": notebook["cells"], "nbformat": 4})
    submissions, problems = taken_in({"ada/x.ipynb": text[:len(text) // 2].encode()})
    cells = nbformat.read(submissions["ada", "01_setup"].notebook, as_version=4).cells
    assert 5 < len(cells) < len(notebook["cells"]) and "cut off" in problems[0].text


def test_names_of_all_kinds_become_safe_ids_that_stay_apart(taken_in):
    names = ["ada", "Ada", "Zoë Ångström", "王伟", "🦊", "🐻", "a" * 200, "con", "x..", "-rf", "عادل", "a b", "a_b",
             "O'Neil; rm"]
    submissions, _ = taken_in({f"{name}/x.ipynb": ONE[1] for name in names})
    ids = [student for student, _ in submissions]
    assert len({student.casefold() for student in ids}) == len(names)
    assert all(student.isascii() and 0 < len(student) < 70 and student[0].isalnum() for student in ids)
    assert not any(set(student) & set("/\\:*?\"'<>|; ") for student in ids)
    assert "ada" in ids and "con" not in ids
    assert {one.name for one in submissions.values()} == set(names)
    assert {students.slug(name) for name in names} == set(ids)  # of the name alone, whoever else there is
    assert all(students.slug(name)[0].isalnum() and "/" not in students.slug(name) for name in ("A/../../x", "", "."))


CHOICES = {
    "the later attempt of Blackboard": ({"H_ada_attempt_2026-11-22-10-00-00_x.ipynb": half_filled(),
                                         "H_ada_attempt_2026-11-21-10-00-00_x.ipynb": data()}, "newest"),
    "the higher number of Canvas": ({"ada_123_456_x-2.ipynb": half_filled(), "ada_123_455_x.ipynb": data()}, "newest"),
    "the copy of a browser": ({"ada/01_setup (1).ipynb": half_filled(), "ada/01_setup.ipynb": data()}, "newest"),
    "the fullest, if nothing tells": ({"ada/b.ipynb": data(filled=False), "ada/a.ipynb": half_filled()}, "newest"),
}


@pytest.mark.parametrize("choice", CHOICES)
def test_of_two_files_the_latest_one_counts_and_a_line_says_so(choice, taken_in):
    files, why = CHOICES[choice]
    submissions, problems = taken_in(files)
    (one,), (problem,) = submissions.values(), problems
    assert nbformat.read(one.notebook, as_version=4).cells[5].source == reading.read(half_filled())[0].cells[5].source
    assert one.files == [name for name, content in files.items() if content == half_filled()]
    assert why in problem.text and problem.student == one.student and one.name == "ada"


@pytest.mark.parametrize("file", ["H_ada_attempt_2026-11-22-10-00-05_x.ipynb",
                                  "1-2 - ada - Nov 22, 2026 1000 AM - x.ipynb", "ada/x.ipynb"])
def test_the_time_of_an_attempt_is_kept_for_late_penalties(file, taken_in):
    submissions, _ = taken_in({file: ONE[1]})
    (one,) = submissions.values()
    path = one.notebook.with_name("timestamp.txt")
    assert path.exists() == ("2026" in file)
    assert not path.exists() or parse_utc(path.read_text()).isoformat().startswith("2026-11-22T10:00:0")


def test_of_two_files_of_one_time_the_fuller_one_counts(taken_in, tmp_path):
    source = tree(tmp_path / "class", {"ada/x.ipynb": half_filled(), "ada/y.ipynb": data(),
                                       "ada/z.ipynb": half_filled()})
    submissions, problems = taken_in(source)
    assert submissions["ada", "01_setup"].files == ["ada/y.ipynb"] and "fullest" in problems[0].text
    os.utime(source / "ada/x.ipynb", (time.time() + 3600,) * 2)
    assert taken_in(source)[0]["ada", "01_setup"].files == ["ada/x.ipynb"]


def test_an_empty_notebook_handed_in_later_does_not_replace_an_answer(taken_in):
    submissions, _ = taken_in({"ada_1234_456_x-3.ipynb": data(filled=False), "ada_1234_455_x.ipynb": half_filled()})
    assert submissions["ada_1234", "01_setup"].files == ["ada_1234_455_x.ipynb"]


def test_two_people_of_one_name_stay_two(taken_in):
    submissions, problems = taken_in({"Kim Lee_11_assignsubmission_file_/x.ipynb": ONE[1],
                                      "Kim Lee_12_assignsubmission_file_/x.ipynb": half_filled()})
    assert named(submissions) == {("Kim Lee 11", "01_setup"), ("Kim Lee 12", "01_setup")} and problems == []
    submissions, problems = taken_in({"Jo Lee_11_assignsubmission_file_/x.ipynb": ONE[1],
                                      "Jo Lee_12_assignsubmission_file_/x.ipynb": TWO[1]})
    assert named(submissions) >= {("Jo Lee", "01_setup"), ("Jo Lee", "02_augmentation")}
    assert len({student for (student, _), one in submissions.items() if one.name == "Jo Lee"}) == 1


def test_user_names_with_underscores_stay_apart_on_blackboard(taken_in):
    files = {f"HW_{user}_attempt_2026-11-22-10-00-00_x.ipynb": ONE[1] for user in ("a_smith", "b_smith", "jones")}
    assert {student for student, _ in taken_in(files)[0]} == {"a_smith", "b_smith", "jones"}


def test_the_model_file_goes_with_notebook_5(taken_in):
    submissions, problems = taken_in({"ada/x.ipynb": data("05_evaluation"), "ada/out/best.safetensors": model(),
                                      "bob/x.ipynb": ONE[1], "bob/model.safetensors": model(),
                                      "eve/x.ipynb": data("05_evaluation"), "eve/model.safetensors": model()[:-1]})
    one = submissions["ada", "05_evaluation"]
    assert one.model.read_bytes() == model() and one.model.name == "model.safetensors"
    assert submissions["eve", "05_evaluation"].model is None and submissions["bob", "01_setup"].model is None
    assert {problem.student for problem in problems} == {"bob", "eve"}
    again, _ = taken_in({"ada/out/best.safetensors": model(8)})
    assert again["ada", "05_evaluation"].sha256 != one.sha256


@pytest.mark.parametrize("content", [b"", b"\x80\x04pickle", struct.pack("<Q", 1 << 60), struct.pack("<Q", 2) + b"[]",
                                     struct.pack("<Q", 9) + b"{" * 9, model() + b"x",
                                     struct.pack("<Q", 8) + b'{"a": 7}'])
def test_what_is_no_model_file_is_left_out(content, taken_in):
    submissions, problems = taken_in({"ada/x.ipynb": data("05_evaluation"), "ada/model.safetensors": content})
    assert submissions["ada", "05_evaluation"].model is None and "model file was left out" in problems[0].text


def test_a_model_file_that_is_too_large_is_left_out(taken_in, monkeypatch):
    monkeypatch.setattr(download, "MODEL_SIZE", 50)
    submissions, problems = taken_in({"ada/x.ipynb": data("05_evaluation"), "ada/model.safetensors": model()})
    assert submissions["ada", "05_evaluation"].model is None and "at most" in problems[0].text


def test_the_same_file_is_the_same_also_in_an_old_format(taken_in):
    content = json.dumps(nbformat.convert(golden.submission("01_setup"), 3)).encode()
    once, _ = taken_in({"ada/x.ipynb": content})
    assert taken_in({"ada/x.ipynb": content}) == (once, [])


@pytest.mark.skipif(sys.platform == "win32", reason="links need rights on Windows")
def test_links_and_special_files_are_refused(taken_in, tmp_path):
    tree(tmp_path, {"secret/01_setup.ipynb": ONE[1]})
    source = tree(tmp_path / "class", {"bob/x.ipynb": TWO[1]})
    (source / "ada").mkdir()
    (source / "ada" / "01_setup.ipynb").symlink_to(tmp_path / "secret" / "01_setup.ipynb")
    (source / "eve").symlink_to(tmp_path / "secret")
    os.mkfifo(source / "bob" / "01_setup.ipynb")
    submissions, problems = taken_in(source)
    assert submissions.keys() == {("bob", "02_augmentation")}
    assert sorted(problem.file for problem in problems) == ["ada/01_setup.ipynb", "bob/01_setup.ipynb", "eve"]


@pytest.mark.parametrize("name", ["../x.ipynb", "/etc/x.ipynb", "C:/x.ipynb", "a/../../x.ipynb", "..\\x.ipynb",
                                  "C:\\x.ipynb"])
def test_names_that_lead_out_of_an_archive_are_refused(name, taken_in, tmp_path):
    before = sorted(tmp_path.parent.rglob("*.ipynb"))
    submissions, problems = taken_in({"ada.zip": zipped({name: ONE[1], "ok.ipynb": TWO[1]})})
    assert submissions.keys() == {("ada", "02_augmentation")} and "leads out" in problems[0].text
    assert [path for path in sorted(tmp_path.parent.rglob("*.ipynb")) if path not in before] == [
        tmp_path / "course" / "submitted" / "ada" / "02_augmentation" / "02_augmentation.ipynb"]


def test_links_and_passwords_in_archives_are_refused(taken_in):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        link = zipfile.ZipInfo("01_setup.ipynb")
        link.external_attr = 0o120777 << 16
        archive.writestr(link, "/etc/passwd")
        archive.writestr("x.ipynb", TWO[1])
    locked = bytearray(zipped({"01_setup.ipynb": ONE[1]}))
    for place in (6, locked.rindex(b"PK\1\2") + 8):
        locked[place] |= 1
    submissions, problems = taken_in({"ada.zip": stream.getvalue(), "bob.zip": bytes(locked)})
    assert submissions.keys() == {("ada", "02_augmentation")}
    assert [problem.text.split(",")[0] for problem in problems] == ["a link", "needs a password"]


def test_an_archive_that_unpacks_to_too_much_is_not_opened(taken_in, monkeypatch, tmp_path):
    bomb = zipped({f"{number}.ipynb": b"0" * 200_000_000 for number in range(4)})
    submissions, problems = taken_in({"ada.zip": bomb, "bob/x.ipynb": ONE[1]})
    assert submissions.keys() == {("bob", "01_setup")} and "unpack to" in problems[0].text
    monkeypatch.setattr(files, "UNPACKED", (1000, 10))
    monkeypatch.setattr(files.zipfile.ZipFile, "open", lambda *args: pytest.fail("it was opened"))
    with pytest.raises(files.BadArchive, match="unpack to"):
        files.entries([str(tmp_path / "class" / "ada.zip")], [])


def test_archives_within_archives_have_an_end(taken_in):
    inner = zipped({"x.ipynb": ONE[1]})
    for _ in range(6):
        inner = zipped({"again.zip": inner})
    submissions, problems = taken_in({"ada.zip": inner, "bob/x.ipynb": ONE[1]})
    assert submissions.keys() == {("bob", "01_setup")} and "within" in problems[0].text


@pytest.mark.parametrize("damage", [lambda zip: zip[:len(zip) // 2],
                                    lambda zip: b"x" + zip[1:100] + b"y" * 60 + zip[160:],
                                    lambda zip: b"PK", lambda zip: zip[:-30] + b"\xff" * 30])
def test_a_damaged_archive_is_a_problem(damage, taken_in):
    submissions, problems = taken_in({"ada.zip": damage(zipped({"x.ipynb": ONE[1]})), "bob/x.ipynb": ONE[1]})
    assert submissions.keys() == {("bob", "01_setup")} and problems


def test_what_nobody_needs_is_dropped_in_silence_and_empty_hands_are_named(taken_in):
    submissions, problems = taken_in({
        "ada/x.ipynb": ONE[1], "ada/.ipynb_checkpoints/x-checkpoint.ipynb": ONE[1], "ada/__pycache__/a.pyc": b"",
        "ada/.DS_Store": b"", "__MACOSX/ada/._x.ipynb": b"", "ada/helpers/metrics.py": b"x = 1\n",
        "ada/cells.json": b"{}", "ada/notes.pdf": b"", "bob/report.pdf": b"", "bob/a.7z": b"", "grades.csv": b""})
    assert submissions.keys() == {("ada", "01_setup")}
    assert [(problem.file, problem.student) for problem in problems] == [("bob/a.7z", "bob")]


def test_who_hands_in_the_whole_course_is_not_graded_by_its_solutions(taken_in):
    files = {"ada/course/notebooks/01_setup/01_setup.ipynb": half_filled(), "bob/solutions/01_setup.ipynb": data(),
             "ada/course/solutions/01_setup/01_setup.ipynb": data()}
    submissions, problems = taken_in(files)
    assert [one.files for one in submissions.values()] == [["ada/course/notebooks/01_setup/01_setup.ipynb"]]
    assert [problem.student for problem in problems] == ["bob"]


def test_a_script_of_jupytext_is_a_notebook(taken_in):
    import jupytext
    script = jupytext.writes(golden.submission("01_setup"), fmt="py:percent").encode()
    submissions, problems = taken_in({"ada/01_setup.py": script})
    assert submissions.keys() == {("ada", "01_setup")} and len(problems) == 1


def test_outputs_of_50_megabytes_are_dropped(taken_in):
    notebook = golden.submission("01_setup")
    notebook.cells[1].outputs = [nbformat.v4.new_output("stream", text="x" * 50_000_000)]
    submissions, problems = taken_in({"ada/x.ipynb": json.dumps(notebook).encode()})
    assert submissions["ada", "01_setup"].notebook.stat().st_size < 100_000 and problems == []


@pytest.mark.parametrize("cells", [[{"cell_type": "markdown", "source": "x" * 21_000_000}],
                                   [{"cell_type": "code", "source": "x" * 3_000_000}], [{}] * 6_000])
def test_a_notebook_of_too_much_text_or_too_many_cells_is_left_out(cells, taken_in):
    submissions, problems = taken_in({"ada/x.ipynb": json.dumps({"cells": cells}).encode(), "bob/x.ipynb": ONE[1]})
    assert submissions.keys() == {("bob", "01_setup")} and "at most" in problems[0].text


def test_the_same_download_twice_changes_nothing(taken_in, tmp_path):
    source = tree(tmp_path / "class", {"ada/x.ipynb": data("05_evaluation"), "ada/m.safetensors": model()})
    first, _ = taken_in(source)
    times = {path: path.stat().st_mtime_ns for path in (tmp_path / "course").rglob("*")if path.is_file()}
    second, _ = taken_in(source)
    assert first == second
    assert times == {path: path.stat().st_mtime_ns for path in (tmp_path / "course").rglob("*") if path.is_file()}
    assert not [path for path in (tmp_path / "course").iterdir() if path.name not in ("submitted", "intake.json")]


def test_a_full_disk_costs_only_what_does_not_fit(taken_in, monkeypatch):
    replace = os.replace

    def full(new, path):
        if "ada" in str(path):
            raise OSError(28, "No space left on device")
        replace(new, path)
    monkeypatch.setattr(os, "replace", full)
    submissions, problems = taken_in({"ada/x.ipynb": ONE[1], "bob/x.ipynb": ONE[1]})
    assert submissions.keys() == {("bob", "01_setup")} and "No space left" in problems[0].text


@pytest.mark.parametrize("make, words", [
    (lambda folder: folder / "nowhere", "There is no"),
    (lambda folder: tree(folder / "empty", {"x/.keep": b""}), "is empty")])
def test_nothing_to_take_in_is_one_line(make, words, tmp_path):
    with pytest.raises(ingest.IngestError, match=words) as raised:
        ingest.ingest(make(tmp_path), tmp_path / "course")
    assert "\n" not in str(raised.value)


def test_no_release_is_one_line(tmp_path):
    with pytest.raises(ingest.IngestError, match="make release"):
        ingest.ingest(tree(tmp_path / "class", {"ada/x.ipynb": ONE[1]}), tmp_path / "course", release=tmp_path)


def test_taking_in_imports_neither_torch_nor_nbgrader():
    code = "import sys, grading.intake.ingest; print(sorted({'torch', 'nbgrader'} & set(sys.modules)))"
    run = subprocess.run([sys.executable, "-c", code], cwd=notebooks.ROOT, capture_output=True, text=True)
    assert run.stdout.strip() == "[]", run.stderr
