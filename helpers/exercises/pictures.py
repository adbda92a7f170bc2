"""Small pictures with masks whose every pixel is known, and what can be read off them after a transform."""

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image

from helpers import voc
from helpers.settings import IGNORE_INDEX, MEAN, STD

_MEAN, _STD = torch.tensor(MEAN)[:, None, None], torch.tensor(STD)[:, None, None]
# Five classes and void (5) in an order that looks like no shifted or mirrored copy of itself
_LAYOUT = np.array([[5, 2, 1, 3, 0, 4], [4, 0, 3, 5, 3, 0], [3, 1, 2, 4, 0, 2], [2, 0, 1, 0, 2, 3], [1, 4, 2, 5, 4, 1]])
COLOURS = np.array([(0, 0, 0), (10, 60, 200), (220, 60, 40), (120, 200, 90), (255, 255, 255), (150, 60, 200)], np.uint8)
BLACK, BLUE, RED, GREEN, WHITE = range(5)


@dataclass(frozen=True)
class Pair:
    """A PIL RGB image and its PIL palette mask.

    `labels` are the class indices in the mask, without void; those of a grid row by row.
    """

    image: Image.Image
    mask: Image.Image
    labels: tuple[int, ...]

    def copies(self):
        return self.image.copy(), self.mask.copy()


def _pair(labels, colours, cell, labels_used):
    big = [np.kron(array, np.ones((*cell, 1), np.uint8)) for array in (colours, labels[..., None])]
    image, mask = Image.fromarray(big[0].astype(np.uint8)), Image.fromarray(big[1][..., 0].astype(np.uint8))
    mask.putpalette(voc.palette(256).flatten().tolist())
    return Pair(image, mask, tuple(int(label) for label in labels_used))


def mosaic(seed):
    """96 x 80 pixels, 30 cells, one colour a class; the labels have gaps, and neither 0 nor 20 is among them."""
    rng = np.random.default_rng(seed)
    labels = np.array([2, 6, 10, 14, 18]) + rng.integers(0, 2, 5)
    return _pair(np.append(labels, IGNORE_INDEX)[_LAYOUT], COLOURS[_LAYOUT], (16, 16), labels)


def grid(seed, upright=False):
    """100 x 80 pixels (80 x 100 `upright`), 4 x 4 cells, each with a label of its own, 1 to 16."""
    labels = 1 + np.random.default_rng(seed).permutation(16).reshape(4, 4)
    colours = np.array([[grid_colour(label).tolist() for label in row] for row in labels])
    return _pair(labels, colours, (25, 20) if upright else (20, 25), labels.flatten())


def grid_colour(label):
    """Float32[3] in 0..255: the colour of a cell of the grid."""
    return torch.tensor([10.0 * label, 15 * (17 - label), 15 * (label * 7 % 17)])


def plain(label, long=True):
    """One colour with a little grain, one class, no void; 100 x 40 pixels, so that most crops leave it."""
    labels = np.full((40, 100) if long else (100, 40), label)
    y, x = np.indices(labels.shape)
    grain = (7 * x + 13 * y) % 21 - 10
    return _pair(labels, grain[..., None] + (200, 120, 60), (1, 1), [label])


def seen(image, target, pair):
    """Int64[H, W]: the label of the grid whose colour each pixel of an image is nearest to; void as in `target`."""
    colours = torch.stack([grid_colour(label) for label in pair.labels]) / 255
    nearest = (pixels(image)[None] - colours[:, :, None, None]).abs().amax(1).argmin(0)
    return torch.where(target == IGNORE_INDEX, IGNORE_INDEX, torch.tensor(pair.labels)[nearest])


def pixels(image):
    """An image before normalisation, as far as it was normalised as it should be."""
    return image * _STD + _MEAN


def interior(target, width=2):
    """Bool[H, W]: the pixels at least `width` away from another label, and not void."""
    padded = F.pad(target[None, None].float(), (width,) * 4, mode="replicate")
    highest = F.max_pool2d(padded, 2 * width + 1, 1)
    lowest = -F.max_pool2d(-padded, 2 * width + 1, 1)
    return (highest == lowest)[0, 0] & (target != IGNORE_INDEX)


def agreement(image, target):
    """Share of the pixels that have the colour of their label (0..1), or None where one label is left."""
    inside = interior(target)
    labels = target[inside].unique()
    if len(labels) < 2 or inside.sum() < 40:
        return None
    spread = (image[:, inside].quantile(0.95, 1) - image[:, inside].quantile(0.05, 1)).max()
    agree = 0
    for label in labels:
        colour = image[:, inside & (target == label)]
        near = (colour - colour.median(1, keepdim=True).values).abs().amax(0) < (0.25 * spread).clamp(min=0.03)
        agree += int(near.sum())
    return agree / int(inside.sum())


def colour_of(image, target, label, least=4):
    """Median colour Float32[3] of the inner pixels of a label, or None where there are too few."""
    inside = interior(target) & (target == label)
    return image[:, inside].median(1).values if inside.sum() >= least else None


@dataclass(frozen=True)
class Axis:
    """How a grid lies in the output along one axis: mirrored or not, where its middle is, how wide a cell is."""

    mirrored: bool
    middle: float | None
    cell: float | None


def axes(target, pair):
    """The two `Axis` (x, y) of a grid's target, each None where too little of it shows."""
    index = torch.full((2, 256), -9)
    for place, label in enumerate(pair.labels):
        index[:, label] = torch.tensor([place % 4, place // 4])
    column, row = index[:, target.clamp(0, 255)]
    return _axis(column), _axis(row.T)


def _axis(places):
    """From the cell number of each pixel, counted along the last dimension."""
    left, right = places[:, :-1], places[:, 1:]
    up = [((left == cell) & (right == cell + 1)).nonzero()[:, 1] for cell in range(3)]
    down = [((left == cell + 1) & (right == cell)).nonzero()[:, 1] for cell in range(3)]
    ups, downs = sum(map(len, up)), sum(map(len, down))
    if ups == downs:
        return None
    borders = [float(found.float().median()) + 1 if len(found) else None for found in (up if ups > downs else down)]
    cells = [abs(b - a) for a, b in zip(borders, borders[1:]) if a is not None and b is not None]
    return Axis(downs > ups, borders[1], sum(cells) / len(cells) if cells else None)
