"""What somebody may write where text is expected, and a real browser that sees whether it acts."""

import shutil

import pytest
from playwright.sync_api import sync_playwright

from tests.support import missing

RUN = "window.hacked = 1"
HOSTILE = [
    f"<script>{RUN}</script>",
    f"<img src=x onerror='{RUN}'>",
    f"</pre><script>{RUN}</script>",
    f"<svg onload='{RUN}'></svg>",
    f"<iframe srcdoc='<script>parent.{RUN}</script>'></iframe>",
    f"<iframe src='data:text/html,<script>parent.{RUN}</script>'></iframe>",
    f"</title><script>{RUN}</script>",
    f"--><script>{RUN}</script>",
    f"</style><script>{RUN}</script>",
    f"</textarea><script>{RUN}</script>",
    f"<body onload='{RUN}'>",
    f"<input autofocus onfocus='{RUN}'>",
    f"<details open ontoggle='{RUN}'>x</details>",
    f"<meta http-equiv=refresh content='0;url=javascript:{RUN}'>",
    "<link rel=stylesheet href=http://evil.test/a.css>",
    "<img src=http://evil.test/a.png>",
    "<base href=http://evil.test/>",
    "<style>body{background:url(http://evil.test/b.png)}</style>",
    f"<math><mtext><script>{RUN}</script></math>",
    f"<a href='javascript:{RUN}' autofocus>click</a>",
    "<object data=http://evil.test/o></object>",
    f"`</code><script>{RUN}</script>`",
    f"\x1b[31m<script>{RUN}</script>\x1b[0m",
    f"$</script><script>{RUN}</script>$",
    f"```html\"><script>{RUN}</script>\nx\n```",
    f"[a](javascript:{RUN})",
    f"![a\" onerror=\"{RUN}](x)",
    f"<!-- <img title=\"--><script>{RUN}</script>\">",
    "{{ 7 * 191 }}",
    "\ud800",
    "\u202egnp.erutcip",
]


@pytest.fixture(scope="module")
def chromium():
    found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if not found:
        missing("no chromium or chrome on PATH")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=["--no-sandbox", "--disable-gpu"])
        yield browser
        browser.close()


def visit(chromium, path):
    """Open a page, unfold everything, follow each script link: whether one ran, and the addresses asked for."""
    page = chromium.new_page()
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    page.route(lambda url: not url.startswith("file:"), lambda route: route.abort())  # what it asks for does not exist
    page.goto(path.as_uri(), wait_until="domcontentloaded")
    page.evaluate("document.querySelectorAll('details').forEach(fold => fold.open = true)")
    page.evaluate("document.querySelectorAll('a[href^=javascript]').forEach(link => link.click())")
    page.wait_for_timeout(500)
    ran = page.evaluate("window.hacked !== undefined")
    frames = len(page.frames)
    page.close()
    return ran or frames > 1, [url for url in asked if url != path.as_uri() and not url.startswith("data:image/")]
