"""Exercise 4.3: the pair save_checkpoint, load_checkpoint."""

import contextlib
import copy
import os
import zipfile
from numbers import Integral
from pathlib import Path
from unittest import mock

import torch

from helpers import training
from helpers.exercises import toys
from helpers.exercises.core import Exercise
from helpers.exercises.probe import Probe, call
from helpers.exercises.values import a_kind, describe, same, show

EPOCH = 3  # the epoch just finished in all of these trials


def trained(seed):
    """A Toy and an Adam that have taken two steps."""
    model = toys.toy(seed)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.05)
    for _ in range(2):
        _step(model, optimizer, seed)
    return model, optimizer


def _step(model, optimizer, seed):
    images, _ = next(iter(toys.loader(seed)))
    optimizer.zero_grad()
    model.train()(images)["out"].square().mean().backward()
    optimizer.step()


def fresh(seed):
    """As after a restart: other weights, an optimizer that knows nothing and has another learning rate."""
    model = toys.toy(seed + 1000)
    return model, torch.optim.Adam(model.parameters(), lr=0.01)


def _weights(model):
    return {name: parameter.detach() for name, parameter in model.named_parameters()}


class Renamed(toys.Toy):
    """A Toy whose last layer has another name: an optimizer's state fits it, a model's does not."""

    def __init__(self):
        super().__init__()
        self.head = self.classifier
        del self.classifier


def _state(model, optimizer):
    return copy.deepcopy((dict(model.state_dict()), optimizer.state_dict()))


def check(save, load, seed):
    path = Path("checkpoint.pt").absolute()  # in the empty folder of the check
    model, optimizer = trained(seed)
    before = _state(model, optimizer)
    save(path, model, optimizer, EPOCH)
    if not same(before, _state(model, optimizer)):
        save.fail("changes_input", "save_checkpoint changed the model or the optimizer; it should only look at them.")
    if not path.is_file():
        others = ", ".join(sorted(found.name for found in path.parent.iterdir()))
        others = f", but there is {others}" if others else ""
        save.fail("not_saved", f"There is no file at `path` after save_checkpoint{others}. Write to the path that was "
                  "given, under exactly that name.")
    _holds_states(save, path)
    _restores(load, path, model, optimizer, seed)
    _refuses_another_model(load, path)
    _works_on_any_device(load, path, seed)
    _survives_dying(save, load, path, seed)
    _in_one_go(save, path, seed)
    return "checkpoint: training goes on where it stopped, on any device, and a file is whole or not there."


def _holds_states(save, path):
    """The file holds states, not pickled objects."""
    objects = objects_in(path)
    if objects:
        save.fail("whole_model_pickled", f"The file holds a whole object ({objects[0]}), not its state. Such a file "
                  "breaks when the code moves, and runs code when it is loaded: save `state_dict()`s.")


def objects_in(path):
    """Names of the models and optimizers that a file holds whole; nothing in it is run."""
    try:
        names = torch.serialization.get_unsafe_globals_in_checkpoint(path)
    except Exception:  # not written by torch.save, which is fine
        return []
    return [name for name in names if name.startswith(("torch.nn.modules", "torch.optim", "helpers.", "__main__"))]


def _restores(load, path, model, optimizer, seed):
    """Model, optimizer and epoch are as they were."""
    resumed, its_optimizer = fresh(seed)
    untouched = _state(resumed, its_optimizer)
    outcome = load.attempt(path, resumed, its_optimizer)
    _readable(load, outcome)
    state, wanted = dict(resumed.state_dict()), dict(model.state_dict())
    if same(state, untouched[0]):
        load.fail("model_not_restored", "After load_checkpoint the model is what it was before. `load_state_dict` has "
                  "to be called on the model that was given; a new name inside the function changes nothing outside.")
    if not same(_weights(resumed), _weights(model)):
        load.fail("model_incomplete", "After load_checkpoint some weights differ from those that were saved. "
                  "`model.state_dict()` has all of them.")
    if not same(state, wanted):
        load.fail("buffers_missing", "The weights are back, but BatchNorm's running statistics are not: they are "
                  "buffers, not parameters. `model.state_dict()` has both.")
    found, expected = its_optimizer.state_dict(), optimizer.state_dict()
    if not found["state"]:
        load.fail("optimizer_missing", "The model is back, but the optimizer has forgotten its moments and its step "
                  "count, so the next steps would be off. Save and load `optimizer.state_dict()` as well.")
    if not same(found, expected):
        load.fail("optimizer_incomplete", "The optimizer is not what it was: its learning rate or its moments differ. "
                  "`optimizer.load_state_dict` restores both.")
    _next_epoch(load, outcome.value)
    if not all(parameter.requires_grad for parameter in resumed.parameters()):
        load.fail("frozen", "After load_checkpoint some weights no longer learn (`requires_grad` is False).")
    for pair in ((model, optimizer), (resumed, its_optimizer)):
        _step(*pair, seed + 1)
    if not same(_weights(resumed), _weights(model)):
        load.fail("different", "The next training step after load_checkpoint differs from the one without a restart. "
                  "Did the optimizer lose the model's parameters?")


def _readable(load, outcome):
    """Loading did not end in an exception."""
    text = describe(outcome.error) if outcome.error is not None else ""
    if "Missing key" in text and "running_mean" in text and ".weight" not in text:
        load.fail("buffers_missing", f"load_checkpoint stopped with {text}\nThe file lacks BatchNorm's running "
                  "statistics: they are buffers, not parameters. `model.state_dict()` has both.")
    load.healthy(outcome)


def _next_epoch(load, value):
    """The value is the number of the next epoch."""
    if value is None:
        load.fail("returns_none", "load_checkpoint returned None; expected the epoch to go on with. Is the `return` "
                  "missing?")
    if not isinstance(value, Integral) or isinstance(value, bool):
        kind = "returns_tensor" if torch.is_tensor(value) else "wrong_type"
        load.fail(kind, f"load_checkpoint returned {a_kind(value)}; expected an int, the epoch to go on with. The "
                  "model and the optimizer are changed where they are and need not be returned.")
    if value != EPOCH + 1:
        load.fail("epoch_off_by_one" if abs(value - EPOCH - 1) == 1 else "wrong_epoch",
                  f"Epoch {EPOCH} was just finished when the file was saved, and load_checkpoint returned "
                  f"{show(value)}; expected {EPOCH + 1}, the next one. Otherwise an epoch is trained twice, or "
                  "skipped.")


def _refuses_another_model(load, path):
    """A file of another architecture is an error, not a silent new start."""
    other = Renamed()
    if load.attempt(path, other, torch.optim.Adam(other.parameters())).error is None:
        load.fail("strict_false", "A file was loaded into a model whose last layer has another name, without an error, "
                  "and that layer kept its random weights. Leave out `strict=False` (or the `try`): names that do not "
                  "fit should be an error.")


def _works_on_any_device(load, path, seed):
    """The same file as if it had been saved on a GPU that this machine does not have."""
    elsewhere = path.with_name("from_gpu.pt")
    if not pretend_saved_on_gpu(path, elsewhere):
        return
    outcome = load.attempt(elsewhere, *fresh(seed))
    if outcome.error is not None:
        load.fail("no_map_location", f"A checkpoint that was saved on a GPU could not be loaded here:\n"
                  f"    {describe(outcome.error)}\nTell torch.load where to put the tensors: "
                  "`map_location=\"cpu\"`, or the device of the model.")


def pretend_saved_on_gpu(path, elsewhere):
    """Write a copy whose tensors are said to lie on a GPU; False if the file is not one of torch.save."""
    device = f"cuda:{torch.cuda.device_count()}".encode()
    if not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(elsewhere, "w") as new:
        names = [name for name in old.namelist() if name.endswith("data.pkl")]
        for name in old.namelist():
            data = old.read(name)
            if name in names:  # in the pickle a location is a string with its length before it
                data = data.replace(b"X\x03\x00\x00\x00cpu", b"X" + len(device).to_bytes(4, "little") + device)
            new.writestr(name, data)
    return bool(names)


class _DiskFull:
    """Cannot be written: stands for a full disk, or a run that is stopped in the middle."""

    def __reduce__(self):
        raise OSError("no space left on device")


class Dying(toys.Toy):
    """A Toy whose state cannot be written to its end."""

    def state_dict(self, *args, **kwargs):
        return super().state_dict(*args, **kwargs) | {"zz_last": _DiskFull()}


def _survives_dying(save, load, path, seed):
    """A save that dies leaves the earlier file whole."""
    model = Dying()
    save.attempt(path, model, torch.optim.Adam(model.parameters()), EPOCH + 1)
    resumed, optimizer = fresh(seed)
    outcome = load.attempt(path, resumed, optimizer)
    if outcome.error is not None or not same(_weights(resumed), _weights(trained(seed)[0])):
        save.fail("half_written", "A save that died half-way (disk full, session ended) has destroyed the checkpoint "
                  "that was there before. Write to another name in the same folder first, then put the new file in its "
                  "place in one go: `os.replace(temporary, path)`.")


@contextlib.contextmanager
def moves_noted(path):
    """Yields a list of (folder, whether `path` was there) for each file that is moved to `path`."""
    moves, path = [], Path(path).resolve()

    def noting(move):
        def moved(source, target, *args, **kwargs):
            if Path(target).resolve() == path:
                moves.append((Path(source).resolve().parent, path.exists()))
            return move(source, target, *args, **kwargs)
        return moved
    with mock.patch.object(os, "replace", noting(os.replace)), mock.patch.object(os, "rename", noting(os.rename)):
        yield moves


def replaces(save, path, model, optimizer, epoch):
    """How `save` puts a new file over an old one: "replaced", "written over", "from another folder", "removed first".

    A folder below that of `path` is on the same disk.
    """
    here = path.parent.resolve()
    with open(path, "rb") as old, moves_noted(path) as moves:  # held open, so that its number is not used again
        save(path, model, optimizer, epoch)
        same_file = os.path.samestat(os.fstat(old.fileno()), os.stat(path))
    if same_file:
        return "written over"
    if not all(folder.is_relative_to(here) for folder, _ in moves):
        return "from another folder"
    return "replaced" if all(there for _, there in moves) else "removed first"


def _in_one_go(save, path, seed):
    """The new file takes the place of the old one at once."""
    how = replaces(save.attempt, path, *trained(seed), EPOCH)
    if how == "written over":
        save.fail("copied_over", "save_checkpoint wrote over the old checkpoint: while it writes there is no "
                  "whole file at `path`. Do not copy: `os.replace(temporary, path)` puts the new file there in one go.")
    if how == "removed first":
        save.fail("removed_first", "save_checkpoint took the old checkpoint away before the new one was in its place: "
                  "a stop between the two leaves nothing at `path`. `os.replace(temporary, path)` replaces the old "
                  "file in one go, so leave it there until then.")
    if how == "from another folder":
        save.fail("another_folder", "save_checkpoint wrote its temporary file to another folder. That may be on "
                  "another disk, and from there a file can only be copied, not replaced in one go. Write it beside "
                  "`path`, as in "
                  "`path.with_suffix(\".tmp\")`.")


def run(functions, seed):
    """A restart: what is restored, and what becomes of files that do not fit, come from a GPU, or die half-way."""
    save, load = functions
    path = Path("checkpoint.pt").absolute()  # in the empty folder of the probe
    model, optimizer = trained(seed)
    epoch = 1 + seed % 90
    data = {"saved": "error" not in call(save, path, model, optimizer, epoch), "file": path.is_file(),
            "objects": objects_in(path) if path.is_file() else []}
    resumed, its_optimizer = fresh(seed)
    data["next epoch"] = call(load, path, resumed, its_optimizer)
    data |= {"model": resumed.state_dict(), "optimizer": its_optimizer.state_dict(),
             "trainable": all(parameter.requires_grad for parameter in resumed.parameters())}
    other = Renamed()
    data["refused"] = "error" in call(load, path, other, torch.optim.Adam(other.parameters()))
    elsewhere = path.with_name("from_gpu.pt")
    if path.is_file() and pretend_saved_on_gpu(path, elsewhere):
        data["from a GPU"] = "error" not in call(load, elsewhere, *fresh(seed))
    else:
        data["from a GPU"] = True  # another format, which knows no devices
    dying = Dying()
    call(save, path, dying, torch.optim.Adam(dying.parameters()), epoch + 1)
    survivor, its_optimizer = fresh(seed)
    data["after dying"] = "error" not in call(load, path, survivor, its_optimizer)
    how = replaces(lambda *args: call(save, *args), path, *trained(seed), epoch) if path.is_file() else "not there"
    return data | {"survivor": survivor.state_dict(), "new file": how}


EXERCISE = Exercise(number="4.3", name="checkpoint", title="Save and resume", points=5, notebook="04_training",
                    signatures=("save_checkpoint(path, model, optimizer, epoch)",
                                "load_checkpoint(path, model, optimizer)"),
                    check=check, probe=Probe(int, run), reference=(training.save_checkpoint, training.load_checkpoint))
