"""How each LMS names what its students handed in, and how it writes a time.

The patterns have the group names of nbgrader's FileNameCollectorPlugin, and begin where the LMS begins to write.
"""

import re
import warnings
from datetime import UTC, datetime

import dateutil.parser

_BLACKBOARD = (r"(?P<before>.+?)_attempt_(?P<timestamp>\d{4}(?:-\d\d){5})(?:_(?P<file_id>.+)|(?:\.\w+)?)")
_BRIGHTSPACE = (r"(?P<number>\d+)-\d+ - (?P<student_id>.+?) - (?P<timestamp>[^-]{0,30}?\d[^-]{0,30}?)"
                r"(?: - (?P<file_id>.+))?")
_CANVAS = (r"(?P<student_id>(?!anon_)[^_]+)_(?:LATE_)?(?P<number>\d{3,})_(?P<sequence>\d{3,})_(?P<file_id>.+?)"
           r"(?:-(?P<attempt>\d{1,2}))?(?:\.\w{1,12}){0,4}")
_ANONYMOUS = (r"anon_(?:LATE_)?(?P<number>[A-Za-z0-9]{4,12})_(?P<sequence>\d{3,})_(?P<file_id>.+?)"
              r"(?:-(?P<attempt>\d{1,2}))?(?:\.\w{1,12}){0,4}")
_MOODLE = r"(?P<student_id>.+?)_(?P<number>\d+)_assignsubmission_(?:file|onlinetext)(?:_+(?P<file_id>.*))?"
SYSTEMS = {system: re.compile(pattern, re.DOTALL) for system, pattern in (
    ("moodle", _MOODLE), ("blackboard", _BLACKBOARD), ("brightspace", _BRIGHTSPACE),
    ("canvas_anonymous", _ANONYMOUS), ("canvas", _CANVAS))}

_WRAPPERS = re.compile(r"(?i)(?:submi\w*|hand.?ins?|downloads?|exports?|assign\w*|hw|homeworks?|class|course|gradebook|"
                       r"moodle|canvas|blackboard|brightspace|gradescope|bulk|inbox|week|all)")
_NOT_A_PERSON = re.compile(
    r"(?i)(?:weeks?|parts?|hw|homeworks?|notebooks?|days?|units?|chapters?|exercises?|lessons?|modules?|sessions?|"
    r"final|drafts?|old|new|backup|versions?|v\d*|copy|submi\w*|solutions?|answers?|course|build|data|models?|outputs?|"
    r"out|results?|src|work|colab|drive|misc|tmp|helpers|tests?|grading|docs|tools|assign\w*|project|files?|code|"
    r"semantic|segmentation|main|master|\d+)")
_COPY = re.compile(r"^(?:copy of|kopie von|copie de)\s+|\s?\((\d{1,4})\)$|\s?-\s?copy(?: \(\d+\))?$|[-_ ]copy\d{0,4}$",
                   re.IGNORECASE)
_ENDINGS = re.compile(r"(?:\.(?:ipynb|json|txt|py|gz|safetensors|zip|html?|download))+\b", re.IGNORECASE)


def is_wrapper(name):
    """Whether a folder's name speaks of a class or an assignment; a longer number is a student's."""
    words = re.split(r"[\W_\d]+", name[:255])
    return name.isdigit() and len(name) < 5 or any(_WRAPPERS.fullmatch(word) for word in words if word)


def looks_like_a_person(name):
    """Whether a folder's name is not one of those that people give to folders of their work."""
    words = [word for word in re.split(r"[\W_]+", name[:255]) if word]
    return bool(words) and not all(_NOT_A_PERSON.fullmatch(word) for word in words)


def without_copy(name):
    """A file's name without its ending and marks of a copy, and the copy's number."""
    stem, number = _ENDINGS.sub("", name[:255]), 0
    for _ in range(5):
        if not (match := _COPY.search(stem)):
            break
        number = max(number, int(match[1] or 0))
        stem = stem[:match.start()] + stem[match.end():]
    return stem.strip(), number


def when(text):
    """A time as an LMS writes it, in a form that sorts and that nbgrader reads; "" for none, or for nonsense.

    Times of a zone become UTC; others stay as they are. Years from 2000 to 2099 are times.
    """
    digits = re.fullmatch(r"(\d{4}-\d\d-\d\d)-(\d\d)-(\d\d)-(\d\d)", text)
    text = "{} {}:{}:{}".format(*digits.groups()) if digits else text[:60]
    text = re.sub(r"\b(\d{1,2})(\d\d) (?=[AP]M)", r"\1:\2 ", text)  # Brightspace's "1000 AM"
    if not re.search(r"\b20\d\d\b", text):
        return ""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of zones that it does not know
            time = dateutil.parser.parse(text, default=datetime(2000, 1, 1))
        if time.tzinfo:
            time = time.astimezone(UTC).replace(tzinfo=None)
    except Exception:  # whatever a parser of dates does with other text
        return ""
    return time.isoformat(" ", "seconds") if 2000 <= time.year < 2100 else ""
