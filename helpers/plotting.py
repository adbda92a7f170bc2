"""Figures: panels of images and label maps, bars, curves. Each is shown with a text for those who cannot see it."""

import base64
import io
from math import floor, log10

import matplotlib
import numpy as np
import torch
from IPython.display import display
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator, PercentFormatter

from helpers.settings import GOAL, IGNORE_INDEX, VOID_COLOUR

WIDTH = 8  # inches, at 100 pixels each: at home on a screen 800 pixels wide
INK, ACCENT, SECOND, FAINT = "#22303c", "#0072b2", "#d55e00", "#b8c4ce"
NO_CLASS = (128, 128, 128)  # a label that is neither a class nor void
_READABLE = 130  # a label map of at most so many pixels shows its numbers
_HATCH = "////"  # void's pattern, in masks and legends


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
    """A label map as a picture, Float32[3, H, W] in [0, 1]; void is pale, a label that is no class grey."""
    table = torch.tensor([NO_CLASS]).repeat(256, 1)
    table[IGNORE_INDEX] = torch.tensor(VOID_COLOUR)
    table[:len(palette)] = palette
    return table[target.long()].permute(2, 0, 1) / 255


def without_padding(prediction, target):
    """`prediction` Int64[H, W] with void where there is no image: in rows and columns of `target` that are all void."""
    void = target == IGNORE_INDEX
    return prediction.where(~(void.all(0) | void.all(1, keepdim=True)), IGNORE_INDEX)


def png(figure):
    """The figure as PNG bytes, without the name of the program that drew it."""
    buffer = io.BytesIO()
    if figure.get_layout_engine():
        figure.get_layout_engine().execute(figure)  # once more than savefig: the first cuts titles of square panels
    figure.savefig(buffer, format="png", dpi=100, metadata={"Software": None})
    return buffer.getvalue()


def show(figure, alt):
    """Display a matplotlib figure in the notebook with `alt`, its description in words."""
    data = {"image/png": base64.b64encode(png(figure)).decode(), "text/plain": alt}
    display(data, metadata={"image/png": {"alt": alt}}, raw=True)


def panels_figure(panels, devkit, columns=4, names=None, square=False, large=False):
    """A Figure of (picture, title) panels, row by row.

    A picture is an image Float32[3, H, W] in [0, 1] (or UInt8), a heat map Float32[H, W] in [0, 1], or a label map
    Int64[H, W], drawn in the colours of `devkit` with `names` (by default those of its classes). One of a few
    pixels shows its numbers. With `square` every panel has room for a square, whatever the picture's shape is; with
    `large` one or two take the whole width.
    """
    names = names or devkit and devkit.class_names
    panels = [(torch.as_tensor(picture).detach().cpu(), title) for picture, title in panels]
    columns = min(columns, len(panels))
    rows = -(-len(panels) // columns)
    width = WIDTH / (columns if large else max(columns, 2.5))
    tallest = max(picture.shape[-2] / picture.shape[-1] for picture, _ in panels)
    height = width * (1 if square else min(1, tallest))
    figure = Figure(figsize=(width * columns, (height + 0.2) * rows + (0.47 if large else 0.35)), layout="constrained")
    present, heat = set(), False
    for index, (picture, title) in enumerate(panels, 1):
        axes = figure.add_subplot(rows, columns, index)
        axes.set_title(title, fontsize=10, color=INK)
        axes.set_axis_off()
        if picture.ndim == 3:
            axes.imshow(picture.permute(1, 2, 0), interpolation="nearest")
        elif picture.is_floating_point():
            axes.imshow(picture, cmap="viridis", vmin=0, vmax=1, interpolation="nearest")
            heat = True
        else:
            _draw_labels(axes, picture, devkit.palette, names, 100 * width)
            present |= set(picture.unique().tolist())
    if present or heat:
        _legend(figure, present, devkit, names, heat)
    return figure


def panels(pictures, devkit, alt, columns=4, names=None):
    """Show `panels_figure`."""
    show(panels_figure(pictures, devkit, columns, names), alt)


def _draw_labels(axes, target, palette, names, pixels):
    """A label map in colours, each told by more than its colour: numbers, names, and a pattern for void.

    `pixels` is the width of the panel on the screen.
    """
    colours = colorize(target, palette)
    axes.imshow(colours.permute(1, 2, 0), interpolation="nearest")
    if target.numel() <= _READABLE:
        for y, x in np.ndindex(*target.shape):
            ink = "white" if colours[:, y, x].mean() < 0.5 else INK
            axes.text(x, y, int(target[y, x]), fontsize=9, ha="center", va="center", color=ink)
        return
    void = target == IGNORE_INDEX
    if void.any():
        with matplotlib.rc_context({"hatch.linewidth": 0.6}):
            axes.contourf(void.float(), levels=[0.5, 1], colors="none", hatches=[_HATCH])
    for label in set(target.unique().tolist()) - {0, IGNORE_INDEX}:
        where = (target == label).nonzero().float()
        if label < len(names) and len(where) >= 0.01 * target.numel():
            y, x = where[(where - where.mean(0)).norm(dim=1).argmin()].tolist()
            height, width = ((where.amax(0) - where.amin(0) + 1) * pixels / max(target.shape)).tolist()
            upright = height > width and 7 * len(names[label]) > width  # a letter is about 7 pixels wide
            axes.text(x, y, names[label], fontsize=8, ha="center", va="center", color="white", clip_on=True,
                      rotation=90 * upright, bbox={"facecolor": INK, "alpha": 0.7, "pad": 1, "edgecolor": "none"})


def _legend(figure, present, devkit, names, heat):
    entries = [(devkit.palette[label].numpy() / 255, "", name) for label, name in enumerate(names or ())
               if label in present]
    if present - set(range(len(names or ()))) - {IGNORE_INDEX}:
        entries.append((np.array(NO_CLASS) / 255, "", "no class"))
    if IGNORE_INDEX in present:
        entries.append((np.array(VOID_COLOUR) / 255, _HATCH, "void"))
    if heat:
        viridis = matplotlib.colormaps["viridis"]
        entries += [(viridis(0.0), "", "map: low"), (viridis(1.0), "", "map: high")]
    with matplotlib.rc_context({"hatch.linewidth": 0.6}):
        patches = [Patch(facecolor=colour, edgecolor=INK, hatch=hatch, label=name) for colour, hatch, name in entries]
    rows = -(-len(patches) // max(1, int(figure.get_size_inches()[0] / 1.1)))  # an inch for the longest of VOC's names
    figure.legend(handles=patches, loc="outside lower center", ncols=-(-len(patches) // rows), fontsize=10,
                  frameon=False, handlelength=1.6, columnspacing=1.4)


def _axes(figure, *place, title="", xlabel="", ylabel=""):
    """Axes with two spines, in one size of letters."""
    axes = figure.add_subplot(*place)
    axes.set_title(title, fontsize=11, color=INK)
    axes.set_xlabel(xlabel, fontsize=10)
    axes.set_ylabel(ylabel, fontsize=10)
    axes.tick_params(labelsize=10)
    axes.spines[["top", "right"]].set_visible(False)
    return axes


def number(value):
    """A bar's figure: a count in full, a ratio with two digits that say something, so that 0.004 is not 0.00."""
    if isinstance(value, int):
        return f"{value:,}"
    if not np.isfinite(value):
        return "absent"
    return f"{value:.{2 if value == 0 or value >= 0.1 else 1 - floor(log10(value))}f}"


def bars_figure(values, names, xlabel, colours=None, mark=None):
    """A Figure of horizontal bars with their figures; `mark` is a (value, label) line. NaN draws no bar."""
    figure = Figure(figsize=(WIDTH, 0.32 * len(names) + (1.1 if mark else 0.8)), layout="constrained")
    axes = _axes(figure, xlabel=xlabel)
    lengths = np.nan_to_num(np.asarray(values, dtype=float))
    drawn = axes.barh(range(len(names)), lengths, color=colours or ACCENT, edgecolor=INK, linewidth=0.5)
    axes.bar_label(drawn, [number(value) for value in values], padding=3, fontsize=10,
                   bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.5})
    axes.set_yticks(range(len(names)), names)
    axes.invert_yaxis()
    axes.set_xlim(0, 1.12 * max(lengths.max(), 1e-9))
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}" if lengths.max() > 10 else f"{value:.4g}")
    if mark:
        axes.axvline(mark[0], color=INK, linestyle="--", linewidth=1, zorder=2)
        axes.text(mark[0], -0.65, f" {mark[1]}", fontsize=10, va="bottom", color=INK)
    return figure


def class_bars(values, devkit, xlabel, alt, mark=None):
    """Show one bar per class, in the colours of `devkit`; `values` is Float[C], NaN for an absent class."""
    colours = (devkit.palette / 255).tolist()
    show(bars_figure(values.tolist(), devkit.class_names, xlabel, colours, mark), alt)


def history_figure(history, epochs=None):
    """A Figure of training loss and validation mean IoU per epoch; `history` is a list of `training.Epoch`."""
    figure = Figure(figsize=(WIDTH, 2.8), layout="constrained")
    for index, (key, title) in enumerate([("loss", "training loss"), ("mean_iou", "validation mean IoU")], 1):
        axes = _axes(figure, 1, 2, index, title=title, xlabel="epoch")
        axes.plot([record.epoch + 1 for record in history], [getattr(record, key) for record in history],
                  marker="o", color=ACCENT)
        axes.set_xlim(0.5, (epochs or max(len(history), 1)) + 0.5)
        axes.set_ylim(bottom=0)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.grid(color=FAINT, linewidth=0.5)
        if key == "mean_iou":
            axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
            axes.axhline(GOAL, color=INK, linestyle="--", linewidth=1, label=f"{100 * GOAL:.0f} %: the goal")
            axes.legend(fontsize=10, frameon=False, loc="lower right")
            axes.set_ylim(0, max([0.45] + [1.1 * record.mean_iou for record in history]))
    return figure


def curve_figure(values, xlabel, title):
    """A Figure of one curve."""
    figure = Figure(figsize=(WIDTH, 2.6), layout="constrained")
    axes = _axes(figure, title=title, xlabel=xlabel)
    axes.plot(values, color=ACCENT)
    axes.set_ylim(bottom=0)
    axes.grid(color=FAINT, linewidth=0.5)
    return figure


def starts_figure(curves, history=None):
    """A Figure of what a pretrained start is worth: mean IoU by epoch, the mean of several trainings and their range.

    `curves` is `pretrained.curves()`; `history`, a list of `training.Epoch`, is drawn beside them.
    """
    figure = Figure(figsize=(WIDTH, 3), layout="constrained")
    axes = _axes(figure, xlabel="epoch", ylabel="validation mean IoU")
    for start, colour, marker in (("pretrained", ACCENT, "o"), ("random", SECOND, "s")):
        scores = np.array(curves[start])
        epochs = np.arange(1, scores.shape[1] + 1)
        axes.fill_between(epochs, scores.min(0), scores.max(0), color=colour, alpha=0.25, linewidth=0)
        axes.plot(epochs, scores.mean(0), color=colour, marker=marker, label=f"{start} start, {len(scores)} trainings")
    if history:
        axes.plot([record.epoch + 1 for record in history], [record.mean_iou for record in history], color=INK,
                  linestyle=":", marker="x", label="yours")
    axes.set_ylim(0, 1)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    axes.grid(color=FAINT, linewidth=0.5)
    axes.legend(fontsize=10, frameon=False, loc="upper left", bbox_to_anchor=(1, 1))
    return figure


def stages_figure(shapes, size):
    """A Figure of a network's stages: each a box as high as its map, labelled with channels, height x width.

    `shapes` maps a stage to (C, H, W), as `models.stage_shapes` gives it; `size` is (H, W) of the image. Stages of
    the backbone that have the same shape share a box.
    """
    boxes = []
    for name, shape in ({"image": (3, *size)} | shapes).items():
        part, _, stage = name.partition(" ")
        if part == "backbone" and boxes[-1][0] == (part, shape):
            boxes[-1][1].append(stage)
        else:
            boxes.append(((part, shape), [stage]))
    figure = Figure(figsize=(WIDTH, 3.6), layout="constrained")
    axes = _axes(figure, ylabel="height in pixels")
    colours = {"image": INK, "backbone": ACCENT, "head": SECOND}
    ticks = []
    for place, ((part, (channels, height, width)), stages) in enumerate(boxes):
        axes.bar(place, height, width=0.3 + 0.15 * log10(channels), color=colours[part])
        axes.text(place, height + 0.02 * size[0], f"{channels}\n{height}×{width}", fontsize=10, ha="center",
                  va="bottom", color=INK)
        ticks.append("–".join(dict.fromkeys((stages[0], stages[-1]))).replace("_", "_\n") or part)
    axes.set_xticks(range(len(boxes)), ticks, fontsize=9)
    axes.set_ylim(0, 1.2 * size[0])
    axes.legend(handles=[Patch(color=colour, label=part) for part, colour in colours.items()], fontsize=10,
                frameon=False, loc="upper right", title="channels, height × width of", title_fontsize=10)
    return figure


def confusion_figure(confusion, class_names):
    """A Figure of a confusion matrix, each row as shares of its target class."""
    shares = confusion.double() / confusion.sum(1, keepdim=True).clamp(min=1)
    count = len(class_names)
    side = min(0.7, 6.5 / count)  # inches of a cell
    figure = Figure(figsize=(side * count + 1.5, side * count + 1.5), layout="constrained")
    axes = _axes(figure, title="per cent of each target class", xlabel="prediction", ylabel="target")
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    axes.set_xticks(range(count), class_names, rotation=90 if count > 8 else 45)
    axes.set_yticks(range(count), class_names)
    for row, column in (shares >= 0.005).nonzero().tolist():
        value = shares[row, column].item()
        axes.text(column, row, f"{100 * value:.0f}", ha="center", va="center", fontsize=min(11, 25 * side),
                  color="white" if value > 0.5 else INK)
    return figure
