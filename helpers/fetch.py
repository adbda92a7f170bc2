"""Fetch one file from a list of mirrors: continued after a cut, verified, there whole or not at all.

filelock keeps two processes apart. The transfer is written with requests: see docs/decisions.md for what was
tried instead.
"""

import errno
import hashlib
import os
import random
import re
import shutil
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit
from zlib import crc32

import requests
from filelock import FileLock, Timeout
from tqdm import tqdm
from urllib3.exceptions import HTTPError

from helpers.settings import SettingsError, show


@dataclass(frozen=True)
class Patience:
    """How long a mirror is given; times in seconds."""

    attempts: int = 4  # in a row without anything new
    first_wait: float = 1.0  # doubled after each attempt in vain
    longest_wait: float = 60.0
    stall: float = 30.0  # the connection is dropped when hardly anything came in so long


PATIENCE = Patience()
CHUNK = 2 ** 18
FLOOR = 1000  # bytes per second; less is a stall
BUSY = (408, 425, 429, 500, 502, 503, 504)
_jitter = random.Random()  # of its own, so that nobody's seed is disturbed


@dataclass(frozen=True)
class File:
    """A file and the places that have it; `digest` is "md5:..." or "sha256:...", its first digits suffice."""

    name: str
    mirrors: tuple[str, ...]
    digest: str | None = None
    size: int | None = None


class Unavailable(Exception):
    """No mirror gave the file; `reasons` has one line for each."""

    def __init__(self, reasons):
        super().__init__("; ".join(reasons))
        self.reasons = list(reasons)


class _Refused(Exception):
    """This mirror is not worth another attempt."""


class _Cut(Exception):
    """This attempt came to nothing, another one may not; `wait` is what the server asks for, in seconds."""

    def __init__(self, reason, wait=0, offline=False):
        super().__init__(reason)
        self.wait, self.offline = wait, offline


def fetch(file, folder, spare=0):
    """The path of `file` in `folder`, fetched from the first mirror that gives the right bytes unless it is there.

    What has come stays in `.part` beside it and is continued, also by another process or from another mirror.
    `spare` is what the caller needs on the disk besides, in bytes. Raises Unavailable, or SettingsError when
    the folder cannot be written.
    """
    folder = Path(folder)
    path = folder / file.name
    if path.is_file() and matches(path, file.digest):
        return path
    with writing(file.name, folder), locked(path):
        if path.is_file():
            if matches(path, file.digest):
                return path
            print(f"{file.name}: it is there, but damaged; fetching it again")
        reasons = []
        for url in file.mirrors:
            # Only what has a checksum may be put together from two mirrors
            part = folder / (f"{file.name}.part" if file.digest else f"{file.name}.{crc32(url.encode()):08x}.part")
            try:
                _from_mirror(url, file, part, spare)
            except _Refused as refused:
                reasons.append(f"{_host(url)}: {refused}")
                print(f"{file.name}: {reasons[-1]}")
            except KeyboardInterrupt:
                print(f"{file.name}: stopped at {_share(part, file.size)}; run it again to go on from there")
                raise
            else:
                os.replace(part, path)
                print(f"{file.name}: {_bytes(_size(path))} from {_host(url)}"
                      + (", checksum correct" if file.digest else ""))
                return path
    raise Unavailable(reasons)


def matches(path, digest):
    """Whether the file has this digest; without one every file has."""
    return digest is None or _digest(path, digest).startswith(digest.partition(":")[2].lower())


@contextmanager
def locked(path):
    """Hold the lock of `path`, of which only one process at a time can be in possession; says so when it waits."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path.parent / f".{path.name}.lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        print(f"{path.name}: another process is fetching it; waiting until it is done")
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


@contextmanager
def writing(what, folder):
    """One line for a person, as SettingsError, instead of an OSError while `what` is written to `folder`."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise SettingsError(f"{what}: expected more space in {show(folder)}, found the disk full; free some and "
                                "run it again: what has arrived is kept") from None
        raise SettingsError(f"{what}: expected to write in {show(folder)}, found '{error.strerror or error}'; "
                            "choose another folder") from None


def check_space(what, folder, need):
    """Raise SettingsError unless `folder` has `need` bytes free."""
    free = shutil.disk_usage(folder).free
    if need > free:
        raise SettingsError(f"{what}: expected {_bytes(need)} of free space in {show(folder)}, found {_bytes(free)}; "
                            "free some, or choose another folder")


def _from_mirror(url, file, part, spare):
    """The right bytes in `part`, after as many attempts as it takes while there is progress; raises _Refused."""
    failures, furthest, restarted, brought = 0, _size(part), False, False
    while True:
        try:
            in_one_go = _attempt(url, file, part, spare)
        except _Cut as cut:
            progress = _size(part) - furthest
            furthest += max(progress, 0)
            brought = brought or progress > 0
            # A percent at least: a server that drips must not keep anybody for a day
            failures = 0 if progress > max((file.size or 0) // 100, FLOOR * PATIENCE.stall) else failures + 1
            wait = max(cut.wait, PATIENCE.first_wait * 2 ** (failures - 1))
            if failures == PATIENCE.attempts or wait > PATIENCE.longest_wait or cut.offline and not brought:
                raise _Refused(cut) from None
            print(f"{file.name}: {_host(url)}: {cut}; trying again")
            time.sleep(wait * _jitter.uniform(1, 1.5))
            continue
        if matches(part, file.digest):
            return
        found = _digest(part, file.digest)
        part.unlink()
        if in_one_go or restarted:
            raise _Refused(f"wrong bytes ({file.digest.partition(':')[0]} {found[:8]}...)")
        print(f"{file.name}: wrong bytes after a continued download; starting over")
        furthest, restarted = 0, True


def _attempt(url, file, part, spare):
    """One request that takes `part` to its end; True if all of it came with this one. Raises _Cut or _Refused."""
    have = _size(part)
    if file.size and have >= file.size:
        return False
    headers = {"Accept-Encoding": "identity", "User-Agent": f"python-requests/{requests.__version__}"}
    if have:
        headers["Range"] = f"bytes={have}-"
    try:
        with requests.get(url, headers=headers, stream=True, timeout=PATIENCE.stall) as response:
            if response.status_code == 416 and not file.size:
                return False  # nothing beyond what is here: the checksum decides
            start, total = _judge(response, file, part)
            check_space(file.name, part.parent, (total or 0) - start + spare)
            # Not emptied first: a server that starts over writes the same bytes over the old ones
            with open(part, "r+b" if have else "wb") as out, tqdm(
                    total=total, initial=start, desc=file.name, unit="B", unit_scale=True, leave=False) as bar:
                out.seek(start)
                for chunk in _chunks(response, looks_like_page=start == 0):
                    out.write(chunk)
                    bar.update(len(chunk))
                    if total and out.tell() > total:
                        raise _Refused(f"more than the {total:,} bytes that the file has")
                if total and out.tell() < total:
                    raise _Cut(f"cut off after {_share(out.tell(), total)}")
                out.truncate()
            return start == 0
    except requests.TooManyRedirects:
        raise _Refused("redirects in a circle") from None
    except (requests.exceptions.InvalidURL, requests.exceptions.InvalidSchema, requests.exceptions.MissingSchema):
        raise _Refused("not the address of a file") from None
    except (requests.RequestException, HTTPError) as error:
        raise _explain(error, part, file.size) from None


def _judge(response, file, part):
    """Where the response starts and how long the whole file is (None if unknown); raises unless it can be used."""
    status, have = response.status_code, _size(part)
    if status in BUSY:
        asked = response.headers.get("Retry-After", "")
        raise _Cut(f"busy ({status} {response.reason})", wait=int(asked) if asked.isdecimal() else 0)
    if status not in (200, 206):
        raise _Refused(f"refused ({status} {response.reason})")
    if response.headers.get("Content-Type", "").startswith("text/html"):
        raise _Refused("a web page instead of a file")
    encoded = response.headers.get("Content-Encoding", "identity") != "identity"
    length = response.headers.get("Content-Length", "")
    start, total = 0, int(length) if length.isdecimal() and not encoded else None
    if status == 206:
        given = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", response.headers.get("Content-Range", ""))
        if encoded or not given or int(given[1]) > have:
            part.unlink(missing_ok=True)  # else the next attempt would ask for the same
            raise _Cut("continued from the wrong place")
        start, total = int(given[1]), int(given[2]) if given[2].isdecimal() else None
    if file.size and total not in (None, file.size):
        raise _Refused(f"another file ({total:,} bytes instead of {file.size:,})")
    return start, total or file.size


def _chunks(response, looks_like_page):
    """The body as it comes. Raises _Cut on a stall, _Refused if it is a web page under another name."""
    since, received, first = time.monotonic(), 0, True
    while chunk := response.raw.read1(CHUNK, decode_content=True):
        if first and looks_like_page and re.match(rb"\s*<(!doctype|html)", chunk, re.IGNORECASE):
            raise _Refused("a web page instead of a file")
        yield chunk
        first, received, seconds = False, received + len(chunk), time.monotonic() - since
        if seconds > PATIENCE.stall:
            if received < FLOOR * seconds:
                raise requests.ReadTimeout
            since, received = time.monotonic(), 0


def _explain(error, part, size):
    """A _Cut with what happened, in a person's words."""
    text = f"{type(error).__name__} {error}"
    if "NameResolution" in text or "getaddrinfo" in text:
        return _Cut("no such server, or no network", offline=True)
    if "ConnectTimeout" in text:
        return _Cut("no answer")
    if "timed out" in text or "Timeout" in text:
        return _Cut(f"stalled after {_share(part, size)}")
    if "refused" in text or "unreachable" in text:
        return _Cut("refused the connection")
    if "SSL" in text or "certificate" in text.lower():
        return _Cut("no secure connection")
    return _Cut(f"cut off after {_share(part, size)}")


def _host(url):
    return urlsplit(url).netloc.rpartition("@")[2]  # without a password


def _digest(path, digest):
    with open(path, "rb") as file:
        return hashlib.file_digest(file, digest.partition(":")[0]).hexdigest()


def _size(path):
    return path.stat().st_size if path.exists() else 0


def _share(part, size):
    """How far a file, or a number of bytes, has come: "60 %", or bytes where the size is unknown."""
    have = _size(part) if isinstance(part, Path) else part
    return f"{round(100 * have / size)} %" if size else _bytes(have) if have else "0 %"


def _bytes(number):
    return tqdm.format_sizeof(number, "B")
