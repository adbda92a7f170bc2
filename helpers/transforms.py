"""Image and mask to tensors, moving together; reference answers of notebook 2.

A transform is called with a PIL RGB image and its PIL palette mask and returns
`image` Float32[3, size, size], normalised, and `target` Int64[size, size] with 255 for void.
"""

from functools import partial

import torch
from torchvision import tv_tensors
from torchvision.transforms import v2

from helpers.settings import IGNORE_INDEX, MEAN, STD

# What stands where there is no image: the mean colour, 0 after normalisation, and void
_EMPTY = {tv_tensors.Image: [round(255 * value) for value in MEAN], tv_tensors.Mask: IGNORE_INDEX}
_TO_TENSOR = [v2.ToDtype({tv_tensors.Image: torch.float32, tv_tensors.Mask: torch.int64, "others": None},
                         scale=True),
              v2.Normalize(MEAN, STD), v2.ToPureTensor()]


class _Pair:
    """A callable on (image, mask) that wraps the mask, so that v2 never interpolates it; workers can pickle it."""

    def __init__(self, steps):
        self.steps = v2.Compose(steps)

    def __call__(self, image, mask):
        image, target = self.steps(v2.functional.to_image(image), tv_tensors.Mask(v2.functional.pil_to_tensor(mask)))
        return image, target[0]


def train_transform(size, scale=(0.75, 1.5)):
    """Random zoom, crop, flip and colour jitter; void where the crop leaves the image."""
    return _Pair([
        v2.ScaleJitter((size, size), scale),
        v2.RandomCrop(size, pad_if_needed=True, fill=_EMPTY),
        v2.RandomHorizontalFlip(),
        v2.ColorJitter(brightness=0.3, contrast=0.3, saturation=0.3),
        *_TO_TENSOR,
    ])


def eval_transform(size):
    """The whole image fitted into size x size at the top left, void in the rest, nothing left to chance."""
    return _Pair([partial(_fit, size), *_TO_TENSOR])


def _fit(size, image, target):
    height, width = fitted(image.shape[-2:], size)
    image, target = v2.Resize((height, width))(image, target)
    return v2.Pad([0, 0, size - width, size - height], fill=_EMPTY)(image, target)


def fitted(shape, size):
    """The height and width that an image of `shape` (H, W) has after `eval_transform(size)`."""
    longer = max(shape)
    return tuple(max(1, round(size * side / longer)) for side in shape)


def denormalize(image):
    """A copy of a normalised Float32[3, H, W] image as it looked, in [0, 1]."""
    mean, std = image.new_tensor(MEAN)[:, None, None], image.new_tensor(STD)[:, None, None]
    return (image * std + mean).clamp(0, 1)
