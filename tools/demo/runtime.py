"""ONNX Runtime Web, which runs an ONNX file in a browser: pinned, and here, so the page is built without a network.

`python -m tools.demo.fetch` brings it from npm.
"""

from pathlib import Path

FOLDER = Path(__file__).parent / "runtime"
VERSIONS = {"onnxruntime-web": "1.30.0", "fzstd": "0.1.1"}


def parts():
    """The code of ONNX Runtime Web, its compressed WebAssembly (bytes), and the code that decompresses it."""
    return {"code": (FOLDER / "ort.mjs").read_text(encoding="utf-8"), "wasm": (FOLDER / "ort.wasm.zst").read_bytes(),
            "fzstd": (FOLDER / "fzstd.js").read_text(encoding="utf-8")}
