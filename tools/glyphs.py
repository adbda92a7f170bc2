"""Scenes of twenty other glyphs, for pretraining (`tools.pretrain`).

They are drawn like those of `shapes`, but none of its five glyphs is among them, and colour tells nothing.
"""

import numpy as np
from PIL import Image

from helpers import shapes

GLYPHS = {"sun": "☀", "umbrella": "☂", "telephone": "☎", "spade": "♠", "club": "♣", "diamond": "♦", "king": "♚",
          "queen": "♛", "bishop": "♝", "rook": "♜", "pawn": "♟", "flag": "⚑", "face": "☻", "hand": "☛", "flower": "✿",
          "cross": "✚", "arrow": "➤", "gear": "⚙", "lily": "⚜", "triangle": "▲"}
CLASS_NAMES = ("background", *GLYPHS)
FIRST_SEED = {"train": 10 ** 12, "val": 2 * 10 ** 12}  # far from those of the course's images and of the grader's


def draw(seed):
    """One image and its mask: a PIL RGB image and a PIL grey mask (classes 0..20, 255 void)."""
    image, target = shapes.scene(np.random.default_rng(seed), "".join(GLYPHS.values()))
    return Image.fromarray(image), Image.fromarray(target)
