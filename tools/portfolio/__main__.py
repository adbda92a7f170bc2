"""Write build/portfolio.html from what notebook 5 has left.

    make portfolio NAME="Your Name"                     in a terminal
    %run -m tools.portfolio "Your Name"                 in a notebook
"""

import argparse
import json
import sys
from pathlib import Path

from helpers import export, settings, training, voc
from helpers.settings import ROOT, SettingsError, show
from tools import portfolio


def main(arguments=None):
    parser = argparse.ArgumentParser(prog="make portfolio")
    parser.add_argument("name", nargs="?", default="", help="yours, as it shall stand on the page")
    parser.add_argument("--model", type=Path, metavar="MODEL_FILE",
                        help="model.safetensors of notebook 5 (the newest that it has left)")
    parser.add_argument("--demo", type=Path, default=ROOT / "build" / "demo" / "index.html", metavar="PAGE",
                        help="the page of `make demo`; left out where there is none, or an older one than the model")
    parser.add_argument("--to", type=Path, default=ROOT / "build" / "portfolio.html", metavar="PAGE")
    options = parser.parse_args(arguments)
    try:
        score, demo = make(options)
    except SettingsError as error:
        sys.exit(f"make portfolio: {error}")
    except KeyboardInterrupt:
        sys.exit("make portfolio: stopped; nothing was written")
    print(f"{show(options.to)}: mean IoU {score:.3f}, {options.to.stat().st_size / 1e6:.1f} MB"
          + (", with the demo inside" if demo else "; to have the demo inside, run `make demo` first")
          + ". One file: send it, or put it on any web space.")


def make(options):
    """Write the page; the mean IoU, and the demo that is inside or None."""
    config = settings.load()
    file = options.model or newest(ROOT / "build" / "course", config.output)
    if not file.is_file():
        raise SettingsError(f"model: expected {settings.MODEL_FILE}, found nothing at {show(file)}; run notebook 5 to "
                            "its end or `make course`, or give MODEL_FILE=file")
    model, card = export.load_model(file)
    data = voc.prepare(config)
    if list(data.class_names) != card["class_names"]:
        raise SettingsError(f"model: expected one of the classes of {config.dataset} ({', '.join(data.class_names)}), "
                            f"found one of {', '.join(card['class_names'])}; give the DATASET that it was trained on")
    demo = options.demo if is_newer(options.demo, file) else None
    score = portfolio.write(options.to, model, card["preprocessing"]["size"], history(file.parent), data, config,
                            options.name, demo, file)
    return score, demo


def newest(*folders):
    """The newest model file in folders where notebook 5 writes it; where it would be, if there is none."""
    files = [folder / settings.MODEL_FILE for folder in folders]
    return max((file for file in files if file.is_file()), key=lambda file: file.stat().st_mtime, default=files[-1])


def history(folder):
    """The epochs of the training, as notebook 4 has kept them beside the model."""
    try:
        return [training.Epoch(**record) for record in json.loads((folder / "history.json").read_text())]
    except (OSError, ValueError, TypeError):
        return []


def is_newer(page, model):
    return page.is_file() and page.stat().st_mtime >= model.stat().st_mtime


if __name__ == "__main__":
    main()
