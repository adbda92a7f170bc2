"""Run lengths to masks: COCO's two ways, CVAT's and Label Studio's.

By hand, in numpy: the files are anybody's, and a sum that does not fit must be an error, not a write past the end.
"""

import numpy as np

from tools.annotations.regions import Unusable


def mask(runs, height, width, order):
    """A function that gives Bool[height, width], from the lengths of runs, of which the first is outside.

    `order` is "C" for row by row, "F" for column by column. Unusable if they do not add up.
    """
    try:
        runs = np.array(runs, dtype=np.int64)
    except (TypeError, ValueError, OverflowError):
        raise Unusable("run lengths that are not numbers") from None
    if runs.ndim != 1 or (runs < 0).any() or (runs > height * width).any() or runs.sum() != height * width:
        raise Unusable(f"run lengths that do not add up to {width} x {height} pixels")

    def draw():
        return np.repeat(np.arange(len(runs)) % 2 == 1, runs).reshape((height, width), order=order)
    return draw


def coco_runs(text):
    """The run lengths in COCO's compressed string.

    Six bits a character, from 48: five of the number, lowest first, and one that says that it goes on; from the third
    run on the difference to the run before last. From `maskApi.c` of the COCO API.
    """
    if not isinstance(text, str) or not text.isascii():
        raise Unusable("run lengths that are not text")
    runs, value, shift = [], 0, 0
    for code in (ord(character) - 48 for character in text):
        if not 0 <= code < 64 or shift > 60:
            raise Unusable("run lengths that cannot be read")
        value |= (code & 31) << shift
        shift += 5
        if not code & 32:
            if code & 16:
                value -= 1 << shift
            runs.append(value + (runs[-2] if len(runs) > 2 else 0))
            value, shift = 0, 0
    return runs


def label_studio(data, height, width):
    """Bool[height, width] from Label Studio's bytes: the fourth channel of an RGBA picture, packed by rle-pack.

    32 bits how many values, 5 the width of a value less 1, 4 times 4 the widths of a length less 1; then runs: a bit
    for "all alike", 2 bits which width, the length less 1, and one value or as many as the length says.
    """
    try:
        bits = np.unpackbits(np.array(data, dtype=np.int64).astype(np.uint8)) if all(
            isinstance(one, int) and 0 <= one < 256 for one in data) else None
    except TypeError:
        bits = None
    if bits is None or len(bits) < 53:
        raise Unusable("brush strokes that cannot be read")
    weights = 1 << np.arange(31, -1, -1, dtype=np.int64)
    at = 0

    def read(count):
        nonlocal at
        piece = bits[at:at + count]
        if len(piece) < count:
            raise Unusable("brush strokes that end too early")
        at += count
        return int(piece @ weights[32 - count:])
    total, word, sizes = read(32), read(5) + 1, None
    sizes = [read(4) + 1 for _ in range(4)]
    if total != 4 * height * width or word > 16:
        raise Unusable(f"brush strokes that are not {width} x {height} pixels")
    values, done = np.zeros(total, np.uint16), 0
    while done < total:
        alike, length = read(1), read(sizes[read(2)]) + 1
        end = min(done + length, total)
        if alike:
            values[done:end] = read(word)
        else:
            many = end - done
            piece = bits[at:at + word * many]
            if len(piece) < word * many:
                raise Unusable("brush strokes that end too early")
            values[done:end] = piece.reshape(many, word) @ weights[32 - word:]
            at += word * many
        done = end
    return values.reshape(height, width, 4)[..., 3] > 0
