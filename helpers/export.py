"""How a trained model travels: as tensors with a card, or as a program that needs torch alone."""

import json
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

import numpy as np
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import nn

from helpers import palettes
from helpers.files import atomic
from helpers.models import architecture_of, create
from helpers.settings import IGNORE_INDEX, MEAN, STD, SettingsError, first_line, show

CARD = "card.json"  # in a model.pt2


def card(model, class_names, size, palette=None):
    """What travels with a model, a dict of texts: its architecture, its classes with their colours, its preprocessing.

    `palette` is UInt8[C, 3], by default the course's colours.
    """
    colours = palettes.distinct(len(class_names)) if palette is None else palette
    return {"model": architecture_of(model.state_dict()), "class_names": json.dumps(list(class_names)),
            "palette": json.dumps(np.asarray(colours).tolist()),
            "preprocessing": json.dumps({"size": size, "mean": MEAN, "std": STD})}


def read_card(texts):
    """A `card` parsed; a palette that is missing is the course's. Raises ValueError or KeyError if it is none."""
    found = dict(texts)
    for key in ("class_names", "preprocessing"):
        found[key] = json.loads(found[key])
    names = found["class_names"]
    found["palette"] = json.loads(found.get("palette", "null")) or palettes.distinct(len(names)).tolist()
    if not all(isinstance(name, str) for name in names) or not 2 <= len(names) <= IGNORE_INDEX:
        raise ValueError("its class names are none")
    if np.shape(found["palette"]) != (len(names), 3):
        raise ValueError("its palette is none")
    return found


def save_model(path, model, class_names, size, palette=None):
    """Write `model` as safetensors, atomically; its `card` travels in the metadata."""
    metadata = card(model, class_names, size, palette)
    with atomic(path) as half_done:
        save_file({key: value.contiguous().cpu() for key, value in model.state_dict().items()}, half_done, metadata)


def load_model(path):
    """The model of a `save_model` file in eval mode, and its card: class_names, palette, preprocessing, model.

    Raises SettingsError if the file is no such thing. Tensors only: no code in it can run.
    """
    try:
        with safe_open(path, "pt") as file:
            metadata = read_card(file.metadata() or {})
            state = {key: file.get_tensor(key) for key in file.keys()}
        model = create(metadata["model"], len(metadata["class_names"]))
        model.load_state_dict(state)
    except Exception as error:  # the file may be anybody's, and hold anything
        raise SettingsError(f"model file: this is not the file that notebook 5 saves: {_why(error)} "
                            f"({Path(path).name}); run notebook 5 to its end again") from None
    return model.eval(), metadata


def _why(error):
    """What is wrong with a model file that ended in `error`."""
    said = first_line(error, 120)
    if isinstance(error, KeyError):
        return {"class_names": "its class names are missing", "preprocessing": "its preprocessing is missing",
                "model": "it does not say which model it is"}.get(error.args[0], said)
    if "deserializing header" in said:
        return "it is not a whole safetensors file"
    if "state_dict" in said:
        return "its weights do not fit the model that it names"
    return said


class Predictor(nn.Module):
    """A model with its preprocessing inside: UInt8[N, 3, size, size] pixels to Int64[N, size, size] labels."""

    def __init__(self, model):
        super().__init__()
        self.model = model
        self.register_buffer("mean", torch.tensor(MEAN)[:, None, None])
        self.register_buffer("std", torch.tensor(STD)[:, None, None])

    def forward(self, pixels):
        return self.model((pixels / 255 - self.mean) / self.std)["out"].argmax(1)


def export_program(path, model, class_names, size, palette=None):
    """Write a program that needs torch alone: `torch.export.load(path).module()(pixels)` gives the labels.

    Its `card` travels in it as the extra file card.json.
    """
    described = json.dumps(card(model, class_names, size, palette))
    predictor = Predictor(model).eval().cpu()
    example = torch.zeros(1, 3, size, size, dtype=torch.uint8)
    program = torch.export.export(predictor, (example,))
    with atomic(path) as half_done:
        torch.export.save(program, half_done, extra_files={CARD: described})


def load_program(path):
    """The model of an `export_program` file and its card, as `load_model` gives them.

    torch would unpickle parts of such a file, so it is not asked: the weights are read, and the model is built here.
    Raises SettingsError if the file is no such thing.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            inside = {entry.filename.partition("/")[2]: entry for entry in archive.infolist()}

            def read(name, most):
                if inside[name].file_size > most:
                    raise ValueError(f"{name} is too large")
                return archive.read(inside[name])
            metadata = read_card(json.loads(read(f"extra/{CARD}", 1_000_000)))
            model = create(metadata["model"], len(metadata["class_names"]))
            state = model.state_dict()
            where = json.loads(read("data/weights/model_weights_config.json", 10_000_000))["config"]
            for name, tensor in state.items():
                content = read(f"data/weights/{where[f'model.{name}']['path_name']}", tensor.nbytes)
                state[name] = torch.frombuffer(bytearray(content), dtype=tensor.dtype).reshape(tensor.shape)
        model.load_state_dict(state)
    except Exception as error:  # the file may be anybody's, and hold anything
        raise SettingsError(f"model file: expected a model.pt2 that notebook 5 wrote, found {show(path)} "
                            f"({first_line(error, 120)}); run notebook 5 to its end again") from None
    return model.eval(), metadata


def run_elsewhere(program, pixels):
    """The answer of an exported program, from a fresh Python in an empty folder that cannot see the course."""
    with tempfile.TemporaryDirectory() as folder:
        source, answer = Path(folder, "pixels.safetensors"), Path(folder, "labels.safetensors")
        save_file({"pixels": pixels.contiguous()}, source)
        script = ("import sys, torch; from safetensors.torch import load_file, save_file; "
                  "program = torch.export.load(sys.argv[1]).module(); "
                  "save_file({'labels': program(load_file(sys.argv[2])['pixels'])}, sys.argv[3])")
        subprocess.run([sys.executable, "-I", "-W", "ignore", "-c", script, Path(program).absolute(), source, answer],
                       cwd=folder, check=True, capture_output=True)
        return load_file(answer)["labels"]
