"""Answers to exercise 5.3."""

import contextlib
import functools

import numpy as np
import torch
from tqdm import tqdm

from helpers import metrics, models
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


@wrong("summed_in_float32")
@torch.no_grad()
def evaluate(model, loader, num_classes, device):
    model.eval()
    total = torch.zeros(num_classes, num_classes)
    for images, targets in loader:
        prediction = model(images.to(device))["out"].argmax(1)
        total += confusion_matrix(targets.to(device), prediction, num_classes).cpu()
    return total.long()


@wrong("summed_in_float32")
def evaluate(model, loader, num_classes, device):
    model.eval()
    confusion = 0.0
    with torch.inference_mode():
        for images, targets in loader:
            prediction = model(images.to(device))["out"].argmax(dim=1)
            confusion = confusion + confusion_matrix(targets, prediction.cpu(), num_classes).float()
    return confusion.to(torch.int64)


@right("float64 counts")
@torch.no_grad()
def evaluate(model, loader, num_classes, device):
    model.eval()
    total = torch.zeros(num_classes, num_classes, dtype=torch.float64)
    for images, targets in loader:
        prediction = model(images.to(device))["out"].argmax(1)
        total += confusion_matrix(targets.to(device), prediction, num_classes).cpu()
    return total.long()


@right("each batch in float32, as its pixels are few")
@torch.no_grad()
def evaluate(model, loader, num_classes, device):
    model.eval()
    total = torch.zeros(num_classes, num_classes, dtype=torch.int64)
    for images, targets in loader:
        batch = torch.zeros(num_classes, num_classes)
        for image, target in zip(images, targets):
            prediction = model(image[None].to(device))["out"].argmax(1)[0].cpu()
            known = target != 255
            rows, columns = (torch.nn.functional.one_hot(labels[known], num_classes).float()
                             for labels in (target, prediction))
            batch += rows.T @ columns
        total += batch.long()
    return total


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


@wrong("gradients_left_off")
def evaluate(model, loader, num_classes, device):
    model.eval()
    torch.set_grad_enabled(False)
    total = torch.zeros(num_classes, num_classes, dtype=torch.int64)
    for images, targets in loader:
        total += confusion_matrix(targets, model(images.to(device))["out"].argmax(1).cpu(), num_classes)
    return total


@wrong("graph_kept")
def evaluate(model, loader, num_classes, device):
    model.eval()
    torch.no_grad()
    total = torch.zeros(num_classes, num_classes, dtype=torch.int64)
    for images, targets in loader:
        total += confusion_matrix(targets, model(images.to(device))["out"].argmax(1).cpu(), num_classes)
    return total


@wrong("first_image_only")
@torch.no_grad()
def evaluate(model, loader, num_classes, device):
    model.eval()
    total = torch.zeros(num_classes, num_classes, dtype=torch.int64)
    for images, targets in loader:
        prediction = model(images.to(device))["out"][0].argmax(0).cpu()
        total += confusion_matrix(targets[0], prediction, num_classes)
    return total


@wrong("first_image_only")
@torch.no_grad()
def evaluate(model, loader, num_classes, device):
    model.eval()
    total = torch.zeros(num_classes, num_classes, dtype=torch.int64)
    for images, targets in loader:
        image, target = images[:1], targets[:1]
        prediction = model(image.to(device))["out"].argmax(1).cpu()
        total += confusion_matrix(target, prediction, num_classes)
    return total


@wrong("averaged")
@torch.no_grad()
def evaluate(model, loader, num_classes, device):
    model.eval()
    total = torch.zeros(num_classes, num_classes, dtype=torch.int64)
    n = 0
    for images, targets in loader:
        total += confusion_matrix(targets, model(images.to(device))["out"].argmax(1).cpu(), num_classes)
        n += 1
    return total // n


@wrong("void_counted")
@torch.no_grad()
def evaluate(model, loader, num_classes, device):
    model.eval()
    total = torch.zeros(num_classes, num_classes, dtype=torch.int64)
    for images, targets in loader:
        targets[targets == 255] = 0
        total += confusion_matrix(targets, model(images.to(device))["out"].argmax(1).cpu(), num_classes)
    return total


@wrong("void_counted")
@torch.no_grad()
def evaluate(model, loader, num_classes, device):
    model.eval()
    total = torch.zeros(num_classes, num_classes, dtype=torch.int64)
    for images, targets in loader:
        t = torch.where(targets == 255, 0, targets)
        total += confusion_matrix(t, model(images.to(device))["out"].argmax(1).cpu(), num_classes)
    return total


@wrong("argument_ignored")
@torch.no_grad()
def evaluate(model, loader, num_classes, device):
    model.eval()
    total = torch.zeros(num_classes, num_classes, dtype=torch.int64)
    for images, targets in loader:
        total += confusion_matrix(targets, targets, num_classes)
    return total


@wrong("first_batch_only")
@torch.no_grad()
def evaluate(model, loader, num_classes, device):
    model.eval()
    total = torch.zeros(num_classes, num_classes, dtype=torch.int64)
    for images, targets in loader:
        p = model(images.to(device))["out"].argmax(1).cpu()
        total = confusion_matrix(targets, p, num_classes)
        return total


@wrong("not_argmaxed")
@torch.no_grad()
def evaluate(model, loader, num_classes, device):
    model.eval()
    total = torch.zeros(num_classes, num_classes, dtype=torch.int64)
    for images, targets in loader:
        p = (model(images.to(device))["out"].sigmoid() > 0.5).long().cpu()
        total += confusion_matrix(targets, p, num_classes)
    return total


@wrong("argmin")
@torch.no_grad()
def evaluate(model, loader, num_classes, device):
    model.eval()
    total = torch.zeros(num_classes, num_classes, dtype=torch.int64)
    for images, targets in loader:
        p = model(images.to(device))["out"].argmin(1).cpu()
        total += confusion_matrix(targets, p, num_classes)
    return total


@wrong("train_mode")
@torch.no_grad()
def evaluate(model, loader, num_classes, device):
    model.train()
    total = torch.zeros(num_classes, num_classes, dtype=torch.int64)
    for images, targets in loader:
        p = model(images.to(device))["out"].argmax(1).cpu()
        total += confusion_matrix(targets, p, num_classes)
    model.eval()
    return total


@wrong("model_frozen")
def evaluate(model, loader, num_classes, device):
    model.eval()
    model.requires_grad_(False)
    total = torch.zeros(num_classes, num_classes, dtype=torch.int64)
    for images, targets in loader:
        p = model(images.to(device))["out"].argmax(1).cpu()
        total += confusion_matrix(targets, p, num_classes)
    return total


@wrong("returns_score")
@torch.no_grad()
def evaluate(model, loader, num_classes, device):
    model.eval()
    accs = []
    for images, targets in loader:
        p = model(images.to(device))["out"].argmax(1).cpu()
        accs.append((p == targets).float().mean().item())
    return sum(accs) / len(accs)


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


@right("predict of notebook 3")
def evaluate(model, loader, num_classes, device):
    confusion = torch.zeros(num_classes, num_classes, dtype=torch.int64)
    for images, targets in loader:
        labels = models.predict(model, images.to(device)).cpu()
        confusion += metrics.confusion_matrix(targets, labels, num_classes)
    return confusion


@right("sum of a generator")
def evaluate(model, loader, num_classes, device):
    model.eval()
    with torch.no_grad():
        return sum(confusion_matrix(y, model(x.to(device))["out"].argmax(1).cpu(), num_classes) for x, y in loader)


@right("inference_mode as a decorator, reduce")
@torch.inference_mode()
def evaluate(model, loader, num_classes, device):
    model.eval()
    matrices = [confusion_matrix(targets.to(device), model(images.to(device))["out"].argmax(dim=1), num_classes)
                for images, targets in loader]
    return functools.reduce(torch.add, matrices)


@right("own counting")
@torch.no_grad()
def evaluate(model, loader, num_classes, device):
    model.eval()
    total = torch.zeros(num_classes ** 2, dtype=torch.int64)
    for images, targets in loader:
        out = model(images.to(device))["out"]
        pred = torch.argmax(torch.softmax(out, 1), 1).cpu()
        keep = targets != 255
        total += torch.bincount(num_classes * targets[keep] + pred[keep], minlength=num_classes ** 2)
    return total.view(num_classes, num_classes)


@right("a context manager, try and finally")
def evaluate(model, loader, num_classes, device):
    @contextlib.contextmanager
    def evaluating():
        was = model.training
        model.eval()
        try:
            with torch.no_grad():
                yield
        finally:
            model.train(was)
    total = None
    with evaluating():
        for batch in loader:
            images, targets = batch[0].to(device), batch[1].to(device)
            m = confusion_matrix(targets, model(images)["out"].max(1)[1], num_classes)
            total = m if total is None else total + m
    return total.cpu()


@right("stack and sum, enumerate, prints")
@torch.no_grad()
def evaluate(model, loader, num_classes: int, device) -> torch.Tensor:
    model = model.to(device).eval()
    matrices = []
    for i, (images, targets) in enumerate(loader):
        logits = model(images.to(device)).get("out")
        matrices.append(confusion_matrix(targets.cpu(), logits.argmax(1).cpu(), num_classes))
        print("batch", i)
    return torch.stack(matrices).sum(dim=0)


@right("numpy")
def evaluate(model, loader, num_classes, device):
    model.eval()
    total = np.zeros((num_classes, num_classes), dtype=np.int64)
    for images, targets in loader:
        with torch.no_grad():
            out = model(images.to(device))["out"].cpu().numpy().argmax(1)
        t = targets.numpy()
        np.add.at(total, (t[t != 255], out[t != 255]), 1)
    return torch.from_numpy(total)


@right("a class")
def evaluate(model, loader, num_classes, device):
    class Meter:
        def __init__(self):
            self.matrix = torch.zeros(num_classes, num_classes, dtype=torch.int64)

        def update(self, target, prediction):
            self.matrix += confusion_matrix(target, prediction, num_classes)
    meter = Meter()
    model.eval()
    with torch.set_grad_enabled(False):
        for images, targets in tqdm(loader, leave=False):
            meter.update(targets, model(images.to(device))["out"].argmax(1).to("cpu"))
    return meter.matrix


@right("iterator by hand, set_grad restored")
def evaluate(model, loader, num_classes, device):
    model.eval()
    before = torch.is_grad_enabled()
    torch.set_grad_enabled(False)
    total = torch.zeros((num_classes, num_classes)).long()
    it = iter(loader)
    while (batch := next(it, None)) is not None:
        total.add_(confusion_matrix(batch[1], model(batch[0].to(device))["out"].argmax(-3).cpu(), num_classes))
    torch.set_grad_enabled(before)
    return total
