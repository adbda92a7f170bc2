"""Showing a student's code without saying whose it is: no comments, no text of their own, no name in a name."""

import builtins
import io
import keyword
import re
import tokenize
from collections import Counter

from grading.report.similar import vocabulary

CANDIDATES, LINES, LONGEST = 15, 30, 5000  # answers looked at for an example; lines, characters of an example
FEW = 3  # what fewer students write may be somebody's mark
_KNOWN = {*keyword.kwlist, *keyword.softkwlist, *dir(builtins), "self"}
_WORD = re.compile(r"[A-Z]?[^\W\d_A-Z]+|[A-Z]+(?![^\W\d_A-Z])")


class People:
    """The students of some results, to be left out of what is shown."""

    def __init__(self, results):
        called = {text for result in results for text in (result["student"], result["name"] or "")}
        self.names = {word for text in called for word in _words(text) if len(word) >= 3} - vocabulary()
        self.numbers = {number for text in called for number in re.findall(r"\d{4,}", text)}
        by_student = {}
        for result in results:
            for exercise in result["exercises"]:
                by_student.setdefault(result["student"], set()).update(re.findall(r"\w+", exercise["source"] or ""))
        self.users = Counter(word for words in by_student.values() for word in words)

    def hidden(self, text, most=900):
        """`text` with every student's name replaced by "…"."""
        return re.sub(r"[^\W_]+", lambda word: "…" if self._tells(word[0]) else word[0], text[:most])

    def example(self, sources):
        """The answer that needs the least hiding, hidden; None where none can be shown."""
        shown = []
        for source in sorted(set(filter(None, sources)), key=lambda source: (len(source), source))[:CANDIDATES]:
            hidden = self.code(source, sources)
            if hidden:
                shown.append(hidden)
        return min(shown, key=lambda pair: (pair[1], len(pair[0])))[0] if shown else None

    def code(self, source, others=()):
        """(code, number of places hidden), or None if it is no Python, says nothing or is too long."""
        if len(source) > LONGEST:
            return None
        try:
            tokens = list(tokenize.generate_tokens(io.StringIO(source).readline))
        except (SyntaxError, ValueError, tokenize.TokenError):
            return None
        lines, new, before = source.splitlines(), {}, tokenize.NEWLINE
        edits = []
        for token in tokens:
            replacement = self._replacement(token, before, source, others, new, edits)
            if replacement is not None:
                edits.append((token.start, token.end, replacement))
            if token.type not in (tokenize.COMMENT, tokenize.NL):
                before = token.type if token.string != "." else "."
        for (row, start), (last, end), text in reversed(edits):
            lines[row - 1:last] = [lines[row - 1][:start] + text + lines[last - 1][end:]]
        lines = [line.rstrip() for line in lines if line.strip()]
        if not 2 <= len(lines) <= LINES:
            return None
        return "\n".join(lines), len(new) + sum("…" in text for _, _, text in edits)

    def _replacement(self, token, before, source, others, new, edits):
        """What is shown in a token's place; None for the token itself."""
        if token.type == tokenize.COMMENT:
            return ""
        if token.type == tokenize.STRING:
            if before in (tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT):
                return ""  # a docstring
            shared = sum(token.string in other for other in others) >= FEW
            return None if (shared or self._of_the_course(token.string)) and not self._tells(token.string) else '"…"'
        if token.type == tokenize.NUMBER:
            return "0" if len(token.string) > 6 or token.string in self.numbers else None
        if token.type == getattr(tokenize, "FSTRING_MIDDLE", None):
            return None if self._of_the_course(token.string) and not self._tells(token.string) else "…"
        if token.type == tokenize.NAME and token.string not in _KNOWN:
            attribute = before == "."
            rare = self.users[token.string] < FEW and not attribute and not self._of_the_course(token.string)
            if rare or self._tells(token.string):
                return new.setdefault(token.string, f"name_{len(new) + 1}")
        return None

    def _tells(self, text):
        return not self.names.isdisjoint(_words(text)) or any(number in text for number in self.numbers)

    def _of_the_course(self, text):
        return all(word in vocabulary() for word in _words(text) if len(word) >= 3)


def _words(text):
    return {word.casefold() for word in _WORD.findall(text)}
