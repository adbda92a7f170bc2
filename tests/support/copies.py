"""A copy of the course to work in: what git would clone, and what is new in the working tree."""

import shutil
import subprocess

from helpers.settings import ROOT


def copy_of_the_course(folder):
    """Copy every file that git knows or does not ignore into `folder`; the folder."""
    listed = subprocess.run(["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=ROOT,
                            capture_output=True, text=True, check=True).stdout
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
    return folder
