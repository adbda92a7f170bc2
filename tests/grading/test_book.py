"""One truth: gradebook, CSV, report and feedback say the same, whatever the order of downloads and whoever gave a mark.

Running notebooks is other tests' matter: here the grader's part between a download and the autograded notebook is a
stand-in that restores the answers and takes those of the solutions for right.
"""

import contextlib
import copy
import io
import json
import types
import zipfile

import nbformat
import pytest
from bs4 import BeautifulSoup
from nbformat.v4 import new_output
from nbgrader.apps import NbGrader

from grading import cluster, course, grade, gradebook, results, shard
from grading.restore import answers as restore
from grading.run import jail
from tests.support import golden
from tests.support.marks import everywhere

pytestmark = pytest.mark.filterwarnings("ignore::sqlalchemy.exc.SAWarning")
LAYOUTS = {  # how seven systems call a student's file
    "folders": "{name}/{notebook}.ipynb",
    "moodle": "{name}_{number}_assignsubmission_file/{notebook}.ipynb",
    "canvas": "{flat}_{number}_{number}_{notebook}.ipynb",
    "blackboard": "{notebook}_{flat}_attempt_2026-11-0{day}-12-00-00_{notebook}.ipynb",
    "brightspace": "{number}-{number} - {name} - 3 November 2026 1000 AM - {notebook}.ipynb",
    "nbgrader": "submitted/{flat}/{notebook}/{notebook}.ipynb",
    "loose": "{flat}_{notebook}.ipynb",
}
FIRST = ("Ada", "Grace", "Alan", "Emmy", "Katherine", "Radia")
LAST = ("Lovelace", "Hopper", "Turing", "Noether", "Johnson", "Perlman", "Liskov")
NAMES = ("01_setup", "02_augmentation")


def submission(name, number):
    """Right in all but a few exercises, which are wrong or blank."""
    exercises = list(golden.answers(name))

    def change(grade_id, source):
        place = (number + exercises.index(grade_id)) % 5
        return f"def {grade_id}(*args):\n    return 'nothing'" if place == 0 else source
    notebook = golden.submission(name, change, filled=number % 7 != 3)
    notebook.cells.append(nbformat.v4.new_markdown_cell(f"Notes of number {number}."))
    return notebook


def write_downloads(folder):
    """A class of 40 in seven zips: their paths, and each student's display name."""
    students = [f"{first} {last}" for last in LAST for first in FIRST][:40]
    paths = []
    for place, (layout, pattern) in enumerate(LAYOUTS.items()):
        path = folder / f"{layout}.zip"
        with zipfile.ZipFile(path, "w") as archive:
            for number, name in list(enumerate(students))[place::len(LAYOUTS)]:
                for notebook in NAMES:
                    file = pattern.format(name=name, flat=name.replace(" ", "").lower(), number=1000 + number,
                                          notebook=notebook, day=1 + number % 9)
                    archive.writestr(file, nbformat.writes(submission(notebook, number)))
        paths.append(path)
    return paths


def stand_in(client, tasks):
    """As `cluster.grade`, without running anything."""
    for key, task in tasks:
        notebook, about = restore.restore(nbformat.reads(task.notebook.decode(), as_version=4),
                                          course.release()[task.assignment])
        right = golden.answers(task.assignment)
        cells = {golden.kind(cell).get("grade_id"): cell for cell in notebook.cells}
        for grade_id, cell in cells.items():
            if golden.kind(cell).get("grade"):
                exercise = grade_id.removeprefix("test_")
                answer = cells[exercise].source if exercise in cells else "NotImplementedError"
                fields = {"outcome": "right"}
                if answer.strip() != right.get(exercise, "").strip():
                    blank = "NotImplementedError" in answer
                    fields = {"outcome": "not_attempted" if blank else "wrong",
                              "misconception": None if blank else "odd",
                              "reason": None if blank else "It returned 'nothing'."}
                    cell.outputs = [new_output("error", ename="Wrong", evalue="", traceback=[])]
                cell.metadata["course"] = fields
        notebook.metadata["course"] = {"repairs": about.repairs, "flags": about.flags, "graded": "2026-11-25"}
        result = {"assignment": task.assignment, **results.collect(notebook), "seconds": 1.0}
        yield key, result, nbformat.writes(notebook)


@pytest.fixture
def classroom(monkeypatch):
    """`make grade` in this process: classroom(folder, download) grades; what it printed comes back."""
    monkeypatch.setattr(cluster, "grade", stand_in)
    monkeypatch.setattr(cluster, "connect", lambda *_: contextlib.nullcontext())
    monkeypatch.setattr(jail, "backend", lambda: "none", raising=False)
    monkeypatch.setattr(jail, "require", lambda: None, raising=False)

    def run(folder, download=None, remove=None, **more):
        if remove:
            grade.remove(remove, folder)
        folder.mkdir(exist_ok=True)
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            grade.grade(types.SimpleNamespace(**{
                "output": folder, "submissions": download and str(download), "scheduler": None, "workers": 1,
                "gradebook": None, "column": None, "scale": False, "due": "", "late": "", "extensions": ""} | more))
        return printed.getvalue()
    return run


def reissue(monkeypatch, change):
    """Let the course be another: `change(notebook)` is applied to each release and solution."""
    for name in ("release", "solutions"):
        changed = copy.deepcopy(getattr(course, name)())
        for notebook in changed.values():
            change(notebook)
        monkeypatch.setattr(course, name, lambda changed=changed: changed)
    version = f"{course.version()}, changed"
    monkeypatch.setattr(course, "version", lambda: version)


def points_of(exercise, points):
    def change(notebook):
        for cell in notebook.cells:
            if golden.kind(cell).get("grade_id") == f"test_{exercise}":
                cell.metadata.nbgrader.points = points
    return change


def without(exercise):
    def change(notebook):
        notebook.cells = [cell for cell in notebook.cells if exercise not in (golden.kind(cell).get("grade_id") or "")]
    return change


def by_hand(folder, student, exercise, points, name="01_setup"):
    with gradebook.Gradebook(gradebook.url(folder / "gradebook.db"), gradebook.COURSE) as book:
        book.find_grade(f"test_{exercise}", name, name, student).manual_score = points
        book.db.commit()


def due(folder, when, name="01_setup"):
    with gradebook.Gradebook(gradebook.url(folder / "gradebook.db"), gradebook.COURSE) as book:
        book.update_or_create_assignment(name, duedate=when)


def test_a_class_of_forty_in_seven_formats_has_the_same_marks_everywhere_in_any_order(tmp_path, classroom, monkeypatch):
    downloads = write_downloads(tmp_path)
    config = course.config

    def strict():
        settings = config()
        settings.LateSubmissionPlugin.penalty_method = "zero"
        return settings
    monkeypatch.setattr(course, "config", strict)
    ended = []
    for turn, order in enumerate((downloads, downloads[::-1])):
        folder = tmp_path / f"grades-{turn}"
        with pytest.MonkeyPatch.context() as later:
            for download in order[:4]:
                classroom(folder, download)
            students = sorted(path.name for path in (folder / "submitted").iterdir())
            # the fourth download is the same in both orders: somebody of it gets a mark by hand
            handed = next(name for name in students if "liskov" in name.lower() or (
                folder / "submitted" / name / "01_setup" / "timestamp.txt").exists())
            by_hand(folder, handed, "choose_device", 2.5)
            due(folder, "2026-11-01 00:00:00")
            reissue(later, points_of("load_target", 10))
            for download in order[4:]:
                classroom(folder, download)
            book, *others = everywhere(folder)
            assert len(book) == 80 and len({student for student, _ in book}) == 40
            for other in others:
                assert other == book
            marks = gradebook.marks(folder / "gradebook.db")
            assert {mark.max_score for (_, name), mark in marks.items() if name == "01_setup"} == {22}
            late = {student for (student, name), mark in marks.items() if mark.penalty}
            assert late and all(book[student, "01_setup"] == 0 for student in late)
            assert marks[handed, "01_setup"].by_hand == ["choose_device"]
            ended.append({key: mark.raw_score for key, mark in marks.items() if key[0] != handed})
    shared = ended[0].keys() & ended[1].keys()
    assert len(shared) >= 76 and all(ended[0][key] == ended[1][key] for key in shared)


@pytest.fixture
def two(tmp_path):
    folder = tmp_path / "class"
    golden.write(folder, {student: {"01_setup": (submission("01_setup", number), {"test_trained_model": 0})}
                          for number, student in enumerate(("ada", "bob"))}, None)
    return folder


def test_after_a_change_of_points_everybody_is_graded_again_from_what_is_kept(tmp_path, two, classroom, monkeypatch):
    folder = tmp_path / "grades"
    classroom(folder, two)
    late = tmp_path / "late"
    golden.write(late, {"eve": {"01_setup": (submission("01_setup", 1), {"test_trained_model": 0})}}, None)
    reissue(monkeypatch, points_of("count_pixels", 18))
    assert "2 are graded again: what decides their marks has changed." in classroom(folder, late)
    assert {mark.max_score for mark in gradebook.marks(folder / "gradebook.db").values()} == {30}
    assert "by hand" not in (folder / "feedback/ada/01_setup/01_setup.html").read_text(encoding="utf-8")


def test_a_wrong_answer_to_an_exercise_without_points_is_wrong_and_nobody_gave_it_a_mark(tmp_path, two, classroom,
                                                                                         monkeypatch):
    reissue(monkeypatch, points_of("choose_device", 0))
    printed = classroom(tmp_path / "grades", two)
    page = BeautifulSoup((tmp_path / "grades/feedback/ada/01_setup/01_setup.html").read_text(), "html.parser")
    said = page.select_one("#check-1 .said")
    assert said.text == "It returned 'nothing'." and said["class"] == ["said"] and "by hand" not in printed


@pytest.mark.parametrize("change", [without("choose_device"), lambda notebook: None], ids=["removed", "the same"])
def test_an_exercise_may_go_and_come_back(change, tmp_path, two, classroom, monkeypatch):
    folder = tmp_path / "grades"
    classroom(folder, two)
    before = everywhere(folder)
    with monkeypatch.context() as other:
        reissue(other, change)
        classroom(folder)
        book, *others = everywhere(folder)
        assert all(found == book for found in others)
    classroom(folder)
    assert everywhere(folder) == before


def test_a_mark_by_hand_and_a_penalty_are_in_report_and_feedback_after_the_next_run(tmp_path, two, classroom):
    folder = tmp_path / "grades"
    classroom(folder, two)
    by_hand(folder, "ada", "load_target", 7)
    printed = classroom(folder)
    assert "0 to grade" in printed and "1 mark was given by hand" in printed
    book, *others = everywhere(folder)
    assert all(found == book for found in others)
    assert "Your instructor gave these points." in (folder / "feedback/ada/01_setup/01_setup.html").read_text()


def test_what_formgrader_autogrades_itself_is_put_right_by_the_next_run(tmp_path, two, classroom):
    folder = tmp_path / "grades"
    classroom(folder, two)
    before = everywhere(folder)
    for path in (folder / "autograded" / "ada" / "01_setup").iterdir():
        path.unlink()
    assert "0 to grade" in classroom(folder) and everywhere(folder) == before


def test_graded_again_from_the_folder_itself_names_and_times_stay(tmp_path, classroom):
    folder = tmp_path / "grades"
    for number, file in enumerate(("01_setup_ada_attempt_2026-11-03-12-00-00_01_setup.ipynb",
                                   "Grace Hopper_77_assignsubmission_file/01_setup.ipynb")):
        with zipfile.ZipFile(tmp_path / f"{number}.zip", "w") as archive:
            archive.writestr(file, nbformat.writes(submission("01_setup", number)))
        classroom(folder, tmp_path / f"{number}.zip")
    before = gradebook.marks(folder / "gradebook.db")
    assert {mark.name for mark in before.values()} == {"ada", "Grace Hopper"}
    assert sum(mark.timestamp is not None for mark in before.values()) == 1
    for again in (folder / "submitted", None):
        classroom(folder, again)
        assert gradebook.marks(folder / "gradebook.db") == before


def test_when_one_name_turns_out_to_be_two_people_nothing_of_the_mixture_stays(tmp_path, classroom):
    folder = tmp_path / "grades"
    for number, people in enumerate([[11], [11, 12]]):
        with zipfile.ZipFile(tmp_path / f"{number}.zip", "w") as archive:
            for other in ("Grace Hopper_5", "Emmy Noether_6", *(f"Ada Lovelace_{person}" for person in people)):
                archive.writestr(f"{other}_assignsubmission_file/01_setup.ipynb",
                                 nbformat.writes(submission("01_setup", int(other.rpartition("_")[2]))))
        classroom(folder, tmp_path / f"{number}.zip")
        book, *others = everywhere(folder)
        assert len(book) == 2 + len(people) and all(found == book for found in others)


def test_a_student_can_be_taken_out(tmp_path, two, classroom):
    folder = tmp_path / "grades"
    classroom(folder, two)
    classroom(folder, remove="ada")
    book, *others = everywhere(folder)
    assert {student for student, _ in book} == {"bob"} and all(found == book for found in others)
    for wrong in ("nobody", "../bob", "", ".", ".."):
        with pytest.raises(grade.SettingsError, match="the ids are bob"):
            grade.remove(wrong, folder)
    assert (folder / "submitted" / "bob").is_dir()


def test_nbgraders_own_release_of_feedback_works_in_the_folder_of_grades(tmp_path, two, classroom, monkeypatch):
    folder = tmp_path / "grades"
    classroom(folder, two)
    (tmp_path / "exchange").mkdir(mode=0o777)
    (tmp_path / "exchange").chmod(0o777)
    monkeypatch.chdir(folder)
    NbGrader.clear_instance()
    from nbgrader.apps import ReleaseFeedbackApp
    ReleaseFeedbackApp.clear_instance()
    app = ReleaseFeedbackApp()
    app.initialize(["--Exchange.root=" + str(tmp_path / "exchange"), "01_setup"])
    app.start()
    assert len(list((tmp_path / "exchange").glob("*/feedback/*.html"))) == 2


def test_a_model_of_voc_is_graded_again_when_there_are_images(tmp_path, two, classroom, monkeypatch):
    from grading import voc_images
    model = json.dumps({"__metadata__": {"class_names": '["background", "aeroplane"]'}}).encode()
    model = len(model).to_bytes(8, "little") + model
    notebook = two / "ada" / "01_setup.ipynb"
    notebook.with_name("model.safetensors").write_bytes(model)
    data = tmp_path / "voc"
    for place, name in (("ImageSets/Segmentation", "val.txt"), ("JPEGImages", "a.jpg"), ("SegmentationClass", "a.png")):
        (data / "VOCdevkit" / "VOC2012" / place).mkdir(parents=True)
        (data / "VOCdevkit" / "VOC2012" / place / name).write_text("a")
    monkeypatch.delenv("COURSE_DATASET", raising=False)
    without_images = shard.Task.of(notebook, 1, voc_images.of(tmp_path)).key
    monkeypatch.setenv("COURSE_DATASET", "voc")
    monkeypatch.setenv("COURSE_DATA_ROOT", str(data))
    key = shard.Task.of(notebook, 1, voc_images.of(tmp_path)).key
    assert key != without_images
    monkeypatch.delenv("COURSE_DATASET")
    monkeypatch.delenv("COURSE_DATA_ROOT")
    assert shard.Task.of(notebook, 1, voc_images.of(tmp_path)).key == key  # it is remembered
    (data / "VOCdevkit" / "VOC2012" / "JPEGImages" / "a.jpg").write_text("another")
    assert shard.Task.of(notebook, 1, voc_images.of(tmp_path)).key != key
    other = notebook.parent.parent / "bob" / "01_setup.ipynb"
    assert shard.Task.of(other, 1, "some images").key == shard.Task.of(other, 1, "").key  # no model, no images
