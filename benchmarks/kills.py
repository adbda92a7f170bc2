"""A training killed a hundred times, at random moments and while it writes: what is left, and where it ends."""

import contextlib
import dataclasses
import itertools
import multiprocessing
import random
import tempfile
import time
from collections import Counter
from pathlib import Path
from unittest import mock

import numpy
import torch
from PIL import Image
from torch import nn

from helpers import checkpoints, progress, settings, training

RECIPE = settings.Recipe(size=8, batch_size=4, epochs=4, learning_rate=1e-2, scale=(1, 1), small=(6,))
CLASSES, IMAGES = 3, 24


class Plain:
    """A devkit of black pictures, each with a mask of one class."""

    num_classes = CLASSES

    def __len__(self):
        return IMAGES

    def __getitem__(self, index):
        return Image.new("RGB", (8, 8)), Image.new("L", (8, 8), index % CLASSES)

    def open(self, split):
        return self


def noise(size):
    """A transform to Float32[3, size, size] and Int64[size, size] that asks every random generator."""
    def transform(_, mask):
        image = torch.rand(3, size, size) + numpy.random.rand() + random.random()
        return image, torch.full((size, size), mask.getpixel((0, 0)))
    return transform


class Net(nn.Module):
    """All that has a state of its own: weights, running statistics, chance."""

    def __init__(self):
        super().__init__()
        self.register_buffer("ballast", torch.zeros(100_000))  # so that writing takes its time
        self.layers = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.Dropout(0.3),
                                    nn.Conv2d(4, CLASSES, 1))

    def forward(self, images):
        return {"out": self.layers(images)}


def train(folder, save_seconds=0, largest_file=None, seed=0, recipe=RECIPE, grading=False, **kwargs):
    """Train to the end from whatever is in `folder`, by default saving after each batch; the history.

    With `largest_file` no file may grow beyond that many bytes, as on a full disk; it stays so in this process.
    """
    config = dataclasses.replace(settings.load(), dataset="shapes", device=torch.device("cpu"), output=folder,
                                 grading=grading, seed=seed)
    with (mock.patch.object(progress, "SAVE_SECONDS", save_seconds),
          mock.patch.object(checkpoints, "RETRY_SECONDS", 0),
          mock.patch.dict(settings.RECIPES, shapes=recipe)):
        for set_seed in (random.seed, numpy.random.seed, torch.manual_seed):
            set_seed(seed)
        model = Net()
        optimizer = torch.optim.AdamW(model.parameters(), recipe.learning_rate, fused=True)  # as the course
        loaders = training.make_loaders(Plain(), config, noise)
        if largest_file:
            import resource  # not on Windows
            resource.setrlimit(resource.RLIMIT_FSIZE, (largest_file, largest_file))
        return training.fit(model, *loaders, optimizer, config, CLASSES, **kwargs)


def _child(folder, said, largest_file):
    torch.set_num_threads(1)
    with open(said, "w") as out, contextlib.redirect_stdout(out):
        train(folder, largest_file=largest_file)


class Victim:
    """A process that trains in `folder`, forked from one that has torch imported; `said` is what it printed."""

    context = None

    def __init__(self, folder, largest_file=None):
        if Victim.context is None:
            Victim.context = multiprocessing.get_context("forkserver")
            Victim.context.set_forkserver_preload(["benchmarks.kills"])
        self.folder, self._said = folder, folder.with_suffix(".txt")
        self.process = Victim.context.Process(target=_child, args=(folder, self._said, largest_file))
        self.process.start()

    @property
    def said(self):
        return self._said.read_text()

    def finish(self):
        """Wait for its end; True if it came to it by itself."""
        self.process.join()
        return self.process.exitcode == 0

    def kill_after(self, seconds):
        self.process.join(seconds)
        self.process.kill()

    def kill_in_write(self, number):
        """Kill when the temporary file of its `number`th write is there."""
        for there in [True, False] * (number - 1) + [True]:
            while bool(leftovers(self.folder)) != there and self.process.is_alive():
                pass
        self.process.kill()


def leftovers(folder):
    return list(folder.glob(".half-*"))


def state(folder):
    """All that a training has come to, but for the time it took and the code of its loop; None if there is nothing."""
    found = checkpoints.read(folder)
    if found:
        del found["seconds"], found["code"]
        for record in found["history"]:
            del record["seconds"]
    return found


def identical(one, other):
    """The same values, to the bit, in dictionaries and lists of tensors and numbers."""
    if isinstance(one, torch.Tensor):
        return torch.equal(one, other)
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(identical(one[key], other[key]) for key in one)
    if isinstance(one, (list, tuple)):
        return len(one) == len(other) and all(map(identical, one, other))
    return one == other


def torture(folder, kills, seed=0):
    """Kill trainings until it has been done `kills` times; a Counter of what was seen."""
    chance, seen = random.Random(seed), Counter()
    for name in ("first", "undisturbed"):  # the first one waits for the import of torch
        start = time.perf_counter()
        if not Victim(folder / name).finish():
            raise RuntimeError("a training that nobody killed has failed")
        duration = time.perf_counter() - start
    expected = state(folder / "undisturbed")
    for number in itertools.count():
        place = folder / f"training {number}"
        before = None
        while True:
            victim = Victim(place)
            if seen["kills"] < kills:
                if chance.random() < 0.5:
                    victim.kill_after(chance.uniform(0, duration))
                else:
                    victim.kill_in_write(chance.randint(1, 12))
            if victim.finish():
                break
            seen["kills"] += 1
            seen["killed while writing"] += bool(leftovers(place))
            try:
                after = state(place)
            except settings.SettingsError:
                after = None
            seen["unreadable"] += before is not None and after is None
            seen["killed within an epoch"] += after is not None and after["batch"] > 0
            before = after
        seen["trainings"] += 1
        seen["other results"] += not identical(state(place), expected)
        seen["leftovers"] += len(leftovers(place))
        if seen["kills"] >= kills:
            return seen


def main(kills=100):
    with tempfile.TemporaryDirectory() as folder:
        seen = torture(Path(folder), kills)
    for row in ("kills", "killed while writing", "killed within an epoch", "unreadable", "trainings", "other results",
                "leftovers"):
        print(f"{row:24} {seen[row]:4}")
