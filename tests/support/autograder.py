"""What Gradescope does with an autograder's zip: its layout, and a run in a container.

    python -m tests.support.autograder 01_setup FOLDER      results.json of what is in the folder
"""

import shutil
import sys
import tempfile
import zipfile
from pathlib import Path

from grading.run import bubblewrap, library
from helpers.settings import ROOT
from tests.support import container
from tools.gradescope import __main__ as build

PLACE = "/autograder"


def lay_out(place, name):
    """/autograder as Gradescope has it once the image of notebook `name` is built; the packages are this machine's."""
    archive = place / "autograder.zip"
    build.write(archive, build.course() | build.about(name, seed=7))
    with zipfile.ZipFile(archive) as zipped:
        for entry in zipped.infolist():
            Path(zipped.extract(entry, place / "source")).chmod(entry.external_attr >> 16 & 0o777)
    shutil.copy(place / "source" / "run_autograder", place)
    bubblewrap.prepare()
    library.folder()
    for made in ("data/shapes", "build/jail", "build/libraries"):  # setup.sh makes them
        shutil.copytree(ROOT / made, place / "source" / made, dirs_exist_ok=True)
    return place


def run(place, submission, **options):
    """Grade a folder in it, as another machine would: (results.json as text, what was printed)."""
    for name in ("submission", "results"):
        shutil.rmtree(place / name, ignore_errors=True)
    shutil.copytree(submission, place / "submission", symlinks=True)
    (place / "results").mkdir()
    (place / "submission_metadata.json").write_text('{"users": [{"email": "ada@example.org"}]}')
    done = container.run([f"{PLACE}/run_autograder"], [(place, PLACE)], chdir=PLACE, **options)
    return (place / "results" / "results.json").read_text(), done.stdout + done.stderr


def main(name, submission):
    with tempfile.TemporaryDirectory() as folder:
        print(*run(lay_out(Path(folder), name), submission), sep="\n\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
