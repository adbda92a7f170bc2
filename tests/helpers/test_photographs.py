"""Photographs of every kind, and label maps at their own size."""

import io
import struct
import zlib

import numpy as np
import pytest
import torch
from PIL import Image
from torch.nn.functional import interpolate

from helpers import models, photographs, transforms
from helpers.settings import SettingsError

RED, BLUE = (200, 30, 40), (20, 60, 190)


def picture(width=64, height=40):
    """The left half red, the right half blue."""
    image = Image.new("RGB", (width, height), BLUE)
    image.paste(RED, (0, 0, width // 2, height))
    return image


def saved(image, kind="PNG", **options):
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def close(colour, expected, within=12):
    return all(abs(one - other) <= within for one, other in zip(colour, expected, strict=True))


@pytest.mark.parametrize("kind, mode", [("JPEG", "RGB"), ("JPEG", "CMYK"), ("PNG", "RGB"), ("PNG", "RGBA"),
                                        ("PNG", "P"), ("WEBP", "RGB"), ("GIF", "P"), ("BMP", "RGB"), ("TIFF", "RGB"),
                                        ("TIFF", "CMYK"), ("TIFF", "LAB"), ("PPM", "RGB")])
def test_every_kind_of_file_and_mode_gives_the_same_colours(kind, mode):
    if mode == "LAB":
        from PIL import ImageCms
        lab = ImageCms.profileToProfile(picture(), ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"),
                                        outputMode="LAB")
        content = saved(lab, kind)
    else:
        content = saved(picture().convert(mode), kind)
    image = photographs.open_photograph(content)
    assert (image.mode, image.size) == ("RGB", (64, 40))
    assert close(image.getpixel((10, 20)), RED, 40) and close(image.getpixel((54, 20)), BLUE, 40)


@pytest.mark.parametrize("mode", ["1", "L", "I;16", "I", "F"])
def test_grey_images_of_any_depth_go_from_dark_to_bright(mode):
    values = np.repeat(np.linspace(0, 1, 65, dtype=np.float32)[None], 40, 0)
    if mode in ("1", "L"):
        content = saved(Image.fromarray((255 * values).round().astype(np.uint8)).convert(mode))
    elif mode == "I;16":
        content = saved(Image.fromarray((4095 * values).astype(np.uint16)))  # a camera of 12 bits
        assert Image.open(io.BytesIO(content)).mode == "I;16"
    else:
        content = saved(Image.fromarray(1e6 * values).convert(mode), "TIFF")
    image = photographs.open_photograph(content)
    assert image.mode == "RGB" and image.getpixel((0, 20)) == (0, 0, 0)
    assert close(image.getpixel((64, 20)), (255, 255, 255), 1)
    middle = np.asarray(image)[:, 28:37].mean()  # black and white dots in the image of one bit
    assert abs(middle - 127.5) < 3


def transparent(mode):
    """Nothing at the left, black at the right."""
    image = Image.new("RGBA", (64, 40), (0, 0, 0, 0))
    image.paste((0, 0, 0, 255), (32, 0, 64, 40))
    if mode == "P":
        return saved(image.quantize())
    if mode == "RGB":  # one colour stands for nothing
        flat = Image.new("RGB", (64, 40), (9, 9, 9))
        flat.paste((0, 0, 0), (32, 0, 64, 40))
        return saved(flat, transparency=(9, 9, 9))
    return saved(image.convert(mode))


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P", "RGB"])
def test_what_is_transparent_becomes_white(mode):
    image = photographs.open_photograph(transparent(mode))
    assert image.getpixel((10, 20)) == (255, 255, 255) and close(image.getpixel((54, 20)), (0, 0, 0))


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_a_photograph_is_upright_however_the_camera_was_held(orientation, kind):
    undo = {2: "FLIP_LEFT_RIGHT", 3: "ROTATE_180", 4: "FLIP_TOP_BOTTOM", 5: "TRANSPOSE", 6: "ROTATE_90",
            7: "TRANSVERSE", 8: "ROTATE_270"}
    image = picture()
    if orientation > 1:
        image = image.transpose(Image.Transpose[undo[orientation]])
    exif = Image.Exif()
    exif[0x0112] = orientation
    opened = photographs.open_photograph(saved(image, kind, exif=exif))
    assert opened.size == (64, 40)
    assert close(opened.getpixel((10, 20)), RED) and close(opened.getpixel((54, 20)), BLUE)


def test_damaged_exif_data_cost_no_photograph(monkeypatch):
    exif = Image.Exif()
    exif[0x0112] = 6
    content = saved(picture().transpose(Image.Transpose.ROTATE_90), "JPEG", exif=exif)

    def damaged(*_):  # as with a camera's name that is a number
        raise struct.error("required argument is not an integer")
    monkeypatch.setattr(Image.Exif, "tobytes", damaged)
    opened = photographs.open_photograph(content)
    assert opened.size == (64, 40) and close(opened.getpixel((10, 20)), RED)


def test_a_path_serves_as_well_as_bytes(tmp_path, monkeypatch):
    (tmp_path / "cat.png").write_bytes(saved(picture()))
    monkeypatch.setenv("HOME", str(tmp_path))
    for path in (tmp_path / "cat.png", str(tmp_path / "cat.png"), "~/cat.png"):
        assert photographs.open_photograph(path).size == (64, 40)


def bomb(width, height):
    """A small PNG that says it is large."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


NOT_IMAGES = [
    ("a PDF", b"%PDF-1.7\n%\xe2\xe3"),
    ("HEIC (as iPhones save photographs) or a video", b"\0\0\0\x18ftypheic\0\0\0\0mif1heic"),
    ("a video", b"\0\0\0\x18ftypisom\0\0\2\0"),
    ("an SVG drawing", b"<svg xmlns='http://www.w3.org/2000/svg'/>"),
    ("a web page", b"<!DOCTYPE html><p>404"),
    ("a zip archive or an office document", b"PK\3\4\x14\0"),
    ("an empty file", b""),
    ("something else", bytes(range(256))),
    ("something else", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n"),  # Pillow would run a program for it
    ("a damaged one (image file is truncated", saved(picture(640, 400), "JPEG")[:-900]),
    ("one of more than 100 million pixels", bomb(20_000, 6_000)),
    ("one of more than 100 million pixels", bomb(60_000, 60_000)),  # Pillow itself refuses it
]


@pytest.mark.parametrize("found, content", NOT_IMAGES, ids=range(len(NOT_IMAGES)))
def test_what_is_no_image_is_one_line(found, content, recwarn, capfd):
    with pytest.raises(SettingsError) as error:
        photographs.open_photograph(content)
    says = str(error.value)
    assert says.startswith(f"photograph: expected an image (JPEG, PNG, WebP ...), found {found}")
    assert says.endswith("; take another, or save it as JPEG with a program that opens it")
    assert len(says.splitlines()) == 1
    assert not recwarn.list and capfd.readouterr() == ("", "")


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "WEBP", "TIFF", "BMP"])
def test_a_file_with_wrong_bytes_is_an_image_or_one_line(kind, recwarn):
    exif = Image.Exif()
    exif[0x0112] = 6
    whole, chance = saved(picture(), kind, exif=exif), np.random.default_rng(0)
    for _ in range(100):
        content = bytearray(whole)
        for place in chance.integers(len(content), size=3):
            content[place] = chance.integers(256)
        try:
            assert photographs.open_photograph(bytes(content)).mode == "RGB"
        except SettingsError as error:
            assert len(str(error).splitlines()) == 1
    assert not recwarn.list


@pytest.mark.parametrize("path", ["nowhere.jpg", "~nobody-of-that-name/x.jpg", ".", "a\0b", "x" * 300, ""])
def test_a_path_that_leads_to_no_file_is_one_line(path, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SettingsError, match="photograph: expected the path of an image") as error:
        photographs.open_photograph(path)
    assert len(str(error.value).splitlines()) == 1


class _ByColour(torch.nn.Module):
    """Class 1 where red is above its mean, class 2 where blue is, else 0."""

    def __init__(self):
        super().__init__()
        self.scale = torch.nn.Parameter(torch.ones(()))
        self.modes = []

    def forward(self, images):
        self.modes.append(self.training)
        zero = torch.zeros_like(images[:, :1])
        return {"out": self.scale * torch.cat([zero, images[:, :1], images[:, 2:]], 1)}


@pytest.mark.parametrize("width, height", [(64, 40), (40, 64), (1001, 333), (333, 1001), (20, 13), (1, 1), (3000, 2)])
def test_the_label_map_has_the_photographs_own_size(width, height):
    labels = photographs.segment(_ByColour(), picture(width, height), 96)
    assert labels.shape == (height, width) and labels.dtype == torch.uint8
    if width > 3:
        edge = max(1, width // 20)  # a pixel of the model's and a bit, on either side of the border
        assert (labels[:, :width // 2 - edge] == 1).all() and (labels[:, width // 2 + edge:] == 2).all()


def test_the_model_sees_what_eval_transform_shows_it_in_eval_mode_and_keeps_its_modes():
    model, photograph = _ByColour(), picture(150, 100)
    seen = []
    model.register_forward_hook(lambda module, args, output: seen.append(args[0]))
    photographs.segment(model, photograph, 96)
    expected, _ = transforms.eval_transform(96)(photograph, Image.new("P", photograph.size))
    assert torch.equal(seen[0][0], expected)
    assert model.modes == [False] and model.training
    model = models.build_model(3)
    model.backbone.eval()
    before = [module.training for module in model.modules()]
    photographs.segment(model, photograph, 96)
    assert [module.training for module in model.modules()] == before


@pytest.mark.parametrize("shape", [(300, 400), (72, 96), (50, 70), (7, 5), (1, 1), (301, 2), (1, 500)])
@pytest.mark.parametrize("smooth", [True, False])
def test_enlarged_logits_are_those_of_interpolate(shape, smooth):
    torch.manual_seed(0)
    logits = torch.randn(7, 9, 12) if smooth else torch.randn(7, 72, 96)
    if smooth:
        logits = interpolate(logits[None], (72, 96), mode="bicubic")[0]
    expected = interpolate(logits[None], shape, mode="bilinear").argmax(1)[0]
    labels = photographs.enlarge(logits, shape)
    assert labels.shape == shape
    assert (labels != expected).sum() <= 1e-4 * labels.numel()  # where two classes are equal but for rounding


def test_what_the_screen_shows_is_small_and_fits():
    photograph = picture(3000, 2000)
    labels = torch.zeros(2000, 3000, dtype=torch.uint8)
    labels[:, :1500] = 1
    image, small = photographs.shrink(photograph, labels, 600)
    assert image.shape == (3, 400, 600) and small.shape == (400, 600) and small.dtype == torch.int64
    assert (small[:, :300] == 1).all() and (small[:, 300:] == 0).all()
    assert image.min() >= 0 and image.max() <= 1 and close(255 * image[:, 200, 100], RED)
    image, small = photographs.shrink(picture(64, 40), labels[:40, :64], 600)
    assert image.shape == (3, 40, 64) and small.shape == (40, 64)  # a small one is not enlarged


def test_a_model_of_another_width_is_named():
    with pytest.raises(ValueError, match='expected {"out": logits} of 6 classes, found 3 classes; see notebook 3'):
        photographs.logits_of(_ByColour(), torch.zeros(3, 8, 8), 6)
    with pytest.raises(ValueError, match="found Tensor"):
        photographs.logits_of(torch.nn.Conv2d(3, 6, 1), torch.zeros(3, 8, 8))
