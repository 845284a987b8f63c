"""Independent calls to the outside at once: what one decision reads, and the orders of different symbols."""

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from functools import cache
from typing import TypeVar

T = TypeVar("T")

WORKERS = 8
"""Calls of one process under way at once; what exceeds them waits for a free one."""


def together(calls: Sequence[Callable[[], T]], at_once: bool = True) -> list[T]:
    """Make the calls and return their results in order; `at_once` False makes them one after the other.

    All calls end before the first error, in their order, is raised.
    """
    if not at_once or len(calls) < 2:
        return [call() for call in calls]
    pool = _pool()
    begun: list[Future[T]] = [pool.submit(copy_context().run, call) for call in calls]
    for future in begun:
        future.exception()
    return [future.result() for future in begun]


@cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(WORKERS, thread_name_prefix="together")
