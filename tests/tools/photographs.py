"""What the tests of annotations need: small photographs, and one call from a folder to label maps."""

import json

import numpy as np
from PIL import Image

from tools.annotations import __main__ as command
from tools.annotations import devkit, read
from tools.annotations.folder import Folder


def photograph(path, size=(40, 30), seed=None, **save):
    """A picture of noise at `path`, a different one for each name."""
    rng = np.random.default_rng(seed if seed is not None else list(path.name.encode()))
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(rng.integers(0, 256, (size[1], size[0], 3)).astype(np.uint8)).save(path, **save)
    return path


def as_json(path, document):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document), encoding="utf-8")
    return path


def maps(folder, classes=(), overlap="last", **how):
    """The label map of each picture by the name of its output, UInt8[H, W]; the class names; the reasons of Skips."""
    samples, skips, _, _ = read.samples(Folder(folder), names=classes, **how)
    options = devkit.Options(tuple(classes), overlap=overlap)
    names = devkit.class_list(samples, classes)[0] if samples else ()
    found = {}
    for sample in samples:
        image, mask = devkit.convert(sample, names, options)
        assert image.size == mask.size and image.mode == "RGB"
        found[devkit.stem(sample, found)] = np.array(mask)
    return found, names, {skip.name: skip.reason for skip in skips}


def run(*arguments):
    """`python -m tools.annotations`, in this process."""
    command.main([str(argument) for argument in arguments])


def rectangle(left, top, right, bottom, value=1, size=(40, 30)):
    """The label map of a rectangle."""
    target = np.zeros(size[::-1], np.uint8)
    target[top:bottom, left:right] = value
    return target
