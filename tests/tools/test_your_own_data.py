"""docs/your-own-data.md, followed to the letter; only the training is cut short."""

import dataclasses
import re
import shutil
import subprocess
import sys

import pytest
import torch

from helpers import export, pretrained, settings, training, voc
from tools.annotations.example import COUNT

PAGE = settings.ROOT / "docs" / "your-own-data.md"
COMMANDS = re.findall(r"^python -m (.+)$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)


@pytest.fixture(scope="module")
def course(tmp_path_factory):
    """A copy of what the commands need, in which they may write."""
    folder = tmp_path_factory.mktemp("course")
    for room in ("helpers", "tools", "grading"):
        shutil.copytree(settings.ROOT / room, folder / room, ignore=shutil.ignore_patterns("__pycache__"))
    return folder


def follow(command, folder):
    ran = subprocess.run([sys.executable, "-m", *command.split()], cwd=folder, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


def test_the_page_leads_from_photographs_to_a_model_and_back(course, monkeypatch):
    example, convert, predict = COMMANDS
    follow(example, course)
    photos = course / "build" / "photos"
    assert len(list(photos.glob("*.json"))) == COUNT and len(list(photos.glob("*.jpg"))) == COUNT - 1

    said = follow(convert, course)
    assert "29 images (23 to train, 6 to validate) from labelme; 4 classes: background, leaf, lemon, mug" in said
    assert "1 skipped; the first, IMG_1021.json: no picture named IMG_1021.jpg in the folder" in said
    assert {path.name for path in (course / "data" / "own").iterdir()} == {"classes.txt", "report.html", "VOCdevkit"}

    short = dataclasses.replace(settings.RECIPES["own"], size=64, batch_size=4, epochs=1, least=4)
    monkeypatch.setitem(settings.RECIPES, "own", short)
    config = dataclasses.replace(settings.load(), dataset="own", data_root=course / "data" / "own", weights=None,
                                 model=None, device=torch.device("cpu"), output=course / "build" / "course")
    monkeypatch.setattr(pretrained, "start", lambda config: None)
    data = voc.prepare(config)
    model, history = training.trained_model(data, config)
    assert len(history) == 1 and 0 <= history[0].mean_iou <= 1
    export.save_model(config.output / settings.MODEL_FILE, model, data.class_names, config.recipe.size)

    for number in range(1001, 1006):  # as if these had not been annotated yet
        (photos / f"IMG_{number}.json").unlink()
    assert f"5 labelme files written, {COUNT - 6} photographs were annotated already" in follow(predict, course)
    assert len(list(photos.glob("*.json"))) == COUNT


def test_the_page_names_options_and_messages_that_exist():
    text = PAGE.read_text(encoding="utf-8")
    code = "".join(path.read_text(encoding="utf-8") for path in (settings.ROOT / "tools").rglob("*.py"))
    for option in set(re.findall(r"`(--[a-z-]+)", text)):
        assert f'"{option}"' in code or option == "--help"
    for message in ("no picture named", "annotated at", "a colour table for the masks, found none", "values up to",
                    "a picture that cannot be read", "--replace takes its place"):
        assert message in text and message in code
