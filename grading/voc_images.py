"""The Pascal VOC images that models of that data set are judged on: where they are, and which they are."""

import hashlib
from pathlib import Path

from helpers import settings
from helpers.files import atomic
from helpers.settings import SettingsError, show

_LIST = Path("VOCdevkit/VOC2012/ImageSets/Segmentation/val.txt")


def of(folder):
    """A fingerprint of the VOC images that a folder of grades is graded with; "" without any.

    DATASET=voc DATA_ROOT=... is remembered there: whom it earned a mark keeps it when the next run is without it.
    Raises SettingsError where the images are gone.
    """
    memory = folder / "voc_images"
    root = settings.data_root() if settings.dataset() == "voc" else None
    if not root and memory.exists():
        root = memory.read_text(encoding="utf-8").strip()
        settings.choose(DATASET="voc", DATA_ROOT=root)  # the workers inherit it
        print(f"VOC images: {show(root)}, as before.")
    if not root:
        return ""
    found = fingerprint(root)
    if not found:
        raise SettingsError(f"DATA_ROOT: expected VOCdevkit/ with Pascal VOC in {root}, found none; say where it is: "
                            "make grade DATASET=voc DATA_ROOT=folder")
    with atomic(memory) as half_done:
        half_done.write_text(str(Path(root).absolute()), encoding="utf-8")
    return found


def fingerprint(root):
    """A hash of the validation images' names and sizes; "" if there are none."""
    try:
        names = Path(root, _LIST).read_text().split()
        devkit = Path(root, "VOCdevkit", "VOC2012")
        sizes = [(devkit / place / f"{name}.{kind}").stat().st_size for name in names
                 for place, kind in (("JPEGImages", "jpg"), ("SegmentationClass", "png"))]
    except OSError:
        return ""
    return hashlib.sha256(repr((names, sizes)).encode()).hexdigest() if names else ""


def needed(model):
    """Whether a model file says in its header that its classes are those of Pascal VOC."""
    length = int.from_bytes(model[:8], "little")
    return b"aeroplane" in model[8:8 + min(length, 1_000_000)]
