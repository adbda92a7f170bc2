"""A training that stops and goes on: to the same bits, from a damaged file, on a full disk, with any loop."""

import dataclasses
import errno
import json
import os
import signal
import threading

import pytest
import torch

from benchmarks import kills
from helpers import checkpoints, training
from helpers.progress import Order
from helpers.settings import SettingsError

BATCHES = kills.IMAGES // kills.RECIPE.batch_size  # of an epoch
NEVER = float("inf")


class PowerCut(Exception):
    """Ends a training without a word of farewell."""


class Stop:
    """A view that raises `error` after a number of batches in all, or of epochs; it counts the batches it saw."""

    def __init__(self, error=None, batches=None, epochs=None):
        self.error, self.batches, self.epochs, self.seen = error, batches, epochs, 0

    def batch(self, number, total):
        self.seen += 1
        if self.seen == self.batches:
            raise self.error

    def epoch(self, history):
        if len(history) == self.epochs:
            raise self.error


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """What a training comes to that nothing stops."""
    folder = tmp_path_factory.mktemp("undisturbed")
    kills.train(folder)
    return kills.state(folder)


def cut(folder, batches=None, epochs=None, **kwargs):
    """A training in `folder` that a power cut ends; the checkpoint that is left."""
    with pytest.raises(PowerCut):
        kills.train(folder, view=Stop(PowerCut, batches, epochs), **kwargs)
    return kills.state(folder)


def ends_alike(folder, undisturbed, **kwargs):
    """Whether the training in `folder`, brought to its end, is the undisturbed one."""
    kills.train(folder, **kwargs)
    return not kills.leftovers(folder) and kills.identical(kills.state(folder), undisturbed)


def position(folder):
    state = checkpoints.read(folder)
    return len(state["history"]), state["batch"]


@pytest.mark.parametrize("batches", [1, 2, BATCHES - 1, BATCHES, BATCHES + 1, 3 * BATCHES + 2, 4 * BATCHES])
def test_a_training_cut_within_an_epoch_ends_with_the_same_bits(tmp_path, undisturbed, batches):
    saved = cut(tmp_path, batches)
    assert saved is None if batches == 1 else len(saved["history"]) * BATCHES + saved["batch"] == batches - 1
    view = Stop()
    assert ends_alike(tmp_path, undisturbed, view=view)
    assert view.seen == 4 * BATCHES - batches + 1  # only the batch that was under way is trained again


@pytest.mark.parametrize("epochs", [1, 3, 4])
def test_a_training_cut_between_epochs_ends_with_the_same_bits(tmp_path, undisturbed, epochs):
    saved = cut(tmp_path, epochs=epochs, save_seconds=NEVER)
    assert (len(saved["history"]), saved["batch"]) == (epochs, 0)
    assert ends_alike(tmp_path, undisturbed)


@pytest.mark.parametrize("batches", [1, BATCHES, 2 * BATCHES + 3])
def test_an_interrupted_training_loses_no_batch(tmp_path, undisturbed, batches, capsys):
    kills.train(tmp_path, save_seconds=NEVER, view=Stop(KeyboardInterrupt, batches))
    epochs, batch = divmod(batches - 1, BATCHES)
    assert position(tmp_path) == (epochs, batch + 1)
    said = capsys.readouterr().out
    assert said.count("\n") == 1 and said.startswith(f"Stopped. Saved: {epochs} epoch")
    view = Stop()
    assert ends_alike(tmp_path, undisturbed, view=view) and view.seen == 4 * BATCHES - batches


def test_a_training_cut_many_times_ends_with_the_same_bits(tmp_path, undisturbed):
    for _ in range(7):
        cut(tmp_path, batches=4)
    assert position(tmp_path) == (3, 3)
    assert ends_alike(tmp_path, undisturbed)


def test_batches_that_were_done_are_not_loaded_again(tmp_path, monkeypatch):
    cut(tmp_path, batches=BATCHES)
    loaded, load = [], kills.Plain.__getitem__
    monkeypatch.setattr(kills.Plain, "__getitem__", lambda self, index: loaded.append(index) or load(self, index))
    with pytest.raises(PowerCut):
        kills.train(tmp_path, view=Stop(PowerCut, batches=1))
    assert len(loaded) == kills.RECIPE.batch_size


def half_a_loop(model, loader, criterion, optimizer, device):
    """Steps after every second batch."""
    for number, (images, targets) in enumerate(loader):
        criterion(model(images)["out"], targets).backward()
        if number % 2:
            optimizer.step()
            optimizer.zero_grad()
    return 1.0


def eager_loop(model, loader, criterion, optimizer, device):
    """Asks for all batches before it trains on the first."""
    return training.train_one_epoch(model, list(loader), criterion, optimizer, device)


def own_criterion(model, loader, criterion, optimizer, device):
    return training.train_one_epoch(model, loader, training.make_criterion(), optimizer, device)


@pytest.mark.parametrize("loop", [half_a_loop, eager_loop, own_criterion])
def test_a_loop_that_does_not_tell_what_is_done_is_saved_between_epochs(tmp_path, loop):
    kills.train(tmp_path / "undisturbed", train_one_epoch=loop)
    saved = cut(tmp_path / "cut", batches=BATCHES + 4, train_one_epoch=loop)
    assert (len(saved["history"]), saved["batch"]) == (1, 0)
    assert ends_alike(tmp_path / "cut", kills.state(tmp_path / "undisturbed"), train_one_epoch=loop)


def test_a_loss_that_is_no_number_is_not_saved(tmp_path):
    def criterion(logits, target):
        calls.append(1)
        return logits.sum() * (float("nan") if len(calls) > BATCHES + 2 else 1)
    calls = []
    with pytest.raises(training.Diverged):
        kills.train(tmp_path, make_criterion=lambda: criterion)
    assert position(tmp_path) == (1, 2)


def truncate(data):
    return data[:len(data) // 2]


def flip_a_bit(data):
    """In the weights, where torch.load sees nothing."""
    half = len(data) // 2
    return data[:half] + bytes([data[half] ^ 1]) + data[half + 1:]


def blank_a_page(data):
    return data[:4096] + bytes(4096) + data[8192:]


@pytest.mark.parametrize("damage", [truncate, flip_a_bit, blank_a_page, lambda data: b"", lambda data: b"no zip"])
def test_a_damaged_checkpoint_costs_the_way_from_the_one_before_it(tmp_path, undisturbed, damage, capsys):
    cut(tmp_path, batches=BATCHES + 3)
    last = tmp_path / "last.pt"
    last.write_bytes(damage(last.read_bytes()))
    kills.train(tmp_path, view=Stop(KeyboardInterrupt, 1))
    said = capsys.readouterr().out
    assert said.count("\n") == 2 and "is damaged; going on from the one before it" in said
    assert position(tmp_path) == (1, 2)  # saved 1 and 2; 2 was damaged; went on from 1
    assert ends_alike(tmp_path, undisturbed) and capsys.readouterr().out == ""


def test_a_whole_checkpoint_is_never_pushed_out_by_a_damaged_one(tmp_path):
    cut(tmp_path, batches=4)
    (tmp_path / "last.pt").write_bytes(b"")
    cut(tmp_path, batches=2)  # saves once
    (tmp_path / "last.pt").write_bytes(b"")
    assert checkpoints.read(tmp_path) is not None


def test_two_damaged_checkpoints_are_named_in_one_line(tmp_path):
    cut(tmp_path, batches=4)
    for name in ("last.pt", "previous.pt"):
        (tmp_path / name).write_bytes(b"")
    with pytest.raises(SettingsError, match="damaged.*raise ATTEMPT.*delete that folder") as error:
        kills.train(tmp_path)
    assert "\n" not in str(error.value)


def test_a_kill_between_the_two_renames_loses_nothing(tmp_path, undisturbed, monkeypatch, capsys):
    cut(tmp_path, batches=4)
    (tmp_path / "last.pt").rename(tmp_path / "previous.pt")
    assert ends_alike(tmp_path, undisturbed) and capsys.readouterr().out == ""


def test_leftovers_of_a_killed_writer_are_removed(tmp_path):
    for name in (".half-1-last.pt", ".half-2-model.pt2"):
        (tmp_path / name).write_bytes(b"half")
    kills.train(tmp_path)
    assert sorted(os.listdir(tmp_path)) == ["best.pt", "history.json", "last.pt", "previous.pt"]


class Code:
    def __reduce__(self):
        return os.mkdir, ("executed",)


def test_no_code_in_a_checkpoint_is_executed(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    torch.save({"model": Code()}, tmp_path / "last.pt")
    with pytest.raises(SettingsError, match="damaged"):
        kills.train(tmp_path)
    assert os.listdir(tmp_path) == ["last.pt"]


@pytest.mark.parametrize("change", [{"size": 16}, {"batch_size": 3}, {"learning_rate": 1.0}])
def test_a_checkpoint_of_another_recipe_is_named_in_one_line(tmp_path, change):
    cut(tmp_path, batches=3)
    with pytest.raises(SettingsError, match=f"{[*change][0]}|batches.*delete that folder") as error:
        kills.train(tmp_path, recipe=dataclasses.replace(kills.RECIPE, **change))
    assert "\n" not in str(error.value)
    with pytest.raises(SettingsError, match="seed 0 instead of 7"):
        kills.train(tmp_path, seed=7)


class Disk:
    """os.fsync of a disk that turns out to be full on the given calls, counted from 1, and keeps half of the file."""

    def __init__(self, full):
        self.full, self.calls = full, 0

    def __call__(self, file):
        self.calls += 1
        if self.calls in self.full:
            os.truncate(file, os.fstat(file).st_size // 2)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_full_disk_costs_one_line_and_the_training_goes_on(tmp_path, undisturbed, monkeypatch, capsys):
    monkeypatch.setattr(os, "fsync", Disk(full=range(5, 10**6)))
    assert len(kills.train(tmp_path)) == 4
    said = capsys.readouterr().out
    assert said.count("\n") == 1 and "No space left" in said and "Saved so far: 0 epochs, 4 batches." in said
    assert position(tmp_path) == (0, 4) and not kills.leftovers(tmp_path)
    monkeypatch.undo()
    assert ends_alike(tmp_path, undisturbed)


def test_a_folder_that_refuses_once_is_asked_again(tmp_path, undisturbed, monkeypatch, capsys):
    monkeypatch.setattr(os, "fsync", Disk(full=range(1, 10**6, 2)))
    assert ends_alike(tmp_path, undisturbed) and capsys.readouterr().out == ""


def with_signals(count):
    """A student's loop whose third batch is interrupted `count` times in the model."""
    def loop(model, loader, criterion, optimizer, device):
        def forward(*_):
            calls.append(1)
            if len(calls) == 3:
                for _ in range(count):
                    signal.raise_signal(signal.SIGINT)
        calls = []
        hook = model.register_forward_hook(forward)
        try:
            return training.train_one_epoch(model, loader, criterion, optimizer, device)
        finally:
            hook.remove()
    return loop


@pytest.fixture
def interrupts():
    """Python's own handler, also where the tests run in the background, to which shells send no interrupts."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_an_interrupt_waits_for_the_end_of_the_batch(tmp_path, undisturbed, interrupts):
    assert kills.train(tmp_path, save_seconds=NEVER, train_one_epoch=with_signals(1)) == []
    assert position(tmp_path) == (0, 3)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert ends_alike(tmp_path, undisturbed)


def test_a_second_interrupt_does_not_wait_and_saves_no_half_batch(tmp_path, interrupts, capsys):
    assert kills.train(tmp_path, save_seconds=NEVER, train_one_epoch=with_signals(2)) == []
    assert os.listdir(tmp_path) == [] and "Saved: nothing" in capsys.readouterr().out


def test_a_training_outside_the_main_thread_needs_no_signals(tmp_path, undisturbed):
    thread = threading.Thread(target=kills.train, args=[tmp_path])
    thread.start()
    thread.join()
    assert kills.identical(kills.state(tmp_path), undisturbed)


@pytest.mark.skipif(os.name == "nt", reason="worker processes start slowly on Windows")
def test_with_workers_the_rest_of_an_epoch_is_the_rest_of_its_images():
    def loader():
        generator = torch.Generator().manual_seed(0)
        return torch.utils.data.DataLoader(range(24), batch_size=4, num_workers=2, persistent_workers=True,
                                           sampler=Order(range(24), generator=generator), generator=generator)
    first, second = loader(), loader()
    passes = [[batch.tolist() for batch in first] for _ in range(2)]  # the second pass is to be entered again
    second.sampler.resume = first.sampler.start, 8
    assert [batch.tolist() for batch in second] == passes[1][2:] and passes[0] != passes[1]
    assert [batch.tolist() for batch in second] == [batch.tolist() for batch in first]


def test_a_short_run_and_a_whole_training_do_not_meet(tmp_path, undisturbed):
    kills.train(tmp_path, grading=True)
    assert ends_alike(tmp_path, undisturbed)


def test_the_history_file_tells_the_same_as_the_checkpoint(tmp_path):
    cut(tmp_path, epochs=2)
    (tmp_path / "history.json").unlink()  # as if killed before it was written
    kills.train(tmp_path, view=Stop(KeyboardInterrupt, 1))
    assert json.loads((tmp_path / "history.json").read_text()) == checkpoints.read(tmp_path)["history"]


def test_the_students_own_functions_read_the_last_checkpoint(tmp_path):
    cut(tmp_path, batches=BATCHES + 3)
    model = kills.Net()
    assert training.load_checkpoint(tmp_path / "last.pt", model, torch.optim.AdamW(model.parameters())) == 1


def as_in_a_notebook(source, tmp_path, name):
    """The function that a cell with this source defines; its source can be read again."""
    path = tmp_path / f"cell-{abs(hash(source))}.py"
    path.write_text(source)
    namespace = {"torch": torch}
    exec(compile(source, path, "exec"), namespace)
    return namespace[name]


def test_more_epochs_go_on_with_the_same_training(tmp_path, undisturbed):
    kills.train(tmp_path, epochs=2)
    view = Stop()
    assert len(kills.train(tmp_path, epochs=5, view=view)) == 5 and view.seen == 3 * BATCHES
    longer = [record["epoch"] for record in kills.state(tmp_path)["history"]]
    assert longer == [0, 1, 2, 3, 4] and (tmp_path / "best.pt").exists()


def test_grading_trains_one_epoch_whatever_the_cell_says(tmp_path):
    assert len(kills.train(tmp_path, epochs=5, grading=True)) == 1


def test_a_new_attempt_starts_from_nothing_and_going_on_with_it_loses_nothing(tmp_path, undisturbed, capsys):
    kills.train(tmp_path, seed=0, epochs=2, attempt=1)
    cut(tmp_path, batches=BATCHES + 3, attempt=2)
    assert "Attempt 2 starts from nothing: 2 epochs of attempt 1 forgotten." in capsys.readouterr().out
    assert position(tmp_path) == (1, 2)
    kills.train(tmp_path, attempt=2)  # the same cell again, after a restart
    assert "nothing" not in capsys.readouterr().out
    state = kills.state(tmp_path)
    assert state["attempt"] == 2 and kills.identical(state | {"attempt": 1}, undisturbed)
    kills.train(tmp_path, attempt=2)
    assert "To train longer, raise EPOCHS; to start again from nothing, set ATTEMPT = 3." in capsys.readouterr().out
    kills.train(tmp_path)  # as notebook 5 does
    assert kills.state(tmp_path)["attempt"] == 2 and capsys.readouterr().out == ""


@pytest.mark.parametrize("there", ["damaged", "another"])
def test_a_new_attempt_needs_nobody_to_delete_a_file(tmp_path, undisturbed, there, capsys):
    kills.train(tmp_path, epochs=1, seed=7 if there == "another" else 0)
    if there == "damaged":
        for name in ("last.pt", "previous.pt"):
            (tmp_path / name).write_bytes(b"")
    with pytest.raises(SettingsError, match="raise ATTEMPT"):
        kills.train(tmp_path, attempt=1)
    assert "nothing" not in capsys.readouterr().out
    kills.train(tmp_path, attempt=2)
    assert "Attempt 2 starts from nothing" in capsys.readouterr().out
    assert kills.identical(kills.state(tmp_path) | {"attempt": 1}, undisturbed)


LOOP = """def train_one_epoch(model, loader, criterion, optimizer, device):
    for images, targets in loader:
        optimizer.zero_grad()
        loss = criterion(model(images)["out"], targets)
        loss.backward()
        optimizer.step()
    return loss.item()
"""


def test_a_loop_that_changed_since_the_checkpoint_is_named_until_the_next_attempt(tmp_path, capsys):
    first = as_in_a_notebook(LOOP, tmp_path, "train_one_epoch")
    commented = as_in_a_notebook(LOOP.replace("loss.backward()", "loss.backward()  # the gradient"), tmp_path,
                                 "train_one_epoch")
    mended = as_in_a_notebook(LOOP.replace("    for", "    model.train()\n    for"), tmp_path, "train_one_epoch")
    folder = tmp_path / "out"
    kills.train(folder, epochs=2, train_one_epoch=first)
    for same in (first, commented):
        kills.train(folder, epochs=2, train_one_epoch=same)
    kills.train(folder, epochs=2)  # the course's own, as in notebook 5
    assert capsys.readouterr().out == ""
    for _ in range(2):
        kills.train(folder, epochs=3, train_one_epoch=mended)
        assert capsys.readouterr().out.startswith("Your train_one_epoch has changed since these ")
    kills.train(folder, epochs=1, train_one_epoch=mended, attempt=2)
    capsys.readouterr()
    kills.train(folder, epochs=1, train_one_epoch=mended)
    assert capsys.readouterr().out == ""
