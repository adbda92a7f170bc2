"""Downloads end in the right bytes or a right sentence, whatever the server, the archive or the machine does."""

import dataclasses
import errno
import hashlib
import multiprocessing
import os
import re
import shutil
import signal
import time
from collections import namedtuple
from types import SimpleNamespace

import pytest

from helpers import fetch, settings, voc
from helpers.settings import SettingsError
from tests.support import voc_archives
from tests.support.fault_server import BAD, GOOD, FaultServer
from tests.support.voc_archives import configure, left

TAR, ZIP = voc_archives.archive("tar"), voc_archives.archive("zip")
SILENT = ("stalls", "stalls once", "never answers", "drips")  # nobody waits long for these, but for a busy machine


def md5(content):
    return "md5:" + hashlib.md5(content).hexdigest()


@pytest.fixture(scope="module")
def server():
    with FaultServer({"voc.tar": TAR, "voc.zip": ZIP}, longest=60) as running:
        yield running


@pytest.fixture(autouse=True)
def short_patience(monkeypatch, request):
    """Waits are short and written down."""
    waits, silent = [], any(word in request.node.name for word in SILENT)
    clock = SimpleNamespace(sleep=waits.append, monotonic=time.monotonic)
    monkeypatch.setattr(fetch, "PATIENCE", fetch.Patience(attempts=3, first_wait=0.01, longest_wait=2,
                                                          stall=0.4 if silent else 20))
    monkeypatch.setattr(fetch, "time", clock)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    return waits


@pytest.fixture(autouse=True)
def fresh_server(server):
    server.sent.clear(), server.requests.clear(), server.times.clear()


def file(server, *faults, size=True, digest=True):
    return fetch.File("voc.tar", tuple(server.url(fault, "voc.tar") for fault in faults),
                      md5(TAR) if digest else None, len(TAR) if size else None)


@pytest.mark.parametrize("known", [True, False], ids=["size known", "size unknown"])
@pytest.mark.parametrize("fault", GOOD)
def test_a_server_with_a_passing_fault_ends_in_the_right_bytes(server, tmp_path, fault, known):
    path = fetch.fetch(file(server, fault, size=known), tmp_path)
    assert path.read_bytes() == TAR and left(tmp_path) == ["voc.tar"]


@pytest.mark.parametrize("fault, reason", BAD.items())
def test_a_server_that_never_gives_the_file_says_why(server, tmp_path, fault, reason):
    with pytest.raises(fetch.Unavailable) as error:
        fetch.fetch(file(server, fault), tmp_path)
    assert [re.search(reason, line) is not None for line in error.value.reasons] == [True], error.value.reasons
    assert "\n" not in str(error.value) and not (tmp_path / "voc.tar").exists()


@pytest.mark.parametrize("fault", BAD)
def test_after_a_bad_mirror_the_next_one_serves(server, tmp_path, fault, capsys):
    path = fetch.fetch(file(server, fault, "ok", size=fault != "empty"), tmp_path)
    assert path.read_bytes() == TAR and left(tmp_path) == ["voc.tar"]
    assert re.search(rf"voc.tar: .*{BAD[fault]}|wrong bytes", capsys.readouterr().out)


def test_a_download_cut_by_one_mirror_is_continued_from_the_next(server, tmp_path):
    fetch.fetch(file(server, "always drops", "ok"), tmp_path)
    assert server.sent["ok"] == len(TAR) - int(0.6 * len(TAR))


def test_a_part_with_wrong_bytes_is_dropped_not_continued_forever(server, tmp_path, capsys):
    (tmp_path / "voc.tar.part").write_bytes(b"\0" * 50_000)
    assert fetch.fetch(file(server, "ok"), tmp_path).read_bytes() == TAR
    assert "starting over" in capsys.readouterr().out
    assert [asked for _, asked in server.requests] == ["bytes=50000-", None]


@pytest.mark.parametrize("size", [len(TAR), len(TAR) + 5])
def test_a_part_that_is_as_long_as_the_file_is_verified_before_it_is_believed(server, tmp_path, size):
    (tmp_path / "voc.tar.part").write_bytes((TAR + b"more!")[:size])
    assert fetch.fetch(file(server, "ok"), tmp_path).read_bytes() == TAR
    assert server.requests == ([] if size == len(TAR) else [("ok", None)])


def test_a_file_that_is_there_is_used_and_a_corrupt_one_is_fetched_again(server, tmp_path):
    fetch.fetch(file(server, "ok"), tmp_path)
    fetch.fetch(file(server, "ok"), tmp_path)
    assert server.times["/ok/voc.tar"] == 1
    (tmp_path / "voc.tar").write_bytes(TAR[:-1] + b"x")
    assert fetch.fetch(file(server, "ok"), tmp_path).read_bytes() == TAR


def test_a_wait_grows_and_a_server_that_asks_for_one_gets_it(server, tmp_path, short_patience):
    with pytest.raises(fetch.Unavailable):
        fetch.fetch(file(server, "always errs"), tmp_path)
    assert len(short_patience) == 2 and 0.01 <= short_patience[0] <= 0.015 and 0.02 <= short_patience[1] <= 0.03
    short_patience.clear()
    fetch.fetch(file(server, "throttled then ok"), tmp_path)
    assert len(short_patience) == 1 and 1 <= short_patience[0] <= 1.5
    with pytest.raises(fetch.Unavailable):
        fetch.fetch(dataclasses.replace(file(server, "always busy"), name="other"), tmp_path)
    assert len(short_patience) == 1  # a day is too long to wait


def test_without_a_network_nobody_waits(server, tmp_path, short_patience):
    with pytest.raises(fetch.Unavailable, match="no network"):
        fetch.fetch(file(server, "no server", "no server"), tmp_path)
    assert short_patience == []


def test_a_part_longer_than_the_file_is_cut_to_its_length(server, tmp_path):
    (tmp_path / "voc.tar.part").write_bytes(TAR + b"more!")
    assert fetch.fetch(file(server, "ignores range", size=False), tmp_path).read_bytes() == TAR
    assert len(server.requests) == 1


def test_a_disk_without_room_is_named_before_anything_comes(server, tmp_path, monkeypatch):
    usage = namedtuple("usage", "total used free")(10 ** 9, 10 ** 9 - 10_000, 10_000)
    monkeypatch.setattr(fetch.shutil, "disk_usage", lambda _: usage)
    with pytest.raises(SettingsError, match=r"voc.tar: expected .*kB of free space in .*, found 10.0kB; free some"):
        fetch.fetch(file(server, "ok"), tmp_path)
    assert left(tmp_path) == []


def test_a_disk_that_fills_up_keeps_what_has_come(server, tmp_path, monkeypatch):
    real = open

    def full(path, mode="r", *args):
        handle = real(path, mode, *args)
        if not str(path).endswith(".part"):
            return handle
        return Full(handle)

    class Full:
        def __init__(self, handle):
            self.handle = handle

        def __enter__(self):
            return self

        def __exit__(self, *_):
            self.handle.close()

        def write(self, chunk):
            if self.handle.tell() > 100_000:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            return self.handle.write(chunk)

        def __getattr__(self, name):
            return getattr(self.handle, name)
    monkeypatch.setattr(fetch, "open", full, raising=False)
    monkeypatch.setattr(fetch, "CHUNK", 50_000)
    with pytest.raises(SettingsError, match="voc.tar: expected more space in .* found the disk full"):
        fetch.fetch(file(server, "ok"), tmp_path)
    monkeypatch.undo()
    kept = (tmp_path / "voc.tar.part").read_bytes()
    assert len(kept) > 100_000 and TAR.startswith(kept) and left(tmp_path) == ["voc.tar.part"]


def test_a_folder_that_cannot_be_made_is_named_in_one_line(server, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(SettingsError, match="voc.tar: expected to write in .*; choose another folder"):
        fetch.fetch(file(server, "ok"), tmp_path / "file" / "folder")


# The data set

@pytest.mark.parametrize("name, content", [("voc.tar", TAR), ("voc.zip", ZIP)], ids=["tar", "zip"])
@pytest.mark.parametrize("digest", [True, False], ids=["checksum", "no checksum"])
def test_voc_is_fetched_once_and_holds_the_segmentation_part_alone(server, tmp_path, name, content, digest):
    address = server.url("drops", name) + ("#" + md5(content).replace(":", "=") if digest else "")
    devkit = voc.prepare(configure(tmp_path, server.url("forbids", name), address))
    assert len(devkit.open("train")) == 6 and len(devkit.open("val")) == 4 and devkit.num_classes == 21
    assert left(tmp_path) == ["VOCdevkit"] and left(devkit.folder) == ["ImageSets", "JPEGImages", "SegmentationClass"]
    assert len(left(devkit.folder / "JPEGImages")) == 10 and left(devkit.folder / "ImageSets") == ["Segmentation"]
    wanted = {name: content for name, content in voc_archives.members().items() if (tmp_path / name).exists()}
    assert len(wanted) == 23 and all((tmp_path / name).read_bytes() == content for name, content in wanted.items())
    asked = len(server.requests)
    voc.prepare(configure(tmp_path))
    assert len(server.requests) == asked


def test_without_any_mirror_the_message_names_each_and_the_two_ways_out(server, tmp_path):
    with pytest.raises(SettingsError) as error:
        voc.prepare(configure(tmp_path), file(server, "refuses", "page", "forbids", "always drops"))
    lines = str(error.value).splitlines()
    assert len(lines) == 6 and [re.search(reason, line) is not None for reason, line in zip(
        ("no mirror|none", "refused the connection", "web page", "403", "cut off after 60 %"), lines)] == [True] * 5
    assert all(word in lines[-1] for word in ("DATASET=shapes", "voc.tar", md5(TAR), tmp_path.name))
    assert str(tmp_path) not in str(error.value) and left(tmp_path) == ["downloads"]
    voc.prepare(configure(tmp_path), file(server, "ok"))
    assert server.sent["ok"] == len(TAR) - int(0.6 * len(TAR)) and left(tmp_path) == ["VOCdevkit"]


def test_an_archive_put_by_hand_is_verified_used_and_kept(server, tmp_path):
    published = file(server, "ok")
    (tmp_path / "voc.tar").write_bytes(TAR[:-1000])
    with pytest.raises(SettingsError, match="expected a whole VOC archive in voc.tar, found bytes that.*delete it"):
        voc.prepare(configure(tmp_path), published)
    (tmp_path / "voc.tar").write_bytes(TAR)
    voc.prepare(configure(tmp_path), published)
    assert left(tmp_path) == ["VOCdevkit", "voc.tar"] and server.requests == []


def test_an_archive_on_drive_is_kept_there_and_unpacked_to_the_local_disk(server, tmp_path, monkeypatch):
    drive, local = tmp_path / "drive", tmp_path / "local"
    monkeypatch.setattr(voc, "_DRIVE", drive)
    monkeypatch.setattr(voc, "ROOT", local)
    address = f"{server.url('ok', 'voc.tar')}#{md5(TAR).replace(':', '=')}"
    assert voc.prepare(configure(drive / "MyDrive", address)).root == local / "data" / "voc"
    shutil.rmtree(local)  # the next machine
    assert len(voc.prepare(configure(drive / "MyDrive", address)).open("train")) == 6
    assert server.times["/ok/voc.tar"] == 1 and left(drive / "MyDrive") == ["downloads"]


def test_mirrors_of_ones_own_are_read_and_nonsense_is_named(monkeypatch):
    monkeypatch.setenv("COURSE_MIRRORS", "https://a.example/voc.tar#md5=00ff http://b.example/x/voc.zip")
    tar, zipped = voc._archives(settings.load().mirrors)
    assert (tar.mirrors, tar.digest) == (("https://a.example/voc.tar",), "md5:00ff")
    assert (zipped.name, zipped.digest, zipped.size) == ("voc.zip", None, None)
    published = voc._archives(("https://a.example/VOCtrainval_11-May-2012.tar",))[0]
    assert (published.digest, published.size) == ("md5:6cd6e144f989b92b3379bac3b3de84fd", 1_999_639_040)
    for wrong in ("ftp://a.example/voc.tar", "https://a.example/voc.rar", "voc.tar"):
        monkeypatch.setenv("COURSE_MIRRORS", wrong)
        with pytest.raises(SettingsError, match="MIRRORS: expected addresses"):
            settings.load()


# Other processes, and ends that nobody chose

def start(output, job, *arguments):
    """`job` in a process of its own, forked from one that has imported everything; what it prints goes to a file."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.helpers.test_fetch"])
    process = context.Process(target=_child, args=(output, job, arguments))
    process.start()
    return process


def _child(output, job, arguments):
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a suite in the background ignores it
    fetch.PATIENCE = fetch.Patience(attempts=3, first_wait=0.01, longest_wait=2, stall=60)
    for stream in (1, 2):
        os.dup2(os.open(output, os.O_WRONLY | os.O_CREAT | os.O_APPEND), stream)
    job(*arguments)


def _prepare_but_never_check(config):
    voc.check = lambda _: time.sleep(60)
    voc.prepare(config)


def wait_for(condition, what):
    for _ in range(6000):
        if condition():
            return
        time.sleep(0.01)
    pytest.fail(f"never saw {what}")


posix = pytest.mark.skipif(os.name == "nt", reason="Windows has neither fork nor such signals")


@posix
@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGINT])
def test_a_killed_download_goes_on_where_it_stopped(server, tmp_path, tmp_path_factory, end):
    part, output = tmp_path / "voc.tar.part", tmp_path_factory.mktemp("output") / "output"
    process = start(output, fetch.fetch, file(server, "stalls"), tmp_path)
    # the last bytes may be in a buffer of the process, and are lost with it
    wait_for(lambda: part.exists() and part.stat().st_size > 0.5 * len(TAR), "half of the file")
    os.kill(process.pid, end)
    process.join(60)
    assert process.exitcode not in (0, None) and left(tmp_path) == ["voc.tar.part"]
    assert ("run it again to go on" in output.read_text()) == (end == signal.SIGINT)
    kept = part.stat().st_size
    assert fetch.fetch(file(server, "ok"), tmp_path).read_bytes() == TAR
    assert server.sent["ok"] == len(TAR) - kept


@posix
def test_a_second_process_waits_says_so_and_uses_what_the_first_fetched(server, tmp_path, tmp_path_factory):
    config = configure(tmp_path, f"{server.url('gated', 'voc.tar')}#{md5(TAR).replace(':', '=')}")
    outputs = [tmp_path_factory.mktemp("output") / "output" for _ in range(2)]
    processes = [start(output, voc.prepare, config) for output in outputs]
    wait_for(lambda: any(output.exists() and "another process" in output.read_text() for output in outputs), "a wait")
    server.gate.set()
    for process in processes:
        process.join(60)
    assert [process.exitcode for process in processes] == [0, 0]
    assert sorted("another process" in output.read_text() for output in outputs) == [False, True]
    assert server.sent["gated"] == len(TAR) and left(tmp_path) == ["VOCdevkit"]


@posix
def test_a_kill_while_unpacking_leaves_no_half_data_set(server, tmp_path, tmp_path_factory):
    config = configure(tmp_path, f"{server.url('ok', 'voc.tar')}#{md5(TAR).replace(':', '=')}")
    process = start(tmp_path_factory.mktemp("output") / "output", _prepare_but_never_check, config)
    aside = tmp_path / ".VOCdevkit.part" / "VOCdevkit" / "VOC2012" / "SegmentationClass"
    wait_for(lambda: aside.exists() and len(list(aside.iterdir())) == 10, "ten masks")
    process.kill()
    process.join(60)
    assert left(tmp_path) == [".VOCdevkit.part", "downloads"]
    assert len(voc.prepare(config).open("train")) == 6
    assert server.times["/ok/voc.tar"] == 1 and left(tmp_path) == ["VOCdevkit"]
