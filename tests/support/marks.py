"""The marks of a folder of grades, as each of the four places has them that people look at."""

import csv

from bs4 import BeautifulSoup

from grading import course, gradebook


def everywhere(folder):
    """(student, notebook) to points, as the gradebook, the CSV, the report and the pages have them: four dicts."""
    marks = gradebook.marks(folder / "gradebook.db")
    book = {key: mark.score for key, mark in marks.items()}
    with (folder / "grades.csv").open(newline="", encoding="utf-8") as file:
        table = {(row["student_id"], row["assignment"]): float(row["score"]) for row in csv.DictReader(file)}
    report = BeautifulSoup((folder / "report.html").read_text(encoding="utf-8"), "html.parser").select_one(".sortable")
    names = [head.text for head in report.select("thead th")][1:-2]
    by_title = {course.titles()[name]: name for name in course.release()}
    shown = {}
    for row in report.select("tbody tr"):
        owner = (row.th.small or row.th.select_one(".small") or row.th).text.strip()
        for name, cell in zip(names, row.select("td")):
            if cell.text != "–":
                shown[owner, by_title[name]] = float(cell.text)
    pages = {}
    for page in folder.glob("feedback/*/*/*.html"):
        lead = BeautifulSoup(page.read_text(encoding="utf-8"), "html.parser").select_one(".lead strong").text
        pages[page.parts[-3], page.stem] = float(lead.split()[0])
    return book, {key: table[key] for key in book}, shown, pages
