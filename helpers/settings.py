"""What the course runs on: the only module that reads the environment, and the home of its constants.

Every setting has a default, so students never need to set one. `make course DATASET=voc` and the grader
set them as environment variables (`COURSE_DATASET` and so on).
"""

import os
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch  # takes seconds to import, and the grader only needs paths from here

ROOT = Path(__file__).resolve().parent.parent
GOAL = 0.40  # the mean IoU that a trained model should reach
MODEL_FILE = "model.safetensors"  # what notebook 5 saves and students hand in
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # ImageNet, as torchvision's weights expect
IGNORE_INDEX, VOID_COLOUR = 255, (224, 224, 192)  # void in Pascal VOC
CHECK_MIME = "application/vnd.segmentation-course.check+json"  # the outcome that a check shows while grading

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
    least: int = 1  # batches an epoch has at least: a smaller data set is gone through several times
    small: tuple[int, ...] = ()  # `size` in the first epochs, one by one: small pictures are quick, and teach much


RECIPES = {
    "shapes": Recipe(size=128, batch_size=8, epochs=4, learning_rate=2e-2, scale=(0.9, 1.4), small=(96,) * 3),
    "voc": Recipe(size=256, batch_size=8, epochs=13, learning_rate=1e-3, scale=(0.7, 1.6),
                  small=(160,) * 3 + (224,) * 7),
    "own": Recipe(size=160, batch_size=8, epochs=8, learning_rate=2e-3, scale=(0.7, 1.6), least=20),
}


@dataclass(frozen=True)
class Settings:
    """What to run on: `load()` makes one from the environment."""

    dataset: str  # "shapes", "voc", or "own" for a student's
    data_root: Path  # the folder that holds VOCdevkit/
    weights: Path | None  # a weights file; None: the course's own (shapes) or torchvision's (voc, own)
    model: str | None  # one of MODELS; None: the one that the weights file fits, else the first
    device: "torch.device"
    grading: bool  # then one epoch proves that the loop runs, and the model file proves the rest
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
    """Settings from `COURSE_*` environment variables; raises SettingsError if one makes no sense."""
    import torch
    device = _variable("COURSE_DEVICE")
    try:
        device = torch.device(device) if device else choose_device()
        seed = int(_variable("COURSE_SEED") or 0)
    except (RuntimeError, ValueError) as error:
        raise SettingsError(f"COURSE_DEVICE or COURSE_SEED: {first_line(error)}") from None
    return Settings(dataset(), data_root(), weights(), _one_of("MODEL", MODELS, None), device, grading(), seed,
                    _path("OUTPUT") or ROOT / "build" / dataset(), _mirrors())


def dataset() -> str:
    """"shapes", "voc" or "own"; raises SettingsError on anything else."""
    return _one_of("DATASET", RECIPES, "shapes")


def data_root() -> Path:
    """The folder that holds VOCdevkit/, whether or not it is there yet."""
    return _path("DATA_ROOT") or ROOT / "data" / dataset()


def weights() -> Path | None:
    """The weights file to start from; raises SettingsError if there is no such file."""
    path = _path("WEIGHTS")
    if path and not path.is_file():
        raise SettingsError(f"COURSE_WEIGHTS: expected a weights file, found nothing at {path}; "
                            "check the path, or leave WEIGHTS out")
    return path


def grading() -> bool:
    """Whether a grader runs this: only the jail sets COURSE_GRADING, in its own environment."""
    return bool(_variable("COURSE_GRADING"))


def scheduler() -> str | None:
    """The address of a Dask scheduler to grade with, or None for this machine's own cores."""
    return _variable("SCHEDULER")


def told(name) -> str:
    """An environment variable of the system that has started us; raises SettingsError where there is none."""
    value = _variable(name)
    if value is None:
        raise SettingsError(f"{name}: expected the environment variable, found none; run it where that is set")
    return value


def on_kaggle() -> bool:
    return bool(_variable("KAGGLE_KERNEL_RUN_TYPE"))


def notebook_name() -> str | None:
    """The notebook that runs here, as Jupyter's server names it, or None."""
    return _variable("JPY_SESSION_NAME")


def environment(**changes) -> dict[str, str]:
    """This process's environment for a child, `DATA_ROOT=path` as COURSE_DATA_ROOT and so on; None takes one out."""
    changed = {f"COURSE_{name}": None if value is None else str(value) for name, value in changes.items()}
    return {name: value for name, value in (os.environ | changed).items() if value is not None}


def handed_down() -> dict[str, str]:
    """What a jail inherits of this process's environment: the course's own settings, and nothing secret."""
    names = ("COURSE_MODEL", "COURSE_SEED", "COURSE_DEVICE", "OMP_NUM_THREADS", "TZ")
    return {name: value for name in names if (value := _variable(name))}


def choose(**changes):
    """Set `DATASET="voc"` as COURSE_DATASET and so on, or with None take it back; what was set elsewhere stays."""
    for name, value in ((f"COURSE_{name}", value) for name, value in changes.items()):
        if _variable(name) == _chosen.get(name):
            os.environ.pop(name, None)
            _chosen.pop(name, None)
            if value is not None:
                os.environ[name] = _chosen[name] = str(value)


_chosen = {}  # what `choose` has set, as against what was set outside the notebook


def show(path) -> str:
    """`path` as a person in the course folder would type it, never this machine's absolute path."""
    path = Path(path).absolute()
    return str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else path.name


def first_line(error, most=100) -> str:
    """What an error says in one line of at most `most` characters, or its type if it says nothing.

    A headline that ends in a colon, as PyTorch's "Error(s) in loading state_dict for ...:", is passed over.
    """
    lines = [line.strip() for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
    return lines[lines[0].endswith(":") and len(lines) > 1][:most]


def _variable(name):
    return os.environ.get(name) or None


def _one_of(name, allowed, default):
    value = _variable(f"COURSE_{name}") or default
    if value != default and value not in allowed:
        raise SettingsError(f"{name}: expected one of {', '.join(allowed)}, found {value!r}; "
                            f"leave it out for the default")
    return value


def _mirrors():
    urls = tuple((_variable("COURSE_MIRRORS") or "").split())
    for url in urls:
        if not re.fullmatch(r"https?://[^#]+\.(tar|zip)(#(md5|sha256)=[0-9a-fA-F]+)?", url):
            raise SettingsError(f"MIRRORS: expected addresses like https://host/name.tar#md5=..., found {url!r}; "
                                "leave it out for the public ones")
    return urls


def _path(name):
    value = _variable(f"COURSE_{name}")
    return Path(value).expanduser().absolute() if value else None
