"""The explorer for a student's own picture: a photograph goes in, mask and overlay come out."""

from functools import lru_cache, partial
from pathlib import PurePath

import torch
from ipywidgets import FileUpload, IntSlider, Text

from helpers import photographs, plotting, shapes
from helpers.controls import Explorer, control, fraction, in_words
from helpers.settings import SettingsError

OURS, _FIRST_SEED, _SIZE = 10, 30_001, (1200, 900)  # scenes for those without a picture, larger than any in the data
_LONGEST = 800  # pixels of a picture on the screen


def explore_photograph(model, devkit, size):
    """Show what `model` sees in a photograph, uploaded or at a path; until there is one, in a picture of ours.

    `size` is that of `transforms.eval_transform`. The model is asked in eval mode, on the device that it is on, and
    left as it was.
    """
    photographs.logits_of(model, torch.zeros(3, size, size), devkit.num_classes)  # an error now, not at a click
    last = {"chosen": "ours"}

    def choose(name, _):
        last["chosen"] = name
        return {}

    @lru_cache(maxsize=1)
    def look(source):
        if isinstance(source, int):
            photograph = _ours(source, devkit)
        else:
            photograph = photographs.open_photograph(source)
        labels = photographs.segment(model, photograph, size)
        return *photographs.shrink(photograph, labels, _LONGEST), photograph.size, in_words(labels, devkit)

    def draw(upload, path, ours, opacity):
        name, source = f"picture {ours} of ours", ours
        path = path.strip().strip("\"'")
        if last["chosen"] == "upload" and upload:
            name, source = _uploaded(upload)
        elif last["chosen"] == "path" and path:
            name, source = PurePath(path).name, path
        try:
            image, labels, (width, height), words = look(source)
        except SettingsError as error:
            return None, str(error)
        panels = [(plotting.overlay(image, labels, devkit.palette, opacity), "mask over picture"), (labels, "mask")]
        return plotting.panels_figure(panels, devkit, large=True), (
            f"{name}, {width} × {height} pixels: {words}. The model was taught {', '.join(devkit.class_names)}, and "
            "nothing else: whatever else there is in a picture, it gets one of these names.")

    controls = {
        "upload": control(FileUpload, "your picture", "A photograph from your computer or telephone, at most 10 MB",
                          accept="image/*"),
        "path": control(Text, "or its path", "A file on the machine that runs this notebook; then press Enter",
                        placeholder="such as photos/cat.jpg", continuous_update=False),
        "ours": control(IntSlider, "or ours", "Pictures for those who have none at hand", max=OURS - 1),
        "opacity": fraction("opacity", "How much of the class colour covers the picture", 0.5),
    }
    Explorer(draw, controls, moves={name: partial(choose, name) for name in ("upload", "path", "ours")}).show(
        "What the model sees in a picture of your own: the mask over the picture, the mask, the share of each class, "
        "and the classes that it was taught. Run the cell to upload a photograph; this is a picture of ours.")


def _uploaded(value):
    """Name and bytes of an upload: ipywidgets 7 (Colab) keeps a dict from name to file, 8 a tuple of files."""
    [file] = value.values() if isinstance(value, dict) else value
    return file.get("metadata", file)["name"], bytes(file["content"])


def _ours(number, devkit):
    """A picture for those who have none: a large scene of the course, or of other classes a validation image."""
    if devkit.class_names == shapes.CLASS_NAMES:
        return shapes.draw(_FIRST_SEED + number, _SIZE)[0]
    dataset = devkit.open("val")
    return dataset[number % len(dataset)][0]
