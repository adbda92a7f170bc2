"""The embedded data set: coloured glyphs on textured backgrounds, in the VOC devkit's layout.

Drawn from outlines of the font that matplotlib ships, with a random generator per image, so that
every run writes the same bytes and no network is needed.
"""

import shutil
import tempfile
from colorsys import hsv_to_rgb
from functools import cache
from pathlib import Path

import numpy as np
from matplotlib.font_manager import FontProperties
from matplotlib.textpath import TextPath
from PIL import Image, ImageDraw

from helpers import palettes
from helpers.settings import IGNORE_INDEX, SettingsError, show

CLASS_NAMES = ("background", "star", "heart", "cloud", "horse", "plane")
SPLITS = {"train": 320, "val": 120}
# Okabe and Ito's colours, told apart by the colour-blind; black is background
PALETTE = np.array([(0, 0, 0), (240, 228, 66), (213, 94, 0), (86, 180, 233), (0, 158, 115), (204, 121, 167)],
                   dtype=np.uint8)

GLYPHS = "★♥☁♞✈"
_SHARE = (0.31, 0.25, 0.19, 0.14, 0.11)  # unbalanced on purpose
_HUE = (0.15, 0.98, 0.57, 0.40, 0.82)  # a hint, not the answer: each glyph strays from it
_FIRST_SEED = {"train": 10_000, "val": 20_000}


def draw(seed, size=None):
    """One image and its mask: a PIL RGB image and a PIL palette mask (classes 0..5, 255 void).

    `size` is (width, height), by default drawn by chance from 80 to 144.
    """
    image, target = scene(np.random.default_rng(seed), GLYPHS, _SHARE, _HUE, size)
    mask = Image.fromarray(target)
    mask.putpalette(palettes.for_png(PALETTE))
    return Image.fromarray(image), mask


def scene(rng, glyphs, share=None, hues=None, size=None):
    """One to three of `glyphs` on a texture: UInt8[H, W, 3] and UInt8[H, W], the glyph's index + 1, 255 void.

    `share` says how often each glyph comes, by default all alike; `hues` (0..1) the colour that each strays from, by
    default any, so that colour tells nothing; `size` is (width, height), by default drawn by chance from 80 to 144.
    """
    by_chance = rng.integers(80, 145, size=2)
    width, height = size or (int(side) for side in by_chance)
    image, target = _texture(rng, width, height), np.zeros((height, width), np.uint8)
    for _ in range(rng.integers(1, 4)):
        index = int(rng.choice(len(glyphs), p=share))
        inside = _glyph_mask(rng, glyphs[index], width, height)
        hue = (hues[index] + rng.normal(0, 0.05)) % 1 if hues else rng.uniform()
        colour = 255 * np.array(hsv_to_rgb(hue, rng.uniform(0.4, 0.9), rng.uniform(0.5, 1)))
        paint = colour * rng.uniform(0.75, 1) + 0.25 * (_texture(rng, width, height) - 128)
        image[inside], target[inside] = paint[inside], index + 1
    image += rng.normal(0, 6, image.shape)
    return image.clip(0, 255).astype(np.uint8), _with_void_border(target)


def write(root, splits=SPLITS, first_seed=_FIRST_SEED):
    """Write the data set under `root`/VOCdevkit/VOC2012 unless it is there; all of it or nothing.

    `splits` maps a split to its number of images, `first_seed` to the seed of its first image
    (another one gives images that nobody has trained on). Raises SettingsError without disk space.
    """
    root = Path(root)
    if (root / "VOCdevkit").exists():
        return
    half_done = None
    try:
        root.mkdir(parents=True, exist_ok=True)
        half_done = Path(tempfile.mkdtemp(prefix=".shapes-", dir=root))
        half_done.chmod(0o755)
        _write_devkit(half_done / "VOC2012", splits, first_seed)
        half_done.rename(root / "VOCdevkit")
    except OSError as error:
        if not (root / "VOCdevkit").exists():  # else another process was faster: its bytes are ours
            raise SettingsError(f"writing the shapes data set: expected about 4 MB of space in {show(root)}, "
                                f"found '{error.strerror}'; free some or set DATA_ROOT to another folder") from None
    finally:
        if half_done:
            shutil.rmtree(half_done, ignore_errors=True)


def _write_devkit(devkit, splits, first_seed):
    lists = devkit / "ImageSets" / "Segmentation"
    for folder in (lists, devkit / "JPEGImages", devkit / "SegmentationClass"):
        folder.mkdir(parents=True)
    everything = []
    for split, count in splits.items():
        names = [f"{split}_{index:04d}" for index in range(count)]
        for index, name in enumerate(names):
            image, mask = draw(first_seed[split] + index)
            image.save(devkit / "JPEGImages" / f"{name}.jpg", quality=92)
            mask.save(devkit / "SegmentationClass" / f"{name}.png")
        (lists / f"{split}.txt").write_text("\n".join(names) + "\n")
        everything += names
    (lists / "trainval.txt").write_text("\n".join(everything) + "\n")


def _texture(rng, width, height):
    """Smooth coloured noise, Float64[height, width, 3] in about 0..255."""
    cells = int(rng.integers(2, 8))
    coarse = rng.uniform(40, 215) + rng.uniform(10, 45) * rng.normal(size=(cells, cells, 3))
    coarse = Image.fromarray(coarse.clip(0, 255).astype(np.uint8))
    return np.asarray(coarse.resize((width, height), Image.BICUBIC), dtype=np.float64).copy()


@cache
def _outline(glyph):
    """The glyph's closed curves, centred on 0, its larger side 1 long."""
    path = TextPath((0, 0), glyph, size=100, prop=FontProperties(family="DejaVu Sans"))
    curves = [np.asarray(curve) for curve in path.to_polygons()]
    points = np.concatenate(curves)
    low, high = points.min(0), points.max(0)
    return [(curve - (low + high) / 2) / (high - low).max() * (1, -1) for curve in curves]


def _glyph_mask(rng, glyph, width, height):
    """Bool[height, width]: a glyph at a random place, size and angle; it may leave the image."""
    size = rng.uniform(0.4, 0.85) * min(width, height)
    angle = rng.normal(0, 0.25)
    centre = rng.uniform(0.12, 0.88, size=2) * (width, height)
    turn = size * np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    inside = np.zeros((height, width), bool)
    for curve in _outline(glyph):
        canvas = Image.new("1", (width, height))
        ImageDraw.Draw(canvas).polygon([tuple(point) for point in curve @ turn + centre], fill=1)
        inside ^= np.asarray(canvas)  # even-odd: a curve inside a curve is a hole
    return inside


def _with_void_border(target):
    """Void where two labels meet, as VOC's annotators left it."""
    padded = np.pad(target, 1, mode="edge")
    shifted = [padded[y:y + target.shape[0], x:x + target.shape[1]] for y in range(3) for x in range(3)]
    return np.where(np.ptp(shifted, axis=0) > 0, IGNORE_INDEX, target).astype(np.uint8)
