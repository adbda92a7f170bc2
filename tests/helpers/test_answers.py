"""What a student wrote in notebooks 2 and 3 is what notebook 4 trains with, if it passes its check."""

import dataclasses

import nbformat
import pytest
import torch

from helpers import answers, handin, models, pretrained, settings, shapes, training, voc
from helpers.exercises import EXERCISES
from tools import notebooks


@pytest.fixture(autouse=True)
def output(tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_OUTPUT", str(tmp_path / "output"))
    monkeypatch.setenv("COURSE_GRADING", "")
    return tmp_path / "output"


def solved(name):
    cells = nbformat.read(notebooks.solution(name), as_version=4).cells
    return [cell.source for cell in cells if cell.cell_type == "code"]


def keep(name, sources):
    answers.keep(name, sources, lambda namespace: not handin.says_of(EXERCISES[name], namespace))


@pytest.mark.parametrize("name, notebook", [("train_transform", "02_augmentation"), ("build_model", "03_model")])
def test_an_answer_that_passes_is_kept_with_what_it_needs_and_a_later_one_that_fails_is_not(name, notebook, capsys):
    keep(name, ["%matplotlib inline", *solved(notebook)])
    assert list(answers.load()) == [name] and f"your {name}" in capsys.readouterr().out
    text = answers._path(name).read_text()
    assert f"def {name}" in text and "plotting" not in text and "checks." not in text
    keep(name, [*solved(notebook), f"def {name}(*_):\n    return None"])
    assert answers.load() == {} and f"our {name} (or yours" in capsys.readouterr().out


def test_a_lent_answer_is_not_kept_as_a_students_own():
    keep("build_model", [*solved("03_model"), "build_model = checks.lend('build_model')"])
    assert answers.load() == {}


def test_helpers_and_constants_are_kept_wherever_they_were_written():
    cells = ["import torch", "scale = 2", "def answer(x):\n    return helper(x) * scale", "unused = 1 / 0",
             "def helper(x):\n    return torch.ones(x)", "scale = 3", "image = 5"]
    text = answers.needed("answer", cells)
    assert "unused" not in text and "image" not in text and "scale = 2" not in text
    assert answers._run(text)["answer"](2).tolist() == [3, 3]


def test_while_grading_nothing_of_it_is_there(monkeypatch, capsys):
    keep("build_model", solved("03_model"))
    monkeypatch.setenv("COURSE_GRADING", "1")
    assert answers.load() == {} and capsys.readouterr().out == ""


def test_training_takes_a_students_transform_and_model(tmp_path):
    shapes.write(tmp_path / "data", {"train": 8, "val": 8})
    devkit = voc.Devkit(tmp_path / "data", shapes.CLASS_NAMES, torch.from_numpy(shapes.PALETTE))
    config = dataclasses.replace(settings.load(), dataset="shapes", weights=None, model=None)
    built = []

    def build_model(num_classes, weights=None):
        built.append((num_classes, weights))
        return models.build_model(num_classes, weights)

    def train_transform(size):
        return lambda image, mask: (torch.full((3, size, size), 7.0), torch.zeros(size, size, dtype=torch.int64))
    train, val = training.make_loaders(devkit, config, train_transform)
    assert all(images.eq(7).all() for images, _ in train) and not any(images.eq(7).all() for images, _ in val)
    model = training.make_model(devkit, config, build_model)
    assert built == [(devkit.num_classes, pretrained.weights(config))]
    assert {m.momentum for m in model.modules() if isinstance(m, torch.nn.BatchNorm2d)} == {0.1}
    training.make_model(devkit, dataclasses.replace(config, model="lraspp_mobilenet_v2"), build_model)
    assert len(built) == 1  # another model was asked for
