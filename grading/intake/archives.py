"""The files of a folder or a zip archive, zips within included: as a list, read one by one, never unpacked.

Links, special files, names that lead elsewhere and archives that unpack to more than they should are refused.
"""

import functools
import io
import os
import re
import shutil
import stat
import tempfile
import time
import zipfile
from dataclasses import dataclass
from pathlib import Path

MOST_FILES = 200_000  # in a tree, in an archive
DEEPEST = 3  # archives within archives
UNPACKED = 500_000_000, 200  # bytes that an archive may always unpack to, and times its size
NESTED = 2_000_000_000  # bytes of an archive within another
_JUNK = re.compile(r"\..*|__MACOSX|__pycache__|node_modules|site-packages|venv|Thumbs\.db|desktop\.ini")
_FOREIGN = (".rar", ".7z", ".tar", ".tgz", ".tar.gz", ".tar.bz2", ".tar.xz")


class BadArchive(ValueError):
    """An archive that cannot or must not be opened; the message says why, in one line."""


@dataclass(frozen=True)
class File:
    """A regular file: folders and archives around it (without .zip) from outside in, name, size, time in seconds."""

    parts: tuple
    name: str
    size: int
    time: float
    where: tuple  # the path on disk, then names within archives

    def open(self):
        """A binary stream; raises OSError or BadArchive."""
        if len(self.where) == 1:
            return open(self.where[0], "rb")
        try:
            return _archive(self.where[:-1]).open(self.where[-1])
        except (zipfile.BadZipFile, RuntimeError, NotImplementedError, KeyError, EOFError) as error:
            raise BadArchive(_why(error)) from None

    def read(self, most):
        """At most `most` bytes; raises OSError or BadArchive."""
        try:
            with self.open() as stream:
                return stream.read(most)
        except OSError:
            raise
        except Exception as error:  # damaged streams raise whatever their decoder does
            raise BadArchive(_why(error)) from None

    def __str__(self):
        return "/".join([*self.parts, self.name])


def files(source, refuse):
    """All files of a folder or an archive, in a fixed order; `refuse(place, reason)` hears of what is left out."""
    source = Path(source)
    if source.is_dir():
        yield from _folder(source, (), refuse)
    elif source.suffix.lower() == ".zip":
        yield from _entries((str(source),), (), refuse)
    else:
        yield _on_disk(source, ())


def _on_disk(path, parts):
    status = path.stat()
    return File(parts, path.name, status.st_size, status.st_mtime, (str(path),))


def _folder(folder, parts, refuse):
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError as error:
        return refuse("/".join(parts), f"cannot be read ({error.strerror})")
    for entry in entries[:MOST_FILES]:
        place = "/".join([*parts, entry.name])
        try:
            status = entry.stat(follow_symlinks=False)
        except OSError as error:
            refuse(place, f"cannot be read ({error.strerror})")
            continue
        if _JUNK.fullmatch(entry.name):
            continue
        if stat.S_ISLNK(status.st_mode) or getattr(entry, "is_junction", bool)():
            refuse(place, "a link, not followed: hand in the file itself")
        elif stat.S_ISDIR(status.st_mode) and len(parts) < 30:
            yield from _folder(entry.path, (*parts, entry.name), refuse)
        elif stat.S_ISREG(status.st_mode):
            yield from _file_or_archive(_on_disk(Path(entry.path), parts), refuse)
        else:
            refuse(place, "neither a file nor a folder")


def _file_or_archive(file, refuse):
    lower = file.name.lower()
    if lower.endswith(".zip"):
        yield from _entries(file.where, (*file.parts, file.name[:-4]), refuse)
    elif lower.endswith(_FOREIGN):
        refuse(str(file), "an archive of a kind that is not opened; a .zip is")
    else:
        yield file


def _entries(where, parts, refuse):
    """The files of an archive; `where` leads to it."""
    place = "/".join(parts) or Path(where[0]).name
    try:
        if len(where) > DEEPEST + 1:
            raise BadArchive("too many archives within archives")
        archive = _archive(where)
        infos = sorted(archive.infolist(), key=lambda info: info.filename)
        unpacked, packed = sum(info.file_size for info in infos), sum(info.compress_size for info in infos)
        if len(infos) > MOST_FILES or unpacked > UNPACKED[0] + UNPACKED[1] * packed:
            raise BadArchive(f"would unpack to {len(infos)} files with {unpacked // 1_000_000} MB; not opened")
    except (BadArchive, OSError) as error:
        return refuse(place, f"the archive cannot be opened: {error}")
    for info in infos:
        name = _name(info)
        steps = name.replace("\\", "/").split("/")
        if info.is_dir() or any(_JUNK.fullmatch(step) for step in steps if step not in ("..", ".")):
            continue
        inside = f"{place}/{name}"
        if name.startswith(("/", "\\")) or ".." in steps or re.match(r"[A-Za-z]:", name) or "\0" in info.orig_filename:
            refuse(inside, "a name that leads out of the archive")
        elif stat.S_ISLNK(info.external_attr >> 16):
            refuse(inside, "a link, not followed: hand in the file itself")
        elif info.flag_bits & 1:
            refuse(inside, "needs a password")
        else:
            steps = [step for step in steps if step not in ("", ".")]
            file = File((*parts, *steps[:-1]), steps[-1], info.file_size, _time(info), (*where, info.filename))
            yield from _file_or_archive(file, refuse)


@functools.lru_cache(maxsize=4)  # files are read in the order they were listed in
def _archive(where):
    """The open archive that `where` leads to."""
    try:
        if len(where) == 1:
            return zipfile.ZipFile(where[0])
        outer = _archive(where[:-1])
        if outer.getinfo(where[-1]).file_size > NESTED:
            raise BadArchive(f"larger than {NESTED // 10 ** 9} GB")
        copy = tempfile.SpooledTemporaryFile(max_size=50_000_000)
        with outer.open(where[-1]) as stream:
            shutil.copyfileobj(stream, copy, 1 << 20)
        return zipfile.ZipFile(copy)
    except (BadArchive, OSError):
        raise
    except Exception as error:  # damaged archives raise whatever their decoder does
        raise BadArchive(_why(error)) from None


def renamed_zip(data):
    """The files of an archive that has the name of something else, as if they lay beside it."""
    try:
        archive = zipfile.ZipFile(io.BytesIO(data))
        infos = [info for info in archive.infolist() if not info.is_dir() and not info.flag_bits & 1]
        if sum(info.file_size for info in infos) > UNPACKED[0] or len(infos) > 1000:
            raise BadArchive("an archive that unpacks to too much")
        return [(info.filename.replace("\\", "/").rpartition("/")[2], archive.read(info)) for info in infos
                if not _JUNK.fullmatch(info.filename.rpartition("/")[2])]
    except BadArchive:
        raise
    except Exception as error:
        raise BadArchive(_why(error)) from None


def _name(info):
    """An entry's name; archives that do not say so hold UTF-8 as well."""
    if info.flag_bits & 0x800:
        return info.filename
    try:
        return info.filename.encode("cp437").decode("utf-8")
    except UnicodeError:
        return info.filename


def _time(info):
    try:
        return time.mktime((*info.date_time, 0, 0, -1))
    except (ValueError, OverflowError):
        return 0.0


def _why(error):
    return " ".join(str(error).split())[:150] or type(error).__name__
