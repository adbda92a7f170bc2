"""Figures: panels of images and masks, curves, bars. Each is shown with a text for those who cannot see it."""

import base64
import io

import numpy as np
import torch
from IPython.display import display
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator, PercentFormatter

from helpers.settings import IGNORE_INDEX

VOID_COLOUR = (224, 224, 192)
INK, ACCENT, FAINT = "#22303c", "#0072b2", "#b8c4ce"


def overlay(image, target, palette, alpha=0.5):
    """Class colours over an image: Float32[3, H, W] in [0, 1], a copy (exercise 5.4).

    `image` is Float32[3, H, W] in [0, 1], `target` Int64[H, W], `palette` UInt8[C, 3]; `alpha` is
    the share of the class colour. Background (0) and void (255) stay as they are.
    """
    result = image.clone()
    painted = (target != 0) & (target != IGNORE_INDEX)
    colours = palette.to(image)[target[painted].long()].T / 255  # Float32[3, painted pixels]
    result[:, painted] = (1 - alpha) * image[:, painted] + alpha * colours
    return result


def colorize(target, palette):
    """A label map as a picture, Float32[3, H, W] in [0, 1]; void is pale."""
    table = torch.tensor([VOID_COLOUR]).repeat(256, 1)
    table[:len(palette)] = palette
    return table[target.long()].permute(2, 0, 1) / 255


def png(figure):
    """The figure as PNG bytes, without the name of the program that drew it."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=80, bbox_inches="tight", metadata={"Software": None})
    return buffer.getvalue()


def show(figure, alt):
    """Display a matplotlib figure in the notebook with `alt`, its description in words."""
    data = {"image/png": base64.b64encode(png(figure)).decode(), "text/plain": alt}
    display(data, metadata={"image/png": {"alt": alt}}, raw=True)


def panels_figure(panels, devkit, columns=4, size=2.3):
    """A Figure of (picture, title) panels.

    A picture is an image Float32[3, H, W] in [0, 1] (or UInt8), a label map Int64[H, W], drawn in the
    colours of `devkit` with the names of its classes, or a heat map Float32[H, W] in [0, 1].
    """
    columns = min(columns, len(panels))
    rows = -(-len(panels) // columns)
    figure = Figure(figsize=(size * columns, (size + 0.25) * rows + 0.3), layout="constrained")
    present = set()
    for index, (picture, title) in enumerate(panels, 1):
        axes = figure.add_subplot(rows, columns, index)
        axes.set_title(title, fontsize=9, color=INK)
        axes.set_axis_off()
        picture = torch.as_tensor(np.asarray(picture)) if not torch.is_tensor(picture) else picture.detach().cpu()
        if picture.ndim == 3:
            axes.imshow(picture.permute(1, 2, 0), interpolation="nearest")
        elif picture.is_floating_point():
            axes.imshow(picture, cmap="viridis", vmin=0, vmax=1, interpolation="nearest")
        else:
            axes.imshow(colorize(picture, devkit.palette).permute(1, 2, 0), interpolation="nearest")
            present |= set(picture.unique().tolist())
            _name_regions(axes, picture, devkit.class_names)
    if present:
        _legend(figure, present, devkit)
    return figure


def panels(pictures, devkit, alt, columns=4, size=2.3):
    """Show `panels_figure`."""
    show(panels_figure(pictures, devkit, columns, size), alt)


def _name_regions(axes, target, class_names):
    """Each class's name on a pixel of it, so that colour is never alone."""
    for label in target.unique().tolist():
        where = (target == label).nonzero().float()
        if label in (0, IGNORE_INDEX) or label >= len(class_names) or len(where) < 0.01 * target.numel():
            continue
        y, x = where[(where - where.mean(0)).norm(dim=1).argmin()].tolist()
        axes.text(x, y, class_names[label], fontsize=7, ha="center", va="center", color="white", clip_on=True,
                  bbox={"facecolor": INK, "alpha": 0.7, "pad": 1, "edgecolor": "none"})


def _legend(figure, present, devkit):
    patches = [Patch(facecolor=devkit.palette[label].numpy() / 255, edgecolor=INK, label=name)
               for label, name in enumerate(devkit.class_names) if label in present]
    if IGNORE_INDEX in present:
        patches.append(Patch(facecolor=np.array(VOID_COLOUR) / 255, edgecolor=INK, hatch="////", label="void"))
    figure.legend(handles=patches, loc="outside lower center", ncols=7, fontsize=8, frameon=False)


def bars_figure(values, names, xlabel, colours=None, mark=None):
    """A Figure of horizontal bars with their figures; `mark` is a (value, label) line. NaN draws no bar."""
    figure = Figure(figsize=(6.5, 0.28 * len(names) + 0.9), layout="constrained")
    axes = figure.add_subplot()
    values = np.asarray(values, dtype=float)
    drawn = axes.barh(range(len(names)), np.nan_to_num(values), color=colours or ACCENT, edgecolor=INK, linewidth=0.5)
    axes.bar_label(drawn, [f"{value:.2f}" if np.isfinite(value) else "absent" for value in values], padding=3,
                   fontsize=8)
    axes.set_yticks(range(len(names)), names, fontsize=9)
    axes.invert_yaxis()
    axes.set_xlim(0, 1.12 * max(np.nan_to_num(values).max(), 1e-9))
    axes.set_xlabel(xlabel)
    axes.spines[["top", "right"]].set_visible(False)
    if mark:
        axes.axvline(mark[0], color=INK, linestyle="--", linewidth=1)
        axes.text(mark[0], -0.65, f" {mark[1]}", fontsize=8, va="bottom", color=INK)
    return figure


def class_bars(values, devkit, xlabel, alt, mark=None):
    """Show one bar per class, in the colours of `devkit`."""
    colours = (devkit.palette / 255).tolist()
    show(bars_figure(values, devkit.class_names, xlabel, colours, mark), alt)


def history_figure(history, epochs=None):
    """A Figure of training loss and validation mean IoU per epoch; `history` is a list of `training.Epoch`."""
    figure = Figure(figsize=(8, 2.8), layout="constrained")
    for index, (key, title) in enumerate([("loss", "training loss"), ("mean_iou", "validation mean IoU")], 1):
        axes = figure.add_subplot(1, 2, index)
        axes.plot([record.epoch + 1 for record in history], [getattr(record, key) for record in history],
                  marker="o", color=ACCENT)
        axes.set_title(title, fontsize=10, color=INK)
        axes.set_xlabel("epoch")
        axes.set_xlim(0.5, (epochs or max(len(history), 1)) + 0.5)
        axes.set_ylim(bottom=0)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.grid(color=FAINT, linewidth=0.5)
        axes.spines[["top", "right"]].set_visible(False)
        if key == "mean_iou":
            axes.yaxis.set_major_formatter(PercentFormatter(1))
            axes.axhline(0.4, color=INK, linestyle="--", linewidth=1, label="40 %: the goal")
            axes.legend(fontsize=8, frameon=False, loc="lower right")
            axes.set_ylim(0, max([0.45] + [1.1 * record.mean_iou for record in history]))
    return figure


def curve_figure(values, xlabel, title):
    """A Figure of one curve."""
    figure = Figure(figsize=(4.5, 2.4), layout="constrained")
    axes = figure.add_subplot()
    axes.plot(values, color=ACCENT)
    axes.set_title(title, fontsize=10, color=INK)
    axes.set_xlabel(xlabel)
    axes.set_ylim(bottom=0)
    axes.grid(color=FAINT, linewidth=0.5)
    axes.spines[["top", "right"]].set_visible(False)
    return figure


def stages_figure(shapes, size):
    """A Figure of a network's stages: each a box as high as its map, labelled with channels x height x width.

    `shapes` maps a stage to (C, H, W), as `models.stage_shapes` gives it; `size` is (H, W) of the image.
    """
    shapes = {"image": (3, *size)} | shapes
    figure = Figure(figsize=(0.5 * len(shapes) + 1, 3.6), layout="constrained")
    axes = figure.add_subplot()
    colours = {"image": INK, "backbone": ACCENT, "head": "#d55e00"}
    for place, (name, (channels, height, width)) in enumerate(shapes.items()):
        part = name.split()[0]
        axes.bar(place, height, width=0.35 + 0.12 * np.log10(channels), color=colours[part], alpha=0.85)
        axes.text(place, height + 0.02 * size[0], f"{channels}x{height}x{width}", rotation=90, fontsize=7,
                  ha="center", va="bottom", color=INK)
    axes.set_xticks(range(len(shapes)), [name.removeprefix("backbone ") for name in shapes], rotation=90, fontsize=8)
    axes.set_ylabel("height in pixels")
    axes.set_ylim(0, 1.35 * size[0])
    axes.legend(handles=[Patch(color=colour, label=part) for part, colour in colours.items()], fontsize=8,
                frameon=False, loc="upper right")
    axes.spines[["top", "right"]].set_visible(False)
    return figure


def confusion_figure(confusion, class_names):
    """A Figure of a confusion matrix, each row as shares of its target class."""
    shares = confusion.double() / confusion.sum(1, keepdim=True).clamp(min=1)
    count = len(class_names)
    figure = Figure(figsize=(0.32 * count + 2.6, 0.32 * count + 1.9), layout="constrained")
    axes = figure.add_subplot()
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    axes.set_xticks(range(count), class_names, rotation=90, fontsize=8)
    axes.set_yticks(range(count), class_names, fontsize=8)
    axes.set_xlabel("prediction")
    axes.set_ylabel("target")
    for row, column in (shares >= 0.05).nonzero().tolist():
        value = shares[row, column].item()
        axes.text(column, row, f"{100 * value:.0f}", ha="center", va="center", fontsize=7,
                  color="white" if value > 0.5 else INK)
    axes.set_title("per cent of each target class", fontsize=9, color=INK)
    return figure
