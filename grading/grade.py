"""`make grade SUBMISSIONS=dir`: from a folder of submissions to marks, feedback and a class report in build/grades/.

Each submission is a shard of plain `nbgrader autograde` (see `shard`), run by Dask: on this machine, or on
the cluster at SCHEDULER=tcp://host:port. Results are kept by what was handed in and by the course's
version, so that a second run grades only what is new.
"""

import argparse
import contextlib
import json
import secrets
import statistics
import sys
from pathlib import Path

import filelock
from nbgrader.plugins import CsvExportPlugin
from tqdm import tqdm

from grading import cluster, gradebook, results, shard
from grading.intake import ingest
from grading.report import class_report, feedback
from grading.run import jail
from helpers.files import atomic
from helpers.settings import ROOT, SettingsError, scheduler, show

OUTPUT = ROOT / "build" / "grades"
RESULT = "result.json"  # beside the autograded notebook
# So that formgrader and nbgrader's commands work in the folder of grades too
CONFIG = (f"load_subconfig('nbgrader_config.py', path={str(ROOT)!r})\n"
          f"get_config().CourseDirectory.source_directory = {str(ROOT / 'solutions')!r}\n")
MANY = 10  # lines of one kind that are printed; the report has them all


def main():
    arguments = _arguments()
    try:
        with _alone(arguments.output):
            grade(arguments)
    except (SettingsError, jail.JailError, ingest.IngestError, gradebook.GradebookError, cluster.ClusterError) as error:
        sys.exit(f"make grade: {error}")
    except KeyboardInterrupt:
        sys.exit("make grade: stopped; what was graded is kept, the same command goes on from there")
    except OSError as error:
        sys.exit(f"make grade: {error.strerror or error} ({show(error.filename or arguments.output)}); what was graded is "
                 "kept: free some space or mend the folder, then run it again")


def grade(arguments):
    """Ingest, grade what is new, merge, and write everything that an instructor looks at."""
    course = arguments.output
    if not shard.release():
        raise SettingsError("course: expected a release in notebooks/, found none; run `make release` first")
    jail.require()  # refuses before anything is read
    intake = ingest.ingest(Path(arguments.submissions), course)
    for problem in intake.problems[:MANY]:
        print(f"  {problem.file}: {problem.text}")
    if len(intake.problems) > MANY:
        print(f"  ... and {len(intake.problems) - MANY} more, in the report")
    if not intake.submissions:
        raise SettingsError(f"submissions: expected notebooks of this course in {arguments.submissions}, found none")
    _grade_new(intake.submissions, course, arguments)
    graded = [json.loads(path.read_text()) for path in sorted(course.glob(f"autograded/*/*/{RESULT}"))]
    settings = shard.config()
    _write(course / "nbgrader_config.py", CONFIG)
    gradebook.merge(course / "gradebook.db", graded, settings)
    _export(course, settings)
    print("Writing feedback and report ...")
    for student, name in feedback.write(course):
        print(f"  no feedback page could be made for {student}, {name}")
    class_report.write(graded, {"problems": [vars(problem) for problem in intake.problems]}, course / "report.html")
    _summary(graded, course)


def _grade_new(submissions, course, arguments):
    """Grade the submissions whose results are not known yet, and put each result where its student's things are."""
    seed = _held_out_seed(course)
    known = course / "results"
    known.mkdir(parents=True, exist_ok=True)
    tasks = {}
    for submission in submissions:
        task = _task(submission, seed)
        tasks.setdefault(task.key, []).append(submission)
    new = [key for key in tasks if not _is_known(known / f"{key}.json")]
    print(f"{len(submissions)} notebooks of {len({s.student for s in submissions})} students: "
          f"{len(tasks) - len(new)} graded before, {len(new)} to grade.")
    if new:
        with cluster.connect(arguments.scheduler, arguments.workers) as client:
            todo = ((key, _task(tasks[key][0], seed)) for key in new)
            for key, result, text in tqdm(cluster.grade(client, todo), total=len(new), unit="notebook",
                                          bar_format="{desc}{bar} {n_fmt}/{total_fmt} notebooks, {elapsed} so far, "
                                          "{remaining} left"):
                if text:
                    _write(known / f"{key}.ipynb", text)
                _write(known / f"{key}.json", json.dumps(result))
    for key, group in tasks.items():
        for submission in group:
            _deliver(submission, known / key, course)


def _is_known(path):
    try:
        return not json.loads(path.read_text()).get("again")
    except (OSError, ValueError):
        return False


def _task(submission, seed):
    model = submission.model.read_bytes() if submission.model else None
    return shard.Task(submission.assignment, submission.notebook.read_bytes(), model, seed)


def _deliver(submission, known, course):
    """Put one student's result and autograded notebook where nbgrader's commands look for the latter."""
    result = json.loads(known.with_suffix(".json").read_text())
    folder = course / "autograded" / submission.student / submission.assignment
    folder.mkdir(parents=True, exist_ok=True)
    notebook = known.with_suffix(".ipynb")
    if notebook.exists():
        _write(folder / f"{submission.assignment}.ipynb", notebook.read_text())
    timestamp = submission.notebook.with_name("timestamp.txt")
    late = {"timestamp": timestamp.read_text().strip()} if timestamp.exists() else {}
    result = {"student": submission.student, "name": submission.name, **result, **late}
    _write(folder / RESULT, json.dumps(result))


def _held_out_seed(course):
    """Draws the images that models are judged on: once for a folder of grades, so that all are judged alike."""
    path = course / "held_out_seed"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        _write(path, str(secrets.randbelow(2 ** 30)))
    return int(path.read_text())


def _export(course, settings):
    """nbgrader's own CSV."""
    with gradebook.Gradebook(gradebook.url(course / "gradebook.db"), gradebook.COURSE) as book:
        CsvExportPlugin(config=settings, to=str(course / "grades.csv")).export(book)


def _summary(graded, course):
    totals = {}
    for result in graded:
        totals[result["student"]] = totals.get(result["student"], 0) + result["score"]
    best = sum(results.max_score(notebook) for notebook in shard.release().values())
    print(f"students        {len(totals)}, median {statistics.median(totals.values()):g} of {best:g} points")
    flagged = [result for result in graded if result["flags"]]
    ended = [result for result in graded if result["problem"]]
    print(f"look at         {len(flagged)} flagged notebooks, {len(ended)} that did not run to their end")
    for name, what in (("report.html", "the class, in one page"), ("grades.csv", "nbgrader's export"),
                       ("feedback/", "for each student"), ("gradebook.db", "for nbgrader and formgrader")):
        print(f"{show(course / name):28} {what}")


def _write(path, text):
    with atomic(path) as half_done:
        half_done.write_text(text)


@contextlib.contextmanager
def _alone(course):
    """One grading at a time in a folder."""
    course.mkdir(parents=True, exist_ok=True)
    try:
        with filelock.FileLock(course / ".lock", timeout=0):
            yield
    except filelock.Timeout:
        raise SettingsError(f"another make grade is at work in {show(course)}; wait for its end") from None


def _arguments():
    parser = argparse.ArgumentParser(prog="make grade", description=__doc__.split("\n\n")[0])
    parser.add_argument("submissions", help="a folder or zip: an LMS download, or a folder for each student")
    parser.add_argument("--output", type=Path, default=OUTPUT, help="where marks go (build/grades)")
    parser.add_argument("--scheduler", default=scheduler(), help="a Dask scheduler's address")
    parser.add_argument("--workers", type=int, help="processes on this machine (as many as it has cores)")
    arguments = parser.parse_args()
    if not arguments.submissions:
        parser.exit(2, "make grade: say where the submissions are: make grade SUBMISSIONS=folder\n")
    arguments.output = arguments.output.absolute()
    return arguments


if __name__ == "__main__":
    main()
