"""labelme's files: one JSON for each picture, beside it or with the picture inside (`imageData`).

Fields and drawing as in labelme's own `label_file.py` and `shapes_to_label`: what was drawn later lies on top.
"""

import base64
import binascii
import io
import math

import numpy as np
from PIL import Image

from tools.annotations import regions
from tools.annotations.regions import Region, Sample, Skip, Unusable

NO_AREA = {"line", "linestrip", "point", "points"}


def is_mine(document):
    return isinstance(document, dict) and isinstance(document.get("shapes"), list) and (
        "imagePath" in document or "imageData" in document)


def read(path, document, folder):
    """The one Sample of a labelme file, or a Skip."""
    name = folder.name(path)
    try:
        size = regions.size_of(document.get("imageWidth"), document.get("imageHeight"))
        picture = _picture(path, document, folder)
        regions.countable(document["shapes"])
    except Unusable as error:
        yield Skip(name, str(error))
        return
    sample = Sample(name, picture, size, [], path.stem)
    for shape in document["shapes"]:
        sample.add(region, shape)
    yield sample


def _picture(path, document, folder):
    """What opens the picture: the one inside the file, as labelme itself does, else the one that it names."""
    if isinstance(document.get("imageData"), str) and document["imageData"]:
        return lambda: io.BytesIO(_decoded(folder.json(path)["imageData"]))  # read again later: it may be large
    wanted = document.get("imagePath")
    try:
        found = folder.find(wanted, path)
    except Unusable:
        for kind in ("jpg", "jpeg", "png", "bmp", "tif", "tiff", "webp"):  # the picture was renamed with its file
            try:
                found = folder.find(f"{path.stem}.{kind}", path)
                break
            except Unusable:
                continue
        else:
            raise
    return lambda: found


def _decoded(text):
    try:
        return base64.b64decode(text)
    except (binascii.Error, ValueError):
        raise Unusable("an embedded picture that is not whole") from None


def region(shape):
    """A Region from one of labelme's shapes; Unusable, in a few words, if it has no area."""
    if not isinstance(shape, dict) or not isinstance(shape.get("label"), str):
        raise Unusable("a shape without a label")
    label, kind, points = shape["label"], shape.get("shape_type") or "polygon", shape.get("points")
    try:
        if kind in NO_AREA:
            raise Unusable(f"a {kind} has no area")
        if kind == "mask":
            return _mask(label, points, shape.get("mask"))
        if kind == "circle":
            (x, y), (edge_x, edge_y) = [(regions.number(x), regions.number(y)) for x, y in points]
            radius = math.hypot(edge_x - x, edge_y - y)
            return regions.ellipse(label, x, y, radius, radius)
        if kind == "rectangle" and len(points) == 2:
            (x, y), (other_x, other_y) = points
            points = [(x, y), (other_x, y), (other_x, other_y), (x, other_y)]
        if kind in ("polygon", "rectangle", "oriented_rectangle"):
            return regions.polygon(label, [regions.ring(points)])
    except (TypeError, ValueError) as error:
        raise Unusable(f"{str(error) if isinstance(error, Unusable) else f'a {kind} with wrong points'} "
                       f"(a {label!r})") from None
    raise Unusable(f"a shape of an unknown kind, {kind!r}")


def _mask(label, points, text) -> Region:
    (left, top), *_ = [(round(regions.number(x)), round(regions.number(y))) for x, y in points]
    if not isinstance(text, str):
        raise Unusable("a mask without its pixels")
    try:
        with Image.open(io.BytesIO(_decoded(text)), formats=("PNG",)) as image:
            if image.width * image.height > regions.MOST_PIXELS:
                raise Unusable("a mask that is too large")
            mask = np.array(image.convert("L")) > 0 if image.mode != "1" else np.array(image)
    except (OSError, SyntaxError) as error:
        raise Unusable("a mask that is not a whole PNG") from error
    return regions.patch(label, lambda: mask, left, top)
