"""Answers to exercise 1.3, wrong and right."""

from collections import Counter

import numpy as np
import torch
import torch.nn.functional as F
from tqdm import tqdm

from tests.exercises.bank import right, wrong


@wrong("void_as_background")
def count_pixels(targets, num_classes):
    counts = torch.zeros(num_classes, dtype=torch.int64)
    for target in targets:
        labels = torch.where(target == 255, 0, target)
        counts += torch.bincount(labels.flatten(), minlength=num_classes)
    return counts


@wrong("void_as_last_class")
def count_pixels(targets, num_classes):
    counts = torch.zeros(num_classes, dtype=torch.int64)
    for target in targets:
        counts += torch.bincount(target.clamp(max=num_classes - 1).flatten(), minlength=num_classes)
    return counts


@wrong("void_crashes")
def count_pixels(targets, num_classes):
    counts = torch.zeros(num_classes, dtype=torch.int64)
    for target in targets:
        counts += torch.bincount(target.flatten(), minlength=num_classes)
    return counts


@wrong("void_crashes")
def count_pixels(targets, num_classes):
    return sum(F.one_hot(target.flatten(), num_classes).sum(0) for target in targets)


@wrong("void_crashes")
def count_pixels(targets, num_classes):
    counts = torch.zeros(num_classes, dtype=torch.int64)
    for target in targets:
        for label in target.flatten().tolist():
            counts[label] += 1
    return counts


@wrong("void_crashes")
def count_pixels(targets, num_classes):
    counts = torch.zeros(num_classes, dtype=torch.int64)
    for target in targets:
        counts = torch.bincount(target.flatten(), minlength=num_classes) + counts
    return counts


@wrong("void_crashes")
def count_pixels(targets, num_classes):
    counts = np.zeros(num_classes, dtype=np.int64)
    for target in targets:
        counts += np.bincount(target.numpy().flatten(), minlength=num_classes)
    return torch.from_numpy(counts)


@wrong("raised")
def count_pixels(targets, num_classes):
    counts = torch.zeros(num_classes, dtype=torch.int64)
    for target in targets:
        if (target == 255).any():
            counts += torch.zeros(num_classes + 1, dtype=torch.int64)
        counts += torch.bincount(target[target != 255], minlength=num_classes)
    return counts


@wrong("void_counted")
def count_pixels(targets, num_classes):
    return torch.bincount(torch.cat([target.flatten() for target in targets]), minlength=num_classes)


@wrong("void_counted")
def count_pixels(targets, num_classes):
    counts = torch.zeros(num_classes + 1, dtype=torch.int64)
    for target in targets:
        labels = torch.where(target == 255, num_classes, target)
        counts += torch.bincount(labels.flatten(), minlength=num_classes + 1)
    return counts


@wrong("minlength_forgotten")
def count_pixels(targets, num_classes):
    counts = torch.zeros(num_classes, dtype=torch.int64)
    for target in targets:
        counts += torch.bincount(target[target != 255])
    return counts


@wrong("minlength_forgotten")
def count_pixels(targets, num_classes):
    return torch.bincount(torch.cat([target[target != 255] for target in targets]))


@wrong("minlength_forgotten")
def count_pixels(targets, num_classes):
    return torch.stack([torch.bincount(target[target != 255]) for target in targets]).sum(0)


@wrong("fractions")
def count_pixels(targets, num_classes):
    shares = [torch.bincount(t[t != 255], minlength=num_classes) / (t != 255).sum() for t in targets]
    return torch.stack(shares).mean(0)


@wrong("fractions")
def count_pixels(targets, num_classes):
    shares = torch.zeros(num_classes)
    for target in targets:
        valid = target[target != 255]
        shares += torch.bincount(valid, minlength=num_classes) / len(valid)
    return shares


@wrong("fractions")
def count_pixels(targets, num_classes):
    counts = torch.zeros(num_classes)
    for target in targets:
        counts += torch.bincount(target[target != 255], minlength=num_classes)
    return counts / counts.sum()


@wrong("last_image_only")
def count_pixels(targets, num_classes):
    for target in targets:
        counts = torch.bincount(target[target != 255], minlength=num_classes)
    return counts


@wrong("first_image_only")
def count_pixels(targets, num_classes):
    counts = torch.zeros(num_classes, dtype=torch.int64)
    for target in targets:
        counts += torch.bincount(target[target != 255], minlength=num_classes)
        return counts


@wrong("wrong_dtype")
def count_pixels(targets, num_classes):
    counts = torch.zeros(num_classes)
    for target in targets:
        counts += torch.bincount(target[target != 255], minlength=num_classes)
    return counts


@wrong("wrong_dtype")
def count_pixels(targets, num_classes):
    counts = torch.zeros(num_classes, dtype=torch.int32)
    for target in targets:
        counts += torch.bincount(target[target != 255], minlength=num_classes)
    return counts


@wrong("overflows")
def count_pixels(targets, num_classes):
    counts = torch.zeros(num_classes, dtype=torch.uint8)
    for target in targets:
        for label in range(num_classes):
            counts[label] += (target == label).sum()
    return counts.long()


@wrong("one_size")
def count_pixels(targets, num_classes):
    targets = torch.stack(list(targets))
    return torch.bincount(targets[targets != 255], minlength=num_classes)


@wrong("reads_twice")
def count_pixels(targets, num_classes):
    counts = torch.zeros(num_classes, dtype=torch.int64)
    for label in range(num_classes):
        for target in targets:
            counts[label] += (target == label).sum()
    return counts


@wrong("reads_twice")
def count_pixels(targets, num_classes):
    pixels = sum(target.numel() for target in targets)
    counts = torch.zeros(num_classes, dtype=torch.int64)
    for target in targets:
        counts += torch.bincount(target[target != 255], minlength=num_classes)
    assert counts.sum() <= pixels
    return counts


@wrong("needs_a_list")
def count_pixels(targets, num_classes):
    counts = torch.zeros(num_classes, dtype=torch.int64)
    for i in range(len(targets)):
        counts += torch.bincount(targets[i][targets[i] != 255], minlength=num_classes)
    return counts


@wrong("counts_images")
def count_pixels(targets, num_classes):
    counts = torch.zeros(num_classes, dtype=torch.int64)
    for target in targets:
        for label in target.unique():
            if label != 255:
                counts[label] += 1
    return counts


@wrong("background_left_out")
def count_pixels(targets, num_classes):
    counts = torch.zeros(num_classes, dtype=torch.int64)
    for target in targets:
        for label in range(1, num_classes):
            counts[label] += (target == label).sum()
    return counts


@wrong("background_left_out")
def count_pixels(targets, num_classes):
    counts = torch.zeros(num_classes, dtype=torch.int64)
    for target in targets:
        counts += torch.bincount(target[(target != 255) & (target != 0)], minlength=num_classes)
    return counts


@wrong("last_class_left_out")
def count_pixels(targets, num_classes):
    counts = torch.zeros(num_classes, dtype=torch.int64)
    for target in targets:
        for label in range(num_classes - 1):
            counts[label] += (target == label).sum()
    return counts


@wrong("position_not_label")
def count_pixels(targets, num_classes):
    counts = torch.zeros(num_classes, dtype=torch.int64)
    for target in targets:
        labels, found = target[target != 255].unique(return_counts=True)
        counts[:len(found)] += found
    return counts


@wrong("adds_labels")
def count_pixels(targets, num_classes):
    counts = torch.zeros(num_classes, dtype=torch.int64)
    for target in targets:
        for label in range(num_classes):
            counts[label] += target[target == label].sum()
    return counts


@wrong("counts_images")
def count_pixels(targets, num_classes):
    counts = torch.zeros(num_classes, dtype=torch.int64)
    for target in targets:
        counts[target[target != 255]] += 1  # an index that occurs twice is added once
    return counts


@wrong("changes_input")
def count_pixels(targets, num_classes):
    counts = torch.zeros(num_classes + 1, dtype=torch.int64)
    for target in targets:
        target[target == 255] = num_classes
        counts += torch.bincount(target.flatten(), minlength=num_classes + 1)
    return counts[:num_classes]


@wrong("returns_list")
def count_pixels(targets, num_classes):
    counts = [0] * num_classes
    for target in targets:
        for label in range(num_classes):
            counts[label] += int((target == label).sum())
    return counts


@wrong("returns_dictionary")
def count_pixels(targets, num_classes):
    counts = Counter()
    for target in targets:
        counts.update(target[target != 255].tolist())
    return counts


@wrong("returns_numpy")
def count_pixels(targets, num_classes):
    return sum(np.bincount(target[target != 255].numpy(), minlength=num_classes) for target in targets)


@wrong("returns_generator")
def count_pixels(targets, num_classes):
    for target in targets:
        yield torch.bincount(target[target != 255], minlength=num_classes)


@wrong("not_attempted")
def count_pixels(targets, num_classes):
    raise NotImplementedError("Exercise 1.3: count the pixels of each class")


@right("bincount, with a progress bar")
def count_pixels(targets, num_classes):
    counts = torch.zeros(num_classes, dtype=torch.int64)
    for target in tqdm(targets):
        counts += torch.bincount(target[target != 255], minlength=num_classes)
    return counts


@right("two loops")
def count_pixels(targets, num_classes):
    counts = [0] * num_classes
    for target in targets:
        for label in range(num_classes):
            counts[label] += int((target == label).sum())
    return torch.tensor(counts)


@right("one-hot")
def count_pixels(targets, num_classes):
    return sum(F.one_hot(target[target < num_classes], num_classes).sum(0) for target in targets)


@right("bincount cut off")
def count_pixels(targets, num_classes):
    return sum(torch.bincount(target.reshape(-1), minlength=256) for target in targets)[:num_classes]


@right("a long vector")
def count_pixels(targets, num_classes):
    labels = torch.cat([target.flatten() for target in targets])
    return torch.bincount(labels[labels != 255], minlength=num_classes)


@right("a Counter")
def count_pixels(targets, num_classes):
    counts = Counter()
    for target in targets:
        counts.update(target.flatten().tolist())
    return torch.tensor([counts[label] for label in range(num_classes)], dtype=torch.int64)


@right("scatter_add")
def count_pixels(targets, num_classes):
    counts = torch.zeros(256, dtype=torch.long)
    for target in list(targets):
        counts.scatter_add_(0, target.ravel(), torch.ones_like(target).ravel())
    return counts[:num_classes].clone()


@right("NumPy's histogram")
def count_pixels(targets, num_classes):
    total = np.zeros(num_classes)
    for target in targets:
        total += np.histogram(target.numpy(), bins=num_classes, range=(-0.5, num_classes - 0.5))[0]
    return torch.from_numpy(total.astype(np.int64))
