"""A training survives SIGKILL at any moment, and a disk that is really full."""

import sys

import pytest

from benchmarks import kills
from helpers import checkpoints

pytestmark = [pytest.mark.skipif(sys.platform == "win32", reason="no SIGKILL and no forkserver on Windows"),
              pytest.mark.xdist_group("kills")]


def test_a_training_that_is_killed_ends_with_the_same_bits(tmp_path):
    seen = kills.torture(tmp_path, kills=8, seed=4)
    assert seen["kills"] == 8 and seen["killed while writing"] and seen["killed within an epoch"]
    assert (seen["unreadable"], seen["other results"], seen["leftovers"]) == (0, 0, 0)


def test_a_file_that_may_not_grow_leaves_the_checkpoint_that_was_there(tmp_path):
    """Under a real limit of the system: torch's writer meets the refusal in the middle of a file."""
    victim = kills.Victim(tmp_path / "small")
    victim.kill_in_write(9)
    victim.finish()
    before = checkpoints.read(tmp_path / "small")
    victim = kills.Victim(tmp_path / "small", largest_file=100_000)
    assert victim.finish(), "training ends although nothing can be saved"
    assert victim.said.count("\n") == 1 and "cannot be written" in victim.said and "File too large" in victim.said
    assert kills.identical(checkpoints.read(tmp_path / "small"), before) and not kills.leftovers(tmp_path / "small")
    for name in ("small", "undisturbed"):
        assert kills.Victim(tmp_path / name).finish()
    assert kills.identical(kills.state(tmp_path / "small"), kills.state(tmp_path / "undisturbed"))
