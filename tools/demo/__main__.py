"""`make demo`: write build/demo/index.html around a trained model."""

import argparse
import sys
from pathlib import Path

from helpers import onnx_model, settings
from helpers.settings import SettingsError, show
from tools import demo

COURSE = settings.ROOT / "build" / "course"


def main(arguments=None):
    parser = argparse.ArgumentParser(prog="make demo")
    parser.add_argument("--model", type=Path, metavar="MODEL_FILE",
                        help="model.onnx or model.safetensors of notebook 5 (those of build/course)")
    parser.add_argument("--to", type=Path, default=settings.ROOT / "build" / "demo" / "index.html", metavar="PAGE")
    options = parser.parse_args(arguments)
    try:
        source = options.model or chosen()
        size = demo.build(source, options.to)
    except SettingsError as error:
        sys.exit(f"make demo: {error}")
    print(f"{show(options.to)}: {size / 1e6:.1f} MB, with {show(source)} inside. Open it in a browser; it needs no "
          "server and no network.")


def chosen():
    """The model that `make course` has left."""
    found = [COURSE / name for name in (onnx_model.FILE, settings.MODEL_FILE) if (COURSE / name).is_file()]
    if not found:
        raise SettingsError(f"model: expected {onnx_model.FILE} or {settings.MODEL_FILE} in {show(COURSE)}, found "
                            "neither; run `make course` first, or give MODEL_FILE=file")
    return max(found, key=lambda path: (path.stat().st_mtime, path.name == onnx_model.FILE))


if __name__ == "__main__":
    main()
