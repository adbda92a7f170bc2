"""Lists of classes and tables of colours that other programs write, and the course's own `classes.txt`."""

import csv
import re

from helpers.settings import SettingsError
from tools.annotations.folder import line

_HEX = re.compile(r"^(?:\d+\s+)?(.+?)[\s,;:]+#([0-9a-fA-F]{6})$")
_RGB = re.compile(r"^(?:\d+\s+)?(.+?)[\s,;:]+(\d{1,3})[\s,;]+(\d{1,3})[\s,;]+(\d{1,3})(?:[\s,;:].*)?$")
KNOWN = ("labelmap.txt", "class_dict.csv", "colours.txt", "colors.txt", "label_colors.txt", "classes.txt")


def colours(text, name):
    """Class names to (red, green, blue), of lines `name #rrggbb`, `name r g b`, CSV, or CVAT's labelmap.txt.

    SettingsError, one line, for any other line, or two names of one colour.
    """
    table = {}
    for row in text.splitlines():
        row = row.strip().strip('"')
        if not row or row.startswith(("# ", "//")) or re.fullmatch(r"(?i)name[,;\s]+r[,;\s]+g[,;\s]+b.*", row):
            continue
        if found := _HEX.match(row):
            label, colour = found[1], tuple(bytes.fromhex(found[2]))
        elif found := _RGB.match(row):
            label, colour = found[1], tuple(int(part) for part in found.groups()[1:])
        else:
            reverse = re.match(r"^(\d{1,3})[\s,;]+(\d{1,3})[\s,;]+(\d{1,3})[\s,;]+(.+)$", row)  # as CamVid has it
            if not reverse:
                raise SettingsError(f"{name}: expected lines like `leaf #00ff00` or `leaf 0 255 0`, found "
                                    f"{line(row)[:40]!r}; correct that line")
            label, colour = reverse[4], tuple(int(part) for part in reverse.groups()[:3])
        label = line(label)
        if max(colour) > 255 or colour in table.values():
            raise SettingsError(f"{name}: expected a colour of its own for each class, found {colour} for {label}; "
                                "correct that line")
        table[label] = colour
    return table


def names(text):
    """Class names, of `a,b,c` or of lines; a colour behind a name is left out."""
    rows = text.splitlines() if "\n" in text.strip() else next(csv.reader([text]), [])
    found = [line(re.sub(r"\s+#[0-9a-fA-F]{6}$", "", row)) for row in rows]
    return [name for name in found if name and not name.startswith("# ")]
