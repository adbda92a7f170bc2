"""The way back: what a model says of photographs, as labelme's files, to be corrected by hand.

    python -m tools.predict FOLDER
    labelme FOLDER

Writes NAME.json beside each photograph of FOLDER that has none; what somebody has annotated already stays as it is.
"""

import argparse
import json
import sys
from pathlib import Path

import numpy as np
from contourpy import FillType, contour_generator
from tqdm import tqdm

from helpers import export, files, photographs, settings
from helpers.settings import SettingsError, show
from tools.annotations import folder, pictures
from tools.annotations.regions import Unusable, inside

VERSION = "5.5.0"  # of labelme's format, unchanged since
LONGEST = 1024  # pixels at which outlines are found; they are enlarged to the photograph
SMALLEST = 0.0005  # of the picture: what is smaller is left out
AWAY = 0.8  # pixels by which a simpler outline may be off


def main(arguments=None):
    parser = argparse.ArgumentParser(prog="python -m tools.predict", description=__doc__.partition("\n")[0])
    parser.add_argument("folder", metavar="FOLDER", type=Path, help="a folder of photographs")
    parser.add_argument("--model", type=Path, default=settings.ROOT / "build" / "course" / settings.MODEL_FILE,
                        help="a file that notebook 5 wrote (build/course/model.safetensors)")
    options = parser.parse_args(arguments)
    try:
        written, kept, skipped = annotate(options.folder, options.model)
    except SettingsError as error:
        sys.exit(f"predict: {error}")
    print(f"{written} labelme files written, {kept} photographs were annotated already"
          + "".join(f"\nskipped {name}: {reason}" for name, reason in skipped))
    print(f"Correct them with `labelme {options.folder}`, then: python -m tools.annotations {options.folder} --replace")


def annotate(place, model_file):
    """Write a labelme file beside each photograph in the folder `place` that has none.

    Returns how many were written, how many were there already, and (name, reason) of the photographs that could not
    be read. SettingsError, one line, without a folder, photographs or a model.
    """
    if not place.is_dir():
        raise SettingsError(f"FOLDER: expected a folder of photographs, found "
                            f"{'a file' if place.exists() else 'nothing'} at {place}; check the path")
    if not model_file.is_file():
        raise SettingsError(f"--model: expected a model that notebook 5 wrote, found nothing at {show(model_file)}; "
                            "run `make course` first, or give the file")
    source = folder.Folder(place)
    todo = [path for path in source.pictures if not path.with_suffix(".json").exists()]
    if not source.pictures:
        raise SettingsError(f"FOLDER: expected photographs, found none in {place}; check the path")
    model, card = export.load_model(model_file)
    size, skipped = card["preprocessing"]["size"], []
    for path in tqdm(todo, desc="predicting", unit="image", leave=False):
        try:
            image, stored, orientation = pictures.load(path, LONGEST)
        except Unusable as error:
            skipped.append((source.name(path), str(error)))
            continue
        upright = stored[::-1] if orientation >= 5 else stored
        record = as_labelme(photographs.segment(model, image, size).numpy(), card["class_names"], path.name, upright)
        with files.atomic(path.with_suffix(".json")) as half_done:
            half_done.write_text(json.dumps(record, ensure_ascii=False, indent=2), encoding="utf-8")
    return len(todo) - len(skipped), len(source.pictures) - len(todo), skipped


def as_labelme(labels, class_names, name, size):
    """labelme's record of a label map UInt8[H, W], for the picture `name` of `size` (width, height).

    labelme knows no holes: polygons are drawn in the order of the list, so the largest come first, and where background
    shows through a hole, a polygon `_background_` lies on top.
    """
    scale = np.array(size) / labels.shape[::-1]
    found = []
    for value in np.unique(labels[labels > 0]).tolist():
        for outer, *holes in outlines(labels == value):
            found.append((area(outer), class_names[value], outer))
            found += [(area(hole), "_background_", hole) for hole in holes if shows_background(labels, hole)]
    least = SMALLEST * labels.size
    shapes = [{"label": label, "points": (simpler(points) * scale).round(2).tolist(), "group_id": None,
               "description": "", "shape_type": "polygon", "flags": {}, "mask": None}
              for pixels, label, points in sorted(found, key=lambda one: -one[0]) if pixels >= least]
    return {"version": VERSION, "flags": {}, "shapes": shapes, "imagePath": name, "imageData": None,
            "imageHeight": size[1], "imageWidth": size[0]}


def outlines(mask):
    """The parts of Bool[H, W]: for each a list of rings Float[N, 2] of (x, y), the outer one first, then its holes."""
    padded = np.pad(mask, 1).astype(float)
    polygons, offsets = contour_generator(z=padded, fill_type=FillType.OuterOffset).filled(0.5, 2)
    limits = np.array(mask.shape[::-1])
    return [[(points[start:end - 1] - 0.5).clip(0, limits) for start, end in zip(rings, rings[1:])]
            for points, rings in zip(polygons, offsets)]


def area(ring):
    x, y = ring.T
    return abs(x @ np.roll(y, -1) - y @ np.roll(x, -1)) / 2


def shows_background(labels, hole):
    """Whether a pixel within the ring `hole` is background."""
    return bool((labels[inside(hole, *labels.shape)] == 0).any())


def simpler(ring):
    """A ring of fewer points, nowhere more than `AWAY` from the old one (Douglas and Peucker, 1973)."""
    far = int(((ring - ring[0]) ** 2).sum(1).argmax())
    closed = np.vstack([ring, ring[:1]])
    keep = np.zeros(len(closed), bool)
    keep[[0, far, -1]] = True
    todo = [(0, far), (far, len(closed) - 1)]
    while todo:
        start, end = todo.pop()
        if end - start < 2:
            continue
        along, between = closed[end] - closed[start], closed[start + 1:end] - closed[start]
        length = np.hypot(*along)
        away = (np.abs(along[0] * between[:, 1] - along[1] * between[:, 0]) / length if length else
                np.hypot(*between.T))
        if away.max() > AWAY:
            middle = start + 1 + int(away.argmax())
            keep[middle] = True
            todo += [(start, middle), (middle, end)]
    return closed[:-1][keep[:-1]] if keep[:-1].sum() > 2 else ring


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit("predict: stopped; what was written is kept")
