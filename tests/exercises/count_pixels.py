"""Answers to exercise 1.3, wrong and right."""

import functools
import itertools
from collections import Counter, defaultdict

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


@wrong("float32_counts")
def count_pixels(targets, num_classes):
    counts = torch.zeros(num_classes)
    for target in targets:
        counts += torch.bincount(target[target != 255], minlength=num_classes)
    return counts.long()


@wrong("float32_counts")
def count_pixels(targets, num_classes):
    counts = torch.zeros(num_classes)
    for target in targets:
        for label in range(num_classes):
            counts[label] += (target == label).sum()
    return counts.to(torch.int64)


@wrong("int32_counts")
def count_pixels(targets, num_classes):
    counts = torch.zeros(num_classes, dtype=torch.int32)
    for target in targets:
        counts += torch.bincount(target[target != 255], minlength=num_classes)
    return counts.long()


@wrong("int32_counts")
def count_pixels(targets, num_classes):
    counts = torch.zeros(num_classes, dtype=torch.int16)
    for target in targets:
        counts += torch.bincount(target[target != 255], minlength=num_classes)
    return counts.long()


@wrong("last_image_only")
def count_pixels(targets, num_classes):
    counts = torch.zeros(num_classes, dtype=torch.int64)
    for target in targets:
        for label in range(num_classes):
            counts[label] = (target == label).sum()
    return counts


@wrong("counts_images")
def count_pixels(targets, num_classes):
    counts = torch.zeros(num_classes, dtype=torch.int64)
    for target in targets:
        for label in range(num_classes):
            if (target == label).any():
                counts[label] += 1
    return counts


@wrong("averaged")
def count_pixels(targets, num_classes):
    counts = torch.zeros(num_classes, dtype=torch.int64)
    n = 0
    for target in targets:
        counts += torch.bincount(target[target != 255], minlength=num_classes)
        n += 1
    return counts // n


@wrong("minlength_forgotten")
def count_pixels(targets, num_classes):
    counts = torch.zeros(num_classes, dtype=torch.int64)
    for target in targets:
        counts += torch.bincount(target[target != 255])[:num_classes]
    return counts


@wrong("void_as_background")
def count_pixels(targets, num_classes):
    counts = torch.zeros(num_classes, dtype=torch.int64)
    for target in targets:
        t = target % 255
        counts += torch.bincount(t.flatten(), minlength=num_classes)
    return counts


@wrong("last_class_left_out")
def count_pixels(targets, num_classes):
    counts = torch.zeros(num_classes, dtype=torch.int64)
    for target in targets:
        valid = target[target < num_classes - 1]
        counts += torch.bincount(valid, minlength=num_classes)
    return counts


@wrong("first_image_only")
def count_pixels(targets, num_classes):
    target = next(iter(targets))
    return torch.bincount(target[target != 255], minlength=num_classes)


@wrong("bins_of_the_data")
def count_pixels(targets, num_classes):
    counts = torch.zeros(num_classes, dtype=torch.int64)
    for target in targets:
        counts += torch.tensor(np.histogram(target.numpy(), bins=num_classes)[0])
    return counts


@wrong("bins_of_the_data")
def count_pixels(targets, num_classes):
    counts = torch.zeros(num_classes, dtype=torch.int64)
    for target in targets:
        counts += torch.histc(target.float(), bins=num_classes).long()
    return counts


@wrong("needs_a_list")
def count_pixels(targets, num_classes):
    if len(targets) == 0:
        return torch.zeros(num_classes, dtype=torch.int64)
    counts = torch.zeros(num_classes, dtype=torch.int64)
    for target in targets:
        counts += torch.bincount(target[target != 255], minlength=num_classes)
    return counts


@wrong("reads_twice")
def count_pixels(targets, num_classes):
    counts = torch.zeros(num_classes, dtype=torch.int64)
    for c in range(num_classes):
        counts[c] = sum((t == c).sum() for t in targets)
    return counts


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


@right("reduce and map")
def count_pixels(targets, num_classes):
    counts = map(lambda t: torch.bincount(t[t != 255], minlength=num_classes), targets)
    return functools.reduce(torch.add, counts)


@right("stack")
def count_pixels(targets, num_classes):
    rows = [torch.bincount(target[target.ne(255)].view(-1), minlength=num_classes) for target in targets]
    return torch.stack(rows).sum(dim=0)


@right("histc")
def count_pixels(targets, num_classes):
    counts = torch.zeros(num_classes, dtype=torch.int64)
    for target in targets:
        counts += torch.histc(target.float(), bins=num_classes, min=0, max=num_classes - 1).long()
    return counts


@right("einsum of one-hot")
def count_pixels(targets, num_classes):
    total = torch.zeros(num_classes, dtype=torch.long)
    for target in targets:
        one_hot = F.one_hot(target[target != 255], num_classes)
        total += torch.einsum("pc->c", one_hot)
    return total


@right("one-hot with a column for void")
def count_pixels(targets, num_classes):
    total = 0
    for t in targets:
        t = torch.where(t == 255, num_classes, t)
        total = total + F.one_hot(t, num_classes + 1).sum((0, 1))
    return total[:-1]


@right("compared with arange")
def count_pixels(targets, num_classes):
    labels = torch.arange(num_classes)
    return sum((target.flatten()[:, None] == labels).sum(0) for target in targets)


@right("unique by label")
def count_pixels(targets, num_classes):
    counts = torch.zeros(num_classes, dtype=torch.int64)
    for target in targets:
        labels, found = target.unique(return_counts=True)
        for label, n in zip(labels.tolist(), found.tolist()):
            if label != 255:
                counts[label] += n
    return counts


@right("unique with an index")
def count_pixels(targets, num_classes):
    counts = torch.zeros(num_classes, dtype=torch.int64)
    for target in targets:
        labels, n = torch.unique(target[target < num_classes], return_counts=True)
        counts[labels] += n
    return counts


@right("np.add.at")
def count_pixels(targets, num_classes):
    counts = np.zeros(num_classes, dtype=np.int64)
    for t in targets:
        a = t.numpy()
        np.add.at(counts, a[a != 255], 1)
    return torch.from_numpy(counts)


@right("np.bincount")
def count_pixels(targets, num_classes):
    out = np.zeros(num_classes, np.int64)
    for t in targets:
        a = np.asarray(t).ravel()
        out += np.bincount(a[a != 255], minlength=num_classes)
    return torch.tensor(out)


@right("defaultdict, pixel by pixel")
def count_pixels(targets, num_classes):
    counts = defaultdict(int)
    for target in targets:
        for row in target.tolist():
            for label in row:
                if label == 255:
                    continue
                counts[label] += 1
    return torch.tensor([counts[c] for c in range(num_classes)])


@right("chain and Counter")
def count_pixels(targets, num_classes):
    pixels = itertools.chain.from_iterable(t.flatten().tolist() for t in targets)
    c = Counter(pixels)
    del c[255]
    return torch.LongTensor([c[i] for i in range(num_classes)])


@right("index_add")
def count_pixels(targets, num_classes):
    counts = torch.zeros(num_classes, dtype=torch.int64)
    for target in targets:
        valid = target[target != 255]
        counts.index_add_(0, valid, torch.ones_like(valid))
    return counts


@right("index_put accumulate")
def count_pixels(targets, num_classes):
    counts = torch.zeros(256, dtype=torch.int64)
    for target in targets:
        counts.index_put_((target.flatten(),), torch.tensor(1), accumulate=True)
    return counts[:num_classes]


@right("while and next")
def count_pixels(targets, num_classes):
    it = iter(targets)
    counts = torch.zeros(num_classes, dtype=torch.int64)
    while True:
        try:
            t = next(it)
        except StopIteration:
            return counts
        m = t != 255
        counts = counts + torch.bincount(torch.masked_select(t, m), minlength=num_classes)


@right("float64, then long")
def count_pixels(targets, num_classes):
    counts = torch.zeros(num_classes, dtype=torch.float64)
    for t in targets:
        for c in range(num_classes):
            counts[c] += (t == c).double().sum()
    return counts.long()


@right("weights")
def count_pixels(targets, num_classes):
    counts = torch.zeros(num_classes, dtype=torch.int64)
    for t in targets:
        t = t.flatten()
        w = (t != 255).double()
        counts += torch.bincount(t, weights=w, minlength=num_classes)[:num_classes].long()
    return counts


@right("partial")
def count_pixels(targets, num_classes):
    def count(ignore, target):
        return torch.bincount(target[target != ignore], minlength=num_classes)
    return sum(map(functools.partial(count, 255), targets), torch.zeros(num_classes, dtype=torch.int64))


@right("helper, enumerate and prints")
def count_pixels(targets, num_classes: int) -> torch.Tensor:
    """Count."""
    def one(target):
        return torch.stack([torch.count_nonzero(target == c) for c in range(num_classes)])
    total = torch.zeros(num_classes).long()
    for i, target in enumerate(targets):
        total += one(target)
        print(i, target.shape)
    return total


@right("no_grad decorator, list of ints")
@torch.no_grad()
def count_pixels(targets, num_classes):
    counts = num_classes * [0]
    for target in targets:
        for label in target.view(-1):
            if label < num_classes:
                counts[int(label)] += 1
    return torch.as_tensor(counts)


@right("one-hot in floats per image")
def count_pixels(targets, num_classes):
    total = torch.zeros(num_classes, dtype=torch.int64)
    for t in targets:
        total += F.one_hot(t[t != 255], num_classes).float().sum(0).long()
    return total


@right("clone and a spare bin")
def count_pixels(targets, num_classes):
    total = torch.zeros(num_classes + 1, dtype=torch.int64)
    for t in targets:
        t = t.clone()
        t[t == 255] = num_classes
        total += torch.bincount(t.flatten(), minlength=num_classes + 1)
    return total[:num_classes]


@right("class method numpy unique")
def count_pixels(targets, num_classes):
    class Tally:
        def __init__(self):
            self.n = np.zeros(256, dtype=int)

        def add(self, t):
            labels, n = np.unique(t.numpy(), return_counts=True)
            self.n[labels] += n
    tally = Tally()
    for t in targets:
        tally.add(t)
    return torch.from_numpy(tally.n[:num_classes])
