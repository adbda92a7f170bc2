"""The demo page in Firefox: its labels are Python's there too."""

import base64
import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from helpers import photographs, shapes
from tests.support import firefox
from tests.support.demo_page import SIZE, in_python

pytestmark = pytest.mark.xdist_group("onnx")
WAIT = """new Promise(done => setInterval(() => {{
    const says = document.querySelector("#status").textContent;
    if (document.documentElement.dataset.ready && says.includes({name!r}) && !says.includes("…")) done(says);
}}, 20))"""
MASK = """new Promise(done => {
    const make = URL.createObjectURL;
    URL.createObjectURL = blob => {
        URL.createObjectURL = make;
        const reader = new FileReader();
        reader.onload = () => done(reader.result);
        reader.readAsDataURL(blob);
        return "";
    };
    document.querySelector("#save-mask").click();
})"""


def test_the_page_gives_pythons_labels_in_firefox(exported, demo_file, tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    shapes.draw(1, (90, 113))[0].save(tmp_path / "small.jpg", quality=95)
    shapes.draw(2, (641, 480))[0].save(tmp_path / "upright.jpg", quality=90, exif=exif)
    shapes.draw(3, (400, 300))[0].save(tmp_path / "large.png")
    (tmp_path / "paper.pdf").write_bytes(b"%PDF-1.7")
    (tmp_path / "profile").mkdir()
    with firefox.opened(demo_file.as_uri(), tmp_path / "profile") as tab:
        tab.evaluate(WAIT.format(name="example-1.jpg"))
        for name in ("small.jpg", "upright.jpg", "large.png"):
            photograph = photographs.open_photograph(tmp_path / name)
            tab.choose("#choose", tmp_path / name)
            said = tab.evaluate(WAIT.format(name=name))
            assert f"{name}, {photograph.width} × {photograph.height} pixels: " in said
            content = base64.b64decode(tab.evaluate(MASK).partition(",")[2])
            with Image.open(io.BytesIO(content)) as mask:
                found = np.array(mask)
            expected, tie = in_python(exported[0], photograph, SIZE)
            assert not ((found != expected) & ~tie).any() and (found != expected).mean() < 1e-3
        tab.choose("#choose", Path(tmp_path, "paper.pdf"))
        assert "but a PDF." in tab.evaluate(WAIT.format(name="paper.pdf"))
