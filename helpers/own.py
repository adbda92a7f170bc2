"""A student's own data set: a folder in VOC's layout with a list of its classes, as `tools.annotations` makes it."""

import hashlib
import re

from helpers import palettes
from helpers.settings import SettingsError, show

LIST = "classes.txt"


def classes(root):
    """Class names, and their colours as UInt8[C, 3], from `root`/classes.txt.

    A class on each line, background first, a colour behind it if it has one: `leaf #00ff00`. Raises SettingsError, one
    line, if the file is not there or says something else.
    """
    path = root / LIST
    if not path.is_file():
        raise SettingsError(f"data: expected {LIST} and VOCdevkit in {show(root)}, found " + (
            f"no {LIST}; write one, with a class on each line, background first" if (root / "VOCdevkit").is_dir() else
            f"neither; make them with python -m tools.annotations FOLDER --to {show(root)} (docs/your-own-data.md)"))
    try:
        rows = [row.strip() for row in path.read_text(encoding="utf-8-sig").splitlines() if row.strip()]
    except UnicodeDecodeError:
        raise SettingsError(f"data: expected text in UTF-8 in {LIST}, found something else; save it again") from None
    found = [re.fullmatch(r"(.+?)(?:\s+#([0-9a-fA-F]{6}))?", row).groups() for row in rows]
    names = tuple(name for name, _ in found)
    if not 2 <= len(names) <= 255 or len(set(names)) < len(names):
        raise SettingsError(f"data: expected 2 to 255 different classes in {LIST}, background first, found "
                            f"{len(set(names))} in {len(names)} lines; correct the list")
    colours = palettes.distinct(len(names))
    for index, (_, colour) in enumerate(found):
        if colour:
            colours[index] = tuple(bytes.fromhex(colour))
    return names, colours


def fingerprint(root):
    """A few digits that tell one own data set from another, by its lists of classes and images."""
    digest = hashlib.sha256()
    lists = root / "VOCdevkit" / "VOC2012" / "ImageSets" / "Segmentation"
    for path in (root / LIST, lists / "train.txt", lists / "val.txt"):
        digest.update(path.read_bytes() if path.is_file() else b"")
    return digest.hexdigest()[:12]
