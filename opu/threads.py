"""How many threads the compiled kernels use, and the one place that starts them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from typing import TypeVar

from opu.errors import InputError

T = TypeVar("T")

_chosen: list[int | None] = [None]


def set_num_threads(n: int | None) -> None:
    """Use n threads from now on; None: every core this process may run on (or OPU_NUM_THREADS). Results do not change."""
    if n is not None and (isinstance(n, bool) or not isinstance(n, int) or not 1 <= n <= 1024):
        raise InputError(f"set_num_threads({n!r}): the number of threads must be an integer from 1 to 1024, or None")
    _chosen[0] = n


def get_num_threads() -> int:
    """Threads in use."""
    if _chosen[0] is not None:
        return _chosen[0]
    asked = os.environ.get("OPU_NUM_THREADS", "")
    if asked:
        if not asked.isdigit() or not 1 <= int(asked) <= 1024:
            raise InputError(f"OPU_NUM_THREADS = {asked!r}: must be an integer from 1 to 1024")
        return int(asked)
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1


def run_tasks(task: Callable[[T], None], items: Iterable[T], threads: int | None = None) -> None:
    """task(item) for every item, on the chosen number of threads; the first error is raised. Tasks must release the GIL."""
    items = list(items)
    threads = min(threads or get_num_threads(), len(items))
    if threads <= 1:
        for item in items:
            task(item)
        return
    for _ in _pool(threads).map(task, items):
        pass


@lru_cache(maxsize=2)
def _pool(threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(threads, thread_name_prefix="opu-kernel")


if hasattr(os, "register_at_fork"):  # a forked child inherits the pool without its threads, and would wait for ever
    os.register_at_fork(after_in_child=_pool.cache_clear)
