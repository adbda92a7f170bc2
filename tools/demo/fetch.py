"""Fetch what `tools.demo.runtime` names from npm into its folder; needs npm and zstd.

    python -m tools.demo.fetch

For another version, change it there and its sum here (`npm view onnxruntime-web dist.integrity`), fetch, and run the
tests of the demo.
"""

import base64
import hashlib
import io
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

from helpers import files
from helpers.settings import SettingsError
from tools.demo.runtime import FOLDER, VERSIONS

INTEGRITY = {  # of the packages, sha512 as npm gives it
    "onnxruntime-web": "q0y+JrrtukXSzsBWEMccVfqX25LRmosXHF+CaRJmg8pZClzcV7svNc4rKY3jL02Vb7QmRMDs1SigqR4CXAfKYQ==",
    "fzstd": "dkuVSOKKwh3eas5VkJy1AW1vFpet8TA/fGmVA5krThl8YcOVE/8ZIoEA1+U1vEn5ckxxhLirSdY837azmbaNHA==",
}
# file here: package, its file there
FILES = {"ort.mjs": ("onnxruntime-web", "dist/ort.wasm.bundle.min.mjs"),
         "ort.wasm.zst": ("onnxruntime-web", "dist/ort-wasm-simd-threaded.wasm"),
         "fzstd.js": ("fzstd", "umd/index.js"), "fzstd.LICENSE": ("fzstd", "LICENSE")}


def fetch(name, folder):
    """The files of a package at its pinned version, a dict from path to bytes; SettingsError if they are others."""
    archive = subprocess.run(["npm", "pack", "--silent", f"{name}@{VERSIONS[name]}"], cwd=folder, check=True,
                             capture_output=True, text=True).stdout.strip()
    content = Path(folder, archive).read_bytes()
    found = base64.b64encode(hashlib.sha512(content).digest()).decode()
    if found != INTEGRITY[name]:
        raise SettingsError(f"{name} {VERSIONS[name]}: expected the sha512 {INTEGRITY[name]}, found {found}; compare "
                            "with `npm view`, then write it into this file")
    with tarfile.open(fileobj=io.BytesIO(content)) as packed:
        return {member.name.partition("/")[2]: packed.extractfile(member).read()
                for member in packed if member.isfile()}


def main():
    with tempfile.TemporaryDirectory() as folder:
        try:
            packages = {name: fetch(name, folder) for name in VERSIONS}
        except SettingsError as error:
            sys.exit(f"fetch: {error}")
    for name, (package, path) in FILES.items():
        content = packages[package][path]
        if name.endswith(".zst"):
            # the size goes into the file's head: without it fzstd takes seconds instead of tenths
            command = ["zstd", "-22", "--ultra", "--stdout", f"--stream-size={len(content)}"]
            content = subprocess.run(command, input=content, check=True, capture_output=True).stdout
        with files.atomic(FOLDER / name) as half_done:
            half_done.write_bytes(content)
        print(f"{name:14} {len(content):10,} bytes")


if __name__ == "__main__":
    main()
