"""Progress on the terminal: each stage with its rate, and how long it took."""

from __future__ import annotations

import sys
import time


class Screen:
    """Shows progress with a rate and the time left, and remembers how long each stage took."""

    def __init__(self, *, quiet: bool) -> None:
        self.quiet = quiet
        self.seconds: dict[str, float] = {}
        self._stage = ""
        self._started = 0.0
        self._bar = None

    def __call__(self, stage: str, done: int, total: int) -> None:
        """Show the progress of a stage; a new stage ends the previous one."""
        from tqdm import tqdm

        if stage != self._stage:
            self.close()
            self._stage, self._started = stage, time.monotonic()
            self._bar = tqdm(
                desc=stage, total=total, initial=done, file=sys.stderr, disable=self.quiet
            )
        if self._bar is not None:
            self._bar.total = total
            self._bar.update(done - self._bar.n)

    def close(self) -> None:
        """End the current stage."""
        if self._stage:
            spent = time.monotonic() - self._started
            self.seconds[self._stage] = self.seconds.get(self._stage, 0.0) + spent
        if self._bar is not None:
            self._bar.close()
        self._stage, self._bar = "", None
