"""Answers to exercise 5.4."""

import torch

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
