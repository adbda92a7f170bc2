"""Your own data: annotations of other programs become a data set that the whole course runs on.

    python -m tools.annotations FOLDER --to data/own
    make course DATASET=own DATA_ROOT=data/own

FOLDER, or a zip, holds photographs and what labelme, COCO, CVAT (for images 1.1) or Label Studio say of them, or masks
beside them. docs/your-own-data.md walks through it.
"""

import argparse
import sys
from pathlib import Path

from helpers import palettes
from helpers.settings import SettingsError, show
from tools.annotations import devkit, folder, read, report, tables


def main(arguments=None):
    options = parser().parse_args(arguments)
    try:
        convert(options)
    except SettingsError as error:
        sys.exit(f"annotations: {error}")


def parser():
    parser = argparse.ArgumentParser(prog="python -m tools.annotations", description=__doc__.partition("\n")[0])
    parser.add_argument("folder", metavar="FOLDER", type=Path, help="a folder or a zip of photographs and annotations")
    parser.add_argument("--to", type=Path, default=Path("data/own"), help="the new data set's folder (data/own)")
    parser.add_argument("--replace", action="store_true", help="replace a data set that was made before")
    parser.add_argument("--classes", type=_text, default="", help="the classes and their order: a,b,c or a file with a "
                        "name on each line; other labels become background (all labels, by name)")
    parser.add_argument("--colours", type=_text, help="for masks in colour: a file with lines like `leaf #00ff00`")
    parser.add_argument("--overlap", choices=devkit.OVERLAPS, default="last", help="where regions of two classes "
                        "overlap: the last one drawn counts, the smaller one, or it is void (last)")
    parser.add_argument("--border", type=_whole(20), default=0, metavar="PIXELS",
                        help="void on both sides of every border, so many pixels (0)")
    parser.add_argument("--longest", type=_whole(20_000), default=1024, metavar="PIXELS",
                        help="the longer side of a stored picture at most; 0: as it is (1024)")
    parser.add_argument("--val", type=_share, default=0.2, metavar="SHARE",
                        help="the share of pictures to validate on (0.2)")
    parser.add_argument("--seed", type=int, default=0, help="another seed divides them differently (0)")
    parser.add_argument("--keep-empty", action="store_true", help="pictures without a region are all background")
    return parser


def convert(options):
    """Read, draw and write; SettingsError, one line, if no data set comes of it."""
    chosen = tuple(tables.names(options.classes))
    table = tables.colours(options.colours, "--colours") if options.colours is not None else None
    with devkit.whole(options.to, options.replace) as target, folder.opened(options.folder) as source:
        samples, skips, formats, table = read.samples(source, table, chosen)
        if not samples:
            raise SettingsError(f"FOLDER: expected {read.FORMATS}, found none of them" + (
                f"; {len(skips)} files were skipped, the first, {skips[0].name}: {skips[0].reason}" if skips else
                f" in {options.folder.name}"))
        names, notes = devkit.class_list(samples, chosen)
        how = devkit.Options(chosen, options.overlap, options.border, options.longest, options.val, options.seed,
                             options.keep_empty)
        written = devkit.write(samples, names, how, target, colours_of(names, table or {}))
        written.skips, written.notes = skips + written.skips, notes
        report.write(target, written, formats, options.folder.name)
    say(written, formats, options.to)


def colours_of(names, table):
    """A colour for each class, UInt8[C, 3]: the table's, or ones that are told apart easily."""
    colours = palettes.distinct(len(names))
    known = {name.casefold(): colour for name, colour in table.items()}
    for index, name in enumerate(names):
        colours[index] = known.get(name.casefold(), colours[index])
    return colours


def say(written, formats, target):
    count = {part: len(names) for part, names in written.splits.items()}
    print(f"{len(written.images)} images ({count['train']} to train, {count['val']} to validate) from "
          f"{', '.join(formats)}; {len(written.class_names)} classes: {', '.join(written.class_names)}")
    if written.skips:
        first = written.skips[0]
        print(f"{len(written.skips)} skipped; the first, {first.name}: {first.reason}")
    for note in written.notes:
        print(note)
    print(f"Look at {show(target)}/report.html, then: make course DATASET=own DATA_ROOT={show(target)}")


def _text(value):
    """What an option gives: the text of a file of that name, or the value itself."""
    path = Path(value)
    try:
        return path.read_text(encoding="utf-8-sig") if path.is_file() else value
    except (OSError, UnicodeDecodeError):
        raise argparse.ArgumentTypeError(f"expected a text in UTF-8, found something else in {value}") from None


def _whole(most):
    def whole(value):
        if not value.isdecimal() or int(value) > most:
            raise argparse.ArgumentTypeError(f"expected a whole number from 0 to {most}, found {value!r}")
        return int(value)
    return whole


def _share(value):
    try:
        if 0 < float(value) < 1:
            return float(value)
    except ValueError:
        pass
    raise argparse.ArgumentTypeError(f"expected a share between 0 and 1, such as 0.2, found {value!r}")


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit("annotations: stopped; nothing was written")
