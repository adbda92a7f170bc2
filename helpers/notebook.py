"""What the first cell of each notebook does once the course is there: it sets up what this machine has and says so in
one line, and from then on a cell that needs an earlier one says that in one line too.

Works on Colab, Kaggle and any Jupyter. Only the standard library and IPython are needed to import it, so
that a missing package ends in a line for a person.
"""

import ast
import html
import json
import re
import subprocess
import sys
from importlib import metadata, util
from pathlib import Path

from IPython import get_ipython
from IPython.core.error import UsageError  # a notebook shows it as one line
from IPython.display import display

from helpers import settings

DRIVE = Path("/content/drive")
PACKAGES = ("torch", "torchvision", "numpy", "matplotlib", "pillow", "ipywidgets", "safetensors", "tqdm", "filelock")
OLDEST = {"torch": "2.9", "torchvision": "0.24", "ipywidgets": "7.7"}
SMALL = ("safetensors", "tqdm", "filelock")  # pip may bring these: they replace nothing that is there


def start(dataset="shapes", drive=False):
    """Choose the data set, with `drive` keep what comes on Google Drive, and show in one line what this machine has.

    `dataset` is "shapes", "voc" or "own". What was set outside the notebook (`make course DATASET=voc`, a grader)
    wins. Can be called any number of times. Raises UsageError, one line, where the course cannot run.
    """
    if settings.grading():  # a grader has its own settings and reads no table
        return
    if dataset not in settings.RECIPES:
        raise UsageError(f'DATASET: expected "shapes", "voc" or "own", found {dataset!r}; change the line and run '
                         "this again")
    install([name for name in SMALL if found(name) is None])
    require()
    settings.choose(DATASET=dataset)
    dataset = settings.dataset()
    folder = drive and mount()
    settings.choose(OUTPUT=folder / dataset if folder else None,
                    DATA_ROOT=folder / f"{dataset}-data" if folder and dataset != "shapes" else None)
    line = f"{as_tested()}, {runtime(dataset)}, data set {dataset}{', checkpoints on your Drive' if folder else ''}."
    display({"text/plain": line, "text/html": f"{html.escape(line)}<details><summary>All versions</summary>"
             f"<pre>{html.escape(table())}</pre></details>"}, raw=True)
    if get_ipython():
        get_ipython().set_custom_exc((NameError, NotImplementedError), explain)


def explain(shell, kind, error, traceback, tb_offset=None):
    """IPython's handler of two exceptions: one line if a cell further up has only to be run or answered.

    Everything else, the slips of a student's own code too, is shown as IPython does, with a hint where one helps.
    """
    try:
        hint, says_all = missing(shell, error, traceback)
    except Exception:  # no hint is worth a second error
        hint = None
    if hint:
        tower = [] if says_all else shell.InteractiveTB.structured_traceback(kind, error, traceback, tb_offset)
        error._render_traceback_ = lambda: [*tower, hint]
    shell.showtraceback((kind, error, traceback), tb_offset=tb_offset)


def missing(shell, error, traceback):
    """What is missing for the cell that runs now (None if nothing is known), and whether that says it all."""
    frames = []
    while traceback:
        frames.append(traceback.tb_frame)
        traceback = traceback.tb_next
    blank = re.match(r"Exercise (\d\.\d+):", str(error))
    if blank and type(error) is NotImplementedError:
        from helpers.exercises import EXERCISES
        exercise = next(exercise for exercise in EXERCISES.values() if exercise.number == blank[1])
        return (f"Exercise {exercise.number} is still empty. Write your answer in its cell and run that, then this. Or "
                f"go on with ours, which earns no points: {', '.join(exercise.functions)} = "
                f'checks.lend("{exercise.name}")'), True
    cell = next(frame for frame in frames if frame.f_globals is shell.user_ns)
    ours, defined = above(shell.history_manager.input_hist_raw[-1])
    if type(error) is not NameError or error.name not in defined:
        return None, False
    on_colab = "google.colab" in sys.modules or util.find_spec("google") and util.find_spec("google.colab")
    where = "Runtime > Run before" if on_colab else "Run > Run All Above Selected Cell"
    return (f"`{error.name}` is not there yet: choose {where}, then run this cell again.",
            ours and frames[-1].f_code.co_filename == cell.f_code.co_filename)


def above(source):
    """Whether a cell with this source is one of the course's, and the names that the course defines above it.

    For any other cell: the names that its notebook defines, or where that is not known, all notebooks.
    """
    files = {path.stem: json.loads(path.read_text(encoding="utf-8"))["cells"]
             for path in settings.ROOT.glob("solutions/*/*.ipynb")}
    sources = {name: ["".join(cell["source"]).strip() for cell in cells if cell["cell_type"] == "code"]
               for name, cells in files.items()}
    for cells in sources.values():
        if source.strip() in cells:
            return True, names(cells[:cells.index(source.strip())])
    here = [cells for name, cells in sources.items() if name in Path.cwd().parts] or list(sources.values())
    return False, names(sum(here, []))


def names(sources):
    """The names that cells define: functions, classes, imports and variables."""
    found = set()
    for node in (node for source in sources for node in ast.parse(source).body):
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            found.add(node.name)
            continue
        for part in ast.walk(node):
            if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store):
                found.add(part.id)
            elif isinstance(part, ast.alias):
                found.add((part.asname or part.name).partition(".")[0])
    return found


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


def compared(name, expected, version):
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
    rows += [(name, ", ".join(versions[name]), found(name) or "-", compared(name, versions[name], found(name)))
             for name in PACKAGES]
    return "\n".join(f"{name:12} {expected:13} {version:9} {says}" for name, expected, version, says in rows)


def require():
    """Raise UsageError if a package is missing, too old, or does not work with its neighbour."""
    versions = tested()
    if sys.version_info < (3, 11):  # noqa: UP036 (nobody installs the course, so nothing else looks)
        raise UsageError(f"Python: expected 3.11 or newer, found {sys.version_info[0]}.{sys.version_info[1]}")
    for name in PACKAGES:
        says = compared(name, versions[name], found(name))
        if says not in ("as tested", "newer", "older"):
            raise UsageError(f"{name} is {says}. On Colab: Runtime > Disconnect and delete runtime, then start again; "
                             f"elsewhere: pip install {name}=={versions[name][0]}, then restart the kernel")
    try:
        import torch  # noqa: F401
        import torchvision  # noqa: F401
    except (ImportError, RuntimeError, OSError) as error:  # a pair that was not built together
        raise UsageError(
            f"torch {found('torch')} and torchvision {found('torchvision')} do not work together "
            f"({settings.first_line(error, 80)}). On Colab: Runtime > Disconnect and delete runtime, then start again; "
            f"elsewhere: pip install " + " ".join(f"{name}=={versions[name][0]}" for name in PACKAGES[:2])) from None


def install(packages):
    """Have pip bring small packages that are missing; without a network `require` says that they are."""
    if packages:
        versions = tested()
        subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check",
                        *(f"{name}=={versions[name][0]}" for name in packages)], capture_output=True)


def as_tested():
    """In a few words: torch's version, and which packages are not as tested."""
    versions = tested()
    other = [f"{name} {found(name)} is {says}" for name in PACKAGES
             if (says := compared(name, versions[name], found(name))) != "as tested"]
    return ("Ready, but not quite as tested: " + ", ".join(other) if other else
            f"Everything is as tested: torch {found('torch')}")


def runtime(dataset):
    """In a few words: which processor this machine has, or how to get a GPU where the data set needs one."""
    import torch
    if torch.cuda.is_available():
        gpu = torch.cuda.get_device_properties(0)
        return f"{gpu.name} with {gpu.total_memory / 2**30:.0f} GB of memory"
    if torch.backends.mps.is_available():
        return "Apple's GPU"
    if dataset == "shapes":
        return "no GPU (this data set needs none)"
    place = ("Settings > Accelerator > GPU T4 x2" if settings.on_kaggle() else
             "Runtime > Change runtime type > T4 GPU (on Colab)")
    return f"no GPU (training will take long; to get one: {place})"


def mount():
    """Mount Google Drive and return the course's folder there, or None where there is no Drive."""
    try:
        from google.colab import drive
    except ImportError:
        print("DRIVE: only Colab has Google Drive; here everything stays in the course folder")
        return None
    try:
        drive.mount(str(DRIVE))
        folder = DRIVE / "MyDrive" / "segmentation-course"
        folder.mkdir(parents=True, exist_ok=True)
    except Exception as error:  # whatever Colab raises when a person says no
        raise UsageError(f"DRIVE: Google Drive could not be reached ({settings.first_line(error)}). Run this cell "
                         "again and allow it, or set DRIVE = False") from None
    return folder


def _numbers(version):
    return tuple(int(number) for number in re.findall(r"\d+", version)[:3])
