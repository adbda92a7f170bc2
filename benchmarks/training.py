"""From the start to 40 % mean IoU: epochs, seconds, images per second, memory."""

import contextlib
import dataclasses
import math
import resource
import sys
import tempfile
import time
from pathlib import Path

import torch

from helpers import settings, training, voc
from helpers.settings import GOAL


class Ended(Exception):
    """The goal is reached, or the time is up."""


class Clock:
    """A view of a training that ends it at the goal, or after the epoch in which `most` seconds have passed."""

    def __init__(self, batch_size, most=math.inf):
        self.start, self.batch_size, self.most = time.perf_counter(), batch_size, most
        self.images, self.last, self.training, self.reached = 0, 0.0, 0.0, False

    def batch(self, number, total):
        now = time.perf_counter()
        if number > 1:  # the first one waits for the loader, and for the validation before it
            self.images += self.batch_size
            self.training += now - self.last
        self.last = now

    def epoch(self, history):
        self.reached = history[-1].mean_iou >= GOAL
        if self.reached or self.seconds() > self.most:
            raise Ended

    def seconds(self):
        return time.perf_counter() - self.start


class Table(Clock):
    """The same, with a line for each epoch."""

    def epoch(self, history):
        print(f"{len(history):5} {self.seconds():8.1f} {history[-1].loss:8.3f} {history[-1].mean_iou:10.3f}",
              flush=True)
        super().epoch(history)


def main():
    config = settings.load()
    devkit = voc.prepare(config)
    print(f"{config.dataset} on {describe(config.device)}, {config.recipe.size} px, batches of "
          f"{config.recipe.batch_size}, {config.recipe.epochs} epochs")
    print("epoch  seconds     loss   mean IoU")
    with tempfile.TemporaryDirectory() as folder:
        config = dataclasses.replace(config, output=Path(folder))
        table = Table(config.recipe.batch_size)
        with contextlib.suppress(Ended):
            training.trained_model(devkit, config, view=table)
        print(f"{GOAL:.0%} mean IoU: {f'passed after {table.seconds():.1f} s' if table.reached else 'not reached'}")
    if table.training:
        print(f"images per second in training: {table.images / table.training:.1f}")
    print(f"peak memory of this process: {peak_memory() / 1e9:.2f} GB")
    if config.device.type == "cuda":
        print(f"peak memory of the GPU: {torch.cuda.max_memory_allocated() / 1e9:.2f} GB allocated, "
              f"{torch.cuda.max_memory_reserved() / 1e9:.2f} GB reserved")
    if not table.reached:
        sys.exit(1)


def peak_memory():
    """Bytes that this process held at most."""
    # Linux counts in KiB, macOS in bytes
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def describe(device):
    """The name of a device, for a table."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"{device} ({torch.get_num_threads()} threads)"


if __name__ == "__main__":
    main()
