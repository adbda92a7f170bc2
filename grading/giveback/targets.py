"""Which notebooks belong into which column of a gradebook: by its title, or as the instructor says with COLUMN=."""

import re
from dataclasses import dataclass

from grading import course
from grading.giveback.sheets import Column
from grading.intake.files import shown
from helpers.settings import SettingsError

MANY = 12  # choices that a line lists


@dataclass
class Target:
    """A column and the notebooks whose points are added up there."""

    column: Column
    notebooks: list


def pairs(text, option):
    """`01_setup=...; 2=...` as notebook to text, or {"": text} for one text for all; raises SettingsError."""
    found = {}
    for part in filter(None, (part.strip() for part in (text or "").split(";"))):
        name, equals, value = (side.strip() for side in part.partition("="))
        if not equals:
            name, value = "", part
        elif not (name := notebook(name)):
            raise SettingsError(f"{option}: expected one of {', '.join(course.release())} before '=', found "
                                f"{shown(part, 80)!r}")
        if name in found or found and "" in (name, *found):
            raise SettingsError(f"{option}: expected each notebook once, or one text for all, found "
                                f"{shown(text, 120)!r}")
        found[name] = value
    return found


def notebook(title):
    """The notebook that a title speaks of, or None: "01_setup", "HW 1 - Setup", "Notebook 1", "1"."""
    found = []
    for name in course.release():
        digits, _, word = name.partition("_")
        digits = digits.lstrip("0")
        if re.search(rf"\bnotebook\W{{0,3}}0*{digits}\b|(?<!\d)0*{digits}[\W_]{{0,5}}{word}\b", title, re.IGNORECASE) \
                or title == digits:
            found.append(name)
    found = found or [name for name in course.release()
                      if re.search(rf"\b{name.partition('_')[2]}\b", title, re.IGNORECASE)]
    return found[0] if len(found) == 1 else None


def find(sheet, wanted, graded, by_number):
    """The targets of a sheet, and lines about what is missing.

    Parameters
    ----------
    sheet : sheets.Sheet
    wanted : dict
        As of `pairs`, what COLUMN= said.
    graded : list of str
        The notebooks that somebody has a mark in.
    by_number : list of str
        Those of them that were handed in under the numbers of a sheet that is one assignment's.
    """
    if wanted:
        return _chosen(sheet, wanted, graded)
    if sheet.alone:
        named = notebook(sheet.columns[0].title)
        names = by_number or [named] * (named in graded) or (graded if len(graded) == 1 else [])
        if not names:
            return [], [f"{sheet.path.name}: which notebook is it of? Say for example COLUMN=\"{graded[0]}="
                        f"{sheet.columns[0].full}\""]
        return [Target(sheet.columns[0], names)], []
    found = {}
    for column in sheet.columns:
        found.setdefault(notebook(column.title), []).append(column)
    targets, missing = [], []
    for name in graded:
        if len(found.get(name, [])) == 1:
            targets.append(Target(found[name][0], [name]))
        else:
            missing.append(name)
    if not missing:
        return targets, []
    several = [column.full for name in missing for column in found.get(name, [])]
    what = "several columns could be meant" if several else "no column has its name"
    choices = several or [column.full for column in sheet.columns
                          if column not in [target.column for target in targets]]
    listed = ", ".join(repr(shown(full, 80)) for full in choices[:MANY]) + (", ..." if len(choices) > MANY else "")
    names = ", ".join(course.titles()[name] for name in missing)
    return targets, [f"{sheet.path.name}: {names}: {what}; choose with COLUMN=\"{missing[0]}=title\" (more after a "
                     f"semicolon; a title alone takes the sum of all notebooks): {listed or 'there are none'}"]


def _chosen(sheet, wanted, graded):
    targets, lines = [], []
    for name, title in wanted.items():
        found = [column for column in sheet.columns if title in (column.full, column.title)
                 or column.full.endswith(f" ({title})")]
        if len(found) == 1 and name in ("", *graded):
            targets.append(Target(found[0], [name] if name else graded))
            continue
        choices = ", ".join(repr(shown(column.full, 80)) for column in (found or sheet.columns)[:MANY])
        what = (f"nobody has a mark in {name}" if len(found) == 1 else "several columns have this title; say its number"
                if found else "no column has this title")
        lines.append(f"{sheet.path.name}: COLUMN {shown(title, 80)!r}: {what}: {choices}")
    return targets, lines
