"""Progress of long work: its phases, and several parts of it counted as one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from celltransfer_core.types import Progress


@dataclass(frozen=True)
class Phase:
    """One phase of a job."""

    name: str
    """As progress tells it."""
    work: float
    """How much there is to do: cells, or pairs of cells."""
    seconds: float
    """About how long it takes."""


def counted_together(progress: Progress, totals: Sequence[int]) -> list[Progress]:
    """Count parts that come one after the other as one stage.

    Parameters
    ----------
    progress : callable
        Is told how much of all parts is done.
    totals : sequence of int
        What each part counts up to.

    Returns
    -------
    list of callable
        One a part, which takes that part's own progress.

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
