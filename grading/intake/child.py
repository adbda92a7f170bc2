"""Strangers' bytes are parsed in a process of their own, with bounded memory and time.

What a file does there, at worst, is to end this process: that is one line about the file, and a new process reads
the next. Requests and answers are lines of JSON.
"""

import json
import os
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

from helpers.settings import ROOT

MEMORY = 2 * 2 ** 30  # bytes of address space, for one file's parsing
SECONDS = 20  # of the CPU, for one request
WAIT = 20  # times as long on the clock: a busy machine is no file's fault
LONGEST_ANSWER = 200_000_000  # bytes: the list of an archive's files


class Unreadable(ValueError):
    """A file could not be read; the message, one line, says why. `costly` if that took long or ended the process."""

    def __init__(self, text, costly=False):
        super().__init__(text)
        self.costly = costly


class Child:
    """The process that reads; a context manager. One that has died is replaced at the next request.

    `spent` is how many seconds of the CPU all requests have taken.
    """

    def __init__(self, release):
        self.release, self._process, self.spent = Path(release), None, 0.0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self._process:
            self._process.kill()  # it has answered all that it was asked
        self._stop()

    def call(self, name, *arguments, seconds=SECONDS):
        """What `FUNCTIONS[name](*arguments)` gives there, as JSON has it; raises Unreadable."""
        request = json.dumps([name, arguments, seconds]).encode() + b"\n"
        if self._process and self._process.poll() is not None:  # it died while idle: no fault of this file
            self._stop()
        process = self._process or self._start()
        try:
            process.stdin.write(request)
            process.stdin.flush()
        except OSError:
            pass  # it has no answer either
        answer = self._answer(process, time.monotonic() + WAIT * seconds)
        self.spent += answer["spent"] if answer else seconds
        if answer is None:
            status = self._stop()
            slow = status in (None, -signal.SIGXCPU)
            raise Unreadable(f"reading it took longer than {seconds} s" if slow else
                             "reading it ended the process that read it", costly=True)
        if "error" in answer:
            if answer.get("last"):
                self._stop()
            raise Unreadable(answer["error"], costly=bool(answer.get("last")))
        return answer["result"]

    def _start(self):
        command = [sys.executable, "-m", "grading.intake.child", str(self.release.absolute())]
        self._process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                         stderr=subprocess.DEVNULL)
        os.set_blocking(self._process.stdout.fileno(), False)
        return self._process

    def _stop(self):
        """End the process: its exit status, or None if it had to be killed."""
        process, self._process = self._process, None
        if process is None:
            return None
        status = process.poll()
        if status is None:
            try:
                status = process.wait(0.2)  # it may be about to
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        for stream in (process.stdin, process.stdout):
            try:
                stream.close()
            except OSError:
                pass
        return status

    def _answer(self, process, deadline):
        """One line of JSON, or None if the process ended or was too slow."""
        chunks, length = [], 0
        while length < LONGEST_ANSWER:
            ready, _, _ = select.select([process.stdout], [], [], max(0, deadline - time.monotonic()))
            chunk = os.read(process.stdout.fileno(), 1 << 20) if ready else b""
            if not chunk:
                return None
            chunks.append(chunk)
            length += len(chunk)
            if chunk.endswith(b"\n"):
                return json.loads(b"".join(chunks))
        return None


def main():
    """Answer the requests that come in on standard input."""
    import resource

    from grading.intake import parse
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library prints is no answer
    parse.catalogue(sys.argv[1])
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    for line in sys.stdin.buffer:
        name, arguments, seconds = json.loads(line)
        used = resource.getrusage(resource.RUSAGE_SELF)
        hard = resource.getrlimit(resource.RLIMIT_CPU)[1]
        resource.setrlimit(resource.RLIMIT_CPU, (int(used.ru_utime + used.ru_stime) + seconds + 1, hard))
        try:
            answer = {"result": parse.FUNCTIONS[name](*arguments)}
        except parse.KNOWN as error:
            answer = {"error": str(error)}
        except MemoryError:
            answer = {"error": f"reading it takes more than {MEMORY >> 30} GB of memory", "last": True}
        except Exception as error:  # whatever a parser does with what it was not made for
            answer = {"error": f"it cannot be read ({type(error).__name__})"}
        now = resource.getrusage(resource.RUSAGE_SELF)
        answer["spent"] = now.ru_utime + now.ru_stime - used.ru_utime - used.ru_stime
        answers.write(json.dumps(answer).encode() + b"\n")
        answers.flush()


if __name__ == "__main__":
    main()
