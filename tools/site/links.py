"""Does every link inside the site lead somewhere, and does every page load from the site alone?"""

import re
from html.parser import HTMLParser
from urllib.parse import unquote, urlsplit

LOADED = {"img": "src", "script": "src", "iframe": "src", "source": "src", "audio": "src", "video": "src",
          "embed": "src", "object": "data", "input": "src", "track": "src"}
LOADING = {"stylesheet", "icon", "shortcut", "preload", "prefetch", "modulepreload", "manifest", "preconnect",
           "dns-prefetch"}
_IN_CSS = re.compile(r"url\(\s*[\"']?(?!data:|#)([^\"')]+)|@import\s+[\"']([^\"']+)")


class Page(HTMLParser):
    """The ids of a page, where its links lead, and what it loads."""

    def __init__(self, text):
        super().__init__()
        self.ids, self.links, self.loaded = set(), [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        self.ids |= {attributes.get("id"), attributes.get("name") if tag == "a" else None}
        if tag in ("a", "area") and attributes.get("href"):
            self.links.append(attributes["href"])
        if tag == "link" and LOADING & set((attributes.get("rel") or "").split()):
            self.loaded.append(attributes["href"])
        if attributes.get(LOADED.get(tag)):
            self.loaded.append(attributes[LOADED[tag]])
        if attributes.get("srcset"):
            self.loaded += [part.split()[0] for part in attributes["srcset"].split(",")]


def check(folder):
    """How many links were followed, and a line for each fault of the HTML and CSS files in `folder`."""
    pages = {path.resolve(): Page(path.read_text(encoding="utf-8")) for path in folder.rglob("*.html")}
    followed, faults = 0, []
    for path, page in pages.items():
        for address in page.links + page.loaded:
            parts = urlsplit(address)
            if parts.scheme in ("data", "blob"):
                continue
            if parts.scheme or parts.netloc:
                if address in page.loaded:
                    faults.append(f"{path.relative_to(folder.resolve())}: loads {address}")
                continue
            followed += 1
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            target = target / "index.html" if target.is_dir() else target
            if not target.is_file() or not target.is_relative_to(folder.resolve()):
                faults.append(f"{path.relative_to(folder.resolve())}: nothing at {address}")
            elif parts.fragment and target in pages and unquote(parts.fragment) not in pages[target].ids:
                faults.append(f"{path.relative_to(folder.resolve())}: no such place: {address}")
    for path in folder.rglob("*.css"):
        for found in _IN_CSS.findall(path.read_text(encoding="utf-8")):
            address = (found[0] or found[1]).strip()
            if urlsplit(address).netloc:
                faults.append(f"{path.relative_to(folder)}: loads {address}")
    return followed, faults
