"""`bash colab_setup.sh verify`: run the five solutions by nbval-lax and say whether the goal is reached.

Everything printed goes to verify.log in the working folder too, for an instructor to keep. The exit
code is 0 only if every cell ran and the mean IoU is above the goal.
"""

import importlib.util
import json
import platform
import shutil
import subprocess
import sys
import time

from helpers import notebook, settings, voc
from tools import notebooks

OUTPUT = settings.ROOT / "build" / "verify"


def main():
    start = time.perf_counter()
    with open("verify.log", "w", encoding="utf-8") as log:
        def say(line):
            print(line, flush=True)
            print(line, file=log, flush=True)
        try:
            passed = verify(say)
        except settings.SettingsError as error:
            say(f"verify: {error}")
            passed = False
        say(f"{time.perf_counter() - start:.0f} s; this log is in verify.log")
    sys.exit(0 if passed else 1)


def verify(say):
    """Run everything, one line of the log after the other through `say`; whether it passed."""
    config = settings.load()
    runtime = f"Runtime: {notebook.runtime(config.dataset)}"
    for line in (about(), *notebook.table().splitlines(), runtime, *warnings(config)):
        say(line)
    devkit = voc.prepare(config)
    train, val = (len(devkit.open(split)) for split in ("train", "val"))
    say(f"Data:    {config.dataset}, {train} training and {val} validation images")
    shutil.rmtree(OUTPUT, ignore_errors=True)
    ran = run_solutions(say, settings.environment(OUTPUT=OUTPUT, DATA_ROOT=devkit.root))
    try:
        results = json.loads((OUTPUT / "evaluation.json").read_text())
    except OSError:
        say("verify: no mean IoU, because notebook 5 did not run to its end: not passed")
        return False
    for name, value in results.items():
        say(f"{name:22} {value:.3f}")
    score = results["mean_iou"]
    good = score >= settings.GOAL and ran
    say(f"mean IoU {score:.3f}: {'above' if score >= settings.GOAL else 'not above'} {settings.GOAL:.2f}"
        f"{'' if ran else ', but not every cell ran'}: {'passed' if good else 'not passed'}")
    return good


def about():
    """What was verified: the course's commit, Python, the day."""
    commit = subprocess.run(["git", "-C", settings.ROOT, "rev-parse", "--short", "HEAD"], capture_output=True,
                            text=True)
    return (f"segmentation-course {commit.stdout.strip() or 'without git'}, Python {platform.python_version()}, "
            f"{time.strftime('%Y-%m-%d')}")


def warnings(config):
    """What a reader of the log must know of the data and the device."""
    if config.dataset == "shapes":
        yield "Asked for DATASET=shapes: the small pictures that the course draws, not real photographs"
    elif config.device.type == "cpu":
        yield "No GPU: real photographs on a CPU take ten minutes or more"


def run_solutions(say, environment):
    """nbval-lax over the five solutions, in order; whether every cell ran."""
    if not importlib.util.find_spec("nbval"):
        subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", f"nbval=={notebook.tested()['nbval'][0]}"],
                       check=True)
    command = [sys.executable, "-m", "pytest", "-v", "-o", "addopts=", "--no-header", "-p", "no:cacheprovider",
               "--rootdir", str(settings.ROOT), "--nbval-lax", "--nbval-current-env", "--nbval-cell-timeout", "14400",
               *(str(notebooks.solution(name)) for name in notebooks.NAMES)]
    with subprocess.Popen(command, cwd=settings.ROOT, env=environment, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
        for line in process.stdout:
            say(line.rstrip())
    return process.returncode == 0


if __name__ == "__main__":
    main()
