"""Pretraining: what its scenes hold, and that the same command gives the same model."""

import numpy as np
import pytest
import torch

from helpers import score, settings, shapes
from tools import glyphs, pretrain


def outline(glyph):
    return tuple(map(len, shapes._outline(glyph))), np.concatenate(shapes._outline(glyph)).round(3).tobytes()


def test_none_of_the_courses_glyphs_is_in_the_pretraining_data(monkeypatch):
    drawn, draw = set(), shapes._glyph_mask
    monkeypatch.setattr(shapes, "_glyph_mask", lambda rng, glyph, *size: drawn.add(glyph) or draw(rng, glyph, *size))
    pretrain.Scenes("train", 100, None)
    assert len(drawn) == len(glyphs.GLYPHS) == len(set(glyphs.GLYPHS.values())) >= 20
    assert not drawn & set(shapes.GLYPHS)
    assert not {outline(glyph) for glyph in drawn} & {outline(glyph) for glyph in shapes.GLYPHS}
    assert drawn == set(glyphs.GLYPHS.values())


def test_no_seed_of_the_course_or_of_the_grader_is_in_the_pretraining_data(monkeypatch):
    drawn, draw = [], glyphs.draw
    monkeypatch.setattr(glyphs, "draw", lambda seed: drawn.append(seed) or draw(seed))
    for split in glyphs.FIRST_SEED:
        pretrain.Scenes(split, 3, None)
    seeds = {split: range(first, first + pretrain.SCENES[split]) for split, first in glyphs.FIRST_SEED.items()}
    assert drawn == [*seeds["train"][:3], *seeds["val"][:3]] and not set(seeds["train"]) & set(seeds["val"])
    of_the_course = max(shapes._FIRST_SEED.values()) + max(shapes.SPLITS.values())
    of_the_grader = score.FIRST_SEED + 2 ** 31 + score.DRAWN
    assert min(drawn) > max(of_the_course, of_the_grader)


def test_the_pretraining_scenes_colours_tell_nothing():
    hues = [[] for _ in glyphs.CLASS_NAMES]
    for seed in range(200):
        image, mask = (np.asarray(part) for part in glyphs.draw(seed))
        for index in set(np.unique(mask)) - {0, settings.IGNORE_INDEX}:
            hues[index].append(image[mask == index].mean(0).argmax())
    assert all(len(set(hue)) == 3 for hue in hues[1:])  # each glyph comes red, green and blue


def test_the_same_command_gives_the_same_file_also_if_it_was_stopped_between(tmp_path, monkeypatch):
    monkeypatch.setattr(pretrain, "SAVE_STEPS", 2)
    monkeypatch.setattr(pretrain, "BATCH_SIZE", 4)
    monkeypatch.setattr(pretrain, "SIZES", {0.0: 32, 0.5: 48})
    whole, _ = pretrain.train(4, 6, tmp_path / "a")

    class Stop(Exception):
        pass

    def stop(*args):
        raise Stop
    with monkeypatch.context() as patch:
        write = pretrain.checkpoints.write
        patch.setattr(pretrain.checkpoints, "write", lambda *args: write(*args) or stop())
        with pytest.raises(Stop):
            pretrain.train(4, 6, tmp_path / "b")
    resumed, _ = pretrain.train(4, 6, tmp_path / "b")
    assert all(torch.equal(value, resumed.state_dict()[key]) for key, value in whole.state_dict().items())
