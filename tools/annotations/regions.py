"""What every format is read into: a picture with its regions, each of which can be drawn."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

MOST_POINTS, MOST_REGIONS, MOST_PIXELS = 200_000, 5_000, 120_000_000


@dataclass(frozen=True)
class Region:
    """A part of a picture with one label; `paint(height, width)` gives it as Bool[height, width]."""

    label: str
    paint: Callable
    void: bool = False  # "don't ask", whatever its label is


@dataclass
class Sample:
    """An annotated picture; `notes` say what was left out of it, `size` is (width, height) as it was annotated."""

    name: str
    picture: Callable  # gives what PIL can open: a path or a file
    size: tuple[int, int] | None
    regions: list[Region]
    stem: str  # what the picture's file is called, without its ending
    notes: list[str] = field(default_factory=list)

    def add(self, read, *arguments):
        """Keep the Region that `read(*arguments)` gives, or a note of why it gives none."""
        try:
            self.regions.append(read(*arguments))
        except Unusable as error:
            self.notes.append(str(error))


@dataclass(frozen=True)
class Skip:
    """A file that was left out, by the name that its owner knows, and why."""

    name: str
    reason: str


class Unusable(ValueError):
    """A region or a file that cannot be used; the message says why in a few words."""


def number(value, least=-1e7, most=1e7):
    """`value` as a float; Unusable unless it is a number, finite and not absurd."""
    try:
        value = float(value)
    except (TypeError, ValueError, OverflowError):
        raise Unusable("a coordinate that is not a number") from None
    if not least <= value <= most:  # NaN too
        raise Unusable("a coordinate that no picture has")
    return value


def countable(marks):
    """Unusable if there are more `marks` than any picture has regions."""
    if len(marks) > MOST_REGIONS:
        raise Unusable(f"more than {MOST_REGIONS} regions")


def size_of(width, height):
    """(width, height) as whole numbers, or None if the annotation does not say; Unusable if no picture is so large."""
    if width in (None, "", 0) or height in (None, "", 0):
        return None
    width, height = round(number(width, 1)), round(number(height, 1))
    if width * height > MOST_PIXELS:
        raise Unusable(f"a size of {width} x {height} pixels, more than {MOST_PIXELS // 1_000_000} million")
    return width, height


def ring(points):
    """Points as Float[N, 2]; Unusable if they enclose nothing."""
    if not isinstance(points, (list, tuple)) or len(points) > MOST_POINTS:
        raise Unusable(f"not a list of at most {MOST_POINTS:,} points")
    try:
        ring = np.array([(number(x), number(y)) for x, y in points], dtype=float).reshape(-1, 2)
    except (TypeError, ValueError) as error:
        raise error if isinstance(error, Unusable) else Unusable("points that are not pairs of numbers") from None
    if len(np.unique(ring, axis=0)) < 3:
        raise Unusable("fewer than 3 points")
    return ring


def polygon(label, rings):
    """A Region that is all of `rings` together, each Float[N, 2] of (x, y), a pixel being a unit square.

    A pixel belongs to a ring if its centre does, by the even-odd rule; a ring may leave the picture. By hand, because
    PIL draws outlines half a pixel too wide, and nothing at all, or for ever, far outside.
    """
    def paint(height, width):
        mask = np.zeros((height, width), bool)
        for ring in rings:
            mask |= inside(ring, height, width)
        return mask
    return Region(label, paint)


def inside(ring, height, width):
    """Bool[height, width]: in each row, what lies between the first and the second edge, the third and the fourth."""
    mask = np.zeros((height, width + 1), bool)
    for (x, y), (next_x, next_y) in zip(ring, np.roll(ring, -1, axis=0)):
        low, high = min(y, next_y), max(y, next_y)
        rows = np.arange(max(math.ceil(low - 0.5), 0), min(math.ceil(high - 0.5), height))
        if len(rows):
            at = x + (rows + 0.5 - y) * (next_x - x) / (next_y - y)
            mask[rows, np.clip(np.ceil(at - 0.5), 0, width).astype(int)] ^= True
    used = mask.any(1)
    mask[used] = np.bitwise_xor.accumulate(mask[used], axis=1)
    return mask[:, :width]


def box(label, x, y, width, height, degrees=0.0, about=(0.5, 0.5)):
    """A rectangle from its corner (x, y), turned clockwise about a point given as shares of its sides."""
    corners = np.array([(0, 0), (width, 0), (width, height), (0, height)], dtype=float)
    centre = np.array([about[0] * width, about[1] * height])
    return polygon(label, [turned(corners - centre, degrees) + centre + (x, y)])


def ellipse(label, x, y, radius_x, radius_y, degrees=0.0):
    """An ellipse about (x, y), turned clockwise."""
    angles = np.linspace(0, 2 * math.pi, 90, endpoint=False)
    points = np.stack([radius_x * np.cos(angles), radius_y * np.sin(angles)], 1)
    return polygon(label, [turned(points, degrees) + (x, y)])


def turned(points, degrees):
    """Points, Float[N, 2], turned clockwise about (0, 0), y pointing down."""
    angle = math.radians(degrees)
    return points @ np.array([[math.cos(angle), math.sin(angle)], [-math.sin(angle), math.cos(angle)]])


def patch(label, draw, left, top):
    """A Region that is a small mask, `draw()` a Bool[h, w], with its upper left corner at (left, top)."""
    def paint(height, width):
        mask = draw()
        whole = np.zeros((height, width), bool)
        y, x = max(top, 0), max(left, 0)
        part = mask[y - top:max(height - top, 0), x - left:max(width - left, 0)]  # it may leave the picture
        whole[y:y + part.shape[0], x:x + part.shape[1]] = part
        return whole
    return Region(label, paint)


def stored(label, draw):
    """A Region whose pixels are stored: `draw()` gives Bool[H, W] of the size that was annotated."""
    def paint(height, width):
        mask = draw()
        if mask.shape != (height, width):
            raise Unusable(f"a mask of {mask.shape[1]} x {mask.shape[0]} pixels in a picture of {width} x {height}")
        return mask
    return Region(label, paint)


def from_file(name, path: Path, size):
    """A Sample without regions yet, of the picture in a file."""
    return Sample(name, lambda: path, size, [], path.stem)
