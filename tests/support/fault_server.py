"""A web server on 127.0.0.1 that does wrong what servers of data sets do wrong.

    with FaultServer({"voc.tar": content}) as server:
        server.url("drops", "voc.tar")
"""

import gzip
import re
import socket
import threading
import time
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PAGE = b"<!DOCTYPE html><html><body>Please sign in to the wireless network</body></html>" + b" " * 500
SHARE = 0.6  # where a connection is dropped


class FaultServer:
    """Serves `files` (name to bytes) under every fault; counts the body bytes and keeps the requests it saw."""

    def __init__(self, files, longest=20):
        self.files, self.longest = files, longest  # no answer takes more seconds than that
        self.sent, self.requests, self.times = Counter(), [], Counter()
        self.closing, self.gate, self._lock = threading.Event(), threading.Event(), threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"faults": self}))
        self._server.daemon_threads = True
        self._server.handle_error = lambda *_: None  # a client that hangs up is none

    def __enter__(self):
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_):
        self.closing.set()
        self._server.shutdown()
        self._server.server_close()

    def url(self, fault, name):
        port = _closed_port() if fault == "refuses" else self._server.server_port
        host = "no-such-server.invalid" if fault == "no server" else "127.0.0.1"
        return f"http://{host}:{port}/{fault.replace(' ', '_')}/{name}"

    def nth(self, path):
        """How often this path was asked for, with this time."""
        with self._lock:
            self.times[path] += 1
            return self.times[path]


def _closed_port():
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        return unused.getsockname()[1]


class _Handler(BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def do_GET(self):
        fault, name = self.path.strip("/").split("/")
        self.faults.requests.append((fault, self.headers.get("Range")))
        getattr(self, fault)(self.faults.files[name], self.faults.nth(self.path))

    def serve(self, content, status=None, stop=None, pace=0, ranges=True, shift=0, **headers):
        """Answer with `content`, from where it was asked for, as far as `stop`; each piece after `pace` seconds."""
        asked = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", "")) if ranges else None
        start = max(int(asked[1]) - shift, 0) if asked else 0
        if asked and start >= len(content):
            return self.fail(416)
        self.send_response(status or (206 if asked else 200))
        default = {"Content-Type": "application/octet-stream", "Content-Length": len(content) - start}
        if asked:
            default["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
        for key, value in {**default, **{key.replace("_", "-"): value for key, value in headers.items()}}.items():
            if value is not None:
                self.send_header(key, str(value))
        self.end_headers()
        self.write(content[start:stop], pace)

    def write(self, body, pace=0):
        deadline = time.monotonic() + self.faults.longest
        size = max(len(body) // 40, 1) if pace else 2 ** 16
        for start in range(0, len(body), size):
            if time.monotonic() > deadline or pace and self.faults.closing.wait(pace):
                return
            with self.faults._lock:  # before it is sent: who has received it may ask at once
                self.faults.sent[self.path.split("/")[1]] += len(body[start:start + size])
            self.wfile.write(body[start:start + size])

    def fail(self, status, **headers):
        self.send_response(status)
        for key, value in {"Content-Length": 0, **headers}.items():
            self.send_header(key.replace("_", "-"), str(value))
        self.end_headers()

    # Servers that give the right bytes in the end

    def ok(self, content, nth):
        self.serve(content)

    def ignores_range(self, content, nth):
        self.serve(content, ranges=False)

    def slow(self, content, nth):
        self.serve(content, pace=0.02)

    def redirects(self, content, nth):
        self.fail(302, Location=self.path.replace("redirects", "ok"))

    def chunked(self, content, nth):
        self.protocol_version = "HTTP/1.1"
        self.serve(b"", Content_Length=None, Transfer_Encoding="chunked", Connection="close")
        for start in range(0, len(content), 50_000):
            piece = content[start:start + 50_000]
            self.wfile.write(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")
        self.wfile.write(b"0\r\n\r\n")

    def gzipped(self, content, nth):
        self.serve(gzip.compress(content, 0), ranges=False, Content_Encoding="gzip")

    def error_then_ok(self, content, nth):
        self.fail(500) if nth == 1 else self.serve(content)

    def busy_then_ok(self, content, nth):
        self.fail(503) if nth <= 2 else self.serve(content)

    def throttled_then_ok(self, content, nth):
        self.fail(429, Retry_After=1) if nth == 1 else self.serve(content)

    def drops(self, content, nth):
        """At 60 % the first time; then continues."""
        self.serve(content, stop=int(SHARE * len(content)) if nth == 1 else None)

    def drops_every_tenth(self, content, nth):
        self.serve(content, stop=len(content) * nth // 10)

    def drops_once_ignores_range(self, content, nth):
        self.serve(content, ranges=False, stop=int(SHARE * len(content)) if nth == 1 else None)

    def stalls_once(self, content, nth):
        self.serve(content, stop=int(SHARE * len(content)) if nth == 1 else None)
        if nth == 1:
            self.faults.closing.wait(self.faults.longest)

    def shifts_range(self, content, nth):
        """Drops once, then starts 1000 bytes before the place that was asked for, and says so."""
        self.serve(content, shift=1000, stop=int(SHARE * len(content)) if nth == 1 else None)

    def lies_about_range(self, content, nth):
        """Drops once, then answers a range with the first bytes of the file."""
        if nth == 1 or not self.headers.get("Range"):
            return self.serve(content, ranges=False, stop=int(SHARE * len(content)) if nth == 1 else None)
        start = int(self.headers["Range"][6:-1])
        self.serve(content[:len(content) - start], status=206, ranges=False,
                   Content_Range=f"bytes {start}-{len(content) - 1}/{len(content)}")

    def gated(self, content, nth):
        """Stops at 60 % until somebody opens the gate."""
        middle = int(SHARE * len(content))
        self.serve(content, stop=middle, ranges=False)
        self.faults.gate.wait(self.faults.longest)
        self.write(content[middle:])

    # Servers that never do

    def forbids(self, content, nth):
        self.fail(403)

    def knows_nothing(self, content, nth):
        self.fail(404)

    def always_errs(self, content, nth):
        self.fail(500)

    def always_busy(self, content, nth):
        self.fail(429, Retry_After=86_400)

    def always_drops(self, content, nth):
        self.serve(content, ranges=False, stop=int(SHARE * len(content)))

    def truncated(self, content, nth):
        """The file on the server ends at 60 %; the length says so."""
        self.serve(content[:int(SHARE * len(content))])

    def promises_too_much(self, content, nth):
        self.serve(content, Content_Length=len(content) + 1000, ranges=False)

    def promises_too_little(self, content, nth):
        self.serve(content, Content_Length=len(content) // 2, ranges=False)

    def stalls(self, content, nth):
        self.serve(content, ranges=False, stop=int(SHARE * len(content)))
        self.faults.closing.wait(self.faults.longest)

    def never_answers(self, content, nth):
        self.faults.closing.wait(self.faults.longest)

    def drips(self, content, nth):
        self.serve(content, stop=0)
        for byte in content[:2000]:
            if self.faults.closing.wait(0.02):
                return
            self.wfile.write(bytes([byte]))

    def page(self, content, nth):
        self.serve(PAGE, ranges=False, Content_Type="text/html; charset=utf-8")

    def disguised_page(self, content, nth):
        self.serve(PAGE, ranges=False)

    def padded_page(self, content, nth):
        """A web page under another type, of just the right length."""
        self.serve(PAGE.ljust(len(content)), ranges=False)

    def wrong_bytes(self, content, nth):
        self.serve(_flip(content))

    def wrong_tail(self, content, nth):
        """Right as far as 60 %, then another file."""
        middle = int(0.7 * len(content))
        self.serve(content[:middle] + _flip(content[middle:]))

    def empty(self, content, nth):
        self.serve(b"")

    def circles(self, content, nth):
        self.fail(302, Location=self.path)

    def no_http(self, content, nth):
        self.wfile.write(b"220 ftp.example.org ready\r\n" * 20)

    def broken_gzip(self, content, nth):
        self.serve(_flip(gzip.compress(content, 0)), ranges=False, Content_Encoding="gzip")


GOOD = ("ok", "ignores range", "slow", "redirects", "chunked", "gzipped", "error then ok", "busy then ok",
        "throttled then ok", "drops", "drops every tenth", "drops once ignores range", "stalls once", "shifts range",
        "lies about range")
BAD = {  # with the verdict of the one who asked
    "refuses": "refused the connection", "no server": "no such server, or no network", "forbids": "refused.*403",
    "knows nothing": "refused.*404", "always errs": "busy.*500", "always busy": "busy.*429",
    "always drops": "cut off after 60 %", "truncated": "another file", "promises too much": "another file",
    "promises too little": "another file", "stalls": "stalled after 60 %", "never answers": "stalled after 0 %",
    "drips": "stalled after 0 %", "page": "web page", "disguised page": "another file|web page",
    "padded page": "web page", "wrong bytes": "wrong bytes", "wrong tail": "wrong bytes", "empty": "another file",
    "circles": "circle", "no http": "cut off", "broken gzip": "cut off|wrong bytes"}


def _flip(content):
    return bytes(255 - byte for byte in content[:1000]) + content[1000:]
