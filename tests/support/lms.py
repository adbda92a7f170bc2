"""A class as Canvas and Moodle, and the other systems, give it: the download, and the gradebook that goes with it.

Written field by field after the systems' own sources (see docs/canvas.md and docs/moodle.md); none is from a live one.

    python -m tests.support.lms FOLDER      # a class of 30 in each of them, to walk the documents with
"""

import io
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path

import yaml

FIRST = ("Ada", "Grace", "José", "Zoë", "Łukasz", "李", "Søren", "Amélie", "O'Neil", "Ngọc", "Anne-Marie", "Мария")
LAST = ("Lovelace", "Hopper", "García Márquez", "Müller", "Nguyễn", "Żółć", "van der Berg", "Иванова", "Lee", "Kim")
# What Moodle calls its columns and its people in some languages, and how it writes numbers there
MOODLE = {
    "en": ("Identifier,Full name,ID number,Email address,Status,Grade,Maximum grade,Grade can be changed,"
           "Last modified (submission),Last modified (grade),Feedback comments", "Participant ", ".",
           "First name,Last name,ID number,Institution,Department,Email address", "Assignment: {} (Real)",
           "Course total (Real),Last downloaded from this course"),
    "de": ("ID,Vollständiger Name,ID-Nummer,E-Mail-Adresse,Status,Bewertung,Bestwertung,Bewertung kann geändert werden,"
           "Zuletzt geändert (Abgabe),Zuletzt geändert (Bewertung),Feedback als Kommentar", "Teilnehmer/in", ",",
           "Vorname,Nachname,ID-Nummer,Institution,Abteilung,E-Mail-Adresse", "Aufgabe: {} (Punkte)",
           "Kurs gesamt (Punkte),Zuletzt aus diesem Kurs geladen"),
    "fr": ("Identifiant,Nom complet,Numéro d'identification,Adresse de courriel,Statut,Note,Note maximale,"
           "La note peut être modifiée,Dernière modification (travail remis),Dernière modification (note),"
           "Feedback par commentaires", "Participant", ",", "Prénom,Nom de famille,Numéro d'identification,"
           "Institution,Département,Adresse de courriel", "Devoir : {} (Brut)",
           "Total du cours (Brut),Dernier téléchargement depuis ce cours"),
    "ja": ("識別子,フルネーム,IDナンバー,メールアドレス,ステータス,評点,最大評点,評点の変更,最終更新日時 (提出),"
           "最終更新日時 (評点),フィードバックコメント", "参加者", ".",
           "名,姓,IDナンバー,所属組織,部署,メールアドレス", "課題: {} (実データ)",
           "コース合計 (実データ),このコースの最終ダウンロード日時"),
}


@dataclass(frozen=True)
class Student:
    """One of the class, with all that the systems know of them."""

    place: int
    first: str
    last: str

    @property
    def name(self):
        return f"{self.first} {self.last}"

    canvas = property(lambda self: 4100 + 7 * self.place)
    login = property(lambda self: f"s{self.place:03}")
    sis = property(lambda self: f"7{self.place:06}")
    email = property(lambda self: f"{self.login}@uni.example")

    def moodle(self, assignment):
        """The participant's number: Moodle draws others for each assignment."""
        return 90_000 + 1000 * assignment + (self.place * 37) % 997

    def attachment(self, assignment):
        return 880_000 + 1000 * assignment + self.place


def everybody(count):
    """`count` students, two of whom have one name."""
    found = [Student(place, FIRST[place % len(FIRST)], LAST[place % len(LAST)]) for place in range(count)]
    return found[:-1] + [Student(count - 1, found[0].first, found[0].last)] if count > 2 else found


def zipped(files):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return stream.getvalue()


def lines(rows, delimiter=",", quoted=lambda text: False, end="\r\n"):
    """Rows as CSV text, quoted where it must be and where `quoted(text)` says so."""
    def cell(value):
        text = str(value)
        must = any(sign in text for sign in (delimiter, '"', "\n", "\r")) or text and quoted(text)
        return '"' + text.replace('"', '""') + '"' if must else text
    return "".join(delimiter.join(map(cell, row)) + end for row in rows)


def canvas_files(handed_in, assignment=0, anonymous=False):
    """Names in Canvas's zip to bytes; `handed_in` is [(Student, file's name, bytes)]."""
    return {f"{'anon' if anonymous else canvas_name(one)}_{'LATE_' * (one.place % 9 == 4)}"
            f"{f'Zz{one.place:03}' if anonymous else one.canvas}_{one.attachment(assignment)}_{file}": content
            for one, file, content in handed_in}


def canvas_name(student):
    """As Canvas squeezes a name that sorts into one word."""
    return "".join(letter for letter in f"{student.last}{student.first}".lower() if letter.isalnum()) or "x"


def canvas_gradebook(students, columns, delimiter=",", decimal=".", bom=False, sis=True, split=False, posting=False,
                     score=lambda student, title: ""):
    """Canvas's export; `columns` are (title, points possible)."""
    def number(value):
        return f"{value:.2f}".replace(".", decimal)
    head = [*(("LastName", "FirstName") if split else ("Student",)), "ID", *(("SIS User ID",) if sis else ()),
            "SIS Login ID", "Section", "Notes"]
    titles = [f"{title} ({55_000 + place})" for place, (title, _) in enumerate(columns)]
    totals = ["Assignments Current Points", "Assignments Current Score", "Current Score", "Final Grade"]
    rows = [[*head, *titles, *totals]]
    if posting:
        rows.append([""] * len(head) + ["Manual Posting"] * len(titles) + [""] * len(totals))
    rows.append(["    Points Possible", *[""] * (len(head) - 1), *(number(most) for _, most in columns),
                 *["(read only)"] * len(totals)])
    for one in students:
        name = (one.last, one.first) if split else (f"{one.last}, {one.first}",)
        rows.append([*name, one.canvas, *((one.sis,) if sis else ()), one.login, "Sec 1 and Sec 2", 'says "hi"',
                     *(score(one, title) for title, _ in columns), "", "", number(87.5), "B"])
    test = ("Student", "Test") if split else ("Student, Test",)
    rows.append([*test, "99999", *(("",) if sis else ()), "f00ba4", "Sec 1", "", *[""] * len(titles), *[""] * 4])
    return b"\xef\xbb\xbf" * bom + lines(rows, delimiter, end="\n").encode()


def moodle_files(handed_in, assignment=0, blind=False, flat=False):
    """Names in Moodle's zip to bytes."""
    return {f"{'Participant' if blind else one.name.replace('_', ' ')}_{one.moodle(assignment)}_assignsubmission_file_"
            f"{'' if flat else '/'}{file}": content for one, file, content in handed_in}


def moodle_worksheet(students, most, assignment=0, language="en", blind=False, score=lambda student: "",
                     delimiter=",", encoding="utf-8"):
    """Moodle's grading worksheet of an assignment."""
    head, participant, decimal, *_ = MOODLE[language]
    rows = [[text for text in head.split(",") if not blind or text not in head.split(",")[1:4]]]
    for one in students:
        who = [] if blind else [one.name, one.sis, one.email]
        rows.append([f"{participant}{one.moodle(assignment)}", *who, "Submitted for grading - ", score(one),
                     f"{most:.2f}".replace(".", decimal), "Yes", "Tuesday, 24 November 2026, 6:05 PM", "-",
                     "<p>Well, \"done\"</p>\n" if one.place % 5 == 0 else ""])
    return lines(rows, delimiter, quoted=lambda text: " " in text).encode(encoding)


def moodle_gradebook(students, titles, language="en", score=lambda student, title: "-"):
    """Moodle's gradebook as plain text."""
    *_, head, column, end = MOODLE[language]
    rows = [[*head.split(","), *(column.format(title) for title in titles), *end.split(",")]]
    for one in students:
        rows.append([one.first, one.last, one.sis, "", "Maths, applied", one.email,
                     *(score(one, title) for title in titles), "-", "1795773600"])
    return lines(rows, quoted=lambda text: " " in text, end="\n").encode()


def blackboard_files(handed_in):
    found = {}
    for one, file, content in handed_in:
        before = f"Notebook 1_{one.login}_attempt_2026-11-24-{8 + one.place % 12:02}-05-00"
        found[f"{before}.txt"] = f"Name: {one.name} ({one.login})\nAssignment: Notebook 1\n".encode()
        found[f"{before}_{file}"] = content
    return found


def brightspace_files(handed_in):
    return {f"{2200 + one.place}-77{one.place:03} - {one.name} - Nov 24, 2026 {one.place % 11 + 1}05 PM - {file}":
            content for one, file, content in handed_in} | {"index.html": b"<html></html>"}


def gradescope_files(handed_in):
    folder = "assignment_4711_export"
    facts = {f"submission_{300_000 + one.place}": {
        ":submitters": [{":name": one.name, ":sid": one.sis, ":email": one.email}],
        ":created_at": "2026-11-24 18:05:00 Z"} for one, _, _ in handed_in}
    return {f"{folder}/submission_metadata.yml": yaml.safe_dump(facts, allow_unicode=True).encode()} | {
        f"{folder}/submission_{300_000 + one.place}/{file}": content for one, file, content in handed_in}


def main(folder):
    """Write a class of 30, right, wrong, mangled and hostile, as each system gives notebook 1."""
    from tests.support import classes
    folder, students = Path(folder), everybody(30)
    handed_in = [(one, given.file, given.data) for one, given in zip(students, classes.generated(
        28, seed=30, only="01_setup"))]
    columns = [("Reading list", 5), ("Notebook 1: Setup", 20), ("Notebook 2: Augmentation", 20)]
    for name, content in {
            "canvas/submissions.zip": zipped(canvas_files(handed_in)),
            "canvas/2026-11-25T0905_Grades-SEG.csv": canvas_gradebook(students, columns),
            "canvas-anonymous/submissions.zip": zipped(canvas_files(handed_in, anonymous=True)),
            "moodle/SEG-Notebook 1-1234.zip": zipped(moodle_files(handed_in)),
            "moodle/Grades-SEG-Notebook 1-1234.csv": moodle_worksheet(students, 20),
            "moodle/SEG Grades-20261125_0905-comma_separated.csv": moodle_gradebook(
                students, [title for title, _ in columns]),
            "moodle-blind/SEG-Notebook 1-1234.zip": zipped(moodle_files(handed_in, blind=True)),
            "moodle-blind/Bewertungen-SEG-Aufgabe 1-1234.csv": moodle_worksheet(students, 20, language="de",
                                                                                blind=True),
            "blackboard/gradebook_SEG_Notebook201_2026-11-25-09-05-00.zip": zipped(blackboard_files(handed_in)),
            "brightspace/Notebook 1 Download Nov 25, 2026 905 AM.zip": zipped(brightspace_files(handed_in)),
            "gradescope/assignment_4711_export.zip": zipped(gradescope_files(handed_in)),
            "folders/class.zip": zipped({f"{one.sis}/{file}": content for one, file, content in handed_in}),
            "nbgrader/submitted.zip": zipped({f"submitted/{one.login}/01_setup/{file}": content
                                              for one, file, content in handed_in}),
            "loose/class.zip": zipped({f"{one.login}_{file}": content for one, file, content in handed_in})}.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
        print(folder / name)


if __name__ == "__main__":
    main(*sys.argv[1:])
