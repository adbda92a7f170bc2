"""Image and mask must move together, and void must fill what is empty."""

import numpy as np
import pytest
import torch
from PIL import Image

from helpers import transforms
from helpers.settings import IGNORE_INDEX


def pair(width=60, height=44):
    """An image whose grey level is its class times 40, so that image and mask can be compared."""
    target = np.zeros((height, width), np.uint8)
    target[8:30, 10:35], target[25:40, 30:55] = 2, 4
    mask = Image.fromarray(target)
    mask.putpalette(list(range(256)) * 3)
    return Image.fromarray(np.repeat(40 * target[..., None] + 20, 3, axis=2)), mask


def agreement(image, target):
    """Share of the pixels, away from edges, at which the image shows the class that the mask names."""
    shown = ((transforms.denormalize(image).mean(0) * 255 - 20) / 40).round()
    counted = target != IGNORE_INDEX
    return (shown == target)[counted].float().mean()


@pytest.mark.parametrize("seed", range(10))
def test_image_and_mask_stay_together(seed, monkeypatch):
    monkeypatch.setattr(transforms.v2, "ColorJitter", lambda **_: transforms.v2.Identity())
    torch.manual_seed(seed)
    image, target = transforms.train_transform(48)(*pair())
    assert image.shape == (3, 48, 48) and image.dtype == torch.float32
    assert target.shape == (48, 48) and target.dtype == torch.int64
    assert set(target.unique().tolist()) <= {0, 2, 4, IGNORE_INDEX}
    assert agreement(image, target) > 0.9


def test_void_fills_what_the_crop_has_left_empty():
    torch.manual_seed(0)
    _, target = transforms.train_transform(64, scale=(0.5, 0.5))(*pair())
    assert (target == IGNORE_INDEX).float().mean() > 0.5


def test_training_varies_and_evaluation_does_not():
    torch.manual_seed(0)
    train, fixed = transforms.train_transform(32), transforms.eval_transform(32)
    assert len({train(*pair())[0].sum().item() for _ in range(8)}) == 8
    assert len({fixed(*pair())[0].sum().item() for _ in range(8)}) == 1


@pytest.mark.parametrize("width, height", [(60, 44), (44, 60), (50, 50), (200, 56)])
def test_evaluation_shows_the_whole_image_and_void_around_it(width, height):
    image, target = transforms.eval_transform(32)(*pair(width, height))
    rows, columns = transforms.fitted((height, width), 32)
    assert max(rows, columns) == 32 and rows / columns == pytest.approx(height / width, rel=0.1)
    assert agreement(image, target) > 0.85 and set(target.unique().tolist()) >= {0, 2, 4}
    inside = torch.zeros(32, 32, dtype=torch.bool)
    inside[:rows, :columns] = True
    assert ((target != IGNORE_INDEX) == inside).all()


def test_denormalize_undoes_normalisation_and_changes_no_input():
    picture = torch.rand(3, 5, 7)
    mean, std = (torch.tensor(v)[:, None, None] for v in (transforms.MEAN, transforms.STD))
    normalised = (picture - mean) / std
    before = normalised.clone()
    assert torch.allclose(transforms.denormalize(normalised), picture, atol=1e-6)
    assert torch.equal(normalised, before)
    assert transforms.denormalize(100 * normalised).max() <= 1
