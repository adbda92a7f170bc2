"""`return/` in a folder of grades: the very gradebook that the LMS gave, with its scores, and the feedback as a zip.

Each run writes it anew, from the marks as they are now; the files that were given are only read.
"""

import shutil
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

from grading import course
from grading.giveback import bundles, people, sheets, targets
from grading.intake.files import shown
from grading.intake.store import MODEL, Store
from grading.intake.students import as_owner
from helpers.files import atomic
from helpers.settings import SettingsError, show

NOTES = "notes.txt"


@dataclass
class Returned:
    """What was written, as (path, what it is), and a line for each thing that an instructor should know."""

    files: list = field(default_factory=list)
    lines: list = field(default_factory=list)


def given(path, folder):
    """The sheets in a file, or in all CSV files of a folder, and a line for each that is none.

    Raises SettingsError if there is nothing at `path`, or what an earlier run has written.
    """
    if not path:
        return [], []
    path = Path(path)
    if not path.exists():
        raise SettingsError(f"GRADEBOOK: expected the file that the LMS gave, or a folder of such, found nothing at "
                            f"{show(path)}")
    if path.resolve().is_relative_to((folder / "return").resolve()):
        raise SettingsError("GRADEBOOK: expected the file that the LMS gave, found one that make grade has written; "
                            "export it again, or give the one that you exported")
    found, lines = [], []
    for file in sorted(path.glob("*.[cC][sS][vV]")) if path.is_dir() else [path]:
        try:
            found.append(sheets.read(file))
        except sheets.TableError as error:
            lines.append(f"{shown(file.name)}: {error}")
        except OSError as error:
            lines.append(f"{shown(file.name)}: it cannot be read ({error.strerror}); close it elsewhere, or change its "
                         "rights")
    if not found and not lines:
        lines.append(f"{show(path)}: expected CSV files in this folder, found none")
    return found, lines


def write(folder, marks, found=(), lines=(), wanted=None, scale=False):
    """Write `return/` from the marks of `gradebook.marks`; a Returned.

    `found` and `lines` are of `given`; `wanted` is what COLUMN= said (`targets.pairs`); with `scale`, points become a
    share of the column's most points.
    """
    place, result = folder / "return", Returned(lines=list(lines))
    shutil.rmtree(place, ignore_errors=True)
    store = Store.load(folder)
    owners = {id: [as_owner(record.owner) for record in records.values()] for id, records in store.records.items()}
    everybody = people.students({id: store.names.get(id, mark.name) for (id, _), mark in marks.items()}, owners)
    graded = [name for name in course.release() if any(name == assignment for _, assignment in marks)]
    titles = {}
    for sheet in found:
        for target in _fill(sheet, place, marks, everybody, graded, store, wanted or {}, scale, result):
            titles |= dict.fromkeys(target.notebooks, tuple(target.notebooks))
    _feedback(folder, place, marks, store, titles, result)
    if result.lines:
        with atomic(place / NOTES) as half_done:
            half_done.write_text("\n".join([*result.lines, ""]), encoding="utf-8")
        result.files.append((place / NOTES, "what did not go back, and why"))
    return result


def _fill(sheet, place, marks, everybody, graded, store, wanted, scale, result):
    """Write one gradebook with its scores; the targets that it has."""
    inside = {value for person in sheet.people for kind, value in person.ids if kind == "moodle"}
    by_number = [name for name in graded if any(
        records[name].owner.get("number") in inside for records in store.records.values() if name in records)]
    chosen, lines = targets.find(sheet, wanted, graded, by_number if sheet.alone else [])
    result.lines += lines
    matched = people.match(sheet, everybody)
    filled = []
    for target in chosen:
        most = sum(map(course.max_score, target.notebooks))
        title = shown(target.column.full, 80)
        if target.column.note:
            result.lines.append(f"{sheet.path.name}: {title!r}: {target.column.note}")
            continue
        if target.column.most and abs(target.column.most - most) > 1e-6 and not scale:
            result.lines.append(
                f"{sheet.path.name}: {title!r} is out of {target.column.most:g} points, {_named(target)} of {most:g}: "
                f"change that in {sheet.system} and export again, or say SCALE=1 for marks out of "
                f"{target.column.most:g}")
            continue
        count = _scores(sheet, target, marks, matched.rows, most, result)
        if count:
            filled.append(target)
            result.files.append((place / sheet.path.name, f"for {sheet.system}: {count} marks in {title!r}"))
    who = {id for id in everybody if any((id, name) in marks for target in chosen for name in target.notebooks)}
    if chosen and not who.intersection(matched.rows):
        result.lines.append(f"{sheet.path.name}: none of your students is in it, so it was not filled in; is it of "
                            "another course or assignment?")
    elif filled:
        result.lines += [f"{sheet.path.name}: no place for the marks of {shown(everybody[id].id, 80)}: {why}"
                         for id, why in matched.missing.items() if id in who]
        result.lines += [f"{sheet.path.name}: no mark for {person}: nobody who handed in is this person"
                         for person in matched.free]
        _save(sheet, place, result)
    return filled


def _scores(sheet, target, marks, rows, most, result):
    """Put the scores of one target into the sheet's table; how many of them stand there now."""
    count, column = 0, target.column
    for id, row in rows.items():
        found = [marks[id, name] for name in target.notebooks if (id, name) in marks]
        if not found:
            continue
        score = sum(mark.score for mark in found) * ((column.most or most) / most if most else 1)
        before, problem = sheet.table.get(row, column.index), None
        if not sheet.table.has(row, column.index):
            problem = "their row ends before this column; export it again"
        elif before not in ("", "-") and sheets.number(before) is None:
            problem = f"there stands {shown(before, 30)!r}, which was left"
        elif column.most and score > column.most + 1e-6 and sheet.system == "Moodle":
            problem = f"{score:g} is more than {column.most:g}, which Moodle refuses; it was not filled in"
        if problem:
            result.lines.append(f"{sheet.path.name}: {shown(column.full, 80)!r}: {shown(id, 80)}: {problem}")
            continue
        text = sheet.written(score)
        if sheets.number(before) != sheets.number(text):
            sheet.table.set(row, column.index, text)
            if before not in ("", "-"):
                result.lines.append(f"{sheet.path.name}: {shown(column.full, 80)!r}: {shown(id, 80)}: {text} takes the "
                                    f"place of {before}")
        count += 1
    return count


def _save(sheet, place, result):
    try:
        with atomic(place / sheet.path.name) as half_done:
            half_done.write_bytes(sheet.table.to_bytes())
    except OSError as error:
        result.files = [pair for pair in result.files if pair[0] != place / sheet.path.name]
        result.lines.append(f"{sheet.path.name}: it could not be written ({error.strerror}); free some space or close "
                            "it, then run make grade again")


def _named(target):
    titles = course.titles()
    return " and ".join(titles[name] for name in target.notebooks) if len(target.notebooks) < 3 else "the notebooks"


def _feedback(folder, place, marks, store, titles, result):
    """Write the feedback zips of Moodle and Canvas: one for each assignment there, as far as that is known."""
    found = defaultdict(list)
    for id, records in sorted(store.records.items()):
        for name, record in sorted(records.items()):
            page = folder / "feedback" / id / name / f"{name}.html"
            if name != MODEL and (id, name) in marks and page.exists():
                found[record.owner["system"].removesuffix("_anonymous"), name].append((record, id, name))
    for group in _assignments(found, "moodle", titles):
        path = place / f"moodle-feedback-{_label(group)}.zip"
        count = bundles.moodle(path, folder, [one for name in group for one in found["moodle", name]])
        result.files.append((path, f"{_count(count, 'feedback page', 'feedback pages')} for Moodle"))
    for group in _assignments(found, "canvas", titles):
        path = place / f"canvas-feedback-{_label(group)}.zip"
        count, left_out = bundles.canvas(path, folder, [one for name in group for one in found["canvas", name]], marks)
        result.files.append((path, f"{_count(count, 'file', 'files')} with feedback for Canvas"))
        result.lines += [f"{path.name}: {shown(id, 80)} handed in neither a notebook nor a zip; send {name}.html by "
                         "hand" for id, name in left_out]


def _assignments(found, system, titles):
    """Notebooks of a system in groups, one for each assignment there: of one column, or of one participant's number."""
    groups = []
    for name in [name for of, name in found if of == system]:
        numbers = {record.owner["number"] for record, _, _ in found[system, name]} - {""}
        alike = [group for group in groups if name in titles.get(group[0][0], ()) or numbers & group[1]]
        groups = [group for group in groups if group not in alike]
        groups.append((sum((group[0] for group in alike), []) + [name], numbers.union(*(group[1] for group in alike))))
    return sorted(sorted(names) for names, _ in groups)


def _label(group):
    return group[0] if len(group) == 1 else f"{group[0][:2]}-{group[-1][:2]}"


def _count(number, one, more):
    return f"{number} {one if number == 1 else more}"
