"""Exercise 2.2: eval_transform."""

import torch

from helpers import transforms
from helpers.exercises import pictures
from helpers.exercises.core import Exercise
from helpers.exercises.moving import Transform, by_luck, gallery, labels_kept, moved_together, normalised
from helpers.exercises.probe import Probe
from helpers.exercises.replay import perform, recorded, replayed
from helpers.exercises.values import same, show


def check(student, seed):
    size = 60
    transform, mosaic = Transform(student, size), pictures.mosaic(seed)
    draws = transform.draws(mosaic, 12)
    again = [Transform(student, size)(mosaic) for _ in range(12)]
    if not all(same(list(draws[0]), list(draw)) for draw in draws + again):
        student.fail("random", f"{transform.name} returned different results for one image. Validation must give the "
                     "same score each time: no random zoom, crop, flip or colour.")
    labels_kept(transform, mosaic, draws)
    moved_together(transform, mosaic, draws)
    normalised(transform, mosaic, draws)
    for index, colour in enumerate(torch.from_numpy(pictures.COLOURS[:5]) / 255):
        found = pictures.colour_of(pictures.pixels(draws[0][0]), draws[0][1], mosaic.labels[index])
        if found is not None and (found - colour).abs().max() > 0.05:
            student.fail("colours_changed", f"{transform.name} turned the colour {show(colour)} into {show(found)} "
                         "(before normalisation). Leave the colours alone in validation.")
    for upright in (False, True):
        _whole(transform, pictures.grid(seed, upright))
    Transform(student, 36)(mosaic)
    return ("eval_transform gives the whole image each time, squeezed or with void bars, and normalised as in training."
            + by_luck(transform, mosaic, seed)), gallery(transform, seed, 1)


def _whole(transform, grid):
    """End the check unless all 16 cells show, equally large, and in their order."""
    image, target = transform(grid)
    areas = torch.bincount(target.flatten(), minlength=256)[list(grid.labels)].float()
    if areas.min() < 0.8 * areas.max():
        shown = f"{int((areas > 0.8 * areas.max()).sum())}"
        transform.fail("crops", f"An image of {grid.image.width} x {grid.image.height} pixels was divided into 16 "
                       f"equal parts; {transform.name} shows only {shown} of them whole. Validation scores the whole "
                       "image: resize to (size, size), or fit it in and fill with void.")
    along, shown = pictures.axes(target, grid), pictures.axes(pictures.seen(image, target, grid), grid)
    if not all(map(_lies_on, along, shown)):
        transform.fail("apart", f"On an image of {grid.image.width} x {grid.image.height} pixels, {transform.name} did "
                       "not do the same to both: the target's regions do not lie on those of the image. Resize image "
                       "and mask in the same way, without a crop.")
    _colours_kept(transform, image, target, grid)
    if not all(along) or any(axis.mirrored for axis in along):
        transform.fail("mirrored", f"{transform.name} mirrored or turned the image. In validation leave it as it is.")


def _colours_kept(transform, image, target, grid):
    """End the check unless each cell of the grid has its colour."""
    for label in grid.labels:
        found, colour = pictures.colour_of(pictures.pixels(image), target, label), pictures.grid_colour(label) / 255
        if found is not None and (found - colour).abs().max() > 0.05:
            transform.fail("colours_changed", f"{transform.name} turned the colour {show(colour)} into {show(found)} "
                           "(before normalisation). Leave the colours alone in validation.")


def _lies_on(axis, shown):
    """Whether the grid of a target lies on that of its image, along one axis, but for a pixel or so."""
    if None in (axis, shown) or None in (axis.cell, shown.cell, axis.middle, shown.middle):
        return axis is None or axis.cell is None  # too little of it shows: another mistake
    return abs(axis.cell - shown.cell) <= 0.75 and abs(axis.middle - shown.middle) <= 1.5


def inputs(seed):
    """The calls that the check makes on the reference."""
    return recorded(EXERCISE, seed)


def verdict(drawn, data):
    """Why the check fails on the answers, or None."""
    return replayed(EXERCISE, drawn, data)


EXERCISE = Exercise(number="2.2", name="eval_transform", title="The evaluation transform", points=5,
                    notebook="02_augmentation", signatures=("eval_transform(size)",),
                    check=check, probe=Probe(inputs, perform, verdict=verdict),
                    reference=transforms.eval_transform)
