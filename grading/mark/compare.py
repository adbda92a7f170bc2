"""The comparison behind the judge: answers that a kernel showed, beside those of the reference.

`main` runs where no student's code has been: in a jail of its own, forked from `grading.run.warm`'s parent.
"""

import json
import sys

from helpers.exercises import EXERCISES
from helpers.exercises.guard import as_found
from helpers.exercises.probe import difference
from helpers.probes import answers

MOST = 5_000_000  # characters of answers; the largest probe shows a tenth of that


def verdict(name, seed, bundles):
    """Why the bundles that a cell showed for the probe `name` earn no points, or None."""
    if len(bundles) != 1:
        return f"The hidden test shows its answers once; here they were shown {len(bundles)} times."
    bundle = bundles[0]
    try:
        if not isinstance(bundle, dict) or len(json.dumps(bundle)) > MOST:
            return "The answers are not in the form of the hidden test."
    except (TypeError, ValueError, RecursionError):
        return "The answers are not in the form of the hidden test."
    if bundle.get("name") != name or bundle.get("seed") != seed:
        return "The answers are those of another hidden test."
    probe = EXERCISES[name].probe
    if probe.verdict:
        with as_found(seed):
            reason = probe.verdict(probe.inputs(seed), bundle.get("answers"))
    else:
        reason = difference(bundle.get("answers"), answers(name, EXERCISES[name].reference, seed), probe.tolerance)
    return reason and f"The answers on fresh inputs differ from the right ones. {reason}."


def verdicts(seed, shown):
    """Name to reason or None, of `shown`: name to bundles; a name without a probe is left out."""
    return {name: verdict(name, seed, bundles) for name, bundles in shown.items()
            if name in EXERCISES and EXERCISES[name].probe}


def main(seed):
    """Print the verdicts on what comes as JSON on standard input."""
    print(json.dumps(verdicts(int(seed), json.load(sys.stdin))))
