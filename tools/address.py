"""The course's public address, which stands in pyproject.toml, and nowhere else by hand."""

import re
import tomllib

from helpers.settings import ROOT


def repository():
    """The public address as owner/name."""
    with open(ROOT / "pyproject.toml", "rb") as file:
        address = tomllib.load(file)["project"]["urls"]["Repository"]
    return address.removeprefix("https://github.com/")


def stamped(text, address):
    """`text` with every Colab, raw and clone address, and that of the site, pointing at `address`."""
    for pattern in (r"(colab\.research\.google\.com/github/)[\w.-]+/[\w.-]+(/blob/main/notebooks)",
                    r"(raw\.githubusercontent\.com/)[\w.-]+/[\w.-]+(/main/colab_setup\.sh)",
                    r"(git clone (?:[\w=-]+ )*https://github\.com/)[\w.-]+/[\w.-]+?(\.git\b)",
                    r"(REPOSITORY:-https://github\.com/)[\w.-]+/[\w.-]+?(\.git\b)"):
        text = re.sub(pattern, rf"\g<1>{address}\g<2>", text)
    owner, name = address.split("/")
    return re.sub(r"https://[\w-]+\.github\.io/[\w.-]+/", f"https://{owner}.github.io/{name}/", text)
