"""The judge: draws inputs, and compares what came back with the reference; in a jail where no student's code has been.

It is the one process of grading that knows what is right. What it reads from a room is JSON, within bounds.
"""

import functools
import json
import pickle
import secrets
import socket

from grading.run import channel

CHANNEL = 3  # the file descriptor of the grader's socket
LARGEST = 1 << 25  # bytes of a message
LONGEST = 20  # digits of a whole number
MOST = 1_000_000  # values in a message; the answers to no exercise have a tenth of it


def serve():
    """Answer the grader's questions until it has none; each is (function, *arguments), pickled, as is the answer."""
    connection = socket.socket(fileno=CHANNEL)
    while question := channel.receive(connection, LARGEST):
        name, *arguments = pickle.loads(question)  # the grader's own; what a room said is bytes in it
        channel.send(connection, pickle.dumps({"draw": draw, "compare": compare}[name](*arguments)))


def draw(name, seed, cells):
    """All that a room is told, pickled: the cells to run, the functions and their inputs, how to call them."""
    from helpers.exercises import EXERCISES
    exercise = EXERCISES[name]
    run = exercise.probe.run
    return pickle.dumps({"cells": cells, "functions": exercise.functions, "run": (run.__module__, run.__qualname__),
                         "inputs": pickle.loads(_inputs(name, seed)), "seed": secrets.randbelow(2 ** 31)})


@functools.lru_cache(maxsize=1)  # asked for twice, and pickled because an answer may change what it is given
def _inputs(name, seed):
    from helpers.exercises import EXERCISES
    from helpers.exercises.guard import as_found
    with as_found(seed):
        return pickle.dumps(EXERCISES[name].probe.inputs(seed))


@functools.lru_cache(maxsize=1)  # an answer that is examined again needs no other
def _wanted(name, seed):
    from helpers.exercises import EXERCISES
    from helpers.exercises.guard import as_found
    from helpers.exercises.probe import encode
    exercise = EXERCISES[name]
    with as_found(seed):
        return encode(exercise.probe.run(exercise.reference, pickle.loads(_inputs(name, seed))))


def compare(name, seed, told):
    """What the bytes that a room sent come to: {"right", "difference", "raised", "missing", "failed"}."""
    from helpers.exercises import EXERCISES
    from helpers.exercises.guard import as_found
    from helpers.exercises.probe import difference
    exercise = EXERCISES[name]
    probe = exercise.probe
    found = read(told)
    answers = found.get("answers")
    if probe.verdict:
        with as_found(seed):
            reason = probe.verdict(pickle.loads(_inputs(name, seed)), answers)
    else:
        reason = difference(answers, _wanted(name, seed), probe.tolerance)
    missing = found.get("missing")
    failed = found.get("failed") if isinstance(found.get("failed"), dict) else {}
    return {"right": reason is None, "difference": line(reason),
            "raised": line(found.get("raised")),
            "missing": [each for each in exercise.functions if isinstance(missing, list) and each in missing],
            "failed": {int(number): line(text) for number, text in list(failed.items())[:100]
                       if number.isdecimal() and len(number) <= LONGEST}}


def read(told):
    """A stranger's JSON object; {} for anything else, for what nests too deep, for too many or endless values."""
    if sum(map(told.count, (b",", b"[", b"{"))) > MOST:  # millions of empty lists take minutes
        return {}
    try:
        found = json.loads(told.decode(), parse_int=_integer)
    except (ValueError, RecursionError, MemoryError):
        return {}
    return found if isinstance(found, dict) else {}


def _integer(text):
    if len(text) > LONGEST:
        raise ValueError("a number of more digits than any answer has")
    return int(text)


def line(text, most=600):
    """A stranger's text as one line that any file can hold; None for anything else and for nothing."""
    if not isinstance(text, str):
        return None
    return " ".join(text.split())[:most].encode(errors="replace").decode() or None
