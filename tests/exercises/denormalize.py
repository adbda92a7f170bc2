"""Answers to exercise 2.3, wrong and right."""

import numpy as np
import torch
from torchvision.transforms import v2

from helpers.settings import MEAN, STD
from tests.exercises.bank import right, wrong

mean, std = torch.tensor(MEAN)[:, None, None], torch.tensor(STD)[:, None, None]


@wrong("not_clipped")
def denormalize(image):
    return image * std + mean


@wrong("mean_and_std_swapped")
def denormalize(image):
    return (image * mean + std).clamp(0, 1)


@wrong("wrong_order")
def denormalize(image):
    return ((image + mean) * std).clamp(0, 1)


@wrong("normalised_again")
def denormalize(image):
    return ((image - mean) / std).clamp(0, 1)


@wrong("normalised_again")
def denormalize(image):
    return v2.functional.normalize(image, MEAN, STD)


@wrong("divided_by_std")
def denormalize(image):
    return (image / std + mean).clamp(0, 1)


@wrong("sign_of_mean")
def denormalize(image):
    return (image * std - mean).clamp(0, 1)


@wrong("mean_forgotten")
def denormalize(image):
    return (image * std).clamp(0, 1)


@wrong("std_forgotten")
def denormalize(image):
    return (image + mean).clamp(0, 1)


@wrong("nothing_done")
def denormalize(image):
    return image.clone()


@wrong("only_clipped")
def denormalize(image):
    return image.clamp(0, 1)


@wrong("stretched")
def denormalize(image):
    return (image - image.min()) / (image.max() - image.min())


@wrong("stretched")
def denormalize(image):
    picture = image * std + mean
    return (picture - picture.min()) / (picture.max() - picture.min())


@wrong("to_255")
def denormalize(image):
    return ((image * std + mean) * 255).clamp(0, 255)


@wrong("to_255")
def denormalize(image):
    return ((image * std + mean) * 255).clamp(0, 255).byte()


@wrong("clipped_at_255")
def denormalize(image):
    return (image * std + mean).clamp(0, 255)


@wrong("clipped_first")
def denormalize(image):
    return image.clamp(0, 1) * std + mean


@wrong("half")
def denormalize(image):
    return (image * 0.5 + 0.5).clamp(0, 1)


@wrong("channels_last")
def denormalize(image):
    return (image * std + mean).clamp(0, 1).permute(1, 2, 0)


@wrong("channels_reversed")
def denormalize(image):
    return (image * std.flip(0) + mean.flip(0)).clamp(0, 1)


@wrong("wrong_axis")
def denormalize(image):
    return (image * torch.tensor(STD) + torch.tensor(MEAN)).clamp(0, 1)


@wrong("changes_input")
def denormalize(image):
    return image.mul_(std).add_(mean).clamp_(0, 1)


@wrong("changes_input")
def denormalize(image):
    for channel in range(3):
        image[channel] *= STD[channel]
        image[channel] += MEAN[channel]
    return image.clamp(0, 1)


@wrong("batch_axis")
def denormalize(image):
    return (image * std[None] + mean[None]).clamp(0, 1)


@wrong("returns_numpy")
def denormalize(image):
    return (image * std + mean).clamp(0, 1).permute(1, 2, 0).numpy()


@wrong("returns_none")
def denormalize(image):
    picture = (image * std + mean).clamp(0, 1)
    print(picture.shape)


@wrong("not_attempted")
def denormalize(image):
    raise NotImplementedError("Exercise 2.3: undo the normalisation, on a copy, in [0, 1]")


@wrong("tuple_not_tensor")
def denormalize(image):
    return (image * STD + MEAN).clamp(0, 1)


@wrong("tuple_not_tensor")
def denormalize(image):
    return (image * torch.tensor(STD)[:, None, None] + MEAN).clamp(0, 1)


@wrong("tuple_not_tensor")
def denormalize(image):
    return image.mul(STD).add(MEAN).clamp(0, 1)


@wrong("tuple_not_tensor")
def denormalize(image):
    image = image.clone()
    image *= STD
    image += MEAN
    return image.clamp(0, 1)


@wrong("one_channel_for_all")
def denormalize(image):
    return (image * STD[0] + MEAN[0]).clamp(0, 1)


@wrong("changes_input")
def denormalize(image):
    image *= torch.tensor(STD)[:, None, None]
    image += torch.tensor(MEAN)[:, None, None]
    return image.clamp(0, 1)


@right("one line")
def denormalize(image):
    return (image * std + mean).clamp(0, 1)


@right("normalising backwards")
def denormalize(image):
    picture = v2.functional.normalize(image, [-m / s for m, s in zip(MEAN, STD)], [1 / s for s in STD])
    return torch.clamp(picture, min=0.0, max=1.0)


@right("channel by channel")
def denormalize(image):
    copy = image.clone()
    for channel, m, s in zip(copy, MEAN, STD):
        channel.mul_(s).add_(m)
    return copy.clip_(0, 1)


@right("NumPy inside")
def denormalize(image):
    picture = image.numpy().transpose(1, 2, 0) * np.array(STD) + np.array(MEAN)
    return torch.from_numpy(np.clip(picture, 0, 1).transpose(2, 0, 1)).float()


@right("two steps of v2, with a print")
def denormalize(image):
    undo = v2.Compose([v2.Normalize([0, 0, 0], [1 / 0.229, 1 / 0.224, 1 / 0.225]),
                       v2.Normalize([-0.485, -0.456, -0.406], [1, 1, 1])])
    print("before", image.min(), image.max())
    return undo(image).clamp(0, 1)
