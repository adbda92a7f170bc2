"""The one place that reads the environment.

Every setting has a default, so a student never sets any; `make course DATASET=voc`
and the grader set them as environment variables (`COURSE_DATASET` and so on).
"""

import os
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch  # takes seconds, and the grader, which reads paths here, has no use for it

ROOT = Path(__file__).resolve().parent.parent
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # ImageNet, as torchvision's weights expect
IGNORE_INDEX = 255  # void in Pascal VOC
VOID_COLOUR = (224, 224, 192)  # in the palettes of VOC and in every figure
PROBE_MIME = "application/vnd.segmentation-course.probe+json"  # of the answers that hidden tests show
CHECK_MIME = "application/vnd.segmentation-course.check+json"  # of what a check says, while grading
GOAL = 0.40  # mean IoU of a trained model
MODEL_FILE = "model.safetensors"  # what notebook 5 saves and a student hands in

MODELS = ("lraspp_mobilenet_v3_large", "fpn_mobilenet_v2", "lraspp_mobilenet_v2",
          "deeplabv3_mobilenet_v3_large", "deeplabv3_resnet50")


class SettingsError(ValueError):
    """A setting, a file or a folder is not what the course needs; the message says what to do."""

    def _render_traceback_(self):
        """What a notebook shows: the one line, no tower of frames."""
        return [str(self)]


@dataclass(frozen=True)
class Recipe:
    """How a data set is trained; `size` in pixels, `learning_rate` for the new layers."""

    size: int
    batch_size: int
    epochs: int
    learning_rate: float
    scale: tuple[float, float]  # random zoom in training, 1 fits the image into the square


RECIPES = {
    "shapes": Recipe(size=96, batch_size=8, epochs=8, learning_rate=2e-2, scale=(0.9, 1.4)),
    "voc": Recipe(size=288, batch_size=16, epochs=18, learning_rate=2e-3, scale=(0.7, 1.6)),
}


@dataclass(frozen=True)
class Settings:
    """What to run on: `load()` makes one from the environment."""

    dataset: str  # "shapes" or "voc"
    data_root: Path  # the folder that holds VOCdevkit/
    weights: Path | None  # a weights file; None: random start (shapes) or torchvision's (voc)
    model: str | None  # one of MODELS; None: the one that the weights file fits, else the first
    device: "torch.device"
    grading: bool  # a few steps prove that the loop runs, the model file proves the rest
    seed: int
    output: Path  # checkpoints, the exported model, results
    mirrors: tuple[str, ...] = ()  # addresses of VOC archives, instead of the public ones

    @property
    def recipe(self) -> Recipe:
        recipe = RECIPES[self.dataset]
        return replace(recipe, epochs=1) if self.grading else recipe


def choose_device() -> "torch.device":
    """The fastest device here: CUDA, else Apple's MPS, else the CPU (exercise 1.1)."""
    import torch
    if torch.cuda.is_available():
        return torch.device("cuda")
    if torch.backends.mps.is_available():
        return torch.device("mps")
    return torch.device("cpu")


def load() -> Settings:
    """Settings from `COURSE_*` environment variables; raises SettingsError on one that makes no sense."""
    import torch
    dataset = _one_of("DATASET", RECIPES, "shapes")
    root = _path("DATA_ROOT") or ROOT / "data" / dataset
    weights = _path("WEIGHTS")
    if weights and not weights.is_file():
        raise SettingsError(f"COURSE_WEIGHTS: expected a weights file, found nothing at {weights}; "
                            "check the path, or leave WEIGHTS out")
    device = os.environ.get("COURSE_DEVICE")
    try:
        device = torch.device(device) if device else choose_device()
        seed = int(os.environ.get("COURSE_SEED") or 0)
    except (RuntimeError, ValueError) as error:
        raise SettingsError(f"COURSE_DEVICE or COURSE_SEED: {str(error).splitlines()[0]}") from None
    return Settings(dataset, root, weights, _one_of("MODEL", MODELS, None), device,
                    grading(), seed,
                    _path("OUTPUT") or ROOT / "build" / dataset, _mirrors())


def grading() -> bool:
    """Whether a grader runs this: the jail sets COURSE_GRADING in its own environment, and nobody else does."""
    return bool(os.environ.get("COURSE_GRADING"))


def probe_seed() -> int:
    """The seed of the hidden tests' inputs, which the judge draws for each submission; 0 if nobody grades."""
    return int(os.environ.get("COURSE_PROBE_SEED") or 0)


def show(path) -> str:
    """`path` as a person in the course folder would type it (never a machine's absolute path)."""
    path = Path(path).absolute()
    return str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else path.name


def _one_of(name, allowed, default):
    value = os.environ.get(f"COURSE_{name}") or default
    if value != default and value not in allowed:
        raise SettingsError(f"{name}: expected one of {', '.join(allowed)}, found {value!r}; "
                            f"leave it out for the default")
    return value


def _mirrors():
    urls = tuple((os.environ.get("COURSE_MIRRORS") or "").split())
    for url in urls:
        if not re.fullmatch(r"https?://[^#]+\.(tar|zip)(#(md5|sha256)=[0-9a-fA-F]+)?", url):
            raise SettingsError(f"MIRRORS: expected addresses like https://host/name.tar#md5=..., found {url!r}; "
                                "leave it out for the public ones")
    return urls


def _path(name):
    value = os.environ.get(f"COURSE_{name}")
    return Path(value).expanduser().absolute() if value else None
