"""What a model starts from: torchvision's weights, which are fetched, or the course's own in helpers/weights."""

import json
from functools import cache, partial
from pathlib import Path

import torch
from torchvision.models import get_model_weights
from torchvision.models._api import Weights
from torchvision.models.segmentation import LRASPP_MobileNet_V3_Large_Weights
from torchvision.transforms._presets import SemanticSegmentation

from helpers import fetch, models
from helpers.settings import MODELS, ROOT, SettingsError, show

# Trained by tools/pretrain.py on scenes of twenty glyphs that `shapes` does not have; the card beside it says how
GLYPHS = ROOT / "helpers" / "weights" / "lraspp_mobilenet_v3_large_glyphs.safetensors"
CURVES = GLYPHS.with_name("curves.json")  # written by benchmarks/recipes.py --store
_missing = set()  # models whose weights could not be had: nobody waits for them a second time, or is told again


def own(name):
    """The course's own weights for the model of that name; None for all but the first of MODELS, which they fit."""
    return GLYPHS if name == MODELS[0] else None


def start(settings):
    """The weights file that a training with `settings` starts from, or None for random numbers.

    That of `settings` if there is one; for *shapes* the course's own; for photographs torchvision's, which is
    fetched. Where it cannot be, a line says so, once, and the course's own have to do.
    """
    if settings.weights:
        return settings.weights
    name = settings.model or MODELS[0]
    if settings.dataset == "shapes":
        return own(name)
    file, folder = published(name), Path(torch.hub.get_dir()) / "checkpoints"
    if name in _missing and not (folder / file.name).exists():
        return own(name)
    try:
        return fetch.fetch(file, folder)
    except fetch.Unavailable as unavailable:
        _missing.add(name)
        called = "the course's own" if own(name) else "random numbers"
        print(f"Warning: torchvision's pretrained weights can't be had ({unavailable}), so the model starts from "
              f"{called} and will learn less. Put {file.name} into {show(folder)}, or give a file with WEIGHTS=")
        return own(name)


def weights(settings):
    """`start` as an entry of torchvision's enum, as its model builders take it: always pretrained.

    The course's own where `settings` name a model or a file.
    """
    return entry(GLYPHS if settings.weights or settings.model else start(settings))


def entry(file):
    """The entry of torchvision's LR-ASPP weights that stands for a file of `start`; None for None."""
    if file is None:
        return None
    return _glyphs() if file == GLYPHS else LRASPP_MobileNet_V3_Large_Weights.DEFAULT


def card():
    """What the course's own weights were trained on, how, and what they reach: the JSON file beside them."""
    return json.loads(GLYPHS.with_suffix(".json").read_text(encoding="utf-8"))


def curves():
    """What both starts came to on *shapes*: "pretrained" and "random" to a list of trainings, mean IoU by epoch."""
    return json.loads(CURVES.read_text(encoding="utf-8"))


@cache
def _glyphs():
    # An enum that has members cannot be given more, and torchvision accepts no entry of another: so this one is made
    # beside it, as `enum.Flag` makes its combinations
    names = ["background", *card()["classes"]]
    made = object.__new__(LRASPP_MobileNet_V3_Large_Weights)
    made._name_ = "GLYPHS"
    made._value_ = Weights(GLYPHS.as_uri(), partial(SemanticSegmentation, resize_size=128), {"categories": names})
    made.get_state_dict = lambda *args, **kwargs: models.read_weights(GLYPHS)  # torchvision's would unpickle it
    return made


def published(name):
    """torchvision's pretrained weights for a segmentation model, as a file to fetch into torch's cache.

    One that was put there by hand serves as well, if its checksum is right. Raises SettingsError where there is none.
    """
    if name.endswith("mobilenet_v2"):
        raise SettingsError(f"MODEL={name}: expected WEIGHTS, a MobileNetV2 classifier's file, found none; "
                            "torchvision has no segmentation weights for it")
    url = get_model_weights(name).DEFAULT.url
    filename = url.rpartition("/")[2]
    sha256 = torch.hub.HASH_REGEX.search(filename)[1]  # torchvision's names end in its first digits
    return fetch.File(filename, (url,), f"sha256:{sha256}")
