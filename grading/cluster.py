"""Dask: a local cluster as wide as the machine, or an existing one, and the grading of tasks on it."""

import contextlib
import os
import warnings

import dask
from distributed import Client, KilledWorker, LocalCluster, as_completed

from grading import course, results, shard
from helpers.settings import first_line

TRIES = 3  # workers that one submission may end before it is given up


class ClusterError(RuntimeError):
    """The cluster can't be used; the message says what to do."""


@contextlib.contextmanager
def connect(address=None, workers=None):
    """A Dask client: of the scheduler at `address`, or of a local cluster. Raises ClusterError."""
    dask.config.set({"distributed.scheduler.allowed-failures": TRIES - 1,
                     "distributed.comm.timeouts.connect": "10s", "distributed.worker.daemon": False,
                     # on a busy machine a new worker may take long to come; else it would be given up for good
                     "distributed.deploy.lost-worker-timeout": "10 minutes"})
    if address:
        try:
            client = Client(address)
        except (OSError, ValueError) as error:
            raise ClusterError(f"SCHEDULER: expected a Dask scheduler at {address}, found none "
                               f"({first_line(error)}); start one, or leave SCHEDULER out") from None
        with client:
            _same_course(client)
            yield client
    else:
        with LocalCluster(n_workers=workers or os.cpu_count(), threads_per_worker=1, memory_limit=0,
                          dashboard_address=":0", silence_logs=50) as cluster, Client(cluster) as client:
            yield client


def grade(client, tasks):
    """Yield (key, result, autograded notebook or None) as the (key, Task) pairs of `tasks` are done."""
    tasks = iter(tasks)
    waiting, queue = {}, as_completed(raise_errors=False)
    # a model travels with its task: scattered ahead, it would be lost with the worker that holds it
    warnings.filterwarnings("ignore", "Sending large graph", UserWarning)
    # none waits on a worker, whose death would be held against it; and few at a time, as models are large
    width = max(1, len(client.scheduler_info(n_workers=-1)["workers"]))

    def submit():
        key, task = next(tasks, (None, None))
        if task:
            future = client.submit(shard.grade, task, key=f"grade-{key}", pure=False)
            waiting[future.key] = key, task.assignment
            queue.add(future)
    for _ in range(width):
        submit()
    for future in queue:
        key, assignment = waiting.pop(future.key)
        submit()
        yield key, *_outcome(future, assignment)


def _outcome(future, assignment):
    """What a future came to; a submission that ends its workers has a definite result too."""
    error = future.exception()
    if error is None:
        return future.result()
    reason = (f"grading this notebook ended {TRIES} workers, one after the other" if isinstance(error, KilledWorker)
              else f"grading this notebook failed: {type(error).__name__}: {error}"[:300])
    result = results.not_graded(assignment, reason)
    return {"assignment": assignment, **result, "seconds": 0.0, "again": True}, None  # the next run tries it again


def _same_course(client):
    """Every worker must have this very course."""
    try:
        versions = client.run(course.version)
    except Exception as error:  # what a worker stumbled over arrives as any kind of exception
        raise ClusterError(f"SCHEDULER: the workers have no course they can import ({first_line(error)}); start them "
                           "in its folder, with its environment: .venv/bin/python -m dask worker --nthreads 1 "
                           "tcp://...") from None
    if not versions:
        raise ClusterError("SCHEDULER: expected workers, found none; start some, then run it again")
    other = [address for address, version in versions.items() if version != course.version()]
    if other:
        raise ClusterError(f"SCHEDULER: expected this version of the course on every worker, found another on "
                           f"{other[0]}; update the checkout there")
