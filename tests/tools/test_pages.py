"""The pages that `make course` writes: everybody can read them, on a telephone and with a screen reader."""

import nbformat
import pytest
from bs4 import BeautifulSoup

from tests.support import axe
from tests.support.hostile import chromium  # noqa: F401 (a fixture)
from tools import course, notebooks


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pages")
    for name in notebooks.NAMES:
        page = course.as_page(nbformat.read(notebooks.solution(name), as_version=4), name)
        (folder / f"{name}.html").write_text(page, encoding="utf-8")
    return folder


@pytest.mark.parametrize("name", notebooks.NAMES)
def test_everybody_can_read_a_notebook_s_page(name, pages, chromium):  # noqa: F811
    for width in (400, 1000):
        assert axe.complaints(chromium, pages / f"{name}.html", width=width) == []


def test_pages_have_a_title_and_lead_to_each_other(pages):
    for name in notebooks.NAMES:
        page = BeautifulSoup((pages / f"{name}.html").read_text(encoding="utf-8"), "html.parser")
        assert page.title.text == name.replace("_", " ") and all(image["alt"] for image in page.select("img"))
        others = [link["href"] for link in page.select("a[href]") if "_" in link["href"] and "://" not in link["href"]
                  and link["href"].startswith("0")]
        assert all((pages / href).exists() for href in others)
    assert others or name == notebooks.NAMES[-1]
