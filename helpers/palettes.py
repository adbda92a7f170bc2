"""Colours that classes are shown in, UInt8[C, 3]; index 0, background, is black."""

import numpy as np

from helpers.settings import IGNORE_INDEX, VOID_COLOUR

# Okabe and Ito's colours, told apart by the colour-blind
_OKABE_ITO = ((0, 0, 0), (240, 228, 66), (213, 94, 0), (86, 180, 233), (0, 158, 115), (204, 121, 167), (0, 114, 178),
              (230, 159, 0))


def pascal(count):
    """VOC's colours, UInt8[count, 3]: the bits of the class index, spread over red, green and blue."""
    bits = np.arange(count)[:, None] >> np.arange(8) & 1  # Int64[C, 8]
    weight = np.array([128, 128, 128, 64, 64, 64, 32, 32])
    channel = np.array([0, 1, 2, 0, 1, 2, 0, 1])
    return np.stack([(bits * weight)[:, channel == c].sum(1) for c in range(3)], 1).astype(np.uint8)


def distinct(count):
    """`count` colours that are told apart, UInt8[count, 3]; above eight those of VOC."""
    return np.array(_OKABE_ITO[:count], np.uint8) if count <= len(_OKABE_ITO) else pascal(count)


def for_png(palette):
    """A palette [C, 3] as PIL's `putpalette` takes it for a mask: 256 colours, void's too."""
    colours = np.zeros((256, 3), np.uint8)
    colours[:len(palette)] = palette
    colours[IGNORE_INDEX] = VOID_COLOUR
    return colours.ravel().tolist()
