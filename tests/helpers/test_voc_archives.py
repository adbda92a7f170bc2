"""Archives put by hand or fetched: what they hold is believed only when it is whole."""

import os
import random

import pytest

from helpers import fetch, voc
from helpers.settings import SettingsError
from tests.support import voc_archives
from tests.support.voc_archives import HARM, configure, left


def test_a_zip_put_by_hand_serves_too(tmp_path):
    (tmp_path / "VOCtrainval_11-May-2012.zip").write_bytes(voc_archives.archive("zip"))
    assert len(voc.prepare(configure(tmp_path)).open("val")) == 4


@pytest.mark.parametrize("kind", ["tar", "zip"])
@pytest.mark.parametrize("harm", HARM)
def test_a_hostile_archive_writes_nothing_outside_and_nothing_half(tmp_path, monkeypatch, harm, kind):
    monkeypatch.setattr(voc, "_MOST_MEMBERS", 1000)
    monkeypatch.setattr(voc, "_MOST_BYTES", 1_000_000)
    content, whole = voc_archives.hostile(harm, kind)
    root = tmp_path / "a" / "b" / "data"
    root.mkdir(parents=True)
    (root / f"voc.{kind}").write_bytes(content)
    config = configure(root, f"http://127.0.0.1:9/voc.{kind}")
    if whole:
        assert len(voc.prepare(config).open("train")) == 6
    else:
        with pytest.raises(SettingsError, match="expected a whole VOC archive in .*, found .*; delete it") as error:
            voc.prepare(config)
        assert "\n" not in str(error.value)
    assert left(root) == (["VOCdevkit"] if whole else []) + [f"voc.{kind}"]
    written = [path for path in tmp_path.rglob("*") if path.is_symlink() or "evil" in path.name]
    assert written == [] and not os.path.exists("/tmp/evil.txt")


@pytest.mark.parametrize("kind", ["tar", "zip"])
def test_a_damaged_archive_gives_a_whole_data_set_or_none(tmp_path, kind):
    """Without a checksum, a tar cannot know of a pixel that changed; a zip can."""
    files = {name: content for name, content in voc_archives.members().items() if "2007" not in name}
    content = voc_archives.archive(kind, files)
    chance = random.Random(1)
    for case in range(40):
        broken = bytearray(content)
        if case % 2:
            start = chance.randrange(len(content))
            del broken[start:start + 1000 * case]
        for _ in range(case % 4):
            broken[chance.randrange(len(broken))] ^= 1 << case % 8
        path, target = tmp_path / f"voc.{kind}", tmp_path / str(case)
        path.write_bytes(broken)
        target.mkdir()
        try:
            voc.check(voc._unpack(path, voc.Devkit(target, voc.CLASS_NAMES, voc.palette(21))))
        except fetch.Unavailable:
            assert left(target) == []
        else:
            same = [content == (target / name).read_bytes() for name, content in files.items()
                    if (target / name).exists()]
            assert len(same) >= 22 and (all(same) or kind == "tar")
