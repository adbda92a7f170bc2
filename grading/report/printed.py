"""What `make grade` prints: how far it is, and what it came to."""

import statistics
import time

from grading import course
from helpers.settings import show

MANY = 10  # lines of one kind that are printed; the report has them all
EVERY = 20  # seconds between two lines about how far it is


def told(outcomes, total):
    """`outcomes`, with a line now and then that says how far it is."""
    start = said = time.monotonic()
    for number, outcome in enumerate(outcomes, start=1):
        yield outcome
        now = time.monotonic()
        if now - said > EVERY or number == total:
            said, left = now, (now - start) / number * (total - number)
            print(f"  {number} of {total} notebooks, {_minutes(now - start)}"
                  + (f", about {_minutes(left)} left" if number < total else ""), flush=True)


def _minutes(seconds):
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"


def lines(texts, elsewhere):
    """The first of some lines; the others are in `elsewhere`."""
    for text in texts[:MANY]:
        print(f"  {text}")
    if len(texts) > MANY:
        print(f"  ... and {len(texts) - MANY} more, in {elsewhere}")


def summary(graded, problems, written, failed, returned, folder):
    """Marks, what wants a look, and where everything is."""
    totals, flagged, ended = {}, set(), set()
    for result in graded:
        student = result["student"]
        totals[student] = totals.get(student, 0) + result["score"]
        flagged |= {student} if result["flags"] else set()
        ended |= {student} if result["problem"] else set()
    best = sum(map(course.max_score, course.release()))
    by_hand = sum(each["by_hand"] for result in graded for each in result["exercises"])
    late = sum(result["penalty"] > 0 for result in graded)
    print(f"\n{len(totals)} students have marks; half of them have {statistics.median(totals.values()):g} or more of "
          f"{best:g} points.")
    if by_hand:
        print(f"{_count(by_hand, 'mark was', 'marks were')} given by hand.")
    if late:
        print(f"{_count(late, 'notebook', 'notebooks')} lost points for coming late.")
    for students, what in ((flagged, "flagged notebooks"), (ended, "notebooks that did not run to their end")):
        if students:
            print(f"Please look at the {what} of {_count(len(students), 'student', 'students')}, in the report.")
    if problems:
        print(f"{_count(len(problems), 'file needs', 'files need')} a look, in the report.")
    for student, name in failed:
        print(f"No feedback page could be made for {student}, {name}; look at the notebook in formgrader.")
    if returned.lines:
        print("\nOn the way back to the LMS:")
        lines(returned.lines, show(folder / "return" / "notes.txt"))
    print()
    files = [("report.html", "the class on one page"), ("grades.csv", "the marks as a table"),
             ("exercises.csv", "the same, a line for each exercise"),
             ("misconceptions.csv", "what was misunderstood, and by how many"),
             ("feedback/", f"a page for each student and notebook, {written} of them new"),
             ("gradebook.db", "the marks for formgrader"), *returned.files]
    width = max(len(show(folder / name)) for name, _ in files)
    for name, what in files:
        print(f"{show(folder / name):{width}} {what}")


def _count(number, one, more):
    return f"{number} {one if number == 1 else more}"
