"""Answers to exercise 3.2, wrong and right."""

import copy

import torch

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
