"""Pairs for a loader: decoded once, at the size that was asked for last."""

import numpy as np
import pytest
from PIL import Image

from helpers import loading
from helpers.loading import Pairs


class Files:
    """Three pairs that note when they are decoded."""

    def __init__(self):
        self.decoded = []

    def __len__(self):
        return 3

    def __getitem__(self, index):
        self.decoded.append(index)
        return Image.new("RGB", (20, 10), (index, 0, 0)), Image.new("P", (20, 10), index)


@pytest.fixture
def files():
    return Files()


def drawn(size):
    """A transform that draws on the image that it is given."""
    def transform(image, mask):
        seen = image.getpixel((0, 0))[0], mask.getpixel((0, 0))
        image.paste("white", (0, 0, 20, 10))
        mask.paste(255, (0, 0, 20, 10))
        return np.full((size, size), seen[0]), seen[1]
    return transform


def test_what_is_kept_is_decoded_once_and_no_transform_changes_it(files):
    pairs = Pairs(files, drawn, 8, [2, 0, 2], keep=True)
    for _ in range(2):
        assert [(int(image[0, 0]), label) for image, label in (pairs[number] for number in range(len(pairs)))] == [
            (2, 2), (0, 0), (2, 2)]
    assert files.decoded == [2, 0]


def test_without_keep_and_above_the_limit_each_pair_is_decoded_again(files, monkeypatch):
    monkeypatch.setattr(loading, "MOST", 20 * 10 * 5)  # bytes of one pair
    for keep, decoded in ((False, [0, 1, 0, 1]), (True, [0, 1, 1])):
        files.decoded.clear()
        pairs = Pairs(files, drawn, 8, [0, 1], keep=keep)
        assert [pairs[number][1] for number in (0, 1, 0, 1)] == [0, 1, 0, 1] and files.decoded == decoded


def test_the_transform_is_made_for_the_size_asked_for_last(files):
    made = []
    pairs = Pairs(files, lambda size: made.append(size) or drawn(size), 8, range(3))
    pairs.resize(4)
    pairs.resize(4)
    assert pairs[0][0].shape == (4, 4) and made == [8, 4]
