"""The files of a download: of a folder, or entry by entry of a zip archive, which is never unpacked as a whole.

Links, special files, names that lead elsewhere and archives that unpack to more than they should are refused.
A folder is listed by `walk`; whatever looks into an archive runs in `child`, where a hostile one ends nothing else.
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

MOST_FILES = 200_000  # in a folder, in an archive
DEEPEST = 3  # archives within archives
UNPACKED = 500_000_000, 200  # bytes that an archive may always unpack to, and times its size
NESTED = 2_000_000_000  # bytes of an archive within another
LONGEST_NAME, LONGEST_PATH = 255, 1000  # characters
MOST_REFUSED = 20  # entries of an archive that get a line each
_JUNK = re.compile(r"\..*|__MACOSX|__pycache__|node_modules|site-packages|venv|Thumbs\.db|desktop\.ini", re.DOTALL)
_FOREIGN = (".rar", ".7z", ".tar", ".tgz", ".tar.gz", ".tar.bz2", ".tar.xz")
_OUTSIDE = re.compile(r"[/\\]|[A-Za-z]:")


class BadArchive(ValueError):
    """An archive that cannot or must not be opened; the message says why, in one line."""


@dataclass(frozen=True)
class File:
    """A regular file: the folders and archives around it (without .zip) outermost first, and its name.

    `size` in bytes and `time` in seconds are what the disk or the archive says. `where` is the path on disk, then
    names within archives.
    """

    parts: tuple
    name: str
    size: int
    time: float
    where: tuple

    @property
    def is_archive(self):
        return self.name.lower().endswith(".zip")

    @property
    def steps(self):
        """Folders and name, outermost first; an archive is a step of its own, without .zip."""
        return (*self.parts, self.name[:-4] if self.is_archive else self.name)

    def __str__(self):
        return "/".join([*self.parts, self.name])


def shown(text, most=300):
    """Text for people's eyes: one line of at most `most` characters that every file and most screens can hold.

    Bytes of a name that are not UTF-8 are read as Latin-1. Control characters go, and so do those that reverse a line.
    """
    text = re.sub(r"[\udc80-\udcff]", lambda match: chr(ord(match[0]) - 0xDC00), str(text)[:20 * most])
    text = re.sub(r"[\ud800-\udfff]", "\ufffd", text)
    text = " ".join(re.sub(r"[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]+", " ", text).split())
    return text if len(text) <= most else f"{text[:most - 20]} ... {text[-12:]}"


def top(path, refuse):
    """The files of a folder, or a single file; archives among them are not opened yet.

    `refuse(place, reason)` is told of what is left out. Raises OSError if `path` is unreadable.
    """
    path = Path(path)
    return list(walk(path, (), refuse)) if path.is_dir() else [_on_disk(path, ())]


def _on_disk(path, parts):
    status = path.stat()
    return File(parts, path.name, status.st_size, status.st_mtime, (str(path),))


def walk(folder, parts, refuse):
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
            yield from walk(entry.path, (*parts, entry.name), refuse)
        elif not stat.S_ISREG(status.st_mode):
            refuse(place, "neither a file nor a folder")
        elif entry.name.lower().endswith(_FOREIGN):
            refuse(place, "a kind of archive that is not opened; use a .zip")
        else:
            yield _on_disk(Path(entry.path), parts)


def entries(where, parts, most=MOST_FILES):
    """The files of an archive, and what was left out of it.

    Parameters
    ----------
    where, parts : sequence of str
        Where the archive lies and what its files get as `parts`; see `File`.

    Returns
    -------
    list of File, list of (str, str)
        Archives within are files here; a place and a reason for each refusal.

    Raises
    ------
    BadArchive, OSError
    """
    where, parts = tuple(where), tuple(parts)
    if len(where) > DEEPEST + 1:
        raise BadArchive("too many archives within archives")
    infos = sorted(_archive(where).infolist(), key=lambda info: info.filename)
    unpacked, packed = sum(info.file_size for info in infos), sum(info.compress_size for info in infos)
    if len(infos) > most or unpacked > UNPACKED[0] + UNPACKED[1] * packed:
        raise BadArchive(f"would unpack to {len(infos)} files with {unpacked // 1_000_000} MB; not opened")
    place, found, refused = "/".join(parts) or Path(where[0]).name, [], []
    for info in infos:
        name = _name(info)
        steps = [step for step in name.replace("\\", "/").split("/") if step not in ("", ".")]
        if info.filename.endswith("/") or any(_JUNK.fullmatch(step) for step in steps if step != ".."):
            continue
        reason = _refusal(info, name, steps)
        if reason:
            refused.append((f"{place}/{shown(name, 150)}", reason))
        else:
            found.append(File((*parts, *steps[:-1]), steps[-1], info.file_size, _time(info), (*where, info.filename)))
    if len(refused) > MOST_REFUSED:
        refused[MOST_REFUSED:] = [(place, f"{len(refused) - MOST_REFUSED} more of its files were refused")]
    return found, refused


def _refusal(info, name, steps):
    """Why an entry of an archive is not taken, or None."""
    if not steps or _OUTSIDE.match(name) or ".." in steps or "\0" in info.orig_filename:
        return "a name that leads out of the archive"
    if len(name) > LONGEST_PATH or max(map(len, steps)) > LONGEST_NAME:
        return f"a name of {len(name):,} characters"
    if stat.S_ISLNK(info.external_attr >> 16):
        return "a link, not followed: hand in the file itself"
    if info.flag_bits & 1:
        return "needs a password"
    if name.lower().endswith(_FOREIGN):
        return "a kind of archive that is not opened; use a .zip"
    return None


def open_file(where):
    """A binary stream of the file that `where` leads to; raises OSError or BadArchive."""
    where = tuple(where)
    if len(where) == 1:
        return open(where[0], "rb")
    try:
        return _archive(where[:-1]).open(where[-1])
    except (BadArchive, OSError):
        raise
    except Exception as error:  # damaged archives raise whatever their decoder does
        raise BadArchive(_why(error)) from None


def read(where, most):
    """At most `most` bytes of a file; raises OSError or BadArchive."""
    try:
        with open_file(where) as stream:
            return stream.read(most)
    except (BadArchive, OSError):
        raise
    except Exception as error:
        raise BadArchive(_why(error)) from None


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
    except Exception as error:
        raise BadArchive(_why(error)) from None


def renamed_zip(data):
    """The files of an archive that has the name of something else, as if they lay beside it: (name, bytes) each."""
    try:
        archive = zipfile.ZipFile(io.BytesIO(data))
        infos = [info for info in archive.infolist() if not info.filename.endswith("/") and not info.flag_bits & 1]
        if sum(info.file_size for info in infos) > UNPACKED[0] or len(infos) > 1000:
            raise BadArchive("an archive that unpacks to too much")
        return [(info.filename.replace("\\", "/").rpartition("/")[2], archive.read(info)) for info in infos
                if not _JUNK.fullmatch(info.filename.replace("\\", "/").rpartition("/")[2])]
    except BadArchive:
        raise
    except Exception as error:
        raise BadArchive(f"an archive that cannot be read ({_why(error)})") from None


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
