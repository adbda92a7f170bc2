"""The help below each exercise: its titles quote errors that really appear, and it goes from least to most telling."""

import re
from types import SimpleNamespace

import pytest
import torch
from torch import nn
from torchvision.models import segmentation

from helpers import transforms
from helpers.exercises import EXERCISES
from helpers.settings import ROOT
from tests.notebooks.test_notebooks import read
from tools import notebooks


def _on_a_gpu_machine_only():
    """PyTorch's texts where there is a GPU, or was one when a file was written: provoked where that is possible."""
    messages = ["Expected all tensors to be on the same device, but found at least two devices, cuda:0 and cpu!",
                "Attempting to deserialize object on a CUDA device but torch.cuda.is_available() is False.",
                "Input type (torch.FloatTensor) and weight type (torch.cuda.FloatTensor) should be the same"]
    if not torch.cuda.is_available():
        with pytest.raises(RuntimeError) as error:
            nn.Conv2d(3, 1, 1).to(torch.float64)(torch.zeros(1, 3, 2, 2))  # the same check, without a GPU
        assert re.fullmatch(r"Input type \(\w+\) and bias type \(\w+\) should be the same", str(error.value))
    return messages


def _named(model):
    with torch.no_grad():
        return model.eval()(torch.zeros(1, 3, 32, 32)).argmax(1)


TINY = SimpleNamespace(backbone=nn.Linear(2, 2), head=nn.Linear(2, 2))
MISTAKES = [
    lambda: torch.bincount(torch.zeros(2, 2, dtype=torch.int64)),
    lambda: torch.zeros(6, dtype=torch.int64).add_(torch.bincount(torch.tensor([0, 1]))),
    lambda: torch.zeros(3, 4, 5) * torch.tensor(transforms.STD),
    lambda: torch.zeros(3, 4, 5) * transforms.STD,
    lambda: segmentation.lraspp_mobilenet_v3_large(
        weights=segmentation.LRASPP_MobileNet_V3_Large_Weights.DEFAULT, num_classes=6),
    lambda: _named(segmentation.lraspp_mobilenet_v3_large(weights=None, weights_backbone=None)),
    lambda: torch.optim.SGD([{"params": TINY.backbone.parameters()}, {"params": TINY.backbone.parameters()}], 0.1),
    lambda: torch.optim.SGD(iter([]), 0.1),
    lambda: TINY.head.weight in [TINY.backbone.weight],
    lambda: nn.functional.cross_entropy(torch.zeros(1, 6, 2, 2), torch.full((1, 2, 2), 255)),
    lambda: torch.bincount(torch.tensor([0, 4])).reshape(3, 3),
    lambda: torch.zeros(6, 3, dtype=torch.uint8)[torch.tensor([[0, 255]])],
]


@pytest.fixture(scope="module")
def errors():
    messages = _on_a_gpu_machine_only()
    for mistake in MISTAKES:
        with pytest.raises(Exception) as error:
            mistake()
        messages.append(str(error.value))
    return messages


def _helps(name):
    """The titles of each exercise's help."""
    cells = read(name).cells
    for cell, after in zip(cells, cells[1:]):
        marks = cell.metadata.get("nbgrader", {})
        if marks.get("grade") and marks["grade_id"] != "test_trained_model":  # there is nothing to write
            yield marks["grade_id"], re.findall("<summary>(.+?)</summary>", after.source)


@pytest.mark.parametrize("name", notebooks.NAMES)
def test_help_goes_from_a_symptom_to_the_idea_to_a_first_line(name):
    for exercise, titles in _helps(name):
        assert all(title.startswith("Help: ") for title in titles[:-2]) and len(titles) >= 3, exercise
        assert titles[-2:] == ["Hint: the idea", "Hint: a first line"], exercise


@pytest.mark.parametrize("name", notebooks.NAMES)
def test_help_quotes_errors_that_really_appear(name, errors):
    titles = [title for _, titles in _helps(name) for title in titles if "<code>" not in title]
    quoted = [quote for title in titles for quote in re.findall('"(.+?)"(?: or |$)', title)]
    for quote in quoted:
        pattern = ".+".join(map(re.escape, quote.split("…")))
        assert any(re.search(pattern, error) for error in errors), quote


@pytest.mark.parametrize("name", notebooks.NAMES)
def test_every_box_has_a_cell_of_its_own_and_the_same_lines(name):
    for cell in read(name).cells:
        if cell.cell_type == "markdown" and "**Exercise" in cell.source:
            assert re.match(r"> \*\*Exercise \d\.\d · .+\*\* · \d+ points\n>\n> ", cell.source)
            assert re.search(r"\n> Difficulty [●○]{5} \(.+\) · Importance [●○]{5} \(.+\) · .+$", cell.source)
            assert "\n> *Why:* " in cell.source or "nothing to write" in cell.source


@pytest.mark.parametrize("name", notebooks.NAMES)
def test_every_notebook_has_an_experiment_with_a_folded_answer_between_the_exercises_and_the_recap(name):
    cells = read(name).cells
    place = next(index for index, cell in enumerate(cells) if cell.source.startswith("## Experiment: "))
    text, code, answer, *rest = cells[place:]
    assert "?" in text.source and code.cell_type == "code" and "# " in code.source.splitlines()[0]
    assert answer.source.startswith("<details><summary>What you see</summary>")
    assert any(cell.source.startswith("## Recap") for cell in rest)
    assert not any("**Exercise" in cell.source for cell in cells[place:])


def test_checks_send_students_to_exercises_that_exist():
    boxes = {number for name in notebooks.NAMES for cell in read(name).cells if cell.cell_type == "markdown"
             for number in re.findall(r"^> \*\*Exercise ([\d.]+) ·", cell.source, re.MULTILINE)}
    texts = "".join(path.read_text() for path in (ROOT / "helpers").rglob("*.py"))
    places = {exercise.number for exercise in EXERCISES.values()} | set(re.findall(r"[Ee]xercise (\d\.\d+)", texts))
    assert places == boxes
