"""From a label map to labelme's polygons, to be corrected by hand."""

import numpy as np
from contourpy import FillType, contour_generator

from tools.annotations.regions import inside

VERSION = "5.5.0"  # of labelme's format, unchanged since
SMALLEST = 0.0005  # of the picture: what is smaller is left out
AWAY = 0.8  # pixels by which a simpler outline may be off


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

