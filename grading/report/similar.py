"""Near-identical answers across students: who shares more than chance explains?

Exercises are 1 to 8 lines, so right answers are often alike. What counts is therefore the whole course of two
students: for every exercise, how rare is it in this class to take the same steps (names, comments and layout set
aside)? A likelihood ratio adds that up: "one copied a part of the other" against "each wrote alone"; agreeing on
what many wrote weighs little, differing weighs against. On top come what two people hardly invent alike: the
same comment, the same odd name, the same slip of layout.
"""

import ast
import functools
import io
import itertools
import re
import tokenize
from collections import Counter, defaultdict

import nbformat
import numpy as np

from grading.intake.source import fresh_tree
from helpers.settings import ROOT

MARGIN = 7  # bits beyond the number of pairs: one false alarm in a hundred classes, if students write alone
COPIED = (0.1, 0.5, 0.9)  # shares of the answers that a copier may have copied; the most likely counts
WORD_BITS, ODD_BITS = 2, 4  # for each word of a comment that is the course's; for each other word, name, odd line
COMMENT_MOST, NAMES_MOST, LAYOUT_MOST = 32, 12, 12  # bits, for each exercise
PAIRS = 256  # a smaller class is judged as one with so many pairs: there too, few words in common are not evidence
LONGEST = 20_000  # characters of an answer that are looked at
BLOCK = 256  # students compared with all others at once


def groups(results):
    """Groups of students whose answers are nearer to each other than chance explains, the surest first.

    `results` are those of the class report: one for each student and notebook. Returns a list of
    {"students": [ids], "bits": float, "evidence": str}, where `bits` is how far the least sure of the links
    stands beyond chance.
    """
    answers = _answers(results)
    students = sorted({student for of in answers.values() for student in of})
    if len(students) < 2:
        return []
    place = {student: number for number, student in enumerate(students)}
    forms = {key: {place[student]: steps(source) for student, source in of.items()} for key, of in answers.items()}
    shared = _shared_traces(answers, place)
    threshold = np.log2(max(PAIRS, len(students) * (len(students) - 1) / 2)) + MARGIN
    links = [(a, b, bits) for a, b, bits in _pairs(forms, shared, len(students)) if bits >= threshold]
    return [_group(members, links, threshold, students, forms, shared) for members in _components(links)]


@functools.lru_cache(maxsize=100_000)
def steps(source):
    """What an answer does, whatever its names, comments and layout: text that is equal for equal steps.

    Empty for what is no Python, and for an answer that says nothing (a stub, the course's own solution).
    """
    parsed = fresh_tree(source) if len(source) <= LONGEST else None  # `_Plain` changes it
    if parsed is None:
        return ""
    try:
        text = ast.dump(_Plain(_bound(parsed)).visit(parsed))
    except RecursionError:
        return ""
    return "" if "NotImplementedError" in text or len(text) < 120 else text


@functools.lru_cache(maxsize=100_000)
def traces(source):
    """What two people hardly invent alike: a dictionary from (kind, text) to bits."""
    found = {}
    names, words = set(), vocabulary()
    try:
        tokens = list(tokenize.generate_tokens(io.StringIO(source[:LONGEST]).readline))
    except (SyntaxError, ValueError, tokenize.TokenError):
        return found
    for token, following in itertools.pairwise([*tokens, tokens[-1]]):
        if token.type == tokenize.COMMENT:
            said = re.findall(r"[^\W\d_]{2,}", token.string.lower())
            if len(said) >= 3:
                found["comment", " ".join(said)] = sum(WORD_BITS if word in words else ODD_BITS for word in said)
        elif token.type == tokenize.NAME and following.string in ("=", ",", ")", ":", "in", "+="):
            names.add(token.string)
    for name in names:
        parts = re.findall(r"[A-Z]?[^\W\d_A-Z]{3,}", name)
        if parts and not any(part.lower() in words for part in parts):
            found["name", name] = ODD_BITS
    for line in source[:LONGEST].splitlines():
        code = line.strip()
        if len(code) > 12 and re.search(r"\S {2,}[^ #]|[(\[] \S|\S [,)\]]|\S +$", line) and "#" not in code:
            found["layout", line] = ODD_BITS
    return found


class _Plain(ast.NodeTransformer):
    """Names become numbers in the order of their appearance; docstrings, annotations, prints and imports go."""

    def __init__(self, bound):
        self.bound, self.numbers = bound, {}

    def _number(self, name):
        return f"v{self.numbers.setdefault(name, len(self.numbers))}" if name in self.bound else name

    def visit_Name(self, node):
        node.id = self._number(node.id)
        return node

    def visit_arg(self, node):
        node.arg, node.annotation, node.type_comment = self._number(node.arg), None, None
        return node

    def visit_FunctionDef(self, node):
        node.name, node.returns = self._number(node.name), None
        return self.generic_visit(node)

    def visit_Constant(self, node):
        node.kind = None
        return node

    def visit_Expr(self, node):
        call = node.value
        if isinstance(call, ast.Constant):
            return None
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id == "print":
            return None
        return self.generic_visit(node)

    def visit_Import(self, node):
        return None

    visit_ImportFrom = visit_Import


def _bound(parsed):
    """The names that an answer chose itself: what it assigns, its parameters, its inner functions."""
    chosen = set()
    for node in ast.walk(parsed):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            chosen.add(node.id)
        elif isinstance(node, ast.arg):
            chosen.add(node.arg)
        elif isinstance(node, ast.FunctionDef) and node not in parsed.body:
            chosen.add(node.name)
    return chosen


def _answers(results):
    """Sources by exercise, then student."""
    answers = defaultdict(dict)
    for result in results:
        for exercise in result["exercises"]:
            if exercise["source"]:
                answers[result["assignment"], exercise["name"]][result["student"]] = exercise["source"]
    return answers


def _shared_traces(answers, place):
    """(exercise, a, b) to the traces that two students share, without those that are anybody's."""
    shared = defaultdict(dict)
    common = max(3, len(place) // 20)
    for key, of in answers.items():
        holders = defaultdict(dict)
        for student, source in of.items():
            for trace, bits in traces(source).items():
                holders[trace][place[student]] = bits
        for trace, found in holders.items():
            if 2 <= len(found) <= common and trace[1] not in _course_comments():
                for a, b in itertools.combinations(sorted(found), 2):
                    shared[key, a, b][trace] = found[a]
    return shared


def _pairs(forms, shared, count):
    """(a, b, bits) for each pair with more than nothing: the likelihood ratio, log2, plus shared traces."""
    own = _own_solutions()
    codes, gains = [], []
    for of in forms.values():
        counts = Counter(text for text in of.values() if text and text not in own)
        number = {text: code for code, text in enumerate(counts)}
        codes.append(np.array([number.get(of.get(student), -1) for student in range(count)]))
        gains.append(np.array([[np.log2(copied * counts.total() / n + 1 - copied) for n in counts.values()]
                               for copied in COPIED]).reshape(len(COPIED), -1))
    extra = defaultdict(lambda: defaultdict(float))
    most = {"comment": COMMENT_MOST, "name": NAMES_MOST, "layout": LAYOUT_MOST}
    for (_, a, b), found in shared.items():
        for kind, limit in most.items():
            extra[a][b] += min(limit, sum(bits for (this, _), bits in found.items() if this == kind))
    for start in range(0, count, BLOCK):
        rows = slice(start, min(start + BLOCK, count))
        score = np.zeros((len(COPIED), rows.stop - start, count), dtype=np.float32)
        for code, gain in zip(codes, gains):
            both = (code[rows, None] >= 0) & (code[None] >= 0)
            same = both & (code[rows, None] == code[None])
            for number, copied in enumerate(COPIED):
                weight = np.append(gain[number], 0)[code[rows]]  # -1, no answer, finds the 0 at the end
                score[number] += np.where(same, weight[:, None], np.where(both, np.log2(1 - copied), 0))
        bits = np.maximum(score.max(axis=0), 0)
        for a in range(start, rows.stop):
            for b, more in extra[a].items():
                bits[a - start, b] += more
        for a, b in zip(*np.nonzero(bits > MARGIN)):
            if a + start < b:
                yield int(a + start), int(b), float(bits[a, b])


def _components(links):
    """Sets of students that links hold together, the surest link first."""
    group = {}
    for a, b, _ in sorted(links, key=lambda link: -link[2]):
        joined = group.get(a, {a}) | group.get(b, {b})
        for member in joined:
            group[member] = joined
    seen = {id(members): members for members in group.values()}
    best = {id(group[a]): 0 for a, _, _ in links}
    for a, _, bits in links:
        best[id(group[a])] = max(best[id(group[a])], bits)
    return sorted(seen.values(), key=lambda members: -best[id(members)])


def _group(members, links, threshold, students, forms, shared):
    """One group, with its evidence in a line."""
    inside = [link for link in links if link[0] in members]
    a, b, bits = min(inside, key=lambda link: link[2])
    both = [of for of in forms.values() if of.get(a) and of.get(b)]
    same = [of for of in both if of[a] == of[b]]
    rare = [of for of in same if sum(of[a] == other for other in of.values()) <= max(3, len(students) // 20)]
    lines = []
    if same:
        lines.append(f"{len(same)} of {len(both)} answers take the same steps"
                     + (f", {len(rare)} of them steps that few others take" if rare else ""))
    found = Counter()
    for (_, x, y), of in shared.items():
        if x in members and y in members:
            found.update(of.keys())
    for kind, words in (("comment", "the same comment"), ("name", "the same unusual name"),
                        ("layout", "the same slip of layout in")):
        texts = [text for (this, text), _ in found.most_common() if this == kind]
        if texts:
            more = f" and {len(texts) - 1} more" if len(texts) > 1 else ""
            lines.append(f"{words} “{texts[0].strip()[:80]}”{more}")
    return {"students": [students[member] for member in sorted(members)], "bits": round(float(bits - threshold), 1),
            "evidence": "; ".join(lines)}


@functools.cache
def _course_cells():
    """Sources of all cells of the course: solutions and, where they differ, what students get."""
    cells = []
    for folder in ("solutions", "notebooks"):
        for path in sorted((ROOT / folder).glob("*/*.ipynb")):
            cells += [cell.source for cell in nbformat.read(path, as_version=4).cells]
    return cells


@functools.cache
def _own_solutions():
    """The steps of the course's own answers: to agree with them says nothing about a pair."""
    return {text for source in _course_cells() if "BEGIN SOLUTION" in source and (text := steps(source))}


@functools.cache
def _course_comments():
    return {text for source in _course_cells() for kind, text in traces(source) if kind == "comment"}


@functools.cache
def vocabulary():
    """The words of the course: a name made of them is not odd."""
    texts = _course_cells() + [path.read_text(encoding="utf-8") for path in (ROOT / "helpers").rglob("*.py")]
    return {word.lower() for text in texts for word in re.findall(r"[A-Z]?[^\W\d_A-Z]{3,}", text)}
