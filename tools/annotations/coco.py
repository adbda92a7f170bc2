"""COCO's instances: one JSON with all images, polygons or run lengths.

https://cocodataset.org/#format-data. A crowd (`iscrowd`) is void: its outline is coarse, and COCO's own scores leave it
out.
"""

from collections import defaultdict
from dataclasses import replace

from tools.annotations import regions, rle
from tools.annotations.folder import line
from tools.annotations.regions import Skip, Unusable


def is_mine(document):
    return isinstance(document, dict) and isinstance(document.get("images"), list) and isinstance(
        document.get("annotations"), list)


def read(path, document, folder):
    """A Sample or a Skip for each image of a COCO file."""
    name = folder.name(path)
    if any(isinstance(one, dict) and "segments_info" in one for one in document["annotations"][:1]):
        yield Skip(name, "COCO's panoptic format; export instances, or use its PNGs as masks with a colour table")
        return
    labels = {str(one.get("id")): line(one["name"]) for one in document.get("categories") or []
              if isinstance(one, dict) and isinstance(one.get("name"), str)}
    of_image = defaultdict(list)
    for one in document["annotations"]:
        if isinstance(one, dict):
            of_image[str(one.get("image_id"))].append(one)
    for image in document["images"]:
        if not isinstance(image, dict):
            continue
        title = f"{name}: {line(image.get('file_name') or image.get('id'))}"
        annotations = of_image[str(image.get("id"))]
        try:
            size = regions.size_of(image.get("width"), image.get("height"))
            picture = folder.find(image.get("file_name"), path)
            regions.countable(annotations)
        except Unusable as error:
            yield Skip(title, str(error))
            continue
        sample = regions.from_file(title, picture, size)
        for one in annotations:
            sample.add(region, one, labels, size)
        yield sample


def region(annotation, labels, size):
    """A Region from one of COCO's annotations; `labels` maps category ids, as text, to names."""
    label = labels.get(str(annotation.get("category_id")))
    if label is None:
        raise Unusable(f"a category that the file does not list, {line(annotation.get('category_id'))}")
    shape = annotation.get("segmentation")
    if not shape:
        raise Unusable(f"no segmentation, only a box (a {label!r})" if annotation.get("bbox") else
                       f"no segmentation (a {label!r})")
    if isinstance(shape, dict):
        found = _from_runs(label, shape, size)
    else:
        shape = [shape] if isinstance(shape, list) and not isinstance(shape[0], list) else shape
        found = regions.polygon(label, _rings(shape))
    return replace(found, void=annotation.get("iscrowd") in (1, True, "1"))


def _rings(shape):
    """The rings that enclose something, of [[x, y, x, y, ...], ...]; Unusable if none does."""
    rings, problem = [], Unusable("no polygons")
    for flat in shape if isinstance(shape, list) else ():
        try:
            if isinstance(flat, list) and flat and not isinstance(flat[0], list):
                flat = list(zip(flat[::2], flat[1::2]))
            rings.append(regions.ring(flat))
        except Unusable as error:
            problem = error
    if not rings:
        raise problem
    return rings


def _from_runs(label, shape, size):
    runs = shape.get("counts")
    try:
        height, width = shape.get("size")
    except (TypeError, ValueError):
        raise Unusable("run lengths without a size") from None
    if regions.size_of(width, height) is None or size and (width, height) != size:
        raise Unusable(f"run lengths for {width} x {height} pixels in another image")
    return regions.stored(label, rle.mask(rle.coco_runs(runs) if isinstance(runs, str) else runs, height, width, "F"))
