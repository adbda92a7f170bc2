"""`make site`: build/site/, made with Sphinx and without a network. A warning or a broken link ends it.

    python -m tools.site --report REPORT.html     with the report of a class; and with the demo, if there is one
"""

import argparse
import shutil
import sys
from pathlib import Path

from sphinx.application import Sphinx
from sphinx.errors import SphinxError
from sphinx.util.console import nocolor
from sphinx.util.docutils import docutils_namespace, patch_docutils
from tqdm import tqdm

from helpers.settings import ROOT, show
from tools.site import links, stage

SITE, DEMO = ROOT / "build" / "site", ROOT / "build" / "demo" / "index.html"
CONFIG = Path(__file__).parent


def main():
    parser = argparse.ArgumentParser(prog="make site", description=__doc__.split("\n\n")[0])
    parser.add_argument("--report", type=Path, help="a class report to show")
    report = parser.parse_args().report
    examples = {name: path for name, path in (("demo", DEMO), ("report", report)) if path and path.is_file()}
    faults, followed = build(SITE, examples)
    if faults:
        sys.exit("\n".join(["make site: the site has faults; build/site is as it was before", *faults]))
    pages = len(list(SITE.rglob("*.html")))
    size = sum(path.stat().st_size for path in SITE.rglob("*") if path.is_file())
    print(f"{show(SITE)}/index.html: {pages} pages, {size / 1e6:.1f} MB; {followed} links inside lead somewhere, "
          "nothing is loaded from elsewhere")
    if "demo" not in examples:
        print("Without a demo: run `make demo`, then `make site` again.")


def build(output, examples):
    """Write the site to `output`, which is replaced only by a whole one: the faults, and how many links were followed.

    `examples` are files to show, by the names "demo" and "report".
    """
    work = output.with_name(f"{output.name}-work")
    shutil.rmtree(work, ignore_errors=True)
    try:
        stage.stage(work / "source", examples)
        faults = run_sphinx(work)
        if faults:
            return faults, 0
        for template in (work / "html" / "_static").glob("*webpack-macros.html"):  # the theme's, for no reader
            template.unlink()
        (work / "html" / ".nojekyll").touch()  # GitHub Pages would leave out folders that begin with _
        followed, faults = links.check(work / "html")
        if not faults:
            shutil.rmtree(output, ignore_errors=True)
            (work / "html").rename(output)
        return faults, followed
    finally:
        shutil.rmtree(work, ignore_errors=True)


def run_sphinx(work):
    """Have Sphinx make `work`/html of `work`/source; its complaints, as lines."""
    complaints, pages = Complaints(f"{work / 'source'}/"), [*work.rglob("*.md"), *work.rglob("*.ipynb")]
    nocolor()
    try:
        with patch_docutils(CONFIG), docutils_namespace(), tqdm(
                total=2 * len(pages), desc="make site", unit="page", disable=not sys.stderr.isatty(), leave=False,
                bar_format="{desc} {bar} {elapsed}") as progress:
            def page_is_done(*_):
                progress.update()
            app = Sphinx(work / "source", CONFIG, work / "html", work / "doctrees", "html", keep_going=True,
                         status=None, warning=complaints,
                         confoverrides={"html_extra_path": [str(work / "source" / "extra")]})
            for event in ("source-read", "html-page-context"):  # each page is read, then written
                app.connect(event, page_is_done)
            app.build()
    except SphinxError as error:
        return [str(error)]
    return complaints.lines


class Complaints:
    """Where Sphinx writes warnings: each is kept, its file named as in the repository."""

    def __init__(self, folder):
        self.folder, self.lines = folder, []

    def write(self, text):
        if text.strip():
            self.lines.append(text.strip().replace(self.folder, "").replace(f"{ROOT}/", ""))

    def flush(self):
        pass


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit("make site: stopped; build/site is as it was before")
