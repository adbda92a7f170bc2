"""A small VOC devkit as tar and zip, and archives that mean harm."""

import dataclasses
import io
import random
import stat
import tarfile
import tempfile
import zipfile
from pathlib import Path

from helpers import settings, shapes
from tests.support.fault_server import PAGE


def configure(root, *mirrors):
    """Settings for VOC in the folder `root`, from these mirrors."""
    return dataclasses.replace(settings.load(), dataset="voc", data_root=root, mirrors=mirrors)


def left(folder):
    """What lies in a folder, without lock files."""
    return sorted(path.name for path in folder.iterdir() if path.suffix != ".lock")


def members(padding=0, few=(6, 4)):
    """A small devkit as published, by name: what the course needs, what it does not, and `padding` random bytes."""
    with tempfile.TemporaryDirectory() as folder:
        shapes.write(folder, dict(zip(("train", "val"), few)))
        files = {path.relative_to(folder).as_posix(): path.read_bytes()
                 for path in sorted(Path(folder).rglob("*")) if path.is_file()}
    noise = random.Random(0)
    devkit = "VOCdevkit/VOC2012"
    return {**files, f"{devkit}/Annotations/2007_000027.xml": b"<annotation/>",
            f"{devkit}/ImageSets/Main/train.txt": b"2007_000027\n",
            f"{devkit}/SegmentationObject/train_0000.png": b"not needed",
            f"{devkit}/JPEGImages/2007_000027.jpg": noise.randbytes(200_000 + padding)}


def archive(kind, files=None, extra=()):
    """The bytes of a "tar" or "zip" with `files`; `extra` are (TarInfo or ZipInfo, content) pairs that mean harm."""
    files = members() if files is None else files
    buffer = io.BytesIO()
    if kind == "tar":
        with tarfile.open(fileobj=buffer, mode="w") as tar:
            for name, content in files.items():
                info = tarfile.TarInfo(name)
                info.size = len(content)
                tar.addfile(info, io.BytesIO(content))
            for info, content in extra:
                info.size = len(content)
                tar.addfile(info, io.BytesIO(content))
    else:
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as zipped:
            for name, content in files.items():
                zipped.writestr(name, content)
            for info, content in extra:
                zipped.writestr(info, content, zipfile.ZIP_DEFLATED)
    return buffer.getvalue()


MASK = "VOCdevkit/VOC2012/SegmentationClass/train_0000.png"
HARM = ("../ name", "absolute name", "symlink", "hard link", "device", "bomb", "many files", "escaping list",
        "too long a file", "no masks", "no list", "truncated", "nothing", "a page", "corrupt image")


def hostile(harm, kind):
    """An archive of a `kind` that means harm, or is none, and whether all that the course needs is in it."""
    files, extra, whole = members(), [], True
    make = (lambda name: tarfile.TarInfo(name)) if kind == "tar" else (lambda name: zipfile.ZipInfo(name))
    if harm in ("../ name", "absolute name"):
        for name in ("../evil.txt", "VOCdevkit/VOC2012/JPEGImages/../../../../evil.txt",
                     "../VOC2012/JPEGImages/evil.jpg") if harm == "../ name" else (
                     "/tmp/evil.txt", "/VOCdevkit/VOC2012/JPEGImages/evil.jpg", "C:\\evil.txt"):
            extra.append((make(name), b"evil"))
    elif harm in ("symlink", "hard link", "device"):
        del files[MASK]
        info, whole = make(MASK), False
        if kind == "tar":
            info.type = {"symlink": tarfile.SYMTYPE, "hard link": tarfile.LNKTYPE, "device": tarfile.CHRTYPE}[harm]
            info.linkname = MASK.replace("0000", "0001") if harm == "hard link" else "train_0001.png"
        else:
            mode = stat.S_IFCHR if harm == "device" else stat.S_IFLNK
            info.external_attr = (mode | 0o777) << 16
        extra.append((info, b"/etc/passwd" if kind == "zip" else b""))
    elif harm == "too long a file":
        files[MASK], whole = bytes(30_000_000), False
    elif harm == "bomb":  # zeros behind an image do not make it a worse one
        files = {name: content + bytes(300_000 * name.endswith(".jpg")) for name, content in files.items()}
        whole = False  # where the limit is lowered to 1 MB
    elif harm == "many files":
        files |= {f"{number}": b"" for number in range(3000)}
        whole = False  # where the limit is lowered to 1000
    elif harm == "escaping list":
        name, whole = "VOCdevkit/VOC2012/ImageSets/Segmentation/train.txt", False
        files[name] = b"../../../evil\n"
    elif harm in ("no masks", "no list"):
        gone, whole = "SegmentationClass" if harm == "no masks" else "ImageSets/Segmentation/val.txt", False
        files = {name: content for name, content in files.items() if gone not in name}
    elif harm == "corrupt image":
        name, whole = "VOCdevkit/VOC2012/JPEGImages/val_0001.jpg", False
        files[name] = files[name][:800]
    content = archive(kind, files, extra)
    if harm in ("truncated", "nothing", "a page"):
        whole = False
        content = {"truncated": content[:len(content) // 2], "nothing": b"", "a page": PAGE}[harm]
    return content, whole
