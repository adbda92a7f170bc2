"""`make predict`: what a trained model sees in a photograph, or in a folder of them.

    python -m tools.predict photo.jpg           a mask and an overlay in build/predictions/, the shares of the classes
    python -m tools.predict FOLDER --labelme    labelme's files beside the photographs, to be corrected by hand

With --labelme a photograph that somebody has annotated already stays as it is.
"""

import argparse
import csv
import json
import sys
from pathlib import Path

import numpy as np
from PIL import Image
from tqdm import tqdm

from helpers import export, files, onnx_model, palettes, photographs, settings
from helpers.settings import SettingsError, show
from tools.annotations import folder, pictures
from tools.annotations.regions import Unusable
from tools.outlines import as_labelme

LONGEST = 1024  # pixels at which outlines are found; they are enlarged to the photograph
OPACITY = 0.6  # of the class colours in an overlay, as on the demo page
LOADERS = {".safetensors": export.load_model, ".onnx": onnx_model.load, ".pt2": export.load_program}


def main(arguments=None):
    parser = argparse.ArgumentParser(prog="make predict", description=__doc__.partition("\n")[0])
    parser.add_argument("image", metavar="IMAGE", type=Path, help="a photograph, or a folder of them")
    parser.add_argument("--model", metavar="MODEL_FILE", type=Path,
                        default=settings.ROOT / "build" / "course" / settings.MODEL_FILE,
                        help="a file that notebook 5 wrote (build/course/model.safetensors)")
    parser.add_argument("--to", metavar="FOLDER", type=Path, default=settings.ROOT / "build" / "predictions",
                        help="where masks, overlays and shares.csv go (build/predictions)")
    parser.add_argument("--labelme", action="store_true", help="write labelme's files instead, beside the photographs")
    options = parser.parse_args(arguments)
    try:
        source, todo = photographs_in(options.image)
        model, card = load(options.model)
        if options.labelme:
            annotate(source, todo, model, card)
        else:
            predict(source, todo, model, card, options.to)
    except SettingsError as error:
        sys.exit(f"make predict: {error}")


def photographs_in(place):
    """The folder that names are told from, and the photographs: all of a folder, or the one that is given."""
    if place.is_dir():
        found = folder.Folder(place)
        if not found.pictures:
            raise SettingsError(f"IMAGE: expected photographs, found none in {place}; check the path")
        for name, reason in found.aside.items():
            print(f"skipped {name}: {reason}")
        return found.root, found.pictures
    if not place.is_file():
        raise SettingsError(f"IMAGE: expected a photograph or a folder, found nothing at {place}; check the path")
    return place.parent, [place]


def load(path):
    """The model in any file of notebook 5, and its card. No code in the file is run."""
    if not path.is_file():
        raise SettingsError(f"MODEL_FILE: expected a model that notebook 5 wrote, found nothing at {show(path)}; run "
                            "`make course` first, or give the file")
    if path.suffix not in LOADERS:
        raise SettingsError(f"MODEL_FILE: expected a file that ends in {', '.join(LOADERS)}, found {path.name}")
    return LOADERS[path.suffix](path)


def predict(source, todo, model, card, target):
    """Masks, overlays and `shares.csv` in the folder `target`, and a table on the screen."""
    names, rows, skipped = card["class_names"], [], []
    stems = [path.relative_to(source).with_suffix("").as_posix() for path in todo]
    bar = tqdm(zip(todo, stems), total=len(todo), desc="predicting", unit="image", leave=False, disable=len(todo) == 1)
    for path, stem in bar:
        title = folder.line(path.relative_to(source).as_posix())
        try:
            photograph = photographs.open_photograph(path)
        except SettingsError as error:
            skipped.append((title, str(error)))
            continue
        labels = photographs.segment(model, photograph, card["preprocessing"]["size"]).numpy()
        beside = target / (stem if stems.count(stem) == 1 else path.relative_to(source).as_posix())
        with files.atomic(beside.with_name(f"{beside.name}-mask.png")) as half_done:
            as_mask(labels, card["palette"]).save(half_done)
        with files.atomic(beside.with_name(f"{beside.name}-overlay.jpg")) as half_done:
            overlay(photograph, labels, card["palette"]).save(half_done, quality=92)
        rows.append((title, photograph.size, np.bincount(labels.ravel(), minlength=len(names)) / labels.size))
    if not rows:
        raise SettingsError(skipped[0][1] if len(todo) == 1 else
                            f"IMAGE: none of {len(skipped)} photographs can be read; the first, {skipped[0][0]}: "
                            f"{skipped[0][1]}")
    for line in table(rows, names):
        print(line)
    for name, reason in skipped:
        print(f"skipped {name}: {reason}")
    write_shares(target / "shares.csv", rows, names)
    print(f"written in {show(target)}: a mask and an overlay of {len(rows)} image{'s' * (len(rows) > 1)}, shares.csv")


def as_mask(labels, palette):
    """A label map UInt8[H, W] as a palette image, as Pascal VOC keeps its masks."""
    image = Image.fromarray(labels)
    image.putpalette(palettes.for_png(palette))
    return image


def overlay(photograph, labels, palette):
    """The class colours over a PIL RGB image, all but background."""
    colours = as_mask(labels, palette).convert("RGB")
    return Image.composite(Image.blend(photograph, colours, OPACITY), photograph, Image.fromarray(labels > 0))


def table(rows, names):
    """A line for each class of a single photograph, else one for each photograph."""
    if len(rows) == 1:
        [(title, (width, height), shares)] = rows
        yield f"{title}, {width} x {height} pixels"
        for index in np.argsort(-shares, kind="stable"):
            if shares[index]:
                yield f"  {names[index]:15} {shares[index]:7.2%}"
        return
    widest = max(len(title) for title, *_ in rows)
    for title, _, shares in rows:
        found = [index for index in np.argsort(-shares, kind="stable") if shares[index] >= 0.005]
        yield f"{title:{widest}}  " + ", ".join(f"{names[index]} {shares[index]:.0%}" for index in found)


def write_shares(path, rows, names):
    """The shares as a table for a spreadsheet: no text in it is a formula."""
    def cell(value):
        return f"'{value}" if value[:1] in ("=", "+", "-", "@", "\t") else value
    with files.atomic(path) as half_done, half_done.open("w", newline="", encoding="utf-8-sig") as file:
        writer = csv.writer(file)
        writer.writerow(["image", "width", "height", *map(cell, names)])
        writer.writerows([cell(title), *size, *(f"{share:.6f}" for share in shares)] for title, size, shares in rows)


def annotate(source, todo, model, card):
    """Write a labelme file beside each photograph that has none."""
    fresh, skipped = [path for path in todo if not path.with_suffix(".json").exists()], []
    for path in tqdm(fresh, desc="predicting", unit="image", leave=False):
        try:
            image, stored, orientation = pictures.load(path, LONGEST)
        except Unusable as error:
            skipped.append((folder.line(path.relative_to(source).as_posix()), str(error)))
            continue
        upright = stored[::-1] if orientation >= 5 else stored
        labels = photographs.segment(model, image, card["preprocessing"]["size"]).numpy()
        record = as_labelme(labels, card["class_names"], path.name, upright)
        with files.atomic(path.with_suffix(".json")) as half_done:
            half_done.write_text(json.dumps(record, ensure_ascii=False, indent=2), encoding="utf-8")
    print(f"{len(fresh) - len(skipped)} labelme files written, {len(todo) - len(fresh)} photographs were annotated "
          "already" + "".join(f"\nskipped {name}: {reason}" for name, reason in skipped))
    print(f"Correct them with `labelme {show(source)}`, then: python -m tools.annotations {show(source)} --replace")


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit("make predict: stopped; what was written is kept")
