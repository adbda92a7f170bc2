"""Answers to exercise 2.2, wrong and right."""

import random

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torchvision import tv_tensors
from torchvision.transforms import functional as TF
from torchvision.transforms import v2

from helpers.settings import MEAN, STD
from tests.exercises.bank import right, wrong


def wrapped(steps):
    """What most answers share: v2 steps on a wrapped pair."""
    steps = v2.Compose(steps)

    def transform(image, mask):
        image, target = steps(TF.pil_to_tensor(image), tv_tensors.Mask(TF.pil_to_tensor(mask)))
        return image, target[0].long()
    return transform


to_tensor = [v2.ToDtype(torch.float32, scale=True), v2.Normalize(MEAN, STD)]


@wrong("random")
def eval_transform(size):
    return wrapped([v2.Resize((size, size)), v2.RandomHorizontalFlip(), *to_tensor])


@wrong("random")
def eval_transform(size):
    return wrapped([v2.RandomResizedCrop(size), v2.RandomHorizontalFlip(), v2.ColorJitter(0.3, 0.3), *to_tensor])


@wrong("random")
def eval_transform(size):
    return wrapped([v2.Resize((size, size)), v2.ColorJitter(brightness=0.3), *to_tensor])


@wrong("random")
def eval_transform(size):
    flip = random.random() < 0.5  # drawn once, when the transform is made
    return wrapped([v2.Resize((size, size)), v2.RandomHorizontalFlip(float(flip)), *to_tensor])


@wrong("crops")
def eval_transform(size):
    return wrapped([v2.Resize(size), v2.CenterCrop(size), *to_tensor])


@wrong("crops")
def eval_transform(size):
    return wrapped([v2.Resize((int(1.14 * size), int(1.14 * size))), v2.CenterCrop(size), *to_tensor])


@wrong("crops")
def eval_transform(size):
    fill = {tv_tensors.Mask: 255, "others": 0}
    return wrapped([v2.Pad(size, fill=fill), v2.CenterCrop(size), *to_tensor])


@wrong("crops")
def eval_transform(size):
    def transform(image, mask):
        image, mask = TF.resize(image, size).crop((0, 0, size, size)), TF.resize(mask, size).crop((0, 0, size, size))
        return TF.normalize(TF.to_tensor(image), MEAN, STD), TF.pil_to_tensor(mask)[0].long()
    return transform


@wrong("not_square")
def eval_transform(size):
    return wrapped([v2.Resize(size), *to_tensor])


@wrong("wrong_size")
def eval_transform(size):
    return wrapped([v2.Resize((224, 224)), *to_tensor])


@wrong("not_resized")
def eval_transform(size):
    return wrapped(to_tensor)


@wrong("not_normalised")
def eval_transform(size):
    return wrapped([v2.Resize((size, size)), v2.ToDtype(torch.float32, scale=True)])


@wrong("not_normalised")
def eval_transform(size):
    return wrapped([v2.Resize((size, size)), v2.ToDtype(torch.float32)])


@wrong("not_scaled")
def eval_transform(size):
    return wrapped([v2.Resize((size, size)), v2.ToDtype(torch.float32), v2.Normalize(MEAN, STD)])


@wrong("scaled_twice")
def eval_transform(size):
    def transform(image, mask):
        image = TF.to_tensor(image.resize((size, size))) / 255
        return TF.normalize(image, MEAN, STD), TF.pil_to_tensor(mask.resize((size, size)))[0].long()
    return transform


@wrong("other_normalisation")
def eval_transform(size):
    return wrapped([v2.Resize((size, size)), v2.ToDtype(torch.float32, scale=True),
                    v2.Normalize([0.5] * 3, [0.5] * 3)])


@wrong("other_normalisation")
def eval_transform(size):
    return wrapped([v2.Resize((size, size)), v2.ToDtype(torch.float32, scale=True), v2.Normalize(STD, MEAN)])


@wrong("other_normalisation")
def eval_transform(size):
    def transform(image, mask):
        image = TF.to_tensor(image.resize((size, size)))
        image = (image - image.mean((1, 2), keepdim=True)) / image.std((1, 2), keepdim=True)
        return image, TF.pil_to_tensor(mask.resize((size, size)))[0].long()
    return transform


@wrong("padding_not_void")
def eval_transform(size):
    def transform(image, mask):
        scale = size / max(image.size)
        width, height = round(image.width * scale), round(image.height * scale)
        padding = [0, 0, size - width, size - height]
        image = TF.pad(TF.to_tensor(image.resize((width, height))), padding)
        target = TF.pad(TF.pil_to_tensor(mask.resize((width, height))), padding)[0].long()
        return TF.normalize(image, MEAN, STD), target
    return transform


@wrong("mask_not_transformed")
def eval_transform(size):
    def transform(image, mask):
        image = TF.normalize(TF.to_tensor(image.resize((size, size))), MEAN, STD)
        return image, torch.from_numpy(np.array(mask)).long()
    return transform


@wrong("mask_not_transformed")
def eval_transform(size):
    steps = v2.Compose([v2.Resize((size, size)), *to_tensor])

    def transform(image, mask):
        return steps(TF.pil_to_tensor(image), TF.pil_to_tensor(mask)[0].long())  # v2 leaves the second tensor alone
    return transform


@wrong("bilinear_mask")
def eval_transform(size):
    def transform(image, mask):
        image = TF.normalize(TF.to_tensor(image.resize((size, size))), MEAN, STD)
        mask = torch.from_numpy(np.array(mask))[None, None].float()
        return image, F.interpolate(mask, (size, size), mode="bilinear")[0, 0].long()
    return transform


@wrong("mask_as_image")
def eval_transform(size):
    steps = v2.Compose([v2.ToImage(), v2.Resize((size, size)), *to_tensor])

    def transform(image, mask):
        image, mask = steps(image, mask)
        return image, mask[0]
    return transform


@wrong("grey_levels")
def eval_transform(size):
    def transform(image, mask):
        image = TF.normalize(TF.to_tensor(image.resize((size, size))), MEAN, STD)
        return image, TF.pil_to_tensor(mask.convert("L").resize((size, size), Image.NEAREST))[0].long()
    return transform


@wrong("colours_changed")
def eval_transform(size):
    def transform(image, mask):
        image = TF.normalize(TF.to_tensor(image.convert("L").convert("RGB").resize((size, size))), MEAN, STD)
        return image, TF.pil_to_tensor(mask.resize((size, size), Image.NEAREST))[0].long()
    return transform


@wrong("wrong_dtype")
def eval_transform(size):
    def transform(image, mask):
        image = TF.normalize(TF.to_tensor(image.resize((size, size))), MEAN, STD)
        return image, TF.pil_to_tensor(mask.resize((size, size), Image.NEAREST))[0]
    return transform


@wrong("channel_axis")
def eval_transform(size):
    def transform(image, mask):
        image = TF.normalize(TF.to_tensor(image.resize((size, size))), MEAN, STD)
        return image, TF.pil_to_tensor(mask.resize((size, size), Image.NEAREST)).long()
    return transform


@wrong("mirrored")
def eval_transform(size):
    return wrapped([v2.Resize((size, size)), v2.RandomHorizontalFlip(1.0), *to_tensor])


@wrong("void_lost")
def eval_transform(size):
    def transform(image, mask):
        image = TF.normalize(TF.to_tensor(image.resize((size, size))), MEAN, STD)
        target = TF.pil_to_tensor(mask.resize((size, size), Image.NEAREST))[0].long()
        return image, torch.where(target == 255, 0, target)
    return transform


@wrong("background_lost")
def eval_transform(size):
    def transform(image, mask):
        image = TF.normalize(TF.to_tensor(image.resize((size, size))), MEAN, STD)
        target = TF.pil_to_tensor(mask.resize((size, size), Image.NEAREST))[0].long()
        target[target == 0] = 255  # "background is not a class"
        return image, target
    return transform


@wrong("wrong_arity")
def eval_transform(size):
    return lambda image: TF.normalize(TF.to_tensor(image.resize((size, size))), MEAN, STD)


@wrong("not_a_transform")
def eval_transform(size):
    return [v2.Resize((size, size)), *to_tensor]


@wrong("not_attempted")
def eval_transform(size):
    raise NotImplementedError("Exercise 2.2: the whole picture, nothing left to chance")


@wrong("mask_as_image")
def eval_transform(size):
    return v2.Compose([v2.Resize((size, size)), v2.ToImage(), v2.ToDtype(torch.float32, scale=True),
                       v2.Normalize(MEAN, STD)])


@wrong("pair_swapped")
def eval_transform(size):
    steps = wrapped([v2.Resize((size, size)), v2.ToDtype(torch.float32, scale=True), v2.Normalize(MEAN, STD)])
    return lambda image, mask: steps(image, mask)[::-1]


@wrong("apart")
def eval_transform(size):
    def transform(image, mask):
        image = TF.to_tensor(TF.center_crop(TF.resize(image, size), size))
        mask = mask.resize((size, size), Image.Resampling.NEAREST)
        return TF.normalize(image, MEAN, STD), TF.pil_to_tensor(mask)[0].long()
    return transform


@right("v2.Compose on a wrapped pair")
def eval_transform(size):
    return wrapped([v2.Resize((size, size)), *to_tensor])


@right("Pillow and NumPy alone")
def eval_transform(size):
    def transform(image, mask):
        image = np.asarray(image.resize((size, size), Image.BICUBIC), dtype=np.float32) / 255
        image = ((image - np.array(MEAN)) / np.array(STD)).astype(np.float32)
        target = np.asarray(mask.resize((size, size), Image.NEAREST)).astype(np.int64)
        return torch.from_numpy(image.transpose(2, 0, 1).copy()), torch.from_numpy(target)
    return transform


@right("a class, with prints")
class eval_transform:
    def __init__(self, size):
        self.size = (size, size)

    def __call__(self, image, mask):
        print("from", image.size, "to", self.size)
        image = TF.resize(TF.to_tensor(image), self.size, antialias=True)
        target = TF.resize(TF.pil_to_tensor(mask), self.size, interpolation=TF.InterpolationMode.NEAREST)
        return [TF.normalize(image, MEAN, STD), target.squeeze(0).to(torch.int64)]


@right("letterbox with void in the bars")
def eval_transform(size):
    def transform(image, mask):
        scale = size / max(image.size)
        width, height = round(image.width * scale), round(image.height * scale)
        left, top = (size - width) // 2, (size - height) // 2
        square, void = Image.new("RGB", (size, size)), Image.new("L", (size, size), 255)
        square.paste(image.resize((width, height), Image.BILINEAR), (left, top))
        void.paste(Image.fromarray(np.array(mask)).resize((width, height), Image.NEAREST), (left, top))
        return TF.normalize(TF.to_tensor(square), MEAN, STD), torch.from_numpy(np.array(void)).long()
    return transform


@right("letterbox at the corner, after normalising")
def eval_transform(size):
    def transform(image, mask):
        image = TF.normalize(TF.to_tensor(image), MEAN, STD)
        height, width = image.shape[1:]
        new = [size * height // max(height, width), size * width // max(height, width)]
        image = F.interpolate(image[None], new, mode="bilinear")[0]
        target = F.interpolate(TF.pil_to_tensor(mask)[None].float(), new, mode="nearest-exact")[0, 0].long()
        padding = (0, size - new[1], 0, size - new[0])
        return F.pad(image, padding), F.pad(target, padding, value=255)
    return transform


@right("a lambda and grid_sample")
def eval_transform(size):
    def sample(picture, mode):
        theta = torch.eye(2, 3)[None]
        return F.grid_sample(picture[None], F.affine_grid(theta, [1, 1, size, size], align_corners=False), mode,
                             padding_mode="border", align_corners=False)[0]
    return lambda image, mask: (TF.normalize(sample(TF.to_tensor(image), "bilinear"), MEAN, STD),
                                sample(TF.pil_to_tensor(mask).float(), "nearest")[0].round().long())


@right("planes of each class, enlarged smoothly")
def eval_transform(size):
    def transform(image, mask):
        labels, target = np.unique(np.array(mask), return_inverse=True)
        planes = F.one_hot(torch.from_numpy(target.reshape(mask.size[::-1])), len(labels)).permute(2, 0, 1).float()
        smooth = F.interpolate(planes[None], (size, size), mode="bilinear")[0].argmax(0)
        image = v2.functional.resize(v2.functional.to_image(image), [size, size])
        image = v2.functional.normalize(v2.functional.to_dtype(image, torch.float32, scale=True), MEAN, STD)
        return image, torch.from_numpy(labels).long()[smooth]
    return transform
