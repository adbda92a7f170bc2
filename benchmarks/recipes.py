"""What the recipe of *shapes* reaches, from the course's weights and from random numbers, over seeds and threads."""

import argparse
import contextlib
import json
import multiprocessing
import os
import statistics
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from pathlib import Path

import torch
from tqdm import tqdm

from helpers import models, pretrained, settings, training, voc
from helpers.files import atomic

STARTS = {"pretrained": pretrained.GLYPHS, "random": None}


def main(arguments=()):
    recipe = settings.RECIPES["shapes"]
    parser = argparse.ArgumentParser(prog="python -m benchmarks.recipes", description=__doc__)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--starts", nargs="+", choices=STARTS, default=list(STARTS))
    parser.add_argument("--epochs", type=int, default=recipe.epochs)
    parser.add_argument("--rate", type=float, default=recipe.learning_rate, help="learning rate of the new layers")
    parser.add_argument("--store", action="store_true", help="keep the curves, which notebook 4 shows")
    args = parser.parse_args(arguments)
    recipe = replace(recipe, epochs=args.epochs, learning_rate=args.rate)
    config = replace(settings.load(), dataset="shapes", data_root=settings.ROOT / "data" / "shapes")
    voc.prepare(config)  # once, not by all processes at a time
    sizes = [*recipe.small, recipe.size][:recipe.epochs]
    print(f"{', '.join(map(str, sizes))} px, {recipe.epochs} epochs in batches of {recipe.batch_size}, learning rate "
          f"{recipe.learning_rate:g}, on {config.device.type}; seeds 0 to {args.seeds - 1}")
    print("start       threads   mean IoU: mean   worst   seconds a training")
    curves = {}
    for threads in args.threads:
        for start in args.starts:
            runs = list(side_by_side(config, recipe, start, threads, args.seeds))
            curves[start] = [curve for curve, _ in runs]
            last = [curve[-1] for curve, _ in runs]
            print(f"{start:10} {threads:8} {statistics.mean(last):16.3f} {min(last):7.3f} "
                  f"{statistics.mean(seconds for _, seconds in runs):20.0f}", flush=True)
    if args.store:
        store(recipe, curves)


def store(recipe, curves):
    """Keep the curves beside those of another start, if they are of the same recipe."""
    made_with = {"size": recipe.size, "small": list(recipe.small), "epochs": recipe.epochs,
                 "learning_rate": recipe.learning_rate}
    kept = pretrained.curves() if pretrained.CURVES.exists() else {}
    if {key: kept.get(key) for key in made_with} != made_with:
        kept = {}
    with atomic(pretrained.CURVES) as half_done:
        half_done.write_text(json.dumps(made_with | kept | curves) + "\n")


def side_by_side(config, recipe, start, threads, seeds):
    """(mean IoU of each epoch, seconds) for each seed, as many at a time as the cores allow."""
    at_once = max(1, min(seeds, os.cpu_count() // threads))
    with ProcessPoolExecutor(at_once, multiprocessing.get_context("spawn")) as pool:
        jobs = [pool.submit(train, replace(config, seed=seed), recipe, start, threads) for seed in range(seeds)]
        for job in tqdm(jobs, f"{start}, threads: {threads}", leave=False):
            yield job.result()


def train(config, recipe, start, threads):
    """One training in a process of its own."""
    torch.set_num_threads(threads)
    settings.RECIPES["shapes"] = recipe
    devkit = voc.prepare(config)
    begin = time.perf_counter()
    torch.manual_seed(config.seed)
    model = models.create(None, devkit.num_classes, STARTS[start]).to(config.device)
    optimizer = torch.optim.AdamW(models.parameter_groups(model, recipe.learning_rate), fused=True)
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(None):
        config = replace(config, output=Path(folder))
        history = training.fit(model, *training.make_loaders(devkit, config), optimizer, config, devkit.num_classes)
    return [round(epoch.mean_iou, 4) for epoch in history], time.perf_counter() - begin


if __name__ == "__main__":
    import sys
    main(sys.argv[1:])
