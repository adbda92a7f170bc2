"""Files, names, archives and classes by chance, given to intake for a time: how many, and what was found.

    python -m benchmarks.fuzz [MINUTES]

Invariant and examples are those of `tests.support.fuzz`. What fails is kept, as small as it could be made, in
build/fuzz/: make a test of it.
"""

import random
import resource
import sys
import time
import traceback

from tqdm import tqdm

from helpers.settings import ROOT, show
from tests.support import fuzz

AT_ONCE = 20  # examples of one property before it is another's turn
FOLDER = ROOT / "build" / "fuzz"


def main(minutes=1.0):
    """Print a table; True if something was found."""
    seconds, start = 60 * float(minutes), time.monotonic()
    table = {name: {"examples": 0, "slowest": 0.0} for name in fuzz.PROPERTIES}
    found = {}  # where it was raised to (property, file)
    with tqdm(total=round(seconds), unit="s", bar_format="{l_bar}{bar}| {n:.0f} of {total} s{postfix}") as bar:
        while (gone := time.monotonic() - start) < seconds:
            for name, row in table.items():
                def tried(took, row=row):
                    row["examples"] += 1
                    row["slowest"] = max(row["slowest"], took)
                    examples = sum(one["examples"] for one in table.values())
                    bar.set_postfix_str(f", {examples} examples, {len(found)} found", refresh=False)
                    bar.update(min(seconds, time.monotonic() - start) - bar.n)
                try:
                    fuzz.run(name, AT_ONCE, random.getrandbits(64), tried)
                except Exception as error:  # whatever intake did not expect
                    _keep(name, error, found)
    print(f"{'what':16}{'examples':>10}{'slowest':>12}")
    for name, row in table.items():
        print(f"{name:16}{row['examples']:10}{row['slowest']:10.1f} s")
    most = [resource.getrusage(who).ru_maxrss / 2 ** 20 for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    print(f"{gone / 60:.0f} minutes; memory at most {most[0]:.1f} GB here, {most[1]:.1f} GB in a process that reads")
    for where, (name, path, what) in found.items():
        print(f"found: {name}, {what} at {where}: {show(path)}")
    return bool(found)


def _keep(name, error, found):
    """Write down the smallest example of a new failure."""
    last = traceback.extract_tb(error.__traceback__)[-1]
    where = f"{last.filename.rpartition('/')[2]}:{last.lineno}"
    if where not in found:
        FOLDER.mkdir(parents=True, exist_ok=True)
        path = FOLDER / f"{name.replace(' ', '-')}-{where.replace(':', '-')}.txt"
        path.write_text("".join(traceback.format_exception(error)), encoding="utf-8", errors="backslashreplace")
        what = str(error).partition("\n")[0].encode(errors="backslashreplace").decode()
        found[where] = name, path, f"{type(error).__name__}: {what[:120]}"


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
