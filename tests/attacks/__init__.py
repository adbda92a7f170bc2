"""Hostile submissions: what each does, and which exercises it loses by it; all others earn their points.

The body of each function here is what a student writes: in a cell of their own in front of the first
exercise (`@cell`), behind an exercise (`@cell(behind=...)`), or in an answer (`@answer`), in front of the
right one unless the exercise is lost. `attempt` prints a breach where something works that must not.
"""

import ast
import dataclasses
import inspect
import textwrap
from pathlib import Path

MARK = "left-behind-by-an-attack"  # in the name of whatever an attack writes


@dataclasses.dataclass(frozen=True)
class Attack:
    """One hostile submission; `answer` is the exercise that holds its code, None for a cell behind `behind`."""

    name: str
    about: str  # the module it stands in
    code: str
    answer: str | None
    behind: str | None
    lost: tuple[str, ...]
    slow: bool  # ends only by a clock
    files: tuple = ()  # functions that put something beside the notebook, given the folder and the course
    change: object = None  # a function that changes the finished notebook

    def __str__(self):
        return self.name


ATTACKS = []


def cell(behind=None, lost=(), slow=False, files=(), change=None):
    """The body is a cell of the student's own."""
    return _register(None, behind, lost, slow, files, change)


def answer(name, lost=(), slow=False):
    """The body is the answer to exercise `name`, or stands in front of the right answer if that is not lost."""
    return _register(name, None, lost, slow)


def _register(*rest):
    def register(function):
        ATTACKS.append(Attack(function.__name__, about(function), body(function), *rest))
        return function
    return register


def about(function):
    return function.__module__.rpartition(".")[2]


def body(function):
    """The source of a function's body, without its docstring."""
    text = textwrap.dedent(inspect.getsource(function))
    node = ast.parse(text).body[0]
    first = node.body[1] if ast.get_docstring(node) is not None and len(node.body) > 1 else node.body[0]
    return textwrap.dedent("\n".join(text.splitlines()[first.lineno - 1:]))


def preamble(course, root, port):
    """What the attackers know: where the grader and its files are at home, a port and a socket that listen outside."""
    return textwrap.dedent(f"""\
        COURSE, ROOT, PORT, MARK = {str(course)!r}, {str(root)!r}, {port}, {MARK!r}
        HOME = {str(Path.home())!r}
        def attempt(call, *args, **kwargs):
            try:
                found = call(*args, **kwargs)
            except BaseException:
                return
            print("BREACH:", call, args, str(found)[:80])
        """)


def everything():
    """All attacks."""
    from tests.attacks import cheating, escape, forging, handed_in, processes, resources  # noqa: F401
    return ATTACKS
