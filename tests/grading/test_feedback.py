"""Feedback: students read points, reasons and their own code; nothing in a notebook can act there."""

import base64
import io
import json
import os
import shutil
import subprocess
import sys

import nbformat
import pytest
from bs4 import BeautifulSoup
from nbconvert.exporters import HTMLExporter
from nbformat.v4 import new_code_cell, new_markdown_cell, new_output, new_raw_cell
from nbgrader.api import Gradebook
from PIL import Image
from traitlets.config import Config

from grading import gradebook
from grading.report import feedback, words
from grading.run.limits import WORK
from helpers.settings import CHECK_MIME, ROOT
from tests.support import axe
from tests.support.hostile import HOSTILE, RUN, chromium, visit  # noqa: F401 (chromium is a fixture)
from tools import notebooks

pytestmark = pytest.mark.filterwarnings("ignore::sqlalchemy.exc.SAWarning", "ignore:No lexer found")
NAME = "01_setup"


def kind(cell):
    return cell.metadata.get("nbgrader", {})


def picture(mode="PNG", size=(4, 3)):
    content = io.BytesIO()
    Image.new("RGB", size).save(content, mode)
    return base64.b64encode(content.getvalue()).decode()


def solution():
    """A notebook as nbgrader leaves it: all answers, nothing run."""
    notebook = nbformat.read(notebooks.solution(NAME), as_version=4)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs = []
    return notebook


def hostile():
    """Whatever a student can put into a notebook, in every place that has room for it."""
    notebook, everything = solution(), "\n\n".join(HOSTILE)
    outputs = []
    for text in HOSTILE:
        outputs += [new_output("stream", name="stdout", text=text), new_output("stream", name="stderr", text=text)]
    data = {mime: everything for mime in ("text/html", "image/svg+xml", "application/javascript", "text/markdown",
                                         "text/latex", "text/vnd.mermaid", "image/png", "image/jpeg", "text/plain")}
    data["application/vnd.jupyter.widget-view+json"] = {"model_id": everything}
    metadata = {"image/png": {"width": f"1 onerror={RUN.replace(' ', '')}", "alt": everything}, "isolated": True}
    shown = [new_output("display_data", data=data, metadata=metadata),
             new_output("display_data", data={"image/png": picture()}, metadata=metadata),
             new_output("display_data", data={"image/png": picture() + f"\" onerror=\"{RUN}"}),
             new_output("execute_result", data={"text/html": everything}, execution_count=1)]
    error = new_output("error", ename=everything, evalue=everything, traceback=[everything] * 3)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs = [error, *shown, *outputs]
            cell.metadata |= {"tags": [f"\"><script>{RUN}</script>"], "magics_language": everything, "id": everything}
        if kind(cell).get("solution"):
            cell.source = everything
    notebook.cells += [new_markdown_cell(everything), *map(new_markdown_cell, HOSTILE), new_code_cell(everything),
                       new_raw_cell(everything, metadata={"raw_mimetype": "text/html"}),
                       new_markdown_cell("![a](attachment:a.svg)",
                                         attachments={"a.svg": {"image/svg+xml": everything}})]
    notebook.metadata |= {"title": everything, "widgets": {"application/vnd.jupyter.widget-state+json": {
        "state": {}, "x": everything}}, "course": {"repairs": [everything], "flags": [], "problem": everything},
        "language_info": {"name": everything, "pygments_lexer": everything}}
    return notebook


def write_course(folder, submissions, scores=None):
    """A course folder with a gradebook and autograded notebooks: student to notebook, grade id to points."""
    with Gradebook(f"sqlite:///{folder / 'gradebook.db'}", "segmentation-course") as book:
        book.add_assignment(NAME)
        book.add_notebook(NAME, NAME)
        for cell in solution().cells:
            if kind(cell).get("grade"):
                book.add_grade_cell(kind(cell)["grade_id"], NAME, NAME, max_score=kind(cell)["points"],
                                    cell_type="code")
            if kind(cell).get("solution"):
                book.add_solution_cell(kind(cell)["grade_id"], NAME, NAME)
        for student, notebook in submissions.items():
            book.add_student(student)
            for grade in book.add_submission(NAME, student).notebooks[0].grades:
                grade.auto_score = (scores or {}).get(grade.name, 0)
            place = folder / "autograded" / student / NAME
            place.mkdir(parents=True)
            (place / f"{NAME}.ipynb").write_text(json.dumps(notebook))  # escaped: half a character is no UTF-8
            (place / "model.safetensors").write_text("copied by nbgrader")
            (place / "evil.html").write_text(f"<script>{RUN}</script>")
        book.db.commit()


def written(folder):
    """Write the pages of a course folder; the notebooks without one."""
    return feedback.write(folder, gradebook.marks(folder / "gradebook.db"))[1]


def page_of(folder, student):
    return folder / "feedback" / student / NAME / f"{NAME}.html"


@pytest.fixture(scope="module")
def hostile_page(tmp_path_factory):
    folder = tmp_path_factory.mktemp("course")
    write_course(folder, {"mallory": hostile()})
    assert written(folder) == []
    return page_of(folder, "mallory")


def test_nothing_in_a_hostile_notebook_runs_or_leaves_the_page(hostile_page, chromium):  # noqa: F811
    assert visit(chromium, hostile_page) == (False, [])


def test_nothing_runs_even_where_a_viewer_ignores_the_policy(hostile_page, chromium, tmp_path):  # noqa: F811
    html = hostile_page.read_text(encoding="utf-8")
    assert "Content-Security-Policy" in html
    bare = tmp_path / "bare.html"
    bare.write_text(html.replace("Content-Security-Policy", "x-nothing"), encoding="utf-8")
    assert visit(chromium, bare) == (False, [])


def test_the_hostile_notebook_does_run_in_a_page_that_is_not_made_safe(chromium, tmp_path):  # noqa: F811
    html, _ = HTMLExporter(template_name="classic").from_notebook_node(hostile())
    (tmp_path / "unsafe.html").write_text(html, encoding="utf-8", errors="replace")
    ran, asked = visit(chromium, tmp_path / "unsafe.html")
    assert ran and asked


def test_formgrader_shows_a_hostile_notebook_without_running_it(chromium, tmp_path):  # noqa: F811
    config = Config()
    feedback.configure(config)
    import nbgrader.server_extensions.formgrader.handlers as formgrader
    config.HTMLExporter.template_name = "formgrade"
    config.HTMLExporter.extra_template_basedirs = [formgrader.template_path]
    notebook, _ = feedback.Passive().preprocess(hostile(), {})
    for cell in notebook.cells:
        if kind(cell).get("grade"):
            cell.metadata.nbgrader |= {"score": 0, "points": 1}
    resources = {"assignment_id": NAME, "notebook_id": NAME, "submission_id": "1", "index": 0, "total": 1,
                 "base_url": "", "student": "mallory", "last_name": "M", "first_name": "M", "notebook_path": "x"}
    html, _ = HTMLExporter(config=config).from_notebook_node(notebook, resources=resources)
    (tmp_path / "formgrade.html").write_text(html, encoding="utf-8", errors="replace")
    ran, asked = visit(chromium, tmp_path / "formgrade.html")
    assert not ran and not any("evil.test" in url for url in asked)


def test_a_page_shows_all_of_an_answer_and_of_a_check_what_it_says(tmp_path):
    notebook = solution()
    for cell in notebook.cells:
        if kind(cell).get("grade"):
            cell.outputs = [new_output("display_data", data={CHECK_MIME: {"message": 424242}, "text/plain": "shown"}),
                            new_output("error", ename="NameError", evalue="name 'x' is not defined", traceback=[
                                "----> 4 helpers.checks.run(count_pixels)", "NameError: name 'x' is not defined"])]
        elif kind(cell).get("solution"):
            cell.source += "\n### BEGIN HIDDEN TESTS\nnothing_to_hide = 1\n### END HIDDEN TESTS"
    write_course(tmp_path, {"ada": notebook})
    written(tmp_path)
    html = page_of(tmp_path, "ada").read_text(encoding="utf-8")
    assert "424242" not in html and "checks.run" not in html
    assert "checks" in html and "bincount" in html and "is not defined" in html and "nothing_to_hide" in html


def test_points_reasons_and_comments_are_the_gradebooks(tmp_path):
    notebook = solution()
    forged = new_output("stream", name="stdout", text="01_setup: 20 of 20 points\n8 / 8")
    for cell in notebook.cells:
        if kind(cell).get("grade_id") == "test_load_target":
            cell.outputs = [forged, new_output("error", ename="CheckFailed", evalue="-", traceback=["-"])]
            cell.metadata["course"] = {"outcome": "wrong", "misconception": "grey_levels",
                                       "reason": "load_target returned 38, expected 1. Open the file as it is."}
    write_course(tmp_path, {"ada": notebook},
                 {"test_choose_device": 4, "test_load_target": 0, "test_count_pixels": 7.5})
    with Gradebook(f"sqlite:///{tmp_path / 'gradebook.db'}", "segmentation-course") as book:
        book.find_comment("load_target", NAME, NAME, "ada").manual_comment = "Look *again* <script>x</script>"
        book.update_or_create_student("ada", first_name="Ada", last_name="Lovelace")
        book.update_or_create_submission(NAME, "ada", timestamp="2026-11-03 14:05:00")
        book.db.commit()
    written(tmp_path)
    html = page_of(tmp_path, "ada").read_text(encoding="utf-8")
    page = BeautifulSoup(html, "html.parser")
    assert page.select_one(".lead").text == "Feedback for Ada Lovelace: 11.5 of 20 points"
    assert "Handed in on 3 November 2026, 14:05 UTC." in page.header.text
    row = page.find("th", string="1.2 Load a mask").parent
    assert [cell.text for cell in row.select("td")] == ["0 of 8", "load_target returned 38, expected 1."]
    assert "Open the file as it is." in page.select_one("#check-2 .said").text
    assert "Look <em>again</em> &lt;script&gt;" in html


def test_a_header_is_the_graders_alone(tmp_path):
    notebook = solution()
    notebook.cells.append(new_markdown_cell("# 20 of 20 points\n\n## Right\n\n<h1>Right</h1>"))
    write_course(tmp_path, {"ada": notebook})
    written(tmp_path)
    page = BeautifulSoup(page_of(tmp_path, "ada").read_text(encoding="utf-8"), "html.parser")
    assert len(page.select("h1")) == 1 and not page.select(".text h1, .text h2")


@pytest.mark.parametrize("said, sentence", [
    (("not_attempted", None, None), "No answer was handed in."), (("right", None, None), "Right."),
    (("wrong", "no_data", "Grade again with DATA_ROOT="), "Not graded yet: your instructor needs the VOC images."),
    (("wrong", "grey_levels", "It returned 38."), "It returned 38."), (("raised", None, None),
     "Your code stopped with an error."), (("invented", None, None), "This exercise was not run."),
    (("raised", None, "NameError: x\n  File /tmp/ipykernel_71/123.py:3\n  File /course/helpers/voc.py:9, and "
      f"{WORK}/a.png"), "NameError: x\n  your cell:3\n  File helpers/voc.py:9, and a.png")])
def test_sentences_come_from_the_fields_and_show_no_folder_of_the_grader(said, sentence):
    assert words.said(*said) == sentence


def test_an_exercise_without_points_that_is_wrong_is_not_called_a_mark_by_hand(tmp_path):
    notebook = solution()
    for cell in notebook.cells:
        if kind(cell).get("grade_id") == "test_choose_device":
            cell.metadata.nbgrader.points = 0
            cell.metadata["course"] = {"outcome": "wrong", "misconception": "x", "reason": "It is always the CPU."}
    write_course(tmp_path, {"ada": notebook})
    with Gradebook(f"sqlite:///{tmp_path / 'gradebook.db'}", "segmentation-course") as book:
        book.find_grade_cell("test_choose_device", NAME, NAME).max_score = 0
        book.db.commit()
    written(tmp_path)
    check = BeautifulSoup(page_of(tmp_path, "ada").read_text(encoding="utf-8"), "html.parser").select_one("#check-1")
    said = check.select_one(".said")
    assert said.text == "It is always the CPU." and "good" not in said["class"]


def test_only_pages_with_something_new_are_written(tmp_path):
    write_course(tmp_path, {"ada": solution(), "bob": solution()})
    pages = {student: page_of(tmp_path, student) for student in ("ada", "bob")}
    book = tmp_path / "gradebook.db"
    assert feedback.write(tmp_path, gradebook.marks(book)) == (2, [])
    before = {student: page.stat().st_mtime_ns for student, page in pages.items()}
    with Gradebook(f"sqlite:///{book}", "segmentation-course") as open_book:
        open_book.find_grade("test_load_target", NAME, NAME, "ada").manual_score = 3
        open_book.db.commit()
    assert feedback.write(tmp_path, gradebook.marks(book)) == (1, [])
    assert [page.stat().st_mtime_ns == before[student] for student, page in pages.items()] == [False, True]
    assert "Your instructor gave these points." in pages["ada"].read_text(encoding="utf-8")


def test_a_flood_is_cut_and_the_error_behind_it_stays():
    flood = [new_output("stream", name="stdout", text="x" * 5_000_000)]
    flood += [new_output("display_data", data={"text/plain": "y" * 50_000}) for _ in range(500)]
    flood += [new_output("display_data", data={"image/png": picture(size=(5000, 1))}),
              new_output("error", ename="CheckFailed", evalue="not right", traceback=["not right"])]
    notebook = nbformat.v4.new_notebook(cells=[new_code_cell("1", outputs=flood)])
    notebook, _ = feedback.Passive().preprocess(notebook, {})
    assert len(nbformat.writes(notebook)) < 500_000
    assert [output.evalue for output in notebook.cells[0].outputs if output.output_type == "error"] == ["not right"]


@pytest.mark.parametrize("data, kept", [(picture(), True), (picture(size=(4001, 1)), False), ("AAAA", False),
                                        (picture("JPEG"), False), ("<svg/>", False), (["x"], False), (None, False)],
                         ids=["small", "too wide", "garbage", "another kind", "markup", "a list", "nothing"])
def test_only_real_and_small_pictures_are_kept(data, kept):
    output = {"output_type": "display_data", "metadata": {}, "data": {"image/png": data}}
    notebook = nbformat.from_dict({"metadata": {}, "cells": [
        {"cell_type": "code", "source": "1", "metadata": {}, "outputs": [output]}]})
    notebook, _ = feedback.Passive().preprocess(notebook, {})
    assert bool(notebook.cells[0].outputs) == kept


def test_a_picture_and_a_long_output_reach_the_page_whole(tmp_path):
    notebook = solution()
    content = io.BytesIO()
    Image.effect_noise((300, 300), 90).save(content, "PNG")
    data = base64.b64encode(content.getvalue()).decode()
    cell = next(cell for cell in notebook.cells if cell.cell_type == "code")
    lines = "\n".join(f"\x1b[31mline {number}\x1b[0m" for number in range(400))
    cell.outputs = [new_output("display_data", data={"image/png": data, "text/plain": "<Figure>"}),
                    new_output("stream", name="stdout", text=lines)]
    write_course(tmp_path, {"ada": notebook})
    written(tmp_path)
    html = page_of(tmp_path, "ada").read_text(encoding="utf-8")
    assert len(data) > 50_000 and f'src="data:image/png;base64,{data}"' in html
    assert '<span class="ansi-red-fg">line 399</span>' in html


def test_markdown_keeps_its_form_and_loses_what_could_act():
    html = feedback.markdown("# A\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n*so* [there](https://x.test) "
                             "[not](javascript:x) ![alt](http://evil.test/a.png)\n\n```python\n1 < 2\n```")
    assert "<h3>A</h3>" in html and "<td>1</td>" in html and '<a href="https://x.test">there</a>' in html
    assert "javascript" not in html and "evil.test" not in html and "picture: alt" in html and "1 &lt; 2" in html


def test_nbgraders_own_command_writes_the_same_page_and_nothing_else(tmp_path):
    write_course(tmp_path, {"ada": solution(), "mallory": hostile()})
    (tmp_path / "nbgrader_config.py").write_text(
        "from grading.report import feedback\nc = get_config()\nc.CourseDirectory.course_id = 'segmentation-course'\n"
        "feedback.configure(c)\n")
    run = subprocess.run([sys.executable, "-m", "nbgrader", "generate_feedback", NAME], cwd=tmp_path,
                         capture_output=True, text=True, env={**os.environ, "PYTHONPATH": str(ROOT)})
    assert run.returncode == 0, run.stderr[-2000:]
    command = {student: page_of(tmp_path, student).read_text(encoding="utf-8") for student in ("ada", "mallory")}
    assert {path.name for path in (tmp_path / "feedback").rglob("*") if path.is_file()} == {
        f"{NAME}.html"}
    shutil.rmtree(tmp_path / "feedback")
    assert written(tmp_path) == []
    assert {student: page_of(tmp_path, student).read_text(encoding="utf-8") for student in command} == command


def test_metadata_that_is_not_valid_costs_no_page(tmp_path):
    notebook = solution()
    for cell in notebook.cells:
        cell.metadata |= {"tags": "a, b", "name": "two\nlines", "collapsed": "no"}
        cell.outputs = [{"output_type": "display_data", "data": {"text/plain": {"a": 1}}, "metadata": 3}]
    notebook.metadata |= {"title": 7, "authors": "x", "kernelspec": [], "language_info": 3}
    write_course(tmp_path, {"ada": notebook})
    assert written(tmp_path) == []


def test_one_page_that_cannot_be_made_costs_no_other(tmp_path):
    write_course(tmp_path, {"ada": solution(), "broken": solution()})
    (tmp_path / "autograded" / "broken" / NAME / f"{NAME}.ipynb").write_text("{")
    assert written(tmp_path) == [("broken", NAME)]
    assert page_of(tmp_path, "ada").exists()


@pytest.fixture(scope="module")
def ordinary_page(tmp_path_factory):
    """A page with all that pages have: each outcome, a comment, repairs, a problem, outputs of each kind."""
    folder, notebook = tmp_path_factory.mktemp("course"), solution()
    said = iter([("right", None, None), ("wrong", "grey_levels", "load_target returned 38.0, expected 1. " * 9),
                 ("raised", None, "NameError: name 'a_name_that_is_longer_than_a_line_has_room_for' is not defined")])
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs = [new_output("stream", name="stderr", text="\x1b[31mred\x1b[0m \x1b[32mgreen\x1b[0m"),
                            new_output("display_data", data={"image/png": picture(size=(800, 20))}),
                            new_output("error", ename="E", evalue="e", traceback=["\x1b[0;31mE\x1b[0m: e"])]
        if kind(cell).get("grade"):
            cell.metadata["course"] = dict(zip(("outcome", "misconception", "reason"), next(said)))
    notebook.cells.append(new_markdown_cell("# Mine\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n[there](https://x.test)"))
    notebook.metadata["course"] = {"repairs": ["A cell was put back."], "flags": [], "problem": "It took too long.",
                                   "graded": "2026-11-25"}
    write_course(folder, {"ada": notebook}, {"test_choose_device": 4})
    with Gradebook(f"sqlite:///{folder / 'gradebook.db'}", "segmentation-course") as book:
        book.find_comment("load_target", NAME, NAME, "ada").manual_comment = "Look again."
        book.find_submission_notebook(NAME, NAME, "ada").late_submission_penalty = 1
        book.update_or_create_submission(NAME, "ada", timestamp="2026-11-03 14:05:00")
        book.db.commit()
    assert written(folder) == []
    return page_of(folder, "ada")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [400, 1000])
def test_everybody_can_read_the_page(ordinary_page, chromium, scheme, width):  # noqa: F811
    assert axe.complaints(chromium, ordinary_page, scheme, width) == []


@pytest.mark.parametrize("width, media", [(400, "screen"), (700, "print")])
def test_the_page_fits_a_telephone_and_a_sheet_of_paper(ordinary_page, chromium, width, media):  # noqa: F811
    assert axe.overflow(chromium, ordinary_page, width, media) <= 0


def test_no_word_is_cut_on_a_telephone(ordinary_page, chromium):  # noqa: F811
    assert [word for word in axe.broken_words(chromium, ordinary_page) if len(word) < 40] == []  # none fits the others


def test_feedback_as_a_notebook_says_the_same_and_its_words_are_no_markdown():
    notebook = solution()
    for cell in notebook.cells:
        if kind(cell).get("grade_id") == "test_load_target":
            cell.metadata["course"] = {"outcome": "wrong",
                                       "reason": "It returned [38](x) <b>&amp;\n$x$ | `y`_z_ (void)."}
    mark = gradebook.Mark("Ada", raw_score=18.0, max_score=20.0, penalty=2.0, rule="ten a day",
                          points={"load_target": 6.0}, max_points={"load_target": 8.0},
                          comments={"load_target": "Well *done*."})
    made = feedback.notebook_of(notebook, mark, NAME)
    nbformat.validate(made)
    text = "\n".join(cell.source for cell in made.cells if cell.id.startswith("feedback"))
    assert "**Feedback: 16 of 20 points**" in text
    assert "2 of 18 points were taken off because the notebook came late (ten a day)." in text
    assert "| 1.2 Load a mask | 6 of 8 | It returned \\[38\\](x) \\<b\\>\\&amp; |" in text
    assert "> **Feedback.** It returned \\[38\\](x) \\<b\\>\\&amp;<br>\\$x\\$ \\| \\`y\\`\\_z\\_ (void)." in text
    assert "> **Feedback.** Well \\*done\\*." in text
    assert [cell.source for cell in made.cells if not cell.id.startswith("feedback")] == [
        cell.source for cell in feedback.Passive().preprocess(notebook, {})[0].cells]
