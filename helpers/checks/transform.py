"""Calling a student's transform of image and mask, and the form of what comes back."""

import torch
from PIL import Image

from helpers.checks.core import Student
from helpers.checks.values import a_kind, dtype_name, show

TOGETHER = " See 'Moving together'."
TENSOR = " See 'From picture to tensor'."
RANDOM = " See 'Random zoom, crop, flip, colour'."


class Transform:
    """What a student's `train_transform(size)` or `eval_transform(size)` returned; a call checks the form."""

    def __init__(self, student, size):
        self.student, self.size = student, size
        function = student(size)
        self.name = f"{student.name}({size})"
        if not callable(function):
            student.fail("not_a_transform", f"{self.name} returned {a_kind(function)}; expected something to call with "
                         "(image, mask): a function defined inside, a lambda, or v2.Compose." + TOGETHER)
        self.inner = Student(function, "transform(image, mask)", student.section)
        self.inner.name = self.name

    def __call__(self, pair):
        """Image and target of one call, in the right form."""
        image, mask = pair.copies()
        outcome = self.inner.attempt(image, mask)
        if "larger than input" in str(outcome.error):
            self.fail("crop_without_padding", f"{self.name} stopped on an image of {image.width} x {image.height} "
                      f"pixels: {outcome.error}\nPad first, or `RandomCrop(size, pad_if_needed=True, fill=...)`."
                      + RANDOM)
        self.inner.healthy(outcome, f"With an image of {image.width} x {image.height} pixels, ")
        if not (same_picture(image, pair.image) and same_picture(mask, pair.mask)):
            self.fail("changes_input", f"{self.name} changed the picture that it was given. Work on a copy.")
        value = outcome.value
        if not isinstance(value, (tuple, list)) or len(value) != 2:
            found = f"{len(value)} things" if isinstance(value, (tuple, list)) else a_kind(value)
            self.fail("not_a_pair", f"{self.name}(image, mask) returned {found}; expected two things: image and target."
                      + TOGETHER)
        self.form(*value, pair)
        return value

    def fail(self, id, message):
        self.student.fail(id, message)

    def form(self, image, target, pair):
        """End the check unless these are Float32[3, size, size] and Int64[size, size]."""
        size, form = self.size, f"{self.name} returned "
        for name, value in (("image", image), ("target", target)):
            if not torch.is_tensor(value):
                kind = "a PIL image" if isinstance(value, Image.Image) else a_kind(value)
                self.fail(f"{name}_not_a_tensor", f"{form}{kind} as the {name}; expected a tensor." + TENSOR)
        if target.is_floating_point() and (target != target.round()).any():
            self.fail("mask_as_image", f"{form}a target with values such as {show(target.flatten()[0].item())}: the "
                      "mask was scaled or normalised like a picture. Its numbers are names of classes; wrap it as "
                      "tv_tensors.Mask, or treat it apart." + TOGETHER)
        if target.shape[-2:] == pair.mask.size[::-1] != image.shape[-2:]:
            self.fail("mask_not_transformed", f"{form}an image of {list(image.shape)}, but the target still is "
                      f"{list(target.shape)}: the mask was not moved at all. v2 leaves a second plain tensor alone; "
                      "wrap the mask as tv_tensors.Mask." + TOGETHER)
        if image.ndim == 3 and image.shape[-1] == 3:
            self.fail("channels_last", f"{form}an image of {list(image.shape)}; expected the channels first: "
                      f"[3, {size}, {size}]." + TENSOR)
        if image.shape[-2:] == pair.image.size[::-1]:
            self.fail("not_resized", f"{form}an image of {list(image.shape)}, as large as it came; expected "
                      f"[3, {size}, {size}]. Use `size`." + TENSOR)
        if image.ndim == 3 and image.shape[0] == 3 and image.shape[1] != image.shape[2]:
            self.fail("not_square", f"{form}an image of {list(image.shape)}; expected [3, {size}, {size}]. "
                      "`Resize(size)` sets the shorter side alone; `(size, size)` sets both." + TENSOR)
        if image.shape != (3, size, size):
            self.fail("wrong_size", f"{form}an image of {list(image.shape)}; expected [3, {size}, {size}], with the "
                      "`size` that was asked for and no batch axis." + TENSOR)
        if target.shape == (1, size, size):
            self.fail("channel_axis", f"{form}a target of {list(target.shape)}; expected [{size}, {size}]. The loss "
                      "wants no channel axis: take it away with `[0]`, or `squeeze`." + TOGETHER)
        if target.shape == (3, size, size):
            self.fail("mask_as_colours", f"{form}a target with three channels; expected class indices [{size}, "
                      f"{size}]. Do not convert the mask to RGB: its pixels are class indices." + TOGETHER)
        if target.shape != (size, size):
            self.fail("wrong_shape", f"{form}a target of {list(target.shape)}; expected [{size}, {size}]." + TOGETHER)
        if image.dtype == torch.uint8:
            self.fail("not_normalised", f"{form}an image UInt8 in 0..255. Make it Float32 in [0, 1], then normalise it "
                      "with ImageNet's mean and std." + TENSOR)
        if image.dtype != torch.float32 or target.dtype != torch.int64:
            self.fail("wrong_dtype", f"{form}image {dtype_name(image)} and target {dtype_name(target)}; expected "
                      "Float32 and Int64. The loss refuses other class indices." + TENSOR)
        if image.isnan().any():
            self.fail("returns_nan", f"{form}an image with NaN in it. Is something divided by 0?" + TENSOR)

    def draws(self, pair, count):
        return [self(pair) for _ in range(count)]


def same_picture(a, b):
    return a.size == b.size and a.mode == b.mode and a.tobytes() == b.tobytes()
