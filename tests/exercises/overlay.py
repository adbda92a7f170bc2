"""Answers to exercise 5.4."""

import numpy as np
import torch
import torch.nn.functional as F

from tests.exercises.bank import right, wrong


@wrong("void_painted")
def overlay(image, target, palette, alpha=0.5):
    result = image.clone()
    mask = target > 0
    colours = (palette[target[mask].clamp(max=len(palette) - 1)] / 255).T
    result[:, mask] = (1 - alpha) * image[:, mask] + alpha * colours
    return result


@wrong("void_painted")
def overlay(image, target, palette, alpha=0.5):
    result = image.clone()
    mask = target != 0
    result[:, mask] = (1 - alpha) * image[:, mask] + alpha * (palette[target[mask]] / 255).T
    return result


@wrong("void_painted")
def overlay(image, target, palette, alpha=0.5):
    table = torch.zeros(256, 3)
    table[:len(palette)] = palette / 255
    colours = table[target].permute(2, 0, 1)
    return torch.where(target > 0, (1 - alpha) * image + alpha * colours, image)


@wrong("background_darkened")
def overlay(image, target, palette, alpha=0.5):
    result = image.clone()
    mask = target != 255
    result[:, mask] = (1 - alpha) * image[:, mask] + alpha * (palette[target[mask]] / 255).T
    return result


@wrong("background_darkened")
def overlay(image, target, palette, alpha=0.5):
    table = torch.zeros(256, 3)
    table[:len(palette)] = palette / 255
    return (1 - alpha) * image + alpha * table[target].permute(2, 0, 1)


@wrong("background_darkened")
def overlay(image, target, palette, alpha=0.5):
    return (1 - alpha) * image + alpha * palette[target].permute(2, 0, 1) / 255


@wrong("changes_input")
def overlay(image, target, palette, alpha=0.5):
    for label in range(1, len(palette)):
        mask = target == label
        image[:, mask] = (1 - alpha) * image[:, mask] + alpha * palette[label][:, None] / 255
    return image


@wrong("changes_input")
def overlay(image, target, palette, alpha=0.5):
    result = image
    mask = (target != 0) & (target != 255)
    result[:, mask] *= 1 - alpha
    result[:, mask] += alpha * (palette[target[mask]] / 255).T
    return result


@wrong("alpha_swapped")
def overlay(image, target, palette, alpha=0.5):
    result = image.clone()
    mask = (target != 0) & (target != 255)
    result[:, mask] = alpha * image[:, mask] + (1 - alpha) * (palette[target[mask]] / 255).T
    return result


@wrong("alpha_ignored")
def overlay(image, target, palette, alpha=0.5):
    result = image.clone()
    mask = (target != 0) & (target != 255)
    result[:, mask] = 0.5 * image[:, mask] + 0.5 * (palette[target[mask]] / 255).T
    return result


@wrong("palette_not_scaled")
def overlay(image, target, palette, alpha=0.5):
    result = image.clone()
    mask = (target != 0) & (target != 255)
    result[:, mask] = (1 - alpha) * image[:, mask] + alpha * palette[target[mask]].T
    return result


@wrong("palette_not_scaled")
def overlay(image, target, palette, alpha=0.5):
    result = image.clone()
    mask = (target != 0) & (target != 255)
    result[:, mask] = (1 - alpha) * image[:, mask] + alpha * palette[target[mask]].T
    return result.clamp(0, 1)


@wrong("divided_by_256")
def overlay(image, target, palette, alpha=0.5):
    result = image.clone()
    mask = (target != 0) & (target != 255)
    result[:, mask] = (1 - alpha) * image[:, mask] + alpha * (palette[target[mask]] / 256).T
    return result


@wrong("added_not_blended")
def overlay(image, target, palette, alpha=0.5):
    result = image.clone()
    mask = (target != 0) & (target != 255)
    result[:, mask] = image[:, mask] + alpha * (palette[target[mask]] / 255).T
    return result


@wrong("not_blended")
def overlay(image, target, palette, alpha=0.5):
    result = image.clone()
    mask = (target != 0) & (target != 255)
    blended = (1 - alpha) * image[:, mask] + alpha * (palette[target[mask]] / 255).T
    return result


@wrong("wrong_shape")
def overlay(image, target, palette, alpha=0.5):
    result = image.permute(1, 2, 0).clone()
    mask = (target != 0) & (target != 255)
    result[mask] = (1 - alpha) * result[mask] + alpha * palette[target[mask]] / 255
    return result


@wrong("wrong_dtype")
def overlay(image, target, palette, alpha=0.5):
    result = image.double()
    mask = (target != 0) & (target != 255)
    result[:, mask] = (1 - alpha) * result[:, mask] + alpha * (palette[target[mask]].double() / 255).T
    return result


@wrong("raised")
def overlay(image, target, palette, alpha=0.5):
    assert 255 not in target, "what shall be done with void?"
    return torch.where(target > 0, (1 - alpha) * image + alpha * palette[target].permute(2, 0, 1) / 255, image)


@wrong("last_class_left_out")
def overlay(image, target, palette, alpha=0.5):
    result = image.clone()
    for c in range(1, len(palette) - 1):
        m = target == c
        result[:, m] = (1 - alpha) * image[:, m] + alpha * palette[c][:, None] / 255
    return result


@wrong("last_class_left_out")
def overlay(image, target, palette, alpha=0.5):
    result = image.clone()
    m = (target > 0) & (target < len(palette) - 1)
    result[:, m] = (1 - alpha) * image[:, m] + alpha * palette[target[m]].T / 255
    return result


@wrong("channels_reversed")
def overlay(image, target, palette, alpha=0.5):
    result = image.clone()
    m = (target != 0) & (target != 255)
    result[:, m] = (1 - alpha) * image[:, m] + alpha * palette[target[m]].flip(1).T / 255
    return result


@wrong("colours_shifted")
def overlay(image, target, palette, alpha=0.5):
    result = image.clone()
    m = (target != 0) & (target != 255)
    result[:, m] = (1 - alpha) * image[:, m] + alpha * palette[target[m] - 1].T / 255
    return result


@wrong("one_class_only")
def overlay(image, target, palette, alpha=0.5):
    result = image.clone()
    m = target == 1
    result[:, m] = (1 - alpha) * image[:, m] + alpha * palette[1][:, None] / 255
    return result


@wrong("to_255")
def overlay(image, target, palette, alpha=0.5):
    result = image.clone()
    m = (target != 0) & (target != 255)
    result[:, m] = (1 - alpha) * image[:, m] + alpha * palette[target[m]].T / 255
    return (result * 255).byte()


@wrong("to_255")
def overlay(image, target, palette, alpha=0.5):
    result = image.clone()
    m = (target != 0) & (target != 255)
    result[:, m] = (1 - alpha) * image[:, m] + alpha * palette[target[m]].T / 255
    return result * 255


@wrong("integer_division")
def overlay(image, target, palette, alpha=0.5):
    result = image.clone()
    m = (target != 0) & (target != 255)
    result[:, m] = (1 - alpha) * image[:, m] + alpha * (palette[target[m]].T // 255)
    return result


@wrong("alpha_ignored")
def overlay(image, target, palette, alpha=0.5):
    result = image.clone()
    m = (target != 0) & (target != 255)
    result[:, m] = (palette[target[m]].T / 255)
    return result


@wrong("added_not_blended")
def overlay(image, target, palette, alpha=0.5):
    result = image.clone()
    m = (target != 0) & (target != 255)
    result[:, m] = image[:, m] + (palette[target[m]].T / 255)
    return result


@wrong("alpha_for_both")
def overlay(image, target, palette, alpha=0.5):
    result = image.clone()
    m = (target != 0) & (target != 255)
    result[:, m] = alpha * image[:, m] + alpha * (palette[target[m]].T / 255)
    return result


@wrong("background_darkened")
def overlay(image, target, palette, alpha=0.5):
    result = torch.zeros_like(image)
    m = (target != 0) & (target != 255)
    result[:, m] = (1 - alpha) * image[:, m] + alpha * (palette[target[m]].T / 255)
    return result


@wrong("void_painted")
def overlay(image, target, palette, alpha=0.5):
    result = image.clone()
    m = (target != 0) & (target != 255)
    result[:, m] = (1 - alpha) * image[:, m] + alpha * (palette[target[m]].T / 255)
    result[:, target == 255] = 1.0
    return result


@wrong("changes_input")
def overlay(image, target, palette, alpha=0.5):
    m = (target != 0) & (target != 255)
    image[:, m] = (1 - alpha) * image[:, m] + alpha * (palette[target[m]].T / 255)
    return image


@right("mask")
def overlay(image, target, palette, alpha=0.5):
    result = image.clone()
    mask = (target != 0) & (target != 255)
    result[:, mask] = (1 - alpha) * image[:, mask] + alpha * (palette[target[mask]] / 255).T
    return result


@right("torch.where")
def overlay(image, target, palette, alpha=0.5):
    colours = palette[target.clamp(max=len(palette) - 1)].permute(2, 0, 1).float() / 255
    painted = (target > 0) & (target < len(palette))
    return torch.where(painted, torch.lerp(image, colours, alpha), image)


@right("loop over classes")
def overlay(image, target, palette, alpha=0.5):
    out = image.detach().clone()
    for label, colour in enumerate(palette):
        if label:
            out[:, target == label] = (1 - alpha) * out[:, target == label] + alpha * colour[:, None] / 255
    return out


@right("numpy, loop over pixels")
def overlay(image, target, palette, alpha=0.5):
    out = image.numpy().copy()
    for y in range(target.shape[0]):
        for x in range(target.shape[1]):
            label = int(target[y, x])
            if label not in (0, 255):
                out[:, y, x] = out[:, y, x] * (1 - alpha) + palette[label].numpy() / 255 * alpha
    return torch.from_numpy(out)


@right("a weight for each pixel")
def overlay(image, target, palette, alpha=0.5):
    painted = ((target != 0) & (target != 255)).float()
    colours = palette[(target * (target != 255))].permute(2, 0, 1) / 255
    weight = alpha * painted
    return image * (1 - weight) + colours * weight


@right("embedding")
def overlay(image, target, palette, alpha=0.5):
    safe = target.masked_fill(target == 255, 0)
    colours = F.embedding(safe, palette.float() / 255).movedim(-1, 0)
    return torch.where((safe > 0)[None], (1 - alpha) * image + alpha * colours, image)


@right("one-hot times palette")
def overlay(image, target, palette, alpha=0.5):
    one_hot = F.one_hot(torch.where(target == 255, 0, target), len(palette)).float()
    colours = torch.einsum("hwc,cd->dhw", one_hot, palette / 255)
    out = image.clone()
    m = (target > 0) & (target != 255)
    out[:, m] = torch.lerp(image[:, m], colours[:, m], alpha)
    return out


@right("a palette of 256 rows")
def overlay(image, target, palette, alpha: float = 0.5):
    table = torch.zeros(256, 3)
    table[: len(palette)] = palette.float() / 255.0
    colours = table[target].permute(2, 0, 1)
    skip = torch.isin(target, torch.tensor([0, 255]))
    return torch.where(skip, image, (1 - alpha) * image + alpha * colours)


@right("np.where")
def overlay(image, target, palette, alpha=0.5):
    im, t = image.numpy(), target.numpy()
    table = np.zeros((256, 3), np.float32)
    table[:len(palette)] = palette.numpy() / 255
    colour = table[t].transpose(2, 0, 1)
    out = np.where((t != 0) & (t != 255), im * (1 - alpha) + colour * alpha, im)
    return torch.tensor(out, dtype=torch.float32)


@right("classes that occur")
def overlay(image, target, palette, alpha=0.5):
    out = image.clone()
    for c in target.unique().tolist():
        if c in (0, 255):
            continue
        m = target == c
        colour = (palette[c].float() / 255).view(3, 1)
        out[:, m] = out[:, m] * (1 - alpha) + colour * alpha
    return out.clamp(0, 1)


@right("masked_scatter")
def overlay(image, target, palette, alpha=0.5):
    m = (target != 0) & (target != 255)
    blended = (1 - alpha) * image[:, m] + alpha * palette[target[m]].T / 255
    return image.masked_scatter(m.expand_as(image), blended)


@right("channels last")
def overlay(image, target, palette, alpha=0.5):
    out = image.permute(1, 2, 0).clone()
    m = target.gt(0) & target.ne(255)
    out[m] = (1 - alpha) * out[m] + alpha * palette[target[m]].float().div(255)
    return out.permute(2, 0, 1)


@right("copy, in place on it, with a helper")
def overlay(image, target, palette, alpha=0.5):
    def paint(channel):
        layer = image[channel].clone()
        layer[m] *= 1 - alpha
        layer[m] += alpha * palette[:, channel][target[m]] / 255
        return layer
    m = (target != 0) & (target < len(palette))
    return torch.stack([paint(c) for c in range(3)])


@right("addcmul, no_grad")
@torch.no_grad()
def overlay(image, target, palette, alpha=0.5):
    p = palette.to(image)[target.clamp(0, len(palette) - 1)].permute(2, 0, 1) / 255
    m = ((target > 0) & (target != 255)).to(image.dtype) * alpha
    return torch.addcmul(image, m, p - image)


@right("bytes: PIL blend per pixel")
def overlay(image, target, palette, alpha=0.5):
    out = image.clone()
    for y, x in ((target > 0) & (target < 255)).nonzero().tolist():
        out[:, y, x] = (1 - alpha) * image[:, y, x] + alpha * palette[target[y, x]] / 255
    return out
