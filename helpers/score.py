"""What a model file is worth on images that nobody has trained on; the grader runs this in its jail.

    python -m helpers.score draw SEED > IMAGES                      fresh images of the embedded data set
    python -m helpers.score file IMAGES MODEL_FILE                  one line of JSON
    python -m helpers.score untrained IMAGES MODEL DATASET SIZE     the same for a model before training

Models of Pascal VOC are judged on the validation images in data/voc, if they are there.
"""

import json
import sys
import tempfile
from pathlib import Path

import torch
from safetensors.torch import load_file, save
from torch.utils.data import DataLoader, Subset

from helpers import export, metrics, models, pretrained, settings, shapes, transforms, voc
from helpers.settings import MEAN, RECIPES, STD, SettingsError

CLASS_NAMES = {"shapes": shapes.CLASS_NAMES, "voc": voc.CLASS_NAMES}
DRAWN = 120  # fresh images, as many as the validation set has
FIRST_SEED = 1_000_000  # far from the seeds of the images that students have
MOST_IMAGES = 200  # of a large validation set, this many, evenly spread


def score(model, batches, classes):
    """How `model`, on the CPU, does on `batches` of (images, target).

    Returns {"images": count, "mean_iou": 0..1, "background": 0..1}; the last is what the answer "background"
    would reach everywhere.
    """
    confusion = metrics.evaluate(model, batches, classes, "cpu")
    return {"images": sum(len(images) for images, _ in batches), "mean_iou": metrics.mean_iou(confusion),
            "background": metrics.all_background(confusion)}


def batches_of(dataset, root, size):
    """The validation images under `root`, fitted into `size` pixels, in batches: all of them, or MOST_IMAGES."""
    names = CLASS_NAMES[dataset]
    images = voc.Devkit(Path(root), names, voc.palette(len(names))).open("val", transforms.eval_transform(size))
    chosen = Subset(images, range(0, len(images), -(-len(images) // MOST_IMAGES)))
    return DataLoader(chosen, batch_size=RECIPES[dataset].batch_size)


def draw(seed):
    """Fresh images of the embedded data set, as a safetensors file's bytes: the transform costs once, not per model."""
    with tempfile.TemporaryDirectory() as folder:
        shapes.write(folder, {"train": 1, "val": DRAWN}, {"train": 0, "val": FIRST_SEED + int(seed)})
        images, target = zip(*batches_of("shapes", folder, RECIPES["shapes"].size))
    return save({"images": torch.cat(images), "target": torch.cat(target)})


def load(path):
    """A model file's model, its card, data set and size; SettingsError, one line, if the course has no such model."""
    model, card = export.load_model(path)
    dataset = next((name for name, names in CLASS_NAMES.items() if list(names) == card["class_names"]), None)
    if dataset is None:
        raise SettingsError("model file: expected the classes of shapes or of Pascal VOC, found "
                            f"{len(card['class_names'])} others; a model of your own data is for after the course: "
                            "run notebook 5 on shapes or voc, and hand in what it writes")
    size = RECIPES[dataset].size  # all are scored at the same size, with the same preprocessing
    expected = {"size": size, "mean": list(MEAN), "std": list(STD)}
    if card["preprocessing"] != expected:
        raise SettingsError(f"model file: expected the preprocessing {expected}, found "
                            f"{str(card['preprocessing'])[:80]}; train with the course's own and hand in the file "
                            "that notebook 5 wrote")
    return model, card, dataset, size


def file(drawn, path):
    """What the model file at `path` is and reaches; "error", a sentence, if unusable. No score without images."""
    try:
        model, card, dataset, size = load(path)
        answer = {"model": card["model"], "dataset": dataset, "size": size}
        return answer | _on_fresh_images(model, dataset, size, drawn)
    except SettingsError as error:
        return {"error": str(error)}
    except Exception as error:  # the file is a stranger's: whatever it breaks, there is an answer
        return {"error": "model file: this is not the file that notebook 5 saves: running it ends in "
                         f"{type(error).__name__}; run notebook 5 to its end again"}


def untrained(drawn, name, dataset, size):
    """What the architecture `name` reaches with new final layers, before any training."""
    torch.manual_seed(0)
    start = pretrained.own(name) if dataset == "shapes" else None  # no jail has torchvision's
    return _on_fresh_images(models.create(name, len(CLASS_NAMES[dataset]), start), dataset, int(size), drawn)


def _on_fresh_images(model, dataset, size, drawn):
    classes = len(CLASS_NAMES[dataset])
    if dataset == "voc":
        root = settings.ROOT / "data" / "voc"  # in the jail, where the grader has put it
        return score(model, batches_of(dataset, root, size), classes) if (root / "VOCdevkit").is_dir() else {}
    tensors = load_file(drawn)
    batches = zip(*(tensors[key].split(RECIPES[dataset].batch_size) for key in ("images", "target")))
    return score(model, list(batches), classes)


def main(what, *arguments):
    """Print one line of JSON, or write drawn images."""
    if what == "draw":
        sys.stdout.buffer.write(draw(*arguments))
    else:
        print(json.dumps({"file": file, "untrained": untrained}[what](*arguments)))


if __name__ == "__main__":
    main(*sys.argv[1:])
