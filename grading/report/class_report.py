"""The class report: one self-contained HTML page that shows how a class did and what it misunderstood.

    report.write(results, intake, "report.html")

`results` holds a dictionary for each student and notebook, with the gradebook's points (see `results.with_marks`).
"""

import statistics
from collections import Counter, defaultdict

from grading import course
from grading.report import anonymous, similar, words
from grading.report.history import Before
from grading.report.page import clean, render
from helpers.files import atomic

OUTCOMES = {"right": "right", "wrong": "wrong", "raised": "stopped with an error", "not_attempted": "not attempted",
            "not_run": "not run"}
KINDS = {"tampering": "Tampering", "edited": "Locked cells that were edited",
         "published solution": "Answers with the text of the published solution",
         "reference": "Answers that use the course's own solution", "no_data": "Models that could not be judged",
         "duplicate": "Exercises answered more than once"}
EXAMPLES, BINS = 40, 10  # misconceptions that get an example, bars of a histogram
# Clicking a column's head sorts by it; without scripts the table stands as it is, by name. On paper nothing is folded
SCRIPT = """
const folded = [];
addEventListener("beforeprint", () => {
  folded.push(...document.querySelectorAll("details:not([open])"));
  for (const fold of folded) fold.open = true;
});
addEventListener("afterprint", () => { while (folded.length) folded.pop().open = false; });
for (const head of document.querySelectorAll("table.sortable thead th")) {
  const button = document.createElement("button");
  button.append(...head.childNodes);
  head.append(button);
  button.addEventListener("click", () => {
    const sorted = head.getAttribute("aria-sort"), number = head.className === "number";
    const up = sorted ? sorted === "descending" : !number;
    for (const other of head.parentNode.children) other.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", up ? "ascending" : "descending");
    const body = head.closest("table").tBodies[0], column = head.cellIndex;
    const key = row => row.cells[column].dataset.value ?? row.cells[column].textContent.trim().toLowerCase();
    const order = (a, b) => number ? key(a) - key(b) : key(a).localeCompare(key(b));
    body.append(...[...body.rows].sort((a, b) => up ? order(a, b) : order(b, a)));
  });
}
"""


def write(results, intake, path, title="Class report", before=None):
    """Write the report of `results` to `path`; a dictionary for each misconception, the commonest first.

    `intake` is {"problems": [{"file", "student", "text"}, ...]}, `before` the run that `history.before` gives.
    """
    shown = summary(results, before)
    page = render("report.html.j2", script=SCRIPT, title=clean(title, 120), outcomes=OUTCOMES,
                  intake=intake.get("problems", []), **shown)
    with atomic(path) as half_done:
        half_done.write_text(page, encoding="utf-8", newline="\n")
    return shown["misconceptions"]


def summary(results, before=None):
    """What the template shows, as plain data."""
    before = before or Before()
    results = sorted(results, key=lambda result: (result["assignment"], result["student"]))
    names = sorted({result["assignment"] for result in results})
    best = {name: max(result["max_score"] for result in results if result["assignment"] == name) for name in names}
    students = _students(results)
    totals = [student["total"] for student in students]
    most = sum(best.values())
    titles = course.titles()
    return {"titles": titles, "students": students, "names": names, "best": best, "most": most,
            "notebooks": len(results),
            "median": statistics.median(totals) if totals else 0,
            "ended": [result for result in results if result["problem"]],
            "histograms": [("All notebooks", histogram(totals, most))] * (len(names) > 1) +
                          [
                (titles.get(name, name), histogram([result["score"] for result in results
                                                    if result["assignment"] == name], best[name])) for name in names],
            "exercises": _exercises(results), "misconceptions": _misconceptions(results, before),
            "since": before.day, "flags": _flags(results),
            "groups": similar.groups(results), "repairs": _repairs(results), "labels": _labels(students)}


def histogram(scores, most):
    """{"bars": [(label, count)], "highest", "median", "count", "most", "place"}: `place` is the median's, 0 to 1."""
    bars = [0] * BINS
    for score in scores:
        bars[max(0, min(BINS - 1, int(score / most * BINS)) if most else 0)] += 1
    median = statistics.median(scores) if scores else 0
    labels = [f"{100 * number // BINS} to {100 * (number + 1) // BINS} %" for number in range(BINS)]
    return {"bars": list(zip(labels, bars)), "highest": max(bars) or 1, "median": median, "count": len(scores),
            "most": most, "place": max(0, min(1, median / most)) if most else 0}


def _students(results):
    """One row a student, by name."""
    rows = {}
    for result in results:
        row = rows.setdefault(result["student"], {"id": result["student"], "name": result["name"] or result["student"],
                                                  "scores": {}, "total": 0, "flags": 0, "problems": 0, "repairs": 0,
                                                  "by_hand": 0, "late": 0})
        row["scores"][result["assignment"]] = result["score"]
        row["total"] += result["score"]
        row["flags"] += len(result["flags"])
        row["problems"] += bool(result["problem"])
        row["repairs"] += bool(result["repairs"])
        row["late"] += result.get("penalty", 0) > 0
        row["by_hand"] += any(exercise.get("by_hand") for exercise in result["exercises"])
    return sorted(rows.values(), key=lambda row: (clean(row["name"]).casefold(), row["id"]))


def _exercises(results):
    """One row an exercise, in the course's order: shares of each outcome, and mean points."""
    rows = {}
    for result in results:
        for exercise in result["exercises"]:
            row = rows.setdefault((result["assignment"], exercise["name"]), {"counts": Counter(), "points": []})
            row["counts"][exercise["outcome"] if exercise["outcome"] in OUTCOMES else "not_run"] += 1
            row["points"].append(exercise["points"])
            row["most"] = exercise["max_points"]
    return [{"notebook": notebook, "name": name, "count": row["counts"].total(), "most": row["most"],
             "mean": statistics.fmean(row["points"]), "segments": _segments(row["counts"])}
            for (notebook, name), row in rows.items()]


def _segments(counts):
    """(outcome, count, start, share) of a stacked bar, left to right."""
    segments, start = [], 0.0
    for outcome in OUTCOMES:
        share = counts[outcome] / counts.total()
        if share:
            segments.append((outcome, counts[outcome], start, share))
        start += share
    return segments


def _misconceptions(results, before):
    """The commonest first: id, exercise, how many, how many more than `before`, what the check says, and an example."""
    named, handed_in = defaultdict(list), Counter()
    for result in results:
        for exercise in result["exercises"]:
            handed_in[result["assignment"], exercise["name"]] += 1
            if exercise["outcome"] == "wrong" and exercise["misconception"]:
                named[result["assignment"], exercise["name"], exercise["misconception"]].append(
                    (result["student"], exercise))
    people = anonymous.People(results)
    rows = []
    for (notebook, name, id), found in sorted(named.items(), key=lambda item: (-len(item[1]), item[0])):
        earlier, all_of_them = before.seen.get((notebook, name, id), set()), [exercise for _, exercise in found]
        said = Counter(words.said("wrong", id, exercise["reason"]) for exercise in all_of_them)
        row = {"id": id, "title": id.replace("_", " "), "exercise": name, "notebook": notebook,
               "count": len(all_of_them), "share": len(all_of_them) / handed_in[notebook, name],
               "says": people.hidden(min(said, key=lambda text: (-said[text], len(text), text))),
               "more": len({student for student, _ in found} - earlier) if before else None,
               "new": bool(before) and not earlier, "shown": len(rows) < EXAMPLES, "sources": [], "example": None}
        if row["shown"]:
            row["sources"] = [exercise["source"] for exercise in all_of_them if exercise["source"]]
            row["example"] = people.example(row["sources"])
        rows.append(row)
    return rows


def _flags(results):
    """(title, [(result, flag)]) by kind, the gravest first."""
    by_kind = defaultdict(list)
    for result in results:
        for flag in result["flags"]:
            by_kind[flag["kind"]].append((result, flag))
    order = [*KINDS, *sorted(set(by_kind) - set(KINDS))]
    return [(KINDS.get(kind, clean(kind, 60).replace("_", " ").capitalize()), by_kind[kind])
            for kind in order if kind in by_kind]


def _labels(students):
    """How each student is called: by name, and by id too where two have the same."""
    names = {student["id"]: clean(student["name"], 50) for student in students}
    times = Counter(names.values())
    return {id: name if times[name] == 1 else f"{name[:30]} ({id})" for id, name in names.items()}


def _repairs(results):
    """(what was repaired, [results]), the commonest first."""
    by_text = defaultdict(list)
    for result in results:
        for repair in dict.fromkeys(result["repairs"]):
            by_text[repair].append(result)
    return sorted(by_text.items(), key=lambda item: (-len(item[1]), item[0]))
