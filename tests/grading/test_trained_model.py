"""The model file of exercise 5.5: run in the jail, on images drawn afresh."""

import pickle

import pytest
import torch
from safetensors.torch import save_file

from grading.mark import trained_model
from helpers import export, models, shapes, voc
from tests.support import golden

pytestmark = [pytest.mark.usefixtures("bubblewrap"),
              pytest.mark.xdist_group("trained_model")]  # one process runs the untrained model


def saved(path, model, names=shapes.CLASS_NAMES, size=96):
    export.save_model(path, model, names, size)
    return path


def test_a_trained_model_earns_its_points_on_images_that_nobody_has_seen():
    id, text = trained_model.verdict(golden.model_file(), seed=7)
    assert id is None, text
    assert "120 images that it has not seen" in text


def test_a_model_that_was_not_trained_earns_nothing(tmp_path):
    torch.manual_seed(1)
    path = saved(tmp_path / "model.safetensors", models.create("lraspp_mobilenet_v3_large", 6))
    assert trained_model.verdict(path)[0] in ("below_baseline", "below_untrained", "below_goal")


def test_a_model_that_says_background_everywhere_earns_nothing(tmp_path):
    model = models.create("lraspp_mobilenet_v3_large", 6)
    for layer in (model.classifier.low_classifier, model.classifier.high_classifier):
        torch.nn.init.zeros_(layer.weight)
        torch.nn.init.zeros_(layer.bias)
    model.classifier.low_classifier.bias.data[0] = 1
    assert trained_model.verdict(saved(tmp_path / "model.safetensors", model))[0] == "below_baseline"


def test_no_file_is_said_to_be_no_file(tmp_path):
    assert trained_model.verdict(tmp_path / "model.safetensors")[0] == "no_model_file"


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


def not_a_number(path):
    model = models.create("lraspp_mobilenet_v3_large", 6)
    model.classifier.low_classifier.bias.data.fill_(float("nan"))
    saved(path, model)


@pytest.mark.parametrize("make", [garbage, pickled, bare_tensors, other_classes, endless_header, enormous,
                                  a_card_of_nonsense, a_card_that_asks_for_a_huge_size, not_a_number],
                         ids=lambda make: make.__name__)
def test_a_file_that_is_no_model_of_the_course_is_refused_in_a_sentence(make, tmp_path):
    path = tmp_path / "model.safetensors"
    make(path)
    id, text = trained_model.verdict(path)
    assert id in ("unreadable_model", "below_baseline", "below_untrained", "below_goal")
    assert text.count("\n") == 0 and len(text) < 300 and "Traceback" not in text


def test_a_link_is_no_model_file(tmp_path):
    (tmp_path / "model.safetensors").symlink_to(golden.model_file())
    assert trained_model.verdict(tmp_path / "model.safetensors")[0] == "unreadable_model"


def test_a_model_of_real_photographs_without_any_here_is_named(tmp_path, monkeypatch):
    monkeypatch.delenv("COURSE_DATASET", raising=False)
    path = saved(tmp_path / "model.safetensors", models.create("lraspp_mobilenet_v3_large", 21), voc.CLASS_NAMES)
    id, text = trained_model.verdict(path)
    assert id == "no_data" and "DATA_ROOT" in text
