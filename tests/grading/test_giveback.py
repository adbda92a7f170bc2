"""Marks go back to Canvas and Moodle: into the very file that they gave, of which nothing else changes by a byte."""

import contextlib
import csv
import functools
import io
import re
import types
import zipfile

import nbformat
import pytest

from grading import cluster, grade, gradebook
from grading.giveback import returns, sheets, table, targets
from grading.run import jail
from helpers.settings import SettingsError
from tests.grading.test_book import by_hand, stand_in, submission
from tests.support import lms

STUDENTS = lms.everybody(14)
HANDED_IN = STUDENTS[:11] + STUDENTS[-1:]  # two hand in nothing; the first and the last have one name
COLUMNS = [("Reading list", 5), ("HW 1 - Setup", 20), ("Notebook 2: Augmentation", 20)]
pytestmark = pytest.mark.filterwarnings("ignore::sqlalchemy.exc.SAWarning")


def files_of(students, name="01_setup"):
    """(student, name of a file, bytes) as they hand in."""
    return [(one, f"{name}.ipynb", nbformat.writes(submission(name, one.place)).encode()) for one in students]


def graded(folder, gradebook=None, **downloads):
    """A folder of grades in which downloads, zip by name, were graded by a stand-in; what was printed."""
    printed = io.StringIO()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cluster, "grade", stand_in)
        patch.setattr(cluster, "connect", lambda *_: contextlib.nullcontext())
        patch.setattr(jail, "require", lambda: None)
        for name, files in downloads.items() or [(None, None)]:
            path = name and folder.parent / f"{name}.zip"
            if path:
                path.write_bytes(lms.zipped(files))
            with contextlib.redirect_stdout(printed):
                grade.grade(types.SimpleNamespace(output=folder, submissions=path and str(path), scheduler=None,
                                                  workers=1, gradebook=gradebook, column=None, scale=False,
                                                  due="", late="", extensions=""))
    return printed.getvalue()


def two_assignments(folder, arranged):
    """A folder of grades of two assignments, `arranged` as an LMS's download has them."""
    folder.mkdir()
    graded(folder, one=arranged(files_of(HANDED_IN)),
           two=arranged(files_of(HANDED_IN[:3], "02_augmentation"), assignment=1))
    return folder


@pytest.fixture(scope="module")
def canvas(tmp_path_factory):
    return two_assignments(tmp_path_factory.mktemp("canvas") / "grades", lms.canvas_files)


@pytest.fixture(scope="module")
def moodle(tmp_path_factory):
    return two_assignments(tmp_path_factory.mktemp("moodle") / "grades", lms.moodle_files)


def back(folder, data, name="export.csv", column=None, scale=False):
    """What comes back for a gradebook: the bytes or None, and the lines."""
    path = folder.parent / name
    path.write_bytes(data)
    found, lines = returns.given(path, folder)
    result = returns.write(folder, gradebook.marks(folder / "gradebook.db"), found, lines,
                           targets.pairs(column, "COLUMN"), scale)
    assert path.read_bytes() == data  # the given file is only read
    written = folder / "return" / name
    return written.read_bytes() if written.exists() else None, result.lines


@functools.cache
def scores(folder):
    """(place of a student, notebook) to points, found by what was handed in."""
    marks = gradebook.marks(folder / "gradebook.db")
    return {(int(re.search(r"Notes of number (\d+)", (folder / f"submitted/{id}/{name}/{name}.ipynb").read_text(
        encoding="utf-8"))[1]), name): mark.score for (id, name), mark in marks.items()}


def score_of(folder, student, name="01_setup"):
    return scores(folder).get((student.place, name))


def cells(data, delimiter=",", encoding="utf-8-sig"):
    return list(csv.reader(io.StringIO(data.decode(encoding), newline=""), delimiter=delimiter))


CANVAS = {
    "plain": {}, "semicolons and commas": {"delimiter": ";", "decimal": ","}, "byte order mark": {"bom": True},
    "commas in quotes": {"decimal": ","}, "no SIS id": {"sis": False}, "first and last names": {"split": True},
    "posted by hand": {"posting": True}}


@pytest.mark.parametrize("kind", CANVAS)
def test_a_canvas_gradebook_comes_back_with_its_scores_and_no_other_byte_changed(kind, canvas):
    options = CANVAS[kind]
    data = lms.canvas_gradebook(STUDENTS, COLUMNS, **options)
    written, _ = back(canvas, data)

    def expected(student, title):
        name = {"HW 1 - Setup": "01_setup", "Notebook 2: Augmentation": "02_augmentation"}.get(title)
        score = score_of(canvas, student, name) if name else None
        return "" if score is None else f"{score:.2f}".replace(".", options.get("decimal", "."))
    assert written == lms.canvas_gradebook(STUDENTS, COLUMNS, score=expected, **options)
    assert written != data and len({score_of(canvas, student) for student in HANDED_IN}) > 2


@pytest.mark.parametrize("blind", [False, True], ids=["named", "blind"])
@pytest.mark.parametrize("language", lms.MOODLE)
def test_a_moodle_worksheet_comes_back_in_its_language_with_its_scores_alone(language, blind, moodle):
    decimal = lms.MOODLE[language][2]

    def expected(student):
        score = score_of(moodle, student)
        return "" if score is None else f"{score:.2f}".replace(".", decimal)
    options = {"most": 20, "language": language, "blind": blind}
    written, lines = back(moodle, lms.moodle_worksheet(STUDENTS, **options), "Grades-SEG-Week 3-77.csv")
    assert written == lms.moodle_worksheet(STUDENTS, score=expected, **options)
    assert len(lines) == 2  # the two who handed in nothing
    for one, line in zip(STUDENTS[11:13], lines):
        name = f"{lms.MOODLE[language][1]}{one.moodle(0)}" if blind else one.name
        assert f"no mark for {name} ({one.moodle(0)}): nobody who handed in is this person" in line


def test_a_worksheet_is_of_the_notebook_that_was_handed_in_under_its_numbers(moodle):
    written, _ = back(moodle, lms.moodle_worksheet(STUDENTS, 20, assignment=1), "Grades-SEG-Week 4-78.csv")
    found = {row[0]: row[5] for row in cells(written)[1:]}
    for student in STUDENTS:
        score = score_of(moodle, student, "02_augmentation")
        assert found[f"Participant {student.moodle(1)}"] == ("" if score is None else f"{score:.2f}")


@pytest.mark.parametrize("language", lms.MOODLE)
def test_a_moodle_gradebook_is_matched_by_name_but_two_of_one_name_are_left_to_a_person(language, moodle):
    titles = [title for title, _ in COLUMNS]

    def expected(student, title):
        name = {"HW 1 - Setup": "01_setup", "Notebook 2: Augmentation": "02_augmentation"}.get(title)
        twins = student in (STUDENTS[0], STUDENTS[-1])
        score = score_of(moodle, student, name) if name and not twins else None
        return "-" if score is None else f"{round(score, 2):g}".replace(".", lms.MOODLE[language][2])
    written, lines = back(moodle, lms.moodle_gradebook(STUDENTS, titles, language))
    assert cells(written) == cells(lms.moodle_gradebook(STUDENTS, titles, language, expected))
    # three: Moodle's numbers do not say which of the two handed in notebook 2
    assert sum("several of your students have this name" in line for line in lines) == 3


def test_logins_match_where_the_lms_did_not_number_the_files(tmp_path, canvas):
    data = lms.canvas_gradebook(STUDENTS, COLUMNS[1:2])
    owners = {"sis": STUDENTS[0].sis, "login": STUDENTS[1].login.upper(), "email": STUDENTS[2].email,
              "name": f"{STUDENTS[3].last.upper()} {STUDENTS[3].first}"}
    people = returns.people.students({name: name for name in owners}, {
        name: [returns.as_owner({"system": "folder", "name": login})] for name, login in owners.items()})
    path = tmp_path / "export.csv"
    path.write_bytes(data)
    matched = returns.people.match(sheets.read(path), people)
    assert matched.rows == {"sis": 2, "login": 3, "name": 5} and matched.missing == {"email": "no row is theirs"}


def test_a_number_of_one_system_is_never_taken_for_another_s():
    person = sheets.Person(1, "Ada", [("canvas", "11"), ("login", "12")])
    sheet = types.SimpleNamespace(people=[person], table=types.SimpleNamespace(sure=True))
    for owner in ({"system": "moodle", "name": "Bo", "number": "11"}, {"system": "canvas", "name": "bo", "login": "12"},
                  {"system": "brightspace", "name": "Bo", "login": "12"}):
        everybody = returns.people.students({"bo": "Bo"}, {"bo": [returns.as_owner(owner)]})
        assert returns.people.match(sheet, everybody).rows == {}


def test_who_cannot_be_matched_is_listed_on_both_sides_and_everybody_else_has_their_score(canvas):
    gone, kept = HANDED_IN[3], [one for one in STUDENTS if one is not HANDED_IN[3]]
    written, lines = back(canvas, lms.canvas_gradebook(kept, COLUMNS))
    assert sum(row[7] != "" for row in cells(written)[2:]) == len(HANDED_IN) - 1
    assert sum("no place for the marks" in line for line in lines) == 1
    assert any(f"{lms.canvas_name(gone)}" in line or str(gone.canvas) in line for line in lines)
    assert sorted(line.partition(": nobody")[0].rpartition("for ")[2] for line in lines if "no mark for" in line) == \
        sorted(f"{one.name} ({one.canvas})" for one in STUDENTS[11:13])
    assert (canvas / "return" / returns.NOTES).read_text(encoding="utf-8").splitlines() == lines


def test_another_course_s_gradebook_is_not_filled_in(canvas):
    others = [lms.Student(900 + place, "Eve", f"No {place}") for place in range(5)]
    written, lines = back(canvas, lms.canvas_gradebook(others, COLUMNS))
    assert written is None and len(lines) == 1
    assert lines[0].startswith("export.csv: none of your students is in it, so it was not filled in")


def test_one_student_in_two_rows_and_two_students_in_one_row_are_left_out(canvas):
    data = lms.canvas_gradebook([*STUDENTS, STUDENTS[1]], COLUMNS)
    written, lines = back(canvas, data)
    twice = [row for row in cells(written) if row[1] == str(STUDENTS[1].canvas)]
    assert [row[7] for row in twice] == ["", ""] and any("two rows are theirs" in line for line in lines)


@pytest.mark.parametrize("columns, said", [
    ([("Notebook 1", 20), ("Notebook 1", 20), ("Notebook 2", 20)], "several columns could be meant"),
    ([("Notebook 1", 20), ("01_setup, late", 20), ("Notebook 2", 20)], "'01_setup, late (55001)'"),
    ([("Homework A", 20), ("Notebook 2", 20)], "no column has its name; choose with COLUMN=\"01_setup=title\""),
    ([("Notebook 2", 20)], "there are none")])
def test_a_column_that_is_not_clear_is_asked_for_with_the_choices_and_the_others_are_filled(columns, said, canvas):
    written, lines = back(canvas, lms.canvas_gradebook(STUDENTS, columns))
    assert said in " ".join(lines)
    filled = {row[len(columns) + 5] for row in cells(written)[2:]}  # the last one
    assert len(filled) > 1 and all({row[place] for row in cells(written)[2:]} == {""}
                                   for place in range(6, len(columns) + 5))


@pytest.mark.parametrize("column, filled", [
    ("01_setup=Homework A", {"Homework A": "01_setup"}), ("1=55000;2=55001", {
        "Homework A": "01_setup", "Homework B": "02_augmentation"}), ("Notebook 2 = Homework B (55001)", {
            "Homework B": "02_augmentation"})])
def test_columns_are_chosen_by_title_or_number(column, filled, canvas):
    columns = [("Homework A", 20), ("Homework B", 20)]
    written, _ = back(canvas, lms.canvas_gradebook(STUDENTS, columns), column=column)

    def expected(student, title):
        score = score_of(canvas, student, filled[title]) if title in filled else None
        return "" if score is None else f"{score:.2f}"
    assert written == lms.canvas_gradebook(STUDENTS, columns, score=expected)


def test_a_title_alone_takes_the_sum_of_all_notebooks_and_scale_fits_it_to_the_column(canvas):
    data = lms.canvas_gradebook(STUDENTS, [("Segmentation", 100)])
    written, lines = back(canvas, data, column="Segmentation")
    assert written is None and "is out of 100 points, Notebook 1 and Notebook 2 of 40" in lines[0]
    assert "SCALE=1" in lines[0]
    written, _ = back(canvas, data, column="Segmentation", scale=True)
    for student, row in zip(STUDENTS, cells(written)[2:]):
        both = [score_of(canvas, student, name) for name in ("01_setup", "02_augmentation")]
        assert row[7 - 1] == (f"{sum(filter(None, both)) * 2.5:.2f}" if both != [None, None] else "")


@pytest.mark.parametrize("text, said", [
    ("01_setpu=Homework", "expected one of 01_setup, 02_augmentation"),
    ("1=a;01_setup=b", "expected each notebook once"), ("a;b", "expected each notebook once, or one text for all")])
def test_a_choice_that_makes_no_sense_is_refused_before_anything_is_graded(text, said):
    with pytest.raises(SettingsError, match=said):
        targets.pairs(text, "COLUMN")


@pytest.mark.parametrize("title, notebook", [
    ("Notebook 1", "01_setup"), ("notebook 01: devices", "01_setup"), ("HW 1 - Setup", "01_setup"),
    ("01_setup", "01_setup"), ("1 · Setup", "01_setup"), ("Augmentation", "02_augmentation"),
    ("Notebook 5 (late)", "05_evaluation"),
    ("3", "03_model"), ("Notebook 11", None), ("Homework 1", None), ("Training and Evaluation", None),
    ("Set-up", None), ("Remodel", None), ("Notebook 21", None)])
def test_a_title_names_a_notebook_or_none(title, notebook):
    assert targets.notebook(title) == notebook


def test_what_stands_in_a_cell_is_respected(canvas):
    said = {STUDENTS[0]: "EX", STUDENTS[1]: "N/A", STUDENTS[2]: "3.5",
            STUDENTS[4]: f"{score_of(canvas, STUDENTS[4]):.1f}"}
    data = lms.canvas_gradebook(STUDENTS, COLUMNS[1:2], score=lambda student, _: said.get(student, ""))
    written, lines = back(canvas, data, column="1=HW 1 - Setup")
    rows = {row[1]: row[6] for row in cells(written)}
    assert rows[str(STUDENTS[0].canvas)] == "EX" and rows[str(STUDENTS[1].canvas)] == "N/A"
    assert rows[str(STUDENTS[4].canvas)] == said[STUDENTS[4]]  # the same number: left as it was written
    assert rows[str(STUDENTS[2].canvas)] == f"{score_of(canvas, STUDENTS[2]):.2f}"
    assert all(any(said in line for line in lines) for said in ("takes the place of 3.5", "'EX', which was left"))


def test_scores_that_canvas_hides_are_not_written(canvas):
    data = lms.canvas_gradebook(STUDENTS, COLUMNS[1:2], posting=True).replace(
        b"Manual Posting", b"Manual Posting (scores hidden from instructors)")
    written, lines = back(canvas, data, column="1=HW 1 - Setup")
    assert written is None and "post them first" in lines[0]


def test_a_mark_out_of_range_is_left_out_for_moodle_and_all_others_are_written(moodle, monkeypatch):
    marks = gradebook.marks(moodle / "gradebook.db")
    (id, _), best = next(item for item in marks.items() if item[0][1] == "01_setup")
    best.raw_score = 21.0
    path = moodle.parent / "Grades-SEG-Week 3-77.csv"
    path.write_bytes(lms.moodle_worksheet(STUDENTS, 20))
    found, lines = returns.given(path, moodle)
    result = returns.write(moodle, marks, found, lines)
    assert any(f"{id}: 21 is more than 20, which Moodle refuses" in line for line in result.lines)
    assert sum(row[5] != "" for row in cells((moodle / "return" / path.name).read_bytes())[1:]) == len(HANDED_IN) - 1


BAD = {
    "a spreadsheet": (b"PK\3\4....", "a spreadsheet or a zip; export it from the LMS as CSV"),
    "empty": (b"", "found none"), "one line": (b"Student,ID,Section\n", "found none"),
    "another table": (b"name,age\nada,36\n", "found a table with the columns name, age"),
    "random": (bytes(range(256)) * 40, "expected a"),
    "a scale": (b"Identifier,Full name,Grade,Scale\nParticipant 1,Ada,Good,Bad Good\n", "graded by points?")}


@pytest.mark.parametrize("kind", BAD)
def test_a_file_that_is_no_gradebook_is_one_line_and_feedback_is_written_all_the_same(kind, canvas):
    data, said = BAD[kind]
    written, lines = back(canvas, data)
    assert written is None and len(lines) == 1 and lines[0].startswith("export.csv: ") and said in lines[0]
    assert (canvas / "return" / "canvas-feedback-01_setup.zip").exists()


@pytest.mark.parametrize("encoding", ["cp1250", "shift_jis", "utf-16", "utf-8-sig"])
def test_an_encoding_costs_no_byte_and_where_it_is_unknown_numbers_still_match(encoding, canvas):
    def gradebook_of(score=lambda student, title: ""):
        text = lms.canvas_gradebook(STUDENTS, COLUMNS[1:2], score=score).decode()
        return text.encode(encoding, "replace")
    written, _ = back(canvas, gradebook_of(), column="1=HW 1 - Setup")

    def expected(student, _):
        score = score_of(canvas, student)
        return "" if score is None else f"{score:.2f}"
    assert written == gradebook_of(expected)


def test_what_is_not_there_or_was_written_by_us_is_refused_before_anything_is_graded(canvas):
    with pytest.raises(SettingsError, match="found nothing at"):
        returns.given(canvas / "nowhere.csv", canvas)
    back(canvas, lms.canvas_gradebook(STUDENTS, COLUMNS))
    with pytest.raises(SettingsError, match="found one that make grade has written"):
        returns.given(canvas / "return" / "export.csv", canvas)


def test_a_file_that_cannot_be_read_is_one_line(canvas, monkeypatch):
    def locked(path):
        raise PermissionError(13, "Permission denied")
    monkeypatch.setattr(sheets, "read", locked)
    (canvas.parent / "locked.csv").write_bytes(b"x")
    assert returns.given(canvas.parent / "locked.csv", canvas) == (
        [], ["locked.csv: it cannot be read (Permission denied); close it elsewhere, or change its rights"])


def test_a_folder_gives_all_its_gradebooks(moodle, tmp_path):
    for assignment in (0, 1):
        (tmp_path / f"Grades-SEG-Week {assignment}-7{assignment}.csv").write_bytes(
            lms.moodle_worksheet(STUDENTS, 20, assignment=assignment))
    found, lines = returns.given(tmp_path, moodle)
    result = returns.write(moodle, gradebook.marks(moodle / "gradebook.db"), found, lines)
    assert len({path for path, _ in result.files if path.suffix == ".csv"}) == 2


@pytest.mark.parametrize("text", ["a,b\n1,2\n", 'a;b\r\n"x;y";2', "a\tb\n\n1\t2\n\n", 'a,b\n"x\ny, ""z""",2\n1,2,3\n',
                                  'a,b\n"never closed,2\n1,2\n', "a,b,\n1,2,", "a|b\r1|2\r", "\na,b\n1,2\n"])
def test_a_table_without_changes_is_the_file_and_a_change_is_one_cell(text):
    found = table.read(text.encode())
    assert found.to_bytes() == text.encode()
    found.set(1, 0, "9,5; \"x\"")
    assert found.to_bytes() != text.encode()
    again = table.read(found.to_bytes())
    assert again.get(1, 0) == "9,5; \"x\""
    assert [[cell.text for cell in row][1:] for row in again.rows[1:]] == \
        [[cell.text for cell in row][1:] for row in found.rows[1:]]


@pytest.mark.parametrize("before, score, after", [
    ('"a","b"\n"x",\n', "9", '"a","b"\n"x","9"\n'), ('a,b\n"x",\n', "9", 'a,b\n"x",9\n'),
    ('a,b\nx,"1"\n', "9", 'a,b\nx,"9"\n'), ("a,b\nx,\n", "9,5", 'a,b\nx,"9,5"\n'),
    ("a;b\nx;\n", "9,5", "a;b\nx;9,5\n")])
def test_a_score_has_quotes_where_the_others_have_them_or_it_must(before, score, after):
    found = table.read(before.encode())
    found.set(1, 1, score)
    assert found.to_bytes().decode() == after


def test_moodle_s_feedback_zip_has_a_page_for_each_participant(moodle):
    back(moodle, lms.moodle_worksheet(STUDENTS, 20))
    for assignment, name, students in ((0, "01_setup", HANDED_IN), (1, "02_augmentation", HANDED_IN[:3])):
        with zipfile.ZipFile(moodle / "return" / f"moodle-feedback-{name}.zip") as archive:
            entries = archive.namelist()
        # as Moodle reads a name: split at "_", number, kind and plug-in, the rest is the file
        read = [entry.split("/")[0].split("_", 4) + [entry.split("/", 1)[1]] for entry in entries]
        assert {int(parts[1]) for parts in read} == {one.moodle(assignment) for one in students}
        assert all(parts[2:] == ["assignsubmission", "file", "", f"{name}.html"] for parts in read)


def test_canvas_s_feedback_zip_has_a_notebook_for_a_notebook_and_a_zip_for_a_zip(tmp_path):
    folder = tmp_path / "grades"
    folder.mkdir()
    one, two, three = STUDENTS[:3]
    (_, file, data), = files_of([two])
    packed = lms.zipped({"deep/" + file: data})
    graded(folder, class_=lms.canvas_files([
        *files_of([one]), (two, "my work.zip", packed), (three, "01_setup.ipynb.txt", data)]))
    result = returns.write(folder, gradebook.marks(folder / "gradebook.db"))
    with zipfile.ZipFile(folder / "return" / "canvas-feedback-01_setup.zip") as archive:
        found = {tuple(re.findall(r"(?<=_)\d+(?=_)", name)[:2]): (name, archive.read(name))
                 for name in archive.namelist()}
    assert {key: name.rpartition(".")[2] for key, (name, _) in found.items()} == {
        (str(one.canvas), str(one.attachment(0))): "ipynb", (str(two.canvas), str(two.attachment(0))): "zip"}
    notebook = nbformat.reads(found[str(one.canvas), str(one.attachment(0))][1].decode(), as_version=4)
    nbformat.validate(notebook)
    assert "of 20 points**" in notebook.cells[0].source and "| 1.1 Choose the device | " in notebook.cells[0].source
    assert sum(cell.source.startswith("> **Feedback.**") for cell in notebook.cells) == 3
    with zipfile.ZipFile(io.BytesIO(found[str(two.canvas), str(two.attachment(0))][1])) as inner:
        assert inner.namelist() == ["01_setup.html"] and b"Feedback for" in inner.read("01_setup.html")
    assert ["send 01_setup.html by hand" in line for line in result.lines] == [True]


def test_anonymous_canvas_names_get_their_feedback_and_no_row_is_guessed(tmp_path):
    folder = tmp_path / "grades"
    folder.mkdir()
    handed_in = files_of(STUDENTS[:2])
    graded(folder, class_=lms.canvas_files(handed_in, anonymous=True))
    _, lines = back(folder, lms.canvas_gradebook(STUDENTS, COLUMNS))
    assert "none of your students is in it" in lines[0]
    with zipfile.ZipFile(folder / "return" / "canvas-feedback-01_setup.zip") as archive:
        assert archive.namelist() == [f"anon_Zz{one.place:03}_{one.attachment(0)}_01_setup.ipynb"
                                      for one in STUDENTS[:2]]
    # posted, Canvas gives the names: the same files are known by their numbers, and keep a mark by hand
    before = gradebook.marks(folder / "gradebook.db")
    for (id, _), points in zip(sorted(before), (0.5, 1.5)):
        by_hand(folder, id, "choose_device", points)
    assert "0 to grade" in graded(folder, class_=lms.canvas_files(handed_in))
    after = gradebook.marks(folder / "gradebook.db")
    owners = [(f"{lms.canvas_name(one)}_{one.canvas}", "01_setup") for one in STUDENTS[:2]]
    assert sorted(after) == sorted(owners) and [after[key].points["choose_device"] for key in owners] == [0.5, 1.5]
    written, lines = back(folder, lms.canvas_gradebook(STUDENTS[:2], COLUMNS[:2]))
    assert [float(row[7]) for row in cells(written)[2:4]] == [after[key].score for key in owners] and lines == []


def test_make_grade_says_what_went_back_and_what_did_not(canvas):
    path = canvas.parent / "Grades.csv"
    path.write_bytes(lms.canvas_gradebook(STUDENTS[1:], COLUMNS))
    printed = graded(canvas, gradebook=str(path))
    assert "0 to grade" in printed and "for Canvas: 11 marks in 'HW 1 - Setup (55001)'" in printed
    assert "On the way back to the LMS:\n  Grades.csv: no place for the marks of lovelaceada_4100" in printed
    assert "12 files with feedback for Canvas" in printed and printed.count("no mark for") == 2


def test_a_run_without_a_gradebook_leaves_no_old_one(canvas):
    back(canvas, lms.canvas_gradebook(STUDENTS, COLUMNS))
    returns.write(canvas, gradebook.marks(canvas / "gradebook.db"))
    assert sorted(path.name for path in (canvas / "return").iterdir()) == [
        "canvas-feedback-01_setup.zip", "canvas-feedback-02_augmentation.zip"]
