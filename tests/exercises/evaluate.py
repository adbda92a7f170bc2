"""Answers to exercise 5.3."""

import torch
from tqdm import tqdm

from helpers.exercises import toys
from helpers.metrics import confusion_matrix, mean_iou
from tests.exercises.bank import right, wrong

device = torch.device("cpu")  # what a notebook would have lying around


@wrong("mean_of_batches")
@torch.no_grad()
def evaluate(model, loader, num_classes, device):
    model.eval()
    scores = []
    for images, targets in loader:
        prediction = model(images.to(device))["out"].argmax(1)
        scores.append(mean_iou(confusion_matrix(targets.to(device), prediction, num_classes)))
    return sum(scores) / len(scores)


@wrong("returns_score")
@torch.no_grad()
def evaluate(model, loader, num_classes, device):
    model.eval()
    total = torch.zeros(num_classes, num_classes, dtype=torch.int64)
    for images, targets in loader:
        prediction = model(images.to(device))["out"].argmax(1)
        total += confusion_matrix(targets.to(device), prediction, num_classes).cpu()
    return mean_iou(total)


@wrong("averaged")
@torch.no_grad()
def evaluate(model, loader, num_classes, device):
    model.eval()
    total = torch.zeros(num_classes, num_classes)
    for images, targets in loader:
        prediction = model(images.to(device))["out"].argmax(1)
        total += confusion_matrix(targets.to(device), prediction, num_classes).cpu()
    return total / len(loader)


@wrong("train_mode")
@torch.no_grad()
def evaluate(model, loader, num_classes, device):
    total = torch.zeros(num_classes, num_classes, dtype=torch.int64)
    for images, targets in loader:
        prediction = model(images.to(device))["out"].argmax(1)
        total += confusion_matrix(targets.to(device), prediction, num_classes).cpu()
    return total


@wrong("train_mode")
@torch.no_grad()
def evaluate(model, loader, num_classes, device):
    total = torch.zeros(num_classes, num_classes, dtype=torch.int64)
    for images, targets in loader:
        prediction = model(images.to(device))["out"].argmax(1)
        model.eval()
        total += confusion_matrix(targets.to(device), prediction, num_classes).cpu()
    return total


@wrong("last_batch_only")
@torch.no_grad()
def evaluate(model, loader, num_classes, device):
    model.eval()
    for images, targets in loader:
        prediction = model(images.to(device))["out"].argmax(1)
        total = confusion_matrix(targets.to(device), prediction, num_classes).cpu()
    return total


@wrong("first_batch_only")
@torch.no_grad()
def evaluate(model, loader, num_classes, device):
    model.eval()
    total = torch.zeros(num_classes, num_classes, dtype=torch.int64)
    for images, targets in loader:
        prediction = model(images.to(device))["out"].argmax(1)
        total += confusion_matrix(targets.to(device), prediction, num_classes).cpu()
        return total


@wrong("last_batch_dropped")
@torch.no_grad()
def evaluate(model, loader, num_classes, device):
    model.eval()
    total = torch.zeros(num_classes, num_classes, dtype=torch.int64)
    for images, targets in loader:
        if len(images) == 3:  # so that all batches are alike
            prediction = model(images.to(device))["out"].argmax(1)
            total += confusion_matrix(targets.to(device), prediction, num_classes).cpu()
    return total


@wrong("graph_kept")
def evaluate(model, loader, num_classes, device):
    model.eval()
    total = torch.zeros(num_classes, num_classes, dtype=torch.int64)
    for images, targets in loader:
        prediction = model(images.to(device))["out"].argmax(1)
        total += confusion_matrix(targets.to(device), prediction, num_classes).cpu()
    return total


@wrong("graph_kept")
def evaluate(model, loader, num_classes, device):
    model.eval()
    total = torch.zeros(num_classes, num_classes, dtype=torch.int64)
    for images, targets in loader:
        logits = model(images.to(device))["out"]
        with torch.no_grad():  # too late
            total += confusion_matrix(targets.to(device), logits.argmax(1), num_classes).cpu()
    return total


@wrong("not_argmaxed")
@torch.no_grad()
def evaluate(model, loader, num_classes, device):
    model.eval()
    total = torch.zeros(num_classes, num_classes, dtype=torch.int64)
    for images, targets in loader:
        prediction = model(images.to(device))["out"]
        total += confusion_matrix(targets.to(device), prediction, num_classes).cpu()
    return total


@wrong("wrong_axis")
@torch.no_grad()
def evaluate(model, loader, num_classes, device):
    model.eval()
    total = torch.zeros(num_classes, num_classes, dtype=torch.int64)
    for images, targets in loader:
        prediction = model(images.to(device))["out"].argmax(-1)
        total += confusion_matrix(targets.to(device), prediction, num_classes).cpu()
    return total


@wrong("wrong_axis")
@torch.no_grad()
def evaluate(model, loader, num_classes, device):
    model.eval()
    total = torch.zeros(num_classes, num_classes, dtype=torch.int64)
    for images, targets in loader:
        prediction = model(images.to(device))["out"].argmax(0)
        total += confusion_matrix(targets.to(device), prediction, num_classes).cpu()
    return total


@wrong("dict_not_unpacked")
@torch.no_grad()
def evaluate(model, loader, num_classes, device):
    model.eval()
    total = torch.zeros(num_classes, num_classes, dtype=torch.int64)
    for images, targets in loader:
        total += confusion_matrix(targets.to(device), model(images.to(device)).argmax(1), num_classes).cpu()
    return total


@wrong("batch_not_moved")
@torch.no_grad()
def evaluate(model, loader, num_classes, device):
    model.eval()
    total = torch.zeros(num_classes, num_classes, dtype=torch.int64)
    for images, targets in loader:
        total += confusion_matrix(targets, model(images)["out"].argmax(1), num_classes)
    return total


@wrong("batch_not_moved")
@torch.no_grad()
def evaluate(model, loader, num_classes, device_):
    model.eval()
    total = torch.zeros(num_classes, num_classes, dtype=torch.int64)
    for images, targets in loader:
        prediction = model(images.to(device))["out"].argmax(1)
        total += confusion_matrix(targets.to(device), prediction, num_classes).cpu()
    return total


@wrong("transposed")
@torch.no_grad()
def evaluate(model, loader, num_classes, device):
    model.eval()
    total = torch.zeros(num_classes, num_classes, dtype=torch.int64)
    for images, targets in loader:
        prediction = model(images.to(device))["out"].argmax(1).cpu()
        for t, p in zip(targets[targets != 255], prediction[targets != 255]):
            total[p, t] += 1
    return total


@wrong("returns_none")
@torch.no_grad()
def evaluate(model, loader, num_classes, device):
    model.eval()
    total = torch.zeros(num_classes, num_classes, dtype=torch.int64)
    for images, targets in loader:
        prediction = model(images.to(device))["out"].argmax(1)
        total += confusion_matrix(targets.to(device), prediction, num_classes).cpu()
    print(total)


val_loader = toys.loader(99, 5, 2)  # as a notebook may have one


def counted(target, prediction, num_classes):
    """A confusion matrix that a student may have written."""
    matrix = torch.zeros(num_classes, num_classes, dtype=torch.int64)
    for t, p in zip(target.flatten().tolist(), prediction.flatten().tolist()):
        if t != 255:
            matrix[t, p] += 1
    return matrix


@wrong("transposed")
@torch.no_grad()
def evaluate(model, loader, num_classes, device):
    model.eval()
    total = torch.zeros(num_classes, num_classes, dtype=torch.int64)
    for images, targets in loader:
        labels = model(images.to(device))["out"].argmax(1)
        total += confusion_matrix(labels, targets.to(device), num_classes)
    return total


@wrong("transposed")
@torch.no_grad()
def evaluate(model, loader, num_classes, device):
    model.eval()
    total = torch.zeros(num_classes, num_classes, dtype=torch.int64)
    for images, targets in loader:
        labels = model(images.to(device))["out"].argmax(1)
        total += counted(labels, targets, num_classes)
    return total


@wrong("argument_ignored")
@torch.no_grad()
def evaluate(model, loader, num_classes, device):
    model.eval()
    total = torch.zeros(num_classes, num_classes, dtype=torch.int64)
    for images, targets in val_loader:
        labels = model(images.to(device))["out"].argmax(1)
        total += confusion_matrix(targets, labels, num_classes)
    return total


@wrong("max_without_indices")
@torch.no_grad()
def evaluate(model, loader, num_classes, device):
    model.eval()
    total = torch.zeros(num_classes, num_classes, dtype=torch.int64)
    for images, targets in loader:
        labels = model(images.to(device))["out"].max(1)
        total += confusion_matrix(targets, labels, num_classes)
    return total


@wrong("max_without_indices")
@torch.no_grad()
def evaluate(model, loader, num_classes, device):
    model.eval()
    total = torch.zeros(num_classes, num_classes, dtype=torch.int64)
    for images, targets in loader:
        labels = model(images.to(device))["out"].max(dim=1)
        total += confusion_matrix(targets, labels.cpu(), num_classes)
    return total


@right("the usual loop")
@torch.no_grad()
def evaluate(model, loader, num_classes, device):
    model.eval()
    total = torch.zeros(num_classes, num_classes, dtype=torch.int64, device=device)
    for images, targets in loader:
        images, targets = images.to(device), targets.to(device)
        total += confusion_matrix(targets, model(images)["out"].argmax(dim=1), num_classes)
    return total


@right("inference mode, progress bar, mode restored")
def evaluate(model, loader, num_classes, device):
    mode = model.training
    model.eval()
    total = 0
    with torch.inference_mode():
        for images, targets in tqdm(loader, desc="evaluating"):
            labels = model(images.to(device, non_blocking=True))["out"].max(1).indices.cpu()
            total = total + confusion_matrix(targets, labels, num_classes)
    model.train(mode)
    return total


@right("all predictions first")
def evaluate(model, loader, num_classes, device):
    model.train(False)
    with torch.no_grad():
        pairs = [(targets, model(images.to(device))["out"].softmax(1).argmax(1).cpu()) for images, targets in loader]
    target = torch.cat([target for target, _ in pairs])
    prediction = torch.cat([prediction for _, prediction in pairs])
    return confusion_matrix(target, prediction, num_classes)


@right("one image at a time")
def evaluate(model, loader, num_classes, device):
    model.eval().to(device)
    matrices = []
    for images, targets in loader:
        for image, target in zip(images, targets):
            with torch.no_grad():
                out = model(image[None].to(device))["out"][0].cpu()
            matrices.append(confusion_matrix(target, torch.from_numpy(out.numpy().argmax(0)), num_classes))
    return sum(matrices)
