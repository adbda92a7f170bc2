"""The course's own checkpoint: all of a training in one file, and always a whole one.

`last.pt` is the newest; the one before it stays as `previous.pt`, for the day a file system loses half a file.
"""

import io
import random
import time
import zipfile

import numpy
import torch

from helpers import files
from helpers.settings import SettingsError, show

START_AGAIN = "to start again, raise ATTEMPT in notebook 4's training cell by one, or delete that folder"
RETRY_SECONDS = 2  # a network folder that refuses once may take the file a moment later


def random_states(device):
    """The states of all generators that a training draws from, as tensors and plain lists."""
    name, keys, *rest = numpy.random.get_state()
    states = {"python": random.getstate(), "numpy": (name, keys.tolist(), *rest), "cpu": torch.get_rng_state()}
    if device.type != "cpu":
        states[device.type] = torch.get_device_module(device).get_rng_state()
    return states


def set_random_states(states):
    """Set what `random_states` returned; the state of a device that is not here is left out."""
    random.setstate(states["python"])
    numpy.random.set_state(states["numpy"])
    torch.set_rng_state(states["cpu"])
    for device in ("cuda", "mps"):
        if device in states and torch.get_device_module(device).is_available():
            torch.get_device_module(device).set_rng_state(states[device])


def write(path, state, keep=None):
    """`torch.save`, whole or not at all; the file that was there goes to `keep`. Raises OSError."""
    data = io.BytesIO()  # torch's own way to a file hides a full disk behind a RuntimeError
    torch.save(state, data)
    with files.atomic(path, keep) as half_done:
        half_done.write_bytes(data.getbuffer())


def read(folder):
    """The newest whole checkpoint in `folder`, on the CPU; None if there is none.

    Raises SettingsError if all that is there is damaged.
    """
    last, previous = folder / "last.pt", folder / "previous.pt"
    found = [path for path in (last, previous) if path.exists()]
    for path in found:
        try:
            state = twice(_read, path)
        except Exception:  # an unpickler that reads garbage may end in any exception
            continue
        if path == previous:
            if last in found:
                print(f"The last checkpoint in {show(folder)} is damaged; going on from the one before it.")
            previous.replace(last)  # so that the next one does not push it out
        return state
    if found:
        raise SettingsError(f"checkpoint: expected a whole one in {show(folder)}, found {found[0].name} damaged and "
                            f"none before it; {START_AGAIN}")


def _read(path):
    with path.open("rb") as file:
        damaged = zipfile.ZipFile(file).testzip()  # torch.load looks at no checksum
        if damaged:
            raise ValueError(damaged)
        file.seek(0)
        return torch.load(file, map_location="cpu", weights_only=True)


def twice(function, *args):
    """`function(*args)`, once more after a moment if that raises OSError."""
    try:
        return function(*args)
    except OSError:
        time.sleep(RETRY_SECONDS)
        return function(*args)
