"""A student's transform of image and mask: called, and judged by what the two transforms have in common."""

from types import SimpleNamespace

import torch
from IPython import get_ipython
from PIL import Image

from helpers import plotting, shapes, transforms
from helpers.exercises import pictures
from helpers.exercises.student import Student
from helpers.exercises.values import a_kind, dtype_name, show
from helpers.settings import IGNORE_INDEX, MEAN, STD

_WRAP = "Its numbers are class indices. Wrap it as `tv_tensors.Mask` first, or treat it apart from the image."
# what Pillow says when the colours of a palette picture are to be changed
_PALETTE_REFUSED = ("image has wrong mode", "cannot filter palette images", "unrecognized image mode",
                    "images do not match", "not supported for this image mode", "conversion from P")
DRAWS = 20  # calls on one picture
_QUANTISED = set(pictures.plain(18).mask.convert("RGB").convert("P").getdata())
_GREY = int(pictures.plain(18).mask.convert("L").getpixel((0, 0)))


class Transform:
    """What a student's `train_transform(size)` or `eval_transform(size)` returned; a call checks the form."""

    def __init__(self, student, size):
        self.student, self.size = student, size
        function = student(size)
        self.name = f"{student.name}({size})"
        if function is None:
            student.fail("returns_none", f"{self.name} returned None; expected something to call with (image, mask). "
                         "Is the `return` missing?")
        if not callable(function):
            student.fail("not_a_transform", f"{self.name} returned {a_kind(function)}; expected something to call with "
                         "(image, mask): a function defined inside, a lambda, or v2.Compose.")
        self.inner = Student(function, "transform(image, mask)", student.section, returned_by=student.name)
        self.inner.name = self.name

    def __call__(self, pair):
        """Image and target of one call, in the right form."""
        image, mask = pair.copies()
        outcome = self.inner.attempt(image, mask)
        if "larger than input" in str(outcome.error):
            self.fail("crop_without_padding", f"{self.name} stopped on an image of {image.width} x {image.height} "
                      f"pixels: {outcome.error}\nPad first, or `RandomCrop(size, pad_if_needed=True, fill=...)`.")
        if any(words in str(outcome.error) for words in _PALETTE_REFUSED):
            self.fail("mask_as_image", f"{self.inner.stopped(outcome.error)}\nThe mask was recoloured like a photo, "
                      f"and Pillow refuses that for a palette. {_WRAP}")
        self.inner.healthy(outcome, f"With an image of {image.width} x {image.height} pixels, ")
        if not (same_picture(image, pair.image) and same_picture(mask, pair.mask)):
            self.fail("changes_input", f"{self.name} changed the picture that it was given. Work on a copy.")
        value = outcome.value
        if not isinstance(value, (tuple, list)) or len(value) != 2:
            if value is None:
                self.fail("returns_none", f"The function that {self.name} returns gave back None; expected image and "
                          "target. Does it end in `return image, target`?")
            found = f"{len(value)} things" if isinstance(value, (tuple, list)) else a_kind(value)
            self.fail("not_a_pair", f"{self.name}(image, mask) returned {found}; expected two things: "
                      "image and target.")
        self.form(*value, pair)
        return value

    def fail(self, id, message):
        self.student.fail(id, message)

    def form(self, image, target, pair):
        """End the check unless these are Float32[3, size, size] and Int64[size, size]."""
        size, form = self.size, f"{self.name} returned "
        for name, value in (("image", image), ("target", target)):
            if not torch.is_tensor(value):
                kind = "a PIL image" if isinstance(value, Image.Image) else a_kind(value)
                self.fail(f"{name}_not_a_tensor", f"{form}{kind} as the {name}; expected a tensor.")
        if target.is_floating_point() and target.shape[-3:-2] == (3,) and not image.is_floating_point():
            self.fail("pair_swapped", f"{form}the target first and the image second. The order is `image, target`.")
        if target.is_floating_point() and (target != target.round()).any():
            self.fail("mask_as_image", f"{form}a target with values such as {show(target.flatten()[0].item())}: the "
                      f"mask was scaled, normalised or recoloured like a photo. {_WRAP}")
        if target.shape[-2:] == pair.mask.size[::-1] != image.shape[-2:]:
            self.fail("mask_not_transformed", f"{form}an image of {list(image.shape)}, but the target still is "
                      f"{list(target.shape)}: the mask was not moved at all. v2 leaves a second plain tensor alone; "
                      "wrap the mask as tv_tensors.Mask.")
        if image.ndim == 3 and image.shape[-1] == 3:
            self.fail("channels_last", f"{form}an image of {list(image.shape)}; expected the channels first: "
                      f"[3, {size}, {size}].")
        if image.shape[-2:] == pair.image.size[::-1]:
            self.fail("not_resized", f"{form}an image of {list(image.shape)}, as large as it came; expected "
                      f"[3, {size}, {size}]. Use `size`.")
        if image.ndim == 3 and image.shape[0] == 3 and image.shape[1] != image.shape[2]:
            self.fail("not_square", f"{form}an image of {list(image.shape)}; expected [3, {size}, {size}]. "
                      "`Resize(size)` sets the shorter side alone; `(size, size)` sets both.")
        if image.shape != (3, size, size):
            self.fail("wrong_size", f"{form}an image of {list(image.shape)}; expected [3, {size}, {size}], with the "
                      "`size` that was asked for and no batch axis.")
        if target.shape == (1, size, size):
            self.fail("channel_axis", f"{form}a target of {list(target.shape)}; expected [{size}, {size}]. The loss "
                      "takes no channel axis: remove it with `[0]`, or `squeeze`.")
        if target.shape == (3, size, size):
            self.fail("mask_as_colours", f"{form}a target with three channels; expected class indices [{size}, "
                      f"{size}]. Do not convert the mask to RGB: its pixels are class indices.")
        if target.shape != (size, size):
            self.fail("wrong_shape", f"{form}a target of {list(target.shape)}; expected [{size}, {size}].")
        if image.dtype == torch.uint8:
            self.fail("not_normalised", f"{form}an image UInt8 in 0..255. Make it Float32 in [0, 1], then normalise it "
                      "with ImageNet's mean and std.")
        if image.dtype != torch.float32 or target.dtype != torch.int64:
            self.fail("wrong_dtype", f"{form}image {dtype_name(image)} and target {dtype_name(target)}; expected "
                      "Float32 and Int64. The loss refuses other class indices.")
        if image.isnan().any():
            self.fail("returns_nan", f"{form}an image with NaN in it. Is something divided by 0?")

    def draws(self, pair, count):
        return [self(pair) for _ in range(count)]


def same_picture(a, b):
    return a.size == b.size and a.mode == b.mode and a.tobytes() == b.tobytes()


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
                       "(`fill`).")
    if not (found == label).any() and (extra | _labels(draws)) - {IGNORE_INDEX} <= {0, 1} and 1 in others:
        transform.fail("foreground_only", f"{says}: only object or not is left. Keep the class index of each pixel.")
    renumbered = not (found == label).any() and (extra | _labels(draws)) - {IGNORE_INDEX} <= set(range(6))
    if renumbered or others and set(others) <= _QUANTISED:
        transform.fail("renumbered", f"{says}: the classes have other numbers than in the mask. `convert(\"P\")` after "
                       "`convert(\"RGB\")`, `quantize` and `unique` make new numbers, others for each image. The "
                       "pixels of a palette mask are class indices: leave them as they are.")
    if others == [_GREY]:
        transform.fail("grey_levels", f"{says}: grey levels of the palette's colours. Leave out `convert(\"L\")`; the "
                       "pixels of a palette mask are class indices.")
    if len(others) == 1 and abs(others[0] - label) == 1 and not (found == label).any():
        transform.fail("labels_changed", f"{says}: every class moved by one. Class indices stay what they are.")
    found = found[found != 0] if (found == label).any() else found  # 0 may be padding
    if ((found - label).abs() > 1).sum() > 0.2 * len(found):
        transform.fail("mask_as_image", f"{says}: the mask was scaled, normalised or recoloured like a photo. {_WRAP}")
    if len(extra) > 1 or others:
        transform.fail("bilinear_mask", f"The mask has the labels {list(mosaic.labels)} and 255; {transform.name} "
                       f"returned others too, such as {_few(extra or others)}. They come from blending neighbours: "
                       "resize a mask with nearest neighbour alone.")
    if extra or _void(draws) < 0.03 and _void(transform.draws(mosaic, 3 * DRAWS)) < 0.03:
        instead = _few(extra)[0] if extra else "a class"
        transform.fail("void_lost", f"A tenth of the mask is void; {transform.name} returned {instead} there. Keep the "
                       "255.")
    background = [target.unique().tolist() for _, target in transform.draws(pictures.plain(0), 4)]
    if not any(0 in labels for labels in background):
        transform.fail("background_lost", f"On a mask that is background (0) everywhere, {transform.name} returned "
                       f"{background[0]}. Background is a class like the others: keep the 0.")
    return plain_draws


def _few(labels):
    return torch.as_tensor(list(labels) if isinstance(labels, set) else labels).unique().tolist()[:4]


def _void(draws):
    return sum((target == IGNORE_INDEX).float().mean() for _, target in draws) / len(draws)


def _labels(draws):
    return set(torch.cat([target.unique() for _, target in draws]).tolist())


def _extra(draws, pair):
    return _labels(draws) - {*pair.labels, IGNORE_INDEX}


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
                       "image and mask, but not the other. Draw the flip once and do it to both.")
    transform.fail("separate_draws", f"In {len(apart)} of {len(shares)} calls the target of {transform.name} did not "
                   "lie on its image: each went its own way. Draw once for both; v2 does so when it gets both in one "
                   "call.")


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
                       "bright and dark photos look alike. Use ImageNet's, the same for all images.")
    if (low > -1).all() and (low < 0.2).all() and (high > 0.55).all() and (high < 2.5).all() and abs(order) < 0.08:
        grey = [float(colour.mul(std).add(mean).amax() - colour.mul(std).add(mean).amin()) < 0.04
                for colour in colours["red"]]
        if len(grey) > 8 and all(grey):
            transform.fail("colours_lost", f"Red always came out grey in {transform.name}. Pretrained weights expect "
                           "colours: keep them.")
        blue = [(colour * std + mean)[2] > (colour * std + mean)[0] + 0.1 for colour in colours["red"]]
        if len(blue) > 8 and sum(blue) > 0.9 * len(blue):
            transform.fail("channels_swapped", f"Red came out as blue in {transform.name}. PIL's order is red, green, "
                           "blue: do not reverse the channels.")
        return
    expected = "Expected about -2.1 for black and 2.2 to 2.6 for white."
    if white.amax() > 500:
        transform.fail("not_scaled", f"{values}. {expected} The picture was normalised while still in 0..255: scale it "
                       "to [0, 1] first (`ToDtype(torch.float32, scale=True)`).")
    if black.abs().amin() < 0.02 and (white.amax() < 1.6 or white.amax() > 100):
        transform.fail("not_normalised", f"{values}. {expected} The normalisation with ImageNet's mean and std is "
                       "missing: pretrained weights expect it.")
    if (high < 0.1).all():
        transform.fail("scaled_twice", f"{values}. {expected} The picture was divided by 255 twice: `to_tensor` "
                       "already does it once.")
    transform.fail("other_normalisation", f"{values}. {expected} That is another normalisation than (x - mean) / std "
                   f"with mean = {MEAN} and std = {STD}, channel by channel.")


def by_luck(transform, mosaic, seed):
    """A word to those whose mask stayed whole only because Pillow never interpolates a palette image."""
    grey = pictures.Pair(mosaic.image, Image.frombytes("L", mosaic.mask.size, mosaic.mask.tobytes()), mosaic.labels)
    outcomes = [transform.inner.attempt(*grey.copies()) for _ in range(4)]
    if any(outcome.error for outcome in outcomes) or not _extra([outcome.value for outcome in outcomes], mosaic):
        return ""
    return ("\n  (Your mask kept its labels only because Pillow resizes palette images by nearest neighbour whatever "
            "it is told. Ask for nearest yourself, and it stays right for masks of other kinds.)")


def gallery(transform, seed, count):
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
