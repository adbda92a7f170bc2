"""Answers to exercise 4.2."""

import warnings

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
