"""Checks of notebook 2: transforms of an image and its mask, for training and for validation."""

from types import SimpleNamespace

import torch
from IPython import get_ipython
from PIL import Image

from helpers import plotting, shapes, transforms
from helpers.checks import pictures
from helpers.checks.core import check
from helpers.checks.transform import RANDOM, TENSOR, TOGETHER, Transform
from helpers.checks.values import same, show
from helpers.settings import IGNORE_INDEX, MEAN, STD

SIZE, DRAWS, MOST_DRAWS = 64, 20, 60  # a missing flip is only blamed after MOST_DRAWS pictures
_GREY = int(pictures.plain(18).mask.convert("L").getpixel((0, 0)))
_BILINEAR = " See 'What bilinear does to a mask'."
_CHANCE = " See 'Validation: nothing left to chance'."


def labels_kept(transform, mosaic, draws):
    """End the check unless every label was in the mask, or is void where there is no image."""
    label, extra = 18, _extra(draws, mosaic)
    plain_draws = [draw for long in (True, False) for draw in transform.draws(pictures.plain(label, long), 8)]
    found = torch.cat([target.flatten() for _, target in plain_draws])
    found = found[found != IGNORE_INDEX]
    others = found[found != label].unique().tolist()
    says = f"On a mask that is class {label} everywhere, {transform.name} returned the labels {_few(found)}"
    if len(others) == 1 and extra <= set(others) and (found == label).any():
        transform.fail("padding_not_void", f"{says}: where it leaves the image, the target was padded with "
                       f"{others[0]}. Nothing is known there, not even that it is background: pad the target with 255 "
                       "(`fill`)." + RANDOM)
    if others == [_GREY]:
        transform.fail("grey_levels", f"{says}: grey levels of the palette's colours. Leave out `convert(\"L\")`; the "
                       "pixels of a palette mask are class indices." + TOGETHER)
    if len(others) == 1 and abs(others[0] - label) == 1 and not (found == label).any():
        transform.fail("labels_changed", f"{says}: every class moved by one. Class indices stay what they are."
                       + TOGETHER)
    found = found[found != 0] if (found == label).any() else found  # 0 may be padding
    if ((found - label).abs() > 1).sum() > 0.2 * len(found):
        transform.fail("mask_as_image", f"{says}: the mask was scaled, normalised or recoloured like a picture. Wrap "
                       "it as tv_tensors.Mask, or treat it apart." + TOGETHER)
    if len(extra) > 1 or others:
        transform.fail("bilinear_mask", f"The mask has the labels {list(mosaic.labels)} and 255; {transform.name} "
                       f"returned others too, such as {_few(extra or others)}. They come from blending neighbours: "
                       "resize a mask with nearest neighbour alone." + _BILINEAR)
    if extra or _void(draws) < 0.03 and _void(transform.draws(mosaic, 3 * DRAWS)) < 0.03:
        instead = _few(extra)[0] if extra else "a class"
        transform.fail("void_lost", f"A tenth of the mask is void; {transform.name} returned {instead} there. Keep the "
                       "255." + TOGETHER)
    background = [target.unique().tolist() for _, target in transform.draws(pictures.plain(0), 4)]
    if not any(0 in labels for labels in background):
        transform.fail("background_lost", f"On a mask that is background (0) everywhere, {transform.name} returned "
                       f"{background[0]}. Background is a class like the others: keep the 0." + TOGETHER)
    return plain_draws


def _few(labels):
    return torch.as_tensor(list(labels) if isinstance(labels, set) else labels).unique().tolist()[:4]


def _void(draws):
    return sum((target == IGNORE_INDEX).float().mean() for _, target in draws) / len(draws)


def _extra(draws, pair):
    found = set(torch.cat([target.unique() for _, target in draws]).tolist())
    return found - {*pair.labels, IGNORE_INDEX}


def _shares(draws):
    shares = [(pictures.agreement(image, target), image, target) for image, target in draws]
    return [entry for entry in shares if entry[0] is not None]


def _mean(shares):
    return sum(share for share, *_ in shares) / max(len(shares), 1)


def moved_together(transform, mosaic, draws):
    """End the check unless the mask lies on its image in (nearly) all draws."""
    shares = _shares(draws)
    if 0.75 < _mean(shares) < 0.93:  # a patch erased on purpose, or a mask that is off by little: look longer
        shares += _shares(transform.draws(mosaic, 2 * DRAWS))
    if not shares or _mean(shares) > 0.8 and sum(share < 0.6 for share, *_ in shares) <= 0.12 * len(shares):
        return
    apart = [entry for entry in shares if entry[0] < 0.9]
    mirrored = [pictures.agreement(image, target.flip(1)) or 0 for _, image, target in apart]
    if sum(share >= 0.8 for share in mirrored) >= 0.8 * len(apart):
        transform.fail("flip_not_shared", f"In {len(apart)} of {len(shares)} calls {transform.name} flipped one of "
                       "image and mask, but not the other. Draw the flip once and do it to both." + TOGETHER)
    transform.fail("separate_draws", f"In {len(apart)} of {len(shares)} calls the target of {transform.name} did not "
                   "lie on its image: each went its own way. Draw once for both; v2 does so when it gets both in one "
                   "call." + TOGETHER)


def normalised(transform, mosaic, draws):
    """End the check unless black and white come out as ImageNet's mean and std say, give or take jitter."""
    colours = {name: [colour for image, target in draws
                      if (colour := pictures.colour_of(image, target, mosaic.labels[index])) is not None]
               for name, index in (("black", pictures.BLACK), ("white", pictures.WHITE), ("red", pictures.RED))}
    if not colours["black"] or not colours["white"]:
        return
    black, white = torch.stack(colours["black"]), torch.stack(colours["white"])
    mean, std = torch.tensor(MEAN), torch.tensor(STD)
    low, high = (black * std + mean).amin(0), (white * std + mean).amax(0)
    order = (black * std + mean)[:, 0].median() - (black * std + mean)[:, 2].median()
    values = f"{transform.name} made black {show(black.amin(0))} and white {show(white.amax(0))}"
    each = torch.stack([torch.stack([image.mean((1, 2)), image.std((1, 2)) - 1]) for image, _ in draws])
    if each.abs().max() < 0.05:
        transform.fail("other_normalisation", f"{values}. Each image was normalised with its own mean and std, so "
                       "bright and dark photos look alike. Use ImageNet's, the same for all images." + TENSOR)
    if (low > -1).all() and (low < 0.2).all() and (high > 0.55).all() and (high < 2.5).all() and abs(order) < 0.08:
        blue = [(colour * std + mean)[2] > (colour * std + mean)[0] + 0.1 for colour in colours["red"]]
        if len(blue) > 8 and sum(blue) > 0.9 * len(blue):
            transform.fail("channels_swapped", f"Red came out as blue in {transform.name}. PIL's order is red, green, "
                           "blue: do not reverse the channels." + TENSOR)
        return
    expected = "Expected about -2.1 for black and 2.2 to 2.6 for white."
    if white.amax() > 500:
        transform.fail("not_scaled", f"{values}. {expected} The picture was normalised while still in 0..255: scale it "
                       "to [0, 1] first (`ToDtype(torch.float32, scale=True)`)." + TENSOR)
    if black.abs().amin() < 0.02 and (white.amax() < 1.6 or white.amax() > 100):
        transform.fail("not_normalised", f"{values}. {expected} The normalisation with ImageNet's mean and std is "
                       "missing: pretrained weights expect it." + TENSOR)
    if (high < 0.1).all():
        transform.fail("scaled_twice", f"{values}. {expected} The picture was divided by 255 twice: `to_tensor` "
                       "already does it once." + TENSOR)
    transform.fail("other_normalisation", f"{values}. {expected} That is another normalisation than (x - mean) / std "
                   f"with mean = {MEAN} and std = {STD}, channel by channel." + TENSOR)


def places(draws, pair):
    """What `draws` of a grid did to it: flips seen, and (cell, middle) along each axis."""
    found = [pictures.axes(target, pair) for _, target in draws]
    flips = [x.mirrored for x, _ in found if x]
    spots = [[(axis.cell, SIZE - axis.middle if axis.mirrored else axis.middle) for axis in along
              if axis and axis.cell and axis.middle is not None] for along in zip(*found)]
    return flips, spots


def zooms(spots):
    """Whether the width of a cell changes along some axis."""
    return any(max(cells) - min(cells) > 2 for cells in ([cell for cell, _ in along] for along in spots) if cells)


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
                         "transform is made. Draw them inside, where the image comes in." + RANDOM)
        student.fail("no_chance", f"{name} returned the same image {len(draws)} times. In training, zoom, crop, flip "
                     "and colours are drawn anew at each call." + RANDOM)
    if found["flip"]:
        id, often = ("always_flipped", "always") if places(draws, grid)[0][0] else ("no_flip", "never")
        student.fail(id, f"In {len(draws)} calls {name} {often} mirrored left and right. Flip in half of the calls "
                     "(`RandomHorizontalFlip`)." + RANDOM)
    if found["zoom"] and found["place"]:
        student.fail("no_crop", f"{name} always shows the same part of the image at the same scale. Zoom by a random "
                     "factor, then crop at a random place." + RANDOM)
    if found["zoom"]:
        student.fail("no_zoom", f"{name} crops at random places, but always at the same scale. Zoom by a random factor "
                     "before the crop, so that the model sees small and large objects." + RANDOM)
    if found["place"]:
        student.fail("crop_never_moves", f"{name} zooms, but the crop is always taken at the same place. Draw its "
                     "place too (`RandomCrop`)." + RANDOM)
    if found["colour"]:
        student.fail("no_jitter", f"In {len(plain_draws)} calls {name} never changed the colours of the image. "
                     "Brightness, contrast and saturation differ from photo to photo: add `ColorJitter`, for the image "
                     "alone." + RANDOM)


@check("train_transform(size)", "2.1")
def train_transform(student, seed):
    """Exercise 2.1."""
    transform, mosaic, grid = Transform(student, SIZE), pictures.mosaic(seed), pictures.grid(seed)
    draws = transform.draws(mosaic, DRAWS)
    plain_draws = labels_kept(transform, mosaic, draws)
    moved_together(transform, mosaic, draws)
    normalised(transform, mosaic, draws)
    Transform(student, 48)(grid)
    left_to_chance(transform, student, grid, transform.draws(grid, DRAWS), plain_draws)
    line = ("train_transform moves image and mask together, zooms, crops, flips, changes the colours of the image "
            "alone, and marks void where there is no image.")
    return line + _by_luck(transform, mosaic, seed), _gallery(transform, seed, 4)


def _by_luck(transform, mosaic, seed):
    """A word to those whose mask stayed whole only because Pillow never interpolates a palette image."""
    grey = pictures.Pair(mosaic.image, Image.frombytes("L", mosaic.mask.size, mosaic.mask.tobytes()), mosaic.labels)
    outcomes = [transform.inner.attempt(*grey.copies()) for _ in range(4)]
    if any(outcome.error for outcome in outcomes) or not _extra([outcome.value for outcome in outcomes], mosaic):
        return ""
    return ("\n  (Your mask kept its labels only because Pillow resizes palette images by nearest neighbour whatever "
            "it is told. Ask for nearest yourself, and it stays right for masks of other kinds.)")


def _gallery(transform, seed, count):
    """Draws the student's results on pictures of the course."""
    if not get_ipython():
        return None
    devkit = SimpleNamespace(palette=torch.from_numpy(shapes.PALETTE), class_names=shapes.CLASS_NAMES)
    panels = []
    for index in range(count):
        image, target = transform.inner(*shapes.draw(seed))
        panels += [(transforms.denormalize(image), f"image, call {index + 1}"), (target, f"target, call {index + 1}")]
    calls = "One call" if count == 1 else f"{count} calls"
    alt = f"{calls} of your transform on one image: image and target of each."
    return lambda: plotting.panels(panels, devkit, alt)


@check("eval_transform(size)", "2.2")
def eval_transform(student, seed):
    """Exercise 2.2."""
    size = 60
    transform, mosaic = Transform(student, size), pictures.mosaic(seed)
    draws = transform.draws(mosaic, 12)
    again = [Transform(student, size)(mosaic) for _ in range(12)]
    if not all(same(list(draws[0]), list(draw)) for draw in draws + again):
        student.fail("random", f"{transform.name} returned different results for one image. Validation must give the "
                     "same score each time: no random zoom, crop, flip or colour." + _CHANCE)
    labels_kept(transform, mosaic, draws)
    moved_together(transform, mosaic, draws)
    normalised(transform, mosaic, draws)
    for index, colour in enumerate(torch.from_numpy(pictures.COLOURS[:5]) / 255):
        found = pictures.colour_of(pictures.pixels(draws[0][0]), draws[0][1], mosaic.labels[index])
        if found is not None and (found - colour).abs().max() > 0.05:
            student.fail("colours_changed", f"{transform.name} turned the colour {show(colour)} into {show(found)} "
                         "(before normalisation). Leave the colours alone in validation." + _CHANCE)
    for upright in (False, True):
        _whole(transform, pictures.grid(seed, upright))
    Transform(student, 36)(mosaic)
    return ("eval_transform gives the whole image each time, squeezed or with void bars, and normalised as in training."
            + _by_luck(transform, mosaic, seed)), _gallery(transform, seed, 1)


def _whole(transform, grid):
    """End the check unless all 16 cells show, equally large, and in their order."""
    target = transform(grid)[1]
    areas = torch.bincount(target.flatten(), minlength=256)[list(grid.labels)].float()
    if areas.min() < 0.8 * areas.max():
        shown = f"{int((areas > 0.8 * areas.max()).sum())}"
        transform.fail("crops", f"An image of {grid.image.width} x {grid.image.height} pixels was divided into 16 "
                       f"equal parts; {transform.name} shows only {shown} of them whole. Validation scores the whole "
                       "image: resize to (size, size), or fit it in and fill with void." + _CHANCE)
    along = pictures.axes(target, grid)
    if not all(along) or any(axis.mirrored for axis in along):
        transform.fail("mirrored", f"{transform.name} mirrored or turned the image. In validation leave it as it is."
                       + _CHANCE)
