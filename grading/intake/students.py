"""Who is who: people of one name stay apart, over all downloads, in whatever order they come.

An id is made of what identifies a person alone, not of who else there is: a user name, a number of the LMS's with the
name for readers, or the exact name. Moodle's numbers are of one assignment: they tell people of one name apart where
they must, and are left out elsewhere.
"""

import hashlib
import re
import unicodedata
from collections import defaultdict
from dataclasses import dataclass, field

from grading.intake.owners import Owner, normal

_SAFE = re.compile(r"(?!.*__)[a-z0-9][a-z0-9._-]{0,58}[a-z0-9]|[a-z0-9]")
_RESERVED = re.compile(r"(?:con|prn|aux|nul|com\d|lpt\d)(?:\..*)?", re.IGNORECASE)


@dataclass
class Seen:
    """Moodle's numbers of one name: the assignments handed in under each, and which came in one download."""

    assignments: dict = field(default_factory=lambda: defaultdict(set))
    together: set = field(default_factory=set)


class Students:
    """Everybody that is known: `id(owner)` is final once all hand-ins were `add`ed and `together` has been told."""

    def __init__(self):
        self._seen = defaultdict(Seen)

    def add(self, owner, assignment):
        """Note that a person handed in a notebook (or None: something else)."""
        if owner.number:
            seen = self._seen[normal(owner.name)]
            seen.assignments[owner.number] |= {assignment} - {None}

    def together(self, owners):
        """Note the people of one download: two of Moodle's numbers there are two people of one name.

        Unless most names have several numbers: then downloads of several assignments were put into one folder.
        """
        numbers = defaultdict(set)
        for owner in owners:
            if owner.number:
                numbers[normal(owner.name)].add(owner.number)
        several = [name for name in numbers if len(numbers[name]) > 1]
        if 2 * len(several) <= len(numbers):
            for name in several:
                self._seen[name].together |= numbers[name]
        return {name: sorted(self._seen[name].together) for name in several if self._seen[name].together}

    def restore(self, name, numbers):
        """Tell again what `together` found in an earlier download."""
        self._seen[name].together |= set(numbers)

    def namesakes(self, owner):
        """Whether several people have this person's name, so that their numbers belong to their ids."""
        seen = self._seen.get(normal(owner.name)) if owner.number else None
        if seen is None or len(seen.assignments) < 2:
            return bool(seen and seen.together)
        handed_in = [assignment for found in seen.assignments.values() for assignment in found]
        return bool(seen.together) or len(handed_in) > len(set(handed_in))

    def id(self, owner):
        """The id of a person: ASCII, safe as a folder's name on every system, different also where case is not."""
        if owner.system == "blackboard":
            return slug(owner.login)
        return slug("_".join(filter(None, [normal(owner.name), owner.login or self.namesakes(owner) and owner.number])))

    def name(self, owner):
        """What people read: the name, with a number where others have the same."""
        number = owner.number if self.namesakes(owner) else owner.login if owner.system == "canvas_anonymous" else ""
        return f"{owner.name} {number}".strip()


def slug(text):
    """An id for a text: itself where it is safe, else what is left of it and a hash of it all."""
    if _SAFE.fullmatch(text) and not _RESERVED.fullmatch(text):
        return text
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    plain = re.sub(r"_{2,}", "_", re.sub(r"[^A-Za-z0-9._-]+", "_", plain))[:50].strip("._-")
    mark = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:6]
    return f"{plain or 'student'}-{mark}"


def as_owner(data):
    """An Owner as `dataclasses.asdict` and JSON have kept it."""
    return Owner(*(str(data.get(key, "")) for key in ("system", "name", "login", "number")))
