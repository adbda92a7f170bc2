"""Answers to exercise 2.1, wrong and right."""

import random

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image, ImageEnhance, ImageOps
from torchvision import transforms as v1
from torchvision import tv_tensors
from torchvision.transforms import functional as TF
from torchvision.transforms import v2

from helpers.settings import MEAN, STD
from tests.exercises.bank import right, wrong

fill = {tv_tensors.Mask: 255, "others": 0}
jitter = v2.ColorJitter(0.3, 0.3, 0.3)
to_tensor = [v2.ToDtype(torch.float32, scale=True), v2.Normalize(MEAN, STD)]


def wrapped(steps):
    """What most answers share: v2 steps on a wrapped pair."""
    steps = v2.Compose(steps)

    def transform(image, mask):
        image, target = steps(TF.pil_to_tensor(image), tv_tensors.Mask(TF.pil_to_tensor(mask)))
        return image, target[0].long()
    return transform


def zoom_and_crop(size):
    return [v2.ScaleJitter((size, size), (0.75, 1.5)), v2.RandomCrop(size, pad_if_needed=True, fill=fill)]


def finish(image):
    """A PIL image as a normalised tensor."""
    return TF.normalize(TF.to_tensor(image), MEAN, STD)


def target_of(mask):
    return torch.from_numpy(np.array(mask).astype(np.int64))


@wrong("separate_draws")
def train_transform(size):
    steps = v2.Compose([v2.RandomResizedCrop(size), v2.RandomHorizontalFlip()])
    colours = v2.Compose([jitter, v2.ToImage(), *to_tensor])

    def transform(image, mask):
        return colours(steps(image)), TF.pil_to_tensor(steps(mask))[0].long()
    return transform


@wrong("separate_draws")
def train_transform(size):
    crop, colours = v1.RandomResizedCrop(size), v1.ColorJitter(0.3, 0.3)

    def transform(image, mask):
        image, mask = colours(crop(image)), crop(mask)
        if random.random() < 0.5:
            image, mask = TF.hflip(image), TF.hflip(mask)
        return TF.normalize(TF.to_tensor(image), MEAN, STD), TF.pil_to_tensor(mask)[0].long()
    return transform


@wrong("flip_not_shared")
def train_transform(size):
    steps, flip = wrapped([*zoom_and_crop(size), jitter, *to_tensor]), v2.RandomHorizontalFlip()

    def transform(image, mask):
        image, target = steps(image, mask)
        return flip(image), target
    return transform


@wrong("flip_not_shared")
def train_transform(size):
    steps = wrapped([*zoom_and_crop(size), jitter, *to_tensor])

    def transform(image, mask):
        image, target = steps(image, mask)
        if torch.rand(1) < 0.5:
            image = image.flip(-1)
        if torch.rand(1) < 0.5:
            target = target.flip(-1)
        return image, target
    return transform


@wrong("mask_as_image")
def train_transform(size):
    steps = v2.Compose([v2.ToImage(), v2.RandomResizedCrop(size), v2.RandomHorizontalFlip(), jitter, *to_tensor])

    def transform(image, mask):
        image, mask = steps(image, mask)
        return image, mask[0]
    return transform


@wrong("mask_as_image")
def train_transform(size):
    steps = v2.Compose([v2.RandomResizedCrop(size), v2.RandomHorizontalFlip(), *to_tensor])

    def transform(image, mask):
        image, target = steps(tv_tensors.Image(jitter(image)), tv_tensors.Image(TF.pil_to_tensor(mask)))
        return image, target[0].long()
    return transform


@wrong("mask_as_image")
def train_transform(size):
    def transform(image, mask):
        steps = [v2.ToImage(), v2.RandomResizedCrop(size, interpolation=0), v2.RandomHorizontalFlip(), jitter]
        image, target = v2.Compose(steps)(image, mask)
        return v2.Compose(to_tensor)(image), target[0].long()
    return transform


@wrong("bilinear_mask")
def train_transform(size):
    steps = v2.Compose([v2.RandomResizedCrop(size), v2.RandomHorizontalFlip()])

    def transform(image, mask):
        image, target = steps(tv_tensors.Image(image), tv_tensors.Image(TF.pil_to_tensor(mask)))
        return v2.Compose([jitter, *to_tensor])(image), target[0].long()
    return transform


@wrong("bilinear_mask")
def train_transform(size):
    def transform(image, mask):
        image, mask = TF.to_tensor(jitter(image)), torch.from_numpy(np.array(mask)).float()[None]
        zoomed = random.randint(size, 2 * size)
        both = torch.cat([TF.normalize(image, MEAN, STD), mask])[None]
        both = F.interpolate(both, (zoomed, zoomed), mode="bilinear")[0]
        top, left = random.randint(0, zoomed - size), random.randint(0, zoomed - size)
        both = both[:, top:top + size, left:left + size]
        if random.random() < 0.5:
            both = both.flip(2)
        return both[:3], both[3].long()
    return transform


@wrong("mask_not_transformed")
def train_transform(size):
    steps = v2.Compose([v2.ToImage(), v2.RandomResizedCrop(size), v2.RandomHorizontalFlip(), jitter, *to_tensor])
    return lambda image, mask: (steps(image), torch.from_numpy(np.array(mask)).long())


@wrong("mask_not_transformed")
def train_transform(size):
    steps = v2.Compose([*zoom_and_crop(size), v2.RandomHorizontalFlip(), jitter, *to_tensor])
    return lambda image, mask: steps(TF.pil_to_tensor(image), TF.pil_to_tensor(mask)[0].long())


@wrong("padding_not_void")
def train_transform(size):
    return wrapped([v2.ScaleJitter((size, size), (0.75, 1.5)), v2.RandomCrop(size, pad_if_needed=True),
                    v2.RandomHorizontalFlip(), jitter, *to_tensor])


@wrong("padding_not_void")
def train_transform(size):
    def transform(image, mask):
        scale = random.uniform(0.5, 1.5) * size / max(image.size)
        new = (round(image.width * scale), round(image.height * scale))
        image, mask = jitter(image.resize(new)), mask.resize(new, Image.NEAREST)
        left, top = (random.randint(min(0, n - size), max(0, n - size)) for n in new)
        box = (left, top, left + size, top + size)
        image, mask = image.crop(box), mask.crop(box)  # Pillow fills with 0
        if random.random() < 0.5:
            image, mask = ImageOps.mirror(image), ImageOps.mirror(mask)
        return TF.normalize(TF.to_tensor(image), MEAN, STD), TF.pil_to_tensor(mask)[0].long()
    return transform


@wrong("padding_not_void")
def train_transform(size):
    more = {tv_tensors.Mask: 21, "others": 0}  # "a class of its own"
    return wrapped([v2.ScaleJitter((size, size), (0.75, 1.5)), v2.RandomCrop(size, pad_if_needed=True, fill=more),
                    v2.RandomHorizontalFlip(), jitter, *to_tensor])


@wrong("crop_without_padding")
def train_transform(size):
    return wrapped([v2.ScaleJitter((size, size), (0.75, 1.5)), v2.RandomCrop(size), v2.RandomHorizontalFlip(), jitter,
                    *to_tensor])


@wrong("not_square")
def train_transform(size):
    return wrapped([v2.Resize(size), v2.RandomHorizontalFlip(), jitter, *to_tensor])


@wrong("not_normalised")
def train_transform(size):
    return wrapped([*zoom_and_crop(size), v2.RandomHorizontalFlip(), jitter, v2.ToDtype(torch.float32, scale=True)])


@wrong("not_normalised")
def train_transform(size):
    return wrapped([*zoom_and_crop(size), v2.RandomHorizontalFlip(), jitter])


@wrong("not_scaled")
def train_transform(size):
    return wrapped([*zoom_and_crop(size), v2.RandomHorizontalFlip(), jitter, v2.ToDtype(torch.float32),
                    v2.Normalize(MEAN, STD)])


@wrong("other_normalisation")
def train_transform(size):
    return wrapped([*zoom_and_crop(size), v2.RandomHorizontalFlip(), jitter, v2.ToDtype(torch.float32, scale=True),
                    v2.Normalize([0.5] * 3, [0.5] * 3)])


@wrong("other_normalisation")
def train_transform(size):
    return wrapped([*zoom_and_crop(size), v2.RandomHorizontalFlip(), jitter, v2.ToDtype(torch.float32, scale=True),
                    v2.Normalize(MEAN[::-1], STD[::-1])])


@wrong("other_normalisation")
def train_transform(size):
    return wrapped([*zoom_and_crop(size), v2.RandomHorizontalFlip(), jitter, *to_tensor, v2.Normalize(MEAN, STD)])


@wrong("no_jitter")
def train_transform(size):
    return wrapped([*zoom_and_crop(size), v2.RandomHorizontalFlip(), *to_tensor])


@wrong("no_jitter")
def train_transform(size):
    return wrapped([v2.RandomResizedCrop(size, scale=(0.3, 1)), v2.RandomHorizontalFlip(), v2.ColorJitter(),
                    *to_tensor])


@wrong("no_flip")
def train_transform(size):
    return wrapped([*zoom_and_crop(size), jitter, *to_tensor])


@wrong("no_flip")
def train_transform(size):
    return wrapped([*zoom_and_crop(size), v2.RandomVerticalFlip(), jitter, *to_tensor])


@wrong("always_flipped")
def train_transform(size):
    return wrapped([*zoom_and_crop(size), v2.RandomHorizontalFlip(p=1), jitter, *to_tensor])


@wrong("no_crop")
def train_transform(size):
    return wrapped([v2.Resize((size, size)), v2.RandomHorizontalFlip(), jitter, *to_tensor])


@wrong("no_crop")
def train_transform(size):
    return wrapped([v2.ScaleJitter((size, size), (0.75, 1.5)), v2.Resize((size, size)), v2.RandomHorizontalFlip(),
                    jitter, *to_tensor])


@wrong("no_zoom")
def train_transform(size):
    return wrapped([v2.RandomCrop(size, pad_if_needed=True, fill=fill), v2.RandomHorizontalFlip(), jitter, *to_tensor])


@wrong("no_zoom")
def train_transform(size):
    return wrapped([v2.Resize((size + 20, size + 20)), v2.RandomCrop(size), v2.RandomHorizontalFlip(), jitter,
                    *to_tensor])


@wrong("crop_never_moves")
def train_transform(size):
    return wrapped([v2.ScaleJitter((size, size), (0.75, 1.5)), v2.Pad(size, fill=fill), v2.CenterCrop(size),
                    v2.RandomHorizontalFlip(), jitter, *to_tensor])


@wrong("crop_never_moves")
def train_transform(size):
    def transform(image, mask):
        zoomed = random.randint(size, 2 * size)
        image, mask = image.resize((zoomed, zoomed)), mask.resize((zoomed, zoomed))
        image, mask = jitter(image.crop((0, 0, size, size))), mask.crop((0, 0, size, size))
        if random.random() < 0.5:
            image, mask = TF.hflip(image), TF.hflip(mask)
        return TF.normalize(TF.to_tensor(image), MEAN, STD), TF.pil_to_tensor(mask)[0].long()
    return transform


@wrong("no_chance")
def train_transform(size):
    return wrapped([v2.Resize((size, size)), *to_tensor])


@wrong("no_chance")
def train_transform(size):
    steps = wrapped([*zoom_and_crop(size), v2.RandomHorizontalFlip(), jitter, *to_tensor])

    def transform(image, mask):
        torch.manual_seed(0)  # "for reproducibility"
        return steps(image, mask)
    return transform


@wrong("drawn_once")
def train_transform(size):
    zoomed = random.randint(size, 2 * size)
    top, left, flip = random.randint(0, zoomed - size), random.randint(0, zoomed - size), random.random() < 0.5
    brightness = random.uniform(0.7, 1.3)

    def transform(image, mask):
        image, mask = TF.adjust_brightness(image.resize((zoomed, zoomed)), brightness), mask.resize((zoomed, zoomed))
        image, mask = TF.crop(image, top, left, size, size), TF.crop(mask, top, left, size, size)
        if flip:
            image, mask = TF.hflip(image), TF.hflip(mask)
        return TF.normalize(TF.to_tensor(image), MEAN, STD), TF.pil_to_tensor(mask)[0].long()
    return transform


@wrong("wrong_size")
def train_transform(size):
    return wrapped([*zoom_and_crop(224), v2.RandomHorizontalFlip(), jitter, *to_tensor])


@wrong("grey_levels")
def train_transform(size):
    steps = wrapped([*zoom_and_crop(size), v2.RandomHorizontalFlip(), jitter, *to_tensor])
    return lambda image, mask: steps(image, mask.convert("L"))


@wrong("mask_as_colours")
def train_transform(size):
    steps = v2.Compose([*zoom_and_crop(size), v2.RandomHorizontalFlip(), jitter, *to_tensor])

    def transform(image, mask):
        image, target = steps(v2.functional.to_image(image), tv_tensors.Mask(TF.pil_to_tensor(mask.convert("RGB"))))
        return image, target.long()
    return transform


@wrong("void_lost")
def train_transform(size):
    steps = wrapped([*zoom_and_crop(size), v2.RandomHorizontalFlip(), jitter, *to_tensor])
    return lambda image, mask: steps(image, Image.fromarray(np.array(mask) % 255))


@wrong("void_lost")
def train_transform(size):
    steps = wrapped([*zoom_and_crop(size), v2.RandomHorizontalFlip(), jitter, *to_tensor])
    return lambda image, mask: steps(image, mask.point(lambda label: 20 if label == 255 else label))


@wrong("void_lost")
def train_transform(size):
    steps = wrapped([*zoom_and_crop(size), v2.RandomHorizontalFlip(), jitter, *to_tensor])

    def transform(image, mask):
        image, target = steps(image, mask)
        highest = max({0, *np.array(mask).flatten().tolist()} - {255})  # of this mask
        return image, target.clamp(max=highest)
    return transform


@wrong("background_lost")
def train_transform(size):
    steps = wrapped([*zoom_and_crop(size), v2.RandomHorizontalFlip(), jitter, *to_tensor])

    def transform(image, mask):
        image, target = steps(image, mask)
        return image, torch.where(target == 0, 255, target)
    return transform


@wrong("labels_changed")
def train_transform(size):
    steps = wrapped([*zoom_and_crop(size), v2.RandomHorizontalFlip(), jitter, *to_tensor])

    def transform(image, mask):
        image, target = steps(image, mask)
        return image, torch.where(target == 255, target, target - 1)  # "classes should start at 0"
    return transform


@wrong("separate_draws")
def train_transform(size):
    steps, turn = wrapped([*zoom_and_crop(size), v2.RandomHorizontalFlip(), jitter, *to_tensor]), v2.RandomRotation(20)
    return lambda image, mask: steps(turn(image), mask)


@wrong("separate_draws")
def train_transform(size):
    def transform(image, mask):
        zoomed = random.randint(size, 2 * size)
        image, mask = jitter(image.resize((zoomed, zoomed))), mask.resize((zoomed, zoomed), Image.NEAREST)
        top, left = v1.RandomCrop.get_params(image, (size, size))[:2]
        image, mask = TF.crop(image, top, left, size, size), TF.crop(mask, left, top, size, size)  # changed places
        if random.random() < 0.5:
            image, mask = TF.hflip(image), TF.hflip(mask)
        return TF.normalize(TF.to_tensor(image), MEAN, STD), TF.pil_to_tensor(mask)[0].long()
    return transform


@wrong("wrong_dtype")
def train_transform(size):
    steps = v2.Compose([*zoom_and_crop(size), v2.RandomHorizontalFlip(), jitter, *to_tensor])

    def transform(image, mask):
        image, target = steps(v2.functional.to_image(image), tv_tensors.Mask(TF.pil_to_tensor(mask)))
        return image, target[0]
    return transform


@wrong("channel_axis")
def train_transform(size):
    steps = v2.Compose([*zoom_and_crop(size), v2.RandomHorizontalFlip(), jitter, *to_tensor,
                        v2.ToDtype({tv_tensors.Mask: torch.int64, "others": None})])
    return lambda image, mask: steps(v2.functional.to_image(image), tv_tensors.Mask(TF.pil_to_tensor(mask)))


@wrong("image_not_a_tensor")
def train_transform(size):
    steps = v2.Compose([v2.RandomResizedCrop(size), v2.RandomHorizontalFlip(), jitter])
    return lambda image, mask: (lambda a, b: (a, b[0].long()))(*steps(image, tv_tensors.Mask(TF.pil_to_tensor(mask))))


@wrong("not_a_pair")
def train_transform(size):
    steps = wrapped([*zoom_and_crop(size), v2.RandomHorizontalFlip(), jitter, *to_tensor])
    return lambda image, mask: steps(image, mask)[0]


@wrong("wrong_arity")
def train_transform(size):
    return v1.Compose([v1.RandomResizedCrop(size), v1.RandomHorizontalFlip(), v1.ToTensor(), v1.Normalize(MEAN, STD)])


@wrong("not_a_transform")
def train_transform(size):
    return [*zoom_and_crop(size), v2.RandomHorizontalFlip(), jitter, *to_tensor]


@wrong("raised")
def train_transform(size):
    return v2.Compose([v2.RandomResizedCrop(size), v2.RandomHorizontalFlip(), v2.Normalize(MEAN, STD)])


@wrong("not_attempted")
def train_transform(size):
    raise NotImplementedError("Exercise 2.1: the same zoom, crop and flip for both; other colours for the image")


@wrong("mask_as_image")
def train_transform(size):
    return v2.Compose([v2.RandomResizedCrop((size, size)), v2.RandomHorizontalFlip(), v2.ColorJitter(0.3, 0.3, 0.3),
                       v2.ToImage(), v2.ToDtype(torch.float32, scale=True), v2.Normalize(MEAN, STD)])


@wrong("mask_as_image")
def train_transform(size):
    return v2.Compose([v2.ToImage(), v2.ScaleJitter((size, size)), v2.RandomCrop(size, pad_if_needed=True, fill=255),
                       v2.RandomHorizontalFlip(), v2.ColorJitter(0.3, 0.3, 0.3),
                       v2.ToDtype(torch.float32, scale=True), v2.Normalize(MEAN, STD)])


@wrong("mask_as_image")
def train_transform(size):
    steps = v2.Compose([v2.RandomResizedCrop((size, size)), v2.RandomHorizontalFlip(), v2.ColorJitter(0.3, 0.3, 0.3)])

    def transform(image, mask):
        image, mask = steps(image, mask)
        image = TF.normalize(TF.to_tensor(image), MEAN, STD)
        return image, TF.pil_to_tensor(mask)[0].long()
    return transform


@wrong("pair_swapped")
def train_transform(size):
    steps = wrapped([v2.RandomResizedCrop((size, size)), v2.RandomHorizontalFlip(), jitter, *to_tensor])
    return lambda image, mask: steps(image, mask)[::-1]


@wrong("returns_none")
def train_transform(size):
    wrapped([v2.RandomResizedCrop((size, size)), v2.RandomHorizontalFlip(), jitter, *to_tensor])


@wrong("returns_none")
def train_transform(size):
    steps = wrapped([v2.RandomResizedCrop((size, size)), v2.RandomHorizontalFlip(), jitter, *to_tensor])

    def transform(image, mask):
        image, target = steps(image, mask)
    return transform


@wrong("wrong_arity")
def train_transform(size):
    return v1.Compose([v1.RandomResizedCrop(size), v1.RandomHorizontalFlip(), v1.ToTensor(), v1.Normalize(MEAN, STD)])


@wrong("renumbered")
def train_transform(size):
    steps = wrapped([*zoom_and_crop(size), v2.RandomHorizontalFlip(), jitter, *to_tensor])
    return lambda image, mask: steps(image, mask.convert("RGB").quantize(21))


@wrong("renumbered")
def train_transform(size):
    steps = wrapped([*zoom_and_crop(size), v2.RandomHorizontalFlip(), jitter, *to_tensor])
    return lambda image, mask: steps(image, mask.convert("RGB").convert("P"))


@wrong("channels_swapped")
def train_transform(size):
    steps = wrapped([*zoom_and_crop(size), v2.RandomHorizontalFlip(), jitter, *to_tensor])

    def transform(image, mask):
        return steps(Image.fromarray(np.array(image)[..., ::-1].copy()), mask)
    return transform


@wrong("other_normalisation")
def train_transform(size):
    steps = wrapped([*zoom_and_crop(size), v2.RandomHorizontalFlip(), jitter, *to_tensor])

    def transform(image, mask):
        image, target = steps(image, mask)
        return image.flip(0), target
    return transform


@wrong("padding_not_void")
def train_transform(size):
    return wrapped([v2.RandomRotation(20), v2.RandomResizedCrop(size), v2.RandomHorizontalFlip(), jitter, *to_tensor])


@wrong("crop_never_moves")
def train_transform(size):
    def transform(image, mask):
        k = random.uniform(1, 2)
        new = (int(size * k), int(size * k))
        image, mask = image.resize(new), mask.resize(new, Image.NEAREST)
        image, mask = TF.center_crop(image, size), TF.center_crop(mask, size)
        if random.random() < 0.5:
            image, mask = TF.hflip(image), TF.hflip(mask)
        return finish(jitter(image)), target_of(mask)
    return transform


@wrong("separate_draws")
def train_transform(size):
    def transform(image, mask):
        k = random.uniform(1, 2)
        new = (int(size * k), int(size * k))
        image, mask = image.resize(new), mask.resize(new, Image.NEAREST)
        top, left = random.randint(0, new[0] - size), random.randint(0, new[0] - size)
        image = TF.crop(image, top, left, size, size)
        mask = TF.center_crop(mask, size)
        if random.random() < 0.5:
            image, mask = TF.hflip(image), TF.hflip(mask)
        return finish(jitter(image)), target_of(mask)
    return transform


@wrong("flip_not_shared")
def train_transform(size):
    def transform(image, mask):
        i, j, h, w = v1.RandomResizedCrop.get_params(image, (0.3, 1), (0.75, 1.33))
        image = TF.resized_crop(image, i, j, h, w, [size, size])
        mask = TF.resized_crop(mask, i, j, h, w, [size, size], TF.InterpolationMode.NEAREST)
        if random.random() < 0.5:
            image = TF.hflip(image)
        return finish(jitter(image)), target_of(mask)
    return transform


@wrong("bilinear_mask")
def train_transform(size):
    def transform(image, mask):
        i, j, h, w = v1.RandomResizedCrop.get_params(image, (0.3, 1), (0.75, 1.33))
        image = TF.resized_crop(image, i, j, h, w, [size, size])
        mask = TF.resized_crop(Image.fromarray(np.array(mask)), i, j, h, w, [size, size])
        if random.random() < 0.5:
            image, mask = TF.hflip(image), TF.hflip(mask)
        return finish(jitter(image)), target_of(mask)
    return transform


@right("v2 on a wrapped pair")
def train_transform(size):
    return wrapped([*zoom_and_crop(size), v2.RandomHorizontalFlip(), jitter, *to_tensor])


@right("RandomResizedCrop, brightness alone, never any padding")
def train_transform(size):
    return wrapped([v2.RandomResizedCrop(size), v2.RandomHorizontalFlip(), v2.ColorJitter(brightness=0.2), *to_tensor])


@right("functional calls on PIL images")
def train_transform(size):
    crop, colours = v1.RandomResizedCrop(size), v1.ColorJitter(0.4, 0.4, 0.4, 0.1)

    def transform(image, mask):
        window = crop.get_params(image, (0.25, 1), (0.75, 1.33))
        image = TF.resized_crop(image, *window, [size, size])
        mask = TF.resized_crop(mask, *window, [size, size], interpolation=TF.InterpolationMode.NEAREST)
        if torch.rand(1).item() < 0.5:
            image, mask = TF.hflip(image), TF.hflip(mask)
        image = TF.normalize(TF.to_tensor(colours(image)), MEAN, STD)
        return image, torch.as_tensor(np.array(mask), dtype=torch.int64)
    return transform


@right("Pillow, random and NumPy alone, as a class")
class train_transform:
    def __init__(self, size):
        self.size = size

    def __call__(self, image, mask):
        scale = random.uniform(0.5, 2) * self.size / max(image.size)
        width, height = max(1, round(image.width * scale)), max(1, round(image.height * scale))
        left, top = (random.randint(min(0, n - self.size), max(0, n - self.size)) for n in (width, height))
        picture, target = Image.new("RGB", (self.size,) * 2, (124, 116, 104)), Image.new("P", (self.size,) * 2, 255)
        picture.paste(image.resize((width, height), Image.BILINEAR), (-left, -top))
        target.paste(mask.resize((width, height), Image.NEAREST), (-left, -top))
        if random.random() < 0.5:
            picture, target = ImageOps.mirror(picture), ImageOps.mirror(target)
        picture = ImageEnhance.Brightness(picture).enhance(random.uniform(0.7, 1.3))
        picture = ImageEnhance.Color(picture).enhance(random.uniform(0.5, 1.5))
        array = (np.asarray(picture, np.float32) / 255 - np.float32(MEAN)) / np.float32(STD)
        return torch.from_numpy(array).permute(2, 0, 1), torch.from_numpy(np.asarray(target).astype(np.int64))


@right("the same random state for both, with prints")
def train_transform(size):
    both = v1.Compose([v1.RandomResizedCrop(size, (0.3, 1), interpolation=TF.InterpolationMode.NEAREST),
                       v1.RandomHorizontalFlip()])
    after = v1.Compose([v1.ColorJitter(0.3), v1.ToTensor(), v1.Normalize(MEAN, STD)])

    def transform(image, mask):
        state = torch.get_rng_state()
        image = both(image)
        torch.set_rng_state(state)
        mask = both(mask)
        print("crop", image.size)
        return after(image), TF.pil_to_tensor(mask).squeeze(0).long()
    return transform


@right("an affine map and grid_sample, jitter by hand after normalising")
def train_transform(size):
    mean, std = np.array(MEAN)[:, None, None], np.array(STD)[:, None, None]

    def transform(image, mask):
        rng = np.random.default_rng()
        scale, flip = rng.uniform(0.5, 1.2), rng.choice([-1, 1])
        theta = torch.tensor([[[scale * flip, 0, rng.uniform(-0.4, 0.4)], [0, scale, rng.uniform(-0.4, 0.4)]]]).float()
        places = F.affine_grid(theta, [1, 1, size, size], align_corners=False)
        pixels = np.asarray(image, dtype=np.float32).transpose(2, 0, 1) / 255
        pixels = torch.from_numpy((pixels - mean) / std).float()[None]
        target = torch.from_numpy(np.array(mask)).float()[None, None] - 255  # zeros outside mean void
        image = F.grid_sample(pixels, places, align_corners=False)[0]
        target = F.grid_sample(target, places, mode="nearest", align_corners=False)[0, 0].round().long() + 255
        return image * float(rng.uniform(0.8, 1.2)), target
    return transform


@right("rotation, blur and erasing on top")
def train_transform(size):
    geometry = v2.Compose([v2.RandomResizedCrop(size, scale=(0.4, 1)), v2.RandomHorizontalFlip(0.3),
                           v2.RandomRotation(10, fill=fill)])
    looks = v2.Compose([v2.RandomApply([v2.ColorJitter(0.5, 0.5, 0.5, 0.3)], 0.5), v2.RandomGrayscale(0.1),
                        v2.RandomApply([v2.GaussianBlur(3)], 0.3), *to_tensor, v2.RandomErasing(0.3)])

    def transform(image, mask):
        image, target = geometry(tv_tensors.Image(image), tv_tensors.Mask(mask))
        return looks(image), target.squeeze().as_subclass(torch.Tensor).to(torch.int64)
    return transform


@right("v2's photometric distortion and reflected borders")
def train_transform(size):
    return wrapped([v2.RandomPhotometricDistort(), v2.RandomResize(size // 2, 2 * size),
                    v2.RandomCrop(size, pad_if_needed=True, padding_mode="edge"), v2.RandomHorizontalFlip(),
                    *to_tensor])


@right("affine after a resize")
def train_transform(size):
    return wrapped([v2.Resize((size, size)), v2.RandomAffine(0, translate=(0.2, 0.2), scale=(0.9, 1.4), fill=fill),
                    v2.RandomHorizontalFlip(), jitter, *to_tensor])


@right("a module with forward, NumPy flips")
def train_transform(size):
    class Augment(torch.nn.Module):
        def forward(self, image, mask):
            i, j, h, w = v1.RandomResizedCrop.get_params(image, scale=(0.3, 1.0), ratio=(0.8, 1.25))
            a = np.array(TF.resized_crop(image, i, j, h, w, (size, size)))
            m = np.array(TF.resized_crop(mask, i, j, h, w, (size, size), interpolation=TF.InterpolationMode.NEAREST))
            if np.random.rand() < 0.5:
                a, m = a[:, ::-1].copy(), m[:, ::-1].copy()
            x = torch.from_numpy(a).permute(2, 0, 1).float() / 255
            x = (x * np.random.uniform(0.7, 1.3)).clamp(0, 1)
            return TF.normalize(x, MEAN, STD), torch.from_numpy(m).long()
    return Augment()


@right("discrete zooms, random.choice")
def train_transform(size):
    def transform(image, mask):
        k = random.choice([1.0, 1.2, 1.5])
        new = [round(size * k)] * 2
        image, mask = TF.resize(image, new), TF.resize(mask, new, TF.InterpolationMode.NEAREST)
        top, left, h, w = v1.RandomCrop.get_params(image, (size, size))
        image, mask = TF.crop(image, top, left, h, w), TF.crop(mask, top, left, h, w)
        if random.choice([True, False]):
            image, mask = TF.hflip(image), TF.hflip(mask)
        image = TF.adjust_brightness(image, random.uniform(0.8, 1.2))
        image = TF.adjust_saturation(image, random.uniform(0.8, 1.2))
        return finish(image), target_of(mask)
    return transform


@right("mild jitter, hue, grey now and then")
def train_transform(size):
    return wrapped([v2.RandomResizedCrop(size, scale=(0.5, 1), antialias=True), v2.RandomHorizontalFlip(),
                    v2.ColorJitter(0.1, 0.1, 0.1, 0.02), v2.RandomGrayscale(0.1), *to_tensor])


@right("gamma by hand")
def train_transform(size):
    both = v2.Compose([*zoom_and_crop(size), v2.RandomHorizontalFlip()])

    def transform(image, mask):
        image, mask = both(tv_tensors.Image(image), tv_tensors.Mask(mask))
        image = v2.functional.to_dtype(image, torch.float32, scale=True)
        image = image ** float(np.random.uniform(0.6, 1.6))
        return v2.functional.normalize(image, MEAN, STD), mask.squeeze(0).long()
    return transform


@right("one big tensor of four channels, nearest for all")
def train_transform(size):
    def transform(image, mask):
        both = torch.cat([TF.pil_to_tensor(image), TF.pil_to_tensor(mask)])
        i, j, h, w = v1.RandomResizedCrop.get_params(both, (0.3, 1), (3 / 4, 4 / 3))
        both = TF.resized_crop(both, i, j, h, w, [size, size], TF.InterpolationMode.NEAREST)
        if torch.rand(()) < 0.5:
            both = both.flip(-1)
        image = jitter(both[:3])
        return TF.normalize(image / 255, MEAN, STD), both[3].long()
    return transform
