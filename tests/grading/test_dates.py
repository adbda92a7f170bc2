"""Due dates, extensions and what coming late costs: a change of them runs no notebook again, and the page says why."""

from datetime import UTC, datetime, timedelta

import pytest
from bs4 import BeautifulSoup
from traitlets.config import Config

from grading import course, dates, gradebook
from grading.intake import ingest
from helpers.settings import SettingsError
from tests.grading.test_book import classroom  # noqa: F401 (a fixture)
from tests.grading.test_giveback import files_of
from tests.support import lms
from tests.support.marks import everywhere

pytestmark = pytest.mark.filterwarnings("ignore::sqlalchemy.exc.SAWarning")
THREE = [lms.everybody(6)[place] for place in (1, 2, 4)]  # Blackboard has them at 9:05, 10:05 and 12:05 of the place


@pytest.fixture
def blackboard(tmp_path):
    path = tmp_path / "class.zip"
    path.write_bytes(lms.zipped(lms.blackboard_files(files_of(THREE))))
    return path


def pages(folder):
    """Student to the page's lines above the points."""
    found = {path.parts[-3]: BeautifulSoup(path.read_text(encoding="utf-8"), "html.parser")
             for path in folder.glob("feedback/*/*/*.html")}
    return {student: [line.text for line in page.select("header p")] for student, page in found.items()}


def penalties(folder):
    return {student: round(mark.penalty / mark.raw_score, 3) for (student, _), mark in gradebook.marks(
        folder / "gradebook.db").items()}


def test_a_rule_takes_its_points_everywhere_and_the_page_says_which(tmp_path, blackboard, classroom):  # noqa: F811
    folder = tmp_path / "grades"
    printed = classroom(folder, blackboard)
    assert penalties(folder) == {"s001": 0, "s002": 0, "s004": 0} and "late" not in printed
    printed = classroom(folder, due="2026-11-23 10:00 Europe/Berlin", late="10% a day, at most 15%")
    assert "0 to grade" in printed and "3 notebooks lost points for coming late" in printed
    # 23 hours and 5 minutes are one day begun; a day and 5 minutes are two, of which 15 % are left
    assert penalties(folder) == {"s001": 0.1, "s002": 0.15, "s004": 0.15}
    book, *others = everywhere(folder)
    assert all(found == book for found in others)
    lead, times, why = pages(folder)["s001"]
    assert "Handed in on 24 November 2026, 09:05 (Europe/Berlin)." in times
    assert why.endswith("points were taken off because the notebook came late (10 % of the points for each day begun, "
                        "at most 15 %). It was due on 23 November 2026, 10:00 (Europe/Berlin), and came 23 hours and "
                        "5 minutes later.")
    for change, expected in (({"due": "2026-11-24 10:05 Europe/Berlin"}, {"s001": 0, "s002": 0, "s004": 0.1}),
                             ({"late": "zero"}, {"s001": 0, "s002": 0, "s004": 1}),
                             ({"due": "2026-11-24 11:05 Europe/London"}, {"s001": 0, "s002": 0, "s004": 1}),
                             ({"due": "01_setup=2026-11-24 09:00 UTC"}, {"s001": 1, "s002": 1, "s004": 1}),
                             ({"due": "none"}, {"s001": 0, "s002": 0, "s004": 0})):
        assert "0 to grade" in classroom(folder, **change)
        assert penalties(folder) == expected, change
    assert not any("taken off" in line for lines in pages(folder).values() for line in lines)


def test_an_extension_is_one_student_s_and_what_is_wrong_in_the_file_is_a_line(
        tmp_path, blackboard, classroom):  # noqa: F811
    folder, file = tmp_path / "grades", tmp_path / "extensions.csv"
    file.write_text("Student;Notebook;Until\ns001;1;2026-11-24 12:00\nJosé García Márquez;;+1 day\nnobody;;+1 day\n"
                    "s004;homework;+1 day\ns004;1;2026-11-01 12:00\ns004;1;soon\n", encoding="utf-8-sig")
    printed = classroom(folder, blackboard, due="2026-11-24 08:00 Europe/Berlin", late="zero", extensions=str(file))
    assert penalties(folder) == {"s001": 0, "s002": 0, "s004": 1}
    for line in ("line 4: 'nobody': nobody who handed in is called so", "line 5: 's004': expected one of 01_setup",
                 "line 6: 's004': '2026-11-01 12:00' is not after the due date", "line 7: 's004': expected a date"):
        assert line in printed
    file.write_text("student,until\ns001,+65 minutes\ns001,+1 hour\n")
    assert "expected a date" in classroom(folder, extensions=str(file))
    assert penalties(folder) == {"s001": 1, "s002": 1, "s004": 1}  # 9:05 is later than an hour after 8:00
    assert "08:00 (Europe/Berlin), and came" not in pages(folder)["s001"][-1]
    assert "09:00 (Europe/Berlin), with your extension, and came 5 minutes later." in pages(folder)["s001"][-1]
    classroom(folder, extensions="none")
    assert "08:00 (Europe/Berlin), and came 1 hour and 5 minutes later." in pages(folder)["s001"][-1]


def test_a_due_date_that_can_cost_nothing_says_so(tmp_path, classroom):  # noqa: F811
    path = tmp_path / "class.zip"
    path.write_bytes(lms.zipped(lms.canvas_files(files_of(THREE))))
    printed = classroom(tmp_path / "grades", path, due="2026-11-24 08:00 Europe/Berlin")
    assert "DUE: 3 notebooks have no time of handing in" in printed and "say LATE=" in printed


def test_a_date_that_nbgrader_was_told_stays_and_an_own_plug_in_works(
        tmp_path, blackboard, classroom, monkeypatch):  # noqa: F811
    config = course.config

    class HalfAnHour(dates.LateSubmissionPlugin):
        """a point for each half hour, as our faculty has it."""

        def late_submission_penalty(self, student_id, score, total_seconds_late):
            return total_seconds_late // 1800

    def ours():
        settings = config()
        settings.AssignLatePenalties.plugin_class = HalfAnHour
        return settings
    monkeypatch.setattr(course, "config", ours)
    folder = tmp_path / "grades"
    classroom(folder, blackboard)
    with gradebook.Gradebook(gradebook.url(folder / "gradebook.db"), gradebook.COURSE) as book:
        book.update_or_create_assignment("01_setup", duedate="2026-11-24 08:00:00")
    classroom(folder)
    assert {student: mark.penalty for (student, _), mark in gradebook.marks(folder / "gradebook.db").items()} == {
        "s001": 2, "s002": 4, "s004": 8}
    assert "late (a point for each half hour, as our faculty has it). It was due on 24 November 2026, 08:00 UTC" in \
        pages(folder)["s001"][-1]


def test_moodle_s_worksheet_says_when_work_was_handed_in(tmp_path, classroom):  # noqa: F811
    folder, path, sheet = tmp_path / "grades", tmp_path / "class.zip", tmp_path / "Grades-SEG-Week 1-7.csv"
    path.write_bytes(lms.zipped(lms.moodle_files(files_of(THREE))))
    sheet.write_bytes(lms.moodle_worksheet(THREE, 20).replace(b"6:05 PM", b"9:05 PM", 1))
    for more in ({"gradebook": str(sheet)}, {}):  # they are kept
        printed = classroom(folder, path, due="2026-11-24 20:00 Europe/Berlin", late="zero", **more)
        assert sorted(penalties(folder).values()) == [0, 0, 1] and "no time of handing in" not in printed
        assert {record.time for found in ingest.records(folder).values() for record in found.values()} == {
            "2026-11-24 18:05:00", "2026-11-24 21:05:00"}


@pytest.mark.parametrize("text, when", [
    ("2026-12-01 18:00 Europe/Berlin", datetime(2026, 12, 1, 17, tzinfo=UTC)),
    ("2026-07-01 9:05 Europe/Berlin", datetime(2026, 7, 1, 7, 5, tzinfo=UTC)),
    ("2026-12-01T18:00 UTC", datetime(2026, 12, 1, 18, tzinfo=UTC)),
    ("2026-12-01 18:00+02:00", datetime(2026, 12, 1, 16, tzinfo=UTC))])
def test_a_date_has_a_time_and_a_zone(text, when):
    assert dates.moment(text) == when


@pytest.mark.parametrize("text", ["2026-12-01", "2026-12-01 18:00", "tomorrow", "", "2026-13-01 18:00 UTC",
                                  "2026-12-01 18:00 Europe/Berlinn", "2026-12-01 18:00 ../../etc/passwd",
                                  "2026-12-01 18:00 Europe", "2026-12-01 25:00 UTC", "1.12.2026 18:00 Europe/Berlin"])
def test_a_date_that_is_none_is_refused_with_an_example(text, tmp_path):
    with pytest.raises(SettingsError, match="such as 2026-12-01 18:00 Europe/Berlin"):
        dates.moment(text)
    if text:
        with pytest.raises(SettingsError, match="^DUE: expected"):
            dates.tell(tmp_path, due=text)
    assert not (tmp_path / dates.FILE).exists()


RULES = {
    "10% a day": ("10 % of the points for each day begun", {1: 2, 86400: 2, 86401: 4, 10 ** 7: 20}),
    "5 % per hour, at most 50 %": ("5 % of the points for each hour begun, at most 50 %", {1: 1, 3601: 2, 10 ** 7: 10}),
    "2.5% a week, 15 minutes grace": ("2.5 % of the points for each week begun; the first 15 minutes cost nothing",
                                      {900: None, 901: 0.5, 604801: 1}),
    "zero": ("coming late takes all points", {1: 20}), "none": ("", {1: None})}


@pytest.mark.parametrize("text", RULES)
def test_a_rule_is_nbgrader_s_plug_in_and_has_a_sentence(text, tmp_path):
    dates.tell(tmp_path, late=text)
    config = Config()
    dates.configure(config, tmp_path)
    said, cases = RULES[text]
    plugin = config.AssignLatePenalties.plugin_class(config=config)
    assert dates.sentence(config) == said
    assert {seconds: plugin.late_submission_penalty("ada", 20.0, seconds) for seconds in cases} == pytest.approx(cases)


@pytest.mark.parametrize("text", ["10", "10%", "ten a day", "10% a year", "10% a day, at most", "-5% a day", "null"])
def test_a_rule_that_makes_no_sense_is_refused(text, tmp_path):
    with pytest.raises(SettingsError, match="LATE: expected none, zero, or a share such as"):
        dates.tell(tmp_path, late=text)
    assert not (tmp_path / dates.FILE).exists()


def test_a_file_of_extensions_that_is_none_is_refused_and_the_one_before_stays(tmp_path):
    (tmp_path / "good.csv").write_text("student,until\nada,+1 day\n")
    (tmp_path / "bad.csv").write_bytes(b"PK\3\4")
    dates.tell(tmp_path, extensions=str(tmp_path / "good.csv"))
    for name, said in (("nowhere.csv", "No such file"), ("bad.csv", "found a spreadsheet"), ("", "Is a directory")):
        with pytest.raises(SettingsError, match=f"^EXTENSIONS: expected a CSV file, .*{said}"):
            dates.tell(tmp_path, due="2026-12-01 18:00 UTC", extensions=str(tmp_path / name))
    assert (tmp_path / dates.EXTENSIONS).read_text().startswith("student,until")
    assert not (tmp_path / dates.FILE).exists()
    (tmp_path / dates.EXTENSIONS).write_bytes(b"")
    dates.tell(tmp_path, due="2026-12-01 18:00 UTC")
    with gradebook.Gradebook(gradebook.url(tmp_path / "gradebook.db"), gradebook.COURSE) as book:
        lines = dates.apply(tmp_path, book, Config(), {}, {})
    assert lines[0].startswith("extensions.csv: expected a CSV file with a line")


def test_winter_time_counts_when_a_due_date_is_extended_over_the_change():
    due = dates.moment("2026-10-24 12:00 Europe/Berlin")
    assert dates.moment("2026-10-26 12:00", due.tzinfo) - due == timedelta(days=2)
    assert dates.moment("2026-10-26 12:00", due.tzinfo).astimezone(UTC) - due.astimezone(UTC) == timedelta(hours=49)


def test_nbgrader_s_own_commands_have_the_rule_in_the_folder_of_grades(tmp_path, blackboard, classroom):  # noqa: F811
    from traitlets.config import PyFileConfigLoader
    folder = tmp_path / "grades"
    classroom(folder, blackboard, late="10% a day")
    loaded = PyFileConfigLoader("nbgrader_config.py", path=str(folder)).load_config()
    assert loaded.AssignLatePenalties.plugin_class is dates.ShareOfPoints and loaded.ShareOfPoints.share == 0.1
