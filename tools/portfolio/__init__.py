"""`make portfolio`: a finished student's page, what they trained, how good it is and where it fails, in one file."""

import base64
import datetime
import hashlib
import html
import json
import sys
from pathlib import Path
from string import Template

import torch
from tqdm import tqdm

from helpers import metrics, models, plotting, training, transforms
from helpers.files import atomic
from helpers.settings import GOAL
from tools.address import repository

PAGE = Path(__file__).with_name("page.html")
SHOWN = 4  # of the best images, and of the worst
DATA = {"shapes": "drawings of the course's own: shapes on textured backgrounds",
        "voc": "photographs of Pascal VOC 2012", "own": "photographs of their own, annotated by hand"}


def write(path, model, size, history, devkit, settings, name="", demo=None, file=None):
    """Write the page of `model` to `path`, measured afresh on the validation images of `devkit`.

    `size` is that of `transforms.eval_transform`; `history`, a list of `training.Epoch`, may be empty; `name` is the
    student's. `demo` is a page to put inside, the path of an HTML file; `file` that of the model. Returns the mean
    IoU, 0..1.
    """
    images = devkit.open("val", transforms.eval_transform(size))
    labels, scores, confusion = look(model.to(settings.device).eval(), images, devkit.num_classes, settings.device)
    score = metrics.mean_iou(confusion)
    background, untrained = training.baselines(devkit, settings)
    order = sorted(range(len(scores)), key=scores.__getitem__)
    # no image is among both, however few there are
    best, worst = order[::-1][:min(SHOWN, -(-len(order) // 2))], order[:min(SHOWN, len(order) // 2)]
    page = Template(PAGE.read_text(encoding="utf-8")).substitute(
        title=html.escape(f"{name or 'I'} trained a model that names every pixel"),
        tiles=tiles({f"mean IoU on {len(images)} images that it had never seen": score,
                     "calling everything background": background, "the same network before training": untrained}),
        goal=f"{100 * GOAL:.0f} %", demo=demo_section(demo), curves=curves(history),
        classes=classes(confusion, devkit, score),
        best=examples(best, images, labels, scores, devkit, "best"),
        worst=examples(worst, images, labels, scores, devkit, "worst"),
        card=card(model, size, history, devkit, settings, file), date=f"{datetime.date.today():%d %B %Y}",
        address=f"https://github.com/{repository()}")
    with atomic(path) as half_done:
        half_done.write_text(page, encoding="utf-8")
    return score


@torch.no_grad()
def look(model, images, num_classes, device):
    """Of each image the label map (UInt8[size, size], void where there is no image) and its mean IoU; the confusion."""
    labels, scores, confusion = [], [], torch.zeros(num_classes, num_classes, dtype=torch.int64)
    for image, target in tqdm(images, desc="portfolio", unit="image", disable=not sys.stderr.isatty()):
        prediction = models.predict(model, image[None].to(device))[0].cpu()
        counts = metrics.confusion_matrix(target, prediction, num_classes)
        confusion += counts
        labels.append(plotting.without_padding(prediction, target).to(torch.uint8))
        scores.append(metrics.mean_iou(counts))
    return labels, scores, confusion


def percent(value):
    return f"{100 * value:.1f} %"


def tiles(values):
    return "".join(f"<div><strong>{percent(value)}</strong> {html.escape(says)}</div>"
                   for says, value in values.items())


def picture(figure, alt):
    data = base64.b64encode(plotting.png(figure)).decode()
    return f'<img src="data:image/png;base64,{data}" alt="{html.escape(alt)}">'


def table(head, rows):
    cells = "".join(f'<th scope="col">{html.escape(cell)}</th>' for cell in head)
    body = "".join("<tr>" + "".join(f"<td>{html.escape(str(cell))}</td>" for cell in row) + "</tr>" for row in rows)
    return (f"<details><summary>As a table</summary><table><thead><tr>{cells}</tr></thead><tbody>{body}</tbody></table>"
            "</details>")


def curves(history):
    if not history:
        return "<p>The record of this training was not kept.</p>"
    rows = [(record.epoch + 1, f"{record.loss:.3f}", percent(record.mean_iou)) for record in history]
    return (picture(plotting.history_figure(history), "Training loss and validation mean IoU after each epoch")
            + table(("epoch", "training loss", "mean IoU"), rows))


def classes(confusion, devkit, score):
    values = metrics.iou_per_class(confusion).tolist()
    figure = plotting.bars_figure(values, devkit.class_names, "IoU", (devkit.palette / 255).tolist(), (score, "mean"))
    rows = [(name, "absent" if value != value else percent(value)) for name, value in zip(devkit.class_names, values)]
    return picture(figure, "IoU of each class as bars, with the mean as a line") + table(("class", "IoU"), rows)


def examples(chosen, images, labels, scores, devkit, which):
    """A figure of some validation images, each above its target and its prediction."""
    if not chosen:
        return "<p>There are too few validation images to show any.</p>"
    rows = [[], [], []]
    for index in chosen:
        image, target = images[index]
        for row, panel in zip(rows, ((transforms.denormalize(image), f"mean IoU {scores[index]:.2f}"),
                                     (target, "target"), (labels[index], "prediction"))):
            row.append(panel)
    figure = plotting.panels_figure(sum(rows, []), devkit, columns=len(chosen))
    said = ", ".join(f"{scores[index]:.2f}" for index in chosen)
    return picture(figure, f"The {len(chosen)} {which} validation images, each above its target and prediction; "
                           f"mean IoU {said}")


def card(model, size, history, devkit, settings, file):
    """What one must know of the model before using it."""
    facts = {
        "Task": "semantic segmentation: one class for each pixel of a picture",
        "Classes": ", ".join(devkit.class_names),
        "Network": f"{type(model).__name__} of PyTorch, {sum(p.numel() for p in model.parameters()):,} parameters",
        "Trained on": f"{len(devkit.open('train'))} images with masks: {DATA[settings.dataset]}"
                      + (f"; {len(history)} epochs, {sum(record.seconds for record in history):.0f} s" * bool(history)),
        "Input": f"a picture of any size, fitted into {size} x {size} pixels",
        "Measured": "one confusion matrix over all validation images, void left out, as Pascal VOC does it",
        "Limits": "it knows these classes alone: anything else is called background, or what it resembles. It was made "
                  "to learn on, and has been tested on pictures like those that it was trained on",
    }
    if file:
        facts["File"] = f"{file.name}, {file.stat().st_size / 1e6:.1f} MB, SHA-256 " + hashlib.sha256(
            file.read_bytes()).hexdigest()[:16] + "…"
    return "".join(f"<dt>{name}</dt><dd>{html.escape(text)}</dd>" for name, text in facts.items())


def demo_section(demo):
    """A button that opens the demo within the page, and the demo as text, in which no < can end a script."""
    if not demo:
        return ""
    text = json.dumps(demo.read_text(encoding="utf-8")).replace("<", "\\u003c")
    return ('<section aria-labelledby="try"><h2 id="try">Try it</h2><p>The model is inside this page and runs in your '
            'browser. No picture leaves it.</p><p><button id="open" type="button">Open the demo</button></p>'
            f'<div id="place"></div></section><script type="application/json" id="demo">{text}</script>')
