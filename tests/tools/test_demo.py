"""`make demo` from the command line, what it puts into the page, and the copy of ONNX Runtime Web that it takes."""

import base64
import gzip

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from tools import demo
from tools.demo import __main__ as command
from tools.demo import compact, runtime


@pytest.mark.parametrize("arguments, said", [
    ([], "model: expected model.onnx or model.safetensors in .*, found neither; run `make course` first"),
    (["--model", "nothing.onnx"], "MODEL_FILE: expected a file that notebook 5 wrote, found nothing"),
    (["--model", "text.safetensors"], "model file: .*; run notebook 5 to its end again"),
    (["--model", "text.onnx"], "model file: expected an ONNX file that notebook 5 wrote")])
def test_what_is_missing_or_wrong_is_one_line_and_no_page_is_written(tmp_path, monkeypatch, arguments, said):
    for name in ("text.safetensors", "text.onnx"):
        (tmp_path / name).write_text("no model")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(command, "COURSE", tmp_path / "course")
    with pytest.raises(SystemExit, match=f"make demo: {said}") as stop:
        command.main([*arguments, "--to", "page.html"])
    assert "\n" not in str(stop.value) and not (tmp_path / "page.html").exists()


def test_the_newest_model_of_the_course_is_taken(tmp_path, monkeypatch):
    monkeypatch.setattr(command, "COURSE", tmp_path)
    (tmp_path / "model.safetensors").touch()
    assert command.chosen().name == "model.safetensors"
    (tmp_path / "model.onnx").touch()
    assert command.chosen().name == "model.onnx"


def test_large_weights_are_kept_to_a_65_thousandth_and_small_ones_exactly():
    rng = np.random.default_rng(0)
    large, small = (rng.normal(size=(count, 100, 3, 3)).astype(np.float32) for count in (40, 2))
    large[3] *= 1000
    large[4] = 0
    names = {"large": large, "small": small}
    graph = helper.make_graph(
        [helper.make_node("Conv", ["image", name], [f"{name}.out"]) for name in names], "two",
        [helper.make_tensor_value_info("image", onnx.TensorProto.FLOAT, (1, 100, 8, 8))],
        [helper.make_tensor_value_info(f"{name}.out", onnx.TensorProto.FLOAT, (1, len(value), 6, 6))
         for name, value in names.items()],
        [numpy_helper.from_array(value, name) for name, value in names.items()])
    content = helper.make_model(graph).SerializeToString()
    smaller = compact.smaller(content)
    model = onnx.load_model_from_string(smaller)
    onnx.checker.check_model(model)
    kept = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    assert np.array_equal(kept["small"], small) and len(smaller) < 0.6 * len(content)
    off = np.abs(kept["large.whole"] * kept["large.scale"] - large).max((1, 2, 3))
    assert (off <= np.abs(large).max((1, 2, 3)) / 65_534 * 1.01).all() and off[3] > off[0] > off[4] == 0


def test_packed_bytes_are_text_that_html_leaves_alone():
    content = bytes(range(256)) * 3 + b"</script><!--"
    text = demo.packed(content)
    assert not set(text) & set("<\"'\\\n\r\0")
    shuffled = gzip.decompress(base64.b85decode(text.replace(",", "<")))
    half = -(-len(content) // 2)
    back = bytearray(len(content))
    back[0::2], back[1::2] = shuffled[:half], shuffled[half:]
    assert bytes(back) == content


def test_the_runtime_is_the_pinned_one_and_ends_no_script():
    parts = runtime.parts()
    assert f"ONNX Runtime Web v{runtime.VERSIONS['onnxruntime-web']}" in parts["code"][:200]
    assert parts["wasm"][:4] == b"\x28\xb5\x2f\xfd"  # zstd
    for name in ("code", "fzstd"):
        assert "</script" not in parts[name] and "<!--" not in parts[name]
    assert "MIT License" in (runtime.FOLDER / "fzstd.LICENSE").read_text()
