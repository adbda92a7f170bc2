"""The site: built whole from what is here, with no loose end, and read without a network."""

import re

import nbformat
import pytest
from bs4 import BeautifulSoup

from helpers.exercises import EXERCISES
from helpers.settings import ROOT
from tests.support import axe
from tests.support.hostile import chromium  # noqa: F401 (a fixture)
from tools import address, notebooks
from tools.site import __main__ as site
from tools.site import links, stage

pytestmark = [pytest.mark.xdist_group("site"),  # one build for all of them
              pytest.mark.filterwarnings("ignore::PendingDeprecationWarning")]  # of Sphinx's extensions
TINY = '<!DOCTYPE html><html lang="en"><head><title>{0}</title></head><body><main><h1>{0}</h1></main></body></html>'


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """The folder of the site, with small pages in place of the demo and of a class's report."""
    folder = tmp_path_factory.mktemp("site")
    for name in ("demo", "report"):
        (folder / f"{name}.html").write_text(TINY.format(name))
    faults, followed = site.build(folder / "site", {name: folder / f"{name}.html" for name in ("demo", "report")})
    assert faults == [] and followed > 1000
    return folder / "site"


def page(built, name):
    return BeautifulSoup((built / f"{name}.html").read_text(encoding="utf-8"), "html.parser")


def of_notebook(built, name):
    return page(built, f"notebooks/{name}/{name}")


@pytest.mark.parametrize("name", notebooks.NAMES)
def test_a_notebooks_page_shows_the_blank_and_folds_our_answer(built, name):
    shown = of_notebook(built, name)
    for exercise in (one for one in EXERCISES.values() if one.notebook == name):
        box = shown.find(id=f"exercise-{exercise.number.replace('.', '-')}")
        assert box.name == "div" and f"{exercise.points} points" in box.find(class_="admonition-title").text
        for function in exercise.functions:
            blank, answer = [cell for cell in shown.select("div.cell_input")
                             if re.search(rf"^def {function}\b", cell.text, re.MULTILINE)]
            assert f'raise NotImplementedError("Exercise {exercise.number}' in blank.text
            assert not blank.find_parent("details")
            assert answer.find_parent("details") and not answer.find_parent("details").has_attr("open")
            assert "NotImplementedError" not in answer.text and "SOLUTION" not in answer.text


@pytest.mark.parametrize("name", notebooks.NAMES)
def test_every_figure_is_there_with_its_description(built, name):
    stored = [output["data"]["text/plain"] for cell in nbformat.read(notebooks.solution(name), as_version=4).cells
              for output in cell.get("outputs", []) if "image/png" in output.get("data", {})]
    assert [image["alt"] for image in of_notebook(built, name).select("div.cell_output img")] == stored


def test_what_a_cell_prints_stands_together():
    def said(text):
        return nbformat.v4.new_output("stream", name="stdout", text=text)
    figure = nbformat.v4.new_output("display_data", data={"text/plain": "a figure"})
    assert stage.joined([said("a\n"), said("b\n"), figure, said("c\n")]) == [said("a\nb\n"), figure, said("c\n")]


@pytest.mark.parametrize("name", notebooks.NAMES)
def test_badge_and_button_open_the_students_notebook_in_colab(built, name):
    found = {link["href"] for link in of_notebook(built, name).select("a[href*='colab.research']")}
    start = f"https://colab.research.google.com/github/{address.repository()}/blob/main"
    assert found == {f"{start}/notebooks/{name}/{name}.ipynb"}
    assert found <= {link["href"] for link in page(built, "index").select("a")}


def test_the_page_of_exercises_leads_to_every_box(built):
    rows = page(built, "exercises").select("tbody tr")
    assert [row.find("td").text for row in rows] == [exercise.number for exercise in EXERCISES.values()]
    assert sum(int(row.find_all("td")[-1].text) for row in rows) == 100
    assert all("#exercise-" in row.find("a")["href"] for row in rows)


def test_every_module_that_notebooks_import_has_its_reference(built):
    described = {module for path in (built / "api").glob("*.html")
                 for module in re.findall(r'id="module-helpers\.(\w+)"', path.read_text(encoding="utf-8"))}
    imported = {name.partition(" ")[0] for path in ROOT.glob("solutions/*/*.ipynb")
                for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"
                for names in re.findall(r"^from helpers import (.+)$", cell.source, re.MULTILINE)
                for name in names.split(", ")}
    assert imported and imported <= described


def test_every_word_of_the_glossary_is_a_place_of_its_own(built):
    words = [word for line in (ROOT / "docs" / "glossary.md").read_text(encoding="utf-8").splitlines()
             if line.startswith("- ") for word in re.findall(r"\*\*([^*]+)\*\*", line.partition(":")[0])]
    terms = page(built, "docs/glossary").select("dl.glossary dt")
    found = {term.get_text().removesuffix("#"): term["id"] for term in terms}
    assert len(words) > 40 and list(found) == words and all(found.values())


def test_the_formula_needs_no_script(built):
    shown = page(built, "figures")
    assert shown.select_one("math[display=block] mfrac")
    assert not any("math" in script.get("src", "").lower() for script in shown.select("script"))


def test_every_benchmark_says_what_it_measures(built):
    text = page(built, "figures").text
    assert all(f"{path.stem}" in text for path in (ROOT / "benchmarks").glob("[!_]*.py"))


LINKS = {
    "a page that is not there": ('<a href="gone.html">x</a>', "nothing at gone.html"),
    "a place that is not there": ('<a href="other.html#gone">x</a>', "no such place"),
    "a place that is not on this page": ('<a href="#gone">x</a>', "no such place"),
    "a picture from elsewhere": ('<img src="https://example.org/a.png">', "loads https"),
    "a script from elsewhere": ('<script src="//example.org/a.js"></script>', "loads //"),
    "a font from elsewhere": ('<link rel="preload" href="https://example.org/a.woff2">', "loads https"),
    "a file outside": ('<a href="../outside.html">x</a>', "nothing at ../outside.html"),
    "a stylesheet that imports": ('<p>x</p>', "loads https://example.org/a.css"),
}


@pytest.mark.parametrize("kind", LINKS)
def test_a_loose_end_is_named(tmp_path, kind):
    (tmp_path / "outside.html").write_text("<p>x</p>")
    folder = tmp_path / "site"
    folder.mkdir()
    (folder / "other.html").write_text('<p id="here">x</p>')
    html, fault = LINKS[kind]
    (folder / "index.html").write_text(f'<a href="other.html#here">x</a> <a href="https://example.org">x</a> {html}')
    (folder / "site.css").write_text('@import "https://example.org/a.css";' if "imports" in kind else "p { margin: 0 }")
    faults = links.check(folder)[1]
    assert len(faults) == 1 and fault in faults[0]


def test_a_warning_ends_the_build_and_the_site_stays_as_it_was(tmp_path, monkeypatch):
    def source(folder, examples):
        (folder / "extra").mkdir(parents=True)
        (folder / "index.md").write_text("# A page\n\n[to nowhere](gone.md)\n")
    monkeypatch.setattr(stage, "stage", source)
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "index.html").write_text("as it was")
    faults, _ = site.build(tmp_path / "site", {})
    assert len(faults) == 1 and "gone.md" in faults[0]
    assert (tmp_path / "site" / "index.html").read_text() == "as it was"
    assert [path.name for path in tmp_path.iterdir()] == ["site"]


@pytest.fixture(scope="module")
def read(built, chromium):  # noqa: F811
    """All pages, opened on a telephone: the schemes of what was asked for, complaints, pages that are too wide."""
    context = chromium.new_context(viewport={"width": 390, "height": 900})
    tab, asked, complaints, wide = context.new_page(), set(), [], {}
    context.on("request", lambda request: asked.add(request.url.partition(":")[0]))
    tab.on("console", lambda message: complaints.append(message.text) if message.type in ("error", "warning") else None)
    for path in built.rglob("*.html"):
        tab.goto(path.as_uri())
        excess = tab.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        wide |= {path.name: excess} if excess > 0 else {}
    context.close()
    return asked, complaints, wide


def test_no_page_asks_anybody_else_for_anything(read):
    asked, complaints, _ = read
    assert "file" in asked and asked <= {"file", "data", "blob"}
    assert complaints == []


def test_every_page_fits_a_telephone(read):
    assert read[2] == {}


def test_search_finds_a_word_where_it_is_explained(built, chromium):  # noqa: F811
    tab = chromium.new_context(viewport={"width": 1300, "height": 900}).new_page()
    tab.goto((built / "index.html").as_uri())
    tab.keyboard.press("Control+K")
    tab.locator("#pst-search-dialog input").fill("palette")
    tab.keyboard.press("Enter")
    found = tab.locator("ul.search li a")
    found.filter(has_text="Setup").first.wait_for()
    assert found.first.inner_text() == "Glossary" and "#term-Palette" in found.first.get_attribute("href")
    tab.context.close()


def test_the_dark_can_be_chosen_and_is_remembered(built, chromium):  # noqa: F811
    tab = chromium.new_context(viewport={"width": 1300, "height": 900}, color_scheme="light").new_page()
    background = "getComputedStyle(document.body).backgroundColor"
    tab.goto((built / "index.html").as_uri())
    assert tab.evaluate(background) == "rgb(255, 255, 255)"
    tab.get_by_role("button", name="Color mode").click()
    tab.get_by_role("button", name="Dark").click()
    for name in ("index", "exercises"):
        tab.goto((built / f"{name}.html").as_uri())
        assert tab.evaluate("document.documentElement.dataset.theme") == "dark"
        red, green, blue = map(int, re.findall(r"\d+", tab.evaluate(background)))
        assert red + green + blue < 100
    tab.context.close()


@pytest.mark.parametrize("name, scheme, width", [
    ("index", "light", 1300), ("index", "dark", 390), ("docs/instructors", "light", 1300), ("figures", "dark", 390),
    ("notebooks/03_model/03_model", "light", 390), ("notebooks/03_model/03_model", "dark", 1300),
    ("api/training", "dark", 390), ("search", "light", 1300)])
def test_everybody_can_read_a_page(built, chromium, name, scheme, width):  # noqa: F811
    assert axe.complaints(chromium, built / f"{name}.html", scheme, width) == []
