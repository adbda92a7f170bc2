"""Exercise 2.3: denormalize."""

import operator

import torch

from helpers import transforms
from helpers.exercises.core import Exercise, mistakes
from helpers.exercises.probe import Probe, each
from helpers.settings import MEAN, STD


def _formula(compute):
    """The mistake that computes `compute(image, mean, std)` with mean and std as [3, 1, 1], clipped or not."""
    def value(image):
        return compute(image, image.new_tensor(MEAN)[:, None, None], image.new_tensor(STD)[:, None, None])
    return [value, lambda image: value(image).clamp(0, 1)]


def _stretch(image):
    return (image - image.min()) / (image.max() - image.min())


MISTAKES = [
    *mistakes("tuple_not_tensor", "MEAN and STD are tuples of three numbers, and a tensor can't be multiplied by a "
              "tuple. Make tensors of them, with one number for each channel: `torch.tensor(STD).view(3, 1, 1)`.",
              *(lambda x, use=use: use(x) for use in (
                  lambda x: x * STD, lambda x: STD * x, lambda x: x + MEAN, lambda x: MEAN + x, lambda x: x / STD,
                  lambda x: x * list(STD), lambda x: x + list(MEAN), lambda x: torch.mul(x, STD), lambda x: x.mul(STD),
                  lambda x: x.add(MEAN),
                  lambda x: operator.imul(x, STD), lambda x: STD.view(3, 1, 1), lambda x: STD[:, None, None]))),
    *mistakes("one_channel_for_all", "All channels were given the same mean and std. Each channel has its own: "
              "`torch.tensor(STD).view(3, 1, 1)`.", *_formula(lambda x, m, s: x * s[0] + m[0]),
              *_formula(lambda x, m, s: x * s.mean() + m.mean())),
    *mistakes("channels_in_turn", "Each turn of the loop changed the whole image, so every channel got all three means "
              "and stds. Change one channel in each turn: `image[c] * STD[c] + MEAN[c]`.",
              *_formula(lambda x, m, s: ((x * s[0] + m[0]) * s[1] + m[1]) * s[2] + m[2])),
    *mistakes("own_statistics", "The mean and std are those of this image. Undo what was done: MEAN and STD, the same "
              "for every image.",
              lambda x: (x * x.std((1, 2), keepdim=True) + x.mean((1, 2), keepdim=True)).clamp(0, 1)),
    *mistakes("divided_by_255", "The values were divided by 255. They are between 0 and 1 already once std and mean "
              "are undone.", *_formula(lambda x, m, s: (x * s + m) / 255)),
    *mistakes("nothing_done", "The image came back as it was. Undo the normalisation: times std, plus mean, then clip.",
              lambda image: image),
    *mistakes("not_clipped", "Some values are below 0 or above 1, which a picture cannot show. Clip them with "
              "`.clamp(0, 1)`; it returns the clipped image, so keep what it returns.",
              _formula(lambda x, m, s: x * s + m)[0]),
    *mistakes("clipped_at_one_end", "Some values are still below 0 or above 1. Clip at both ends: `.clamp(0, 1)`.",
              *(_formula(lambda x, m, s, f=f: f(x * s + m))[0] for f in (
                  lambda y: y.clamp(min=0), lambda y: y.clamp(max=1), lambda y: y.clamp(-1, 1), torch.abs))),
    *mistakes("mean_and_std_swapped", "Mean and std changed places. Normalising was (x - mean) / std; backwards it is "
              "y * std + mean.", *_formula(lambda x, m, s: x * m + s)),
    *mistakes("wrong_order", "The mean was added before multiplying by std. Undo the last step first: times std, then "
              "plus mean.", *_formula(lambda x, m, s: (x + m) * s)),
    *mistakes("normalised_again", "The image was normalised a second time, instead of back. Undo (x - mean) / std with "
              "y * std + mean.", *_formula(lambda x, m, s: (x - m) / s)),
    *mistakes("divided_by_std", "It divides by std. Normalising divided, so the way back multiplies.",
              *_formula(lambda x, m, s: x / s + m), *_formula(lambda x, m, s: (x + m) / s)),
    *mistakes("sign_of_mean", "The mean was subtracted. Normalising subtracted it, so the way back adds it.",
              *_formula(lambda x, m, s: x * s - m), *_formula(lambda x, m, s: (x - m) * s)),
    *mistakes("mean_forgotten", "The mean was not added, so the picture is too dark.",
              *_formula(lambda x, m, s: x * s)),
    *mistakes("std_forgotten", "The image was not multiplied by std, so its contrast is about four times too "
              "strong.", *_formula(lambda x, m, s: x + m)),
    *mistakes("only_clipped", "The image was only clipped: everything darker than the mean turned black. Undo the "
              "normalisation first, y * std + mean.", _formula(lambda x, m, s: x)[1]),
    *mistakes("stretched", "The image was stretched between its darkest and its brightest pixel, so its colours are "
              "not those of the photo. Undo the normalisation with mean and std.",
              _stretch, lambda image: _stretch(_formula(lambda x, m, s: x * s + m)[0](image))),
    *mistakes("to_255", "These values go up to 255. A picture of floats goes from 0 to 1: leave out the 255.",
              lambda image: 255 * transforms.denormalize(image), lambda image: 255 * transforms.denormalize(image) // 1,
              _formula(lambda x, m, s: 255 * (x * s + m))[0],
              lambda image: (255 * transforms.denormalize(image)).round()),
    *mistakes("clipped_first", "It was clipped before the normalisation was undone, so all that was darker than the "
              "mean is lost. Clip at the end.", *_formula(lambda x, m, s: x.clamp(0, 1) * s + m)),
    *mistakes("half", "It undoes a mean and std of 0.5. The transforms used ImageNet's: MEAN and STD.",
              *_formula(lambda x, m, s: x * 0.5 + 0.5)),
    *mistakes("channels_last", "The channels moved to the end. Keep [3, H, W]; the course's figures move them when "
              "they draw.",
              *(lambda x, f=f: f(x).permute(1, 2, 0) for f in _formula(lambda x, m, s: x * s + m))),
    *mistakes("channels_reversed", "Mean and std were taken in the order blue, green, red; channel 0 is red.",
              *_formula(lambda x, m, s: x * s.flip(0) + m.flip(0))),
    *mistakes("wrong_axis", "Mean and std have one number for each channel, but were laid along the width. Give them "
              "the shape [3, 1, 1].", *_formula(lambda x, m, s: x * s.flatten() + m.flatten())),
    *mistakes("batch_axis", "The result has a batch axis. Mean and std should be [3, 1, 1], not [1, 3, 1, 1].",
              *(lambda x, f=f: f(x)[None] for f in _formula(lambda x, m, s: x * s + m))),
]


def check(student, seed):
    random = torch.Generator().manual_seed(seed)
    mean, std = torch.tensor(MEAN)[:, None, None], torch.tensor(STD)[:, None, None]
    images = [torch.rand(3, height, width, generator=random) * spread - (spread - 1) / 2
              for height, width, spread in [(1, 2, 0.8), (1, 2, 2.5), (2, 3, 1), (7, 5, 1.6)]]
    images[0] = images[0] * 0.5 + 0.2
    cases = [((image - mean) / std,) for image in images]
    student.compare(transforms.denormalize, cases, MISTAKES, "a tensor Float32[3, H, W] in [0, 1]")
    return "denormalize gives back the picture in [0, 1] and leaves its input alone."


def inputs(seed):
    """Images as the network sees them, some of them beyond what a picture can show."""
    generator = torch.Generator().manual_seed(seed)
    return [(1.5 * torch.randn(shape, generator=generator),) for shape in [(3, 1, 2), (3, 3, 3), (3, 7, 5)]]


EXERCISE = Exercise(number="2.3", name="denormalize", title="Denormalise", points=5, notebook="02_augmentation",
                    signatures=("denormalize(image)",),
                    check=check, probe=Probe(inputs, each), reference=transforms.denormalize)
