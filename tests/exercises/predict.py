"""Answers to exercise 3.2, wrong and right."""

import contextlib
import copy

import torch
import torch.nn.functional as F
from torch.utils.data import DataLoader

from tests.exercises.bank import right, wrong


@wrong("train_mode")
@torch.no_grad()
def predict(model, images):
    return model(images)["out"].argmax(1)


@wrong("train_mode")
def predict(model, images):
    model.eval
    with torch.no_grad():
        return model(images)["out"].argmax(1)


@wrong("train_mode")
def predict(model, images):
    with torch.no_grad():
        labels = model(images)["out"].argmax(1)
    model.eval()
    return labels


@wrong("graph_kept")
def predict(model, images):
    model.eval()
    return model(images)["out"].argmax(1)


@wrong("graph_kept")
def predict(model, images):
    model.eval()
    logits = model(images)["out"]
    with torch.no_grad():
        return logits.argmax(1)


@wrong("graph_kept")
def predict(model, images):
    model.eval()
    return model(images)["out"].detach().argmax(dim=1)


@wrong("wrong_axis")
def predict(model, images):
    model.eval()
    with torch.no_grad():
        return model(images)["out"].argmax(-1)


@wrong("wrong_axis")
def predict(model, images):
    model.eval()
    with torch.no_grad():
        return model(images)["out"].argmax(0)


@wrong("wrong_axis")
def predict(model, images):
    model.eval()
    with torch.no_grad():
        return model(images)["out"].argmax()


@wrong("dict_not_unpacked")
def predict(model, images):
    model.eval()
    with torch.no_grad():
        return model(images).argmax(1)


@wrong("dict_not_unpacked")
def predict(model, images):
    model.eval()
    with torch.no_grad():
        return torch.argmax(model(images), dim=1)


@wrong("returns_dictionary")
def predict(model, images):
    model.eval()
    with torch.no_grad():
        return model(images)


@wrong("logits_returned")
def predict(model, images):
    model.eval()
    with torch.no_grad():
        return model(images)["out"]


@wrong("probabilities_returned")
def predict(model, images):
    model.eval()
    with torch.no_grad():
        return model(images)["out"].softmax(1)


@wrong("values_not_indices")
def predict(model, images):
    model.eval()
    with torch.no_grad():
        return model(images)["out"].max(1)[0]


@wrong("values_not_indices")
def predict(model, images):
    model.eval()
    with torch.no_grad():
        return model(images)["out"].softmax(1).amax(1)


@wrong("max_without_indices")
def predict(model, images):
    model.eval()
    with torch.no_grad():
        return model(images)["out"].max(1)


@wrong("max_without_indices")
def predict(model, images):
    model.eval()
    with torch.no_grad():
        return model(images)["out"].topk(1, dim=1)


@wrong("raise_left")
def predict(model, images):
    model.eval()
    with torch.no_grad():
        labels = model(images)["out"].argmax(1)
    raise NotImplementedError("Exercise 3.2: return the label map of each image, in eval mode")
    return labels


@wrong("channel_axis")
def predict(model, images):
    model.eval()
    with torch.no_grad():
        return model(images)["out"].argmax(1, keepdim=True)


@wrong("squeezed")
def predict(model, images):
    model.eval()
    with torch.no_grad():
        return model(images)["out"].argmax(1).squeeze()


@wrong("first_image_only")
def predict(model, images):
    model.eval()
    with torch.no_grad():
        return model(images)["out"][0].argmax(0)


@wrong("thresholded")
def predict(model, images):
    model.eval()
    with torch.no_grad():
        return (model(images)["out"].sigmoid() > 0.5).long()


@wrong("argmin")
def predict(model, images):
    model.eval()
    with torch.no_grad():
        return model(images)["out"].argmin(1)


@wrong("background_skipped")
def predict(model, images):
    model.eval()
    with torch.no_grad():
        return model(images)["out"][:, 1:].argmax(1) + 1


@wrong("wrong_dtype")
def predict(model, images):
    model.eval()
    with torch.no_grad():
        return model(images)["out"].argmax(1).byte()


@wrong("wrong_dtype")
def predict(model, images):
    model.eval()
    with torch.no_grad():
        return model(images)["out"].argmax(1).float()


@wrong("model_frozen")
def predict(model, images):
    model.eval()
    model.requires_grad_(False)
    return model(images)["out"].argmax(1)


@wrong("changes_input")
def predict(model, images):
    model.eval()
    images -= images.mean()
    with torch.no_grad():
        return model(images + 0)["out"].argmax(1)


@wrong("returns_list")
def predict(model, images):
    model.eval()
    with torch.no_grad():
        return [model(image[None])["out"][0].argmax(0) for image in images]


@wrong("returns_numpy")
def predict(model, images):
    model.eval()
    with torch.no_grad():
        return model(images)["out"].argmax(1).numpy()


@wrong("returns_none")
def predict(model, images):
    model.eval()
    with torch.no_grad():
        labels = model(images)["out"].argmax(1)
    print(labels.shape)


@wrong("raised")
def predict(model, images):
    model.eval()
    with torch.no_grad():
        return model(images)["logits"].argmax(1)


@wrong("not_attempted")
def predict(model, images):
    pass


@wrong("gradients_left_off")
def predict(model, images):
    model.eval()
    torch.set_grad_enabled(False)
    return model(images)["out"].argmax(1)


@wrong("gradients_left_off")
def predict(model, images):
    model.eval()
    torch.autograd.set_grad_enabled(False)
    labels = model(images)["out"].argmax(1)
    return labels


@wrong("graph_kept")
def predict(model, images):
    torch.no_grad()
    model.eval()
    return model(images)["out"].argmax(1)


@wrong("no_grad_without_parentheses")
def predict(model, images):
    model.eval()
    with torch.no_grad:
        return model(images)["out"].argmax(1)


@wrong("thresholded")
def predict(model, images):
    model.eval()
    with torch.no_grad():
        return model(images)["out"].softmax(1).round().long()


@wrong("first_image_only")
def predict(model, images):
    model.eval()
    with torch.no_grad():
        return model(images)["out"].argmax(1)[0]


@wrong("shifted")
def predict(model, images):
    model.eval()
    with torch.no_grad():
        return model(images)["out"].argmax(1) + 1


@wrong("values_not_indices")
def predict(model, images):
    model.eval()
    with torch.no_grad():
        return model(images)["out"].max(1).values.long()


@wrong("train_mode")
def predict(model, images):
    model.train()
    with torch.no_grad():
        return model(images)["out"].argmax(1)


@wrong("channel_axis")
def predict(model, images):
    model.eval()
    with torch.no_grad():
        return model(images)["out"].argmax(1).unsqueeze(1)


@wrong("argmin")
def predict(model, images):
    model.eval()
    with torch.no_grad():
        return model(images)["out"].softmax(1).argmin(1)


@wrong("wrong_axis")
def predict(model, images):
    model.eval()
    with torch.no_grad():
        return model(images)["out"].argmax(2)


@wrong("model_frozen")
def predict(model, images):
    model.eval()
    for p in model.parameters():
        p.requires_grad = False
    return model(images)["out"].argmax(1)


@right("with no_grad")
def predict(model, images):
    model.eval()
    with torch.no_grad():
        return model(images)["out"].argmax(1)


@right("inference mode as a decorator, max's indices")
@torch.inference_mode()
def predict(model, images):
    return model.eval()(images)["out"].max(dim=1).indices


@right("mode put back, probabilities first, with a print")
def predict(model, images):
    was_training = model.training
    model.train(False)
    with torch.set_grad_enabled(False):
        probabilities = torch.softmax(model(images)["out"], dim=1)
    model.train(was_training)
    print("confidence", probabilities.amax(1).mean())
    return torch.argmax(probabilities, dim=1)


@right("image by image")
@torch.no_grad()
def predict(model, images):
    model.eval()
    device = next(model.parameters()).device
    return torch.stack([model(image.unsqueeze(0).to(device))["out"].squeeze(0).argmax(0) for image in images]).cpu()


@right("a copy of the model, topk")
def predict(model, images):
    with torch.no_grad():
        logits = copy.deepcopy(model).eval()(images)["out"]
    return logits.topk(1, dim=1).indices.squeeze(1)


@right("a loop over the classes")
def predict(model, images):
    for module in model.modules():
        module.training = False
    with torch.no_grad():
        logits = model(images)["out"]
    best, labels = logits[:, 0].clone(), torch.zeros_like(logits[:, 0], dtype=torch.int64)
    for label in range(1, logits.shape[1]):
        better = logits[:, label] > best
        best[better], labels[better] = logits[:, label][better], label
    return labels


@right("inference_mode block, softmax, max[1]")
def predict(model: torch.nn.Module, images: torch.Tensor) -> torch.Tensor:
    model.eval()
    with torch.inference_mode():
        probabilities = F.softmax(model(images)["out"], dim=1)
        return torch.max(probabilities, 1)[1]


@right("no_grad without parentheses")
@torch.no_grad
def predict(model, images):
    model.eval()
    output = model(images)
    logits = output["out"] if isinstance(output, dict) else output
    return torch.argmax(logits, dim=1)


@right("restored in finally")
def predict(model, images):
    was = model.training
    model.eval()
    try:
        with torch.no_grad():
            return model(images)["out"].argmax(-3)
    finally:
        model.train(was)


@right("chunks")
@torch.no_grad()
def predict(model, images):
    model.train(False)
    return torch.cat([model(part)["out"].argmax(1) for part in images.split(1)])


@right("argsort")
def predict(model, images):
    model.eval()
    with torch.no_grad():
        return model(images).get("out").argsort(dim=1, descending=True)[:, 0]


@right("numpy")
def predict(model, images):
    model.eval()
    with torch.no_grad():
        logits = model(images)["out"].cpu().numpy()
    return torch.from_numpy(logits.argmax(axis=1)).to(images.device)


@right("a context manager of my own")
def predict(model, images):
    @contextlib.contextmanager
    def quiet():
        before = torch.is_grad_enabled()
        torch.set_grad_enabled(False)
        yield
        torch.set_grad_enabled(before)
    model.eval()
    with quiet():
        labels = list(model(images).values())[0].argmax(dim=1)
    return labels


@right("ExitStack, permuted")
def predict(model, images):
    with contextlib.ExitStack() as stack:
        stack.enter_context(torch.no_grad())
        model.eval()
        scores = model(images)["out"].permute(0, 2, 3, 1)
        return scores.argmax(-1).to(torch.int64)


@right("a loader")
def predict(model, images):
    model = model.eval()
    out = []
    with torch.no_grad():
        for batch in DataLoader(images, batch_size=2):
            out.append(model(batch)["out"].argmax(1))
    return torch.concat(out, dim=0)


@right("a helper function")
def predict(model, images):
    def logits_of(batch):
        return model(batch)["out"]
    model.eval()
    with torch.no_grad():
        logits = logits_of(images)
        best = logits.amax(dim=1, keepdim=True)
        return (logits == best).float().argmax(dim=1)
