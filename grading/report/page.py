"""What the pages for people share: escaping, code in colour, one self-contained file that runs nothing foreign."""

import base64
import functools
import hashlib
import re
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import PythonLexer

from grading.report.words import first, shortened

TEMPLATES = Path(__file__).parent / "templates"
# what turns, hides or splits text: controls, directional marks and overrides, separators
_UNSEEN = re.compile("[\x00-\x08\x0b-\x1a\x1c-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]")
_SIGNS = re.compile(r"(?<=[>\w;])[^\w\s<>&;\"]+(?=[\w<])")  # in a text: a tag of pygments has none such
_FORMATTER = HtmlFormatter(nowrap=True)


def clean(text, most=300):
    """`text` without characters that turn or hide it, at most `most` characters of it in whole words."""
    text = str(text).replace("\r\n", "\n").replace("\r", "\n")
    return shortened(_UNSEEN.sub("\N{REPLACEMENT CHARACTER}", text), most)


@functools.lru_cache(maxsize=2000)
def code(source, most=20_000):
    """Python in colour, as safe HTML for a <pre>; a line that is too long breaks behind a sign, not in a word."""
    html = highlight(clean(source, most), PythonLexer(stripnl=False), _FORMATTER)
    return Markup(_SIGNS.sub(r"\g<0><wbr>", html))


def points(number):
    """12 for 12.0, 2.5 for 2.5."""
    return f"{float(number or 0):.4g}"


def render(template, script="", templates=TEMPLATES, **context):
    """The page that a template makes; only the styles in templates/page.css and `script` may act in it."""
    style = _style()
    policy = ("default-src 'none'; base-uri 'none'; form-action 'none'; img-src data:; "
              f"style-src {_digest(style)}" + (f"; script-src {_digest(script)}" if script else ""))
    html = _environment(templates).get_template(template).render(
        style=Markup(style), script=Markup(script), policy=policy, **context)
    return html.encode("utf-8", "replace").decode("utf-8")  # half a character, as "\ud800", cannot be written


@functools.cache
def _environment(templates):
    environment = Environment(loader=FileSystemLoader(templates), autoescape=True, undefined=StrictUndefined,
                              trim_blocks=True, lstrip_blocks=True, finalize=_finalize)
    environment.filters.update(clean=clean, code=code, points=points, first=first)
    return environment


def _finalize(value):
    """Every text that a template shows is clean, also where its author forgot to ask for it."""
    return clean(value, 20_000) if isinstance(value, str) and not isinstance(value, Markup) else value


@functools.cache
def _style():
    return (TEMPLATES / "page.css").read_text(encoding="utf-8")


def _digest(text):
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
