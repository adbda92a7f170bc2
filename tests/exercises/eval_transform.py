"""Answers to exercise 2.2, wrong and right."""

import functools
import random

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image, ImageOps
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


def finish(image):
    """A PIL image as a normalised tensor."""
    return TF.normalize(TF.to_tensor(image), MEAN, STD)


def target_of(mask):
    return torch.from_numpy(np.array(mask).astype(np.int64))


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


@wrong("colours_lost")
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


@wrong("separate_draws")
def eval_transform(size):
    def transform(image, mask):
        k = size / max(image.size)
        new = [round(s * k) for s in image.size]
        canvas = Image.new("RGB", (size, size))
        canvas.paste(image.resize(new))
        return finish(canvas), target_of(mask.resize((size, size), Image.NEAREST))
    return transform


@wrong("separate_draws")
def eval_transform(size):
    def transform(image, mask):
        k = size / max(mask.size)
        new = [round(s * k) for s in mask.size]
        void = Image.new("L", (size, size), 255)
        void.paste(Image.fromarray(np.array(mask)).resize(new, Image.NEAREST))
        return finish(image.resize((size, size))), target_of(void)
    return transform


@wrong("apart")
def eval_transform(size):
    def transform(image, mask):
        image = TF.center_crop(TF.resize(image, size), size)
        mask = TF.resize(mask, (size, size))
        return finish(image), target_of(mask)
    return transform


@wrong("crops")
def eval_transform(size):
    def transform(image, mask):
        image = TF.resize(image, (size, size))
        mask = TF.center_crop(TF.resize(mask, size), size)
        return finish(image), target_of(mask)
    return transform


@wrong("renumbered")
def eval_transform(size):
    def transform(image, mask):
        mask = mask.convert("RGB").resize((size, size), Image.NEAREST).convert("P")
        return finish(image.resize((size, size))), target_of(mask)
    return transform


@wrong("renumbered")
def eval_transform(size):
    def transform(image, mask):
        mask = mask.convert("RGB").resize((size, size), Image.NEAREST).quantize(21)
        return finish(image.resize((size, size))), target_of(mask)
    return transform


@wrong("foreground_only")
def eval_transform(size):
    def transform(image, mask):
        t = target_of(mask.resize((size, size), Image.NEAREST))
        return finish(image.resize((size, size))), (t > 0).long()
    return transform


@wrong("channels_swapped")
def eval_transform(size):
    def transform(image, mask):
        t = target_of(mask.resize((size, size), Image.NEAREST))
        bgr = Image.fromarray(np.array(image)[..., ::-1])
        return finish(bgr.resize((size, size))), t
    return transform


@wrong("channels_last")
def eval_transform(size):
    def transform(image, mask):
        t = target_of(mask.resize((size, size), Image.NEAREST))
        return finish(image.resize((size, size))).permute(1, 2, 0), t
    return transform


@wrong("flip_not_shared")
def eval_transform(size):
    def transform(image, mask):
        return finish(ImageOps.mirror(image).resize((size, size))), target_of(mask.resize((size, size), Image.NEAREST))
    return transform


@wrong("not_a_pair")
def eval_transform(size):
    def transform(image, mask):
        return finish(image.resize((size, size)))
    return transform


@wrong("changes_input")
def eval_transform(size):
    def transform(image, mask):
        image.thumbnail((size, size))
        mask.thumbnail((size, size), Image.NEAREST)
        return finish(image.resize((size, size))), target_of(mask.resize((size, size), Image.NEAREST))
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


@right("partial")
def eval_transform(size):
    def apply(image, mask, size):
        return finish(image.resize((size, size))), target_of(mask.resize((size, size), Image.NEAREST))
    return functools.partial(apply, size=size)


@right("ImageOps.pad")
def eval_transform(size):
    def transform(image, mask):
        image = ImageOps.pad(image, (size, size))
        mask = ImageOps.pad(Image.fromarray(np.array(mask)), (size, size), method=Image.NEAREST, color=255)
        return finish(image), target_of(mask)
    return transform


@right("tv_tensors returned as they are")
def eval_transform(size):
    steps = v2.Compose([v2.Resize((size, size)),
                        v2.ToDtype({tv_tensors.Image: torch.float32, tv_tensors.Mask: torch.int64}, scale=True),
                        v2.Normalize(MEAN, STD)])

    def transform(image, mask):
        return steps(v2.functional.to_image(image), tv_tensors.Mask(torch.from_numpy(np.array(mask))))
    return transform


@right("a wrapping first step in the composition")
def eval_transform(size):
    class Wrap(torch.nn.Module):
        def forward(self, image, mask):
            return v2.functional.to_image(image), tv_tensors.Mask(TF.pil_to_tensor(mask)[0])
    return v2.Compose([Wrap(), v2.Resize((size, size)),
                       v2.ToDtype({tv_tensors.Image: torch.float32, tv_tensors.Mask: torch.int64}, scale=True),
                       v2.Normalize(MEAN, STD)])


@right("index arithmetic")
def eval_transform(size):
    def transform(image, mask):
        a, m = np.asarray(image), np.asarray(mask)
        y = np.arange(size) * a.shape[0] // size
        x = np.arange(size) * a.shape[1] // size
        a = (a[y][:, x] / 255 - MEAN) / STD
        return torch.from_numpy(a).permute(2, 0, 1).float(), torch.from_numpy(m[y][:, x]).long()
    return transform


@right("interpolate, plain nearest")
def eval_transform(size):
    def transform(image, mask):
        x = TF.to_tensor(image)[None]
        t = target_of(mask)[None, None].float()
        x = F.interpolate(x, size=(size, size), mode="bicubic", align_corners=False).clamp(0, 1)[0]
        t = F.interpolate(t, size=(size, size), mode="nearest")[0, 0].long()
        return TF.normalize(x, MEAN, STD), t
    return transform


@right("thumbnail on a copy")
def eval_transform(size):
    def transform(image, mask):
        canvas = Image.new("RGB", (size, size), (124, 116, 104))
        void = Image.new("L", (size, size), 255)
        k = size / max(image.size)
        new = [max(1, round(s * k)) for s in image.size]
        canvas.paste(image.resize(new, Image.LANCZOS))
        void.paste(Image.fromarray(np.asarray(mask)).resize(new, Image.NEAREST))
        return finish(canvas), target_of(void)
    return transform
