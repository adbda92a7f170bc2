"""What a model file is worth: `python -m helpers.score model.safetensors DATA_ROOT` prints its confusion matrix.

The grader runs this in its jail, on images that nobody has trained on.
"""

import json
import sys
from pathlib import Path

import torch
from torch.utils.data import DataLoader, Subset

from helpers import export, metrics, models, shapes, transforms, voc
from helpers.settings import RECIPES, SettingsError

CLASS_NAMES = {"shapes": shapes.CLASS_NAMES, "voc": voc.CLASS_NAMES}
MOST_IMAGES = 200  # of a large validation set, this many, evenly spread
SIZES = range(32, 513)  # pixels; the size that a model file asks for


def score(model, dataset, root, size, device="cpu"):
    """Confusion matrix Int64[C, C] of `model` on the validation images under `root`, fitted into `size` pixels."""
    names = CLASS_NAMES[dataset]
    devkit = voc.Devkit(Path(root), names, voc.palette(len(names)))
    images = devkit.open("val", transforms.eval_transform(size))
    step = -(-len(images) // MOST_IMAGES)
    loader = DataLoader(Subset(images, range(0, len(images), step)), batch_size=RECIPES[dataset].batch_size)
    return metrics.evaluate(model.to(device), loader, len(names), device)


def load(path):
    """A model file's model, its card, data set and size; SettingsError, one line, if it is none of this course."""
    model, card = export.load_model(path)
    dataset = next((name for name, names in CLASS_NAMES.items() if list(names) == card["class_names"]), None)
    size = card["preprocessing"].get("size") if isinstance(card["preprocessing"], dict) else None
    if dataset is None or type(size) is not int or size not in SIZES:
        raise SettingsError("model file: expected the classes of shapes or of Pascal VOC and a size of "
                            f"{SIZES[0]} to {SIZES[-1]} pixels, found {len(card['class_names'])} classes and "
                            f"{str(size)[:20]}; hand in the file that notebook 5 wrote")
    return model, card, dataset, size


def main(path, *roots):
    """Print one line of JSON; `roots` are data folders as `shapes=DIR` or `voc=DIR`."""
    roots = dict(root.split("=", 1) for root in roots)
    try:
        model, card, dataset, size = load(path)
        answer = {"model": card["model"], "dataset": dataset, "size": size}
        if dataset in roots:
            answer["confusion"] = score(model, dataset, roots[dataset], size).tolist()
    except SettingsError as error:
        answer = {"error": str(error)}
    except Exception as error:  # the file is a stranger's: whatever it breaks, there is an answer
        answer = {"error": f"model file: expected one that notebook 5 wrote, found one that ends in "
                           f"{type(error).__name__}; run notebook 5 to its end again"}
    print(json.dumps(answer))


def untrained(name, dataset, root, size, seed=0):
    """Mean IoU (0..1) of the architecture `name` before any training."""
    torch.manual_seed(seed)
    return metrics.mean_iou(score(models.create(name, len(CLASS_NAMES[dataset])), dataset, root, size))


if __name__ == "__main__":
    main(*sys.argv[1:])
