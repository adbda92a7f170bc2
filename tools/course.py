"""`make course`: run the five solution notebooks and write build/course/.

With `--store` the outputs go back into `solutions/`, which is how stored outputs are made. With `--only 5` or
`--only 05_evaluation` one notebook is run, on what an earlier run has left: notebook 5 finds the trained model.
"""

import argparse
import base64
import json
import os
import resource
import shutil
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import nbformat
from bs4 import BeautifulSoup
from nbclient.exceptions import CellExecutionError
from nbconvert import HTMLExporter
from tqdm import tqdm

from helpers import models, settings, voc
from tools import notebooks

OUTPUT = settings.ROOT / "build" / "course"


def main():
    parser = argparse.ArgumentParser(prog="make course")
    parser.add_argument("--store", action="store_true")
    parser.add_argument("--only", type=one_of_the_notebooks, metavar="NOTEBOOK")
    args = parser.parse_args()
    start = time.perf_counter()
    try:
        config = settings.load()
        devkit = voc.prepare(config)
        if config.weights:
            models.create(config.model, devkit.num_classes, config.weights)
    except settings.SettingsError as error:
        sys.exit(f"make course: {error}")
    if not args.only:
        shutil.rmtree(OUTPUT, ignore_errors=True)
    OUTPUT.mkdir(parents=True, exist_ok=True)
    environment = settings.environment(OUTPUT=OUTPUT, DATA_ROOT=config.data_root, WEIGHTS=config.weights)
    if args.only:
        run_one(args.only, environment, args.store)
        return
    seconds = run_all(environment, args.store)
    results = {"dataset": config.dataset, "device": str(config.device),
               **json.loads((OUTPUT / "evaluation.json").read_text()),
               "seconds": round(time.perf_counter() - start, 1), "notebooks": seconds}
    (OUTPUT / "results.json").write_text(json.dumps(results, indent=1) + "\n")
    report(results)


def one_of_the_notebooks(text):
    """The name of a notebook that is given by its name or its number."""
    for name in notebooks.NAMES:
        if text in (name, name[:2], name[1:2]):
            return name
    raise argparse.ArgumentTypeError(f"expected 1 to {len(notebooks.NAMES)} or one of {', '.join(notebooks.NAMES)}, "
                                     f"found {text!r}")


def run_all(environment, store):
    """Execute the notebooks, those before the training at once, on a core each; name to the seconds it took."""
    *first, training, evaluation = notebooks.NAMES
    cores = os.cpu_count() or 1
    shared = {"OMP_NUM_THREADS": str(max(1, cores // len(first)))} | environment  # who has set it, knows better
    with ThreadPoolExecutor(min(cores, len(first))) as pool:
        seconds = dict(zip(first, pool.map(lambda name: run_one(name, shared, store), first)))
    return seconds | {name: run_one(name, environment, store) for name in (training, evaluation)}


def run_one(name, environment, store=False):
    """Execute one notebook, keep it as .ipynb and .html, with `store` in `solutions/` too; the seconds it took."""
    start = time.perf_counter()
    notebook = nbformat.read(notebooks.solution(name), as_version=4)
    code = [index for index, cell in enumerate(notebook.cells) if cell.cell_type == "code"]
    with tqdm(total=len(code), desc=f"{name:15}", unit="cell", bar_format="{desc} {bar} {n_fmt}/{total_fmt} cells"
              " {elapsed}{postfix}", disable=not sys.stderr.isatty()) as progress, watch_training(progress, name):
        done = 0

        def on_cell(**_):
            nonlocal done
            done += 1
            progress.update()
        try:
            notebooks.run(notebook, notebooks.solution(name).parent, environment, on_cell)
        except CellExecutionError as error:
            notebooks.write(notebook, OUTPUT / f"{name}.ipynb")
            last = str(error).strip().splitlines()[-1]
            progress.close()
            sys.exit(f"make course: {name} stopped at cell {done + 1} of {len(code)}: {last}\n"
                     f"The notebook up to there: {settings.show(OUTPUT / name)}.ipynb")
    notebooks.tidy(notebook)
    notebooks.write(notebook, OUTPUT / f"{name}.ipynb")
    (OUTPUT / f"{name}.html").write_text(as_page(notebook, name))
    if store:
        notebooks.write(notebook, notebooks.solution(name))
        store_picture(notebook)
    seconds = round(time.perf_counter() - start, 1)
    if progress.disable:
        print(f"{name:15} {len(code)} cells in {seconds} s", flush=True)
    return seconds


# nbconvert's page, with contrast enough for everybody, links that are more than a colour, and code that prints whole
STYLE = """
:root { --jp-mirror-editor-comment-color: #2f6363; --jp-mirror-editor-number-color: #006600;
  --jp-mirror-editor-operator-color: #7a00cc; --jp-mirror-editor-meta-color: #7a00cc;
  --jp-cell-prompt-not-active-opacity: 1; --jp-cell-prompt-not-active-font-color: #5a5a5a; }
.jp-RenderedHTMLCommon a:not(.anchor-link) { text-decoration: underline; }
.jp-RenderedMarkdown code { overflow-wrap: anywhere; white-space: pre-wrap; }
@media print { .highlight pre { white-space: pre-wrap; } img { max-width: 100%; break-inside: avoid; } }
"""


def as_page(notebook, name):
    """The notebook as HTML that everybody can read: figures with their descriptions, which nbconvert leaves out."""
    page = BeautifulSoup(HTMLExporter().from_notebook_node(
        notebook, {"metadata": {"name": name.replace("_", " ")}})[0], "html.parser")
    page.head.append(page.new_tag("style", string=STYLE))
    for number, table in enumerate(page.select(".jp-MarkdownOutput:has(table)"), start=1):
        # wider than a telephone: the keyboard can scroll it
        table["tabindex"], table["role"], table["aria-label"] = "0", "region", f"Text with table {number}"
    for link in page.select("a[href^='../0']"):  # the other notebooks lie beside this one, as pages
        link["href"] = link["href"].rpartition("/")[2].replace(".ipynb", ".html")
    figures = [output.data["text/plain"] for cell in notebook.cells for output in cell.get("outputs", [])
               if "image/png" in output.get("data", {})]
    for image, description in zip(page.select(".jp-RenderedImage img"), figures, strict=True):
        image["alt"] = description
    return str(page)


def store_picture(notebook):
    """Keep the README's picture: the last images of notebook 5 with targets and predictions."""
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            if output.get("data", {}).get("text/plain", "").startswith("The four best"):
                path = settings.ROOT / "docs" / "predictions.png"
                path.parent.mkdir(exist_ok=True)
                path.write_bytes(base64.b64decode(output.data["image/png"]))


class watch_training:
    """Shows what the notebook's training has reached, from its history file: in a progress bar, or a line an epoch."""

    def __init__(self, progress, name):
        self.progress, self.name, self.done = progress, name, threading.Event()
        self.seen = len(self.history())
        self.thread = threading.Thread(target=self.watch, daemon=True)

    def history(self):
        try:
            return json.loads(Path(OUTPUT, "history.json").read_text())
        except (OSError, ValueError):
            return []

    def watch(self):
        while not self.done.wait(1):
            history = self.history()
            if len(history) > self.seen:
                says = f"epoch {len(history)}, mean IoU {history[-1]['mean_iou']:.3f}"
                self.progress.set_postfix_str(says)
                if self.progress.disable:
                    print(f"{self.name:15} {says}", flush=True)
            self.seen = len(history)
            self.progress.refresh()

    def __enter__(self):
        self.thread.start()

    def __exit__(self, *_):
        self.done.set()
        self.thread.join()


def report(results):
    for key in ("dataset", "device", "mean_iou", "mean_iou_at_mask_size", "baseline_mean_iou", "untrained_mean_iou",
                "seconds"):
        value = results[key]
        print(f"{key:22} {value:.3f}" if isinstance(value, float) else f"{key:22} {value}")
    # Linux counts in KiB, macOS in bytes
    unit = 1 if sys.platform == "darwin" else 1024
    print(f"{'peak memory':22} {resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * unit / 1e9:.2f} GB")
    print(f"written                {settings.show(OUTPUT)}/: notebooks as .ipynb and .html, "
          f"{settings.MODEL_FILE}, model.pt2, model.onnx, results.json")


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit("make course: stopped; what was trained is kept in build/course until the next run")
