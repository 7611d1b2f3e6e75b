"""Progress of long work: its phases, and several parts counted as one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from celltransfer_core.types import Progress


@dataclass(frozen=True)
class Phase:
    """One phase of a job."""

    name: str
    """Name shown with the progress."""
    work: float
    """Amount of work: cells, or pairs of cells."""
    seconds: float
    """Expected duration in seconds."""


def counted_together(progress: Progress, totals: Sequence[int]) -> list[Progress]:
    """Count consecutive parts as one stage.

    Parameters
    ----------
    progress : callable
        Called with the progress over all parts.
    totals : sequence of int
        Total of each part.

    Returns
    -------
    list of callable
        One per part, which takes the progress of that part.

    Examples
    --------
    >>> parts = counted_together(lambda *told: print(*told), [3, 4])
    >>> parts[0]("framing", 3, 3), parts[1]("framing", 1, 4)
    framing 3 7
    framing 4 7
    (None, None)
    """
    done = [0] * len(totals)

    def part(number: int) -> Progress:
        def tell(stage: str, of_part: int, total: int) -> None:  # noqa: ARG001
            done[number] = of_part
            progress(stage, sum(done), sum(totals))

        return tell

    return [part(number) for number in range(len(totals))]
