"""Probes of the two transforms, in which chance decides: the check's calls are made in a room without the check.

The calls that the check makes on the reference are the probe's inputs. What a student's transform makes of them
is replayed to the check outside.
"""

import base64
import io
import itertools
import zlib

import torch
from PIL import Image

from helpers.exercises.core import CheckFailed
from helpers.exercises.probe import call
from helpers.exercises.student import Student

OFTEN, MORE = 8, 3  # a call that is made so often on one picture is one of a sample: three times as many are drawn


def recorded(exercise, seed):
    """The calls in a check of the reference, in order: a size to make a transform for, or [transform, picture]."""
    pictures, calls, transforms = {}, [], itertools.count()

    def factory(size):
        number, transform = next(transforms), exercise.reference(size)
        calls.append(size)

        def noted(image, mask):
            key = _pixels(image), _pixels(mask)
            if key not in pictures:
                pictures[key] = len(pictures), [_png(image), _png(mask)]
            calls.append([number, pictures[key][0]])
            return transform(image, mask)
        return noted
    exercise.check(Student(factory, exercise.signatures[0], exercise.number), seed)
    sample = [entry for entry in calls if isinstance(entry, list) and calls.count(entry) >= OFTEN]
    return {"seed": seed, "pictures": [files for _, files in pictures.values()], "calls": calls + (MORE - 1) * sample}


def perform(factory, drawn):
    """What each call came to: an image and a target, packed, or a word on what else."""
    pictures, transforms, results = _opened(drawn), [], []
    for entry in drawn["calls"]:
        if isinstance(entry, list):
            results.append(_performed(transforms[entry[0]], *pictures[entry[1]]))
        else:
            transforms.append(call(factory, entry).get("value"))
            results.append("transform" if callable(transforms[-1]) else "not a transform")
    return results


def _performed(transform, image, mask):
    copies = image.copy(), mask.copy()
    value = call(transform, *copies).get("value")
    if not isinstance(value, (tuple, list)) or len(value) != 2 or not all(map(torch.is_tensor, value)):
        return "not a pair of tensors"
    if [copy.tobytes() for copy in copies] != [image.tobytes(), mask.tobytes()]:
        return "its input was changed"
    return [_packed(item) for item in value]


def replayed(exercise, drawn, data):
    """Why the check fails on the answers to these calls, or None."""
    shown, numbers = {}, itertools.count()
    pictures = [tuple(_pixels(picture) for picture in files) for files in _opened(drawn)]
    try:
        made = [found for entry, found in zip(drawn["calls"], data, strict=True) if not isinstance(entry, list)]
        for entry, found in zip(drawn["calls"], data, strict=True):
            if isinstance(entry, list):
                key = entry[0], *pictures[entry[1]]
                shown.setdefault(key, []).append(found)
        samples = {key: itertools.cycle(found) for key, found in shown.items()}
    except (TypeError, ValueError):
        return "the answers are not those of the calls"

    def factory(size):
        number = next(numbers)
        if made[number] != "transform":
            return None

        def transform(image, mask):
            image, target = next(samples[number, _pixels(image), _pixels(mask)])
            return _unpacked(image), _unpacked(target)
        return transform
    try:
        exercise.check(Student(factory, exercise.signatures[0], exercise.number), drawn["seed"])
    except CheckFailed as failed:
        return failed.message.splitlines()[0]
    except Exception:
        return "the answers are not those of the calls"


def _opened(drawn):
    return [[Image.open(io.BytesIO(data)).copy() for data in files] for files in drawn["pictures"]]


def _pixels(picture):
    return picture.mode, picture.size, picture.tobytes()


def _png(picture):
    file = io.BytesIO()
    picture.save(file, "png")
    return file.getvalue()


def _packed(tensor):
    """Small, in text: float32 as float16, which is exact enough for a picture."""
    tensor = tensor.detach().cpu()
    dtype, shape = str(tensor.dtype).removeprefix("torch."), list(tensor.shape)
    small = {torch.float32: torch.float16, torch.int64: torch.int16}.get(tensor.dtype, tensor.dtype)
    data = zlib.compress(tensor.to(small).contiguous().view(torch.uint8).numpy().tobytes(), level=1)
    return {"dtype": dtype, "shape": shape, "data": base64.b64encode(data).decode()}


def _unpacked(entry):
    """The tensor again; raises on anything odd, and on more than a picture's worth of data."""
    dtype = {"float32": torch.float32, "int64": torch.int64}[entry["dtype"]]
    small = {torch.float32: torch.float16, torch.int64: torch.int16}[dtype]
    data = zlib.decompressobj().decompress(base64.b64decode(entry["data"]), 1_000_000)
    return torch.frombuffer(bytearray(data), dtype=small).to(dtype).reshape(entry["shape"])
