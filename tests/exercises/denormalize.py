"""Answers to exercise 2.3, wrong and right."""

import numpy as np
import torch
import torch.nn.functional as F
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


@wrong("clipped_at_one_end")
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


@wrong("clipped_at_one_end")
def denormalize(image):
    std, mean = torch.tensor(STD)[:, None, None], torch.tensor(MEAN)[:, None, None]
    return (image * std + mean).clamp(min=0)


@wrong("clipped_at_one_end")
def denormalize(image):
    std, mean = torch.tensor(STD)[:, None, None], torch.tensor(MEAN)[:, None, None]
    return (image * std + mean).clamp(max=1)


@wrong("not_clipped")
def denormalize(image):
    std, mean = torch.tensor(STD)[:, None, None], torch.tensor(MEAN)[:, None, None]
    x = image * std + mean
    x.clamp(0, 1)
    return x


@wrong("half")
def denormalize(image):
    return (image + 1) / 2


@wrong("divided_by_255")
def denormalize(image):
    std, mean = torch.tensor(STD)[:, None, None], torch.tensor(MEAN)[:, None, None]
    return (image * std + mean) / 255


@wrong("divided_by_255")
def denormalize(image):
    std, mean = torch.tensor(STD)[:, None, None], torch.tensor(MEAN)[:, None, None]
    return ((image * std + mean) / 255).clamp(0, 1)


@wrong("channels_in_turn")
def denormalize(image):
    image = image.clone()
    for c in range(3):
        image = image * STD[c] + MEAN[c]
    return image.clamp(0, 1)


@wrong("one_channel_for_all")
def denormalize(image):
    std, mean = torch.tensor(STD), torch.tensor(MEAN)
    return (image * std.mean() + mean.mean()).clamp(0, 1)


@wrong("wrong_order")
def denormalize(image):
    return v2.functional.normalize(image, [-m for m in MEAN], [1 / s for s in STD]).clamp(0, 1)


@wrong("divided_by_std")
def denormalize(image):
    return v2.Normalize([-m for m in MEAN], STD)(image).clamp(0, 1)


@wrong("own_statistics")
def denormalize(image):
    mean, std = image.mean((1, 2), keepdim=True), image.std((1, 2), keepdim=True)
    return (image * std + mean).clamp(0, 1)


@wrong("changes_input")
def denormalize(image):
    std, mean = torch.tensor(STD)[:, None, None], torch.tensor(MEAN)[:, None, None]
    out = image
    out *= std
    out += mean
    out.clamp_(0, 1)
    return out


@wrong("wrong_axis")
def denormalize(image):
    std, mean = torch.tensor(STD)[None, None], torch.tensor(MEAN)[None, None]
    return (image * std + mean).clamp(0, 1)


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


@right("einsum")
def denormalize(image):
    scaled = torch.einsum("chw,c->chw", image, torch.tensor(STD))
    return torch.clip(scaled + torch.tensor(MEAN)[:, None, None], 0, 1)


@right("addcmul")
def denormalize(image: torch.Tensor) -> torch.Tensor:
    mean, std = image.new_tensor(MEAN).view(-1, 1, 1), image.new_tensor(STD).view(-1, 1, 1)
    return torch.addcmul(mean, image, std).clamp_(0.0, 1.0)


@right("a list of channels")
def denormalize(image):
    return torch.stack([(image[c] * STD[c] + MEAN[c]).clamp(0, 1) for c in range(3)])


@right("channels last and back")
def denormalize(image):
    picture = image.permute(1, 2, 0) * torch.tensor(STD) + torch.tensor(MEAN)
    return picture.permute(2, 0, 1).clamp(min=0).clamp(max=1)


@right("mul and add, numpy constants")
def denormalize(image):
    mean = torch.from_numpy(np.array(MEAN, dtype=np.float32)).reshape(3, 1, 1)
    std = torch.from_numpy(np.array(STD, dtype=np.float32)).reshape(3, 1, 1)
    return image.mul(std).add(mean).clamp(0, 1)


@right("v2.Normalize undone, a module")
def denormalize(image):
    undo = v2.Normalize(mean=[-m / s for m, s in zip(MEAN, STD)], std=[1 / s for s in STD])
    return undo(image.clone()).clamp(0, 1)


@right("where")
def denormalize(image):
    x = image.detach().clone()
    x *= torch.tensor(STD).unsqueeze(-1).unsqueeze(-1)
    x += torch.tensor(MEAN).unsqueeze(-1).unsqueeze(-1)
    x[x < 0] = 0
    x[x > 1] = 1
    return x


@right("hardtanh, minimum")
def denormalize(image):
    x = image * torch.tensor(STD)[..., None, None] + torch.tensor(MEAN)[..., None, None]
    return torch.minimum(torch.maximum(x, torch.zeros(1)), torch.ones(1))


@right("F.conv2d as a diagonal")
def denormalize(image):
    weight = torch.diag(torch.tensor(STD))[:, :, None, None]
    return F.hardtanh(F.conv2d(image[None], weight, torch.tensor(MEAN))[0], 0.0, 1.0)


@right("no_grad, a helper class")
@torch.no_grad()
def denormalize(image):
    class Undo:
        mean, std = torch.tensor(MEAN).reshape(3, 1, 1), torch.tensor(STD).reshape(3, 1, 1)

        def __call__(self, x):
            return x * self.std + self.mean
    return Undo()(image).clamp(0, 1)


@right("double inside")
def denormalize(image):
    out = image.double() * torch.tensor(STD, dtype=torch.float64).view(3, 1, 1)
    out = out + torch.tensor(MEAN, dtype=torch.float64).view(3, 1, 1)
    return out.clamp(0, 1).to(image.dtype)


@right("full tensors")
def denormalize(image):
    mean = torch.tensor(MEAN).repeat_interleave(image[0].numel()).reshape(image.shape)
    std = torch.ones_like(image)
    for c in range(3):
        std[c] = STD[c]
    return torch.clamp(image * std + mean, min=0, max=1)


@right("batches too, deepcopy")
def denormalize(image):
    import copy
    x = copy.deepcopy(image)
    if x.ndim == 4:
        return torch.stack([denormalize(i) for i in x])
    for c, (m, s) in enumerate(zip(MEAN, STD)):
        x[c] = x[c] * s + m
    return x.clamp(0, 1)


@right("divided by the reciprocal")
def denormalize(image):
    inv = 1 / torch.tensor(STD)
    mean = torch.tensor(MEAN)
    return ((image + (mean * inv)[:, None, None]) / inv[:, None, None]).clamp(0, 1)
