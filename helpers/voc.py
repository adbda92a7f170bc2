"""Opening a Pascal VOC devkit folder, and the reference answers of notebook 1.

Everingham et al., The Pascal Visual Object Classes Challenge, IJCV 2010.
"""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from PIL import Image, UnidentifiedImageError
from torchvision.datasets import VOCSegmentation

from helpers import shapes
from helpers.settings import IGNORE_INDEX, Settings, SettingsError, show

CLASS_NAMES = ("background", "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow",
               "diningtable", "dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train",
               "tvmonitor")


def load_target(path):
    """Class indices of a palette PNG: Int64[H, W], void kept as 255 (exercise 1.2)."""
    with Image.open(path) as mask:
        return torch.from_numpy(np.array(mask)).long()


def count_pixels(targets, num_classes):
    """Pixels per class, Int64[C], over an iterable of Int64[H, W] of any sizes; void left out (exercise 1.3)."""
    counts = torch.zeros(num_classes, dtype=torch.int64)
    for target in targets:
        counts += torch.bincount(target[target != IGNORE_INDEX], minlength=num_classes)
    return counts


@dataclass(frozen=True)
class Devkit:
    """A checked data set on disk; `palette` is UInt8[C, 3]."""

    root: Path
    class_names: tuple[str, ...]
    palette: torch.Tensor

    @property
    def num_classes(self):
        return len(self.class_names)

    @cached_property
    def folder(self):
        return self.root / "VOCdevkit" / "VOC2012"

    def open(self, split, transform=None):
        """torchvision's VOCSegmentation of `split` ("train" or "val"), pairs through `transform`."""
        return VOCSegmentation(self.root, year="2012", image_set=split, transforms=transform)


def prepare(settings: Settings) -> Devkit:
    """The data set that `settings` name, written first if it is the embedded one, and checked whole.

    Raises SettingsError, one line, on anything missing, half-copied or corrupt.
    """
    if settings.dataset == "shapes":
        shapes.write(settings.data_root)
        devkit = Devkit(settings.data_root, shapes.CLASS_NAMES, torch.from_numpy(shapes.PALETTE))
    else:
        devkit = Devkit(settings.data_root, CLASS_NAMES, palette(len(CLASS_NAMES)))
    check(devkit)
    return devkit


def palette(num_classes):
    """VOC's colours, UInt8[C, 3]: the bits of the class index, spread over red, green and blue."""
    bits = torch.arange(num_classes)[:, None] >> torch.arange(8) & 1  # Int64[C, 8]
    weight = torch.tensor([128, 128, 128, 64, 64, 64, 32, 32])
    channel = torch.tensor([0, 1, 2, 0, 1, 2, 0, 1])
    return torch.stack([(bits * weight)[:, channel == c].sum(1) for c in range(3)], 1).to(torch.uint8)


def check(devkit):
    """Raise SettingsError, one line, unless every image and mask of train and val is there and whole."""
    lists = devkit.folder / "ImageSets" / "Segmentation"
    names = []
    for split in ("train", "val"):
        if not (lists / f"{split}.txt").is_file():
            raise SettingsError(
                f"data: expected VOCdevkit/VOC2012/ImageSets/Segmentation/{split}.txt in {show(devkit.root)}, found "
                "none; set DATA_ROOT to the folder that holds VOCdevkit, or use the embedded data: DATASET=shapes")
        found = (lists / f"{split}.txt").read_text().split()
        if not found:
            raise SettingsError(f"data: expected image names in {split}.txt, found none; copy the data set again")
        names += found
    with ThreadPoolExecutor() as pool:
        problems = pool.map(lambda name: _problem(devkit, name), names)
        problem = next((problem for problem in problems if problem), None)
    if problem:
        raise SettingsError(f"data: {problem}; copy the data set again, or take the name out of its list")


def _problem(devkit, name):
    """What is wrong with one image and its mask, or None."""
    image_path = devkit.folder / "JPEGImages" / f"{name}.jpg"
    mask_path = devkit.folder / "SegmentationClass" / f"{name}.png"
    for path in (image_path, mask_path):
        if not path.is_file():
            return f"expected {path.parent.name}/{path.name}, which a list names, found no such file"
    try:
        with Image.open(image_path) as image:
            size = image.size
            image.draft("L", (1, 1))  # an eighth of the work, and still reads the whole file
            image.load()
    except (OSError, SyntaxError, ValueError) as error:
        return f"expected a whole JPEG in JPEGImages/{name}.jpg, found a corrupt one ({_reason(error)})"
    try:
        with Image.open(mask_path) as mask:
            if mask.format != "PNG" or mask.mode != "P":
                return (f"expected a palette PNG in SegmentationClass/{name}.png, "
                        f"found {mask.format} with mode {mask.mode}")
            values = np.flatnonzero(mask.histogram())
    except (OSError, SyntaxError, ValueError) as error:
        return f"expected a whole PNG in SegmentationClass/{name}.png, found a corrupt one ({_reason(error)})"
    if mask.size != size:
        return f"expected image and mask of one size, found {size} and {mask.size} for {name}"
    wrong = [int(value) for value in values if devkit.num_classes <= value != IGNORE_INDEX]
    if wrong:
        return (f"expected classes 0 to {devkit.num_classes - 1} and {IGNORE_INDEX} in SegmentationClass/{name}.png, "
                f"found {wrong[0]}")


def _reason(error):
    return "no image at all" if isinstance(error, UnidentifiedImageError) else error
