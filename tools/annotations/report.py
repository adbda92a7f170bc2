"""The page that says what became of the annotations: counts, pictures to look at, and what was skipped."""

import base64
import random
from collections import Counter
from pathlib import Path

import torch
from markupsafe import Markup
from PIL import Image
from torchvision.transforms.functional import pil_to_tensor

from grading.report.page import render
from helpers import own, plotting
from helpers.settings import IGNORE_INDEX
from helpers.voc import Devkit

SHOWN = 10


def write(target, written, formats, source):
    """`report.html` into the folder `target`, one self-contained file."""
    names, palette = own.classes(target)
    data = Devkit(target, names, torch.from_numpy(palette))
    total = sum(written.images.values(), Counter())
    pixels = sum(count for value, count in total.items() if value != IGNORE_INDEX)
    rows = [{"name": name, "colour": "#{:02x}{:02x}{:02x}".format(*palette[index].tolist()), "pixels": total[index],
             "share": total[index] / max(pixels, 1),
             **{part: sum(index in written.images[one] for one in members) for part, members in written.splits.items()}}
            for index, name in enumerate(names)]
    left_out = {sample.name: Counter(sample.notes) for sample in written.of.values() if sample.notes}
    page = render("report.html.j2", templates=Path(__file__).parent, source=source, formats=formats, rows=rows,
                  notes=warnings(rows) + written.notes, void=total[IGNORE_INDEX] / max(total.total(), 1),
                  count=len(written.images), splits={part: len(members) for part, members in written.splits.items()},
                  skips=written.skips, left_out=left_out, examples=[
                      (written.of[name].name, picture(data, name)) for name in chosen(written.images)])
    (target / "report.html").write_text(page, encoding="utf-8", newline="\n")


def warnings(rows):
    """What a person should know of the counts before training, as sentences."""
    said = [f"{row['name']}: in no image at all, so nothing can be learned about it" for row in rows
            if not row["train"] + row["val"]]
    said += [f"{row['name']}: in {row['train'] + row['val']} image{'s' * (row['train'] + row['val'] > 1)} only; "
             "annotate more of it" for row in rows if 0 < row["train"] + row["val"] < 5]
    said += [f"{row['name']}: in no validation image, so its score will not be known" for row in rows
             if row["train"] > 1 and not row["val"]]
    return said


def chosen(images):
    """The names of up to ten images: first one for each class, the rarest first, then others by chance."""
    left = sorted(images)
    random.Random(0).shuffle(left)
    holders = Counter(value for counts in images.values() for value in counts)
    names = []
    for value in sorted(holders, key=holders.get):
        if not any(value in images[name] for name in names):
            names.append(next(name for name in left if value in images[name]))
    return (names + [name for name in left if name not in names])[:SHOWN]


def picture(data, name):
    """An image beside its overlay, as a data address."""
    image = Image.open(data.folder / "JPEGImages" / f"{name}.jpg")
    mask = Image.open(data.folder / "SegmentationClass" / f"{name}.png")
    scale = 600 / max(image.size)
    size = [max(1, round(side * min(scale, 1))) for side in image.size]
    pixels = pil_to_tensor(image.resize(size)) / 255
    target = pil_to_tensor(mask.resize(size, Image.Resampling.NEAREST))[0].long()
    figure = plotting.panels_figure([(pixels, "image"), (target, "mask"),
                                     (plotting.overlay(pixels, target, data.palette, 0.6), "overlay")], data, columns=3)
    return Markup(f"data:image/png;base64,{base64.b64encode(plotting.png(figure)).decode()}")
