"""Nothing lost: a training that can be stopped at any moment and goes on where it was, to the same weights."""

import itertools
import json
import math
import signal
import threading
import time
from contextlib import contextmanager
from dataclasses import asdict

from torch.utils.data import RandomSampler

from helpers import checkpoints, files, own
from helpers.settings import SettingsError, first_line, show

SAVE_SECONDS = 150  # between two checkpoints within an epoch


class Order(RandomSampler):
    """A random order of images whose pass can be entered again in the middle, without loading what comes before.

    `start` is the state of its generator at the start of the last pass; `resume = start, images` makes the next
    pass repeat that one, from there.
    """

    start = resume = None

    def __iter__(self):
        state, skipped = self.resume or (self.generator.get_state(), 0)
        self.resume, self.start = None, state
        self.generator.set_state(state)
        yield from itertools.islice(super().__iter__(), skipped, None)


class Progress:
    """How far a training has come: `history` is a list of its finished epochs, `done` the batches since then.

    `batches` and `criterion` stand in for the loader and the criterion in the student's loop, and take notes. `code`
    maps the names of a student's functions to their text, `attempt` counts new starts.
    """

    def __init__(self, model, optimizer, loader, criterion, settings, view=None, code=None, attempt=None):
        self.model, self.optimizer, self.loader, self._criterion = model, optimizer, loader, criterion
        self.device, self.view, self._small = settings.device, view, settings.recipe.small
        # the few steps of a grader are not a training to continue
        self.folder = settings.output / "grading" if settings.grading else settings.output
        which = f"own {own.fingerprint(settings.data_root)}" if settings.dataset == "own" else settings.dataset
        # without an empty `small`, which checkpoints of earlier versions do not have
        self.recipe = {"dataset": which, "seed": settings.seed, "batches": len(loader),
                       **{name: value for name, value in asdict(settings.recipe).items() if value != ()}}
        del self.recipe["epochs"]  # more of them go on with the same training
        self.code, self.attempt = code or {}, attempt or 1
        self.batches = _Batches(loader, self)
        sampler = getattr(loader, "sampler", None)
        self._sampler = sampler if isinstance(sampler, Order) else None
        self.history, self.steps, self.saved = [], 0, "nothing"
        self._images, self._asked, self._warned = 0, False, False
        self._begin_epoch()

    def _begin_epoch(self):
        self._first_step, self._losses, self._start = self.steps, [], time.perf_counter()
        self._at = 0, checkpoints.random_states(self.device)  # in one, so that no interrupt comes between
        self._skipped, self._saved_at = 0, time.monotonic()
        self._clean = True  # no batch is half done

    @property
    def done(self):
        return self._at[0]

    @property
    def seconds(self):
        """What this epoch took so far, all sittings together."""
        return time.perf_counter() - self._start

    def criterion(self, *args, **kwargs):
        loss = self._criterion(*args, **kwargs)
        self._losses.append((loss.detach(), self._images))  # a number would make a GPU wait
        return loss

    def mean_loss(self):
        """Mean loss per image of this epoch, all sittings together, added up as `train_one_epoch` does."""
        total, count = 0.0, 0
        for loss, images in self._losses:
            total += float(loss) * images
            count += images
        return total / count

    def remaining(self):
        """The batches of this epoch that are left; to ask for the next one says that the last one is done."""
        skipped, self._skipped = self._skipped, 0
        if skipped:
            self._sampler.resume = self._order, skipped * self.loader.batch_size
        for number, batch in enumerate(self.at_size(self.loader), skipped + 1):
            self._clean, self._images = False, len(batch[0])
            yield batch
            self._at = self.done + 1, checkpoints.random_states(self.device)
            self._clean = True
            if self.view:
                self.view.batch(number, len(self.loader))
            if self._asked:
                raise KeyboardInterrupt
            if time.monotonic() - self._saved_at >= SAVE_SECONDS:
                self.save()

    def at_size(self, loader):
        """The batches of `loader`, smaller in those first epochs that the recipe has `small` pictures for.

        Batches of another data set than `loading.Pairs` come as they are.
        """
        small, dataset = self._small[len(self.history):][:1], getattr(loader, "dataset", None)
        if not small or not hasattr(dataset, "resize"):
            yield from loader
            return
        size = dataset.size
        dataset.resize(*small)
        try:
            yield from loader
        finally:
            dataset.resize(size)

    def drain(self):
        """End a pass of which no batch is left: torch's sampler draws once more from its generator as it ends."""
        for _ in self.remaining():
            pass

    def finish_epoch(self, record):
        """Add `record` to the history and save."""
        self._clean = False
        self.history.append(record)
        self._begin_epoch()
        self.save()
        self.write_history()
        if self._asked:
            raise KeyboardInterrupt

    def save(self):
        """Write the checkpoint, if this is a place to go on from.

        Within an epoch that takes one step and one loss for each batch. A loop that fetches batches ahead, gathers
        gradients or has a criterion of its own is saved between epochs only, and so is a loss that is not a number.
        (A loop that leaves early will see more batches in an epoch that was interrupted; nothing tells it.)
        """
        self._losses, self._saved_at = [(float(loss), images) for loss, images in self._losses], time.monotonic()
        if not self._clean or self.done and not (
                self._sampler and self.steps - self._first_step == self.done == len(self._losses)
                and all(math.isfinite(loss) for loss, _ in self._losses)):
            return
        state = {"model": self.model.state_dict(), "optimizer": self.optimizer.state_dict(),
                 "epoch": len(self.history) - 1,  # the last finished one, as `training.load_checkpoint` expects it
                 "history": [asdict(record) for record in self.history], "recipe": self.recipe, "steps": self.steps,
                 "code": self.code, "attempt": self.attempt,
                 "batch": self.done, "losses": self._losses, "seconds": self.seconds, "random": self._at[1]}
        if self._sampler:
            state |= {"order": self._sampler.start, "generator": self._sampler.generator.get_state()}
        if self.keep(checkpoints.write, self.folder / "last.pt", state, self.folder / "previous.pt"):
            self._note_saved()

    def _note_saved(self):
        self.saved = _count(len(self.history), "epoch") + (", " + _count(self.done, "batch", "es")) * bool(self.done)

    def keep(self, write, path, *args):
        """`write(path, *args)`; False if the disk refuses twice: that costs a line, not the training."""
        try:
            checkpoints.twice(write, path, *args)
        except OSError as error:
            if not self._warned:
                print(f"Warning: {path.name} cannot be written to {show(self.folder)} ({error.strerror or error}); "
                      f"training goes on. Saved so far: {self.saved}. Free some space, or choose "
                      "another COURSE_OUTPUT.")
            self._warned = True
            return False
        return True

    def write_history(self):
        """`history.json`, for whoever watches; the checkpoint is what counts."""
        self.keep(_write_text, self.folder / "history.json", json.dumps([asdict(record) for record in self.history]))

    def load(self, record):
        """Go on where the last checkpoint stands, if there is one; `record` makes a history's entry.

        Raises SettingsError on a checkpoint of another training: an unfitting one is no silent new start.
        """
        files.sweep(self.folder)
        try:
            state = checkpoints.read(self.folder)
        except SettingsError:
            if self.attempt == 1:
                raise
            state = {}
        if state is None:
            return
        if self.attempt > state.get("attempt", bool(state)):
            self._forget(state)
            return
        try:
            theirs = state.get("recipe", {})
            for key, value in self.recipe.items():
                if theirs.get(key) != value:
                    raise ValueError(f"{key} {theirs.get(key)} instead of {value}")
            self.model.load_state_dict(state["model"])
            self.optimizer.load_state_dict(state["optimizer"])
            self.history += [record(**entry) for entry in state["history"]]
        except (RuntimeError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise SettingsError(f"checkpoint: expected one of this training in {show(self.folder)}, found another "
                                f"({first_line(error, 80)}); {checkpoints.START_AGAIN}") from None
        self.steps, self.attempt = state["steps"], state.get("attempt", 1)
        self._compare_code(state.get("code", {}))
        self._begin_epoch()
        checkpoints.set_random_states(state["random"])
        self._at = state["batch"], state["random"]
        self._losses = [tuple(pair) for pair in state["losses"]]
        self._first_step, self._start = self.steps - self.done, self._start - state["seconds"]
        self._skipped, self._order = self.done, state.get("order")
        if self._sampler and "generator" in state:
            self._sampler.generator.set_state(state["generator"])
        self._note_saved()
        if self.history:
            self.write_history()

    def _forget(self, state):
        """Remove a training, the file that says so last, so that a cut in between changes nothing."""
        before = (f"{_count(len(state['history']), 'epoch')} of attempt {state.get('attempt', 1)} forgotten" if state
                  else "the checkpoint that was there is damaged")
        print(f"Attempt {self.attempt} starts from nothing: {before}.")
        for name in ("previous.pt", "best.pt", "history.json", "last.pt"):
            (self.folder / name).unlink(missing_ok=True)

    def _compare_code(self, theirs):
        """Say which of a student's functions are not those that trained so far, whose code is kept."""
        changed = [name for name, text in self.code.items() if text and theirs.get(name) not in (None, text)]
        if changed:
            done = len(self.history)
            trained = f"these {done} epochs were" if done > 1 else "epoch 1 was" if done else "the first batches were"
            print(f"Your {' and your '.join(changed)} {'has' if len(changed) == 1 else 'have'} changed since {trained} "
                  f"trained. Set ATTEMPT = {self.attempt + 1} to train with the new code.")
        self.code |= {name: text for name, text in theirs.items() if text}

    @contextmanager
    def patient(self):
        """An interrupt (Ctrl-C, the notebook's ■) waits until the batch in work is done; a second one does not."""
        def interrupt(*_):
            if self._clean or self._asked:
                raise KeyboardInterrupt
            self._asked = True
        if (threading.current_thread() is not threading.main_thread()
                or signal.getsignal(signal.SIGINT) is not signal.default_int_handler):
            yield
            return
        signal.signal(signal.SIGINT, interrupt)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, signal.default_int_handler)


class _Batches:
    """The rest of an epoch as the student's loop sees it; everything else is the loader's own."""

    def __init__(self, loader, progress):
        self._loader, self._progress = loader, progress

    def __iter__(self):
        return self._progress.remaining()

    def __len__(self):
        return len(self._loader)

    def __getattr__(self, name):
        return getattr(self._loader, name)


def _write_text(path, text):
    with files.atomic(path) as half_done:
        half_done.write_text(text)


def _count(number, thing, plural="s"):
    return f"{number} {thing}{plural if number != 1 else ''}"
