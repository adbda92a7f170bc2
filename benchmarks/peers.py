"""The course beside others: torchvision's reference loop to 40 % mean IoU, and three ways to a confusion matrix.

    python -m benchmarks.peers training|metrics       one of the two

The loop follows the description of torchvision's references/segmentation (its README and the defaults of train.py):
images resized to between half and twice 520 pixels, crops of 480, flips, batches of 8, SGD with momentum 0.9, learning
rate 0.01 and weight decay 1e-4, decayed by (1 - done)^0.9 over 30 epochs. Model, images, validation and clock are the
course's; each of the two trains in a process of its own, in an order that is drawn.
"""

import contextlib
import dataclasses
import json
import random
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import sklearn.metrics
import torch
import torch.nn.functional as F
import torchmetrics.classification
from torch.utils.data import DataLoader
from torchvision import tv_tensors
from torchvision.transforms import v2
from torchvision.transforms.functional import pil_to_tensor

from benchmarks.training import Clock, Ended, peak_memory
from helpers import metrics, settings, training, voc
from helpers.settings import GOAL, IGNORE_INDEX, MEAN, STD

BASE, CROP, BATCH, EPOCHS = 520, 480, 8, 30
MOST = 30 * 60  # seconds after which a training that has not reached the goal is ended
ROUNDS = 5


def main(*chosen):
    for name in chosen or ("training", "metrics"):
        {"training": to_the_goal, "metrics": matrices}[name]()


def to_the_goal():
    """Seconds to the goal, images a second and memory, of the course's training and of the reference loop."""
    kinds = ["course", "reference"]
    random.shuffle(kinds)
    print(f"{settings.dataset()}, {torch.get_num_threads()} threads; first {kinds[0]}, then {kinds[1]}")
    print(f"{'':10} seconds to {GOAL:.0%}  epochs  images/s  memory")
    found = {}
    for kind in kinds:
        run = subprocess.run([sys.executable, "-m", "benchmarks.peers", f"_{kind}"], capture_output=True, text=True)
        if run.returncode:
            sys.exit(f"benchmarks.peers {kind}: {(run.stderr.strip() or 'no reason given').splitlines()[-1]}")
        found[kind] = one = json.loads(run.stdout.splitlines()[-1])
        reached = f"{one['seconds']:8.0f} s" if one["reached"] else f"over {one['seconds']:.0f} s"
        print(f"{kind:10} {reached:>14}  {one['epochs']:6}  {one['images'] / one['training']:8.1f}  "
              f"{one['memory'] / 1e9:4.1f} GB", flush=True)
    ratio = found["reference"]["seconds"] / found["course"]["seconds"]
    print(f"reference / course: {'' if found['reference']['reached'] else 'at least '}{ratio:.1f}")


def _told(clock, epochs):
    return json.dumps({"seconds": clock.seconds(), "reached": clock.reached, "memory": peak_memory(), "epochs": epochs,
                       "images": clock.images, "training": clock.training or 1.0})


def _course():
    config = settings.load()
    devkit = voc.prepare(config)
    with tempfile.TemporaryDirectory() as folder:
        config, clock = dataclasses.replace(config, output=Path(folder)), Clock(config.recipe.batch_size, MOST)
        with contextlib.suppress(Ended):
            training.trained_model(devkit, config, view=clock)
        print(_told(clock, len(json.loads((config.output / "history.json").read_text()))))


def _reference():
    config = settings.load()
    devkit = voc.prepare(config)
    model = training.make_model(devkit, config)
    loader = DataLoader(devkit.open("train", _transform), BATCH, shuffle=True, drop_last=True)
    _, val_loader = training.make_loaders(devkit, config)
    clock, history = Clock(BATCH, MOST), []
    optimizer = torch.optim.SGD([parameter for parameter in model.parameters() if parameter.requires_grad], lr=0.01,
                                momentum=0.9, weight_decay=1e-4)
    steps = EPOCHS * len(loader)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: (1 - step / steps) ** 0.9)
    with contextlib.suppress(Ended):
        for epoch in range(EPOCHS):
            model.train()
            for number, (images, targets) in enumerate(loader, start=1):
                images, targets = images.to(config.device), targets.to(config.device)
                loss = F.cross_entropy(model(images)["out"], targets, ignore_index=IGNORE_INDEX)
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                schedule.step()
                clock.batch(number, len(loader))
            confusion = metrics.evaluate(model, val_loader, devkit.num_classes, config.device)
            history.append(training.Epoch(epoch, loss.item(), metrics.mean_iou(confusion), 0.0))
            clock.epoch(history)
    print(_told(clock, len(history)))


def _transform(image, mask):
    """Float32[3, 480, 480], normalised, and Int64[480, 480]."""
    size = random.randint(BASE // 2, 2 * BASE)
    steps = v2.Compose([
        v2.Resize(size, antialias=True), v2.RandomHorizontalFlip(),
        v2.RandomCrop(CROP, pad_if_needed=True, fill={tv_tensors.Image: 0, tv_tensors.Mask: IGNORE_INDEX}),
        v2.ToDtype({tv_tensors.Image: torch.float32, tv_tensors.Mask: torch.int64, "others": None}, scale=True),
        v2.Normalize(MEAN, STD), v2.ToPureTensor()])
    image, target = steps(v2.functional.to_image(image), tv_tensors.Mask(pil_to_tensor(mask)))
    return image, target[0]


def matrices():
    """Seconds for one confusion matrix over the validation masks, each against itself moved by a few pixels."""
    devkit = voc.prepare(settings.load())
    count = devkit.num_classes
    targets = [pil_to_tensor(mask)[0].long() for _, mask in devkit.open("val")]
    predictions = [target.roll(5, 1).where(target.roll(5, 1) != IGNORE_INDEX, 0) for target in targets]
    ways = {"course": _ours, "torchmetrics": _torchmetrics, "scikit-learn": _sklearn}
    seconds, found = {way: [] for way in ways}, {}
    for _ in range(ROUNDS):
        for way in random.sample(list(ways), len(ways)):
            start = time.perf_counter()
            found[way] = ways[way](targets, predictions, count)
            seconds[way].append(time.perf_counter() - start)
    equal = all(np.array_equal(found["course"], other) for other in found.values())
    print(f"{len(targets)} label maps, {count} classes, median of {ROUNDS} rounds; "
          f"results {'equal' if equal else 'NOT EQUAL'}")
    ours = statistics.median(seconds["course"])
    for way, values in seconds.items():
        print(f"  {way:12} {statistics.median(values):7.2f} s  {statistics.median(values) / ours:5.1f}")


def _ours(targets, predictions, count):
    return sum(metrics.confusion_matrix(*pair, count) for pair in zip(targets, predictions)).numpy()


def _torchmetrics(targets, predictions, count):
    metric = torchmetrics.classification.MulticlassConfusionMatrix(count, ignore_index=IGNORE_INDEX)
    for target, prediction in zip(targets, predictions):
        metric.update(prediction, target)
    return metric.compute().numpy()


def _sklearn(targets, predictions, count):
    total = 0
    for target, prediction in zip(targets, predictions):
        valid = target != IGNORE_INDEX
        total = total + sklearn.metrics.confusion_matrix(target[valid].numpy(), prediction[valid].numpy(),
                                                         labels=range(count))
    return total


if __name__ == "__main__":
    {"_course": _course, "_reference": _reference}.get(sys.argv[-1], lambda: main(*sys.argv[1:]))()
