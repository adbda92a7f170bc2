"""The examination: an nbgrader preprocessor before the execution, which decides every mark.

For each exercise the student's function is called in a room of its own (`grading.run.room`), on inputs drawn for this
submission; the judge (`grading.mark.judge`) compares. What the notebook's own run shows decides nothing: it comes
later, and the visible check's words are used where an answer is wrong. `WriteFindings` puts both on the cells.
"""

import contextlib
import dataclasses
import os
import pickle
import random
import secrets
import socket
import time
from pathlib import Path

from nbformat.v4 import new_output
from nbgrader.preprocessors import NbGraderPreprocessor
from nbgrader.utils import is_grade
from traitlets import Integer

from grading.mark import known, published, trained_model
from grading.mark.finding import Finding
from grading.mark.judge import LARGEST
from grading.run import channel, jail, library, selection
from grading.run.execute import JailedExecute
from grading.run.limits import Limits
from helpers.settings import CHECK_MIME, MODEL_FILE

TRIES = 4  # rooms for one answer: after a cell that ends the process, once more without it ...
AGAIN = 2  # ... for as long as all tries together take no more than so many times what one may
EXPLAINED = ("wrong", "raised")  # where the visible check's words are better
LEFT = 300  # seconds that a judge must have left for one more question


class Examine(NbGraderPreprocessor):
    """What became of each exercise, as `resources["findings"]`.

    `resources["decided"]` names those that a check can say no more of, `resources["stopped"]` are cells that ended a
    room's process.
    """

    seed = Integer(None, allow_none=True, help="one seed for all submissions (for tests); drawn for each if None").tag(
        config=True)
    held_out_seed = Integer(0, help="draws the images that handed-in models are judged on").tag(config=True)
    timeout = Integer(60, help="seconds for one answer, with the cells that it needs").tag(config=True)

    def preprocess(self, nb, resources):
        jail.require()
        seed = secrets.randbelow(2 ** 31) if self.seed is None else self.seed
        limits = Limits(**JailedExecute(parent=self).limits | {"wall": self.timeout})  # those of its run
        findings, stopped = {}, {}
        resources |= {"findings": findings, "stopped": stopped, "decided": set()}
        flags = nb.metadata.setdefault("course", {}).setdefault("flags", [])
        flags += published.flags(filter(selection.is_own, nb.cells))
        for name in _graded(nb):
            if name == selection.BY_FILE:
                found = trained_model.examine(Path(resources["metadata"]["path"], MODEL_FILE), self.held_out_seed)
                if found.misconception == "no_data":
                    flags.append({"kind": "no_data", "exercise": name, "text": trained_model.NO_DATA})
            elif name in library.exercises():
                own_seed = random.Random(f"{seed} {name}").randrange(2 ** 31)
                found = examine(nb, name, own_seed, the_judge(), limits, stopped)
            else:
                raise library.LibraryError(f"{name} is graded and has no examination")
            findings[name] = found
            if found.outcome not in EXPLAINED:
                resources["decided"].add(name)
                self.log.info("%s: %s", name, found)
        return nb, resources


class WriteFindings(NbGraderPreprocessor):
    """Writes on each graded cell what became of it, as `metadata["course"]` and as outputs that nbgrader counts."""

    def preprocess(self, nb, resources):
        for name, cell in _graded(nb).items():
            found = in_words(resources["findings"][name], cell.outputs, name)
            write(cell, found)
            if name not in resources["decided"]:
                self.log.info("%s: %s", name, found)
        return nb, resources


def _graded(nb):
    """Exercise to its graded cell."""
    return {cell.metadata.nbgrader["grade_id"].removeprefix("test_"): cell for cell in nb.cells
            if cell.cell_type == "code" and is_grade(cell)}


_judges = {}  # of this process, and of the one that it was forked from


def the_judge():
    """The judge of this process: no student's code has been where it is, so one serves for many notebooks."""
    judge = _judges.get(os.getpid())
    if judge is None or judge.process.poll() is not None or judge.process.deadline < time.monotonic() + LEFT:
        end_judge()
        _judges[os.getpid()] = judge = Judge().__enter__()
    return judge


def end_judge():
    """Ends the judge of this process, where there is one; the next notebook starts another."""
    if judge := _judges.pop(os.getpid(), None):
        judge.__exit__()


class Judge:
    """A jail in which `grading.mark.judge` answers; a context manager."""

    def __enter__(self):
        self.socket, inside = socket.socketpair()
        with inside:
            self.process = jail.start(("grading.mark.judge:serve",), {"channel": inside})
        return self

    def __exit__(self, *_):
        self.socket.close()
        self.process.kill()

    def ask(self, *question):
        try:
            channel.send(self.socket, pickle.dumps(question))
            answer = channel.receive(self.socket, 1 << 28, lambda: self.process.poll() is None)
        except BaseException:  # else the next question would be given this one's answer
            self.process.kill()
            raise
        if answer is None:
            raise jail.JailError("jail: the judge has ended")
        return pickle.loads(answer)  # the judge unpickles nothing of a stranger's


def examine(nb, name, seed, judge, limits=Limits(), stopped=None):
    """A `Finding` on one exercise of a notebook.

    Cells whose ids are in `stopped` are not run; those that end their room are added, with their problem's name and
    reason.
    """
    exercise = library.exercises()[name]
    blank = selection.unanswered(nb, exercise["functions"])
    broken = _broken(nb, name) if blank else None
    if blank and not broken:
        return Finding("not_attempted", f"{' and '.join(blank)} {'is' if len(blank) == 1 else 'are'} still empty.")
    cells = selection.cells(nb, name, exercise["functions"])
    stopped = {} if stopped is None else stopped
    ended, end = None, time.monotonic() + AGAIN * limits.wall
    for _ in range(TRIES):
        if ended and time.monotonic() > end:
            return Finding("not_run", f"{_names(exercise)} could not be examined: {ended.reason}.")
        ran = [cell for cell in cells if cell[0] not in stopped]
        left = dataclasses.replace(limits, wall=max(1, min(limits.wall, end - time.monotonic())))
        told, ended = _in_a_room(judge.ask("draw", name, seed, [text for _, text in ran]), name, left)
        if told is not None:
            break
        if ended.cell is None or ended.cell >= len(ran):  # in the grader's own call, or nobody knows where
            return Finding("not_run", f"{_names(exercise)} was stopped: {ended.reason}.")
        stopped[ran[ended.cell][0]] = ended.name, ended.reason
    else:
        return Finding("not_run", f"{_names(exercise)} could not be examined: {ended.reason}.")
    found = judge.ask("compare", name, seed, told)
    if found["right"]:
        return Finding("right")
    failed = {ran[number][0]: text for number, text in found["failed"].items() if number < len(ran)}
    if found["missing"]:
        own = next((cell.id for cell in nb.cells if cell.metadata.get("nbgrader", {}).get("grade_id") == name), None)
        first = failed.get(own) or next(iter(failed.values()), None)
        why = first or ("the cell that defines it was stopped" if stopped else "no cell defines it as a function")
        return Finding("raised", f"{' and '.join(found['missing'])} could not be defined: {why}.")
    if found["raised"]:
        return Finding("raised", f"{_names(exercise)} stopped with {found['raised']}.")
    return Finding("wrong", f"The answers on fresh inputs differ from the right ones. {found['difference']}.")


def _names(exercise):
    return " or ".join(exercise["functions"])


def _broken(nb, name):
    """Whether the exercise's own cell is no Python."""
    return any(cell.metadata.get("nbgrader", {}).get("grade_id") == name and cell.source.strip()
               and selection.source.tree(cell.source) is None for cell in nb.cells)


@dataclasses.dataclass
class _End:
    """How a room ended before it had told anything: the number of the cell that ran, and why."""

    cell: int | None
    name: str
    reason: str


def _in_a_room(task, name, limits):
    """(what the room told as bytes, None), or (None, how it ended)."""
    here, inside = socket.socketpair()
    with here:
        with inside:
            process = jail.start(("grading.run.room:serve",), {"channel": inside}, limits, library=name)
        cell = None
        try:
            with contextlib.suppress(OSError, ValueError):  # whatever a stranger's process does to the channel
                channel.send(here, task)
                while (said := channel.receive(here, LARGEST, lambda: process.poll() is None)) is not None:
                    if said.startswith(b"{"):
                        return said, None
                    if process.poll(fresh=True) is not None and process.exceeded():
                        break  # the disk that the cell before has filled
                    cell = int(said[:8])
            time.sleep(0.1)  # an end is heard a moment after the connection's
            reason = "it ended the Python process" if process.poll(fresh=True) is not None \
                else "it closed the grader's connection"
            return None, _End(cell if cell is not None and cell >= 0 else None,
                              *(process.exceeded() or ("KernelDied", reason)))
        finally:
            process.kill()


def in_words(found, outputs, name):
    """The finding with the visible check's words, where the answer is wrong and the check knows better why."""
    if found.outcome not in EXPLAINED:
        return found
    for output in outputs:
        said = output.get("data", {}).get(CHECK_MIME)
        if said and said["exercise"] == name and said["outcome"] in ("wrong", "not_attempted", "raised"):
            named = said.get("misconception") if said["outcome"] == "wrong" else None
            if said["outcome"] != "wrong" or known.is_known(named, name):
                return Finding(said["outcome"], said["message"], named)
    return found


def write(cell, found):
    """A finding on a graded cell, in fields for the report and in outputs for nbgrader: an error earns nothing."""
    cell.metadata["course"] = dataclasses.asdict(found)
    # nbgrader reads a cell's result as partial credit; an error of the visible check decides nothing
    cell.outputs = [output for output in cell.outputs if output.output_type not in ("execute_result", "error")]
    if found.outcome == "right":
        cell.outputs.append(new_output("stream", name="stdout", text=f"{found.reason or 'Examined: right.'}\n"))
    else:
        cell.outputs.insert(0, new_output("error", ename=found.misconception or found.outcome, evalue=found.reason,
                                          traceback=[found.reason]))
