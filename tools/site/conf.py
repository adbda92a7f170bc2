"""Sphinx's configuration of the site. Nothing in it is fetched, while it is built or when it is read."""

import importlib
import inspect
import json
import os
import re

from docutils.nodes import SkipNode, container, image
from docutils.utils.math.latex2mathml import tex2mathml

from tools.address import repository

REPOSITORY = f"https://github.com/{repository()}"

project = "Semantic segmentation with PyTorch"
author = "the course's authors"
language = "en"
highlight_language = "none"
extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.linkcode"]
exclude_patterns = ["README.md"]  # parts of it are shown on pages of the site

nb_execution_mode = "off"  # the outputs are those that solutions/ has stored
nb_ipywidgets_js = {}  # explorers are shown as stills; the default would load scripts from elsewhere
nb_mime_priority_overrides = [("html", "text/html", 0)]
nb_code_prompt_show = "Show: {type}"
myst_enable_extensions = ["attrs_block", "colon_fence", "dollarmath"]
myst_heading_anchors = 3
html_math_renderer = "mathml"  # browsers draw it themselves: no script, no fonts

autodoc_inherit_docstrings = False
autodoc_member_order = "bysource"
autodoc_default_options = {"members": True}
add_module_names = False

html_theme = "sphinx_book_theme"
html_title = project
html_baseurl = "https://{}.github.io/{}/".format(*repository().split("/"))
html_sidebars = {"**": ["home-link.html", "search-open.html", "sbt-sidebar-nav.html"]}
templates_path = ["templates"]
html_static_path = ["static"]
html_css_files = ["site.css"]
html_favicon = "static/mark.svg"
html_context = {"default_mode": "auto"}
html_copy_source = html_use_index = html_domain_indices = False
html_show_sphinx = False
html_theme_options = {
    "repository_url": REPOSITORY,
    "repository_branch": "main",
    "use_repository_button": True,
    "use_download_button": False,
    "launch_buttons": {"colab_url": "https://colab.research.google.com"},
    "use_fullscreen_button": False,
    "navbar_persistent": [],
    "show_toc_level": 2,
    "search_bar_text": "Search the course",
    "toc_title": "On this page",
    "extra_footer": f'<p><a href="{REPOSITORY}/blob/main/LICENSE">MIT licence</a></p>',
    "footer_content_items": "extra-footer.html",
}


def linkcode_resolve(domain, info):
    """Where a helper's code is to be read: its lines in the repository."""
    found = importlib.import_module(info["module"])
    for name in info["fullname"].split("."):
        found = getattr(found, name, None)
    try:
        lines, first = inspect.getsourcelines(found)
    except TypeError:  # a field of a dataclass has no lines
        return None
    path = info["module"].replace(".", "/")
    return f"{REPOSITORY}/blob/main/{path}.py#L{first}-L{first + len(lines) - 1}"


def as_rst(app, what, name, object, options, lines):
    """The course's docstrings are plain text with `code` in it; reST wants other marks."""
    out, before = [], ""
    for line in lines:
        if line.startswith("    "):
            out += [] if before else ["::", ""]
        else:
            parts = re.split(r"(`[^`]+`)", line)
            line = "".join(f"`{part}`" if number % 2 else re.sub(r"([\\*|_])", r"\\\1", part)
                           for number, part in enumerate(parts))
        out.append(line)
        before = before if line.startswith("    ") and before == "    " else line[:4] if line.startswith("    ") else ""
    lines[:] = out


def describe_figures(app, doctree):
    """Give each figure of a notebook its description, which is stored beside it as text."""
    path = os.fspath(app.env.doc2path(app.env.docname))
    if path.endswith(".ipynb"):
        with open(path, encoding="utf-8") as file:
            cells = json.load(file)["cells"]
        texts = ["".join(output["data"]["text/plain"]) for cell in cells for output in cell.get("outputs", [])
                 if "image/png" in output.get("data", {})]
        figures = [node for output in doctree.findall(container) if output.get("nb_element") == "cell_code_output"
                   for node in output.findall(image)]
        for node, text in zip(figures, texts, strict=True):
            node["alt"] = text


def say_what_is_seen(app, page, template, context, doctree):
    """The theme's HTML tells a screen reader what others see: no head without words, no other name for a fold."""
    for mark, instead in (('<th class="head"><p></p></th>', '<td class="head"></td>'),
                          ('<summary aria-label="Toggle hidden content">', "<summary>")):
        context["body"] = context.get("body", "").replace(mark, instead)


def write_math(as_block):
    def visit(translator, node):
        translator.body.append(tex2mathml(node.astext(), as_block))
        raise SkipNode
    return visit


def setup(app):
    app.add_html_math_renderer("mathml", (write_math(False), None), (write_math(True), None))
    app.connect("autodoc-process-docstring", as_rst)
    app.connect("html-page-context", say_what_is_seen)
    app.connect("doctree-read", describe_figures)
