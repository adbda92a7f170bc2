"""What the first cell of each notebook does once the course is there: see what this machine has, and set it up.

Works on Colab, Kaggle and any Jupyter. Only the standard library and IPython are needed to import it, so
that a missing package ends in a line for a person.
"""

import re
import subprocess
import sys
from importlib import metadata
from pathlib import Path

from IPython.core.error import UsageError  # a notebook shows it as one line

from helpers import settings

DRIVE = Path("/content/drive")
PACKAGES = ("torch", "torchvision", "numpy", "matplotlib", "pillow", "ipywidgets", "safetensors", "tqdm", "pooch",
            "filelock")
OLDEST = {"torch": "2.9", "torchvision": "0.24", "ipywidgets": "7.7"}
SMALL = ("safetensors", "tqdm", "pooch", "filelock")  # pip may bring these: they replace nothing that is there


def start(dataset="shapes", drive=False):
    """Print what this machine has, choose the data set, and with `drive` keep what comes on Google Drive.

    `dataset` is "shapes" or "voc". What was set outside the notebook (`make course DATASET=voc`, a grader)
    wins. Can be called any number of times. Raises UsageError, one line, where the course cannot run.
    """
    if settings.grading():  # a grader has its own settings and reads no table
        return
    if dataset not in ("shapes", "voc"):
        raise UsageError(f'DATASET: expected "shapes" or "voc", found {dataset!r}; change the line and run this again')
    install([name for name in SMALL if found(name) is None])
    print(table())
    require()
    print(runtime())
    settings.choose(DATASET=dataset)
    dataset = settings.dataset()
    folder = drive and mount()
    settings.choose(OUTPUT=folder / dataset if folder else None,
                    DATA_ROOT=folder / "voc-data" if folder and dataset == "voc" else None)
    print(f"Data:    {dataset}{', with all checkpoints kept in segmentation-course on your Drive' if folder else ''}")


def tested():
    """The versions that the course is tested with, by name, each a list: ours, and Colab's where it differs.

    The two requirements files, from which the environments of the tests are made, are the only places that name them.
    """
    versions = {}
    for path in (settings.ROOT / "requirements.txt", settings.ROOT / "tests" / "colab" / "requirements.txt"):
        text = path.read_text() if path.exists() else ""
        for name, version in re.findall(r"^([\w-]+)==([\w.]+)", text, re.MULTILINE):
            versions.setdefault(name, []).append(version)
    return {name: list(dict.fromkeys(found)) for name, found in versions.items()}


def found(name):
    """The version of an installed package, without its build (`+cu128`), or None."""
    try:
        return metadata.version(name).partition("+")[0]
    except metadata.PackageNotFoundError:
        return None


def verdict(name, expected, version):
    """What to think of `version` of a package, in two or three words; `expected` are the tested ones."""
    if version is None:
        return "missing"
    if name in OLDEST and _numbers(version) < _numbers(OLDEST[name]):
        return f"too old: needs {OLDEST[name]}"
    expected = [_numbers(one) for one in expected]
    if _numbers(version) in expected:
        return "as tested"
    return "newer" if _numbers(version) > max(expected) else "older"


def table():
    """Package, tested with, found, verdict: one line each."""
    versions = tested()
    rows = [("package", "tested with", "found", "verdict")]
    rows += [(name, ", ".join(versions[name]), found(name) or "-", verdict(name, versions[name], found(name)))
             for name in PACKAGES]
    return "\n".join(f"{name:12} {expected:13} {version:9} {says}" for name, expected, version, says in rows)


def require():
    """Raise UsageError if a package is missing, too old, or does not work with its neighbour."""
    versions = tested()
    if sys.version_info < (3, 11):
        raise UsageError(f"Python: expected 3.11 or newer, found {sys.version_info[0]}.{sys.version_info[1]}")
    for name in PACKAGES:
        says = verdict(name, versions[name], found(name))
        if says not in ("as tested", "newer", "older"):
            raise UsageError(f"{name} is {says}. On Colab: Runtime > Disconnect and delete runtime, then begin again; "
                             f"elsewhere: pip install {name}=={versions[name][0]}, then restart the kernel")
    try:
        import torch
        import torchvision  # noqa: F401
    except (ImportError, RuntimeError, OSError) as error:  # a pair that was not built together
        raise UsageError(
            f"torch {found('torch')} and torchvision {found('torchvision')} do not work together "
            f"({settings.first_line(error, 80)}). On Colab: Runtime > Disconnect and delete runtime, begin again; "
            f"elsewhere: pip install " + " ".join(f"{name}=={versions[name][0]}" for name in PACKAGES[:2])) from None


def install(names):
    """Have pip bring small packages that are missing; without a network the table says that they are."""
    if names:
        versions = tested()
        subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check",
                        *(f"{name}=={versions[name][0]}" for name in names)], capture_output=True)


def runtime():
    """One line: which processor this machine has, or how to switch a GPU on."""
    import torch
    if torch.cuda.is_available():
        gpu = torch.cuda.get_device_properties(0)
        return f"Runtime: {gpu.name} with {gpu.total_memory / 2**30:.0f} GB of memory"
    if torch.backends.mps.is_available():
        return "Runtime: Apple's GPU"
    place = ("Settings > Accelerator > GPU T4 x2" if settings.on_kaggle() else
             "Runtime > Change runtime type > T4 GPU (on Colab)")
    return f"Runtime: no GPU, and shapes needs none. To get one: {place}"


def mount():
    """Mount Google Drive and return the course's folder there, or None where there is no Drive."""
    try:
        from google.colab import drive
    except ImportError:
        print("Drive:   only Colab has it; here everything stays in the course folder")
        return None
    try:
        drive.mount(str(DRIVE))
        folder = DRIVE / "MyDrive" / "segmentation-course"
        folder.mkdir(parents=True, exist_ok=True)
    except Exception as error:  # whatever Colab raises when a person says no
        reason = next(iter(str(error).splitlines()), type(error).__name__)
        raise UsageError(f"DRIVE: Google Drive could not be reached ({reason}). Run this cell again and allow it, or "
                         "set DRIVE = False") from None
    return folder


def _numbers(version):
    return tuple(int(number) for number in re.findall(r"\d+", version)[:3])
