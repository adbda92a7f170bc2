"""`make demo`: the trained model as one page, `build/demo/index.html`, that needs no server and no network."""

import base64
import gzip
import hashlib
import io
import json
import tempfile
from pathlib import Path

from jinja2 import Template

from helpers import export, files, onnx_model, shapes
from helpers.settings import SettingsError
from tools.address import repository
from tools.demo import compact, runtime

PAGE = Path(__file__).parent / "page"
EXAMPLES, FIRST_SEED, EXAMPLE_SIZE = 3, 30_011, (480, 360)


def build(model_file, target):
    """Write the page `target` around `model_file`, ONNX or safetensors as notebook 5 writes them; its size in bytes.

    Raises SettingsError, one line, if the file is no such thing.
    """
    with tempfile.TemporaryDirectory() as folder:
        return write(as_onnx(Path(model_file), Path(folder)), target)


def as_onnx(source, folder):
    """`source` if it is an ONNX file, else what it becomes in `folder`."""
    if not source.is_file():
        raise SettingsError(f"MODEL_FILE: expected a file that notebook 5 wrote, found nothing at {source}; check "
                            "the path")
    if source.suffix == ".onnx":
        return source
    model, card = export.load_model(source)
    onnx_model.save(folder / onnx_model.FILE, model, card["class_names"], card["preprocessing"]["size"],
                    card["palette"])
    return folder / onnx_model.FILE


def write(model_file, target):
    card = onnx_model.load(model_file)[1]
    parts, kept = runtime.parts(), "text/plain"
    blobs = {"runtime": parts["code"], "wasm": as_text(parts["wasm"]),
             "model": packed(compact.smaller(Path(model_file).read_bytes())), "examples": json.dumps(examples(card)),
             "worker": "\n".join([parts["fzstd"], *(text(name) for name in ("files.js", "pixels.js", "worker.js"))])}
    script, style = text("app.js"), text("style.css")
    page = Template(text("index.html")).render(
        policy=policy(script, style), style=style, script=script, version=runtime.VERSIONS["onnxruntime-web"],
        address=f"https://github.com/{repository()}", blobs="\n".join(
            f'<script type="{kept}" id="{name}">{content}</script>' for name, content in blobs.items()))
    with files.atomic(target) as half_done:
        half_done.write_text(page, encoding="utf-8")
    return Path(target).stat().st_size


def text(name):
    return (PAGE / name).read_text(encoding="utf-8")


def policy(script, style):
    """What the browser lets the page do: run these very scripts, and reach nothing."""
    def digest(content):
        return f"'sha256-{base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()}'"
    return ("default-src 'none'; connect-src 'none'; form-action 'none'; base-uri 'none'; img-src blob: data:; "
            f"media-src blob:; worker-src blob:; style-src {digest(style)}; "
            f"script-src {digest(script)} 'wasm-unsafe-eval' blob:")


def packed(content):
    """Bytes, compressed, as text; first the even ones, then the odd ones: the high bytes of numbers are alike."""
    return as_text(gzip.compress(content[0::2] + content[1::2], 9, mtime=0))


def as_text(content):
    """Bytes in base 85, a quarter longer (base64: a third), without the one letter that means something in HTML."""
    return base64.b85encode(content).decode().replace("<", ",")


def examples(card):
    """Pictures to begin with, JPEG in base64: scenes for a model of *shapes*; for others none that we may give away."""
    if card["class_names"] != list(shapes.CLASS_NAMES):
        return []
    found = []
    for number in range(EXAMPLES):
        file = io.BytesIO()
        shapes.draw(FIRST_SEED + number, EXAMPLE_SIZE)[0].save(file, "JPEG", quality=85)
        found.append(base64.b64encode(file.getvalue()).decode())
    return found
