"""Exercise 2.1: train_transform."""

import torch

from helpers import transforms
from helpers.exercises import pictures
from helpers.exercises.core import Exercise
from helpers.exercises.moving import DRAWS, Transform, by_luck, gallery, labels_kept, moved_together, normalised
from helpers.exercises.probe import Probe
from helpers.exercises.replay import perform, recorded, replayed
from helpers.exercises.values import same
from helpers.settings import IGNORE_INDEX

SIZE, MOST_DRAWS = 64, 60  # a missing flip is only blamed after MOST_DRAWS pictures


def places(draws, pair):
    """What `draws` of a grid did to it: flips seen, and (cell, middle) along each axis."""
    found = [pictures.axes(target, pair) for _, target in draws]
    flips = [x.mirrored for x, _ in found if x]
    spots = [[(axis.cell, SIZE - axis.middle if axis.mirrored else axis.middle) for axis in along
              if axis and axis.cell and axis.middle is not None] for along in zip(*found)]
    return flips, spots


def zooms(spots):
    """Whether the width of a cell changes along some axis."""
    return any(max(cells) - min(cells) > 1.5 for cells in ([cell for cell, _ in along] for along in spots) if cells)


def moves(spots):
    """Whether the place of the crop changes by more than the zoom alone explains."""
    return any(_unexplained(along) > 1.2 for along in spots)


def _unexplained(along):
    """Standard deviation, in pixels, of the middle around the line that the zoom draws."""
    if len(along) < 6:
        return 1e9  # too little to blame anyone
    cells, middles = torch.tensor(along).double().T
    design = torch.stack([cells, torch.ones_like(cells)], 1)
    line = design @ torch.linalg.pinv(design, rtol=1e-3) @ middles
    return float((middles - line).square().mean().sqrt())


def coloured(draws):
    """Whether one colour comes out differently from draw to draw."""
    colours = [image[:, target != IGNORE_INDEX].median(1).values for image, target in draws
               if (target != IGNORE_INDEX).sum() > 20]
    return len(colours) > 1 and float((torch.stack(colours).amax(0) - torch.stack(colours).amin(0)).max()) > 0.12


def left_to_chance(transform, student, grid, draws, plain_draws):
    """End the check unless flip, zoom, place and colours are drawn anew at each call."""
    def missing():
        flips, spots = places(draws, grid)
        return {"flip": flips and len(set(flips)) == 1, "zoom": not zooms(spots), "place": not moves(spots),
                "colour": not coloured(plain_draws)}
    while any(missing().values()) and len(draws) < MOST_DRAWS:
        draws += transform.draws(grid, DRAWS)
        plain_draws += transform.draws(pictures.plain(18), DRAWS)
    found, name = missing(), transform.name
    if same(list(draws[0]), list(draws[-1])) and all(same(list(draws[0]), list(draw)) for draw in draws):
        if any(not same(list(draws[0]), list(Transform(student, SIZE)(grid))) for _ in range(12)):
            student.fail("drawn_once", f"{name} does the same at every call: the random numbers are drawn when the "
                         "transform is made. Draw them inside, where the image comes in.")
        student.fail("no_chance", f"{name} returned the same image {len(draws)} times. In training, zoom, crop, flip "
                     "and colours are drawn again at each call.")
    if found["flip"]:
        id, often = ("always_flipped", "always") if places(draws, grid)[0][0] else ("no_flip", "never")
        student.fail(id, f"In {len(draws)} calls {name} {often} mirrored left and right. Flip in half of the calls "
                     "(`RandomHorizontalFlip`).")
    if found["zoom"] and found["place"]:
        student.fail("no_crop", f"{name} always shows the same part of the image at the same scale. Zoom by a random "
                     "factor, then crop at a random place.")
    if found["zoom"]:
        student.fail("no_zoom", f"{name} crops at random places, but always at the same scale. Zoom by a random factor "
                     "before the crop, so that the model sees small and large objects.")
    if found["place"]:
        student.fail("crop_never_moves", f"{name} zooms, but the crop is always taken at the same place. Draw its "
                     "place too (`RandomCrop`).")
    if found["colour"]:
        student.fail("no_jitter", f"In {len(plain_draws)} calls {name} never changed the colours of the image. "
                     "Brightness, contrast and saturation differ from photo to photo: add `ColorJitter`, for the image "
                     "alone.")


def check(student, seed):
    transform, mosaic, grid = Transform(student, SIZE), pictures.mosaic(seed), pictures.grid(seed)
    draws = transform.draws(mosaic, DRAWS)
    plain_draws = labels_kept(transform, mosaic, draws)
    moved_together(transform, mosaic, draws)
    normalised(transform, mosaic, draws)
    Transform(student, 48)(grid)
    left_to_chance(transform, student, grid, transform.draws(grid, DRAWS), plain_draws)
    line = ("train_transform moves image and mask together, zooms, crops, flips, changes the colours of the image "
            "alone, and marks void where there is no image.")
    return line + by_luck(transform, mosaic, seed), gallery(transform, seed, 4)


def inputs(seed):
    """The calls that the check makes on the reference."""
    return recorded(EXERCISE, seed)


def verdict(drawn, data):
    """Why the check fails on the answers, or None."""
    return replayed(EXERCISE, drawn, data)


EXERCISE = Exercise(number="2.1", name="train_transform", title="The training transform", points=10,
                    notebook="02_augmentation", signatures=("train_transform(size)",),
                    check=check, probe=Probe(inputs, perform, verdict=verdict),
                    reference=transforms.train_transform)
