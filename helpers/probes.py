"""Hidden tests as data: a student's answers on seeded inputs, to look at in the solutions.

`probe("mean_iou", mean_iou)` runs the function on inputs drawn from `settings.probe_seed()` and displays what it
returned in one MIME bundle. It judges nothing, and while grading it does nothing: there `grading.mark.examine` makes
such calls itself, in a process of its own.
"""

from IPython.display import display

from helpers import settings
from helpers.exercises import EXERCISES
from helpers.exercises.guard import as_found
from helpers.exercises.probe import encode


def answers(name, function, seed):
    """The answers of `function` (or a tuple of functions) to the probe `name`, as plain data."""
    probe = EXERCISES[name].probe
    with as_found(seed):
        return encode(probe.run(function, probe.inputs(seed)))


def probe(name, function):
    """Show a student's answers as data: once in a graded cell, in its hidden part."""
    if settings.grading():
        return
    seed = settings.probe_seed()
    bundle = {"name": name, "seed": seed, "answers": answers(name, function, seed)}
    display({settings.PROBE_MIME: bundle, "text/plain": f"Answers of {name}, for the grader."}, raw=True)
