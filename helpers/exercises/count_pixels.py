"""Exercise 1.3: count_pixels."""

import contextlib
import functools

import numpy as np
import torch
import torch.nn.functional as F
from torch.overrides import TorchFunctionMode

from helpers import voc
from helpers.exercises.core import Exercise, mistakes
from helpers.exercises.probe import Probe, call
from helpers.exercises.student import right
from helpers.exercises.values import describe


def label_maps(seed, num_classes=6):
    """Int64[H, W] tensors of different sizes, with void; the first and the last lack the highest class."""
    random = torch.Generator().manual_seed(seed)
    targets = [torch.randint(num_classes, size, generator=random) for size in [(30, 41), (8, 5), (40, 31), (6, 9)]]
    for target in (targets[0], targets[-1]):
        target[target == num_classes - 1] = 2
    for target in targets:
        target[torch.rand(target.shape, generator=random) < 0.2] = 255
        target[0, :3] = torch.tensor([0, 2, 255])
    return targets


class Narrow(TorchFunctionMode):
    """Float32 as coarse as float16, and int32 of 12 bits: then 3,001 pixels show what millions would.

    Float16 holds all whole numbers up to 2,048, float32 up to 16,777,216.
    """

    def __torch_function__(self, function, types, args=(), kwargs=None):
        result = function(*args, **kwargs or {})
        with torch._C.DisableTorchFunction():
            for tensor in (result, *args[:1]):  # `counts[label] = 1` changes its first argument and returns nothing
                if isinstance(tensor, torch.Tensor) and tensor.dtype == torch.float32:
                    tensor.copy_(tensor.half())
                if isinstance(tensor, torch.Tensor) and tensor.dtype in (torch.int32, torch.int16):
                    tensor.copy_((tensor + 2048) % 4096 - 2048)
        return result


def many_pixels():
    """Targets whose pixels are all of class 1: 1,500 at most in each, 3,001 in all."""
    return [torch.ones(shape, dtype=torch.int64) for shape in ((30, 50), (1, 1), (30, 50))]


def check(student, seed):
    small = [[[[0, 2, 1, 0]], [[2, 1, 0, 2]]], [[[2, 1, 1, 0]], [[0, 2], [1, 2], [2, 2]]],  # plain; sizes differ
             [[[0, 2, 1, 255]], [[2, 255, 1, 0]]],  # void
             [[[1, 1, 0, 1]], [[1, 0, 1, 1]]], [[[0, 2, 2, 0]], [[2, 0, 2, 2]]]]  # a class absent
    cases = [([torch.tensor(target) for target in targets], 3) for targets in small]
    cases += [(label_maps(seed), 6), (label_maps(seed + 1, 21), 21)]
    changed = []
    function, student.function = student.function, _on_copies(student.function, changed)
    student.compare(voc.count_pixels, cases, MISTAKES, "a tensor Int64[C], the number of pixels of each class")
    if changed:
        student.fail("changes_input", "count_pixels changed a target, which its caller still needs. Such a line as "
                     "`target[target == 255] = 0` writes into the tensor that was given; pick the pixels with "
                     "`target[target != 255]` instead, or begin with `target = target.clone()`.")
    student.function = function
    targets, num_classes = cases[-1]
    outcome = student.attempt(iter(targets), num_classes)
    if isinstance(outcome.error, TypeError):
        student.fail("needs_a_list", f"count_pixels works on a list, but on targets that come one by one, as from a "
                     f"file, it stopped with {describe(outcome.error)}. `for target in targets` needs no length and no "
                     "index.")
    if not right(outcome, voc.count_pixels(*cases[-1]), 0):
        student.fail("reads_twice", "count_pixels works on a list, but `targets` may be read only once, as from a "
                     "file; a second loop over it finds nothing left. Go through the targets in one outer loop, and "
                     "through the classes inside it.")
    _holds_many(student)
    return "count_pixels counts every labelled pixel once, over images of any size, and leaves void out."


def _holds_many(student):
    """End the check if the counts are added up in a dtype that millions of pixels do not fit into."""
    with Narrow():
        outcome = student.attempt(many_pixels(), 2)
    wanted = voc.count_pixels(many_pixels(), 2)
    if outcome.error is not None or right(outcome, wanted, 0):
        return
    if (outcome.value < 0).any():
        student.fail("int32_counts", "The counts are added up in int32 or shorter, and even int32 ends at "
                     "2,147,483,647: a few thousand photographs have more pixels than that. Start from "
                     "`torch.zeros(num_classes, dtype=torch.int64)`.")
    student.fail("float32_counts", "The counts are added up as float32, which is exact up to 16,777,216 only; the "
                 "background of a hundred photographs already has more pixels than that. Count in whole numbers: "
                 "`torch.zeros(num_classes, dtype=torch.int64)`.")


def _on_copies(function, changed):
    """`function`, given copies of the targets; which of them it altered is added to `changed`."""
    @functools.wraps(function)
    def count(targets, num_classes):
        copies = [target.clone() for target in targets]
        counts = function(copies, num_classes)
        changed.extend(copy for target, copy in zip(targets, copies) if not torch.equal(target, copy))
        return counts
    return count


def _bincount(target, num_classes):
    return torch.bincount(target[target != 255], minlength=num_classes)


def _each(count):
    """The mistake that adds up `count(target, num_classes)` over the images."""
    return lambda targets, num_classes: sum(count(target, num_classes) for target in targets)


def _indexed(target, counts):
    for label in target.flatten():
        counts[label] += 1
    return torch.as_tensor(counts)


def _share(target, num_classes):
    return _bincount(target, num_classes) / (target != 255).sum()


def _all(targets):
    return torch.cat([target.flatten() for target in targets])


def _added(targets, num_classes):
    counts = torch.zeros(num_classes, dtype=torch.int64)
    for target in targets:
        counts += torch.bincount(target[target != 255])
    return counts


def _without(label):
    def count(targets, num_classes):
        counts = voc.count_pixels(targets, num_classes)
        counts[label] = 0
        return counts
    return count


def _by_position(target, num_classes):
    found = target[target != 255].unique(return_counts=True)[1]
    return F.pad(found, (0, num_classes - len(found)))


MISTAKES = [
    *mistakes("void_as_background", "Void pixels were counted as class 0. They have no class: leave them out before "
              "counting, with `target[target != 255]`.",
              _each(lambda t, c: torch.bincount(torch.where(t == 255, 0, t).flatten(), minlength=c))),
    *mistakes("void_as_last_class", "Void pixels were counted as the last class. They have no class: leave them out "
              "before counting, with `target[target != 255]`.",
              _each(lambda t, c: torch.bincount(t.clamp(max=c - 1).flatten(), minlength=c))),
    *mistakes("void_crashes", "It stops on the first image with void: 255 is counted as a label, so there are 256 "
              "counts instead of C. Leave void out before counting, with `target[target != 255]`.",
              _each(lambda t, c: torch.zeros(c) + torch.bincount(t.flatten(), minlength=c)),
              _each(lambda t, c: F.one_hot(t.flatten(), c).sum(0)),
              *(_each(lambda t, c, zeros=zeros: _indexed(t, zeros(c))) for zeros in (torch.zeros, np.zeros)),
              *(_each(lambda t, c, out=out: torch.from_numpy(np.add(zeros := np.zeros(c), np.bincount(
                  t.numpy().ravel(), minlength=c), out=zeros if out else None))) for out in (True, False)),
              _each(lambda t, c: torch.zeros(c).index_add(0, t.flatten(), torch.ones(t.numel()))),
              _each(lambda t, c: torch.zeros(c).scatter_add(0, t.flatten(), torch.ones(t.numel())))),
    *mistakes("void_counted", "Void got a count of its own, so the result is longer than C. Leave void out before "
              "counting, with `target[target != 255]`.",
              lambda targets, c: torch.bincount(_all(targets), minlength=c),
              lambda targets, c: torch.bincount(torch.where(_all(targets) == 255, c, _all(targets)), minlength=c + 1)),
    *mistakes("minlength_forgotten", "`torch.bincount` stops at the highest label that it sees, so an image without "
              "the last class gives fewer than C counts. Ask for `minlength=num_classes`.",
              _added, lambda targets, c: torch.bincount(_all(targets)[_all(targets) != 255]),
              lambda targets, c: torch.stack([torch.bincount(t[t != 255]) for t in targets]).sum(0),
              _each(lambda t, c: torch.bincount(t[t != 255]))),
    *mistakes("fractions", "These are shares, not numbers of pixels. Averaged over images, a pixel of a small image "
              "would weigh more than one of a large image: add up whole counts.",
              _each(_share), lambda targets, c: _each(_share)(targets, c) / len(targets),
              lambda targets, c: voc.count_pixels(targets, c) / voc.count_pixels(targets, c).sum(),
              lambda targets, c: voc.count_pixels(targets, c) / sum(t.numel() for t in targets)),
    *mistakes("last_image_only", "Only the last image was counted: each turn of the loop overwrites the counts. Start "
              "from zeros and add.", lambda targets, c: _bincount(targets[-1], c)),
    *mistakes("first_image_only", "Only the first image was counted: `return` is inside the loop. Move it out by "
              "one indent.", lambda targets, c: _bincount(targets[0], c)),
    *mistakes("overflows", "The counts started again from 0 after 255: uint8 holds no more. Count in int64.",
              lambda targets, c: voc.count_pixels(targets, c) % 256),
    *mistakes("averaged", "The counts were divided by the number of images. Add up the counts and leave them as they "
              "are.", lambda targets, c: voc.count_pixels(targets, c) // len(targets)),
    *mistakes("bins_of_the_data", "The bins of the histogram span only the labels that occur, so they change from "
              "image to image. Say where they begin and end (`range=` in NumPy, `min=` and `max=` in `torch.histc`), "
              "or use `bincount`.",
              *(_each(lambda t, c, keep=keep, count=count: count(keep(t), c))
                for keep in (lambda t: t, lambda t: t[t != 255])
                for count in (lambda t, c: torch.histc(t.float(), c).long(),
                              lambda t, c: torch.from_numpy(np.histogram(t.numpy(), c)[0])))),
    *mistakes("one_size", "It stops when images differ in size: they cannot be stacked into one tensor. Count each "
              "image on its own and add the counts.",
              lambda targets, c: _bincount(torch.stack(targets), c)),
    *mistakes("counts_images", "This is the number of images that show each class, not the number of pixels.",
              _each(lambda t, c: _bincount(t, c).clamp(max=1))),
    *mistakes("background_left_out", "Class 0, background, was left out. It is a class like the others, and the most "
              "frequent one. Count from 0.",
              _without(0), lambda targets, c: voc.count_pixels(targets, c)[1:]),
    *mistakes("last_class_left_out", "The last class was left out. `range(num_classes)` already ends at the last "
              "one.", _without(-1), lambda targets, c: voc.count_pixels(targets, c)[:-1]),
    *mistakes("position_not_label", "`unique` lists only the labels that occur; its counts were added by position, so "
              "they slip to lower classes when one is absent. Use the labels that it returns as indices.",
              _each(_by_position)),
    *mistakes("adds_labels", "The labels were added up, not the pixels: class 2 came out doubled and class 0 empty. "
              "Sum the comparison `target == label` itself.",
              lambda targets, c: voc.count_pixels(targets, c) * torch.arange(c)),
]


def inputs(seed):
    """Targets of different sizes, how many classes there are, and whether to count them with `Narrow` numbers.

    In the first, two classes never occur.
    """
    return [(label_maps(seed), 8, False), (label_maps(seed + 1, 21), 21, False), (many_pixels(), 2, True)]


def run(count_pixels, cases):
    """Counts over targets that can be read once, and whether the targets are as they were."""
    results = []
    for targets, num_classes, narrow in cases:
        copies = [target.clone() for target in targets]
        with Narrow() if narrow else contextlib.nullcontext():
            counts = call(count_pixels, iter(copies), num_classes)
        results.append([counts, all(torch.equal(a, b) for a, b in zip(targets, copies))])
    return results


EXERCISE = Exercise(number="1.3", name="count_pixels", title="Count pixels per class", points=8, notebook="01_setup",
                    signatures=("count_pixels(targets, num_classes)",),
                    check=check, probe=Probe(inputs, run), reference=voc.count_pixels)
