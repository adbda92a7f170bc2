"""Which misconceptions a class had when it was last graded with another outcome: what is new is told from that."""

import json
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

from helpers.files import atomic

FILE = "misconceptions.json"


@dataclass
class Before:
    """An earlier run: its day, None if there was none; (notebook, exercise, misconception) to ids of students."""

    day: date | None = None
    seen: dict = field(default_factory=dict)

    def __bool__(self):
        return self.day is not None


def before(folder, results, today=None):
    """The run before these results, as a Before; these are remembered for the next.

    Graded again with the same outcome, the run before stays the one before: what is new stays new.
    """
    path, now = Path(folder) / FILE, _seen(results)
    runs = _read(path)
    if not runs or runs[-1][1] != now:
        runs = [*runs[-1:], (today or date.today(), now)]
        text = json.dumps([[day.isoformat(), [[*key, sorted(who)] for key, who in sorted(seen.items())]]
                           for day, seen in runs])
        with atomic(path) as half_done:
            half_done.write_text(text, encoding="utf-8")
    return Before(*runs[0]) if len(runs) > 1 else Before()


def _seen(results):
    found = {}
    for result in results:
        for exercise in result["exercises"]:
            if exercise["outcome"] == "wrong" and exercise["misconception"]:
                key = result["assignment"], exercise["name"], exercise["misconception"]
                found.setdefault(key, set()).add(result["student"])
    return found


def _read(path):
    """[(day, seen)], the earlier first; a file that cannot be read counts as none."""
    try:
        return [(date.fromisoformat(day), {(notebook, exercise, id): set(who) for notebook, exercise, id, who in seen})
                for day, seen in json.loads(path.read_text(encoding="utf-8"))]
    except (OSError, ValueError, TypeError):
        return []
