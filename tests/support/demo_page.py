"""The demo page in a real browser, used as a person does, and what Python says of the same picture."""

import shutil
from contextlib import contextmanager

import numpy as np
import torch
from PIL import Image
from playwright import sync_api as playwright

from helpers import models, onnx_model, photographs, pretrained, shapes
from helpers.onnx_model import TIE
from helpers.transforms import eval_transform, fitted
from tests.support import missing

PATIENCE = 60_000  # milliseconds
NAMES, PALETTE, SIZE = shapes.CLASS_NAMES, shapes.PALETTE.tolist(), 128
FAKE_CAMERA = ("--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream")


def trained(folder):
    """A model of the course with its pretrained weights and the ONNX file of it in `folder`."""
    torch.manual_seed(0)
    name = "lraspp_mobilenet_v3_large"
    model = models.create(name, len(NAMES), pretrained.own(name)).eval()
    onnx_model.save(folder / onnx_model.FILE, model, NAMES, SIZE, PALETTE)
    return model, folder / onnx_model.FILE


@contextmanager
def chromium():
    found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if not found:
        missing("no chromium or chrome on PATH")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=found, args=["--no-sandbox", "--disable-gpu", *FAKE_CAMERA])
        yield browser
        browser.close()


class Demo:
    """The page at a path, opened from the disk without a network, ready when this returns."""

    def __init__(self, browser, path, **options):
        self.context = browser.new_context(offline=True, **options)
        self.page = self.context.new_page()
        self.page.set_default_timeout(PATIENCE)
        self.path, self.requests, self.errors = path, [], []
        self.context.on("request", lambda request: self.requests.append(request))
        self.page.on("pageerror", lambda error: self.errors.append(error))
        self.page.goto(path.as_uri())
        self.page.locator("html[data-ready]").wait_for(state="attached")

    @property
    def left(self):
        """The addresses that were asked for outside the page and its file; what its policy stopped was not."""
        return [request.url for request in self.requests if not request.url.startswith("blob:")
                and request.url != self.path.as_uri() and request.failure != "csp"]

    @property
    def says(self):
        return self.page.locator("#status").inner_text().replace("\xa0", " ")

    def choose(self, *files, into="#choose"):
        """Choose files one after the other; what the page says of the last."""
        for file in files:
            name = file["name"] if isinstance(file, dict) else file.name
            self.page.set_input_files(into, file)
            self.page.locator("#status", has_text=f"{name}").filter(has_not_text="…").wait_for()
        return self.says

    def mask(self):
        """What *Save the mask* saves: class indices UInt8[H, W] and the palette, UInt8[256, 3]."""
        with self.page.expect_download() as download:
            self.page.locator("#save-mask").click()
        with Image.open(download.value.path()) as image:
            assert image.mode == "P"
            return np.array(image), np.array(image.getpalette(), np.uint8).reshape(-1, 3)

    def close(self):
        self.context.close()


def in_python(model, photograph, size):
    """What `photographs.segment` says, UInt8[H, W], and where that is a tie, Bool[H, W]."""
    shape = photograph.height, photograph.width
    labels = photographs.segment(model, photograph, size)
    image, _ = eval_transform(size)(photograph, Image.new("L", photograph.size))
    height, width = fitted(shape, size)
    logits = photographs.logits_of(model, image)[None, :, :height, :width]
    large = torch.nn.functional.interpolate(logits, shape, mode="bilinear")[0]
    first, second = large.topk(2, 0)[0]
    return labels.numpy(), (first - second < TIE).numpy()
