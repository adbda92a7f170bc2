"""Opening anybody's picture, turned as the camera held it, with limits."""

import hashlib
from contextlib import contextmanager
from pathlib import Path

from PIL import Image, ImageOps, UnidentifiedImageError

from helpers.photographs import in_rgb
from tools.annotations.folder import line
from tools.annotations.regions import MOST_PIXELS, Unusable

FORMATS = ("JPEG", "PNG", "BMP", "TIFF", "WEBP", "GIF")
ORIENTATION = 0x0112  # EXIF
TURNS = {2: Image.Transpose.FLIP_LEFT_RIGHT, 3: Image.Transpose.ROTATE_180, 4: Image.Transpose.FLIP_TOP_BOTTOM,
         5: Image.Transpose.TRANSPOSE, 6: Image.Transpose.ROTATE_270, 7: Image.Transpose.TRANSVERSE,
         8: Image.Transpose.ROTATE_90}


@contextmanager
def opened(source):
    """PIL's image of a path or file, not read yet; Unusable if it isn't one, is damaged or larger than any camera's."""
    try:
        with Image.open(source, formats=FORMATS) as image:
            if image.width * image.height > MOST_PIXELS:
                raise Unusable(f"a picture of {image.width} x {image.height} pixels, more than "
                               f"{MOST_PIXELS // 1_000_000} million")
            yield image
    except UnidentifiedImageError:
        raise Unusable("a picture of a kind that cannot be read, or none at all; save it as JPEG") from None
    except Image.DecompressionBombError:
        raise Unusable("a picture with far too many pixels") from None
    except Unusable:
        raise
    except Exception as error:  # the file may be anybody's, and hold anything
        raise Unusable(f"a picture that is damaged ({line(error)[:60]})") from None


def load(source, longest):
    """The picture as RGB, upright, at most `longest` pixels on its longer side (0: as it is).

    Returns it with its size as stored and the EXIF orientation, by which a mask can follow it.
    """
    with opened(source) as image:
        stored, orientation = image.size, image.getexif().get(ORIENTATION, 1)
        if longest:
            image.draft("RGB", (longest, longest))  # a JPEG is read at half or a quarter of its size: faster
        upright = in_rgb(ImageOps.exif_transpose(image))
        if longest and max(upright.size) > longest:
            upright.thumbnail((longest, longest), Image.Resampling.LANCZOS)
        return upright, stored, orientation if orientation in TURNS else 1


def fit(mask, annotated, stored, orientation, size):
    """`mask`, a PIL image drawn at the `annotated` size, turned and resized to the `size` of the upright picture.

    Annotations are mostly of the upright picture; some programs ignore EXIF, which shows in their size. Unusable if
    the annotated size has other proportions than the picture.
    """
    upright = stored[::-1] if orientation >= 5 else stored
    if annotated != upright and (annotated == stored or not alike(annotated, upright)):
        if not alike(annotated, stored):
            raise Unusable(f"annotated at {annotated[0]} x {annotated[1]} pixels, but the picture has "
                           f"{upright[0]} x {upright[1]}")
        mask = mask.transpose(TURNS[orientation])
    return mask if mask.size == size else mask.resize(size, Image.Resampling.NEAREST)


def alike(one, other):
    """Whether two sizes have the same proportions, to a pixel or a hundredth."""
    return abs(one[0] * other[1] - one[1] * other[0]) <= max(0.01 * one[0] * other[1], *one, *other)


def digest_of(picture):
    """What tells a picture's bytes from others': the SHA-256 of a path's or file's content."""
    source = picture()
    if isinstance(source, Path):
        with source.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    return hashlib.sha256(source.read()).hexdigest()
