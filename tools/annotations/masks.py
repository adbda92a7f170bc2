"""Masks as pictures: class indices (grey, palette, 16 bit) or colours with a table.

A mask is a picture in a folder with a name such as masks or SegmentationClass, or with an ending such as _mask; it
belongs to the photograph of the same name. 255 is void, unless 0 and 255 are all there is.
"""

import re
from collections import Counter, defaultdict
from functools import lru_cache

import numpy as np

from helpers.settings import IGNORE_INDEX
from tools.annotations import pictures
from tools.annotations.regions import Region, Skip, Unusable, from_file, stored

FOLDERS = {"mask", "masks", "label", "labels", "labelids", "annotation", "annotations", "annots", "gt", "groundtruth",
           "ground_truth", "segmentation", "segmentations", "segmentationclass", "segmentationclasspng", "seg",
           "target", "targets", "classes"}
ENDING = re.compile(r"[ _.-]?(mask|label|labels|gt|seg|segmentation|annotation|labelids|l)$", re.IGNORECASE)
NEAR, MOST_FOREIGN = 3, 0.1  # a colour more than 3 levels from all classes is void, up to so large a share


def read(folder, table, names):
    """A Sample or a Skip for each mask; `table` maps names to (red, green, blue) or is {}, `names` are those of 0, 1...

    Raises Unusable where the masks alone do not say what their values mean.
    """
    pairs, alone = pair(folder)
    yield from alone
    every = Counter()
    kinds = {}
    for mask, _ in pairs:
        try:
            kinds[mask], values = look(mask)
            every.update(values)
        except Unusable as error:
            yield Skip(folder.name(mask), str(error))
    in_colour = {mask for mask, colour in kinds.items() if colour}
    if in_colour and not table and not set(every) <= {(0, 0, 0), (255, 255, 255), *range(256)}:
        seen = [f"#{red:02x}{green:02x}{blue:02x}" for red, green, blue in
                (value for value, _ in every.most_common() if isinstance(value, tuple))][:8]
        raise Unusable(f"a colour table for the masks, found none (they have {', '.join(seen)}); write a file with "
                       "lines like `leaf #00ff00` and give it with --colours")
    indices = {value for value in every if isinstance(value, int)}
    binary = indices == {0, IGNORE_INDEX}
    names = names or (("background", "object") if indices == {0, 1} else ())
    for mask, photograph in pairs:
        if mask not in kinds:
            continue
        sample = from_file(folder.name(mask), photograph, None)
        try:
            sample.regions = _regions(mask, kinds[mask], table, names, binary)
            sample.size = array(mask).shape[1::-1]
        except Unusable as error:
            yield Skip(sample.name, str(error))
            continue
        yield sample


def pair(folder):
    """Pairs of paths (mask, photograph), and a Skip for each mask that has no photograph, or several."""
    masks = [path for path in folder.pictures if is_mask(path, folder)]
    if not masks:  # beside each other: leaf.jpg and leaf.png
        stems = defaultdict(set)
        for path in folder.pictures:
            stems[path.with_suffix("")].add(path.suffix.lower())
        masks = [path for path in folder.pictures if path.suffix.lower() in (".png", ".bmp", ".gif", ".tif", ".tiff")
                 and stems[path.with_suffix("")] & {".jpg", ".jpeg"}]
    photographs = defaultdict(list)
    for path in folder.pictures:
        if path not in masks:
            photographs[path.stem.casefold()].append(path)
    pairs, alone = [], []
    for mask in masks:
        names = dict.fromkeys([mask.stem.casefold(), ENDING.sub("", mask.stem).casefold()])
        found = next((photographs[name] for name in names if name in photographs), [])
        if len(found) > 1:
            found = [path for path in found if path.parent == mask.parent] or [
                path for path in found if path.parent.parent == mask.parent.parent] or found
        if len(found) == 1:
            pairs.append((mask, found[0]))
        else:
            alone.append(Skip(folder.name(mask), "no photograph of its name" if not found else
                              f"{len(found)} photographs of its name; give them names of their own"))
    return pairs, alone


def is_mask(path, folder):
    named = {part.casefold() for part in path.relative_to(folder.root).parts[:-1]} & FOLDERS
    return bool(named) or bool(ENDING.search(path.stem)) and path.suffix.lower() != ".jpg"


def look(path):
    """Whether a mask is in colour, and a Counter of its values: class indices, or colours (red, green, blue)."""
    values = array(path)
    if values.ndim == 2:
        found, counts = np.unique(values, return_counts=True)
        if found[-1] > IGNORE_INDEX:
            raise Unusable(f"values up to {found[-1]}: more than 255, so these are numbers of objects, or heights, and "
                           "not classes")
        return False, Counter(dict(zip(found.tolist(), counts.tolist())))
    found, counts = np.unique(packed(values), return_counts=True)
    return True, Counter({(one >> 16, one >> 8 & 255, one & 255): count for one, count in
                          zip(found.tolist(), counts.tolist())})


@lru_cache(maxsize=2)
def array(path):
    """A mask as UInt8 or Int32[H, W], class indices, or UInt8[H, W, 3], colours."""
    with pictures.opened(path) as image:
        if image.mode == "1":
            return np.array(image).astype(np.uint8)
        if image.mode in ("L", "P", "I", "I;16", "I;16B", "I;16L"):
            return np.array(image)
        if image.mode in ("RGB", "RGBA", "LA", "PA"):
            values = np.array(image.convert("RGB"))
            grey = (values[..., 0] == values[..., 1]).all() and (values[..., 1] == values[..., 2]).all()
            return values[..., 0] if grey and image.mode == "LA" else values
        raise Unusable(f"a mask of mode {image.mode}; save it as PNG")


def packed(colours):
    """UInt8[H, W, 3] as Int32[H, W], a number for each colour."""
    red, green, blue = np.moveaxis(colours.astype(np.int32), -1, 0)
    return red << 16 | green << 8 | blue


def _regions(path, in_colour, table, names, binary):
    if in_colour and not table:
        return [Region("object", lambda height, width: (array(path)[..., 0] > 127))]
    if in_colour:
        classes = nearest(array(path), table)
        foreign = (classes == IGNORE_INDEX).mean()
        if foreign > MOST_FOREIGN:
            raise Unusable(f"{foreign:.0%} of the mask has colours that the table does not name, most often "
                           f"{_commonest(array(path)[classes == IGNORE_INDEX])}")
        return [*(_of_colour(path, table, index, label) for index, label in enumerate(table)
                  if (classes == index).any()),
                *([_of_colour(path, table, IGNORE_INDEX, "void")] if foreign else [])]
    regions = []
    for value in np.unique(array(path)).tolist():
        label = (names[value] if value < len(names) else f"class {value}") if value else "background"
        if value == IGNORE_INDEX:
            label = "object" if binary else "void"
        regions.append(_of_value(path, value, label, void=value == IGNORE_INDEX and not binary))
    return regions


def _of_value(path, value, label, void):
    region = stored(label, lambda: array(path) == value)
    return Region(label, region.paint, void)


def _of_colour(path, table, index, label):
    region = stored(label, lambda: nearest(array(path), table) == index)
    return Region(label, region.paint, index == IGNORE_INDEX)


def nearest(colours, table):
    """UInt8[H, W]: which of the table's colours each pixel has, 255 where none: the blends along smoothed edges too."""
    found, inverse = np.unique(packed(colours), return_inverse=True)
    found = np.stack([found >> 16, found >> 8 & 255, found & 255], 1)
    result = np.full(len(found), IGNORE_INDEX, np.uint8)
    for index, colour in enumerate(table.values()):
        result[np.abs(found - np.array(colour)).max(1) <= NEAR] = index
    return result[inverse].reshape(colours.shape[:2])


def _commonest(colours):
    found, counts = np.unique(packed(colours[:, None]), return_counts=True)
    return f"#{found[counts.argmax()]:06x}"
