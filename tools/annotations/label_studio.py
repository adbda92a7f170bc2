"""Label Studio's JSON and JSON-MIN: a list of tasks, coordinates in per cent of the picture's sides.

https://labelstud.io/guide/task_format and the tags PolygonLabels, BrushLabels, RectangleLabels, EllipseLabels.
"""

from collections import Counter

import numpy as np

from tools.annotations import regions, rle
from tools.annotations.folder import PICTURES, line, parts_of
from tools.annotations.regions import Skip, Unusable

UPLOADED = r"^[0-9a-f]{8}-"  # Label Studio puts this before the name of an uploaded file


def is_mine(document):
    return isinstance(document, list) and bool(document) and all(
        isinstance(task, dict) and ("data" in task or "annotation_id" in task or _marks(task))
        for task in document[:1])


def read(path, document, folder):
    """A Sample or a Skip for each task of a Label Studio file."""
    name = folder.name(path)
    for index, task in enumerate(document):
        title = f"{name}: task {line(task.get('id', index + 1)) if isinstance(task, dict) else index + 1}"
        try:
            yield _sample(task, title, path, folder)
        except Unusable as error:
            yield Skip(title, str(error))


def _sample(task, title, path, folder):
    if not isinstance(task, dict):
        raise Unusable("no task")
    data = task.get("data", task)
    wanted = next((value for key, value in sorted(data.items(), key=lambda item: item[0] not in ("image", "img"))
                   if isinstance(value, str) and _is_picture(value)), None) if isinstance(data, dict) else None
    if wanted is None:
        raise Unusable("it names no picture")
    picture = folder.find(wanted, path, UPLOADED)
    marks, notes = _results(task) if "data" in task else (_marks(task), [])
    regions.countable(marks)
    sizes = Counter((mark.get("original_width"), mark.get("original_height")) for mark in marks
                    if mark.get("original_width"))
    size = regions.size_of(*sizes.most_common(1)[0][0]) if sizes else None
    sample = regions.from_file(f"{title}, {line(parts_of(wanted)[-1])}", picture, size)
    sample.notes += notes
    for mark in marks:
        sample.add(region, mark, size)
    return sample


def _is_picture(value):
    parts = parts_of(value)
    return bool(parts) and parts[-1].lower().endswith(tuple(PICTURES))


def _marks(task):
    """What JSON-MIN holds: lists of marks under the names of the tags."""
    return [mark for value in task.values() if isinstance(value, list) for mark in value
            if isinstance(mark, dict) and "original_width" in mark]


def _results(task):
    """The marks of a task, of its ground truth or newest annotation, and what is to be said of the others."""
    made = [one for one in task.get("annotations") or task.get("completions") or [] if isinstance(one, dict)
            and isinstance(one.get("result"), list) and not one.get("was_cancelled")]
    if not made:
        raise Unusable("it is not annotated yet (predictions do not count)" if task.get("predictions") else
                       "it is not annotated yet")
    best = max(made, key=lambda one: (bool(one.get("ground_truth")), str(one.get("updated_at", ""))))
    notes = [f"{len(made)} annotations, of which the ground truth or the newest counts"] if len(made) > 1 else []
    # a result's label may come in another result with the same id
    return [one | (one["value"] if isinstance(one.get("value"), dict) else {}) for one in best["result"]
            if isinstance(one, dict)], notes


def region(mark, size):
    """A Region from one of Label Studio's results, with its value's fields; Unusable, in few words, if it has none."""
    labels = next((value for key, value in mark.items() if key.endswith("labels") and isinstance(value, list)
                   and value and isinstance(value[0], str)), None)
    if "keypointlabels" in mark or mark.get("type") in ("keypoint", "keypointlabels", "keypointregion"):
        raise Unusable("a keypoint has no area")
    if mark.get("type") in ("choices", "textarea", "rating", "relation", "number", "taxonomy"):
        raise Unusable(f"{mark['type']}, which is not about pixels")
    if not labels:
        raise Unusable("a region without a label")
    label = labels[0]
    if mark.get("image_rotation") not in (None, 0):
        raise Unusable(f"drawn on a picture that was turned in Label Studio (a {label!r})")
    width, height = size or (None, None)
    if width is None:
        raise Unusable(f"no original_width and original_height (a {label!r})")
    try:
        if "rle" in mark:
            packed = np.packbits(rle.label_studio(mark["rle"], height, width))
            return regions.stored(label, lambda: np.unpackbits(packed, count=height * width).reshape(height, width) > 0)
        percent = np.array([width, height]) / 100
        if "points" in mark:
            return regions.polygon(label, [regions.ring(mark["points"]) * percent])
        degrees = regions.number(mark.get("rotation") or 0)
        if "radiusX" in mark:
            x, y, radius_x, radius_y = (regions.number(mark.get(one)) for one in ("x", "y", "radiusX", "radiusY"))
            return regions.ellipse(label, *((x, y) * percent), *((radius_x, radius_y) * percent), degrees)
        x, y, wide, high = (regions.number(mark.get(one)) for one in ("x", "y", "width", "height"))
        return regions.box(label, *((x, y) * percent), *((wide, high) * percent), degrees, about=(0, 0))
    except (TypeError, ValueError) as error:
        raise Unusable(f"{error if isinstance(error, Unusable) else 'wrong numbers'} (a {label!r})") from None
