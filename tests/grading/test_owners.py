"""Whose a file is: what the LMS wrote decides, never a name that a student chose."""

import pytest
import yaml

from grading.intake import files, ingest, owners
from tests.grading.test_ingest import ONE, TWO, data, half_filled, model, named, taken_in, tree, zipped  # noqa: F401

FORGED = "x_bob_attempt_2099-01-01-00-00-00_01_setup.ipynb"
FORGERIES = [FORGED, "bob_12346_assignsubmission_file_x.ipynb", "bob_22345_99999_01_setup.ipynb",
             "124-456 - bob - Nov 22, 2098 1001 AM - 01_setup.ipynb", "bob_01_setup.ipynb", "bob/01_setup.ipynb",
             "submitted/bob/01_setup/01_setup.ipynb", "bob.zip"]
CLASSES = {  # what the LMS writes before the student's own name of a file
    "folders": ("ada/", "bob/"),
    "Moodle, folders": ("ada_11_assignsubmission_file_/", "bob_12_assignsubmission_file_/"),
    "Moodle, files": ("ada_11_assignsubmission_file_", "bob_12_assignsubmission_file_"),
    "Canvas": ("ada_12345_67890_", "bob_22345_67891_"),
    "Canvas, late": ("ada_LATE_12345_67890_", "bob_22345_67891_"),
    "Blackboard": ("HW 1_ada_attempt_2026-11-22-10-00-00_", "HW 1_bob_attempt_2026-11-22-10-00-00_"),
    "Brightspace": ("123-456 - ada - Nov 22, 2026 1000 AM - ", "124-456 - bob - Nov 22, 2026 1000 AM - "),
    "Brightspace, folders": ("123-456 - ada - Nov 22, 2026 1000 AM/", "124-456 - bob - Nov 22, 2026 1000 AM/"),
    "below one folder": ("download/ada/", "download/bob/"),
    "in one zip": ("ada/", "bob/"),
}


@pytest.mark.parametrize("layout", CLASSES)
def test_a_name_that_a_student_chose_moves_no_file_to_another_student(layout, taken_in):  # noqa: F811
    ada, bob = CLASSES[layout]
    forged = {f"{ada}{name}": zipped({"bob/01_setup.ipynb": half_filled()}) if name.endswith(".zip") else half_filled()
              for name in FORGERIES if "/" not in name or ada.endswith("/")}
    forged |= {f"{ada}model.safetensors": model(8), f"{ada}bob_99999_99999_model.safetensors": model(16)}
    handed_in = forged | {f"{bob}01_setup.ipynb": ONE[1], f"{bob}05_evaluation.ipynb": data("05_evaluation"),
                                   f"{bob}model.safetensors": model()}
    submissions, _ = taken_in({"class.zip": zipped(handed_in)} if layout == "in one zip" else handed_in)
    by_name = {(one.name, one.assignment): one for one in submissions.values()}
    assert by_name.keys() == {("ada", "01_setup"), ("bob", "01_setup"), ("bob", "05_evaluation")}
    assert by_name["bob", "01_setup"].files == [file for file in by_name["bob", "01_setup"].files if bob in file]
    assert by_name["bob", "05_evaluation"].model.read_bytes() == model()
    assert all(not one.time.startswith(("2099", "2098")) for one in submissions.values())


@pytest.mark.parametrize("layout", sorted(CLASSES.keys() - {"in one zip"}))
@pytest.mark.parametrize("forged", FORGERIES[:4])
def test_however_many_files_are_called_as_another_system_would_the_layout_stays(layout, forged):
    ada, bob = CLASSES[layout]
    paths = [f"{ada}{forged.removesuffix('.ipynb')} {number}.ipynb" for number in range(9)] + [f"{bob}x.ipynb"]
    found = [files.File(tuple(path.split("/")[:-1]), path.split("/")[-1], 1, 0, (path,)) for path in paths]
    decided = owners.Layout(found, ["01_setup"], "class")
    assert [decided.place(file).owners[0].name for file in found] == ["ada"] * 9 + ["bob"]
    assert all(decided.place(file).time < "2027" for file in found)


def test_folders_called_by_student_numbers_are_students_whatever_their_files_are_called(taken_in):  # noqa: F811
    submissions, _ = taken_in({"4711081/bob 01_setup.ipynb": ONE[1], "4711082/my work.ipynb": ONE[1]})
    assert named(submissions) == {("4711081", "01_setup"), ("4711082", "01_setup")}


TWINS = {
    "folders that differ by an accent": [("José/x.ipynb", ONE[1]), ("Jose/x.ipynb", half_filled())],
    "Moodle, an accent": [("José_11_assignsubmission_file_/x.ipynb", ONE[1]),
                          ("Jose_12_assignsubmission_file_/x.ipynb", half_filled())],
    "Moodle, one name": [("Kim Lee_11_assignsubmission_file_/x.ipynb", ONE[1]),
                         ("Kim Lee_12_assignsubmission_file_/x.ipynb", half_filled())],
    "Canvas, one name": [("lee_111_1001_x.ipynb", ONE[1]), ("lee_112_1002_x.ipynb", half_filled())],
    "Canvas, anonymous": [("anon_aB3dE_67890_01_setup.ipynb", ONE[1]),
                          ("anon_Ab3De_67891_01_setup.ipynb", half_filled())],
    "Brightspace, one name": [("1-9 - Kim Lee - Nov 22, 2026 1000 AM/x.ipynb", ONE[1]),
                              ("2-9 - Kim Lee - Nov 22, 2026 1000 AM/x.ipynb", half_filled())],
    "Blackboard": [("HW_a_lee_attempt_2026-11-22-10-00-00_x.ipynb", ONE[1]),
                   ("HW_b_lee_attempt_2026-11-22-10-00-00_x.ipynb", half_filled())],
}


@pytest.mark.parametrize("twins", TWINS)
def test_two_people_stay_two_over_downloads_in_any_order(twins, tmp_path):
    (first, one), (second, two) = TWINS[twins]
    facts = {f"{name[:-8]}.txt": f"Name: {name[3]} Lee ({name[3:8]})\n".encode() for name in (first, second)
             if "_attempt_" in name}
    downloads = [tree(tmp_path / "both" / "class", {first: one, second: two, **facts}),
                 tree(tmp_path / "one of them" / "class", {second: TWO[1], **facts})]
    outcomes = []
    for course, order in (("there", downloads), ("back", downloads[::-1])):
        for download in order:
            ingest.ingest(download, tmp_path / course)
        outcomes.append({(one.student, one.assignment): one.files for one in
                         ingest.stored(tmp_path / course).submissions})
    assert outcomes[0] == outcomes[1] and sorted(outcomes[0].values()) == sorted([[first], [second], [second]])
    assert len({student for student, _ in outcomes[0]}) == 2


def test_moodles_numbers_of_two_assignments_are_one_persons(tmp_path):
    for number, (student, content) in enumerate([(11, ONE[1]), (47, TWO[1])]):
        source = tree(tmp_path / str(number), {f"Kim Lee_{student}_assignsubmission_file_/x.ipynb": content,
                                               f"Al Ode_{student + 1}_assignsubmission_file_/x.ipynb": content})
        ingest.ingest(source, tmp_path / "course")
    assert len({one.student for one in ingest.stored(tmp_path / "course").submissions}) == 2


def test_gradescopes_metadata_names_students_and_groups(taken_in):  # noqa: F811
    meta = {f"submission_{number}": {":submitters": [{":name": name, ":sid": sid, ":email": f"{sid}@x.org"}
                                                     for name, sid in people], ":created_at": "2026-11-22 10:00:00 Z"}
            for number, people in ((1, [("Ada", "s1")]), (2, [("Bob", "s2"), ("Eve", "s3")]), (3, [("Ada", "s4")]))}
    submissions, problems = taken_in({
        "assignment_9_export/submission_metadata.yml": yaml.safe_dump(meta).encode(),
        "assignment_9_export/submission_1/x.ipynb": ONE[1], "assignment_9_export/submission_2/x.ipynb": TWO[1],
        "assignment_9_export/submission_3/x.ipynb": half_filled()})
    assert sorted((one.name, one.assignment) for one in submissions.values()) == [
        ("Ada", "01_setup"), ("Ada", "01_setup"), ("Bob", "02_augmentation"), ("Eve", "02_augmentation")]
    assert len({student for student, _ in submissions}) == 4 and problems == []
    assert {one.time for one in submissions.values()} == {"2026-11-22 10:00:00"}


def test_gradescopes_metadata_names_the_only_one_who_has_handed_in(taken_in):  # noqa: F811
    meta = {"submission_1": {":submitters": [{":name": "Ada", ":sid": None, ":email": "ada@x.org"}]}}
    submissions, problems = taken_in({"assignment_9_export/submission_metadata.yml": yaml.safe_dump(meta).encode(),
                                      "assignment_9_export/submission_1/x.ipynb": ONE[1]})
    assert [one.name for one in submissions.values()] == ["Ada"] and problems == []


@pytest.mark.parametrize("text", [
    b"a: &a [x]\n" + b"".join(b"%c: &%c [*%c, *%c, *%c, *%c, *%c, *%c, *%c, *%c]\n" % ((c + 1, c + 1) + (c,) * 8)
                              for c in range(97, 120)),
    b"!!python/object/apply:os.system ['touch /tmp/pwned']", b"- [" * 50_000, b"\xff\xfe\x00", b": : :", b"7",
    b"submission_1: {:submitters: 7}\nsubmission_2: [1]"], ids=range(7))
def test_gradescopes_metadata_is_untrusted(text, taken_in):  # noqa: F811
    submissions, problems = taken_in({"submission_metadata.yml": text, "submission_1/x.ipynb": ONE[1],
                                      "submission_2/x.ipynb": TWO[1]})
    assert len(submissions) == 2


def test_a_students_own_metadata_file_names_nobody(taken_in):  # noqa: F811
    forged = yaml.safe_dump({"submission_1": {":submitters": [{":name": "bob"}]}}).encode()
    submissions, _ = taken_in({"ada/submission_metadata.yml": forged, "ada/submission_1/x.ipynb": ONE[1],
                               "ada/submission_2/y.ipynb": ONE[1], "bob/x.ipynb": TWO[1]})
    assert named(submissions) == {("ada", "01_setup"), ("bob", "02_augmentation")}


def test_two_people_in_folders_of_one_parent_are_two(taken_in):  # noqa: F811
    submissions, _ = taken_in({"section 2/Ada Ray/x.ipynb": ONE[1], "section 2/Bob Ode/x.ipynb": ONE[1]})
    assert named(submissions) == {("Ada Ray", "01_setup"), ("Bob Ode", "01_setup")}


def test_a_model_in_a_folder_called_build_is_taken_and_named(taken_in):  # noqa: F811
    submissions, problems = taken_in({"ada/x.ipynb": data("05_evaluation"), "ada/build/model.safetensors": model(),
                                      "bob/x.ipynb": ONE[1]})
    assert submissions["ada", "05_evaluation"].model.read_bytes() == model()
    assert ["ada/build/model.safetensors"] == [problem.file for problem in problems]
