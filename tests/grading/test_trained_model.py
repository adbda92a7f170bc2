"""The model file of exercise 5.5: run in the jail, on images drawn afresh."""

import json
import pickle

import pytest
import torch
from safetensors.torch import save_file

from grading.mark import trained_model
from helpers import export, models, pretrained, settings, shapes, voc
from tests.support import golden

pytestmark = [pytest.mark.usefixtures("bubblewrap"),
              pytest.mark.xdist_group("trained_model")]  # one process runs the untrained model


SIZE = settings.RECIPES["shapes"].size


def saved(path, model, names=shapes.CLASS_NAMES, size=SIZE):
    export.save_model(path, model, names, size)
    return path


def test_a_trained_model_earns_its_points_on_images_that_nobody_has_seen():
    found = trained_model.examine(golden.model_file(), seed=7)
    assert found.outcome == "right", found
    assert "120 images that it has not seen" in found.reason


@pytest.mark.parametrize("start", [None, pretrained.GLYPHS])
def test_a_model_that_was_not_trained_earns_nothing(tmp_path, start):
    torch.manual_seed(1)
    path = saved(tmp_path / "model.safetensors", models.create("lraspp_mobilenet_v3_large", 6, start))
    assert trained_model.examine(path).misconception in ("below_baseline", "below_untrained", "below_goal")


def test_a_model_that_says_background_everywhere_earns_nothing(tmp_path):
    model = models.create("lraspp_mobilenet_v3_large", 6)
    for layer in (model.classifier.low_classifier, model.classifier.high_classifier):
        torch.nn.init.zeros_(layer.weight)
        torch.nn.init.zeros_(layer.bias)
    model.classifier.low_classifier.bias.data[0] = 1
    assert trained_model.examine(saved(tmp_path / "model.safetensors", model)).misconception == "below_baseline"


def test_no_file_is_said_to_be_no_file(tmp_path):
    assert trained_model.examine(tmp_path / "model.safetensors").misconception == "no_model_file"


def garbage(path):
    path.write_bytes(b"\x08\0\0\0\0\0\0\0{}nonsense")


def pickled(path):
    path.write_bytes(pickle.dumps({"model": "a pickle"}))


def bare_tensors(path):
    save_file({"weight": torch.zeros(3)}, path)


def other_classes(path):
    saved(path, models.create("lraspp_mobilenet_v3_large", 3), ("background", "cat", "dog"))


def endless_header(path):
    path.write_bytes((2 ** 62).to_bytes(8, "little") + b"{")


def enormous(path):
    with path.open("wb") as file:
        file.truncate(10 ** 9)


def a_card_of_nonsense(path):
    save_file({"x": torch.zeros(1)}, path, {"model": "lraspp_mobilenet_v3_large", "class_names": "7",
                                            "preprocessing": "[]"})


def a_card_that_asks_for_a_huge_size(path):
    saved(path, models.create("lraspp_mobilenet_v3_large", 6), size=10 ** 6)


def a_card_for_64_pixels(path):
    saved(path, models.create("lraspp_mobilenet_v3_large", 6), size=64)


def a_card_with_other_colours(path):
    model = models.create("lraspp_mobilenet_v3_large", 6)
    save_file(model.state_dict(), path, {
        "model": "lraspp_mobilenet_v3_large", "class_names": json.dumps(shapes.CLASS_NAMES),
        "preprocessing": json.dumps({"size": SIZE, "mean": [0, 0, 0], "std": [1, 1, 1]})})


def a_card_of_another_model(path):
    save_file(models.create("lraspp_mobilenet_v3_large", 6).state_dict(), path, {
        "model": "fpn_mobilenet_v2", "class_names": json.dumps(shapes.CLASS_NAMES),
        "preprocessing": json.dumps({"size": SIZE, "mean": settings.MEAN, "std": settings.STD})})


def header(text, tensors=b""):
    """Makes a file of a header as it is written, and bytes behind it."""
    def make(path):
        data = text.encode(errors="surrogatepass")
        path.write_bytes(len(data).to_bytes(8, "little") + data + tensors)
    return make


HEADERS = [
    '{"a": {"data_offsets": []}}', '{"a": {"dtype": "F32", "shape": [1], "data_offsets": []}}', "[]", "7", "null",
    '"x"', '{"a": 3}', '{"__metadata__": 3}', '{"__metadata__": {"model": 3}}', '{"__metadata__": {"model": [[]]}}',
    "[" * 50_000, '{"a":' * 50_000, '{"a": 1' + "0" * 5000 + "}",
    '{"a": {"dtype": "F32", "shape": [-1], "data_offsets": [0, 4]}}',
    '{"a": {"dtype": "F32", "shape": [18446744073709551615, 2], "data_offsets": [0, 4]}}',
    '{"a": {"dtype": "F32", "shape": [1], "data_offsets": [4, 0]}}',
    '{"a": {"dtype": "X", "shape": [1], "data_offsets": [0, 4]}}',
    '{"__metadata__": {"class_names": "' + "[" * 20_000 + '", "preprocessing": "{}", "model": "fpn_mobilenet_v2"}}',
    '{"__metadata__": {"class_names": "7", "preprocessing": "{}", "model": "fpn_mobilenet_v2"}}',
    '{"__metadata__": {"class_names": "[[], {}]", "preprocessing": "1e999", "model": "lraspp_mobilenet_v3_large"}}',
    '{"__metadata__": {"class_names": "{}", "preprocessing": "[1]", "model": "\\ud800"}}', "\ud800", "",
    '{"__metadata__": {"class_names": "[' + "1," * 9999 + '1]", "preprocessing": "{}", "model": "fpn_mobilenet_v2"}}',
]


@pytest.mark.parametrize("text", HEADERS, ids=range(len(HEADERS)))
def test_a_hostile_header_is_one_line(text, tmp_path):
    path = tmp_path / "model.safetensors"
    header(text, b"\0" * 4)(path)
    found = trained_model.examine(path)
    assert (found.outcome, found.misconception) == ("wrong", "unreadable_model")
    assert found.reason.count("\n") == 0 and len(found.reason) < 300 and "Traceback" not in found.reason
    with pytest.raises(settings.SettingsError) as raised:  # notebook 5, `make predict` and the browser's demo too
        export.load_model(path)
    assert "\n" not in str(raised.value) and len(str(raised.value)) < 400


@pytest.mark.parametrize("make, says", [
    (bare_tensors, "its class names are missing"), (garbage, "it is not a whole safetensors file"),
    (a_card_of_another_model, "its weights do not fit the model that it names")], ids=["bare", "garbage", "other"])
def test_the_page_says_what_is_wrong_with_a_file(make, says, tmp_path):
    path = tmp_path / "model.safetensors"
    make(path)
    assert trained_model.examine(path).reason == (
        f"This is not the file that notebook 5 saves: {says} (model.safetensors); run notebook 5 to its end again.")


def not_a_number(path):
    model = models.create("lraspp_mobilenet_v3_large", 6)
    model.classifier.low_classifier.bias.data.fill_(float("nan"))
    saved(path, model)


@pytest.mark.parametrize("make", [garbage, pickled, bare_tensors, other_classes, endless_header, enormous,
                                  a_card_of_nonsense, a_card_that_asks_for_a_huge_size, not_a_number,
                                  a_card_for_64_pixels, a_card_with_other_colours, a_card_of_another_model],
                         ids=lambda make: make.__name__)
def test_a_file_that_is_no_model_of_the_course_is_refused_in_a_sentence(make, tmp_path):
    path = tmp_path / "model.safetensors"
    make(path)
    found = trained_model.examine(path)
    assert found.misconception in ("unreadable_model", "below_baseline", "below_untrained", "below_goal")
    assert found.outcome == "wrong" and found.reason.count("\n") == 0
    assert len(found.reason) < 300 and "Traceback" not in found.reason


def test_a_link_is_no_model_file(tmp_path):
    (tmp_path / "model.safetensors").symlink_to(golden.model_file())
    assert trained_model.examine(tmp_path / "model.safetensors").misconception == "unreadable_model"


def test_a_model_of_real_photographs_without_any_here_is_named(tmp_path, monkeypatch):
    monkeypatch.delenv("COURSE_DATASET", raising=False)
    path = saved(tmp_path / "model.safetensors", models.create("lraspp_mobilenet_v3_large", 21), voc.CLASS_NAMES,
                 settings.RECIPES["voc"].size)
    found = trained_model.examine(path)
    assert (found.outcome, found.misconception) == ("not_run", "no_data")
    assert found.reason == "Not graded yet: your instructor needs the VOC images."
    assert "DATASET=voc" in trained_model.NO_DATA and "DATA_ROOT=" in trained_model.NO_DATA
