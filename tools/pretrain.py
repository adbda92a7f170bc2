"""Train LR-ASPP on twenty glyphs that the course does not use: `python -m tools.pretrain` writes helpers/weights/.

Two processes of one thread each, whatever the machine has, so that the same command gives the same file again: each
takes half of a batch, and they share their gradients. Stopped (Ctrl-C), it goes on where it was when called again.
"""

import argparse
import hashlib
import json
import math
import os
import platform
import sys
import tempfile
import time
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import distributed, multiprocessing, nn
from torch.utils.data import DataLoader
from torchvision.models import segmentation
from torchvision.models.mobilenetv3 import InvertedResidual
from tqdm import tqdm

from helpers import checkpoints, metrics, models, pretrained, settings, training, transforms
from helpers.files import atomic
from tools import glyphs

SCENES = {"train": 5000, "val": 200}
STEPS = 6000
BATCH_SIZE = 16
SIZES = {0.0: 96, 0.8: 128}  # from this share of the steps on, so many pixels
SIZE = 128  # of the scenes that it is scored on
LEARNING_RATE = 4e-3
SCALE = (0.9, 1.4)
SEED = 0
PROCESSES = 2
SAVE_STEPS = 100


class Scenes(torch.utils.data.Dataset):
    """Scenes of a split, kept as bytes and transformed anew each time."""

    def __init__(self, split, count, transform):
        first = glyphs.FIRST_SEED[split]
        self.pairs = [glyphs.draw(first + index) for index in tqdm(range(count), f"drawing {split}", leave=False)]
        self.transform = transform

    def __len__(self):
        return len(self.pairs)

    def __getitem__(self, index):
        return self.transform(*self.pairs[index])


def main():
    parser = argparse.ArgumentParser(prog="python -m tools.pretrain", description=__doc__.split("\n\n")[0])
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--scenes", type=int, default=SCENES["train"])
    parser.add_argument("--to", type=Path, default=pretrained.GLYPHS, help="the weights; the card goes beside them")
    args = parser.parse_args()
    folder = settings.ROOT / "build" / "pretrain" / f"{args.steps}-{args.scenes}"
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as meeting:
        multiprocessing.spawn(work, (args, folder, f"file://{meeting}/point"), PROCESSES)


def work(process, args, folder, meeting):
    """What each of the processes does; the first one writes."""
    torch.set_num_threads(1)
    distributed.init_process_group("gloo", meeting, rank=process, world_size=PROCESSES)
    model, seconds = train(args.steps, args.scenes, folder, process, PROCESSES)
    if process == 0:
        write(args.to, model, seconds, args)
    distributed.destroy_process_group()


def train(steps, scenes, folder, process=0, processes=1):
    """The trained model and the seconds that it took, those before an interruption included.

    One of so many `processes`, which have the same weights at every step, but batch statistics of their own.
    """
    torch.manual_seed(SEED)
    model = new_model().to(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(model.parameters(), lr=LEARNING_RATE)
    first, before = 0, 0.0
    state = checkpoints.read(folder)
    if state:
        model.load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])
        first, before = state["step"], state["seconds"]
    start = time.perf_counter()
    criterion, data = training.make_criterion(), None
    model.train()
    for step in (bar := tqdm(range(first, steps), "training", total=steps, initial=first, disable=process > 0)):
        size = max(size for share, size in SIZES.items() if share * steps <= step)
        if data is None:
            data = Scenes("train", scenes, None)
        # a step depends on its number alone, so that it can be the first one
        torch.manual_seed(SEED + 1 + step * processes + process)
        data.transform = transforms.train_transform(size, SCALE)
        images, targets = zip(*[data[index] for index in batch_of(step, scenes)[process::processes]])
        for group in optimizer.param_groups:
            group["lr"] = LEARNING_RATE * training.learning_rate_factor((step + 1) / (steps + 1))
        images = torch.stack(images).contiguous(memory_format=torch.channels_last)
        loss = criterion(model(images)["out"], torch.stack(targets))
        if not math.isfinite(loss.item()):
            sys.exit(f"pretrain: the loss is {loss.item()} at step {step}")
        optimizer.zero_grad()
        loss.backward()
        if processes > 1:
            average_gradients(model, processes)
        optimizer.step()
        bar.set_postfix(loss=f"{loss.item():.3f}", refresh=False)
        if process == 0 and (step + 1) % SAVE_STEPS == 0:
            checkpoints.write(folder / "last.pt", {
                "model": model.state_dict(), "optimizer": optimizer.state_dict(), "step": step + 1,
                "seconds": before + time.perf_counter() - start}, folder / "previous.pt")
    return model, before + time.perf_counter() - start


def new_model():
    """A random LR-ASPP whose residual blocks change nothing at first: on these scenes it learns much faster.

    The last BatchNorm of each block is multiplied by 0: Goyal et al., Accurate, Large Minibatch SGD, 2017.
    """
    model = segmentation.lraspp_mobilenet_v3_large(weights=None, weights_backbone=None,
                                                   num_classes=len(glyphs.CLASS_NAMES))
    models.raise_momentum(model)
    for block in model.modules():
        if isinstance(block, InvertedResidual) and block.use_res_connect:
            nn.init.zeros_(block.block[-1][1].weight)
    return model


def average_gradients(model, processes):
    """The same gradients for all: the mean of theirs, as if one process had seen the whole batch."""
    gradients = [parameter.grad for parameter in model.parameters()]
    flat = torch.cat([gradient.flatten() for gradient in gradients])
    distributed.all_reduce(flat)
    for gradient, mean in zip(gradients, (flat / processes).split([gradient.numel() for gradient in gradients])):
        gradient.copy_(mean.view(gradient.shape))


def batch_of(step, scenes):
    """The scenes of a step: pass after pass over all of them, each in an order of its own."""
    numbers = range(step * BATCH_SIZE, (step + 1) * BATCH_SIZE)
    orders = {number // scenes: None for number in numbers}
    for number in orders:
        orders[number] = torch.randperm(scenes, generator=torch.Generator().manual_seed(SEED + number))
    return [int(orders[number // scenes][number % scenes]) for number in numbers]


def write(path, model, seconds, args):
    """The weights in half precision, and the card with what they reach after that."""
    state = {key: value.half() if value.is_floating_point() else value for key, value in model.state_dict().items()}
    with atomic(path) as half_done:
        save_file({key: value.contiguous() for key, value in state.items()}, half_done)
    path.chmod(0o644)  # else the grader's jail could not read it
    model.load_state_dict(state)
    confusion = score(model, SCENES["val"])
    card = {
        "file": path.name, "sha256": hashlib.sha256(path.read_bytes()).hexdigest(), "bytes": path.stat().st_size,
        "model": "lraspp_mobilenet_v3_large", "parameters": models.count_parameters(model),
        "classes": dict(zip(glyphs.CLASS_NAMES[1:], glyphs.GLYPHS.values())), "size": SIZE,
        "data": {"drawn by": "tools.glyphs.draw", "font": "DejaVu Sans", "colour": "any, it tells nothing",
                 "training seeds": [glyphs.FIRST_SEED["train"], args.scenes],
                 "held-out seeds": [glyphs.FIRST_SEED["val"], SCENES["val"]]},
        "training": {"command": "python -m tools.pretrain", "steps": args.steps, "batch size": BATCH_SIZE,
                     "start": "random, residual blocks at 0",
                     "pixels, from this share of the steps on": {str(share): side for share, side in SIZES.items()},
                     "optimizer": "AdamW", "learning rate": LEARNING_RATE, "schedule": "warm-up, then straight to 0",
                     "zoom": SCALE, "seed": SEED, "seconds": round(seconds), "processes of one thread": PROCESSES,
                     "machine": machine(), "torch": torch.__version__},
        "mean_iou": round(metrics.mean_iou(confusion), 4), "held-out scenes": SCENES["val"],
        "iou": dict(zip(glyphs.CLASS_NAMES, [round(iou, 3) for iou in metrics.iou_per_class(confusion).tolist()]))}
    with atomic(path.with_suffix(".json")) as half_done:
        half_done.write_text(json.dumps(card, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    print(f"{settings.show(path)}: {card['bytes'] / 1e6:.1f} MB, mean IoU {card['mean_iou']:.3f} on {SCENES['val']} "
          f"scenes that it has not seen, {card['training']['seconds']} s")


def score(model, count):
    """The confusion matrix of `model` on `count` scenes that it was not trained on."""
    loader = DataLoader(Scenes("val", count, transforms.eval_transform(SIZE)), batch_size=BATCH_SIZE)
    return metrics.evaluate(model, loader, len(glyphs.CLASS_NAMES), torch.device("cpu"))


def machine():
    """The kind of processor and how many cores there are, for the card."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        processor = next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        processor = platform.processor() or platform.machine()
    return f"{processor}, {os.cpu_count()} cores"


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit("pretrain: stopped; the same command goes on from its last hundred steps")
