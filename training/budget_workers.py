"""Processes that train the points of a budget: they share the cores, and go when the one that began them goes."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import connection

from opu.threads import get_num_threads

BLAS_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")


@contextmanager
def lent_workers(executor: Executor) -> Iterator[tuple[Executor, int | None]]:
    """Somebody else's executor, which is left as it is; None: nothing is said about threads."""
    yield executor, None


@contextmanager
def own_workers(workers: int) -> Iterator[tuple[Executor, int]]:
    """Fresh processes, and the threads that each may use of the cores they share; an interrupt ends them at once."""
    threads = max(1, get_num_threads() // workers)
    before = {name: os.environ.get(name) for name in BLAS_VARIABLES}
    others = set(multiprocessing.active_children())
    # A new process reads these when it loads NumPy; set later they do nothing.
    os.environ.update(dict.fromkeys(BLAS_VARIABLES, str(threads)))
    pool = ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"), _begin_worker)
    try:
        yield pool, threads
    except BaseException:
        pool.shutdown(wait=False, cancel_futures=True)
        for process in set(multiprocessing.active_children()) - others:
            process.terminate()
        raise
    finally:
        pool.shutdown()
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _begin_worker() -> None:
    """Leave Ctrl-C to the parent, and go when it goes, however it goes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_follow, args=(parent.sentinel,), daemon=True).start()


def _follow(sentinel: int) -> None:
    connection.wait([sentinel])
    os._exit(1)
