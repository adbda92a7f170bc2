"""The class report, and the answers that are nearer to each other than chance explains."""

import csv
import re
from datetime import date

import pytest
from bs4 import BeautifulSoup

from grading.report import anonymous, class_report, history, similar, tables
from tests.support import axe, classroom
from tests.support.hostile import HOSTILE, chromium, visit  # noqa: F401 (chromium is a fixture)

pytestmark = pytest.mark.xdist_group("report")  # what the checks say to the wrong answers of a class is asked for once

GREY = '''def load_target(path):
    """Written by Ada Lovelace."""
    # matriculation number 7654321, ada
    lovelace_mask = Image.open(path).convert("L")
    note = "ada was here"
    return torch.from_numpy(np.array(lovelace_mask)).long()
'''


def result(student="ada-lovelace", name="Ada Lovelace", **changes):
    """One notebook with one right answer of 4 points and one wrong one of 8."""
    right = {"name": "choose_device", "points": 4.0, "max_points": 4.0, "outcome": "right", "misconception": None,
             "reason": None, "source": "def choose_device():\n    return torch.device('cpu')\n"}
    wrong = {"name": "load_target", "points": 0.0, "max_points": 8.0, "outcome": "wrong",
             "misconception": "grey_levels", "source": GREY,
             "reason": "load_target returned 38 for Ada's mask.\nSee exercise 1.2 in this notebook."}
    return {"student": student, "name": name, "assignment": "01_setup", "score": 4.0, "max_score": 12.0,
            "exercises": [right, wrong], "repairs": [], "flags": [], "problem": None, "seconds": 1.0} | changes


def page_of(results, tmp_path, problems=()):
    class_report.write(results, {"problems": list(problems)}, tmp_path / "report.html")
    return BeautifulSoup((tmp_path / "report.html").read_text(encoding="utf-8"), "html.parser")


def test_the_headline_counts_students_notebooks_and_the_median(tmp_path):
    results = [result("a", "A", score=4.0), result("b", "B", score=12.0),
               result("c", "C", score=8.0, problem="too slow"),
               result("c", "C", assignment="02_augmentation", score=1.0)]
    figures = [item.text for item in page_of(results, tmp_path).select(".figures li")]
    assert figures == ["3students", "4notebooks", "9median of 24 points", "3ran to the end", "1did not"]


@pytest.mark.parametrize("score, most, bar", [
    (0, 20, 0), (20, 20, 9), (16, 20, 8), (25, 20, 9), (-1, 20, 0), (0, 0, 0)])
def test_a_score_stands_in_its_bar_of_the_distribution(score, most, bar):
    bars = class_report.histogram([score], most)["bars"]
    assert [count for _, count in bars].index(1) == bar and sum(count for _, count in bars) == 1


def test_exercises_show_their_shares_in_the_course_s_order(tmp_path):
    others = [result("b", "B", exercises=[one | {"outcome": "not_attempted", "misconception": None}
                                          for one in result()["exercises"]])]
    page = page_of([result(), *others], tmp_path)
    rows = page.select("table.bars")[0].select("tbody tr:has(svg)")
    assert [row.th.text for row in rows] == ["1.1 Choose the device", "1.2 Load a mask"]
    assert [row.svg["aria-label"] for row in rows] == ["1 right, 1 not attempted", "1 wrong, 1 not attempted"]
    assert [row.select(".number")[0].text for row in rows] == ["50 %", "0 %"]


def test_a_misconception_is_named_counted_and_explained(tmp_path):
    page = page_of([result(), result("b", "Bob B"), result("c", "Eve C", assignment="02_augmentation")], tmp_path)
    mistake = page.select(".mistake")[0]
    assert mistake.h3.text.startswith("grey levels · grey_levels in 1.2 Load a mask")
    assert mistake.p.text == "2 students, 100 % of those who handed it in"
    assert mistake.select(".said")[0].text == "load_target returned 38 for …'s mask.\n" \
        "See exercise 1.2 in this notebook."


def wrong(id, student="ada"):
    exercise = result()["exercises"][1] | {"misconception": id}
    return result(student, student, exercises=[exercise])


def test_what_is_new_is_told_from_the_last_run_with_another_outcome(tmp_path):
    runs = [[wrong("grey_levels")], [wrong("grey_levels"), wrong("clamped", "bob")], [wrong("clamped", "bob")]]
    days = [date(2026, 11, day) for day in (3, 10, 17)]
    assert not history.before(tmp_path, runs[0], days[0])
    for turn in range(2):  # graded again with the same outcome: what is new stays new
        before = history.before(tmp_path, runs[1], days[1 + turn])
        rows = class_report.write(runs[1], {}, tmp_path / "report.html", before=before)
        assert before.day == days[0]
        assert {row["id"]: (row["new"], row["more"]) for row in rows} == {
            "grey_levels": (False, 0), "clamped": (True, 1)}
    page = BeautifulSoup((tmp_path / "report.html").read_text(encoding="utf-8"), "html.parser")
    assert [head.text for head in page.select("h2")][2] == "New since 3 November 2026"
    assert [cell.text for cell in page.select("[aria-label='New misconceptions'] tbody tr > *")] == [
        "1.2 Load a mask", "clamped (1)"]
    class_report.write(runs[2], {}, tmp_path / "report.html", before=history.before(tmp_path, runs[2], days[2]))
    assert "No misconception is new." in (tmp_path / "report.html").read_text(encoding="utf-8")


@pytest.mark.parametrize("text", ["", "[", "[[1, 2]]", "{}", '[["yesterday", []]]', "[[\"2026-11-03\", 7]]"])
def test_a_memory_that_cannot_be_read_counts_as_none(text, tmp_path):
    (tmp_path / history.FILE).write_text(text)
    assert not history.before(tmp_path, [wrong("grey_levels")])


def test_results_are_data_that_no_spreadsheet_runs(tmp_path):
    evil = result("=cmd", "@SUM(A1)", flags=[{"kind": "reference", "exercise": "load_target", "text": "x"}])
    evil["exercises"][1] |= {"reason": "-2+3\n=HYPERLINK(1)", "by_hand": True}
    rows = class_report.write([evil, wrong("grey_levels")], {}, tmp_path / "report.html")
    tables.write(tmp_path, [evil, wrong("grey_levels")], rows, {("=cmd", "01_setup"): "+a/01_setup.ipynb"})
    found = {}
    for name in ("exercises", "misconceptions"):
        assert (tmp_path / f"{name}.csv").read_bytes().startswith(b"\xef\xbb\xbf")
        with (tmp_path / f"{name}.csv").open(newline="", encoding="utf-8-sig") as file:
            found[name] = list(csv.DictReader(file))
    assert [(row["student"], row["exercise"], row["points"], row["outcome"]) for row in found["exercises"]] == [
        ("'=cmd", "choose_device", "4", "right"), ("'=cmd", "load_target", "0", "wrong"),
        ("ada", "load_target", "0", "wrong")]
    row = found["exercises"][1]
    assert row == row | {"name": "'@SUM(A1)", "misconception": "grey_levels", "flags": "reference", "by_hand": "yes",
                         "reason": "'-2+3 =HYPERLINK(1)", "file": "'+a/01_setup.ipynb", "title": "1.2 Load a mask"}
    assert [(row["misconception"], row["students"], row["share"], row["new"]) for row in found["misconceptions"]] == [
        ("grey_levels", "2", "1", "")]


def test_an_example_does_not_say_whose_it_is(tmp_path):
    example = page_of([result(), result("b", "Bob B")], tmp_path).select(".mistake pre")[0].text
    assert "Image.open(path).convert(" in example and "np.array(name_1)" in example
    assert not re.search("ada|lovelace|7654321|here|written", example, re.IGNORECASE)


def test_common_words_stay_in_an_example():
    results = [result(str(number), f"Max Long Divmod {number}") for number in range(3)]
    code, hidden = anonymous.People(results).code("def f(values):\n    return max(values).long(), divmod\n")
    assert code == "def f(values):\n    return max(values).long(), divmod" and hidden == 0


@pytest.mark.parametrize("count", [0, 1, 30])
def test_a_class_of_any_size_has_a_report(count, tmp_path):
    results, intake = classroom.results(count, seed=1, odd_names=True)
    page = page_of(results, tmp_path, intake["problems"])
    assert len(page.select("table.sortable tbody tr")) == count
    assert ("no result" in page.text) == (count == 0)


def test_a_thousand_students_fit_into_one_page_of_three_megabytes(tmp_path):
    results, intake = classroom.results(1000, seed=1)
    page = page_of(results, tmp_path, intake["problems"])
    assert (tmp_path / "report.html").stat().st_size < 3_000_000
    assert len(page.select("table.sortable tbody tr")) == 1000
    assert not page.select_one("details:has(table.sortable)").has_attr("open")


def test_sections_without_content_are_not_there(tmp_path):
    clean = result(exercises=result()["exercises"][:1])
    assert [head.text for head in page_of([clean], tmp_path).select("h2")] == [
        "Scores", "Points per exercise", "All students"]
    full = result(repairs=["ids were gone"], problem="slow",
                  flags=[{"kind": "tampering", "exercise": None, "text": "x"}])
    assert len(page_of([full], tmp_path, [{"file": "a", "student": None, "text": "b"}]).select("h2")) == 8


def test_the_report_is_the_same_for_the_same_results(tmp_path):
    results, _ = classroom.results(10, seed=4)
    class_report.write(results, {"problems": []}, tmp_path / "a.html")
    class_report.write(results[::-1], {"problems": []}, tmp_path / "b.html")
    assert (tmp_path / "a.html").read_bytes() == (tmp_path / "b.html").read_bytes()


def test_pictures_have_words_and_no_outcome_is_told_by_colour_alone(tmp_path):
    page = page_of(classroom.results(30, seed=2)[0], tmp_path)
    pictures = page.select("svg[role=img]")
    assert len(pictures) > 20 and all(picture["aria-label"].strip() for picture in pictures)
    hatches = {pattern["id"] for pattern in page.select("pattern")}
    assert hatches == {f"hatch-{outcome}" for outcome in class_report.OUTCOMES if outcome != "right"}


@pytest.fixture
def hostile_report(tmp_path):
    everything = "\n".join(HOSTILE)
    exercises = [one | {"outcome": "wrong", "misconception": text, "reason": text, "name": f"{place}{text}",
                        "source": f"def f(x):\n    '''{text}'''\n    return '{text[:20]}'\n"}
                 for place, text in enumerate(HOSTILE) for one in result()["exercises"][:1]]
    results = [result(f"{text}{number}", text, assignment=f"01{text}", exercises=exercises, problem=text,
                      repairs=[text, everything],
                      flags=[{"kind": kind, "exercise": text, "text": everything} for kind in ("edited", text)])
               for number, text in enumerate(HOSTILE)]
    problems = [{"file": text, "student": text, "text": text} for text in HOSTILE]
    class_report.write(results, {"problems": problems}, tmp_path / "report.html", title=everything)
    return tmp_path / "report.html"


def test_nothing_that_a_student_wrote_runs_or_leaves_the_report(hostile_report, chromium):  # noqa: F811
    assert visit(chromium, hostile_report) == (False, [])
    html = hostile_report.read_text(encoding="utf-8")
    assert "\u202e" not in html and "1337" not in html  # nothing turns the text, and no template runs in it
    bare = hostile_report.with_name("bare.html")  # a viewer that ignores the policy
    bare.write_text(html.replace("Content-Security-Policy", "x-nothing"), encoding="utf-8")
    assert visit(chromium, bare) == (False, [])


def test_a_click_sorts_the_students_and_without_scripts_all_can_be_read(tmp_path, chromium):  # noqa: F811
    page_of([result("a", "A", score=4.0), result("b", "B", score=12.0), result("c", "C", score=8.0)], tmp_path)
    for scripts in (True, False):
        page = chromium.new_context(java_script_enabled=scripts).new_page()
        complaints = []
        page.on("console", lambda message, complaints=complaints: complaints.append(message.text))
        page.goto((tmp_path / "report.html").as_uri())
        orders = [page.locator("table.sortable tbody th:first-child > bdi").all_inner_texts()]
        for column in ("Total", "Total", "Student") if scripts else ():
            page.get_by_role("button", name=column).click()
            orders.append(page.locator("table.sortable tbody th:first-child > bdi").all_inner_texts())
        assert orders == [list("ABC"), list("BCA"), list("ACB"), list("ABC")][:len(orders)]
        assert complaints == []  # the page's own style and script pass its policy
        assert page.locator("body").evaluate("body => getComputedStyle(body).maxWidth") != "none"
        page.context.close()


@pytest.mark.parametrize("count, seed", [(2, 1), (5, 2), (10, 3), (30, 4), (30, 5), (100, 6), (300, 7)])
def test_students_who_each_wrote_a_common_answer_are_not_flagged(count, seed):
    assert similar.groups(classroom.results(count, seed)[0]) == []


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_whole_course_copied_under_other_names_is_found(seed):
    results, _ = classroom.results(100, seed)
    full = {name: sum(bool(one["source"]) for each in results if each["student"] == name for one in each["exercises"])
            for name in {each["student"] for each in results}}
    source, copier = sorted(full, key=lambda name: (-full[name], name))[:2]
    found = similar.groups(classroom.copied(results, source, copier))
    assert [set(group["students"]) for group in found] == [{source, copier}]
    assert "take the same steps" in found[0]["evidence"]


def test_two_answers_copied_of_sixteen_are_not_enough():
    results, _ = classroom.results(100, 1)
    students = sorted({each["student"] for each in results})
    assert similar.groups(classroom.copied(results, students[0], students[1], lambda number: number <= 2)) == []


@pytest.mark.parametrize("line", ["# erst die Grenzen wegwerfen und dann alles einzeln zusammenzaehlen",
                                  "# void is what nobody could decide on so my counting leaves it out"])
def test_the_same_comment_in_two_answers_is_evidence(line):
    results, _ = classroom.results(30, seed=1)
    marked = [one for each in results[::9] for one in each["exercises"]
              if one["name"] == "count_pixels" and one["source"]]
    for one in marked[:2]:
        one["source"] += f"    {line}\n"
    groups = similar.groups(results)
    assert len(marked) >= 2 and len(groups) == 1 and "the same comment" in groups[0]["evidence"]


@pytest.mark.parametrize("count", [2, 3, 10, 30])
def test_a_short_comment_on_the_matter_is_no_evidence(count):
    results, _ = classroom.results(count, seed=1)
    for each in [each for each in results if each["assignment"] == "01_setup"][:2]:
        for one in each["exercises"]:
            one["source"] += "    # ignore the void pixels\n" if one["name"] == "count_pixels" else ""
    assert similar.groups(results) == []


def test_what_the_whole_class_writes_is_nobodys_own():
    results, _ = classroom.results(30, seed=1)
    for each in results:
        for one in each["exercises"]:
            one["source"] += "# the hint that our lecturer has given us in the third week of the course\n"
    assert similar.groups(results) == []


def test_the_course_s_own_solution_is_no_tie_between_two_students():
    from tests.support import golden
    from tools import notebooks
    results = [result(student, student, assignment=name, exercises=[
        {"name": grade_id, "points": 1, "max_points": 1, "outcome": "right", "misconception": None, "reason": None,
         "source": source} for grade_id, source in golden.answers(name).items()])
        for student in ("a", "b") for name in notebooks.NAMES]
    others, _ = classroom.results(100, seed=1)
    assert similar.groups(results + others) == []


@pytest.mark.parametrize("source", ["def f(:", "\0", "-" * 19_000 + "1", "a" + ".a" * 9000, "lambda:" * 2000 + "1",
                                    "x" * 5_000_000, "\ud800", "%%bash\nrm -rf /", "'" * 999, " " * 19_000 + "x"],
                         ids=["broken", "null", "deep", "dotted", "lambdas", "long", "half", "magic", "quotes",
                              "spaces"])
def test_no_source_stops_the_report(source, tmp_path):
    results = [result(student, student) for student in ("a", "b", "c")]
    for each in results:
        each["exercises"][1]["source"] = source
    assert len(page_of(results, tmp_path).select(".mistake")) == 1


def test_renaming_layout_and_comments_do_not_change_the_steps():
    answer, source = next((answer, source) for answer, source in classroom.sources("count_pixels")
                          if answer.kind == "right")
    assert similar.steps(source) and similar.steps(source) == similar.steps(classroom.renamed(source))
    assert similar.steps(source) != similar.steps(source.replace("!=", "=="))


@pytest.fixture(scope="module")
def ordinary_report(tmp_path_factory):
    results, intake = classroom.results(70, seed=8)
    results = classroom.copied(results, results[0]["student"], results[-1]["student"])
    path = tmp_path_factory.mktemp("report") / "report.html"
    class_report.write(results, intake, path, before=history.Before(date(2026, 11, 3)))
    return path


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [400, 1000])
def test_everybody_can_read_the_report(ordinary_report, chromium, scheme, width):  # noqa: F811
    assert axe.complaints(chromium, ordinary_report, scheme, width) == []


def test_the_report_is_used_with_the_keyboard_and_printed_unfolded(ordinary_report, chromium):  # noqa: F811
    page = chromium.new_page()
    page.goto(ordinary_report.as_uri())
    page.locator("details:has(table.sortable) > summary").press("Enter")
    head = page.locator("table.sortable thead th").nth(1)
    head.locator("button").press("Enter")
    assert head.get_attribute("aria-sort") == "descending"
    scores = [float(text.replace("–", "-1")) for text in page.locator(
        "table.sortable tbody tr > :nth-child(2)").all_inner_texts()]
    assert scores == sorted(scores, reverse=True)
    folded = page.locator("details:not([open])").count()
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert folded and page.locator("details:not([open])").count() == 0
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert page.locator("details:not([open])").count() == folded
    page.close()


@pytest.mark.parametrize("width, media", [(400, "screen"), (700, "print")])
def test_the_report_fits_a_telephone_and_a_sheet_of_paper(ordinary_report, chromium, width, media):  # noqa: F811
    assert axe.overflow(chromium, ordinary_report, width, media) <= 0


def test_on_a_telephone_no_flag_has_to_be_scrolled_to(ordinary_report, chromium):  # noqa: F811
    page = chromium.new_page(viewport={"width": 400, "height": 900})
    page.goto(ordinary_report.as_uri())
    page.evaluate("document.querySelectorAll('details').forEach(fold => fold.open = true)")
    wider = page.locator("table.flags").evaluate_all(
        "tables => tables.map(table => table.parentElement.scrollWidth - table.parentElement.clientWidth)")
    page.close()
    assert wider and max(wider) <= 0
