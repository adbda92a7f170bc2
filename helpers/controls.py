"""What the explorers are made of: controls, and a picture that follows them.

Everything works with ipywidgets 7 (Colab) and 8.
"""

import base64
import html
from functools import partial

import torch
from IPython.display import display
from ipywidgets import HTML, Box, Button, FileUpload, FloatSlider, Layout, Text, VBox

from helpers import plotting
from helpers.settings import IGNORE_INDEX


class Explorer:
    """Controls and the picture that follows them.

    `draw`, called with the controls' values by name, gives a Figure (or None) and a caption. `moves` maps a
    control's name to a function from its value to values of other controls; `on_click` does so from
    the x and y, in pixels, of a click into a panel.
    """

    def __init__(self, draw, controls, moves=None, on_click=None):
        self._draw, self._controls, self._moves, self._on_click = draw, controls, moves or {}, on_click
        self._picture, self._click = HTML(), Text(layout=Layout(display="none"))
        self._click.add_class("explorer-click")
        self._click.observe(self._clicked, "value")
        for name, control in controls.items():
            control.observe(partial(self._changed, name), "value")
        self._move({})

    def show(self, about, buttons=()):
        """Display everything; `about` says in words what there is to see."""
        box = VBox([row([*buttons, *self._controls.values()]), self._picture, self._click])
        box.add_class("explorer")
        show(box, about, self._png)

    def _changed(self, name, change):
        if not self._moving:
            self._move(self._moves[name](change.new) if name in self._moves else {})

    def _move(self, values):
        self._moving = True  # several controls, one new picture
        for name, value in values.items():
            self._controls[name].value = value
        self._moving = False
        self._figure, caption = self._draw(**{name: control.value for name, control in self._controls.items()})
        words = f'<div style="line-height: 1.4; min-height: 2.8em">{html.escape(caption)}</div>'
        if self._figure:
            self._png = plotting.png(self._figure)
            words += picture(self._png, caption, self._on_click)
        self._picture.value = words

    def _clicked(self, change):
        x, y = map(float, change.new.split(","))  # 0..1 of the picture, from its top left
        point = x, 1 - y
        for axes in self._figure.axes:
            if axes.images and axes.get_position().contains(*point):
                self._move(self._on_click(*(self._figure.transFigure + axes.transData.inverted()).transform(point)))


# Hands the place of a click to the kernel through a hidden text field, which needs no extension
_CLICK = """const box = this.getBoundingClientRect();
const field = this.closest('.explorer').querySelector('.explorer-click input');
field.value = [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height];
for (const kind of ['input', 'change']) field.dispatchEvent(new Event(kind, {bubbles: true}));"""


def picture(png, alt, clicks=False):
    """A PNG as HTML, which unlike the Image widget describes it to those who cannot see it."""
    more = f'onclick="{_CLICK}" style="cursor: crosshair; max-width: 100%"' if clicks else 'style="max-width: 100%"'
    return f'<img src="data:image/png;base64,{_base64(png)}" alt="{html.escape(alt)}" decoding="sync" {more}>'


# The still is hidden while its live view is there. Reopened with a new kernel there is none, and JupyterLab writes
# "model not found" in its place: a text without an element, which is hidden instead
_STILL = """<style>
:root:has(.live-{id}) .still-{id}, .jp-OutputArea-output.jupyter-widgets:not(:has(*)) {{display: none}}
</style><div class="still-{id}">{picture}<p>{about}</p></div>"""


def show(box, about, png=None):
    """Display a widget with its still figure and description, which a page without a kernel shows instead."""
    box.add_class(f"live-{box.model_id}")
    still = {"text/plain": about, "text/html": _STILL.format(
        id=box.model_id, picture=picture(png, about) if png else "", about=html.escape(about))}
    if png:
        still["image/png"] = _base64(png)
    display({"application/vnd.jupyter.widget-view+json": {
        "version_major": 2, "version_minor": 0, "model_id": box.model_id}}, raw=True)
    display(still, metadata={"image/png": {"alt": about}} if png else {}, raw=True)


def _base64(png):
    return base64.b64encode(png).decode()


def row(children):
    return Box(children, layout=Layout(flex_flow="row wrap", align_items="center"))


def control(kind, description, tooltip, **options):
    """A control with a name and a tooltip, which ipywidgets 7 calls `description_tooltip`."""
    options["tooltip" if "tooltip" in kind.class_trait_names() else "description_tooltip"] = tooltip
    width = {Button: "123px", FileUpload: "160px"}.get(kind)
    if not width:
        options["style"] = {"description_width": "88px"}
    return kind(description=description, layout=Layout(width=width or "300px"), **options)


def fraction(description, tooltip, value):
    return control(FloatSlider, description, tooltip, value=value, max=1, step=0.01)


def in_words(target, devkit):
    """The classes of a label map in words, the largest first: "background 71%, star 20%, void 9%"."""
    counts = torch.bincount(target.flatten(), minlength=256)
    names = dict(enumerate(devkit.class_names)) | {IGNORE_INDEX: "void"}
    shares = {names[label]: counts[label] / target.numel() for label in counts.argsort(descending=True).tolist()
              if counts[label]}
    return ", ".join(f"{name} {share:.0%}" if share >= 0.005 else f"{name} under 1%" for name, share in shares.items())
