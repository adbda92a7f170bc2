"""What a notebook shows, made harmless: outputs as plain text and checked pictures, text as sanitised markdown."""

import base64
import binascii
import functools
import io

import bleach
from markupsafe import Markup, escape
from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath
from nbformat import NotebookNode
from nbformat.v4 import new_output
from nbgrader.preprocessors import NbGraderPreprocessor
from PIL import Image

from grading.report.page import clean

TEXT = 10_000  # characters of a text
PICTURE, PICTURES = 1_000_000, 4_000_000  # characters of a picture, of all in a notebook
OUTPUTS, SIDE = 30, 4000  # outputs of a cell, pixels of a picture's side
_TAGS = ("a abbr b blockquote br code dd del details dl dt em h3 hr i kbd li ol p pre s strong sub "
         "summary sup table tbody td th thead tr ul").split()


class Passive(NbGraderPreprocessor):
    """Leaves of outputs only plain text and checked pictures, of metadata only nbgrader's and the grader's.

    No grade changes: error outputs all stay. May stand at the end of the autograde preprocessors as well.
    """

    def preprocess(self, nb, resources):
        nb.cells = [cell for cell in nb.cells if cell.cell_type != "raw"]
        nb.metadata = _only(nb.metadata, "kernelspec", "language_info", "course")
        room = PICTURES
        for cell in nb.cells:
            cell.metadata = _only(cell.metadata, "nbgrader", "course")
            cell.pop("attachments", None)
            if cell.cell_type == "code":
                cell.outputs, room = _passive_outputs(cell.outputs, room)
            else:
                cell.pop("outputs", None)
        return nb, resources


def _only(metadata, *keys):
    return NotebookNode({key: metadata[key] for key in keys if isinstance(metadata.get(key), dict)})


def _passive_outputs(outputs, room):
    """Outputs that can do nothing, and how many bytes of pictures are left."""
    kept, few = [], 0
    for output in outputs:
        if output.output_type == "error":
            lines = clean("\n".join(map(str, output.get("traceback", []))), TEXT).split("\n")
            kept.append(new_output("error", ename=clean(output.get("ename", ""), 200),
                                   evalue=clean(output.get("evalue", ""), TEXT), traceback=lines))
            continue
        few += 1
        if few > OUTPUTS:
            continue
        if output.output_type == "stream":
            name = "stderr" if output.get("name") == "stderr" else "stdout"
            kept.append(new_output("stream", name=name, text=clean(output.get("text", ""), TEXT)))
        elif output.output_type in ("display_data", "execute_result"):
            data = {}
            for mime, kind in (("image/png", "PNG"), ("image/jpeg", "JPEG")):
                picture = _picture(output.get("data", {}).get(mime), kind, room) if not data else None
                if picture:
                    data[mime] = picture
                    room -= len(picture)
            text = output.get("data", {}).get("text/plain")
            if isinstance(text, str):
                data["text/plain"] = clean(text, TEXT)
            if data:
                kept.append(new_output(output.output_type, data=data, **_count(output)))
    return kept, room


def _count(output):
    number = output.get("execution_count")
    return {"execution_count": number if isinstance(number, int) else None} \
        if output.output_type == "execute_result" else {}


def _picture(data, kind, room):
    """Base64 of a picture that is what it says and not too large, else None."""
    if not isinstance(data, str) or len(data) > min(PICTURE, room):
        return None
    try:
        content = base64.b64decode(data)
        with Image.open(io.BytesIO(content), formats=[kind]) as picture:
            if max(picture.size) > SIDE:
                return None
    except (binascii.Error, ValueError, OSError, SyntaxError, Image.DecompressionBombError):
        return None
    return base64.b64encode(content).decode()


@functools.lru_cache(maxsize=2000)
def markdown(source):
    """Markdown of anybody as HTML that can do nothing: no scripts, styles, pictures or foreign addresses but links."""
    source = clean(source, TEXT)
    try:
        html = MarkdownWithMath(renderer=_Plain(escape=False, exclude_anchor_links=True)).render(source)
        return Markup(bleach.clean(html, tags=_TAGS, attributes={"a": ["href", "title"]}, strip_comments=True,
                                   protocols=["http", "https", "mailto"]))
    except Exception:  # text made to break the parser is shown as it is
        return Markup("<pre>{}</pre>").format(source)


class _Plain(IPythonRenderer):
    """Pictures become their description (loading one would tell its host who reads), code has no colours, and every
    heading is one of the third order: those above it are the page's own."""

    def heading(self, text, level, **attributes):
        return f"<h3>{text}</h3>\n"

    def image(self, text, url, title=None):
        return str(escape(f"[picture: {text}]" if text else "[picture]"))

    def block_code(self, code, info=None):
        return f"<pre><code>{escape(code)}</code></pre>\n"
