"""The loop, the checkpoints, resuming, and what an interruption leaves."""

import dataclasses
import errno
import json
import os

import pytest
import torch

from benchmarks import kills
from helpers import models, settings, shapes, training, voc
from helpers.settings import Recipe, SettingsError

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def devkit(tmp_path_factory):
    root = tmp_path_factory.mktemp("data")
    shapes.write(root, {"train": 12, "val": 4})
    return voc.Devkit(root, shapes.CLASS_NAMES, torch.from_numpy(shapes.PALETTE))


@pytest.fixture
def config(tmp_path, monkeypatch):
    monkeypatch.setitem(settings.RECIPES, "shapes", Recipe(32, 4, 3, 1e-2, (0.9, 1.4)))
    return dataclasses.replace(settings.load(), dataset="shapes", weights=None, model=None, device=CPU,
                               output=tmp_path / "out", grading=False)


def start(devkit, config, loaders=None, **kwargs):
    """A training from whatever `config.output` holds; the model and its history."""
    model = training.make_model(devkit, config)
    optimizer = torch.optim.AdamW(models.parameter_groups(model, config.recipe.learning_rate))
    loaders = loaders or training.make_loaders(devkit, config)
    return model, training.fit(model, *loaders, optimizer, config, devkit.num_classes, **kwargs)


def tiny():
    model = torch.nn.Linear(3, 2)
    return model, torch.optim.Adam(model.parameters(), lr=0.1)


def test_two_trainings_with_one_seed_end_alike(devkit, config, tmp_path):
    _, first = start(devkit, config)
    _, second = start(devkit, dataclasses.replace(config, output=tmp_path / "again"))
    assert [(r.loss, r.mean_iou) for r in first] == [(r.loss, r.mean_iou) for r in second]
    assert len(first) == 3 and all(0 <= record.mean_iou <= 1 for record in first)


def test_fit_calls_the_students_loop_with_the_students_criterion(devkit, config):
    seen, losses = [], []

    def criterion(logits, target):
        losses.append(training.make_criterion()(logits, target))
        return losses[-1]

    def mine(model, loader, criterion, optimizer, device):
        images, targets = next(iter(loader))
        assert criterion(model(images)["out"], targets) is losses[-1]
        seen.append((device, len(loader), loader.batch_size, sum(len(images) for images, _ in loader)))
        return 1.0
    start(devkit, config, train_one_epoch=mine, make_criterion=lambda: criterion)
    assert seen == [(CPU, 3, 4, 12)] * 3


class View:
    """Stands in for the live view; interrupts after a number of batches."""

    def __init__(self, batches=10**9):
        self.left, self.epochs = batches, 0

    def batch(self, number, total):
        self.left -= 1
        if not self.left:
            raise KeyboardInterrupt

    def epoch(self, history):
        self.epochs = len(history)


def test_an_interrupted_training_keeps_what_is_done_and_goes_on(devkit, config, capsys):
    _, history = start(devkit, config, view=View(batches=5))  # in the second epoch
    assert len(history) == 1 and "Saved: 1 epoch, 2 batches (of 3 epochs of 3 batches)" in capsys.readouterr().out
    assert sorted(os.listdir(config.output)) == ["best.pt", "history.json", "last.pt", "previous.pt"]
    view = View()
    _, history = start(devkit, config, view=view)
    assert [record.epoch for record in history] == [0, 1, 2] and view.epochs == 3 and view.left == 10**9 - 4
    assert [r["epoch"] for r in json.loads((config.output / "history.json").read_text())] == [0, 1, 2]


@pytest.mark.parametrize("batches", [4, 6])
def test_a_course_model_goes_on_to_the_same_bits(devkit, config, tmp_path, batches):
    start(devkit, config, view=View(batches))
    model, history = start(devkit, config)
    other = dataclasses.replace(config, output=tmp_path / "undisturbed")
    expected, expected_history = start(devkit, other)
    assert kills.identical(model.state_dict(), expected.state_dict())
    assert [(r.loss, r.mean_iou) for r in history] == [(r.loss, r.mean_iou) for r in expected_history]
    assert kills.identical(kills.state(config.output), kills.state(other.output))  # the optimizer's state too


def test_a_finished_training_returns_its_weights_at_once(devkit, config):
    trained, _ = start(devkit, config)

    def never(*_):
        raise AssertionError("trained again")
    again, history = start(devkit, config, train_one_epoch=never)
    assert len(history) == 3
    assert all(torch.equal(a, b) for a, b in zip(trained.state_dict().values(), again.state_dict().values()))


def test_a_checkpoint_of_another_model_is_an_error_that_says_what_to_do(devkit, config):
    start(devkit, config)
    with pytest.raises(SettingsError, match="delete that folder") as error:
        start(devkit, dataclasses.replace(config, model="lraspp_mobilenet_v2"))
    assert "\n" not in str(error.value)


def test_a_loss_that_is_no_number_stops_with_advice(devkit, config):
    with pytest.raises(training.Diverged, match="learning rate"):
        start(devkit, config, train_one_epoch=lambda *_: float("nan"))
    assert not config.output.exists()


def test_the_learning_rate_warms_up_and_ends_at_nothing(devkit, config):
    rates = []

    def note(model, loader, criterion, optimizer, device):
        for _ in loader:
            rates.append(optimizer.param_groups[1]["lr"])
            optimizer.step()
        return 1.0
    start(devkit, config, train_one_epoch=note, epochs=6)  # a straight line is not near its end before
    peak = rates.index(max(rates))
    assert 0 < rates[0] and rates[peak:] == sorted(rates[peak:], reverse=True) and rates[-1] < 0.1 * max(rates)
    assert training.learning_rate_factor(0) == 0 and training.learning_rate_factor(training.WARM_UP) == 1
    assert training.learning_rate_factor(1) == pytest.approx(0)


def test_the_first_epochs_see_small_pictures_in_training_and_validation(devkit, config, monkeypatch):
    monkeypatch.setitem(settings.RECIPES, "shapes", dataclasses.replace(config.recipe, small=(16, 24)))
    evaluate, seen = training.metrics.evaluate, []

    def note(model, loader, criterion, optimizer, device):
        seen.append({tuple(tensor.shape[-2:]) for batch in loader for tensor in batch})
        return 1.0

    def noted(model, loader, *args):
        batches = list(loader)
        seen.append({tuple(tensor.shape[-2:]) for batch in batches for tensor in batch})
        return evaluate(model, batches, *args)
    monkeypatch.setattr(training.metrics, "evaluate", noted)
    start(devkit, config, train_one_epoch=note)
    assert seen == [{(size, size)} for size in (16, 16, 24, 24, 32, 32)]


def test_an_interrupted_small_epoch_leaves_the_loaders_their_full_size(devkit, config, monkeypatch):
    monkeypatch.setitem(settings.RECIPES, "shapes", dataclasses.replace(config.recipe, small=(16, 24)))
    loaders, evaluate = training.make_loaders(devkit, config), training.metrics.evaluate

    def stopped(model, loader, *args):
        next(loader)
        raise KeyboardInterrupt
    monkeypatch.setattr(training.metrics, "evaluate", stopped)
    _, history = start(devkit, config, loaders=loaders)
    assert history == [] and [tuple(next(iter(loader))[0].shape[-2:]) for loader in loaders] == [(32, 32)] * 2
    monkeypatch.setattr(training.metrics, "evaluate", evaluate)
    assert len(start(devkit, config, loaders=loaders)[1]) == config.recipe.epochs


def test_a_grader_trains_a_few_steps(devkit, config):
    short = dataclasses.replace(config, grading=True)
    train, val = training.make_loaders(devkit, short)
    assert len(train) <= 3 and short.recipe.epochs == 1


def test_a_checkpoint_restores_model_and_optimizer(tmp_path):
    model, optimizer = tiny()
    model(torch.rand(4, 3)).sum().backward()
    optimizer.step()
    training.save_checkpoint(tmp_path / "last.pt", model, optimizer, epoch=6)
    other, other_optimizer = tiny()
    assert training.load_checkpoint(tmp_path / "last.pt", other, other_optimizer) == 7
    assert torch.equal(other.weight, model.weight)
    assert torch.equal(other_optimizer.state_dict()["state"][0]["exp_avg"],
                       optimizer.state_dict()["state"][0]["exp_avg"])


def test_saving_that_dies_half_way_keeps_the_old_checkpoint(tmp_path, monkeypatch):
    model, optimizer = tiny()
    training.save_checkpoint(tmp_path / "last.pt", model, optimizer, epoch=1)
    before = (tmp_path / "last.pt").read_bytes()

    def dies(file):
        os.truncate(file, 1000)
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    monkeypatch.setattr(os, "fsync", dies)
    with pytest.raises(OSError):
        training.save_checkpoint(tmp_path / "last.pt", model, optimizer, epoch=2)
    assert os.listdir(tmp_path) == ["last.pt"] and (tmp_path / "last.pt").read_bytes() == before


def test_void_pixels_do_not_change_the_loss():
    logits, target = torch.randn(1, 3, 4, 4), torch.randint(0, 3, (1, 4, 4))
    wide = torch.cat([logits, torch.randn(1, 3, 4, 2)], dim=3)
    void = torch.cat([target, torch.full((1, 4, 2), 255)], dim=2)
    assert torch.allclose(training.make_criterion()(logits, target), training.make_criterion()(wide, void))


def test_the_mean_loss_weighs_a_smaller_last_batch_less():
    model = torch.nn.Module()
    model.weight = torch.nn.Parameter(torch.zeros(1))
    model.forward = lambda images: {"out": images + model.weight}
    optimizer = torch.optim.SGD(model.parameters(), lr=0)
    batches = [(torch.full((8, 1), 1.0), torch.zeros(8, 1)), (torch.full((2, 1), 6.0), torch.zeros(2, 1))]
    loss = training.train_one_epoch(model, batches, lambda logits, _: logits.mean(), optimizer, CPU)
    assert isinstance(loss, float) and loss == pytest.approx(2.0)


def test_baselines_are_those_of_background_and_of_chance(devkit, config):
    background, untrained = training.baselines(devkit, config)
    assert 0.05 < background < 0.25 and 0 <= untrained < 0.25
