"""The demo page in Chromium: its size, how long it takes, and its labels beside PyTorch's on every validation image."""

import io
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from tqdm import tqdm

from helpers import export, photographs, settings, shapes, voc
from tests.support.demo_page import Demo, chromium, in_python
from tools import demo

MODEL = settings.ROOT / "build" / "course" / settings.MODEL_FILE
MOST_MB, MOST_FIRST, MOST_NEXT = 12, 3.0, 0.5  # megabytes and seconds
OPENED, LARGE = 5, (4000, 3000)


def main():
    if not MODEL.is_file():
        sys.exit("make bench ONLY=demo: expected the model of `make course`, found none; run it first")
    config = settings.load()
    files = [Path(image) for image in voc.prepare(config).open("val").images]
    model, card = export.load_model(MODEL)
    with tempfile.TemporaryDirectory() as folder, chromium() as browser:
        page = Path(folder, "index.html")
        megabytes = demo.build(MODEL, page) / 1e6
        first, labels, following, large = timed(browser, page, files)
        print(f"{config.dataset}, {card['model']}, {card['preprocessing']['size']} px; Chromium {browser.version}")
        show("size of the page", f"{megabytes:.1f} MB", megabytes <= MOST_MB, f"{MOST_MB} MB")
        show("opened until its first mask, median", f"{median(first):.2f} s", median(first) <= MOST_FIRST,
             f"{MOST_FIRST} s")
        show("    slowest of " + str(OPENED), f"{max(first):.2f} s", max(first) <= MOST_FIRST, f"{MOST_FIRST} s")
        show("next image, median", f"{median(following):.3f} s", median(following) <= MOST_NEXT, f"{MOST_NEXT} s")
        show(f"    slowest of {len(files)}", f"{max(following):.3f} s", max(following) <= MOST_NEXT, f"{MOST_NEXT} s")
        print(f"{'a photograph of ' + ' x '.join(map(str, LARGE)):40} {large:.2f} s")
    compare(model, card["preprocessing"]["size"], files, labels)


def timed(browser, page, files):
    """Seconds from opening the page to its first mask, several times; the labels of each file; the seconds from
    choosing it to its mask; those of a large photograph."""
    first = []
    for _ in range(OPENED):
        start = time.perf_counter()
        opened = Demo(browser, page, viewport={"width": 1000, "height": 900})
        if not shapes_inside(opened):
            opened.choose(files[0])
        first.append(time.perf_counter() - start)
        if len(first) < OPENED:
            opened.close()
    labels, following = [], []
    for file in tqdm(files, desc="in the browser", unit="image", leave=False):
        start = time.perf_counter()
        opened.choose(file)
        following.append(time.perf_counter() - start)
        labels.append(opened.mask()[0])
    content = io.BytesIO()
    shapes.draw(0, LARGE)[0].save(content, "JPEG", quality=90)
    start = time.perf_counter()
    opened.choose({"name": "large.jpg", "mimeType": "image/jpeg", "buffer": content.getvalue()})
    large = time.perf_counter() - start
    opened.close()
    return first, labels, following, large


def shapes_inside(opened):
    """Whether the page begins with an example of its own."""
    return opened.page.locator("#example").is_visible()


def compare(model, size, files, found):
    """Print on how many images, and in how many pixels, page and PyTorch agree."""
    same = pixels = differ = no_tie = 0
    for file, labels in tqdm(list(zip(files, found)), desc="in PyTorch", unit="image", leave=False):
        expected, tie = in_python(model, photographs.open_photograph(file), size)
        other = labels != expected
        same += not other.any()
        pixels, differ, no_tie = pixels + other.size, differ + other.sum(), no_tie + (other & ~tie).sum()
    print(f"labels as PyTorch's: {same} of {len(files)} images to the last pixel, {pixels - differ:,} of {pixels:,} "
          f"pixels; {no_tie} of the others without a tie")


def show(what, value, reached, most):
    print(f"{what:40} {value:>8}   at most {most}: {'reached' if reached else 'NOT reached'}")


if __name__ == "__main__":
    main()
