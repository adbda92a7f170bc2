"""Exercise 3.1: build_model."""

import torch
from torch import nn
from torchvision.models.segmentation.lraspp import LRASPP, LRASPPHead

from helpers import models
from helpers.exercises.core import Exercise
from helpers.exercises.probe import Probe, call
from helpers.exercises.toys import FINAL, WEIGHTS, made_up, no_network
from helpers.exercises.values import a_kind, describe, same, show

IMAGES = (2, 3, 32, 48)


def _width(layer):
    """How many channels a layer really gives, or None."""
    convolutions = [module for module in layer.modules() if isinstance(module, nn.Conv2d)]
    return len(convolutions[-1].weight) if convolutions else None


def _is_one_convolution(layer):
    """Whether a layer's parameters are those of a single 1x1 convolution."""
    holders = [module for module in layer.modules() if list(module.parameters(recurse=False))]
    return len(holders) == 1 and type(holders[0]) is nn.Conv2d and holders[0].kernel_size == (1, 1)


def _is_share(values):
    return bool((values >= 0).all() and (values <= 1).all() and values.any())


class _Built:
    """What one call of build_model came to, checked step by step."""

    def __init__(self, student, num_classes, weights):
        self.student, self.num_classes = student, num_classes
        self.call = f"build_model({num_classes}{', weights' if weights else ''})"
        outcome = student.attempt(num_classes, weights) if weights else student.attempt(num_classes)
        text = describe(outcome.error) if outcome.error else ""
        if "num_classes" in text and "21" in text:
            self.fail("num_classes_with_weights", f"{self.call} stopped with {text}\nThe pretrained weights are for 21 "
                      "classes, and torchvision refuses any other number. Build the model with its 21 classes first, "
                      "then replace the two final layers.")
        student.healthy(outcome, f"Called as {self.call}, ")
        self.model = model = outcome.value
        if not isinstance(model, nn.Module):
            self.fail("returns_none" if model is None else "wrong_type", f"{self.call} returned {a_kind(model)}; "
                      "expected the model. Is the `return` missing?")
        self.lraspp = next((module for module in model.modules() if isinstance(module, LRASPP)), None)
        if self.lraspp is None and not any(isinstance(module, LRASPPHead) for module in model.modules()):
            self.fail("another_model", f"{self.call} returned {show(model)}; expected torchvision's "
                      "lraspp_mobilenet_v3_large.")
        if self.lraspp is not None and self.lraspp is not model and not isinstance(model, nn.Sequential):
            self.fail("wrapped", f"{self.call} returned {show(model)} with the model inside it; expected the model "
                      "itself. Later cells look for `model.backbone` and `model.classifier`.")
        if self.lraspp is None:
            self.fail("no_out", f"{self.call} returned parts of the model without the model around them; expected a "
                      "model that returns {\"out\": logits}. Change the layers inside, and return the whole model.")

        head = self.lraspp.classifier
        if not all(hasattr(head, name) for name in ("low_classifier", "high_classifier", "cbr", "scale")):
            self.fail("whole_head_new", f"{self.call} has {show(head)} in place of `model.classifier`. "
                      "You replaced the whole head. Replace only its last two convolutions, "
                      "`classifier.low_classifier` and `classifier.high_classifier`.")
        linear = next((name for name in ("low_classifier", "high_classifier")
                       if any(isinstance(module, nn.Linear) for module in getattr(head, name).modules())), None)
        if linear:
            self.fail("linear_layer", f"{self.call} has a Linear layer in `classifier.{linear}`: that gives one answer "
                      "for an image. Segmentation needs one for each pixel: `nn.Conv2d(in_channels, num_classes, 1)`.")

        odd = next((name for name in ("low_classifier", "high_classifier")
                    if not _is_one_convolution(getattr(head, name))), None)
        if odd:
            self.fail("other_layers", f"{self.call} has {show(getattr(head, odd))} as `classifier.{odd}`, which is not "
                      "one 1x1 convolution as before. Replace each final layer with a single new one: "
                      "`nn.Conv2d(old.in_channels, num_classes, 1)`.")

    def fail(self, id, message):
        self.student.fail(id, message)

    def has_classes(self, elsewhere=()):
        """End the check unless both final layers have as many channels as there are classes."""
        head, wanted = self.lraspp.classifier, self.num_classes
        low, high = (_width(getattr(head, name, nn.Identity())) for name in ("low_classifier", "high_classifier"))
        found = f"{self.call} has final layers with {low} and {high} channels; expected {wanted} in both"
        if (low == wanted) != (high == wanted):
            name = "high_classifier" if low == wanted else "low_classifier"
            self.fail("only_one_classifier", f"{found}. Their outputs are added, so they must be equal: replace "
                      f"`classifier.{name}` as well.")
        if low in elsewhere and low != wanted:
            self.fail("num_classes_ignored", f"{found}. The number is written into the function; use the argument "
                      "`num_classes`.")
        if low == high == 21 != wanted:
            self._untouched(found)
        if low == high and abs(low - wanted) == 1:
            self.fail("off_by_one", f"{found}. Background is already one of the `num_classes`, and void isn't a class.")
        if low != wanted:
            self.fail("wrong_width", f"{found}.")

    def _untouched(self, found):
        convolutions = [module for module in self.model.modules() if isinstance(module, nn.Conv2d)]
        if any(module.out_channels != len(module.weight) for module in convolutions):
            self.fail("attribute_edited", f"{found}. `out_channels` was changed, but it only describes a layer: its "
                      "weights stay as they are. Make a new `nn.Conv2d` and put it in the layer's place.")
        known = {name.rpartition(".")[0] for name in made_up(0)}
        extra = [name for name, module in self.lraspp.named_modules()
                 if name and name not in known and list(module.parameters(recurse=False))]
        if extra:
            self.fail("unused_layer", f"{found}. `{extra[0]}` was added, but nothing in the model's `forward` calls "
                      "it. The layers to replace are `classifier.low_classifier` and `classifier.high_classifier`.")
        self.fail("head_not_replaced", f"{found}. These are still the layers for the 21 classes of the pretrained "
                  "weights. Replace both with new `nn.Conv2d` layers.")

    def gives_logits(self, images):
        """End the check unless the model gives raw logits of the image's size under "out"."""
        wanted = [len(images), self.num_classes, *images.shape[-2:]]
        logits = self._logits(images)
        if list(logits.shape) != wanted:
            self.fail("wrong_shape", f"The logits of {self.call} are {list(logits.shape)}; expected {wanted}.")
        total = logits.sum(1)
        if same(total, torch.ones_like(total), 1e-3) or same(logits.exp().sum(1), torch.ones_like(total), 1e-3):
            self.fail("softmax", f"The outputs of {self.call} are probabilities (or their logarithms), not raw logits. "
                      "CrossEntropyLoss applies the softmax itself; leave it out of the model.")
        if _is_share(logits) and _is_share(self._logits(images, sign=-1)):
            self.fail("sigmoid", f"The outputs of {self.call} all lie between 0 and 1; expected raw logits, of any "
                      "size and sign. Leave the sigmoid out of the model.")
        if not all(p.requires_grad for layer in self._final_layers() for p in layer.parameters()):
            self.fail("frozen_head", f"The new layers of {self.call} are frozen (`requires_grad` is False): they would "
                      "never learn.")

    def _final_layers(self):
        return [self.lraspp.classifier.low_classifier, self.lraspp.classifier.high_classifier]

    def _logits(self, images, sign=1):
        """What the model gives under "out"; with sign -1 the final layers are negated meanwhile."""
        parameters = [parameter for layer in self._final_layers() for parameter in layer.parameters()]
        self.model.eval()
        try:
            with torch.no_grad():
                for parameter in parameters:
                    parameter.mul_(sign)
                output = self.model(images)
                for parameter in parameters:
                    parameter.mul_(sign)
        except Exception as error:
            self.fail("wrong_channels", f"The model of {self.call} stopped on images {list(images.shape)} with "
                      f"{describe(error)}\nA new layer must take as many channels as the old one "
                      "(`old.in_channels`), with the same kernel size, 1.")
        if not isinstance(output, dict) or "out" not in output:
            self.fail("no_out", f"The model of {self.call} returned {a_kind(output)}; expected a dictionary with the "
                      "logits under \"out\", as torchvision's models do.")
        return output["out"]

    def keeps(self, state):
        """End the check unless all but the final layers is as in the pretrained `state`."""
        found = self.lraspp.state_dict()
        keys = [key for key in state if not key.startswith(FINAL) and "num_batches" not in key]
        lost = [key for key in keys if key not in found or not same(found[key], state[key], 1e-6)]
        missing = f"{self.call} lost {len(lost)} of {len(keys)} pretrained tensors"
        backbone, head = ([key in lost for key in keys if key.startswith(part)] for part in ("backbone", "classifier"))
        if sum(backbone) > len(backbone) / 2 and sum(head) > len(head) / 2:
            self.fail("weights_dropped", f"{missing}: the model starts from random numbers. Pass `weights=weights` on "
                      "to torchvision, and load nothing over it.")
        if sum(backbone) > len(backbone) / 2:
            self.fail("backbone_reinitialised", f"{missing}: the whole backbone was made new, and lost all that it "
                      "had learned. Replace the two final layers alone.")
        if all(head) and not any(backbone):
            self.fail("whole_head_new", f"{missing}: the head was replaced as a whole. Its inner layers (`cbr`, "
                      "`scale`) fit any number of classes; replace the two final layers alone.")
        if lost:
            self.fail("weights_changed", f"{missing}, such as `{lost[0]}`. Leave everything but the two final layers "
                      "as it came.")

    def is_new(self, state):
        """End the check unless the final layers are new."""
        found = self.lraspp.state_dict()
        old = [key for key in state if key.startswith(FINAL) and key.endswith("weight") and key in found
               and same(found[key], state[key][:len(found[key])])]
        if old and self.num_classes == 21:
            self.fail("kept_at_21", f"{self.call} kept the pretrained final layer `{old[0]}`, since it has the right "
                      "width already. Yours may be 21 other classes, or the same in another order: always replace both "
                      "layers.")
        if old:
            self.fail("old_rows_kept", f"{self.call} copied the first {self.num_classes} rows of the old `{old[0]}`. "
                      "Those rows are about other classes: start with new layers.")


def check(student, seed):
    state = made_up(seed)
    images = 50 * torch.randn(IMAGES, generator=torch.Generator().manual_seed(seed))
    with no_network(seed) as asked:
        fresh = _Built(student, 6, None)
        fresh.has_classes()
        fresh.gives_logits(images)
        if same(fresh.lraspp.state_dict()["backbone.0.0.weight"], state["backbone.0.0.weight"]):
            student.fail("always_pretrained", "build_model(6) loaded pretrained weights, though `weights` is None. "
                         "Pass the argument `weights` on, whatever it is.")
        downloads = bool(asked)
        for num_classes in (4, 21):
            built = _Built(student, num_classes, WEIGHTS)
            built.has_classes(elsewhere=[6])
            built.gives_logits(images)
            built.keeps(state)
            built.is_new(state)
    if downloads:
        student.fail("fetches_backbone", "build_model(6) downloaded an ImageNet backbone, though `weights` is None, "
                     "which means a random start without a download. torchvision loads that backbone unless told not "
                     "to: pass `weights_backbone=None` as well.")
    return "build_model has two new final layers of the right width, and keeps all other pretrained weights."


def inputs(seed):
    """Seed of the made-up pretrained weights, and how many classes, with weights or without."""
    return {"seed": seed, "models": [(2 + seed % 7, False), (11 + seed % 10, True), (21, True)]}


def run(build_model, drawn):
    """What can be read off each model."""
    results, seed = [], drawn["seed"]
    state = made_up(seed)
    with no_network(seed) as asked:
        for num_classes, pretrained in drawn["models"]:
            asked.clear()
            built = call(build_model, num_classes, *[WEIGHTS] * pretrained)
            try:
                results.append(fingerprint(built["value"], num_classes, pretrained, state))
                results.append({"fetched without being asked": bool(asked) and not pretrained})
            except Exception as error:
                results.append({"error": type(error).__name__})
    return results


def fingerprint(model, num_classes, pretrained, state):
    """Widths, what is left of the pretrained weights, and the logits once the final layers are known."""
    generator = torch.Generator().manual_seed(num_classes)
    found, old, finals = model.state_dict(), [], []
    for name in FINAL:
        layer = model.get_submodule(name.rstrip("."))
        last = [module for module in layer.modules() if isinstance(module, nn.Conv2d)][-1]
        old.append(torch.allclose(last.weight, state[name + "weight"][:num_classes].expand_as(last.weight)))
        finals += [last.weight, last.bias]
    kept = [key for key in state if not key.startswith(FINAL) and "num_batches" not in key]
    fresh = not torch.allclose(found["backbone.0.0.weight"], state["backbone.0.0.weight"])
    sums = [float(found[key].double().sum()) for key in kept]
    if not pretrained:
        model.load_state_dict(found | {key: state[key] for key in kept})
    with torch.no_grad():
        for parameter in (parameter for parameter in finals if parameter is not None):
            parameter.copy_(torch.randn(parameter.shape, generator=generator) if parameter.ndim > 1 else parameter * 0)
        logits = model.eval()(torch.randn(1, 3, 32, 48, generator=generator))["out"][:, :, ::8, ::8]
    return {"kept": sums if pretrained else fresh, "old rows": any(old), "logits": logits,
            "learns": all(parameter.requires_grad for parameter in finals if parameter is not None)}


EXERCISE = Exercise(number="3.1", name="build_model", title="Build the model", points=8, notebook="03_model",
                    signatures=("build_model(num_classes, weights=None)",),
                    check=check, probe=Probe(inputs, run), reference=models.build_model)
