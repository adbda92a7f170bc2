"""A student's own data set: what `classes.txt` may say, and what the course makes of small data."""

import dataclasses

import pytest
import torch

from helpers import checks, own, palettes, score, settings, shapes, training, voc
from helpers.settings import SettingsError

CPU = torch.device("cpu")


def config(root, **changes):
    return dataclasses.replace(settings.load(), dataset="own", data_root=root, weights=None, model=None, device=CPU,
                               output=root / "out", **changes)


@pytest.fixture
def folder(tmp_path):
    """The embedded data under the name of somebody's own."""
    shapes.write(tmp_path, {"train": 5, "val": 2})
    (tmp_path / own.LIST).write_text("background\nstar\t#ffee00\nheart\ncloud\nknight on horse\nplane\n")
    return tmp_path


def test_classes_and_colours_come_from_the_list(folder):
    data = voc.prepare(config(folder))
    assert data.class_names == ("background", "star", "heart", "cloud", "knight on horse", "plane")
    assert data.palette[1].tolist() == [255, 238, 0] and data.palette.shape == (6, 3)


@pytest.mark.parametrize("text, said", [
    ("background", "2 to 255 different classes"), ("", "2 to 255 different classes"),
    ("background\na\na", "2 to 255 different classes.*found 2 in 3 lines"),
    ("\n".join(map(str, range(256))), "2 to 255 different classes"), (b"\xff\xfe\x00", "text in UTF-8"),
    (None, "found no classes.txt; write one")])
def test_a_list_that_makes_no_sense_is_one_line(folder, text, said):
    path = folder / own.LIST
    path.write_bytes(text) if isinstance(text, bytes) else path.write_text(text) if text is not None else path.unlink()
    with pytest.raises(SettingsError, match=said) as error:
        voc.prepare(config(folder))
    assert "\n" not in str(error.value)


def test_an_empty_folder_says_how_to_make_a_data_set(tmp_path):
    with pytest.raises(SettingsError, match="python -m tools.annotations FOLDER --to .*docs/your-own-data.md"):
        voc.prepare(config(tmp_path))


def test_a_mask_with_a_class_that_the_list_does_not_name_is_found(folder):
    (folder / own.LIST).write_text("background\nstar\n")
    with pytest.raises(SettingsError, match="expected classes 0 to 1 and 255"):
        voc.prepare(config(folder))


def test_a_small_data_set_is_gone_through_several_times_an_epoch(folder):
    settings_ = config(folder)
    train, val = training.make_loaders(voc.prepare(settings_), settings_)
    assert len(train) >= settings_.recipe.least and len(val.dataset) == 2


def test_one_own_data_set_is_not_taken_for_another(folder, tmp_path):
    before = own.fingerprint(folder)
    assert before == own.fingerprint(folder)
    (folder / own.LIST).write_text("background\nmoon\n")
    assert own.fingerprint(folder) != before


def test_more_than_eight_classes_have_colours_of_their_own():
    for count in (2, 8, 9, 255):
        assert len({tuple(colour) for colour in palettes.distinct(count).tolist()}) == count


def test_the_check_of_the_model_says_what_an_own_model_reaches_and_lets_the_notebook_go_on(monkeypatch, capsys):
    monkeypatch.setenv("COURSE_DATASET", "own")
    checks.trained_model(0.2, 0.3, 0.1)
    assert "20.0% mean IoU on held-out images of your own data" in capsys.readouterr().out


def test_a_model_of_own_data_is_not_marked_and_one_line_says_so(tmp_path):
    from helpers import export, models
    path = tmp_path / "model.safetensors"
    export.save_model(path, models.create("lraspp_mobilenet_v3_large", 2), ("background", "leaf"), 160)
    with pytest.raises(SettingsError, match="a model of your own data is for after the course") as error:
        score.load(path)
    assert "\n" not in str(error.value)
