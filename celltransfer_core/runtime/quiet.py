"""Suppression of library warnings, for all threads at once."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

_lock = threading.Lock()
_inside = 0
_caught: warnings.catch_warnings[None] | None = None


@contextmanager
def quiet() -> Iterator[None]:
    """Ignore all warnings of the process while any thread is inside the block.

    ``warnings.catch_warnings`` changes the filters of the whole process and restores those that it
    found. Threads that enter and leave in turn would let each other's warnings through, and could
    leave the last thread's filters in place for good. Here the first thread to enter changes the
    filters, and the last one to leave restores them.
    """
    global _inside, _caught
    with _lock:
        if _inside == 0:
            _caught = warnings.catch_warnings()
            _caught.__enter__()
            warnings.simplefilter("ignore")
        _inside += 1
    try:
        yield
    finally:
        with _lock:
            _inside -= 1
            if _inside == 0 and _caught is not None:
                _caught.__exit__(None, None, None)
                _caught = None
