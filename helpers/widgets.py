"""The interactive explorers: controls above a picture that follows them.

Where there is no kernel (GitHub, nbconvert, a grader, a notebook opened again), a still figure and a
description in words are shown instead. They run with ipywidgets 7 (Colab) and 8, draw nothing from the
global random generators and return None.
"""

import time
from functools import lru_cache, partial

import torch
from ipywidgets import (
    HTML,
    BoundedIntText,
    Button,
    Checkbox,
    Dropdown,
    FloatProgress,
    FloatSlider,
    IntSlider,
    Layout,
    VBox,
)
from matplotlib.patches import Rectangle
from torchvision import tv_tensors
from torchvision.transforms.v2 import functional as F

from helpers import metrics, photographs, plotting, transforms, voc
from helpers.controls import Explorer, control, fraction, in_words, picture, row, show
from helpers.own_picture import explore_photograph  # noqa: F401  (an explorer like those here)
from helpers.settings import IGNORE_INDEX, VOID_COLOUR

WRONG = (213, 94, 0)  # vermilion, which the colour-blind tell from grey
DARKEST = 0.75  # of the grey image behind, 0..1, so that the wrong pixels are darker as well
_RUN = "Run the cell to use it; this is what it starts with."
_COLOURS = {"brightness": F.adjust_brightness, "contrast": F.adjust_contrast, "saturation": F.adjust_saturation}


def browse(devkit, split="train"):
    """Look through the images of `split` ("train" or "val") and their masks, all classes or one at a time."""
    dataset = _open(devkit, split)

    def draw(index, name, opacity, void):
        image, mask = map(F.pil_to_tensor, dataset[index])
        image, target = image / 255, mask[0].long()
        caption = f"Image {index}, {image.shape[2]} × {image.shape[1]} pixels: {in_words(target, devkit)}."
        if name != "all":
            label = devkit.class_names.index(name)
            if not (target == label).any():
                caption += f" No {name} here; previous and next lead to images that have it."
            target = target.where((target == label) | (target == IGNORE_INDEX), 0)
        if not void:
            target = target.where(target != IGNORE_INDEX, 0)
        only = "" if name == "all" else f", {name} only"
        return plotting.panels_figure([(image, f"image {index}"), (target, f"mask{only}"),
                                       (_blend(image, target, devkit, opacity), f"mask over image{only}")],
                                      devkit, columns=3, square=True), caption

    def step(direction, _):
        index, name = controls["index"].value, controls["name"].value
        for _ in range(len(dataset)):
            index = (index + direction) % len(dataset)
            if name == "all" or (voc.load_target(dataset.masks[index]) == devkit.class_names.index(name)).any():
                break
        controls["index"].value = index

    controls = {
        "index": control(BoundedIntText, "image", "Which image: type its number in the data set", max=len(dataset) - 1),
        "name": control(Dropdown, "class", "Every class, or one: which is where?",
                         options=["all", *devkit.class_names]),
        "opacity": fraction("opacity", "How much of the class colour covers the image", 0.5),
        "void": control(Checkbox, "show void", "Pixels that nobody labelled (255), mostly borders", value=True),
    }
    buttons = [control(Button, "previous", "To the image before that has the chosen class", icon="arrow-left"),
               control(Button, "next", "To the next image that has the chosen class", icon="arrow-right")]
    for button, direction in zip(buttons, (-1, 1)):
        button.on_click(partial(step, direction))
    Explorer(draw, controls).show(
        f"A browser of the {split} images: image, mask, and the mask over the image. {_RUN}", buttons)


def explore_augmentation(devkit, size, scale=(0.75, 1.5), jitter=0.3):
    """Turn the knobs of a random transform by hand, or let one seed draw them for image and mask.

    `size` is the side of the square that is cut out, `scale` the range of the zoom (1 fits the
    whole image in), `jitter` the share by which colours may change.
    """
    dataset = _open(devkit, "train")

    def knobs(seed):
        zoom, x, y, flip = _chance(seed)[:4]
        return {"zoom": scale[0] + zoom * (scale[1] - scale[0]), "x": x, "y": y, "flip": flip < 0.5}

    def draw(index, seed, zoom, x, y, crop, jitter, flip):
        image, mask = map(F.pil_to_tensor, dataset[index])
        height, width = mask.shape[1:]
        ratio = zoom * min(size / height, size / width)
        resized = [round(ratio * height), round(ratio * width)]
        top, left = round(y * (resized[0] - crop)), round(x * (resized[1] - crop))

        def geometry(item, fill):
            item = F.pad(F.resize(item, resized), [crop], fill=fill)  # room for a crop that leaves the image
            item = F.crop(item, crop + top, crop + left, crop, crop)
            return F.horizontal_flip(item) if flip else item

        new_image = geometry(tv_tensors.Image(image), 0)
        new_mask = geometry(tv_tensors.Mask(mask), IGNORE_INDEX)
        factors = [1 + jitter * (2 * number - 1) for number in _chance(seed)[4:]]
        for adjust, factor in zip(_COLOURS.values(), factors):
            new_image = adjust(new_image, factor)
        figure = plotting.panels_figure([(image, f"image {index} and crop"), (mask[0], "mask and crop"),
                                         (new_image, "the result: image"), (new_mask[0], "the result: mask")],
                                        devkit, square=True)
        for axes in figure.axes[:2]:
            _outline(axes, left / ratio, top / ratio, crop / ratio)
        changes = ", ".join(f"{name} × {factor:.2f}" for name, factor in zip(_COLOURS, factors))
        return figure, (f"Both: resized to {resized[1]} × {resized[0]}, cut to {crop} × {crop} at x = {left}, "
                        f"y = {top}{', flipped' if flip else ''}. The image alone: {changes}.")

    first = knobs(0)
    controls = {
        "index": control(BoundedIntText, "image", "Which training image: type its number", max=len(dataset) - 1),
        "seed": control(IntSlider, "seed", "Each seed draws another zoom, crop, flip and colours", max=99),
        "zoom": control(FloatSlider, "zoom", "1 fits the whole image into the square", value=first["zoom"],
                         min=scale[0], max=scale[1], step=0.01),
        "x": fraction("crop x", "The place of the crop, from left (0) to right (1)", first["x"]),
        "y": fraction("crop y", "The place of the crop, from top (0) to bottom (1)", first["y"]),
        "crop": control(IntSlider, "crop size", "The side of the square that is cut out, in pixels", value=size,
                         min=size // 2, max=3 * size // 2),
        "jitter": fraction("jitter", "How far colours may change; a mask has no colours", jitter),
        "flip": control(Checkbox, "flip", "Mirror image and mask", value=first["flip"]),
    }
    Explorer(draw, controls, moves={"seed": knobs}).show(
        "An augmentation to turn by hand: an image and its mask, the crop marked on both, and the image and mask that "
        f"come out of the same zoom, crop and flip. {_RUN}")


def explore_predictions(model, devkit, size, images=60):
    """The first `images` validation images from worst to best IoU, with what `model` makes of each pixel.

    `size` is that of `transforms.eval_transform`. The model is asked in eval mode, on the device
    that it is on, and left as it was.
    """
    dataset = _open(devkit, "val", transforms.eval_transform(size))
    scores = []
    for index in range(min(images, len(dataset))):
        image, target = dataset[index]
        prediction = _probabilities(model, image, devkit).argmax(0)
        scores.append(metrics.mean_iou(metrics.confusion_matrix(target, prediction, devkit.num_classes)))
    order = torch.tensor(scores).argsort(stable=True).tolist()

    @lru_cache(maxsize=1)
    def look(rank):
        image, target = dataset[order[rank]]
        return transforms.denormalize(image), target, _probabilities(model, image, devkit)

    def draw(rank, opacity, name, x, y):
        image, target, probabilities = look(rank)
        confidence, prediction = probabilities.max(0)
        prediction = plotting.without_padding(prediction, target)
        heat = confidence if name == "the predicted class" else probabilities[devkit.class_names.index(name)]
        wrong = (prediction != target) & (target != IGNORE_INDEX)
        mistakes = DARKEST + (1 - DARKEST) * image.mean(0, keepdim=True).repeat(3, 1, 1)
        mistakes[:, wrong] = torch.tensor(WRONG)[:, None] / 255
        panels = [(plotting.overlay(image, prediction, devkit.palette, opacity), "prediction over image"),
                  (target, "target"), (prediction, "prediction"), (mistakes, "wrong pixels"),
                  (heat, f"probability of {name}"), (heat, f"pixel x = {x}, y = {y}")]
        figure = plotting.panels_figure(panels, devkit, columns=3)
        for axes in figure.axes[:5]:
            for width, colour in ((4, plotting.INK), (1.5, "white")):
                axes.plot(x, y, marker="+", markersize=16, markeredgewidth=width, color=colour, zorder=5)
        _bars(figure.axes[5], probabilities[:, y, x], devkit)
        truth = (*devkit.class_names, "void")[min(target[y, x], devkit.num_classes)]
        return figure, (f"Number {rank + 1} of {len(order)} from the worst, image {order[rank]}: IoU "
                        f"{scores[order[rank]]:.0%}, {wrong.float().mean():.0%} of the pixels wrong. At x = {x}, "
                        f"y = {y} the model says {devkit.class_names[probabilities[:, y, x].argmax()]} "
                        f"({confidence[y, x]:.0%}), the target is {truth}. Click on another pixel!")

    controls = {
        "rank": control(IntSlider, "worst to best", "From the lowest IoU to the highest", max=len(order) - 1),
        "opacity": fraction("opacity", "How much of the class colour covers the image", 0.5),
        "name": control(Dropdown, "probability of", "Which class the probability map shows",
                         options=["the predicted class", *devkit.class_names]),
        "x": control(IntSlider, "pixel x", "The pixel's column; or click on it", value=size // 2, max=size - 1),
        "y": control(IntSlider, "pixel y", "The pixel's row; or click on it", value=size // 2, max=size - 1),
    }
    Explorer(draw, controls, on_click=lambda x, y: {"x": round(x), "y": round(y)}).show(
        "Predictions from worst to best IoU: image, target, prediction, wrong pixels, the probability map of a "
        f"class, and the five likeliest classes of one pixel. {_RUN}")


class TrainingView:
    """A live view of a training: `training.fit(..., view=TrainingView(epochs))`.

    A bar over the batches of an epoch, the time left, and the curves, redrawn after each epoch.
    """

    def __init__(self, epochs):
        if not isinstance(epochs, int) or epochs < 1:
            raise ValueError(f"epochs: expected a whole number of at least 1, found {epochs!r}")
        self._epochs, self._done, self._seconds = epochs, 0, None
        self._start = self._shown = time.monotonic()
        self._bar = FloatProgress(max=1, layout=Layout(width="270px"))
        self._text, self._curves = HTML("waiting for the first batch"), HTML()
        self._draw([])
        show(VBox([row([self._bar, self._text]), self._curves]),
              "A live view of the training: a bar over the batches, the time left, and the curves of loss and mean "
              "IoU. It moves while the cell runs.")

    def batch(self, number, total):
        """Batch `number` of `total` of this epoch is done; shown at most four times a second."""
        now = time.monotonic()
        if number == 1:
            self._start = now
        if number < total and now - self._shown < 0.25:
            return
        self._shown, spent = now, now - self._start
        left = (self._seconds or spent * total / max(number - 1, 1)) * (self._epochs - self._done) - spent
        self._bar.value = number / total
        self._text.value = (f"epoch {self._done + 1} of {self._epochs}, batch {number} of {total}, "
                            + (f"about {_duration(left)} left" if number < total else "now the validation images"))

    def epoch(self, history):
        """An epoch is done; `history` is the list of `training.Epoch` so far."""
        self._done, self._seconds = len(history), history[-1].seconds
        self._epochs = max(self._epochs, self._done)
        self._draw(history)
        if self._done >= self._epochs:
            self._bar.value, self._bar.bar_style = 1, "success"
        self._text.value = (f"{self._done} of {self._epochs} epochs done, validation mean IoU "
                            f"{history[-1].mean_iou:.1%}, best {max(record.mean_iou for record in history):.1%}")

    def _draw(self, history):
        self._curves.value = picture(plotting.png(plotting.history_figure(history, self._epochs)),
                                      f"training loss and validation mean IoU of {len(history)} epochs")


def _open(devkit, split, transform=None):
    if not isinstance(devkit, voc.Devkit):
        raise TypeError(f"devkit: expected what voc.prepare(settings) returns, found {type(devkit).__name__}")
    if split not in ("train", "val"):
        raise ValueError(f'split: expected "train" or "val", found {split!r}')
    return devkit.open(split, transform)


def _chance(seed):
    """Seven numbers in 0..1, the same for the same seed, whatever else draws random numbers."""
    return torch.rand(7, generator=torch.Generator().manual_seed(seed)).tolist()


def _probabilities(model, image, devkit):
    """Float32[C, H, W] on the CPU for one image Float32[3, H, W]; every layer of `model` keeps its mode."""
    return photographs.logits_of(model, image, devkit.num_classes).softmax(0)


def _blend(image, target, devkit, alpha):
    """`plotting.overlay` with void painted as well, in its pale colour."""
    palette = torch.cat([devkit.palette, torch.tensor([VOID_COLOUR], dtype=torch.uint8)])
    return plotting.overlay(image, target.where(target != IGNORE_INDEX, devkit.num_classes), palette, alpha)


def _outline(axes, left, top, side):
    """Mark a square on a picture and make room where it leaves the picture."""
    for width, colour in ((4, plotting.INK), (1.5, "white")):
        axes.add_patch(Rectangle((left - 0.5, top - 0.5), side, side, fill=False, linewidth=width, edgecolor=colour))
    (x0, x1), (y1, y0) = axes.get_xlim(), axes.get_ylim()
    axes.set(xlim=(min(x0, left) - 2, max(x1, left + side) + 2), ylim=(max(y1, top + side) + 2, min(y0, top) - 2))


def _bars(axes, probabilities, devkit):
    """The five likeliest classes of one pixel, in the place of a picture."""
    title = axes.get_title()
    axes.clear()
    axes.set_title(title, fontsize=10, color=plotting.INK)
    values, labels = probabilities.topk(min(5, len(probabilities)))
    bars = axes.barh(range(len(labels)), values.tolist(), color=(devkit.palette[labels] / 255).tolist(),
                     edgecolor=plotting.INK)
    axes.bar_label(bars, [f"{devkit.class_names[label]} {value:.0%}" for label, value in zip(labels, values)],
                   padding=3, fontsize=10)
    axes.set(xlim=(0, 1.7), xticks=[], yticks=[], aspect="auto", box_aspect=1)
    axes.invert_yaxis()
    axes.set_axis_on()
    axes.spines[["top", "right", "bottom"]].set_visible(False)


def _duration(seconds):
    seconds = max(0, round(seconds))
    return f"{seconds} s" if seconds < 60 else f"{seconds // 60} min {seconds % 60} s"
