"""Checks of notebook 1, first half: the device, a mask as class indices."""

import contextlib
from pathlib import Path
from types import SimpleNamespace
from unittest import mock

import numpy as np
import torch
import torch.nn.functional as F
from IPython import get_ipython
from PIL import Image
from torchvision.io import ImageReadMode, decode_image
from torchvision.transforms.functional import pil_to_tensor

from helpers import plotting, shapes, voc
from helpers.checks.core import Mistake, check
from helpers.checks.values import show

# What a machine has: in words, CUDA there, MPS there, what its PyTorch was built for, the right answer
MACHINES = [
    ("with an NVIDIA GPU", True, False, "cuda", "cuda"),
    ("with Apple's MPS", False, True, "mps", "mps"),
    ("with no GPU", False, False, "cuda", "cpu"),
    ("with no GPU, but a PyTorch built for Apple's MPS", False, False, "mps", "cpu"),
    ("with both CUDA and MPS", True, True, "cuda", "cuda"),
]


@contextlib.contextmanager
def machine(cuda, mps, built):
    """Let PyTorch believe that it runs on another machine; asks of every kind agree with each other."""
    accelerator = torch.device(built)
    answers = [
        (torch.cuda, "_is_compiled", cuda or built == "cuda"), (torch.cuda, "_nvml_based_avail", False),
        (torch.cuda, "is_available", cuda), (torch.cuda, "device_count", int(cuda)),
        (torch.cuda, "current_device", 0), (torch.cuda, "get_device_name", "NVIDIA T4"),
        (torch.cuda, "get_device_properties", SimpleNamespace(name="NVIDIA T4", total_memory=16 << 30)),
        (torch.backends.cuda, "is_built", cuda or built == "cuda"),
        (torch.backends.mps, "is_available", mps), (torch.backends.mps, "is_built", mps or built == "mps"),
        (torch.mps, "is_available", mps), (torch.mps, "device_count", int(mps)),
        (torch.accelerator, "is_available", cuda or mps), (torch.accelerator, "device_count", int(cuda or mps)),
        (torch._C, "_cuda_getDeviceCount", int(cuda)), (torch._C, "_mps_is_available", mps),
    ]
    is_mps = torch.backends.mps.is_available  # it remembers its first answer
    with contextlib.ExitStack() as stack:
        for module, name, answer in answers:
            stack.enter_context(mock.patch.object(module, name, lambda *_, _answer=answer, **__: _answer, create=True))
        stack.enter_context(mock.patch.object(
            torch.accelerator, "current_accelerator",
            lambda check_available=False: accelerator if cuda or mps or not check_available else None))
        is_mps.cache_clear()
        try:
            yield
        finally:
            is_mps.cache_clear()


@check("choose_device()", "1.1")
def choose_device(student, seed):
    outcomes = []
    for _, cuda, mps, built, _ in MACHINES:
        with machine(cuda, mps, built):
            outcomes.append(student.attempt())
    wanted = [row[-1] for row in MACHINES]
    devices = [outcome.value for outcome in outcomes]
    found = [device.type if isinstance(device, torch.device) else None for device in devices]
    where = " See 'The device'."
    if isinstance(devices[0], str):
        student.fail("returns_text", f"choose_device returned the text {devices[0]!r}; expected a torch.device. Wrap "
                     f"it: `torch.device({devices[0]!r})`.{where}")
    if isinstance(devices[0], bool):
        student.fail("returns_yes_or_no", f"choose_device returned {devices[0]}, which says whether there is a GPU. "
                     f"Return the device itself, as in `torch.device(\"cuda\")`.{where}")
    for id, explains, says in DEVICE_MISTAKES:
        if None not in found[:2] and explains(*found):
            student.fail(id, says + where)
    for (words, *_), outcome, device, type in zip(MACHINES, outcomes, found, wanted):
        student.healthy(outcome, f"On a machine {words}, ")
        if device != type:
            student.fail("different", f"On a machine {words} choose_device returned {show(outcome.value)}; expected "
                         f"torch.device(\"{type}\"). Ask for CUDA first, then MPS, and fall back to the CPU.{where}")
        if outcome.value.index not in (None, 0):
            student.fail("second_gpu", f"choose_device returned {outcome.value!r} on a machine with one GPU, whose "
                         f"only index is 0. `torch.device(\"cuda\")` needs no index.{where}")
    return "choose_device finds CUDA, then MPS, then the CPU."


DEVICE_MISTAKES = [
    ("always_cuda", lambda *types: set(types) == {"cuda"},
     "choose_device returned \"cuda\" on a machine with no GPU, and on any other. Ask first, and mind the parentheses: "
     "`torch.cuda.is_available` without `()` is a function, and a function counts as true."),
    ("always_cpu", lambda *types: set(types) == {"cpu"},
     "choose_device returned \"cpu\" on a machine with an NVIDIA GPU, and on any other. Ask inside the function, so "
     "that each call looks at the machine anew."),
    ("always_mps", lambda *types: set(types) == {"mps"},
     "choose_device returned \"mps\" whatever the machine has. Ask `torch.backends.mps.is_available()` first."),
    ("wrong_way_round", lambda gpu, mac, none, *_: gpu != "cuda" and none == "cuda",
     "choose_device returned \"cuda\" where there is no GPU and something else where there is one. Is a `not` too "
     "much?"),
    ("mps_before_cuda", lambda *types: types == ("cuda", "mps", "cpu", "cpu", "mps"),
     "With both CUDA and MPS there, choose_device returned \"mps\". CUDA comes first: ask for it first, and let "
     "nothing further down overwrite the answer (`elif`, or `return` at once)."),
    ("no_mps", lambda *types: types == ("cuda", "cpu", "cpu", "cpu", "cuda"),
     "On an Apple machine choose_device returned \"cpu\": its GPU stays unused. Between CUDA and the CPU, ask "
     "`torch.backends.mps.is_available()`."),
    ("no_cuda", lambda gpu, mac, none, *_: (gpu, mac, none) == ("cpu", "mps", "cpu"),
     "On a machine with an NVIDIA GPU choose_device returned \"cpu\". Is the question for CUDA missing, or is its "
     "answer overwritten by an `else` further down?"),
    ("no_cpu", lambda gpu, mac, none, nothing, _: none == nothing and none in (None, "mps"),
     "On a machine with no GPU choose_device did not return the CPU. End with `return torch.device(\"cpu\")`, for "
     "when neither question is answered with yes."),
    ("built_not_available", lambda gpu, mac, none, nothing, _: "cuda" == none or "mps" == nothing,
     "On a machine with no GPU choose_device did not return the CPU. A PyTorch that was built for CUDA or MPS says "
     "so on any machine; ask `is_available`, which looks for the hardware (`check_available=True` in "
     "torch.accelerator)."),
]


def mistakes(id, says, *imitations):
    """One wrong idea and the forms it takes."""
    return [Mistake(id, imitate, says) for imitate in imitations]


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


@check("load_target(path)", "1.2")
def load_target(student, seed):
    cases = [(path,) for path in masks(seed)]
    student.compare(voc.load_target, cases, TARGET_MISTAKES,
                    "a tensor Int64[H, W] of class indices, void as 255 (see 'What is a mask?')")
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


def _indices(path):
    return pil_to_tensor(Image.open(path))[0].long()


def _grey(path):
    return torch.from_numpy(np.array(Image.open(path).convert("L")))


def _replaced(value):
    return lambda path: torch.where(_indices(path) == 255, value, _indices(path))


_PALETTE = " See 'Palette and void'."
TARGET_MISTAKES = [
    *mistakes("rgb_colours",
              "These are the palette's colours, three numbers a pixel. In a palette PNG the pixels already are class "
              "indices; the colours are only for looking at. Read the file without converting it." + _PALETTE,
              _colours, lambda path: _colours(path).permute(2, 0, 1), lambda path: _colours(path) / 255,
              lambda path: _colours(path).permute(2, 0, 1) / 255,
              lambda path: F.pad(_colours(path), (0, 1), value=255),
              lambda path: _colours(path).flip(2), lambda path: _colours(path).flip(2).permute(2, 0, 1)),
    *mistakes("one_channel",
              "This is one channel of the palette's colours. Different classes share it, so they can no longer be told "
              "apart. Read the file without converting it: its pixels are class indices." + _PALETTE,
              *(lambda path, channel=channel: _colours(path)[:, :, channel] for channel in range(3))),
    *mistakes("grey_levels",
              "These are grey levels of the palette's colours (class 15 became 147, say), not class indices. "
              "`convert(\"L\")` does that; leave it out and the indices stay." + _PALETTE,
              _grey, lambda path: _grey(path)[None], lambda path: _grey(path) / 255,
              *(lambda path, axis=axis: decode_image(path, ImageReadMode.GRAY)[axis] for axis in (..., 0))),
    *mistakes("scaled",
              "The class indices were divided by 255, as one does with an image. A class index is a name, not a "
              "brightness: keep the whole numbers. See 'What is a mask?'.",
              lambda path: _indices(path) / 255, lambda path: _indices(path)[None] / 255,
              lambda path: (_indices(path) / 255).long(), lambda path: (_indices(path)[None] / 255).long()),
    *mistakes("void_as_background",
              "Void (255) became background (0). Void says that nobody labelled the pixel; background would count as a "
              "mistake later. Keep the 255." + _PALETTE, _replaced(0)),
    *mistakes("void_clamped",
              "Void (255) became class 20, so unlabelled borders now count as the last class. Keep the 255, without a "
              "clamp." + _PALETTE, _replaced(20)),
    *mistakes("void_as_class",
              "Void (255) became 21, one more class than the data set has. Keep the 255: the loss is told to ignore "
              "that number." + _PALETTE, _replaced(21)),
    *mistakes("void_as_minus_one",
              "Void (255) became a negative number; 255 does not fit into int8, and the course's `ignore_index` is "
              "255. Keep the 255." + _PALETTE, _replaced(-1), _replaced(-100)),
    *mistakes("void_removed",
              "The void pixels are gone, and with them the rows and columns of the mask. Keep all pixels, void as "
              "255." + _PALETTE, lambda path: _indices(path)[_indices(path) != 255]),
    *mistakes("channel_axis",
              "The channel axis of length 1 is still there. A target is [H, W], without channels: index it away with "
              "`[0]`, or `squeeze`. See 'What is a mask?'.",
              lambda path: _indices(path)[None], lambda path: _indices(path)[..., None]),
    *mistakes("width_before_height",
              "Width and height changed places. PIL's `size` is (width, height); a tensor's shape is (height, width). "
              "`np.array(mask)` has them in the right order. See 'What is a mask?'.",
              lambda path: _indices(path).T, lambda path: _indices(path).reshape(Image.open(path).size),
              lambda path: _indices(path).T[None]),
    *mistakes("flattened", "The pixels stand in one long row. Keep the shape: [H, W]. See 'What is a mask?'.",
              lambda path: _indices(path).flatten()),
    *mistakes("renumbered",
              "The labels of this image were renumbered from 0, so one class has another number in each image. "
              "`return_inverse` does that; the pixels themselves are the class indices." + _PALETTE,
              lambda path: _indices(path).unique(return_inverse=True)[1]),
    *mistakes("shifted",
              "Every class moved down by one. Background is class 0 in VOC, and classes count from there." + _PALETTE,
              lambda path: _replaced(256)(path) - 1, lambda path: _indices(path) - 1),
    *mistakes("foreground_only",
              "Only object or not is left; the classes are gone. Keep the class index of each pixel. See 'What is a "
              "mask?'.", lambda path: _indices(path) > 0, lambda path: (_indices(path) > 0) & (_indices(path) != 255)),
    *mistakes("one_hot",
              "Each class has a plane of its own (one-hot). CrossEntropyLoss wants class indices, one number a pixel: "
              "[H, W]. See 'What is a mask?'.",
              lambda path: F.one_hot(_indices(path), 256),
              lambda path: F.one_hot(_indices(path), 256).permute(2, 0, 1)),
    *mistakes("upside_down", "The mask is upside down or mirrored, so it no longer lies on its image. Leave the pixels "
              "where they are.", lambda path: _indices(path).flip(0), lambda path: _indices(path).flip(1)),
]
