"""Thirty annotated pictures to try the way with, drawn here: things on a table, and labelme's files beside them.

    python -m tools.annotations.example build/photos

As real folders have it, sizes differ, some pictures lie on their side with EXIF to say so, one annotation was made on
Windows, one holds its picture, one has a label in capitals, one an
unfinished polygon, and one picture is missing.
"""

import argparse
import base64
import json
import math
import sys
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from helpers.settings import SettingsError
from tools.annotations.devkit import whole

COUNT = 30
SHARE = {"lemon": 0.45, "leaf": 0.33, "mug": 0.22}
TABLES = ((150, 105, 70), (196, 186, 170), (92, 96, 104), (120, 140, 120), (172, 140, 108))


def main(arguments=None):
    parser = argparse.ArgumentParser(prog="python -m tools.annotations.example", description=__doc__.split("\n")[0])
    parser.add_argument("folder", type=Path, help="a new folder for the pictures and their annotations")
    folder = parser.parse_args(arguments).folder
    try:
        with whole(folder) as target:
            write(target)
    except SettingsError as error:
        sys.exit(f"example: {error}")
    print(f"{COUNT} annotated pictures in {folder}")


def write(folder):
    """Pictures and labelme files into `folder`; the same bytes every time."""
    for index in range(COUNT):
        image, shapes = scene(index)
        name, size = f"IMG_{1001 + index}", image.size
        record = {"version": "5.5.0", "flags": {}, "shapes": shapes, "imagePath": f"{name}.jpg", "imageData": None,
                  "imageHeight": size[1], "imageWidth": size[0]}
        if index % 7 == 3:  # held upright: stored lying, and turned by the viewer
            exif = Image.Exif()
            exif[0x0112] = 6
            image.transpose(Image.Transpose.ROTATE_90).save(folder / f"{name}.jpg", quality=90, exif=exif)
        else:
            image.save(folder / f"{name}.jpg", quality=90)
        if index == 5:
            record["imagePath"] = f"..\\photos\\{name}.jpg"
        if index == 8:
            record["imageData"] = base64.b64encode((folder / f"{name}.jpg").read_bytes()).decode()
        if index == 10:
            shapes[0]["label"] = shapes[0]["label"].title()
        if index == 12:
            shapes.append(shape("leaf", [(3, 3), (9, 4)]))
        if index == 20:
            (folder / f"{name}.jpg").unlink()
        (folder / f"{name}.json").write_text(json.dumps(record, indent=2, ensure_ascii=False), encoding="utf-8")


def shape(label, points):
    """A polygon as labelme writes it."""
    return {"label": label, "points": [[round(float(x), 1), round(float(y), 1)] for x, y in points], "group_id": None,
            "description": "", "shape_type": "polygon", "flags": {}, "mask": None}


def scene(seed):
    """A PIL RGB image of things on a table, and labelme's shapes of them, in the order in which they lie."""
    rng = np.random.default_rng(700 + seed)
    width, height = [(480, 360), (400, 400), (360, 480), (512, 320)][rng.integers(4)]
    light = rng.uniform(0, 2 * math.pi)
    canvas = table(rng, width, height, light)
    shapes = []
    for _ in range(rng.integers(2, 5)):
        label = rng.choice(list(SHARE), p=list(SHARE.values()))
        radius = rng.uniform(0.12, 0.24) * min(width, height)
        centre = rng.uniform(0.12, 0.88, 2) * (width, height)
        outline, colour = THINGS[label](rng)
        angle = rng.uniform(-0.4, 0.4) if label == "mug" else rng.uniform(0, 2 * math.pi)
        turn = np.array([[math.cos(angle), math.sin(angle)], [-math.sin(angle), math.cos(angle)]])
        points = radius * outline @ turn + centre
        canvas = put(canvas, rng, points, colour, radius, light)
        clicks = points[::max(1, len(points) // 28)]
        shapes.append(shape(str(label), clicks + rng.normal(0, 0.7, clicks.shape)))
    pixels = np.asarray(canvas.filter(ImageFilter.GaussianBlur(0.7)), dtype=float)
    pixels = pixels + rng.normal(0, 5, pixels.shape)
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8)), shapes


def table(rng, width, height, light):
    """Grain along one direction, brighter towards the light."""
    y, x = np.mgrid[:height, :width]
    grain = np.cumsum(rng.normal(0, 1, 4 * max(width, height)))
    grain = (grain - grain.mean()) / grain.std()
    along = (x * rng.uniform(0.01, 0.05) + y * rng.uniform(0.7, 1.4) + 4 * np.sin(x / rng.uniform(60, 120))).astype(int)
    bright = 1 + 0.3 * ((x / width - 0.5) * math.cos(light) + (y / height - 0.5) * math.sin(light))
    base = np.array(TABLES[rng.integers(len(TABLES))]) * rng.uniform(0.8, 1.15)
    pixels = (base + 9 * grain[along % len(grain)][..., None]) * bright[..., None]
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8))


def put(canvas, rng, points, colour, radius, light):
    """`canvas` with a thing on it: its shadow, its colour, darker away from the light, and a gleam."""
    size = canvas.size
    mask = filled(size, points)
    offset = -0.14 * radius * np.array([math.cos(light), math.sin(light)])
    shadow = filled(size, points + offset).filter(ImageFilter.GaussianBlur(0.08 * radius))
    canvas = Image.composite(Image.new("RGB", size, (25, 22, 20)), canvas, shadow.point(lambda value: value * 0.55))
    y, x = np.mgrid[:size[1], :size[0]]
    across = ((x - points[:, 0].mean()) * math.cos(light) + (y - points[:, 1].mean()) * math.sin(light)) / radius
    spots = Image.fromarray((255 * rng.random((9, 9))).astype(np.uint8)).resize(size, Image.Resampling.BICUBIC)
    shade = 0.85 + 0.3 * across.clip(-1, 1) + 0.12 * (np.asarray(spots) / 255 - 0.5)
    gleam = 70 * np.exp(-((across - 0.55) ** 2) / 0.02)
    pixels = np.array(colour) * shade[..., None] + gleam[..., None]
    return Image.composite(Image.fromarray(pixels.clip(0, 255).astype(np.uint8)), canvas, mask)


def filled(size, points):
    image = Image.new("L", size)
    ImageDraw.Draw(image).polygon([tuple(point) for point in points], fill=255)
    return image


def lemon(rng):
    """An ellipse with two tips; outlines are Float[N, 2], about 1 in radius, with a colour."""
    angle = np.linspace(0, 2 * math.pi, 84, endpoint=False)
    tip = 1 + 0.22 * np.exp(-((np.cos(angle) ** 2 - 1) ** 2) / 0.004)
    return np.stack([np.cos(angle) * tip, 0.68 * np.sin(angle)], 1), (226, rng.uniform(185, 215), rng.uniform(40, 80))


def leaf(rng):
    """Pointed, with a wavy edge."""
    along = np.linspace(-1.2, 1.2, 42)
    wide = 0.5 * np.cos(along * math.pi / 2.4) ** 0.8 * (1 + 0.12 * np.sin(14 * along))
    outline = np.concatenate([np.stack([along, wide], 1), np.stack([along, -wide], 1)[::-1]])
    return outline, [(70, 120, 50), (150, 110, 40), (165, 70, 40)][rng.integers(3)]


def mug(rng):
    """From the side, its handle at the right."""
    body = [(-0.7, -0.9), (0.6, -0.9), (0.62, -0.5)]
    angle = np.linspace(-math.pi / 2, math.pi / 2, 20)
    handle = np.stack([0.6 + 0.5 * np.cos(angle), 0.05 + 0.5 * np.sin(angle)], 1)
    outline = np.concatenate([body, handle, [(0.58, 0.9), (-0.66, 0.9)]])
    return outline, [(60, 90, 160), (170, 60, 60), (215, 215, 210), (60, 130, 120)][rng.integers(4)]


THINGS = {"lemon": lemon, "leaf": leaf, "mug": mug}


if __name__ == "__main__":
    main()
