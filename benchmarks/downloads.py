"""Every fault a download can meet, ended in the right bytes or in a right sentence.

Through `voc.prepare` and `pretrained.start`, against the server of the tests, with an archive of 20 MB.
"""

import contextlib
import dataclasses
import hashlib
import io
import multiprocessing
import os
import random
import re
import resource
import shutil
import signal
import tempfile
import threading
import time
import warnings
from collections import Counter
from pathlib import Path
from types import SimpleNamespace
from unittest import mock

import torch
from tqdm import tqdm

from helpers import fetch, pretrained, settings, voc
from tests.support import voc_archives
from tests.support.fault_server import BAD, GOOD, FaultServer
from tests.support.voc_archives import HARM

SIZE, RUNS, PAIRS, DAMAGED = 20_000_000, 5, 5, 200
KINDS = ("tar", "zip")
KILLS = Counter()
KILLED_BY = {"ok": 0.25, "slow": 1.2, "drops": 0.3, "ignores range": 0.25, "lies about range": 0.4, "wrong bytes": 0.4}
fetch.PATIENCE = fetch.Patience(attempts=3, first_wait=0.01, longest_wait=2, stall=0.6)


def main():
    os.environ["NO_PROXY"] = "127.0.0.1"
    files = voc_archives.members(padding=SIZE)
    archives = {f"voc.{kind}": voc_archives.archive(kind, files) for kind in KINDS}
    cases = [(group, "one mirror" if len(mirrors) == 1 else f"mirror {1 + mirrors.index(fault)} of 2", fault,
              prepared, (files, archives, f"voc.{kind}", mirrors, known))
             for fault in (*GOOD, *BAD) for group in ("fault in passing" if fault in GOOD else "fault for good",)
             for kind in KINDS for known, mirrors in (
                 (True, (fault,)), (False, (fault,)), (True, (fault, "ok")), (True, ("knows nothing", fault)))
             if mirrors[0] != mirrors[-1] or len(mirrors) == 1]
    cases += [("killed at random", fault, fault, killed, (files, archives, f"voc.{kind}", fault, run))
              for fault in KILLED_BY for kind in KINDS for run in range(RUNS)]
    cases += [("two processes at once", "", "slow", two_at_once, (files, archives, f"voc.{kind}"))
              for kind in KINDS for _ in range(PAIRS)]
    cases += [("disk full at random", "", "ok", disk_full, (files, archives, f"voc.{kind}", run))
              for kind in KINDS for run in range(RUNS)]
    cases += [("hostile archive", kind, harm, hostile, (harm, kind)) for harm in HARM for kind in KINDS]
    cases += [
        ("damaged archive", kind, f"{kind} {run}", damaged, (kind, run)) for kind in KINDS for run in range(DAMAGED)
    ]
    cases += [("torchvision's weights", "", fault, weights, (fault,)) for fault in (*GOOD, *BAD)]
    report(cases)


def report(cases):
    """Run all cases and print a table: how many of each group ended how."""
    table, wrong = {}, []
    for group, detail, name, run, arguments in tqdm(cases, leave=False, disable=None):
        with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()), \
                contextlib.redirect_stderr(io.StringIO()):
            try:
                outcome = run(Path(folder), *arguments)
            except Exception as error:
                outcome = f"{type(error).__name__}: {error}"
        row = table.setdefault((group, detail), {"cases": 0, "right bytes": 0, "right sentence": 0, "corrupt": 0})
        row["cases"] += 1
        row[outcome if outcome in row else "corrupt"] += 1
        if outcome not in row:
            wrong.append(f"{group}, {detail}, {name}: {outcome}")
    print(f"{'what':24}{'':18}{'cases':>7}{'right bytes':>13}{'right sentence':>16}{'neither':>9}")
    total = {"cases": 0, "right bytes": 0, "right sentence": 0, "corrupt": 0}
    for (group, detail), row in [*table.items(), (("all", ""), total)]:
        print(
            f"{group:24}{detail:18}{row['cases']:7}{row['right bytes']:13}{row['right sentence']:16}{row['corrupt']:9}"
        )
        for key in total:
            total[key] += row[key] if row is not total else 0
    print("kills: " + ", ".join(f"{count} {when}" for when, count in KILLS.items()))
    print("\n".join(wrong) or "no corrupt data set, nothing half-written under the final name")


def configure(folder, archives, name, urls, known=True):
    """Settings for `folder`, and the archive as if it were the published one; `known`: its size too."""
    content = archives[name]
    archive = fetch.File(name, tuple(urls), f"md5:{hashlib.md5(content).hexdigest()}", len(content) if known else None)
    return SimpleNamespace(dataset="voc", data_root=folder / "data", mirrors=()), archive


def prepared(folder, files, archives, name, mirrors, known):
    with FaultServer(archives) as server:
        config, archive = configure(folder, archives, name, [server.url(fault, name) for fault in mirrors], known)
        return outcome_of(config, archive, files, [BAD[fault] for fault in mirrors if fault in BAD], known)


def outcome_of(config, archive, files, reasons=(), known=True):
    """What `voc.prepare` came to: "right bytes", "right sentence", or what is wrong; less is said of unknown sizes."""
    devkit = config.data_root / "VOCdevkit" / "VOC2012"
    try:
        voc.prepare(config, archive)
    except settings.SettingsError as error:
        lines = str(error).splitlines()[1:-1]
        right = len(lines) == len(reasons) and all(
            re.search(reason if known else f"{reason}|wrong bytes|cut off|stalled", line)
            for reason, line in zip(reasons, lines)
        )
        return "right sentence" if right and "DATASET=shapes" in str(error) and not devkit.exists() else str(error)
    return whole(devkit, files) or "right bytes"


def whole(devkit, files):
    """What is wrong with a data set on disk, or None."""
    found = {path.relative_to(devkit.parent.parent).as_posix(): path.read_bytes()
             for path in devkit.rglob("*") if path.is_file()}
    if len(found) != 23:
        return f"{len(found)} files instead of 23"
    return next((f"{name} differs" for name, content in found.items() if files[name] != content), None)


def process(config, archive, limit=None):
    """`voc.prepare` in a process of its own, forked from one that has imported all; `limit` of a file's bytes."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["benchmarks.downloads"])
    child = context.Process(target=_child, args=(config, archive, fetch.PATIENCE, limit))
    child.start()
    return child


def _child(config, archive, patience, limit):
    fetch.PATIENCE = patience
    tqdm.set_lock(threading.RLock())  # not one that outlives a killed process
    for stream in (1, 2):
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream)
    if limit:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    try:
        voc.prepare(config, archive)
    except settings.SettingsError:
        os._exit(3)


def killed(folder, files, archives, name, fault, run):
    """SIGKILL at three random moments, each seen on a whole data set or none; then a run to the end."""
    chance = random.Random(f"{name} {fault} {run}")
    with FaultServer(archives) as server:
        config, archive = configure(folder, archives, name, [server.url(mirror, name) for mirror in (fault, "ok")])
        devkit, lock = config.data_root / "VOCdevkit" / "VOC2012", config.data_root / ".VOC2012.lock"
        aside = config.data_root / ".VOCdevkit.part"
        for _ in range(3):
            lock.unlink(missing_ok=True)
            shutil.rmtree(aside, ignore_errors=True)
            child = process(config, archive)
            unpacking = chance.random() < 0.5
            while not (aside if unpacking else lock).exists() and child.is_alive():
                time.sleep(0.001)
            time.sleep(chance.uniform(0, 0.1 if unpacking else KILLED_BY[fault]))
            child.kill()
            child.join()
            KILLS["while unpacking" if aside.exists() else
                  "while fetching" if child.exitcode == -signal.SIGKILL and not devkit.exists() else "too late"] += 1
            if devkit.exists() and whole(devkit, files):
                return whole(devkit, files)
            if devkit.exists():
                break
        return outcome_of(config, archive, files)


def two_at_once(folder, files, archives, name):
    with FaultServer(archives) as server:
        config, archive = configure(folder, archives, name, [server.url("slow", name)])
        children = [process(config, archive) for _ in range(2)]
        for child in children:
            child.join(60)
        if [child.exitcode for child in children] != [0, 0] or server.sent["slow"] != len(archives[name]):
            return f"exit codes {[child.exitcode for child in children]}, {server.sent['slow']} bytes served"
        return outcome_of(config, archive, files)


def disk_full(folder, files, archives, name, run):
    """Files may grow to a random size only: one line, and the next run goes on from there."""
    with FaultServer(archives) as server:
        config, archive = configure(folder, archives, name, [server.url("ok", name)])
        limit = random.Random(f"{name} {run}").randrange(10_000, len(archives[name]))
        child = process(config, archive, limit)
        child.join(60)
        if child.exitcode != 3 or (config.data_root / "VOCdevkit").exists():
            return f"exit code {child.exitcode}"
        result = outcome_of(config, archive, files)
        again = server.requests[-1][1]
        return result if again == f"bytes={limit}-" else f"went on from {again}, not from {limit}"


def hostile(folder, harm, kind):
    content, complete = voc_archives.hostile(harm, kind)
    with mock.patch.multiple(voc, _MOST_MEMBERS=1000, _MOST_BYTES=1_000_000):
        return by_hand(folder, kind, content, voc_archives.members() if complete else None)


def damaged(folder, kind, run):
    """Bits flipped and a piece cut out at random; a zip has checksums of its own, a tar that of the whole file."""
    chance, files = random.Random(run), voc_archives.members(few=(2, 2))
    content = voc_archives.archive(kind, {name: files[name] for name in files if "2007" not in name})
    broken = bytearray(content)
    for _ in range(chance.randrange(1, 20)):
        broken[chance.randrange(len(broken))] ^= 1 << chance.randrange(8)
    if run % 2:
        start = chance.randrange(len(broken))
        del broken[start:start + chance.randrange(len(broken))]
    digest = f"#md5={hashlib.md5(content).hexdigest()}" if kind == "tar" else ""
    return by_hand(folder, kind, bytes(broken), files, digest)


def by_hand(folder, kind, content, files, digest=""):
    """An archive in the data folder that must not be believed, or (`files`) may be if they are what comes out."""
    root = folder / "a" / "data"
    root.mkdir(parents=True)
    (root / f"hand.{kind}").write_bytes(content)
    config = SimpleNamespace(dataset="voc", data_root=root, mirrors=(f"http://127.0.0.1:9/hand.{kind}{digest}",))
    try:
        voc.prepare(config)
    except settings.SettingsError as error:
        kept = {path.name for path in folder.rglob("*")} <= {"a", "data", f"hand.{kind}", ".VOC2012.lock"}
        return "right sentence" if kept and "expected a whole VOC archive" in str(error) else str(error)
    got = {path.relative_to(root).as_posix(): path.read_bytes()
           for path in (root / "VOCdevkit").rglob("*") if path.is_file()}
    return "right bytes" if files and got and all(files[name] == got[name] for name in got) else "a wrong data set"


def weights(folder, fault):
    content = random.Random(0).randbytes(12_000_000)
    name = f"model-{hashlib.sha256(content).hexdigest()[:8]}.pth"
    torch.hub.set_dir(str(folder))
    with FaultServer({name: content}) as server, warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        default = SimpleNamespace(DEFAULT=SimpleNamespace(url=server.url(fault, name)))
        pretrained.get_model_weights = lambda _: default
        path = pretrained.start(dataclasses.replace(settings.load(), dataset="voc", weights=None, model=None))
    if path == pretrained.GLYPHS:
        right = fault in BAD and len(caught) == 1 and not (folder / "checkpoints" / name).exists()
        return "right sentence" if right else f"{len(caught)} warnings"
    return "right bytes" if path.read_bytes() == content else "wrong bytes"


if __name__ == "__main__":
    main()
