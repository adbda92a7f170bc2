"""axe-core, the accessibility checker: fetched once with npm into build/axe, and run on a page in a real browser."""

import functools
import shutil
import subprocess
import tarfile

import pytest

from helpers.settings import ROOT

VERSION = "4.14.1"
_FOLDER = ROOT / "build" / "axe"


@functools.cache
def script():
    """The text of axe.min.js; the test is skipped where it is not here and npm cannot fetch it."""
    archive = _FOLDER / f"axe-core-{VERSION}.tgz"
    if not archive.exists():
        if not shutil.which("npm"):
            pytest.skip("no npm to fetch axe-core with")
        _FOLDER.mkdir(parents=True, exist_ok=True)
        run = subprocess.run(["npm", "pack", f"axe-core@{VERSION}", "--silent"], cwd=_FOLDER, capture_output=True,
                             text=True, timeout=120)
        if run.returncode:
            pytest.skip(f"npm could not fetch axe-core: {run.stderr[-200:]}")
    with tarfile.open(archive) as files:
        return files.extractfile("package/axe.min.js").read().decode()


def complaints(chromium, path, scheme="light", width=1000):
    """What axe says against a page, as lines: rule, impact, the element."""
    context = chromium.new_context(color_scheme=scheme, viewport={"width": width, "height": 900}, bypass_csp=True)
    page = context.new_page()
    page.goto(path.as_uri())
    page.add_style_tag(content="* { animation: none !important; transition: none !important }")  # nothing half faded in
    page.evaluate("document.querySelectorAll('details').forEach(fold => fold.open = true)")
    page.evaluate(script())
    found = page.evaluate("axe.run()")["violations"]
    context.close()
    return [f"{rule['id']} ({rule['impact']}): {node['html'][:160]} {node['failureSummary'][:200]}"
            for rule in found for node in rule["nodes"]]


def overflow(chromium, path, width=400, media="screen"):
    """How many pixels a page is wider than the window."""
    context = chromium.new_context(viewport={"width": width, "height": 900})
    page = context.new_page()
    page.emulate_media(media=media)
    page.goto(path.as_uri())
    wider = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    context.close()
    return wider


def broken_words(chromium, path, width=400):
    """Words of code that a line's end cuts in two."""
    context = chromium.new_context(viewport={"width": width, "height": 900}, bypass_csp=True)
    page = context.new_page()
    page.goto(path.as_uri())
    found = page.evaluate("""() => {
        document.querySelectorAll("details").forEach(fold => fold.open = true);
        const cut = [];
        for (const block of document.querySelectorAll("pre, td, th, h1, h2, .said")) {
            const walk = document.createTreeWalker(block, NodeFilter.SHOW_TEXT);
            while (walk.nextNode()) for (const word of walk.currentNode.data.matchAll(/\\w+/g)) {
                const range = document.createRange();
                range.setStart(walk.currentNode, word.index);
                range.setEnd(walk.currentNode, word.index + word[0].length);
                if (new Set([...range.getClientRects()].map(box => Math.round(box.top))).size > 1) cut.push(word[0]);
            }
        }
        return cut;
    }""")
    context.close()
    return found
