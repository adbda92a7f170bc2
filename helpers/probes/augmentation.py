"""Probes of notebook 2.

A transform may do anything by chance, so there is no one right answer to compare with. Its calls are
recorded as the check makes them, and the judge replays the record to the same check outside the kernel.
"""

import base64
import functools
import zlib

import torch

from helpers import checks, transforms
from helpers.checks.core import CheckFailed, Student
from helpers.probes.data import Probe, call

MOST = 400  # calls


def _record(name, function, seed):
    """What each call in a check came to, in order: a size's transform, or an image and a target."""
    record = []

    def factory(size):
        transform = function(size)
        record.append("transform" if callable(transform) else "not a transform")

        def noted(image, mask):
            if len(record) < MOST:
                record.append("raised")
                value = transform(image, mask)
                pair = isinstance(value, (tuple, list)) and len(value) == 2 and all(map(torch.is_tensor, value))
                record[-1] = [_packed(item) for item in value] if pair else "not a pair of tensors"
                return value
            raise RuntimeError("too many calls")
        return noted if callable(transform) else transform
    try:
        getattr(checks, name).__wrapped__(Student(factory, f"{name}(size)", ""), seed)
    except CheckFailed:
        pass  # for the judge to find
    return record


def _replayed(name, seed, record):
    """Why the check fails on a record, or None."""
    entries = iter(record if isinstance(record, list) else [])

    def factory(size):
        if next(entries, None) != "transform":
            return None

        def transform(image, mask):
            image, target = next(entries)
            return _unpacked(image), _unpacked(target)
        return transform
    try:
        getattr(checks, name).__wrapped__(Student(factory, f"{name}(size)", ""), seed)
    except CheckFailed as failed:
        return str(failed).splitlines()[0]
    except Exception:
        return "the record of the calls is not whole"


def _packed(tensor):
    """Small, in text: float32 as float16, which is exact enough for a picture."""
    tensor = tensor.detach().cpu()
    dtype, shape = str(tensor.dtype).removeprefix("torch."), list(tensor.shape)
    small = {torch.float32: torch.float16, torch.int64: torch.int16}.get(tensor.dtype, tensor.dtype)
    data = zlib.compress(tensor.to(small).contiguous().view(torch.uint8).numpy().tobytes())
    return {"dtype": dtype, "shape": shape, "data": base64.b64encode(data).decode()}


def _unpacked(entry):
    """The tensor again; raises on anything odd, and on more than a picture's worth of data."""
    dtype = {"float32": torch.float32, "int64": torch.int64}[entry["dtype"]]
    small = {torch.float32: torch.float16, torch.int64: torch.int16}[dtype]
    data = zlib.decompressobj().decompress(base64.b64decode(entry["data"]), 1_000_000)
    return torch.frombuffer(bytearray(data), dtype=small).to(dtype).reshape(entry["shape"])


def _transform_probe(name, reference):
    return Probe(int, functools.partial(_record, name), reference, verdict=functools.partial(_replayed, name))


def _normalised(seed):
    """Images as the network sees them, some of them beyond what a picture can show."""
    generator = torch.Generator().manual_seed(seed)
    return [1.5 * torch.randn(shape, generator=generator) for shape in [(3, 1, 2), (3, 3, 3), (3, 7, 5)]]


def _denormalize(denormalize, images):
    """The picture of each normalised image."""
    return [call(denormalize, image) for image in images]


PROBES = {
    "train_transform": _transform_probe("train_transform", transforms.train_transform),
    "eval_transform": _transform_probe("eval_transform", transforms.eval_transform),
    "denormalize": Probe(_normalised, _denormalize, transforms.denormalize),
}
