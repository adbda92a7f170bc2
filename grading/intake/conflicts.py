"""Git's conflict markers in a student's file or cell: both sides of the conflict."""

import re

_MARKERS = re.compile(r"^[ \t]*(?:<{7}|\|{7}|={7}|>{7})(?:[ \t].*)?$", re.MULTILINE)


def found(text):
    """Whether a text has a conflict: its beginning, its middle and its end, in lines of their own."""
    kinds = {match[0].strip()[0] for match in _MARKERS.finditer(text)}
    return {"<", "=", ">"} <= kinds


def sides(text):
    """The text as each side of its conflicts has it, ours first; the text alone where there is no conflict."""
    if not found(text):
        return [text]
    ours, theirs, state = [], [], None
    for line in text.split("\n"):
        kind = line.strip()[:1] if _MARKERS.fullmatch(line) else None
        if kind == "<" and state is None:
            state = "<"
        elif kind in ("|", "=") and state in ("<", "|"):
            state = kind
        elif kind == ">" and state == "=":
            state = None
        else:
            if state in (None, "<"):
                ours.append(line)
            if state in (None, "="):
                theirs.append(line)
    return ["\n".join(ours), "\n".join(theirs)]


def together(sides):
    """The cells of each side in one list: what both have comes once, what differs comes side by side."""
    if len(sides) == 1:
        return sides[0]
    first, second = sides
    known = {_key(cell) for cell in first}
    result, place, where = list(first), 0, {}
    for number, cell in enumerate(first):
        where.setdefault(_key(cell), number)
    added = 0
    for cell in second:
        if _key(cell) in known:
            place = max(place, where[_key(cell)] + 1)
        else:
            # behind the cell of the first side in its place
            result.insert(min(len(result), place + 1 + added), cell)
            added += 1
            place += 1
    return result


def _key(cell):
    """What makes two cells the same: their kind and text."""
    source = cell.get("source", "") if isinstance(cell, dict) else ""
    text = "".join(line for line in source if isinstance(line, str)) if isinstance(source, list) else str(source)
    return str(cell.get("cell_type", "")) if isinstance(cell, dict) else "", text
