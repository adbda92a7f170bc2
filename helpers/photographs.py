"""A photograph of any kind, and what a model sees in it, at the photograph's own size."""

import io
import warnings
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps, UnidentifiedImageError
from torch.nn.functional import interpolate
from torchvision.transforms.v2 import functional as F

from helpers import transforms
from helpers.settings import SettingsError, first_line

MOST_PIXELS = 100_000_000  # 300 MB in memory; a phone's camera gives 12 to 50 million
# What cameras, phones and web pages give. Not EPS: to read it, Pillow would start another program
_FORMATS = {"AVIF", "BMP", "GIF", "HEIF", "JPEG", "JPEG2000", "MPO", "PNG", "PPM", "TIFF", "WEBP"}
# What else people try, by how the file begins
_OTHERS = {b"%PDF": "a PDF", b"<svg": "an SVG drawing", b"<?xml": "an SVG drawing or other text",
           b"<!DOC": "a web page", b"<html": "a web page", b"PK\3\4": "a zip archive or an office document"}


def open_photograph(source):
    """The image in a file (a path) or in the bytes of one, as a PIL image: RGB, upright, at its own size.

    It is turned as its EXIF data say, transparency becomes white, and values of more than 8 bits are stretched from the
    darkest to the brightest; of several images in one file it is the first. Raises SettingsError, one line, on anything
    that is no whole image, or one of more than `MOST_PIXELS`.
    """
    try:
        file = io.BytesIO(source) if isinstance(source, bytes) else open(Path(source).expanduser(), "rb")
    except (OSError, ValueError, RuntimeError) as error:  # not there, a folder, no name that a file can have, no home
        reason = getattr(error, "strerror", None) or first_line(error)
        raise SettingsError(f"photograph: expected the path of an image file, found '{reason}' for {source}; check the "
                            "path, or give the full path") from None
    with file, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of odd EXIF data and many pixels: we count them ourselves
        try:
            Image.init()
            image = Image.open(file, formats=sorted(_FORMATS & Image.OPEN.keys()))
            if image.width * image.height > MOST_PIXELS:
                raise Image.DecompressionBombError
            image.load()
            return in_rgb(_upright(image))
        except UnidentifiedImageError:
            file.seek(0)
            found = _kind(file.read(16))
        except Image.DecompressionBombError:
            found = f"one of more than {MOST_PIXELS // 1_000_000} million pixels"
        except Exception as error:  # the file may be anybody's, and hold anything
            found = f"a damaged one ({first_line(error)})"
    raise SettingsError(f"photograph: expected an image (JPEG, PNG, WebP ...), found {found}; take another, or save it "
                        "as JPEG with a program that opens it")


def _kind(beginning):
    """What a file is that Pillow does not know, in words."""
    if not beginning:
        return "an empty file"
    if beginning[4:8] == b"ftyp":
        return "HEIC (as iPhones save photographs) or a video" if beginning[8:9] in b"hm" else "a video"
    return next((name for start, name in _OTHERS.items() if beginning.startswith(start)), "something else")


def _upright(image):
    try:
        ImageOps.exif_transpose(image, in_place=True)
    except Exception:  # damaged EXIF data: the image is there all the same
        pass
    return image


def in_rgb(image):
    """A PIL image of any mode as RGB: transparency becomes white, values of more than 8 bits are stretched."""
    if image.mode == "F" or image.mode.startswith("I"):
        values = np.nan_to_num(np.asarray(image, dtype=np.float32), posinf=0, neginf=0)
        values -= values.min()
        image = Image.fromarray((values * (255 / max(values.max(), 1e-9))).round().astype(np.uint8))
    if image.has_transparency_data:
        image = image.convert("RGBA")
        white = Image.new("RGB", image.size, "white")
        white.paste(image, mask=image.getchannel("A"))
        return white
    return image.convert("RGB")


def segment(model, photograph, size):
    """What `model` sees in a PIL RGB image: class indices UInt8[H, W] at its own size.

    The model sees the photograph fitted into `size` x `size` pixels, as `transforms.eval_transform` does it, in eval
    mode, on the device that it is on; every layer keeps its mode.
    """
    shape = photograph.height, photograph.width
    image, _ = transforms.eval_transform(size)(photograph, Image.new("L", (1, 1)))
    height, width = transforms.fitted(shape, size)
    return enlarge(logits_of(model, image)[:, :height, :width], shape)


@torch.no_grad()
def logits_of(model, image, num_classes=None):
    """Logits Float32[C, H, W] on the CPU for one image Float32[3, H, W], in eval mode; every layer keeps its mode.

    Raises ValueError unless `model` gives {"out": logits}, with `num_classes` of them per pixel if that is given.
    """
    training = [module for module in model.modules() if module.training]
    model.eval()
    try:
        output = model(image[None].to(next(model.parameters()).device))
    finally:
        for module in training:
            module.training = True
    channels = output["out"].shape[1] if isinstance(output, dict) else None
    if channels is None or num_classes not in (None, channels):
        raise ValueError(f'model: expected {{"out": logits}} of {num_classes or "some"} classes, found '
                         f"{f'{channels} classes' if channels else type(output).__name__}; see notebook 3")
    return output["out"][0].float().cpu()


def enlarge(logits, shape):
    """The class of each pixel, UInt8[H, W] for `shape` (H, W), from Float32[C, h, w]: the logits are enlarged, then
    the largest wins.

    It is `interpolate(logits, shape, mode="bilinear")` and `argmax`, without the C x H x W numbers between them (a
    gigabyte for 21 classes and 12 million pixels): where two rows of logits name the same class, so do all the rows
    that lie between them, because each of those is a mean of the two.
    """
    wide = interpolate(logits[None], (logits.shape[1], shape[1]), mode="bilinear")[0]  # Float32[C, h, W]
    names = wide.max(0).indices.to(torch.uint8)  # argmax, several times as fast on a CPU
    place = ((torch.arange(shape[0]) + 0.5) * (len(names) / shape[0]) - 0.5).clamp(min=0)
    above = place.long()
    labels = names[above]
    for row in above.unique().tolist():
        below = min(row + 1, len(names) - 1)
        differ = (names[row] != names[below]).nonzero()[:, 0]
        rows = (above == row).nonzero()[:, 0]
        between = torch.lerp(wide[:, row, None, differ], wide[:, below, None, differ], (place[rows] - row)[:, None])
        labels[rows[:, None], differ] = between.max(0).indices.to(torch.uint8)
    return labels


def shrink(photograph, labels, longest):
    """Both for the screen, their longer side at most `longest` pixels: Float32[3, h, w] in [0, 1] and Int64[h, w]."""
    shape = photograph.height, photograph.width
    height, width = transforms.fitted(shape, min(longest, max(shape)))
    image = photograph.resize((width, height), Image.Resampling.BILINEAR, reducing_gap=2)
    rows, columns = (((torch.arange(new) + 0.5) * (old / new)).long() for new, old in zip((height, width), shape))
    return F.to_dtype(F.to_image(image), torch.float32, scale=True), labels[rows[:, None], columns].long()
