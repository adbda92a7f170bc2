"""The demo page in a real browser, without a network: its labels are Python's, and people get what they expect."""

import io
import re

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import expect

from helpers import onnx_model, photographs, shapes
from tests.helpers.test_onnx_model import CARD, tiny
from tests.support import axe
from tests.support.demo_page import NAMES, PALETTE, SIZE, Demo, chromium, in_python
from tools import demo

pytestmark = pytest.mark.xdist_group("onnx")


@pytest.fixture(scope="module")
def browser():
    with chromium() as found:
        yield found


@pytest.fixture(scope="module")
def opened(browser, demo_file):
    """The page, shared by the tests that leave it as good as they found it."""
    page = Demo(browser, demo_file, viewport={"width": 1000, "height": 900}, accept_downloads=True)
    yield page
    page.close()


def file(picture, name, **save):
    content = io.BytesIO()
    picture.save(content, Image.registered_extensions()[f".{name.rpartition('.')[2]}"], **save)
    return {"name": name, "mimeType": "", "buffer": content.getvalue()}


def scene(seed, size):
    return shapes.draw(50_000 + seed, size)[0]


def turned(orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif


def transparent():
    picture = scene(7, (300, 200)).convert("RGBA")
    picture.putalpha(Image.fromarray(np.where(np.arange(300) < 150, 255, 0).astype(np.uint8)[None].repeat(200, 0)))
    return picture


PICTURES = {
    "small and grown.jpg": lambda name: file(scene(1, (90, 113)), name, quality=95),
    "shrunk.png": lambda name: file(scene(2, (641, 480)), name),
    "large.jpg": lambda name: file(scene(3, (2000, 1500)), name, quality=90),
    "upright.jpg": lambda name: file(scene(4, (320, 240)), name, exif=turned(6)),
    "mirrored.jpg": lambda name: file(scene(4, (320, 240)), name, exif=turned(5)),
    "grey.png": lambda name: file(scene(5, (200, 200)).convert("L"), name),
    "palette.gif": lambda name: file(scene(6, (128, 96)).quantize(32), name),
    "transparent.png": lambda name: file(transparent(), name),
    "thin.png": lambda name: file(scene(8, (400, 3)), name),
    "one pixel.png": lambda name: file(scene(9, (1, 1)), name),
}


@pytest.mark.parametrize("name", PICTURES)
def test_a_picture_of_any_kind_gives_the_labels_that_python_gives(opened, exported, name):
    picture = PICTURES[name](name)
    photograph = photographs.open_photograph(picture["buffer"])
    said = opened.choose(picture)
    assert f"{name}, {photograph.width} × {photograph.height} pixels: " in said
    found, palette = opened.mask()
    expected, tie = in_python(exported[0], photograph, SIZE)
    assert found.shape == expected.shape and palette[:len(PALETTE)].tolist() == PALETTE
    assert not ((found != expected) & ~tie).any() and (found != expected).mean() < 1e-3
    shares = {name: (expected == value).mean() for value, name in enumerate(NAMES) if (expected == value).any()}
    rows = opened.page.locator("#shares tr")
    assert rows.count() == len(shares)
    for name, share in shares.items():
        shown = rows.filter(has_text=name).inner_text().replace("\xa0", " ")
        assert "under 1 %" in shown if share < 0.01 else abs(int(re.search(r"(\d+) %", shown)[1]) - 100 * share) < 0.6


@pytest.mark.parametrize("name, content, found", [
    ("paper.pdf", b"%PDF-1.7", "a PDF"), ("photo.jpg", b"%PDF-1.7 renamed", "a PDF"),
    ("empty.png", b"", "an empty file"), ("drawing.svg", b"<svg xmlns='x'/>", "an SVG drawing"),
    ("phone.heic", b"\0\0\0\x18ftypheic\0\0\0\0", "HEIC (as iPhones save photographs) or a video"),
    ("half.jpg", b"\xff\xd8\xff\xe0\0\x10JFIF", "a damaged one"), ("notes.txt", b"hello", "something else")])
def test_what_is_no_picture_is_named_and_the_last_one_stays(opened, name, content, found):
    opened.choose(file(scene(0, (90, 60)), "before.png"))
    said = opened.choose({"name": name, "mimeType": "", "buffer": content})
    assert said.startswith(f"{name}: ") and f"but {found}." in said
    expect(opened.page.locator("#status")).to_have_class("error")
    assert opened.mask()[0].shape == (60, 90)


def test_a_picture_can_be_dropped_and_pasted_and_an_address_is_explained(opened):
    content = list(file(scene(1, (120, 80)), "a.png")["buffer"])
    give = """([event, bytes, name]) => {
        const data = new DataTransfer();
        if (name) data.items.add(new File([new Uint8Array(bytes)], name, {type: "image/png"}));
        else data.setData("text/plain", "https://example.org/a.png");
        const Kind = event === "drop" ? DragEvent : ClipboardEvent;
        document.dispatchEvent(new Kind(event, {cancelable: true, dataTransfer: data, clipboardData: data}));
    }"""
    for event, name, said in (("drop", "dropped.png", "dropped.png, 120 × 80 pixels"),
                              ("paste", "image.png", "image.png, 120 × 80 pixels"),
                              ("drop", "", "Drop a file"), ("paste", "", "no picture on the clipboard")):
        opened.page.evaluate(give, [event, content, name])
        expect(opened.page.locator("#status")).to_contain_text(said)


def test_a_pixel_is_read_with_the_mouse_and_with_the_keyboard(opened, exported):
    photograph = scene(2, (400, 300))
    opened.choose(file(photograph, "b.png"))
    labels, _ = in_python(exported[0], photograph, SIZE)
    stage, says = opened.page.locator("#stage"), opened.page.locator("#pixel")
    box = stage.locator("#picture").bounding_box()
    for x, y in ((0.25, 0.5), (0.7, 0.3)):
        opened.page.mouse.move(box["x"] + x * box["width"], box["y"] + y * box["height"])
        found = re.match(r"Pixel (\d+), (\d+): (\w+), probability (\d+|under 1)\s%; next \w+, ", says.inner_text())
        column, row = int(found[1]), int(found[2])
        assert abs(column - 400 * x) <= 2 and abs(row - 300 * y) <= 2 and found[3] == NAMES[labels[row, column]]
    opened.page.mouse.move(0, 0)
    stage.focus()
    for key, place in (("ArrowRight", 4), ("Shift+ArrowRight", 40), ("ArrowLeft", -4)):
        before = int(re.match(r"Pixel (\d+)", says.inner_text())[1])
        opened.page.keyboard.press(key)
        assert abs(int(re.match(r"Pixel (\d+)", says.inner_text())[1]) - before - place) <= 1


def test_the_mask_fades_and_the_picture_under_it_is_saved(opened):
    photograph = scene(2, (400, 300))
    opened.choose(file(photograph, "holiday.png"))
    slider = opened.page.get_by_label("Opacity of the mask")
    slider.fill("0")
    expect(opened.page.locator("#mask")).to_have_css("opacity", "0")
    with opened.page.expect_download() as download:
        opened.page.get_by_role("button", name="Save the picture").click()
    assert download.value.suggested_filename == "holiday-overlay.jpg"
    with Image.open(download.value.path()) as saved:
        bare = np.array(saved, dtype=float)
    assert bare.shape == (300, 400, 3) and np.abs(bare - np.array(photograph, dtype=float)).mean() < 8
    slider.fill("100")
    with opened.page.expect_download() as download:
        opened.page.get_by_role("button", name="Save the picture").click()
    labels = opened.mask()[0]
    with Image.open(download.value.path()) as saved:
        covered = np.array(saved, dtype=float)
    inside = labels > 0
    assert np.abs(covered[inside] - np.array(PALETTE)[labels[inside]]).mean() < 12
    slider.fill("60")


def test_another_model_takes_over_and_a_broken_one_does_not(browser, demo_file):
    page = Demo(browser, demo_file)
    page.choose(file(scene(1, (64, 48)), "a.png"))
    for name, content, said in (
            ("model.safetensors", b"{}", "This is no model.onnx that notebook 5 wrote"),
            ("broken.onnx", b"garbage", "This is no model.onnx that notebook 5 wrote"),
            ("bare.onnx", tiny({}), "it has no class names, palette and preprocessing in it"),
            ("odd.onnx", tiny(CARD, (1, 2, 64, 64)), "This is no model.onnx")):
        assert said in page.choose({"name": name, "mimeType": "", "buffer": content}, into="#other")
        page.choose(file(scene(1, (64, 48)), "again.png"))
    content = tiny(CARD | {"palette": "[[0, 0, 0], [9, 8, 7]]"})
    page.page.set_input_files("#other", {"name": "cats.onnx", "mimeType": "", "buffer": content})
    expect(page.page.locator("#status")).to_contain_text("again.png, 64 × 48 pixels: ")
    expect(page.page.locator("#card")).to_contain_text("2 classes: background, cat")
    labels, palette = page.mask()
    assert labels.max() <= 1 and palette[1].tolist() == [9, 8, 7]
    assert not page.errors
    page.close()


def test_the_camera_is_looked_through_and_a_frame_is_kept(browser, demo_file):
    page = Demo(browser, demo_file)
    button = page.page.locator("#camera")
    button.click()
    expect(page.page.locator("#status")).to_have_text("The camera is on. What it sees stays on your device.")
    expect(page.page.locator("#time")).to_contain_text("ms in the model")
    expect(button).to_have_attribute("aria-pressed", "true")
    page.page.wait_for_timeout(300)
    button.click()
    expect(page.page.locator("#status")).to_contain_text("The camera is off. In its last picture: ")
    assert min(page.mask()[0].shape) >= 240 and not page.errors
    page.close()


def test_nothing_leaves_the_page_and_it_is_small(opened, demo_file):
    assert demo_file.stat().st_size < 12e6
    assert opened.left == [] and opened.errors == []
    outside = opened.page.evaluate("""() => Promise.all([
        fetch("https://example.org/x").then(() => "sent", () => "stopped"),
        new Promise(done => { const image = new Image(); image.onload = () => done("sent");
            image.onerror = () => done("stopped"); image.src = "https://example.org/y.png"; })])""")
    assert outside == ["stopped", "stopped"]
    assert opened.left == []  # the page's own policy stopped them before the network


@pytest.mark.parametrize("scheme, width", [("light", 1000), ("dark", 1000), ("dark", 360)])
def test_everybody_can_use_it_in_light_and_dark_and_on_a_phone(browser, demo_file, scheme, width):
    page = Demo(browser, demo_file, color_scheme=scheme, viewport={"width": width, "height": 800}, bypass_csp=True)
    page.page.locator("summary").click()
    page.page.evaluate(axe.script())
    found = page.page.evaluate("axe.run()")["violations"]
    assert [f"{rule['id']}: {node['html'][:100]}" for rule in found for node in rule["nodes"]] == []
    assert page.page.evaluate("document.documentElement.scrollWidth") <= width
    page.close()


def test_the_keyboard_reaches_everything_in_the_order_of_reading(opened):
    opened.choose(file(scene(1, (64, 48)), "a.png"))
    opened.page.evaluate("document.activeElement.blur(), window.scrollTo(0, 0)")
    opened.page.locator("h1").click()
    order = []
    for _ in range(8):
        opened.page.keyboard.press("Tab")
        order.append(opened.page.evaluate("document.activeElement.id || document.activeElement.tagName"))
    assert order == ["choose", "camera", "example", "stage", "opacity", "save-overlay", "save-mask", "SUMMARY"]


def test_a_model_of_other_classes_begins_without_an_example(browser, tmp_path):
    (tmp_path / onnx_model.FILE).write_bytes(tiny(CARD))
    demo.build(tmp_path / onnx_model.FILE, tmp_path / "index.html")
    page = Demo(browser, tmp_path / "index.html")
    assert page.says == "The model is ready."
    expect(page.page.locator("#example")).to_be_hidden()
    page.close()
