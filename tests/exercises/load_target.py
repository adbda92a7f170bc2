"""Answers to exercise 1.2, wrong and right."""

import io
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import torch
import torchvision
from PIL import Image, ImageOps
from torchvision import tv_tensors
from torchvision.io import ImageReadMode, decode_image
from torchvision.transforms import functional as TF
from torchvision.transforms import v2

from tests.exercises.bank import right, wrong


@wrong("rgb_colours")
def load_target(path):
    return torch.from_numpy(np.array(Image.open(path).convert("RGB"))).long()


@wrong("rgb_colours")
def load_target(path):
    return TF.pil_to_tensor(Image.open(path).convert("RGB")).long()


@wrong("rgb_colours")
def load_target(path):
    return decode_image(path, ImageReadMode.RGB).long()


@wrong("rgb_colours")
def load_target(path):
    return (torch.from_numpy(plt.imread(path)) * 255).long()


@wrong("one_channel")
def load_target(path):
    return torch.from_numpy(np.array(Image.open(path).convert("RGB")))[:, :, 0].long()


@wrong("grey_levels")
def load_target(path):
    return torch.from_numpy(np.array(Image.open(path).convert("L"))).long()


@wrong("grey_levels")
def load_target(path):
    return decode_image(path, ImageReadMode.GRAY)[0].long()


@wrong("scaled")
def load_target(path):
    return torch.from_numpy(np.array(Image.open(path)) / 255).long()


@wrong("scaled")
def load_target(path):
    return TF.to_tensor(Image.open(path))[0]


@wrong("scaled")
def load_target(path):
    return v2.functional.to_dtype(TF.pil_to_tensor(Image.open(path)), torch.float32, scale=True)


@wrong("void_as_background")
def load_target(path):
    target = torch.from_numpy(np.array(Image.open(path))).long()
    target[target == 255] = 0
    return target


@wrong("void_clamped")
def load_target(path):
    return torch.from_numpy(np.array(Image.open(path))).long().clamp(0, 20)


@wrong("void_as_class")
def load_target(path):
    target = TF.pil_to_tensor(Image.open(path))[0].long()
    return torch.where(target == 255, 21, target)


@wrong("void_as_minus_one")
def load_target(path):
    return torch.from_numpy(np.array(Image.open(path)).astype(np.int8)).long()


@wrong("void_as_minus_one")
def load_target(path):
    target = TF.pil_to_tensor(Image.open(path))[0].long()
    return target.masked_fill(target == 255, -100)


@wrong("void_removed")
def load_target(path):
    target = torch.from_numpy(np.array(Image.open(path))).long()
    return target[target != 255]


@wrong("channel_axis")
def load_target(path):
    return TF.pil_to_tensor(Image.open(path)).long()


@wrong("channel_axis")
def load_target(path):
    return torch.from_numpy(np.array(Image.open(path))).long().unsqueeze(-1)


@wrong("wrong_dtype")
def load_target(path):
    return torch.from_numpy(np.array(Image.open(path)))


@wrong("wrong_dtype")
def load_target(path):
    return torch.tensor(np.array(Image.open(path)), dtype=torch.int32)


@wrong("wrong_dtype")
def load_target(path):
    return torch.from_numpy(np.array(Image.open(path))).float()


@wrong("width_before_height")
def load_target(path):
    mask = Image.open(path)
    return torch.tensor(list(mask.getdata())).reshape(mask.size)


@wrong("width_before_height")
def load_target(path):
    return torch.from_numpy(np.array(Image.open(path))).long().T


@wrong("flattened")
def load_target(path):
    return torch.tensor(list(Image.open(path).getdata()))


@wrong("renumbered")
def load_target(path):
    labels, target = np.unique(np.array(Image.open(path)), return_inverse=True)
    return torch.from_numpy(target).long()


@wrong("shifted")
def load_target(path):
    target = torch.from_numpy(np.array(Image.open(path))).long()
    return torch.where(target == 255, 255, target - 1)


@wrong("foreground_only")
def load_target(path):
    return torch.from_numpy(np.array(Image.open(path)) > 0).long()


@wrong("one_hot")
def load_target(path):
    target = torch.from_numpy(np.array(Image.open(path))).long()
    return torch.nn.functional.one_hot(target, 256)


@wrong("upside_down")
def load_target(path):
    return torch.from_numpy(np.array(Image.open(path))).long().flip(0)


@wrong("returns_numpy")
def load_target(path):
    return np.array(Image.open(path)).astype(np.int64)


@wrong("wrong_type")
def load_target(path):
    return Image.open(path)


@wrong("raised")
def load_target(path):
    return torch.tensor(Image.open(path), dtype=torch.int64)


@wrong("not_attempted")
def load_target(path):
    ...


@wrong("void_as_minus_one")
def load_target(path):
    target = torch.from_numpy(np.array(Image.open(path))).long()
    target[target == 255] = -1
    return target


@wrong("rgb_colours")
def load_target(path):
    return torch.from_numpy(np.array(Image.open(path).convert("RGBA"))).long()


@wrong("renumbered")
def load_target(path):
    return torch.from_numpy(np.array(Image.open(path).convert("RGB").convert("P"))).long()


@wrong("shifted")
def load_target(path):
    return torch.from_numpy(np.array(Image.open(path))).long() + 1


@wrong("void_as_background")
def load_target(path):
    t = torch.from_numpy(np.array(Image.open(path))).long()
    return t % 255


@wrong("void_as_minus_one")
def load_target(path):
    t = torch.from_numpy(np.array(Image.open(path))).long()
    return torch.where(t == 255, torch.tensor(-1), t)


@wrong("colours_as_number")
def load_target(path):
    a = np.array(Image.open(path).convert("RGB"))
    return torch.from_numpy(a.mean(2)).long()


@wrong("colours_as_number")
def load_target(path):
    a = np.array(Image.open(path).convert("RGB"))
    return torch.from_numpy(a.sum(2)).long()


@wrong("scaled")
def load_target(path):
    return TF.to_tensor(Image.open(path)).long()


@wrong("channel_axis")
def load_target(path):
    return v2.functional.to_image(Image.open(path))


@wrong("foreground_only")
def load_target(path):
    return torch.from_numpy(np.array(Image.open(path))).bool().long()


@wrong("width_before_height")
def load_target(path):
    t = torch.from_numpy(np.array(Image.open(path))).long()
    return t.permute(1, 0)


@right("NumPy")
def load_target(path):
    return torch.from_numpy(np.array(Image.open(path), dtype=np.int64))


@right("torchvision, with prints")
def load_target(path):
    mask = Image.open(path)
    print("mode", mask.mode, "size", mask.size)
    return TF.pil_to_tensor(mask).squeeze(0).to(torch.int64)


@right("pixel by pixel")
def load_target(path):
    with Image.open(str(path)) as mask:
        width, height = mask.size
        return torch.tensor([[mask.getpixel((x, y)) for x in range(width)] for y in range(height)])


@right("the bytes themselves")
def load_target(path):
    mask = Image.open(path)
    return torch.frombuffer(bytearray(mask.tobytes()), dtype=torch.uint8).view(mask.height, mask.width).long()


@right("torchvision reads the file")
def load_target(path):
    return decode_image(path)[0].long()


@right("a tv_tensor")
def load_target(path):
    return tv_tensors.Mask(Image.open(path), dtype=torch.int64)[0]


@right("colours looked up in the file's palette")
def load_target(path):
    mask = Image.open(path)
    colours = np.array(mask.getpalette()).reshape(-1, 3).tolist()
    table = {tuple(colour): index for index, colour in reversed(list(enumerate(colours)))}
    pixels = np.array(mask.convert("RGB")).tolist()
    return torch.tensor([[table[tuple(pixel)] for pixel in row] for row in pixels])


@right("annotated, as_tensor")
def load_target(path: "str | Path") -> torch.Tensor:
    return torch.as_tensor(np.asarray(Image.open(path)).copy(), dtype=torch.long)


@right("PILToTensor")
def load_target(path):
    transform = v2.Compose([v2.PILToTensor(), v2.ToDtype(torch.int64)])
    return transform(Image.open(path)).squeeze()


@right("bytes read first")
def load_target(path):
    with open(path, "rb") as file:
        data = io.BytesIO(file.read())
    img = Image.open(data)
    img.load()
    assert img.mode == "P"
    return torch.LongTensor(np.array(img, dtype="int64"))


@right("read_image")
def load_target(path):
    return torchvision.io.read_image(str(path), torchvision.io.ImageReadMode.UNCHANGED).squeeze(0).long()


@right("a Mask")
def load_target(path):
    return tv_tensors.Mask(torch.from_numpy(np.array(Image.open(path)).astype(np.int64)))


@right("rows of lists")
def load_target(path):
    rows = np.array(Image.open(path)).tolist()
    return torch.stack([torch.tensor(row) for row in rows])


@right("getdata")
def load_target(path):
    im = Image.open(path)
    w, h = im.size
    return torch.tensor(list(im.getdata()), dtype=torch.int64).view(h, w)


@right("load and pixels")
def load_target(path):
    im = Image.open(path)
    pixels = im.load()
    out = torch.zeros((im.height, im.width), dtype=torch.int64)
    for y in range(im.height):
        for x in range(im.width):
            out[y, x] = pixels[x, y]
    return out


@right("convert P, a closure")
def load_target(path):
    def indices(image):
        return np.array(image.convert("P"))
    with Image.open(path) as image:
        result = indices(image)
    result = torch.from_numpy(result).type(torch.LongTensor)
    print(result.unique())
    return result


@right("early return")
def load_target(path):
    if not Path(path).exists():
        raise FileNotFoundError(path)
    target = TF.pil_to_tensor(Image.open(path)).to(torch.int64)
    if target.ndim == 3:
        return target[0]
    return target


@right("int64 through int32, exif")
def load_target(path):
    im = ImageOps.exif_transpose(Image.open(path))
    a = np.array(im, dtype=np.int32)
    a[a > 20] = 255
    return torch.tensor(a).long()
