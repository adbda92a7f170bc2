"""When notebooks are due, for whom later, and what coming late costs: DUE=, EXTENSIONS= and LATE= of `make grade`.

They are kept in a folder of grades, and applied by nbgrader: due dates and extensions in its gradebook, the rule as
its late-submission plug-in. Nothing is run again for a change of them.
"""

import json
import math
import re
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from nbgrader.plugins import LateSubmissionPlugin
from traitlets import Enum, Float

from grading import course
from grading.giveback import people, table, targets
from grading.intake.files import shown
from helpers.files import atomic
from helpers.settings import SettingsError, show

FILE, EXTENSIONS = "dates.json", "extensions.csv"
SECONDS = {"hour": 3600, "day": 86400, "week": 604800}
LOCAL = ("blackboard", "brightspace", "moodle")  # systems that write the time of the place, without a zone
_LATE = re.compile(r"(?P<share>[\d.]+) ?%(?: (?:a|per|for each))? (?P<per>hour|day|week)"
                   r"(?:,? at most (?P<most>[\d.]+) ?%)?(?:,? (?P<grace>\d+) minutes'? grace)?", re.IGNORECASE)


class ShareOfPoints(LateSubmissionPlugin):
    """Takes a share of the points reached for each hour, day or week begun."""

    share = Float(0.1, help="what each takes, 0 to 1").tag(config=True)
    per = Enum(tuple(SECONDS), "day").tag(config=True)
    most = Float(1.0, help="what all together take at most, 0 to 1").tag(config=True)
    grace = Float(0.0, help="minutes that cost nothing").tag(config=True)

    def late_submission_penalty(self, student_id, score, total_seconds_late):
        """The points to take off; None for none."""
        if total_seconds_late <= 60 * self.grace:
            return None
        return score * min(self.most, self.share * math.ceil(total_seconds_late / SECONDS[self.per]))


@dataclass
class Dates:
    """What was said for a folder of grades: `due` is notebook to text (or "" to one text for all), `late` the rule."""

    due: dict = field(default_factory=dict)
    late: str = ""

    @classmethod
    def load(cls, folder):
        try:
            return cls(**json.loads((Path(folder) / FILE).read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            return cls()

    def of(self, name):
        """When a notebook is due, with its zone; None if nobody said."""
        text = self.due.get(name) or self.due.get("", "none")
        return None if text == "none" else moment(text)


def tell(folder, due="", late="", extensions=""):
    """Keep what the command line said; "" leaves it as it was, "none" takes it out. Raises SettingsError, OSError."""
    dates = Dates.load(folder)
    if due:
        dates.due = targets.pairs(due, "DUE")
        for name in dates.due:
            try:
                dates.of(name)
            except SettingsError as error:
                raise SettingsError(f"DUE: {error}") from None
    if late:
        dates.late = late
        _rule(late)
    if extensions == "none":
        (Path(folder) / EXTENSIONS).unlink(missing_ok=True)
    elif extensions:
        try:
            data = Path(extensions).read_bytes()
            table.read(data)
        except (OSError, table.TableError) as error:
            said = f"expected a CSV file, found {error.strerror}" if isinstance(error, OSError) else error
            raise SettingsError(f"EXTENSIONS: {said} ({show(extensions)})") from None
        with atomic(Path(folder) / EXTENSIONS) as half_done:
            half_done.write_bytes(data)
    if due or late:
        with atomic(Path(folder) / FILE) as half_done:
            half_done.write_text(json.dumps(asdict(dates), indent=1), encoding="utf-8")


def moment(text, zone=None):
    """A date, a time and a zone as a datetime; raises SettingsError."""
    match = re.fullmatch(r"(\d{4}-\d\d-\d\d)[ T](\d\d?:\d\d)(?::\d\d)?(?:\s*(\S+))?", text.strip())
    try:
        when = datetime.fromisoformat(f"{match[1]} {match[2]:0>5}")
        named = match[3]
        if named and re.fullmatch(r"[+-]\d\d:\d\d|Z", named):
            return datetime.fromisoformat(f"{match[1]} {match[2]:0>5}{named}")
        return when.replace(tzinfo=ZoneInfo(named) if named else zone or ZoneInfo(""))
    except (TypeError, ValueError, OSError, KeyError):  # ZoneInfo has no error of its own for a name that is none
        raise SettingsError(f"expected a date with a time and a zone, such as 2026-12-01 18:00 Europe/Berlin, found "
                            f"{shown(text, 80)!r}") from None


def configure(config, folder):
    """Put the rule for lateness of a folder of grades into nbgrader's settings."""
    if text := Dates.load(folder).late:
        kind, traits = _rule(text)
        config.AssignLatePenalties.plugin_class = kind
        config[kind.__name__].update(traits)


def sentence(config):
    """What the rule in nbgrader's settings does, in words."""
    kind = config.AssignLatePenalties.get("plugin_class", LateSubmissionPlugin)
    if isinstance(kind, str):
        return f"by the rule {kind.rpartition('.')[2]}"
    rule = kind(config=config)
    if isinstance(rule, ShareOfPoints):
        grace = f"; the first {rule.grace:g} minutes cost nothing" if rule.grace else ""
        most = f", at most {100 * rule.most:g} %" if rule.most < 1 else ""
        return f"{100 * rule.share:g} % of the points for each {rule.per} begun{most}{grace}"
    if kind is LateSubmissionPlugin:
        return "coming late takes all points" if rule.penalty_method == "zero" else ""
    return (kind.__doc__ or f"by the rule {kind.__name__}").strip().partition("\n")[0].rstrip(".")


def utc(text, system, due):
    """A time as an LMS wrote it, in UTC: some write the time of the place, taken to be in the zone of `due`."""
    if text and due and system in LOCAL:
        return _utc(datetime.fromisoformat(text).replace(tzinfo=due.tzinfo)).isoformat(" ")
    return text


def _utc(when):
    """As nbgrader keeps times."""
    return when.astimezone(UTC).replace(tzinfo=None)


def apply(folder, book, config, owners, names):
    """Put due dates and extensions into nbgrader's gradebook; a line for each thing that is wrong.

    `config` has the rule; `owners`, id to intake's owners, and `names`, id to name, find the people of the file of
    extensions.
    """
    dates, lines = Dates.load(folder), []
    if not dates.due:
        return ["EXTENSIONS: there is no due date to extend; say DUE= as well"] * (Path(folder) / EXTENSIONS).exists()
    extended, lines = _extensions(Path(folder) / EXTENSIONS, dates, owners, names)
    for assignment in book.assignments:
        due = dates.of(assignment.name)
        assignment.duedate = due and _utc(due)
        for submission in assignment.submissions:
            until = extended.get((submission.student_id, assignment.name))
            submission.extension = until - due if due and until and until > due else None
    book.db.commit()
    timeless = sum(submission.timestamp is None for assignment in book.assignments if assignment.duedate
                   for submission in assignment.submissions)
    if timeless:
        lines.append(f"DUE: {timeless} notebooks have no time of handing in, as their LMS writes none into its "
                     "download; coming late costs them nothing")
    if not sentence(config) and any(assignment.duedate for assignment in book.assignments):
        lines.append("DUE: coming late costs nothing yet; say LATE='10% a day, at most 50%' or LATE=zero")
    return lines


def _rule(text):
    """(plug-in, its settings) for what LATE= says; raises SettingsError."""
    if text in ("none", "zero"):
        return LateSubmissionPlugin, {"penalty_method": text}
    match = _LATE.fullmatch(text.strip())
    if not match:
        raise SettingsError("LATE: expected none, zero, or a share such as '10% a day, at most 50%' (hour, day or "
                            f"week; ', 15 minutes grace' may follow), found {shown(text, 80)!r}")
    return ShareOfPoints, {"share": float(match["share"]) / 100, "per": match["per"].lower(),
                           "most": float(match["most"] or 100) / 100, "grace": float(match["grace"] or 0)}


def _extensions(path, dates, owners, names):
    """(student, notebook) to when it is due for them, of the file of extensions; and lines about what it has wrong."""
    if not path.exists():
        return {}, []
    try:
        found, lines, extended = table.read(path.read_bytes()), [], {}
    except table.TableError as error:  # somebody has changed it since
        return {}, [f"{EXTENSIONS}: {error}"]
    head = [cell.text.strip().lower() for cell in found.rows[0]]
    if not {"student", "until"} <= set(head):
        return {}, [f"{EXTENSIONS}: expected the columns student, until and, if you like, notebook, found "
                    f"{shown(', '.join(head), 120)}"]
    everybody = people.students(names, owners)
    for row in range(1, len(found.rows)):
        cells = {name: found.get(row, place) for place, name in enumerate(head)}
        try:
            extended |= _extension(cells, dates, people.called(cells["student"], everybody))
        except SettingsError as error:
            lines.append(f"{EXTENSIONS}, line {row + 1}: {shown(cells['student'], 60)!r}: {error}")
    return extended, lines


def _extension(cells, dates, who):
    """What one line of the file of extensions says."""
    which = targets.notebook(cells["notebook"]) if cells.get("notebook") else ""
    if len(who) != 1:
        raise SettingsError("several students are called so; give a number or a user name" if who else
                            "nobody who handed in is called so")
    if which is None:
        raise SettingsError(f"expected one of {', '.join(course.release())}, found {shown(cells['notebook'], 40)!r}")
    extended = {}
    for name in [which] if which else course.release():
        due = dates.of(name)
        until = due and _until(cells["until"], due)
        if until and until > due:
            extended[who[0], name] = until
    if not extended:
        raise SettingsError(f"{shown(cells['until'], 40)!r} is not after the due date")
    return extended


def _until(text, due):
    """"2026-12-03 18:00" in the zone of the due date or one of its own, or "+2 days"."""
    match = re.fullmatch(r"\+ ?(\d{1,4}) (hour|day|week)s?", text.strip())
    return due + timedelta(seconds=int(match[1]) * SECONDS[match[2]]) if match else moment(text, due.tzinfo)
