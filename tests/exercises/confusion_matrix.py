"""Answers to exercise 5.1."""

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
