"""Answers to exercise 4.2."""

import math
import statistics
import time
import warnings

import numpy as np
import torch
from torch import nn
from tqdm import tqdm

from helpers.exercises import toys
from tests.exercises.bank import right, wrong

device = torch.device("cpu")  # what a notebook would have lying around
net = nn.Conv2d(3, 3, 1)
loss_function = nn.CrossEntropyLoss(ignore_index=255)


@wrong("no_zero_grad")
def train_one_epoch(model, loader, criterion, optimizer, device):
    model.train()
    total, count = 0.0, 0
    for images, targets in loader:
        images, targets = images.to(device), targets.to(device)
        loss = criterion(model(images)["out"], targets)
        loss.backward()
        optimizer.step()
        total += loss.item() * len(images)
        count += len(images)
    return total / count


@wrong("no_zero_grad")
def train_one_epoch(model, loader, criterion, optimizer, device):
    model.train()
    optimizer.zero_grad()
    total, count = 0.0, 0
    for images, targets in loader:
        images, targets = images.to(device), targets.to(device)
        loss = criterion(model(images)["out"], targets)
        loss.backward()
        optimizer.step()
        total += loss.item() * len(images)
        count += len(images)
    return total / count


@wrong("zero_grad_before_step")
def train_one_epoch(model, loader, criterion, optimizer, device):
    model.train()
    total, count = 0.0, 0
    for images, targets in loader:
        images, targets = images.to(device), targets.to(device)
        loss = criterion(model(images)["out"], targets)
        loss.backward()
        optimizer.zero_grad()
        optimizer.step()
        total += loss.item() * len(images)
        count += len(images)
    return total / count


@wrong("no_step")
def train_one_epoch(model, loader, criterion, optimizer, device):
    model.train()
    total, count = 0.0, 0
    for images, targets in loader:
        images, targets = images.to(device), targets.to(device)
        optimizer.zero_grad()
        loss = criterion(model(images)["out"], targets)
        loss.backward()
        total += loss.item() * len(images)
        count += len(images)
    return total / count


@wrong("no_backward")
def train_one_epoch(model, loader, criterion, optimizer, device):
    model.train()
    total, count = 0.0, 0
    for images, targets in loader:
        images, targets = images.to(device), targets.to(device)
        optimizer.zero_grad()
        loss = criterion(model(images)["out"], targets)
        optimizer.step()
        total += loss.item() * len(images)
        count += len(images)
    return total / count


@wrong("one_step_per_epoch")
def train_one_epoch(model, loader, criterion, optimizer, device):
    model.train()
    total, count = 0.0, 0
    optimizer.zero_grad()
    for images, targets in loader:
        images, targets = images.to(device), targets.to(device)
        loss = criterion(model(images)["out"], targets)
        loss.backward()
        total += loss.item() * len(images)
        count += len(images)
    optimizer.step()
    return total / count


@wrong("no_train_mode")
def train_one_epoch(model, loader, criterion, optimizer, device):
    total, count = 0.0, 0
    for images, targets in loader:
        images, targets = images.to(device), targets.to(device)
        optimizer.zero_grad()
        loss = criterion(model(images)["out"], targets)
        loss.backward()
        optimizer.step()
        total += loss.item() * len(images)
        count += len(images)
    return total / count


@wrong("batch_not_moved")
def train_one_epoch(model, loader, criterion, optimizer, device):
    model.train()
    total, count = 0.0, 0
    for images, targets in loader:
        optimizer.zero_grad()
        loss = criterion(model(images)["out"], targets)
        loss.backward()
        optimizer.step()
        total += loss.item() * len(images)
        count += len(images)
    return total / count


@wrong("batch_not_moved")
def train_one_epoch(model, loader, criterion, optimizer, device):
    model.train()
    total, count = 0.0, 0
    for images, targets in loader:
        images.to(device)
        targets.to(device)
        optimizer.zero_grad()
        loss = criterion(model(images)["out"], targets)
        loss.backward()
        optimizer.step()
        total += loss.item() * len(images)
        count += len(images)
    return total / count


@wrong("batch_not_moved")
def train_one_epoch(model, loader, criterion, optimizer, device):
    model.train()
    total, count = 0.0, 0
    for images, targets in loader:
        images = images.to(device)
        optimizer.zero_grad()
        loss = criterion(model(images)["out"], targets)
        loss.backward()
        optimizer.step()
        total += loss.item() * len(images)
        count += len(images)
    return total / count


@wrong("batch_not_moved")
def train_one_epoch(model, loader, criterion, optimizer, _):
    model.train()
    total, count = 0.0, 0
    for images, targets in loader:
        images, targets = images.to(device), targets.to(device)
        optimizer.zero_grad()
        loss = criterion(model(images)["out"], targets)
        loss.backward()
        optimizer.step()
        total += loss.item() * len(images)
        count += len(images)
    return total / count


@wrong("argument_ignored")
def train_one_epoch(model, loader, criterion, optimizer, device):
    model.train()
    total, count = 0.0, 0
    for images, targets in loader:
        images, targets = images.to(device), targets.to(device)
        optimizer.zero_grad()
        loss = criterion(net(images), targets)
        loss.backward()
        optimizer.step()
        total += loss.item() * len(images)
        count += len(images)
    return total / count


@wrong("argument_ignored")
def train_one_epoch(model, loader, criterion, optimizer, device):
    model.train()
    total, count = 0.0, 0
    for images, targets in loader:
        images, targets = images.to(device), targets.to(device)
        optimizer.zero_grad()
        loss = loss_function(model(images)["out"], targets)
        loss.backward()
        optimizer.step()
        total += loss.item() * len(images)
        count += len(images)
    return total / count


@wrong("graph_kept")
def train_one_epoch(model, loader, criterion, optimizer, device):
    model.train()
    total, count = 0.0, 0
    for images, targets in loader:
        images, targets = images.to(device), targets.to(device)
        optimizer.zero_grad()
        loss = criterion(model(images)["out"], targets)
        loss.backward()
        optimizer.step()
        total += loss * len(images)
        count += len(images)
    return total / count


@wrong("returns_tensor")
def train_one_epoch(model, loader, criterion, optimizer, device):
    model.train()
    total, count = 0.0, 0
    for images, targets in loader:
        images, targets = images.to(device), targets.to(device)
        optimizer.zero_grad()
        loss = criterion(model(images)["out"], targets)
        loss.backward()
        optimizer.step()
        total += loss.detach() * len(images)
        count += len(images)
    return total / count


@wrong("sum_returned")
def train_one_epoch(model, loader, criterion, optimizer, device):
    model.train()
    total = 0.0
    for images, targets in loader:
        images, targets = images.to(device), targets.to(device)
        optimizer.zero_grad()
        loss = criterion(model(images)["out"], targets)
        loss.backward()
        optimizer.step()
        total += loss.item()
    return total


@wrong("sum_returned")
def train_one_epoch(model, loader, criterion, optimizer, device):
    model.train()
    total = 0.0
    for images, targets in loader:
        images, targets = images.to(device), targets.to(device)
        optimizer.zero_grad()
        loss = criterion(model(images)["out"], targets)
        loss.backward()
        optimizer.step()
        total += loss.item() * len(images)
    return total


@wrong("mean_of_batches")
def train_one_epoch(model, loader, criterion, optimizer, device):
    model.train()
    total = 0.0
    for images, targets in loader:
        images, targets = images.to(device), targets.to(device)
        optimizer.zero_grad()
        loss = criterion(model(images)["out"], targets)
        loss.backward()
        optimizer.step()
        total += loss.item()
    return total / len(loader)


@wrong("wrong_divisor")
def train_one_epoch(model, loader, criterion, optimizer, device):
    model.train()
    total = 0.0
    for images, targets in loader:
        images, targets = images.to(device), targets.to(device)
        optimizer.zero_grad()
        loss = criterion(model(images)["out"], targets)
        loss.backward()
        optimizer.step()
        total += loss.item()
    return total / len(loader.dataset)


@wrong("batch_size_assumed")
def train_one_epoch(model, loader, criterion, optimizer, device):
    model.train()
    total = 0.0
    for images, targets in loader:
        images, targets = images.to(device), targets.to(device)
        optimizer.zero_grad()
        loss = criterion(model(images)["out"], targets)
        loss.backward()
        optimizer.step()
        total += loss.item() * loader.batch_size
    return total / len(loader.dataset)


@wrong("last_batch_loss")
def train_one_epoch(model, loader, criterion, optimizer, device):
    model.train()
    for images, targets in loader:
        images, targets = images.to(device), targets.to(device)
        optimizer.zero_grad()
        loss = criterion(model(images)["out"], targets)
        loss.backward()
        optimizer.step()
    return loss.item()


@wrong("stops_early")
def train_one_epoch(model, loader, criterion, optimizer, device):
    model.train()
    total, count = 0.0, 0
    for images, targets in loader:
        images, targets = images.to(device), targets.to(device)
        optimizer.zero_grad()
        loss = criterion(model(images)["out"], targets)
        loss.backward()
        optimizer.step()
        total += loss.item() * len(images)
        count += len(images)
        return total / count


@wrong("too_many_steps")
def train_one_epoch(model, loader, criterion, optimizer, device):
    model.train()
    total, count = 0.0, 0
    for _ in range(10):
        for images, targets in loader:
            images, targets = images.to(device), targets.to(device)
            optimizer.zero_grad()
            loss = criterion(model(images)["out"], targets)
            loss.backward()
            optimizer.step()
            total += loss.item() * len(images)
            count += len(images)
    return total / count


@wrong("too_many_steps")
def train_one_epoch(model, loader, criterion, optimizer, device):
    model.train()
    total, count = 0.0, 0
    for images, targets in loader:
        images, targets = images.to(device), targets.to(device)
        optimizer.zero_grad()
        loss = criterion(model(images)["out"], targets)
        loss.backward()
        total += criterion(model(images)["out"], targets).item() * len(images)
        optimizer.step()
        count += len(images)
    return total / count


@wrong("dict_not_unpacked")
def train_one_epoch(model, loader, criterion, optimizer, device):
    model.train()
    total, count = 0.0, 0
    for images, targets in loader:
        images, targets = images.to(device), targets.to(device)
        optimizer.zero_grad()
        loss = criterion(model(images), targets)
        loss.backward()
        optimizer.step()
        total += loss.item() * len(images)
        count += len(images)
    return total / count


@wrong("graph_off")
def train_one_epoch(model, loader, criterion, optimizer, device):
    model.train()
    total, count = 0.0, 0
    for images, targets in loader:
        images, targets = images.to(device), targets.to(device)
        optimizer.zero_grad()
        with torch.no_grad():
            logits = model(images)["out"]
        loss = criterion(logits, targets)
        loss.backward()
        optimizer.step()
        total += loss.item() * len(images)
        count += len(images)
    return total / count


@wrong("returns_none")
def train_one_epoch(model, loader, criterion, optimizer, device):
    model.train()
    for images, targets in loader:
        images, targets = images.to(device), targets.to(device)
        optimizer.zero_grad()
        loss = criterion(model(images)["out"], targets)
        loss.backward()
        optimizer.step()
        print(loss.item())


@wrong("gradient_scaled")
def train_one_epoch(model, loader, criterion, optimizer, device):
    model.train()
    total, count = 0.0, 0
    for images, targets in loader:
        images, targets = images.to(device), targets.to(device)
        optimizer.zero_grad()
        loss = criterion(model(images)["out"], targets) / len(images)
        loss.backward()
        optimizer.step()
        total += loss.item() * len(images)
        count += len(images)
    return total / count


train_loader = val_loader = toys.loader(99, 5, 2)  # as a notebook may have them


@wrong("arguments_swapped")
def train_one_epoch(model, loader, criterion, optimizer, device):
    model.train()
    total = count = 0
    for images, targets in loader:
        images, targets = images.to(device), targets.to(device)
        optimizer.zero_grad()
        loss = criterion(targets, model(images)["out"])
        loss.backward()
        optimizer.step()
        total, count = total + loss.item() * len(images), count + len(images)
    return total / count


@wrong("labels_in_loss")
def train_one_epoch(model, loader, criterion, optimizer, device):
    model.train()
    total = count = 0
    for images, targets in loader:
        images, targets = images.to(device), targets.to(device)
        optimizer.zero_grad()
        loss = criterion(targets, model(images)["out"].argmax(1))
        loss.backward()
        optimizer.step()
        total, count = total + loss.item() * len(images), count + len(images)
    return total / count


@wrong("labels_in_loss")
def train_one_epoch(model, loader, criterion, optimizer, device):
    model.train()
    total = count = 0
    for images, targets in loader:
        images, targets = images.to(device), targets.to(device)
        optimizer.zero_grad()
        loss = criterion(model(images)["out"].argmax(1), targets)
        loss.backward()
        optimizer.step()
        total, count = total + loss.item() * len(images), count + len(images)
    return total / count


@wrong("argument_ignored")
def train_one_epoch(model, loader, criterion, optimizer, device):
    model.train()
    total = count = 0
    for images, targets in train_loader:
        images, targets = images.to(device), targets.to(device)
        optimizer.zero_grad()
        loss = criterion(model(images)["out"], targets)
        loss.backward()
        optimizer.step()
        total, count = total + loss.item() * len(images), count + len(images)
    return total / count


@wrong("argument_ignored")
def train_one_epoch(model, loader, criterion, optimizer, device):
    model.train()
    total = count = 0
    for images, targets in tqdm(val_loader, disable=True):
        images, targets = images.to(device), targets.to(device)
        optimizer.zero_grad()
        loss = criterion(model(images)["out"], targets)
        loss.backward()
        optimizer.step()
        total, count = total + loss.item() * len(images), count + len(images)
    return total / count


@wrong("dict_not_unpacked")
def train_one_epoch(model, loader, criterion, optimizer, device):
    model.train()
    total = count = 0
    for images, targets in loader:
        images, targets = images.to(device), targets.to(device)
        optimizer.zero_grad()
        loss = criterion(model(images), targets)
        loss.backward()
        optimizer.step()
        total, count = total + loss.item() * len(images), count + len(images)
    return total / count


@wrong("gradient_scaled")
def train_one_epoch(model, loader, criterion, optimizer, device):
    model.train()
    total, count = 0.0, 0
    for images, targets in loader:
        images, targets = images.to(device), targets.to(device)
        optimizer.zero_grad()
        loss = criterion(model(images)["out"], targets)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 0.1)
        optimizer.step()
        total += loss.item() * len(images)
        count += len(images)
    return total / count


@wrong("zero_grad_before_step")
def train_one_epoch(model, loader, criterion, optimizer, device):
    model.train()
    total, count = 0.0, 0
    for images, targets in loader:
        images, targets = images.to(device), targets.to(device)
        optimizer.zero_grad()
        optimizer.step()
        loss = criterion(model(images)["out"], targets)
        loss.backward()
        total += loss.item() * len(images)
        count += len(images)
    return total / count


@wrong("step_before_backward")
def train_one_epoch(model, loader, criterion, optimizer, device):
    model.train()
    total, count = 0.0, 0
    for images, targets in loader:
        images, targets = images.to(device), targets.to(device)
        loss = criterion(model(images)["out"], targets)
        optimizer.step()
        optimizer.zero_grad()
        loss.backward()
        total += loss.item() * len(images)
        count += len(images)
    return total / count


@wrong("last_batch_left_out")
def train_one_epoch(model, loader, criterion, optimizer, device):
    model.train()
    total, count = 0.0, 0
    for images, targets in loader:
        if len(images) < loader.batch_size:
            continue
        images, targets = images.to(device), targets.to(device)
        optimizer.zero_grad()
        loss = criterion(model(images)["out"], targets)
        loss.backward()
        optimizer.step()
        total += loss.item() * len(images)
        count += len(images)
    return total / count


@wrong("stops_early")
def train_one_epoch(model, loader, criterion, optimizer, device):
    model.train()
    images, targets = next(iter(loader))
    images, targets = images.to(device), targets.to(device)
    optimizer.zero_grad()
    loss = criterion(model(images)["out"], targets)
    loss.backward()
    optimizer.step()
    return loss.item()


@wrong("softmax_first")
def train_one_epoch(model, loader, criterion, optimizer, device):
    model.train()
    total, count = 0.0, 0
    for images, targets in loader:
        images, targets = images.to(device), targets.to(device)
        optimizer.zero_grad()
        loss = criterion(model(images)["out"].softmax(1), targets)
        loss.backward()
        optimizer.step()
        total += loss.item() * len(images)
        count += len(images)
    return total / count


@wrong("sigmoid_first")
def train_one_epoch(model, loader, criterion, optimizer, device):
    model.train()
    total, count = 0.0, 0
    for images, targets in loader:
        images, targets = images.to(device), targets.to(device)
        optimizer.zero_grad()
        loss = criterion(model(images)["out"].sigmoid(), targets)
        loss.backward()
        optimizer.step()
        total += loss.item() * len(images)
        count += len(images)
    return total / count


@wrong("half_precision")
def train_one_epoch(model, loader, criterion, optimizer, device):
    model.train()
    total, count = 0.0, 0
    for images, targets in loader:
        images, targets = images.to(device), targets.to(device)
        optimizer.zero_grad()
        with torch.autocast("cpu", dtype=torch.bfloat16):
            loss = criterion(model(images)["out"], targets)
        loss.backward()
        optimizer.step()
        total += loss.item() * len(images)
        count += len(images)
    return total / count


@wrong("mean_of_batches")
def train_one_epoch(model, loader, criterion, optimizer, device):
    model.train()
    losses = []
    for images, targets in loader:
        images, targets = images.to(device), targets.to(device)
        optimizer.zero_grad()
        loss = criterion(model(images)["out"], targets)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return np.mean(losses)


@wrong("no_train_mode")
def train_one_epoch(model, loader, criterion, optimizer, device):
    total, count = 0.0, 0
    for images, targets in loader:
        images, targets = images.to(device), targets.to(device)
        optimizer.zero_grad()
        loss = criterion(model(images)["out"], targets)
        loss.backward()
        optimizer.step()
        model.train()
        total += loss.item() * len(images)
        count += len(images)
    return total / count


@wrong("no_step")
def train_one_epoch(model, loader, criterion, optimizer, device):
    model.train()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    total, count = 0.0, 0
    for images, targets in loader:
        images, targets = images.to(device), targets.to(device)
        optimizer.zero_grad()
        loss = criterion(model(images)["out"], targets)
        loss.backward()
        optimizer.step()
        total += loss.item() * len(images)
        count += len(images)
    return total / count


@wrong("argument_ignored")
def train_one_epoch(model, loader, criterion, optimizer, device):
    model.train()
    criterion = nn.CrossEntropyLoss(ignore_index=255)
    total, count = 0.0, 0
    for images, targets in loader:
        images, targets = images.to(device), targets.to(device)
        optimizer.zero_grad()
        loss = criterion(model(images)["out"], targets)
        loss.backward()
        optimizer.step()
        total += loss.item() * len(images)
        count += len(images)
    return total / count


@wrong("too_many_steps")
def train_one_epoch(model, loader, criterion, optimizer, device):
    model.train()
    total, count = 0.0, 0
    for images, targets in loader:
        images, targets = images.to(device), targets.to(device)
        optimizer.zero_grad()
        loss = criterion(model(images)["out"], targets)
        loss.backward()
        optimizer.step()
        optimizer.step()
        total += loss.item() * len(images)
        count += len(images)
    return total / count


@wrong("steps_left_out")
def train_one_epoch(model, loader, criterion, optimizer, device):
    model.train()
    total, count = 0.0, 0
    for i, (images, targets) in enumerate(loader):
        images, targets = images.to(device), targets.to(device)
        optimizer.zero_grad()
        loss = criterion(model(images)["out"], targets)
        loss.backward()
        if i % 2 == 0:
            optimizer.step()
        total += loss.item() * len(images)
        count += len(images)
    return total / count


@wrong("weighted_by_pixels")
def train_one_epoch(model, loader, criterion, optimizer, device):
    model.train()
    total, count = 0.0, 0
    for images, targets in loader:
        images, targets = images.to(device), targets.to(device)
        optimizer.zero_grad()
        loss = criterion(model(images)["out"], targets)
        loss.backward()
        optimizer.step()
        valid = (targets != 255).sum().item()
        total += loss.item() * valid
        count += valid
    return total / count


@wrong("last_batch_loss")
def train_one_epoch(model, loader, criterion, optimizer, device):
    model.train()
    total, count = 0.0, 0
    for images, targets in loader:
        images, targets = images.to(device), targets.to(device)
        optimizer.zero_grad()
        loss = criterion(model(images)["out"], targets)
        loss.backward()
        optimizer.step()
        total = loss.item() * len(images)
        count += len(images)
    return total / count


@wrong("no_backward")
def train_one_epoch(model, loader, criterion, optimizer, device):
    model.train()
    total, count = 0.0, 0
    for images, targets in loader:
        images, targets = images.to(device), targets.to(device)
        optimizer.zero_grad()
        loss = criterion(model(images)["out"], targets)
        loss.backward
        optimizer.step()
        total += loss.item() * len(images)
        count += len(images)
    return total / count


@wrong("batch_not_moved")
def train_one_epoch(model, loader, criterion, optimizer, device):
    model.train()
    total, count = 0.0, 0
    for images, targets in loader:
        images, targets = images.to("cpu"), targets.to("cpu")
        optimizer.zero_grad()
        loss = criterion(model(images)["out"], targets)
        loss.backward()
        optimizer.step()
        total += loss.item() * len(images)
        count += len(images)
    return total / count


@wrong("void_given_a_class")
def train_one_epoch(model, loader, criterion, optimizer, device):
    model.train()
    total, count = 0.0, 0
    for images, targets in loader:
        images, targets = images.to(device), targets.to(device)
        targets[targets == 255] = 0
        optimizer.zero_grad()
        loss = criterion(model(images)["out"], targets)
        loss.backward()
        optimizer.step()
        total += loss.item() * len(images)
        count += len(images)
    return total / count


@right("zero_grad first")
def train_one_epoch(model, loader, criterion, optimizer, device):
    model.train()
    total, count = 0.0, 0
    for images, targets in loader:
        images, targets = images.to(device), targets.to(device)
        optimizer.zero_grad()
        loss = criterion(model(images)["out"], targets)
        loss.backward()
        optimizer.step()
        total += loss.item() * len(images)
        count += len(images)
    return total / count


@right("zero_grad last, progress bar, warning")
def train_one_epoch(model, loader, criterion, optimizer, device):
    model.train(True)
    warnings.warn("training may take a while")
    losses, sizes = [], []
    for images, targets in tqdm(loader):
        logits = model(images.to(device, non_blocking=True))["out"]
        loss = criterion(logits, targets.to(device, non_blocking=True))
        loss.backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        losses.append(loss.item())
        sizes.append(images.size(0))
    return sum(l * n for l, n in zip(losses, sizes)) / sum(sizes)


@right("model.zero_grad, data set's length, prints")
def train_one_epoch(model, loader, criterion, optimizer, device):
    model.train()
    running = 0.0
    for i, (x, y) in enumerate(loader):
        x = x.to(device=device)
        y = y.to(device=device)
        out = model(x)["out"]
        loss = criterion(out, y)
        model.zero_grad()
        loss.backward()
        optimizer.step()
        running += float(loss.detach()) * x.shape[0]
        print(f"step {i}: loss {loss.item():.3f}")
    return running / len(loader.dataset)


@right("mixed precision where there is CUDA")
def train_one_epoch(model, loader, criterion, optimizer, device):
    model.train()
    scaler = torch.amp.GradScaler(enabled=device.type == "cuda")
    total = torch.zeros(())
    count = 0
    for images, targets in loader:
        images, targets = images.to(device), targets.to(device)
        optimizer.zero_grad()
        with torch.autocast("cuda", enabled=device.type == "cuda"):
            loss = criterion(model(images)["out"], targets)
        scaler.scale(loss).backward()
        scaler.step(optimizer)
        scaler.update()
        total += loss.detach().cpu() * len(images)
        count += len(images)
    return (total / count).item()


@right("the model's device, a closure")
def train_one_epoch(model, loader, criterion, optimizer, device):
    model.train()
    where = next(model.parameters()).device
    total, seen = 0, 0
    for images, targets in loader:
        def closure():
            optimizer.zero_grad()
            loss = criterion(model(images.to(where))["out"], targets.to(where))
            loss.backward()
            return loss
        total += optimizer.step(closure).item() * len(images)
        seen += len(images)
    return total / seen


@right("np.average")
def train_one_epoch(model, loader, criterion, optimizer, device):
    model.train()
    losses, weights = [], []
    for images, targets in tqdm(loader):
        images, targets = images.to(device), targets.to(device)
        optimizer.zero_grad()
        loss = criterion(model(images)["out"], targets)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
        weights.append(len(images))
    return float(np.average(losses, weights=weights))


@right("fmean, a batch unpacked, times")
def train_one_epoch(model, loader, criterion, optimizer, device):
    start = time.time()
    model.train()
    losses, sizes = [], []
    for batch in loader:
        x, y = (part.to(device) for part in batch)
        optimizer.zero_grad(set_to_none=False)
        with torch.enable_grad():
            loss = criterion(model(x)["out"], y)
        loss.backward()
        optimizer.step()
        losses.append(loss.detach().item())
        sizes.append(y.size(0))
    print(f"{time.time() - start:.1f} s")
    return statistics.fmean(losses, sizes)


@right("an inner function")
def train_one_epoch(model: nn.Module, loader, criterion, optimizer, device) -> float:
    def step(images, targets):
        optimizer.zero_grad()
        loss = criterion(model(images)["out"], targets)
        loss.backward()
        optimizer.step()
        return loss.item() * images.shape[0], images.shape[0]
    model.train()
    results = [step(i.to(device), t.to(device)) for i, t in loader]
    return sum(r[0] for r in results) / sum(r[1] for r in results)


@right("running mean")
def train_one_epoch(model, loader, criterion, optimizer, device):
    model.train()
    mean, n = 0.0, 0
    for images, targets in loader:
        images = images.to(device)
        targets = targets.to(device)
        for p in model.parameters():
            p.grad = None
        loss = criterion(model(images)["out"], targets)
        loss.backward()
        optimizer.step()
        k = images.shape[0]
        n += k
        mean += (loss.item() - mean) * k / n
    return mean


@right("iterator by hand, fsum")
def train_one_epoch(model, loader, criterion, optimizer, device):
    model.train()
    terms, n, it = [], 0, iter(loader)
    while True:
        try:
            images, targets = next(it)
        except StopIteration:
            break
        images, targets = images.to(device), targets.to(device)
        output = model(images)
        logits = output["out"] if isinstance(output, dict) else output
        loss = criterion(logits, targets)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        terms.append(loss.item() * len(targets))
        n += len(targets)
    return math.fsum(terms) / n


@right("autograd.grad")
def train_one_epoch(model, loader, criterion, optimizer, device):
    model.train()
    total = torch.zeros((), dtype=torch.float64)
    parameters = [p for p in model.parameters() if p.requires_grad]
    count = 0
    for images, targets in loader:
        images, targets = images.to(device), targets.to(device)
        loss = criterion(model(images)["out"], targets)
        for p, g in zip(parameters, torch.autograd.grad(loss, parameters)):
            p.grad = g
        optimizer.step()
        total += loss.detach().double().cpu() * len(images)
        count += len(images)
    return (total / count).item()


@right("finite check, grad off on entry")
def train_one_epoch(model, loader, criterion, optimizer, device):
    model = model.to(device)
    model.train()
    total = seen = 0
    for i, (images, targets) in enumerate(loader, 1):
        images, targets = images.to(device), targets.to(device)
        optimizer.zero_grad()
        logits = model(images)["out"]
        loss = criterion(logits, targets)
        if not math.isfinite(loss.item()):
            raise RuntimeError(f"loss is {loss.item()} in batch {i}")
        loss.backward()
        optimizer.step()
        total += loss.item() * images.size(0)
        seen += images.size(0)
    model.eval()
    return total / seen


@right("a Meter class")
def train_one_epoch(model, loader, criterion, optimizer, device):
    class Meter:
        sum = count = 0

        def update(self, value, n):
            self.sum += value * n
            self.count += n

        @property
        def mean(self):
            return self.sum / self.count
    meter = Meter()
    model.train()
    bar = tqdm(loader, leave=False)
    for images, targets in bar:
        loss = criterion(model(images.to(device))["out"], targets.to(device))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        meter.update(float(loss), len(images))
        bar.set_postfix(loss=meter.mean)
    return meter.mean


@right("GradScaler of the device's type")
def train_one_epoch(model, loader, criterion, optimizer, device):
    model.train()
    amp = device.type == "cuda"
    scaler = torch.amp.GradScaler("cuda", enabled=amp)
    total, count = 0.0, 0
    for images, targets in loader:
        images, targets = images.to(device, non_blocking=True), targets.to(device, non_blocking=True)
        optimizer.zero_grad()
        with torch.autocast(device_type="cuda", dtype=torch.float16, enabled=amp):
            loss = criterion(model(images)["out"], targets)
        scaler.scale(loss).backward()
        scaler.step(optimizer)
        scaler.update()
        total += loss.item() * len(images)
        count += len(images)
    return total / count
