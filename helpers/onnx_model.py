"""The model as an ONNX file: a program that browsers, phones and other languages run, without Python and torch.

onnx, onnxscript and onnxruntime are imported where they are used: the course works without them.
"""

import logging
import time
import warnings
from contextlib import contextmanager, redirect_stdout
from io import StringIO
from pathlib import Path

import torch
from torch import nn

from helpers import export, notebook, photographs, settings
from helpers.files import atomic
from helpers.settings import SettingsError, first_line, show

FILE = "model.onnx"  # beside model.pt2
PACKAGES = ("onnx", "onnxscript", "onnxruntime")
OPSET = 18  # from here on an enlarging layer means the same everywhere
TIE = 1e-3  # logits that differ by less are a tie: the order in which a program adds decides who wins


def ready():
    """Whether onnx, onnxscript and onnxruntime are here; those that are missing are fetched with pip, if it can.

    In grading the answer is no: no mark depends on it.
    """
    if settings.grading():
        return False
    missing = [name for name in PACKAGES if notebook.found(name) is None]
    notebook.install(missing)
    missing = [name for name in PACKAGES if notebook.found(name) is None]
    if missing:
        print(f"Left out: {', '.join(missing)} cannot be fetched without a network. "
              "You need nothing of this to hand in.")
    return not missing


@contextmanager
def _quiet():
    """Without what exporters and quantisers say of themselves: a student can do nothing about it."""
    with warnings.catch_warnings(), redirect_stdout(StringIO()):
        warnings.simplefilter("ignore")
        logging.disable(logging.ERROR)
        try:
            yield
        finally:
            logging.disable(logging.NOTSET)


class _Logits(nn.Module):
    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, image):
        return self.model(image)["out"]


def save(path, model, class_names, size, palette=None):
    """Write `model` as one ONNX file, weights inside: "image" Float32[1, 3, size, size] to "logits" Float32[1, C, size,
    size].

    What must be done to a picture before, and the names and colours of the classes, stand in its metadata, as in
    `export.save_model`. The model itself is not changed.
    """
    training, device = model.training, next(model.parameters()).device
    card = export.card(model, class_names, size, palette)
    card["input"] = (f"a picture's RGB values divided by 255, minus mean, divided by std; its longer side resized to "
                     f"{size} pixels (bilinear, antialiased), at the top left, the mean colour in the rest")
    with _quiet():
        try:
            program = torch.onnx.export(
                _Logits(model.cpu().eval()).eval(), (torch.zeros(1, 3, size, size),), dynamo=True, opset_version=OPSET,
                input_names=["image"], output_names=["logits"], verbose=False)
        finally:
            model.to(device).train(training)
    proto = program.model_proto
    for part in (*proto.graph.node, *proto.graph.value_info, *proto.graph.input, *proto.graph.output, proto.graph):
        part.ClearField("metadata_props")  # where in whose Python each node was written
    _describe(proto, card)
    with atomic(path) as half_done:
        half_done.write_bytes(proto.SerializeToString())


def _describe(proto, card):
    del proto.metadata_props[:]
    for key, value in card.items():
        proto.metadata_props.add(key=key, value=value)


class OnnxModel(nn.Module):
    """An ONNX file that is asked like the course's models: Float32[N, 3, S, S] to {"out": Float32[N, C, S, S]}."""

    def __init__(self, session):
        super().__init__()
        self.session = session
        self.register_parameter("place", nn.Parameter(torch.zeros(0), requires_grad=False))  # says: on the CPU

    def forward(self, images):
        logits = [self.session.run(["logits"], {"image": image[None].numpy()})[0] for image in images]
        return {"out": torch.cat([torch.from_numpy(one) for one in logits])}


def load(path):
    """The model of a `save` file, run by onnxruntime on the CPU, and its card as `export.load_model` gives it.

    Raises SettingsError, one line, if the file is no such thing.
    """
    import onnxruntime
    options = onnxruntime.SessionOptions()
    options.log_severity_level, options.intra_op_num_threads = 4, torch.get_num_threads()
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # waiting, it would take torch's cores
    try:
        session = onnxruntime.InferenceSession(Path(path).read_bytes(), options, providers=["CPUExecutionProvider"])
        texts = session.get_modelmeta().custom_metadata_map
        card = export.read_card({**texts, "palette": texts["palette"]})  # the page needs it
        size, count = card["preprocessing"]["size"], len(card["class_names"])
        found = [(one.name, one.shape) for one in (*session.get_inputs(), *session.get_outputs())]
        if found != [("image", [1, 3, size, size]), ("logits", [1, count, size, size])]:
            raise ValueError(f"it takes and gives {found}")
    except Exception as error:  # the file may be anybody's, and hold anything
        raise SettingsError(f"model file: expected an ONNX file that notebook 5 wrote, found {show(path)} "
                            f"({first_line(error, 120)}); run notebook 5 to its end again") from None
    return OnnxModel(session), card


def quantize(path, target, images):
    """Write the ONNX file `path` again with 8 bits for each weight and each value in between.

    `images`, some (image Float32[3, S, S], target) pairs as the model was trained on, show how large the values get.
    """
    from onnxruntime import quantization

    class Reader(quantization.CalibrationDataReader):
        inputs = iter([{"image": image[None].numpy()} for image, _ in images])

        def get_next(self):
            return next(self.inputs, None)
    with atomic(target) as half_done, _quiet():
        quantization.quantize_static(path, half_done, Reader(), per_channel=True)


def differences(model, other, images):
    """Compare the labels of two models on (image, target) pairs.

    Returns the number of images with the same label everywhere, the number of pixels whose labels differ, and the
    number of those that are no tie: where `model`'s two largest logits are at least `TIE` apart.
    """
    same = pixels = no_tie = 0
    for image, _ in images:
        ours, theirs = photographs.logits_of(model, image), photographs.logits_of(other, image)
        first, second = ours.topk(2, 0)[0]
        differ = ours.max(0).indices != theirs.max(0).indices
        same += not differ.any()
        pixels += int(differ.sum())
        no_tie += int((differ & (first - second >= TIE)).sum())
    return same, pixels, no_tie


def milliseconds(model, image, times=30):
    """The time that `model` takes for one image Float32[3, S, S]: the shortest of several, for what else a machine does
    only adds to it."""
    taken = []
    for _ in range(times):
        start = time.perf_counter()
        photographs.logits_of(model, image)
        taken.append(1000 * (time.perf_counter() - start))
    return min(taken)
