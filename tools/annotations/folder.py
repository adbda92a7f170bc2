"""The folder or zip that holds the annotations: nobody's names become paths, and nothing outside is ever read."""

import json
import os
import re
import stat
import tempfile
import unicodedata
import zipfile
import zlib
from collections import defaultdict
from contextlib import contextmanager
from pathlib import Path, PureWindowsPath
from urllib.parse import parse_qs, unquote, urlsplit

from helpers.settings import SettingsError
from tools.annotations.regions import Unusable

PICTURES = {".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp", ".gif"}
TEXTS = {".json", ".xml", ".txt", ".csv"}
UNREADABLE = {".heic", ".heif", ".avif", ".raw", ".dng", ".cr2", ".nef", ".svg", ".pdf"}
MOST_FILES, MOST_TEXT, MOST_UNPACKED = 100_000, 300_000_000, 20_000_000_000


@contextmanager
def opened(path):
    """A Folder of what lies in the folder or zip at `path`; SettingsError, one line, if there is neither."""
    path = Path(path)
    if path.is_dir():
        yield Folder(path)
    elif path.is_file() and zipfile.is_zipfile(path):
        with tempfile.TemporaryDirectory(prefix="annotations-") as inside:
            unpack(path, Path(inside))
            yield Folder(Path(inside))
    else:
        raise SettingsError(f"FOLDER: expected a folder or a zip, found "
                            f"{'another kind of file' if path.exists() else 'nothing'} at {path}; check the path")


def unpack(archive, target):
    """The pictures and texts of a zip, each under its own name within `target`; SettingsError if it is not whole."""
    done = 0
    try:
        with zipfile.ZipFile(archive) as files:
            entries = files.infolist()
            if len(entries) > MOST_FILES:
                raise SettingsError(f"{archive.name}: expected at most {MOST_FILES:,} files, found {len(entries):,}; "
                                    "make a zip of the annotated pictures alone")
            for entry in entries:
                name = Path(*[part for part in re.split(r"[/\\]", entry.filename) if part] or ["."])
                if entry.is_dir() or name.suffix.lower() not in PICTURES | TEXTS or ".." in name.parts:
                    continue
                if re.search(r'[\x00-\x1f:*?"<>|]', str(name)) or stat.S_ISLNK(entry.external_attr >> 16):
                    continue
                done += entry.file_size
                if done > MOST_UNPACKED:
                    raise SettingsError(f"{archive.name}: expected at most {MOST_UNPACKED // 10**9} GB when unpacked, "
                                        "found more; make a zip of the annotated pictures alone")
                place = target / name
                place.parent.mkdir(parents=True, exist_ok=True)
                with files.open(entry) as source, open(place, "xb") as copy:
                    left = entry.file_size
                    while left and (piece := source.read(min(left, 1 << 20))):
                        copy.write(piece)
                        left -= len(piece)
    except FileExistsError as error:
        raise SettingsError(f"{archive.name}: expected each name once, found {Path(error.filename).name} twice; "
                            "make the zip again") from None
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, NotImplementedError, ValueError) as error:
        if isinstance(error, SettingsError):
            raise
        raise SettingsError(f"{archive.name}: expected a whole zip without a password, found '{error}'; "
                            "make or download it again") from None


class Folder:
    """The files below `root`, hidden ones and links that lead out of it left aside.

    `texts` and `pictures` are sorted lists of paths; `aside` maps other files to the reason.
    """

    def __init__(self, root):
        self.root = Path(root).resolve()
        self.texts, self.pictures, self.aside = [], [], {}
        self._named = defaultdict(list)
        count = 0
        for folder, folders, names in os.walk(self.root):
            folders[:] = sorted(name for name in folders if not name.startswith((".", "__MACOSX")))
            for name in sorted(names):
                path, kind = Path(folder, name), Path(name).suffix.lower()
                count += 1
                if count > MOST_FILES:
                    raise SettingsError(f"FOLDER: expected at most {MOST_FILES:,} files, found more; give the folder "
                                        "that holds the annotated pictures alone")
                if name.startswith("."):
                    continue
                if not path.resolve().is_relative_to(self.root):
                    self.aside[self.name(path)] = "a link that leads out of the folder; put a copy in its place"
                elif kind in PICTURES:
                    self.pictures.append(path)
                    self._named[_key(name)].append(path)
                elif kind in TEXTS:
                    self.texts.append(path)
                elif kind in UNREADABLE:
                    self.aside[self.name(path)] = f"a picture that cannot be read ({kind}); save it as JPEG"

    def name(self, path):
        """`path` as its owner knows it, on one line."""
        return line(Path(path).relative_to(self.root).as_posix())

    def find(self, wanted, beside, without=None):
        """The picture that an annotation in the file `beside` calls `wanted`: a name, a path of any system, an address.

        Only files that were found here can be the answer. `without`, a pattern, is what a program puts before a name.
        Raises Unusable if there is none, or several and nothing tells which.
        """
        parts = parts_of(wanted)
        found = self._named.get(_key(parts[-1]), []) if parts else []
        if not found and parts and without:
            found = self._named.get(_key(re.sub(without, "", parts[-1])), [])
        if not found:
            raise Unusable(f"no picture named {line(parts[-1]) if parts else 'at all'} in the folder")
        if len(found) > 1:
            exact = Path(os.path.normpath(Path(beside).parent.joinpath(*parts)))
            found = [path for path in found if path == exact] or found
        if len(found) > 1:
            alike = [_tail(path.relative_to(self.root).parts, parts) for path in found]
            found = [path for path, count in zip(found, alike) if count == max(alike)]
        if len(found) > 1:
            raise Unusable(f"{len(found)} pictures named {line(parts[-1])}; give them names of their own")
        return found[0]

    def json(self, path):
        """What a JSON file holds; Unusable, in a few words, if it is too large or none."""
        try:
            return json.loads(self.bytes(path).decode("utf-8-sig"))
        except UnicodeDecodeError:
            raise Unusable("not JSON in UTF-8") from None
        except (ValueError, RecursionError) as error:
            raise Unusable(f"not whole JSON ({line(error)[:60]})") from None

    def bytes(self, path):
        try:
            size = path.stat().st_size
            if size > MOST_TEXT:
                raise Unusable(f"{size // 10**6} MB, more than {MOST_TEXT // 10**6}; export fewer pictures at a time")
            return path.read_bytes()
        except OSError as error:
            raise Unusable(f"it cannot be read ({error.strerror})") from None


def parts_of(wanted):
    """The parts of a path or address that some program wrote down."""
    if not isinstance(wanted, str):
        return []
    if re.match(r"[a-z0-9]+://|/data/", wanted):
        address = urlsplit(wanted)
        wanted = unquote(parse_qs(address.query).get("d", [address.path])[0])
    return [part for part in PureWindowsPath(wanted).parts if part.strip("\\/. ")]


def line(text):
    """Somebody's text on one line: without control characters, and not endless."""
    text = "".join(character if character.isprintable() else " " for character in str(text))
    return " ".join(text.split())[:120]


def _key(name):
    return unicodedata.normalize("NFC", name).casefold()


def _tail(path, parts):
    """How many parts two paths have in common, from the end."""
    count = 0
    for one, other in zip(reversed(path), reversed(parts)):
        if _key(one) != _key(other):
            break
        count += 1
    return count
