"""How a trained model travels: as tensors with a card, or as a program that needs torch alone."""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import nn

from helpers.files import atomic
from helpers.models import architecture_of, create
from helpers.settings import MEAN, STD, SettingsError, first_line, show


def save_model(path, model, class_names, size):
    """Write `model` as safetensors, atomically; class names and preprocessing travel in its metadata."""
    metadata = {"model": architecture_of(model.state_dict()), "class_names": json.dumps(list(class_names)),
                "preprocessing": json.dumps({"size": size, "mean": MEAN, "std": STD})}
    with atomic(path) as half_done:
        save_file({key: value.contiguous().cpu() for key, value in model.state_dict().items()}, half_done, metadata)


def load_model(path):
    """The model of a `save_model` file in eval mode, and its metadata: class_names, preprocessing, model.

    Raises SettingsError if the file is no such thing. Tensors only: no code in it can run.
    """
    try:
        with safe_open(path, "pt") as file:
            metadata = dict(file.metadata() or {})
            state = {key: file.get_tensor(key) for key in file.keys()}
        for key in ("class_names", "preprocessing"):
            metadata[key] = json.loads(metadata[key])
        model = create(metadata["model"], len(metadata["class_names"]))
        model.load_state_dict(state)
    except Exception as error:  # the file may be anybody's, and hold anything
        raise SettingsError(f"model file: expected one that notebook 5 wrote, found {show(path)} "
                            f"({first_line(error, 120)}); run notebook 5 to its end again") from None
    return model.eval(), metadata


class Predictor(nn.Module):
    """A model with its preprocessing inside: UInt8[N, 3, size, size] pixels to Int64[N, size, size] labels."""

    def __init__(self, model):
        super().__init__()
        self.model = model
        self.register_buffer("mean", torch.tensor(MEAN)[:, None, None])
        self.register_buffer("std", torch.tensor(STD)[:, None, None])

    def forward(self, pixels):
        return self.model((pixels / 255 - self.mean) / self.std)["out"].argmax(1)


def export_program(path, model, size):
    """Write a program that needs torch alone: `torch.export.load(path).module()(pixels)` gives the labels."""
    predictor = Predictor(model).eval().cpu()
    example = torch.zeros(1, 3, size, size, dtype=torch.uint8)
    program = torch.export.export(predictor, (example,))
    with atomic(path) as half_done:
        torch.export.save(program, half_done)


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
