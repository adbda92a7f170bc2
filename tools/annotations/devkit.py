"""Samples to a data set: one list of classes, one label map for each picture, a split, all of it or nothing."""

import random
import re
import shutil
import tempfile
import unicodedata
from collections import Counter, defaultdict
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image, ImageFilter
from tqdm import tqdm

from helpers import palettes
from helpers.settings import IGNORE_INDEX, SettingsError, show
from tools.annotations import pictures
from tools.annotations.folder import line
from tools.annotations.regions import Sample, Skip, Unusable

BACKGROUND = {"background", "_background_", "__background__", "bg"}
VOID = {"void", "__ignore__", "ignore", "unlabelled", "unlabeled", "don't care", "dontcare"}
OVERLAPS = ("last", "small", "void")
MOST_CLASSES = 255


@dataclass(frozen=True)
class Options:
    """How label maps are drawn and divided; see `python -m tools.annotations --help`."""

    classes: tuple[str, ...] = ()
    overlap: str = "last"
    border: int = 0
    longest: int = 1024
    val: float = 0.2
    seed: int = 0
    keep_empty: bool = False


@dataclass
class Written:
    """What has been written: `images` maps a name to its pixels per label, `of` to the Sample that it came from."""

    class_names: tuple[str, ...]
    images: dict[str, Counter] = field(default_factory=dict)
    of: dict[str, Sample] = field(default_factory=dict)
    splits: dict[str, list[str]] = field(default_factory=dict)
    skips: list[Skip] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def label_of(region):
    """A region's label in the one spelling of it: "background", "void", or the name on one line."""
    label = unicodedata.normalize("NFC", line(region.label))
    if region.void or label.casefold() in VOID:
        return "void"
    return "background" if label.casefold() in BACKGROUND else label


def class_list(samples, chosen=()):
    """Class names, background first, and notes; spellings that differ in case alone are one class.

    `chosen` names fix the classes and their order. SettingsError without any class, or with too many for a byte.
    """
    spellings = defaultdict(Counter)
    for label in (label_of(region) for sample in samples for region in sample.regions):
        spellings[label.casefold()][label] += 1
    notes = []
    for key in ("void", "background", ""):
        spellings.pop(key, None)
    if chosen:
        chosen = tuple(name for name in chosen if name.casefold() not in BACKGROUND | VOID)
        keys = {name.casefold() for name in chosen}
        left = [f"{max(found, key=found.get)!r} ({found.total()} regions)" for key, found in sorted(spellings.items())
                if key not in keys]
        notes += [f"not in the list of classes, so background: {', '.join(left)}"] if left else []
        found = {name.casefold(): name for name in chosen}
    else:
        found = {key: max(sorted(counts), key=counts.get) for key, counts in sorted(spellings.items())}
        notes += [f"one class, spelt in several ways: {', '.join(sorted(counts))}" for _, counts in
                  sorted(spellings.items()) if len(counts) > 1]
    if not found:
        raise SettingsError("FOLDER: expected regions with labels, found none; is this the export with annotations?")
    if len(found) >= MOST_CLASSES:
        raise SettingsError(f"FOLDER: expected at most {MOST_CLASSES - 1} classes, found {len(found)}; choose "
                            "some with --classes")
    return ("background", *found.values()), notes


def draw(sample, class_names, size, overlap="last"):
    """The label map of a Sample, UInt8[H, W], at `size` (width, height); void is 255.

    Where regions overlap: "last" takes what was drawn later, "small" the smaller region, "void" neither, unless both
    have one class.
    """
    index = {name.casefold(): number for number, name in enumerate(class_names)} | {"void": IGNORE_INDEX}
    target = np.zeros(size[::-1], np.uint8)
    regions = []
    for region in sample.regions:
        value = index.get(label_of(region).casefold())
        if value is not None:
            regions.append((value, region))
    if overlap == "small":
        regions.sort(key=lambda pair: -pair[1].paint(*target.shape).sum())
    for value, region in regions:
        inside = region.paint(*target.shape)
        clash = inside & (target != 0) & (target != value) if overlap == "void" and value else None
        target[inside] = value
        if clash is not None:
            target[clash] = IGNORE_INDEX
    return target


def write(samples, class_names, options, target, colours):
    """Pictures, masks, lists and `classes.txt` into the folder `target`, which is new; what came of it as Written."""
    devkit = target / "VOCdevkit" / "VOC2012"
    lists = devkit / "ImageSets" / "Segmentation"
    for folder in (lists, devkit / "JPEGImages", devkit / "SegmentationClass"):
        folder.mkdir(parents=True)
    done, seen, names = Written(class_names), {}, set()
    for sample in tqdm(samples, desc="converting", unit="image", leave=False):
        try:
            if not sample.regions and not options.keep_empty:
                raise Unusable("nothing is marked in it; --keep-empty takes such pictures as all background")
            digest = pictures.digest_of(sample.picture)
            if digest in seen:
                raise Unusable(f"the same picture as {seen[digest]}")
            image, mask = convert(sample, class_names, options)
        except (Unusable, OSError, MemoryError) as error:
            done.skips.append(Skip(sample.name, line(error) or type(error).__name__))
            continue
        seen[digest] = sample.name
        name = stem(sample, names)
        names.add(name.casefold())
        image.save(devkit / "JPEGImages" / f"{name}.jpg", quality=95)
        mask.putpalette(palettes.for_png(colours))
        mask.save(devkit / "SegmentationClass" / f"{name}.png")
        counts = mask.histogram()
        done.images[name] = Counter({value: count for value, count in enumerate(counts) if count})
        done.of[name] = sample
    if len(done.images) < 2:
        reasons = [f"; {count} skipped: {reason}" for reason, count in
                   Counter(skip.reason for skip in done.skips).most_common(1)]
        raise SettingsError(f"FOLDER: expected at least 2 annotated pictures that can be used, found "
                            f"{len(done.images)}{''.join(reasons)}")
    done.splits = split(done.images, options.val, options.seed)
    for part, members in (*done.splits.items(), ("trainval", sorted(done.images))):
        (lists / f"{part}.txt").write_text("\n".join(members) + "\n")
    (target / "classes.txt").write_text("".join(
        f"{name}\t#{red:02x}{green:02x}{blue:02x}\n" for name, (red, green, blue) in zip(class_names, colours)),
        encoding="utf-8")
    return done


def convert(sample, class_names, options):
    """The picture of a Sample, PIL RGB and upright, and its label map of the same size, PIL in mode L."""
    image, stored, orientation = pictures.load(sample.picture(), options.longest)
    annotated = sample.size or (stored[::-1] if orientation >= 5 else stored)
    mask = Image.fromarray(draw(sample, class_names, annotated, options.overlap))
    mask = pictures.fit(mask, annotated, stored, orientation, image.size)
    if options.border:
        width = 2 * options.border + 1
        high, low = mask.filter(ImageFilter.MaxFilter(width)), mask.filter(ImageFilter.MinFilter(width))
        values = np.where(np.asarray(high) != np.asarray(low), IGNORE_INDEX, np.asarray(mask)).astype(np.uint8)
        mask = Image.fromarray(values)
    return image, mask


def stem(sample, taken):
    """A file name of letters, digits and hyphens for a Sample that is not among the `taken` ones."""
    plain = unicodedata.normalize("NFKD", sample.stem.replace("ß", "ss")).encode("ascii", "ignore").decode()
    plain = re.sub(r"\W+", "-", plain, flags=re.ASCII).strip("-")[:60] or "image"
    name, count = plain, 1
    while name.casefold() in taken:
        count += 1
        name = f"{plain}-{count}"
    return name


def split(images, share, seed):
    """Names for "train" and "val", by chance but always the same for a `seed`; `images` maps names to label counts.

    The rarest class is dealt first, so that each class of at least two images is on both sides (the idea of iterative
    stratification, Sechidis et al., ECML 2011).
    """
    chance = random.Random(seed)
    left = sorted(images)
    chance.shuffle(left)
    holders = Counter(value for counts in images.values() for value in counts if value not in (0, IGNORE_INDEX))
    parts = {"train": [], "val": []}
    for value in [*sorted(holders, key=lambda value: (holders[value], value)), 0, None]:
        members = [name for name in left if value is None or value in images[name]]
        here = [name for name in parts["val"] if value in images[name]]
        total = sum(value in images[name] for name in images) if value is not None else len(members)
        wanted = max(round(share * total), min(1, total - 1)) - len(here)
        parts["val"] += members[:max(wanted, 0)]
        parts["train"] += members[max(wanted, 0):]
        left = [name for name in left if name not in members]
    for part, other in (("val", "train"), ("train", "val")):
        if not parts[part]:
            parts[part].append(parts[other].pop())
    return {part: sorted(names) for part, names in parts.items()}


@contextmanager
def whole(target, replace=False):
    """Yield a new folder beside `target`; it becomes `target` at the end, or vanishes on an error.

    With `replace` it takes the place of a data set that was made before, and of nothing else. SettingsError, one
    line, if something else is there or the disk is full.
    """
    target = Path(target).absolute()
    ours = (target / "classes.txt").is_file() and (target / "VOCdevkit").is_dir()
    if target.exists() and not (replace and ours):
        raise SettingsError(f"--to: expected a new folder, found {show(target)}; " + (
            "--replace takes its place" if ours else "choose another name, or delete it"))
    half_done = old = None
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        half_done = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
        half_done.chmod(0o755)
        yield half_done
        if target.exists():
            old = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
            target.rename(old / "old")
        half_done.rename(target)
    except OSError as error:
        if old and not target.exists():
            (old / "old").rename(target)
        raise SettingsError(f"--to: expected to write to {show(target)}, found '{error.strerror or line(error)}'; free "
                            "some space, or choose another folder") from None
    finally:
        for folder in (half_done, old):
            if folder:
                shutil.rmtree(folder, ignore_errors=True)
