"""Exercise 1.2: load_target."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import torch
import torch.nn.functional as F
from IPython import get_ipython
from PIL import Image
from torchvision.io import ImageReadMode, decode_image
from torchvision.transforms.functional import pil_to_tensor

from helpers import plotting, shapes, voc
from helpers.exercises.core import CheckFailed, Exercise, mistakes
from helpers.exercises.probe import Probe, call


def write_mask(path, target):
    """A palette PNG with VOC's colours."""
    mask = Image.fromarray(np.asarray(target, dtype=np.uint8))
    mask.putpalette(voc.palette(256).flatten().tolist())
    mask.save(path)
    return Path(path).absolute()


def masks(seed, folder="."):
    """Paths of three palette PNGs, the smallest first; none is square, all have void."""
    rng = np.random.default_rng(seed)
    person, *others = 15, *rng.choice(np.arange(1, 15), 2, replace=False)
    large = rng.integers(0, 21, (7, 12))
    large[rng.random(large.shape) < 0.2] = 255
    targets = [[[0, person, 255], [others[0], 20, others[1]]], large, large.T[::-1, :5]]
    return [write_mask(Path(folder) / f"mask_{number}.png", target) for number, target in enumerate(targets, 1)]


def one_to_one(value, target):
    """Whether the regions are right and only their numbers are others."""
    if value.is_floating_point() or value.shape != target.shape:
        return False
    pairs = set(zip(value.flatten().tolist(), target.flatten().tolist()))
    return len(pairs) == len({a for a, _ in pairs}) == len({b for _, b in pairs})


def check(student, seed):
    cases = [(path,) for path in masks(seed)]
    try:
        student.compare(voc.load_target, cases, MISTAKES, "a tensor Int64[H, W] of class indices, void as 255")
    except CheckFailed as failed:
        case, target = cases[0], voc.load_target(*cases[0])
        outcome = student.attempt(*case)
        if failed.id == "different" and one_to_one(outcome.value, target):
            student.wrong("renumbered", case, outcome, target, _RENUMBERED)
        raise
    line = "load_target reads class indices and keeps void as 255."
    if not get_ipython():
        return line
    shapes.draw(seed)[1].save("shapes.png")
    devkit = SimpleNamespace(palette=torch.from_numpy(shapes.PALETTE), class_names=shapes.CLASS_NAMES)
    pictures = [(student(Path("shapes.png")), "yours"), (voc.load_target("shapes.png"), "expected")]
    alt = "The mask as you read it, beside the expected one: the same."
    return line, lambda: plotting.panels(pictures, devkit, alt)


def _read(path):
    return np.array(Image.open(path))


def _colours(path):
    return torch.from_numpy(np.array(Image.open(path).convert("RGB")))


def _again(method, *args, **kwargs):
    """The mistake that makes a palette image of the mask's colours once more."""
    return lambda path: torch.from_numpy(
        np.array(getattr(Image.open(path).convert("RGB"), method)(*args, **kwargs))).long()


_RENUMBERED = ("The regions are right, but their numbers are not the ones in the file, so one class has another number "
               "in each image. `convert(\"P\")` after `convert(\"RGB\")`, `quantize` and `unique` make new numbers. "
               "Read the file without converting it: its pixels are class indices.")


def _indices(path):
    return pil_to_tensor(Image.open(path))[0].long()


def _grey(path):
    return torch.from_numpy(np.array(Image.open(path).convert("L")))


def _replaced(value):
    return lambda path: torch.where(_indices(path) == 255, value, _indices(path))


MISTAKES = [
    *mistakes("rgb_colours",
              "These are the palette's colours, three numbers for each pixel. In a palette PNG the pixels already are "
              "class indices; the colours are only for looking at. Read the file without converting it.",
              _colours, lambda path: _colours(path).permute(2, 0, 1), lambda path: _colours(path) / 255,
              lambda path: _colours(path).permute(2, 0, 1) / 255,
              lambda path: F.pad(_colours(path), (0, 1), value=255),
              lambda path: _colours(path).flip(2), lambda path: _colours(path).flip(2).permute(2, 0, 1)),
    *mistakes("one_channel",
              "This is one channel of the palette's colours. Different classes share it, so they can no longer be told "
              "apart. Read the file without converting it: its pixels are class indices.",
              *(lambda path, channel=channel: _colours(path)[:, :, channel] for channel in range(3))),
    *mistakes("grey_levels",
              "These are grey levels of the palette's colours (class 15 became 147, say), not class indices. "
              "`convert(\"L\")` does that; leave it out and the indices stay.",
              _grey, lambda path: _grey(path)[None], lambda path: _grey(path) / 255,
              *(lambda path, axis=axis: decode_image(path, ImageReadMode.GRAY)[axis] for axis in (..., 0))),
    *mistakes("scaled",
              "The class indices were divided by 255, as one does with an image. A class index is a name, not a "
              "brightness: keep the whole numbers.",
              lambda path: _indices(path) / 255, lambda path: _indices(path)[None] / 255,
              lambda path: (_indices(path) / 255).long(), lambda path: (_indices(path)[None] / 255).long()),
    *mistakes("void_as_background",
              "Void (255) became background (0). Void says that nobody labelled the pixel; background would count as a "
              "mistake later. Keep the 255.", _replaced(0)),
    *mistakes("void_clamped",
              "Void (255) became class 20, so unlabelled borders now count as the last class. Keep the 255, without a "
              "clamp.", _replaced(20)),
    *mistakes("void_as_class",
              "Void (255) became 21, one more class than the data set has. Keep the 255: the loss is told to ignore "
              "that number.", _replaced(21)),
    *mistakes("void_as_minus_one",
              "Void (255) became a negative number. Keep 255; the losses and metrics of this course ignore it. (If "
              "you did not ask for it: int8 can't hold 255.)", _replaced(-1), _replaced(-100)),
    *mistakes("void_removed",
              "The void pixels are gone, and with them the rows and columns of the mask. Keep all pixels, void as "
              "255.", lambda path: _indices(path)[_indices(path) != 255]),
    *mistakes("channel_axis",
              "The channel axis of length 1 is still there. A target is [H, W], without channels: index it away with "
              "`[0]`, or `squeeze`.",
              lambda path: _indices(path)[None], lambda path: _indices(path)[..., None]),
    *mistakes("width_before_height",
              "Width and height changed places. PIL's `size` is (width, height); a tensor's shape is (height, width). "
              "`np.array(mask)` has them in the right order.",
              lambda path: _indices(path).T, lambda path: _indices(path).reshape(Image.open(path).size),
              lambda path: _indices(path).T[None]),
    *mistakes("flattened", "The pixels stand in one long row. Keep the shape: [H, W].",
              lambda path: _indices(path).flatten()),
    *mistakes("renumbered", _RENUMBERED,
              lambda path: _indices(path).unique(return_inverse=True)[1],
              _again("convert", "P"), _again("quantize"), *(_again("quantize", n) for n in (20, 21, 22)),
              *(_again("convert", "P", palette=Image.Palette.ADAPTIVE, colors=n) for n in (20, 21, 22))),
    *mistakes("shifted",
              "Every class moved down by one. Background is class 0 in VOC, and classes count from there.",
              lambda path: _replaced(256)(path) - 1, lambda path: _indices(path) - 1),
    *mistakes("shifted",
              "Every class moved up by one. Background is class 0 in VOC, and classes count from there.",
              lambda path: _indices(path) + 1, lambda path: _replaced(-1)(path) + 1,
              lambda path: torch.where(_indices(path) == 255, 255, _indices(path) + 1)),
    *mistakes("colours_as_number",
              "The palette's colours were turned into one number. The file already has a number for each pixel, its "
              "class index: read it without converting it.",
              lambda path: _colours(path).float().mean(2).long(), lambda path: _colours(path).long().sum(2),
              lambda path: _colours(path).long() @ torch.tensor([65536, 256, 1]),
              lambda path: _colours(path).long() @ torch.tensor([1, 256, 65536])),
    *mistakes("foreground_only",
              "Only object or not is left; the classes are gone. Keep the class index of each pixel.",
              lambda path: _indices(path) > 0, lambda path: (_indices(path) > 0) & (_indices(path) != 255)),
    *mistakes("one_hot",
              "Each class has a plane of its own (one-hot). CrossEntropyLoss takes class indices, one for each pixel: "
              "[H, W].",
              lambda path: F.one_hot(_indices(path), 256),
              lambda path: F.one_hot(_indices(path), 256).permute(2, 0, 1)),
    *mistakes("upside_down", "The mask is upside down or mirrored, so it no longer lies on its image. Leave the pixels "
              "where they are.", lambda path: _indices(path).flip(0), lambda path: _indices(path).flip(1)),
]


def inputs(seed):
    """The bytes of three masks."""
    return [path.read_bytes() for path in masks(seed)]


def run(load_target, files):
    """The target of each mask."""
    results = []
    for number, data in enumerate(files, 1):
        path = Path(f"mask_{number}.png").absolute()  # in the empty folder of the probe
        path.write_bytes(data)
        results.append(call(load_target, path))
    return results


EXERCISE = Exercise(number="1.2", name="load_target", title="Load a mask", points=8, notebook="01_setup",
                    signatures=("load_target(path)",),
                    check=check, probe=Probe(inputs, run), reference=voc.load_target)
