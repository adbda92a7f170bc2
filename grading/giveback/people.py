"""Which row of a gradebook file is whose: by what the LMS identifies people with; a name only where nothing else is.

Nothing is guessed: whoever fits two rows, or shares one with somebody, is left out and named.
"""

from collections import defaultdict
from dataclasses import dataclass, field

from grading.intake.owners import normal

_WORTH = ("moodle", "canvas", "login")  # the surest first
_NAMED = ("folder", "file", "own", "blackboard")  # systems of which a name may be a login and a login a name


@dataclass
class Student:
    """Somebody with marks: an id of the gradebook, their names, and what identifies them as (kind, value)."""

    id: str
    names: set = field(default_factory=set)
    keys: set = field(default_factory=set)
    by_name: bool = True  # whether nothing but a name is known of them


@dataclass
class Matched:
    """Rows by student; whoever has none with a reason; rows that are nobody's."""

    rows: dict
    missing: dict
    free: list


def students(names, records):
    """Everybody with marks as a Student. `names` is id to name; `records` id to owners, as intake has kept them."""
    found = {}
    for id, name in names.items():
        owners = records.get(id, [])
        one = found[id] = Student(id, {name, *(owner.name for owner in owners)} - {"anon"})
        for owner in owners:
            if owner.system in ("moodle", "canvas") and (owner.number or owner.login):
                one.keys.add((owner.system, owner.number or owner.login))
            elif owner.system not in ("canvas_anonymous", "brightspace"):
                one.keys.add(("login", owner.login or owner.name))
        if not owners:
            one.keys.add(("login", id))
        one.by_name = all(owner.system in (*_NAMED, "brightspace") for owner in owners)
        if any(owner.system == "canvas_anonymous" for owner in owners):
            one.names, one.by_name = set(), False
    return found


def called(text, everybody):
    """Ids of those whose id, number, user name or else name a person wrote."""
    found = [id for id, one in everybody.items()
             if _plain(text) in (_plain(id), *(_plain(value) for kind, value in one.keys if kind != "moodle"))]
    return found or [id for id, one in everybody.items() if _words(text, True) in (_words(name, True)
                                                                                   for name in one.names)]


def match(sheet, everybody):
    """Rows of a sheet for students: Matched."""
    places, names = defaultdict(set), defaultdict(set)
    for person in sheet.people:
        for kind, value in person.ids:
            places[kind, _plain(value)].add(person.row)
        if word := _words(person.name, sheet.table.sure):
            names[word].add(person.row)
    of_name = defaultdict(set)
    for student in everybody.values():
        for name in student.names:
            of_name[_words(name, True)].add(student.id)
    known = {kind for person in sheet.people for kind, _ in person.ids}
    rows, missing = {}, {}
    for id, student in everybody.items():
        found = next(filter(None, ({row for kind, value in student.keys if kind == this
                                    for row in places.get((kind, _plain(value)), ())} for this in _WORTH)), set())
        if not found and (student.by_name or not {kind for kind, _ in student.keys} & known):
            words = [word for word in map(lambda name: _words(name, True), student.names) if word in names]
            found = set().union(*(names[word] for word in words))
            if any(len(of_name[word]) > 1 for word in words):
                missing[id] = "several of your students have this name"
                continue
        if len(found) == 1:
            rows[id] = found.pop()
        else:
            missing[id] = "two rows are theirs" if found else "no row is theirs"
    claimed = defaultdict(list)
    for id, row in rows.items():
        claimed[row].append(id)
    for ids in claimed.values():
        for id in ids if len(ids) > 1 else ():
            missing[id] = f"they share a row with {', '.join(other for other in ids if other != id)}"
            del rows[id]
    return Matched(rows, missing, [person for person in sheet.people if person.row not in claimed])


def _plain(value):
    return normal(value).casefold()


def _words(name, sure):
    """A name as its words, in whatever order; "" where letters beyond ASCII may have been misread."""
    if not sure and not name.isascii():
        return ""
    return " ".join(sorted(normal(name).casefold().replace(",", " ").split()))
