"""Answers to exercise 5.1."""

import functools
import itertools
from collections import Counter

import numpy as np
import torch
import torch.nn.functional as F

from tests.exercises.bank import right, wrong


@wrong("transposed")
def confusion_matrix(target, prediction, num_classes):
    valid = target != 255
    pairs = num_classes * prediction[valid] + target[valid]
    return torch.bincount(pairs, minlength=num_classes ** 2).reshape(num_classes, num_classes)


@wrong("transposed")
def confusion_matrix(target, prediction, num_classes):
    matrix = torch.zeros(num_classes, num_classes, dtype=torch.int64)
    for t, p in zip(target.flatten().tolist(), prediction.flatten().tolist()):
        if t != 255:
            matrix[p, t] += 1
    return matrix


@wrong("void_counted")
def confusion_matrix(target, prediction, num_classes):
    pairs = num_classes * target + prediction
    return torch.bincount(pairs.flatten(), minlength=num_classes ** 2).reshape(num_classes, num_classes)


@wrong("void_counted")
def confusion_matrix(target, prediction, num_classes):
    matrix = torch.zeros(num_classes, num_classes, dtype=torch.int64)
    for t, p in zip(target.flatten(), prediction.flatten()):
        matrix[t, p] += 1
    return matrix


@wrong("void_counted")
def confusion_matrix(target, prediction, num_classes):
    target = target.clamp(max=num_classes - 1)
    pairs = num_classes * target + prediction
    return torch.bincount(pairs.flatten(), minlength=num_classes ** 2).reshape(num_classes, num_classes)


@wrong("void_counted")
def confusion_matrix(target, prediction, num_classes):
    target = target.clone()
    target[target == 255] = 0
    pairs = num_classes * target + prediction
    return torch.bincount(pairs.flatten(), minlength=num_classes ** 2).reshape(num_classes, num_classes)


@wrong("void_counted")
def confusion_matrix(target, prediction, num_classes):
    matrix = np.zeros((num_classes, num_classes), dtype=np.int64)
    for t, p in zip(target.flatten().tolist(), prediction.flatten().tolist()):
        matrix[t, p] += 1
    return torch.from_numpy(matrix)


@wrong("void_counted")
def confusion_matrix(target, prediction, num_classes):
    rows = torch.nn.functional.one_hot(target.flatten(), num_classes)
    return rows.T @ torch.nn.functional.one_hot(prediction.flatten(), num_classes)


@wrong("raised")
def confusion_matrix(target, prediction, num_classes):
    valid = target != 255
    if not valid.all():
        raise ValueError("no void, please")
    return torch.bincount(num_classes * target[valid] + prediction[valid], minlength=num_classes ** 2).reshape(
        num_classes, num_classes)


@wrong("uint8_overflow")
def confusion_matrix(target, prediction, num_classes):
    target, prediction = target.to(torch.uint8), prediction.to(torch.uint8)
    valid = target != 255
    pairs = num_classes * target[valid] + prediction[valid]
    return torch.bincount(pairs, minlength=num_classes ** 2).reshape(num_classes, num_classes)


@wrong("uint8_overflow")
def confusion_matrix(target, prediction, num_classes):
    target, prediction = target.numpy().astype(np.uint8), prediction.numpy().astype(np.uint8)
    valid = target != 255
    pairs = np.uint8(num_classes) * target[valid] + prediction[valid]
    counts = np.bincount(pairs, minlength=num_classes ** 2)
    return torch.from_numpy(counts).reshape(num_classes, num_classes)


@wrong("minlength_forgotten")
def confusion_matrix(target, prediction, num_classes):
    valid = target != 255
    return torch.bincount(num_classes * target[valid] + prediction[valid]).reshape(num_classes, num_classes)


@wrong("minlength_forgotten")
def confusion_matrix(target, prediction, num_classes):
    valid = (target != 255).numpy()
    counts = np.bincount(num_classes * target.numpy()[valid] + prediction.numpy()[valid])
    return torch.from_numpy(counts.reshape(num_classes, num_classes))


@wrong("normalised")
def confusion_matrix(target, prediction, num_classes):
    valid = target != 255
    pairs = num_classes * target[valid] + prediction[valid]
    confusion = torch.bincount(pairs, minlength=num_classes ** 2).reshape(num_classes, num_classes)
    return confusion / confusion.sum()


@wrong("normalised")
def confusion_matrix(target, prediction, num_classes):
    valid = target != 255
    pairs = num_classes * target[valid] + prediction[valid]
    confusion = torch.bincount(pairs, minlength=num_classes ** 2).reshape(num_classes, num_classes).float()
    return confusion / confusion.sum(1, keepdim=True).clamp(min=1)


@wrong("only_equal_counted")
def confusion_matrix(target, prediction, num_classes):
    matrix = torch.zeros(num_classes, num_classes, dtype=torch.int64)
    for label in range(num_classes):
        matrix[label, label] = ((target == label) & (prediction == label)).sum()
    return matrix


@wrong("pairs_counted_once")
def confusion_matrix(target, prediction, num_classes):
    matrix = torch.zeros(num_classes, num_classes, dtype=torch.int64)
    valid = target != 255
    matrix[target[valid], prediction[valid]] += 1
    return matrix


@wrong("classes_from_data")
def confusion_matrix(target, prediction, num_classes):
    valid = target != 255
    target, prediction = target[valid], prediction[valid]
    n = int(max(target.max(), prediction.max())) + 1
    return torch.bincount(n * target + prediction, minlength=n * n).reshape(n, n)


@wrong("background_left_out")
def confusion_matrix(target, prediction, num_classes):
    valid = (target > 0) & (target < num_classes)
    pairs = num_classes * target[valid] + prediction[valid]
    return torch.bincount(pairs, minlength=num_classes ** 2).reshape(num_classes, num_classes)


@wrong("returns_numpy")
def confusion_matrix(target, prediction, num_classes):
    valid = target != 255
    pairs = (num_classes * target[valid] + prediction[valid]).numpy()
    return np.bincount(pairs, minlength=num_classes ** 2).reshape(num_classes, num_classes)


@wrong("wrong_dtype")
def confusion_matrix(target, prediction, num_classes):
    matrix = torch.zeros(num_classes, num_classes)
    for t in range(num_classes):
        for p in range(num_classes):
            matrix[t, p] = ((target == t) & (prediction == p)).sum()
    return matrix


@wrong("wrong_shape")
def confusion_matrix(target, prediction, num_classes):
    valid = target != 255
    return torch.bincount(num_classes * target[valid] + prediction[valid], minlength=num_classes ** 2)


@wrong("changes_input")
def confusion_matrix(target, prediction, num_classes):
    prediction[target == 255] = 0
    target[target == 255] = num_classes
    pairs = num_classes * target + prediction
    counts = torch.bincount(pairs.flatten(), minlength=num_classes * (num_classes + 1))
    return counts[:num_classes ** 2].reshape(num_classes, num_classes)


@wrong("different")
def confusion_matrix(target, prediction, num_classes):
    valid = target != 255
    pairs = (num_classes - 1) * target[valid] + prediction[valid]
    return torch.bincount(pairs, minlength=num_classes ** 2).reshape(num_classes, num_classes)


@wrong("two_axes_only")
def confusion_matrix(target, prediction, num_classes):
    matrix = torch.zeros(num_classes, num_classes, dtype=torch.int64)
    for row in range(target.shape[0]):
        for column in range(target.shape[1]):
            if target[row, column] != 255:
                matrix[target[row, column], prediction[row, column]] += 1
    return matrix


@wrong("two_axes_only")
def confusion_matrix(target, prediction, num_classes):
    m = torch.zeros(num_classes, num_classes, dtype=torch.int64)
    for tr, pr in zip(target, prediction):
        for t, p in zip(tr, pr):
            if t != 255:
                m[t, p] += 1
    return m


@wrong("pairs_counted_once")
def confusion_matrix(target, prediction, num_classes):
    m = torch.zeros(num_classes, num_classes, dtype=torch.int64)
    for t in range(num_classes):
        for p in range(num_classes):
            m[t, p] = ((target == t) & (prediction == p)).any()
    return m


@wrong("overflows")
def confusion_matrix(target, prediction, num_classes):
    m = torch.zeros(num_classes, num_classes, dtype=torch.uint8)
    for t in range(num_classes):
        for p in range(num_classes):
            m[t, p] = ((target == t) & (prediction == p)).sum()
    return m.long()


@wrong("background_left_out")
def confusion_matrix(target, prediction, num_classes):
    m = torch.zeros(num_classes, num_classes, dtype=torch.int64)
    for t in range(1, num_classes):
        for p in range(1, num_classes):
            m[t, p] = ((target == t) & (prediction == p)).sum()
    return m


@wrong("last_class_left_out")
def confusion_matrix(target, prediction, num_classes):
    m = torch.zeros(num_classes, num_classes, dtype=torch.int64)
    for t in range(num_classes - 1):
        for p in range(num_classes - 1):
            m[t, p] = ((target == t) & (prediction == p)).sum()
    return m


@wrong("transposed")
def confusion_matrix(target, prediction, num_classes):
    valid = target != 255
    t, p = F.one_hot(target[valid], num_classes), F.one_hot(prediction[valid], num_classes)
    return p.T @ t


@wrong("void_counted")
def confusion_matrix(target, prediction, num_classes):
    t, p = F.one_hot(target % 255, num_classes), F.one_hot(prediction, num_classes)
    return t.flatten(0, -2).T @ p.flatten(0, -2)


@right("bincount")
def confusion_matrix(target, prediction, num_classes):
    valid = target != 255
    pairs = num_classes * target[valid] + prediction[valid]
    return torch.bincount(pairs, minlength=num_classes ** 2).reshape(num_classes, num_classes)


@right("loop over pixels")
def confusion_matrix(target, prediction, num_classes):
    matrix = torch.zeros((num_classes, num_classes), dtype=torch.long)
    for t, p in zip(target.flatten(), prediction.flatten()):
        if t != 255:
            matrix[t, p] += 1
    return matrix


@right("loop over classes")
def confusion_matrix(target, prediction, num_classes):
    return torch.tensor([[int(((target == t) & (prediction == p)).sum()) for p in range(num_classes)]
                         for t in range(num_classes)])


@right("one-hot product")
def confusion_matrix(target, prediction, num_classes):
    valid = target != 255
    t = F.one_hot(target[valid], num_classes)
    p = F.one_hot(prediction[valid], num_classes)
    return t.T @ p


@right("numpy, with a print")
def confusion_matrix(target, prediction, num_classes):
    matrix = np.zeros((num_classes, num_classes), dtype=np.int64)
    valid = target.numpy() != 255
    np.add.at(matrix, (target.numpy()[valid], prediction.numpy()[valid]), 1)
    print(matrix)
    return torch.from_numpy(matrix)


@right("scatter add")
def confusion_matrix(target, prediction, num_classes):
    valid = (target >= 0) & (target < num_classes)
    pairs = target[valid] * num_classes + prediction[valid]
    flat = torch.zeros(num_classes ** 2, dtype=torch.int64).scatter_add_(0, pairs, torch.ones_like(pairs))
    return flat.view(num_classes, num_classes)


@right("histogram2d")
def confusion_matrix(target, prediction, num_classes):
    t, p = target.numpy().ravel(), prediction.numpy().ravel()
    edges = np.arange(num_classes + 1) - 0.5
    return torch.from_numpy(np.histogram2d(t, p, bins=[edges, edges])[0]).long()


@right("einsum of one-hot")
def confusion_matrix(target, prediction, num_classes):
    valid = target != 255
    t, p = (F.one_hot(x[valid], num_classes) for x in (target, prediction))
    return torch.einsum("nt,np->tp", t, p)


@right("sparse")
def confusion_matrix(target, prediction, num_classes):
    valid = target != 255
    index = torch.stack([target[valid], prediction[valid]])
    ones = torch.ones(index.shape[1], dtype=torch.int64)
    return torch.sparse_coo_tensor(index, ones, (num_classes, num_classes)).to_dense()


@right("index_put accumulate")
def confusion_matrix(target, prediction, num_classes):
    matrix = torch.zeros(num_classes, num_classes, dtype=torch.int64)
    valid = target.ne(255)
    t, p = target[valid], prediction[valid]
    return matrix.index_put_((t, p), torch.ones_like(t), accumulate=True)


@right("unique pairs")
def confusion_matrix(target, prediction, num_classes):
    matrix = torch.zeros(num_classes * num_classes, dtype=torch.long)
    keep = (target != 255).flatten()
    pairs, counts = torch.unique(target.flatten()[keep] * num_classes + prediction.flatten()[keep], return_counts=True)
    matrix[pairs] = counts
    return matrix.view(num_classes, num_classes)


@right("Counter of pairs")
def confusion_matrix(target, prediction, num_classes):
    counts = Counter(zip(target.flatten().tolist(), prediction.flatten().tolist()))
    return torch.tensor([[counts[t, p] for p in range(num_classes)] for t in range(num_classes)])


@right("histc")
def confusion_matrix(target, prediction, num_classes):
    valid = target != 255
    pairs = (num_classes * target + prediction)[valid].double()
    n = num_classes ** 2
    return torch.histc(pairs, bins=n, min=0, max=n - 1).long().reshape(num_classes, num_classes)


@right("a bincount per row")
def confusion_matrix(target, prediction, num_classes):
    return torch.stack([torch.bincount(prediction[target == c], minlength=num_classes) for c in range(num_classes)])


@right("a spare row")
def confusion_matrix(target, prediction, num_classes):
    t = torch.where(target == 255, num_classes, target)
    n = num_classes + 1
    full = torch.bincount((n * t + prediction).flatten(), minlength=n * n).reshape(n, n)
    return full[:num_classes, :num_classes]


@right("lists of lists")
def confusion_matrix(target, prediction, num_classes):
    rows = [[0] * num_classes for _ in range(num_classes)]
    for t, p in zip(target.reshape(-1).tolist(), prediction.reshape(-1).tolist()):
        if t == 255:
            continue
        rows[t][p] += 1
    return torch.tensor(rows, dtype=torch.int64)


@right("product of ranges, logical_and, annotated")
def confusion_matrix(target: torch.Tensor, prediction: torch.Tensor, num_classes: int) -> torch.Tensor:
    out = torch.empty((num_classes, num_classes), dtype=torch.int64)
    for i, j in itertools.product(range(num_classes), repeat=2):
        out[i, j] = torch.logical_and(target == i, prediction == j).count_nonzero()
    return out


@right("float matmul per chunk, double")
@torch.no_grad()
def confusion_matrix(target, prediction, num_classes):
    labels = torch.arange(num_classes)
    t = (target.flatten()[:, None] == labels).double()
    p = (prediction.flatten()[:, None] == labels).double()
    return (t.T @ p).round().long()


@right("sums of masks")
def confusion_matrix(target, prediction, num_classes):
    masked = torch.where(target == 255, torch.full_like(prediction, 255), prediction)
    return torch.stack([torch.stack([((target == t) * (masked == p)).sum() for p in range(num_classes)])
                        for t in range(num_classes)])


@right("reduce over pixels")
def confusion_matrix(target, prediction, num_classes):
    def add(matrix, pair):
        t, p = pair
        if t < num_classes:
            matrix[t, p] += 1
        return matrix
    pairs = torch.stack([target.flatten(), prediction.flatten()], 1).tolist()
    return functools.reduce(add, pairs, torch.zeros(num_classes, num_classes).long())


@right("np.add.at ravel_multi_index")
def confusion_matrix(target, prediction, num_classes):
    t, p = np.asarray(target), np.asarray(prediction)
    ok = t < 255
    flat = np.ravel_multi_index((t[ok], p[ok]), (num_classes, num_classes))
    return torch.from_numpy(np.bincount(flat, minlength=num_classes * num_classes).reshape(num_classes, -1))


@right("views, clone")
def confusion_matrix(target, prediction, num_classes):
    t, p = target.clone().reshape(-1), prediction.clone().reshape(-1)
    p = p[t != 255]
    t = t[t != 255]
    m = torch.zeros(num_classes, num_classes, dtype=torch.int64)
    m.view(-1).scatter_add_(0, t * num_classes + p, torch.ones_like(t))
    return m
