"""What people read about an exercise: sentences, made from the fields of a result and nowhere else."""

import re
import sys

FIXED = {
    "not_attempted": "No answer was handed in.",
    "no_model_file": "No model file was handed in. Notebook 5 saves model.safetensors: hand it in with the notebook.",
    "no_data": "Not graded yet: your instructor needs the VOC images.",
}
UNSAID = {"right": "Right.", "wrong": "This answer is not right yet.", "raised": "Your code stopped with an error.",
          "not_run": "This exercise was not run."}
# Where the jail keeps the course, a kernel its cells and Python its packages
_PATHS = ((re.compile(r"/course/jails/\d+"), ""),
          (re.compile(r"File /tmp/ipykernel_\d+/\d+\.py|/tmp/ipykernel_\d+/\d+\.py"), "your cell"),
          (re.compile(rf"(?:{re.escape(sys.prefix)}|{re.escape(sys.base_prefix)}|/usr)/lib\w*/python[\d.]+/"
                      r"(?:(?:site|dist)-packages/)?"), ""),
          (re.compile(r"/course/(?:work/)?"), ""))


def said(outcome, misconception=None, reason=None):
    """Why an exercise has its points: one or more sentences."""
    fixed = FIXED.get(misconception) or FIXED.get(outcome)
    text = fixed or (reason or "").strip() or UNSAID.get(outcome, UNSAID["not_run"])
    return without_paths(text)


def result(exercise, by_hand):
    """The same of an exercise in a result, whose points may be a person's."""
    text = said(exercise["outcome"], exercise["misconception"], exercise["reason"])
    if by_hand:
        return f"Your instructor gave these points. The automatic check said: {text}"
    return text


def first(text, most=160):
    """The first sentence or line of a text, whole words of it."""
    line = text.strip().partition("\n")[0]
    sentence = re.match(r".{15,}?[.!?](?=\s|$)", line)
    return shortened(sentence[0] if sentence else line, most)


def shortened(text, most):
    """`text`, or as many whole words of it as fit, and "…"."""
    if len(text) <= most:
        return text
    cut = text[:most - 1]
    space = max(cut.rfind(" "), cut.rfind("\n"))
    return (cut[:space] if space > most // 2 else cut).rstrip() + "…"


def without_paths(text):
    """`text` without the folders of the machine that graded it."""
    for pattern, instead in _PATHS:
        text = pattern.sub(instead, text)
    return text
