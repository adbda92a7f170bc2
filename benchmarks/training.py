"""From the start to 40 % mean IoU: epochs, seconds, images per second, memory."""

import dataclasses
import resource
import sys
import tempfile
import time
from pathlib import Path

import torch

from helpers import settings, training, voc
from helpers.settings import GOAL


class Passed(Exception):
    """The goal is reached."""


class Table:
    """A view of the training that prints a line for each epoch and ends it at the goal."""

    def __init__(self, batch_size):
        self.start, self.batch_size, self.images = time.perf_counter(), batch_size, 0
        self.last = self.training = 0.0

    def batch(self, number, total):
        now = time.perf_counter()
        if number > 1:  # the first one waits for the loader, and for the validation before it
            self.images += self.batch_size
            self.training += now - self.last
        self.last = now

    def epoch(self, history):
        print(f"{len(history):5} {time.perf_counter() - self.start:8.1f} {history[-1].loss:8.3f} "
              f"{history[-1].mean_iou:10.3f}", flush=True)
        if history[-1].mean_iou >= GOAL:
            raise Passed


def main():
    config = settings.load()
    devkit = voc.prepare(config)
    print(f"{config.dataset} on {describe(config.device)}, {config.recipe.size} px, batches of "
          f"{config.recipe.batch_size}, {config.recipe.epochs} epochs")
    print("epoch  seconds     loss   mean IoU")
    with tempfile.TemporaryDirectory() as folder:
        config = dataclasses.replace(config, output=Path(folder))
        table = Table(config.recipe.batch_size)
        try:
            training.trained_model(devkit, config, view=table)
            print(f"{GOAL:.0%} mean IoU: not reached")
        except Passed:
            print(f"{GOAL:.0%} mean IoU: passed after {time.perf_counter() - table.start:.1f} s")
    if table.training:
        print(f"images per second in training: {table.images / table.training:.1f}")
    # Linux counts in KiB, macOS in bytes
    unit = 1 if sys.platform == "darwin" else 1024
    print(f"peak memory of this process: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e9:.2f} GB")
    if config.device.type == "cuda":
        print(f"peak memory of the GPU: {torch.cuda.max_memory_allocated() / 1e9:.2f} GB allocated, "
              f"{torch.cuda.max_memory_reserved() / 1e9:.2f} GB reserved")


def describe(device):
    """The name of a device, for a table."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"{device} ({torch.get_num_threads()} threads)"


if __name__ == "__main__":
    main()
