"""Memory shared by the threads of a process: a thread that needs more than is left waits."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager


class Room:
    """A number of bytes that threads can reserve for a while.

    Parameters
    ----------
    size : int
        Total number of bytes.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._taken = 0
        self._changed = threading.Condition()

    @contextmanager
    def take(self, size: int) -> Iterator[None]:
        """Reserve some of the memory, waiting until enough is free.

        Parameters
        ----------
        size : int
            Bytes. A thread that needs more than the total gets all of the memory to itself.
        """
        size = min(size, self._size)
        with self._changed:
            self._changed.wait_for(lambda: self._taken + size <= self._size)
            self._taken += size
        try:
            yield
        finally:
            with self._changed:
                self._taken -= size
                self._changed.notify_all()
