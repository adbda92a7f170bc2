"""What the documents name is there."""

import re
import tomllib

import pytest

from helpers.settings import ROOT

PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
MADE = (
    "build/",
    "notebooks/",
    "tests/golden",
    "helpers/exercises/class_accuracy.py",
    "tests/exercises/class_accuracy.py",
)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_file_that_a_page_names_is_there(page):
    text = page.read_text(encoding="utf-8")
    links = [page.parent / link for link in re.findall(r"\]\((?!https?:|#)([^)#]+)", text)]
    roots = r"(?:helpers|grading|tests|tools|benchmarks|docs|solutions|\.github|\.devcontainer)/[\w./-]*"
    files = [ROOT / name.rstrip(".") for name in re.findall(rf"`({roots})`", text) if not name.startswith(MADE)]
    assert [str(path) for path in links + files if not path.exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_make_target_that_a_page_names_is_there(page):
    targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"`make ([\w-]+)", page.read_text(encoding="utf-8"))) <= targets


def test_the_changelog_names_the_version():
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    newest = re.search(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert newest[1] == version
