"""Files that are whole or not there."""

import os
from contextlib import contextmanager
from pathlib import Path

_HALF_DONE = ".half-"


@contextmanager
def atomic(path, keep=None):
    """Yield a temporary sibling of `path` to write to; it becomes `path` at the end, or vanishes on an error.

    A reader sees the old file or the new one, also after a power cut. What stood at `path` is kept as `keep`, if
    given. The folder is made if it is missing. Raises OSError.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    half_done = path.with_name(f"{_HALF_DONE}{os.getpid()}-{path.name}")  # torch.export insists on the ending
    try:
        yield half_done
        with half_done.open("rb+") as file:
            os.fsync(file.fileno())
        if keep and path.exists():
            path.replace(keep)
        half_done.replace(path)
    finally:
        half_done.unlink(missing_ok=True)


def sweep(folder):
    """Remove what writers that were killed have left in `folder`."""
    for leftover in Path(folder).glob(f"{_HALF_DONE}*"):
        leftover.unlink(missing_ok=True)
