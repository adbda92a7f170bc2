"""`make grade SUBMISSIONS=dir`: from a download to marks, feedback and a class report in build/grades/.

What was handed in is kept in build/grades/submitted, a result under a key of everything that decides it (see
`shard.Task.key`). Each run looks at all that is kept there, of every download, and grades what has no result under
its key yet; marks, CSV, report and feedback are then written from the gradebook. Without SUBMISSIONS it does the
same for what was handed in before. Each submission is a shard of plain `nbgrader autograde`, run by Dask: on this
machine, or on the cluster at SCHEDULER=tcp://host:port.
"""

import argparse
import contextlib
import json
import secrets
import shutil
import sys
from pathlib import Path

import filelock

from grading import cluster, course, dates, gradebook, results, shard, voc_images
from grading.giveback import returns, targets
from grading.intake import ingest
from grading.intake.students import as_owner
from grading.report import class_report, feedback, history, printed, tables
from grading.run import jail
from helpers.files import atomic
from helpers.settings import MODEL_FILE, ROOT, SettingsError, scheduler, show

OUTPUT = ROOT / "build" / "grades"


def main():
    arguments = _arguments()
    try:
        with _alone(arguments.output):
            if arguments.remove:
                remove(arguments.remove, arguments.output)
            grade(arguments)
    except (SettingsError, jail.JailError, ingest.IngestError, gradebook.GradebookError, cluster.ClusterError) as error:
        sys.exit(f"make grade: {error}")
    except KeyboardInterrupt:
        sys.exit("make grade: stopped; what was graded is kept, the same command goes on from there")
    except OSError as error:
        sys.exit(f"make grade: {error.strerror or error} ({show(error.filename or arguments.output)}); what was "
                 "graded is kept: free some space or fix the folder, then run it again")


def grade(arguments):
    """Take in the download, grade what has no result yet, and write everything that an instructor looks at."""
    folder = arguments.output
    if not course.release():
        raise SettingsError("course: expected a release in notebooks/, found none; run `make release` first")
    jail.require()  # refuses before anything is read
    sheets, lines = returns.given(arguments.gradebook, folder)
    wanted = targets.pairs(arguments.column, "COLUMN")
    dates.tell(folder, arguments.due, arguments.late, arguments.extensions)
    printed.lines(lines, "the notes")
    problems = _take_in(arguments.submissions, folder)
    for sheet in sheets:
        ingest.tell_times(folder, sheet.times)
    names, records, kept = ingest.names(folder), ingest.records(folder), _kept(folder)
    if not kept:
        raise SettingsError(f"submissions: expected notebooks of this course in "
                            f"{arguments.submissions or show(folder)}, found none")
    images = voc_images.of(folder)
    graded, said = [], dates.Dates.load(folder)
    for submission, result in _graded(kept, folder, images, arguments):
        student, name = submission.parent.parent.name, submission.stem
        system = records[student][name].owner["system"] if name in records.get(student, ()) else ""
        time = dates.utc(_read(submission.with_name("timestamp.txt")), system, said.of(name))
        graded.append({"student": student, "name": names.get(student), "timestamp": time, **result})
    settings, book = course.config(), folder / "gradebook.db"
    _write(folder / "nbgrader_config.py", _config(folder))
    owners = {id: [as_owner(record.owner) for record in found.values()] for id, found in records.items()}
    for line in gradebook.merge(book, graded, settings, owners):
        print(f"  {line}")
    gradebook.forget(book, {(one["student"], one["assignment"]) for one in graded})
    gradebook.export(book, folder / "grades.csv", settings)
    marks = gradebook.marks(book)
    graded = results.with_marks(graded, marks)
    written, failed = feedback.write(folder, marks)
    misconceptions = class_report.write(graded, {"problems": [vars(problem) for problem in problems]},
                                        folder / "report.html", before=history.before(folder, graded))
    tables.write(folder, graded, misconceptions, {
        (id, name): record.file for id, found in records.items() for name, record in found.items()})
    returned = returns.write(folder, marks, sheets, lines, wanted, arguments.scale)
    printed.summary(graded, problems, written, failed, returned, folder)


def _take_in(submissions, folder):
    """Take in a download, or nothing, where what is kept is graded again; all problems with files that still hold."""
    if not submissions or Path(submissions).resolve() == (folder / "submitted").resolve():
        return ingest.stored(folder).problems
    intake = ingest.ingest(Path(submissions), folder)
    printed.lines([f"{problem.file}: {problem.text}" for problem in intake.problems], "the report")
    if not intake.submissions:
        raise SettingsError(f"submissions: expected notebooks of this course in {submissions}, found none")
    gradebook.move(folder / "gradebook.db", intake.moved)
    return [*intake.problems, *intake.earlier]


def _kept(folder):
    """All notebooks that were handed in, of this and of earlier downloads."""
    return [path for path in sorted(folder.glob("submitted/*/*/*.ipynb"))
            if path.stem == path.parent.name and path.stem in course.release()]


def _graded(kept, folder, images, arguments):
    """(notebook, result) of everything that was handed in; what has no result under its key is graded first."""
    known = folder / "results"
    known.mkdir(parents=True, exist_ok=True)
    seed = _held_out_seed(folder)
    key_of, first = {}, {}
    for notebook in kept:
        key = key_of[notebook] = shard.Task.of(notebook, seed, images).key
        first.setdefault(key, notebook)
    new = [key for key in first if not _is_known(known / f"{key}.json")]
    todo = [notebook for notebook, key in key_of.items() if key in new]
    again = sum(_autograded(notebook, folder).exists() for notebook in todo)
    students = len({notebook.parent.parent for notebook in kept})
    print(f"{len(kept)} notebooks of {students} students: {len(kept) - len(todo)} graded before, {len(todo)} to grade."
          + (f" {len(todo) - len(new)} are the same as another's." if len(new) < len(todo) else "")
          + (f" {again} are graded again: what decides their marks has changed." if again else ""), flush=True)
    if new:
        # the longest first, so that none is left over at the end: those with a model file, then the later notebooks
        new.sort(key=lambda key: (first[key].with_name(MODEL_FILE).exists(), first[key].stem), reverse=True)
        with cluster.connect(arguments.scheduler, arguments.workers) as client:
            tasks = ((key, shard.Task.of(first[key], seed, images)) for key in new)
            for key, result, text in printed.told(cluster.grade(client, tasks), len(new)):
                if text:
                    _write(known / f"{key}.ipynb", text)
                _write(known / f"{key}.json", json.dumps(result))
    for notebook, key in key_of.items():
        _deliver(notebook, known / f"{key}.ipynb", folder)
        yield notebook, json.loads((known / f"{key}.json").read_text())


def _is_known(path):
    try:
        return not json.loads(path.read_text()).get("again")
    except (OSError, ValueError):
        return False


def _autograded(notebook, folder):
    """submitted/ada/01_setup/01_setup.ipynb -> autograded/ada/01_setup/01_setup.ipynb"""
    return folder / "autograded" / notebook.relative_to(folder / "submitted")


def _deliver(notebook, graded, folder):
    """Put an autograded notebook, and what nbgrader's commands need beside it, where they look for it."""
    place = _autograded(notebook, folder)
    for source, target in ((graded, place), *((notebook.with_name(name), place.with_name(name))
                                              for name in ("timestamp.txt", "submission_secret.txt"))):
        text = _read(source)
        if text is not None and _read(target) != text:
            _write(target, text)


def _held_out_seed(folder):
    """Draws the images that models are judged on: once for a folder of grades, so that all are judged alike."""
    path = folder / "held_out_seed"
    if not path.exists():
        _write(path, str(secrets.randbelow(2 ** 30)))
    return int(path.read_text())


def _config(folder):
    """So that formgrader and nbgrader's commands work in the folder of grades too."""
    return (f"load_subconfig('nbgrader_config.py', path={str(ROOT)!r})\nc = get_config()\n"
            f"c.CourseDirectory.source_directory = {str(ROOT / 'solutions')!r}\n"
            f"from grading import dates\ndates.configure(c, {str(folder)!r})\n"
            f"c.Examine.held_out_seed = {_held_out_seed(folder)}\n")


def remove(student, folder):
    """Take a student out: what was handed in, marks and pages. A later download that has them brings them back."""
    plain = student not in ("", ".", "..") and Path(student).name == student
    places = [folder / place / student for place in ("submitted", "waiting", "autograded", "feedback")]
    there = [path for path in places if path.is_dir()]
    book = folder / "gradebook.db"
    if not plain or not (book.exists() and gradebook.remove(book, student) or there):
        ids = sorted(path.name for path in folder.glob("submitted/*"))
        raise SettingsError(f"REMOVE: expected the id of a student in {show(folder)}, found {student!r}; the ids are "
                            f"{', '.join(ids[:10])}{', ...' if len(ids) > 10 else ''}")
    for place in there:
        shutil.rmtree(place)
    print(f"{student} was taken out of {show(folder)}.")


def _read(path):
    try:
        return path.read_text(encoding="utf-8").strip() if path.suffix == ".txt" else path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None


def _write(path, text):
    with atomic(path) as half_done:
        half_done.write_text(text, encoding="utf-8")


@contextlib.contextmanager
def _alone(folder):
    """One grading at a time in a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with filelock.FileLock(folder / ".lock", timeout=0):
            yield
    except filelock.Timeout:
        raise SettingsError(f"another make grade is running in {show(folder)}; wait until it ends") from None


def _arguments():
    parser = argparse.ArgumentParser(prog="make grade", description=__doc__.split("\n\n")[0])
    parser.add_argument("submissions", nargs="?", help="a folder or zip: an LMS download, or a folder for each "
                        "student; left out, what was handed in before is graded again")
    parser.add_argument("--output", type=Path, default=OUTPUT, help="where marks go (build/grades)")
    parser.add_argument("--remove", metavar="STUDENT", help="take the student with this id out first")
    parser.add_argument("--gradebook", metavar="FILE", help="what the LMS exports: a gradebook of Canvas or Moodle, "
                        "a grading worksheet of Moodle, or a folder of such; return/ has it filled in")
    parser.add_argument("--column", help="where marks go: a column's title, or 01_setup=title; 02_augmentation=title")
    parser.add_argument("--scale", action="store_true", help="marks become a share of the column's most points")
    parser.add_argument("--due", default="", help="when notebooks are due: '2026-12-01 18:00 Europe/Berlin', or "
                        "01_setup=...; 02_augmentation=...; none: no due date any more")
    parser.add_argument("--extensions", default="", metavar="FILE", help="a CSV file with the columns student, until "
                        "and, if you like, notebook; none: nobody has one any more")
    parser.add_argument("--late", default="", help="what coming late costs: none, zero or '10%% a day, at most 50%%'")
    parser.add_argument("--scheduler", default=scheduler(), help="a Dask scheduler's address")
    parser.add_argument("--workers", type=int, help="processes on this machine (as many as it has cores)")
    arguments = parser.parse_args()
    arguments.output = arguments.output.absolute()
    if not (arguments.submissions or (arguments.output / "submitted").is_dir()):
        parser.exit(2, "make grade: say where the submissions are: make grade SUBMISSIONS=folder\n")
    return arguments


if __name__ == "__main__":
    main()
