"""Image quality of the query, as a table, as sentences, and as a part of the report."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from celltransfer_core.framing.quality import FAULTS, Fault, Quality, Shift, judge_quality
from celltransfer_core.outputs.page import Page
from celltransfer_core.pipeline.result import RunResult
from celltransfer_core.types import Progress, silent
from celltransfer_core.vocabulary import QUERY

if TYPE_CHECKING:
    import pandas as pd

_MOST_PICTURES = 12  # of a fault

_ONE, _SEVERAL = 0, 1
_CELLS: dict[Fault, tuple[str, str]] = {
    "no nucleus": ("has no detected nucleus", "have no detected nucleus"),
    "blurred": (
        "is more blurred than 99 % of the reference",
        "are more blurred than 99 % of the reference",
    ),
    "dark": ("is darker than 99 % of the reference", "are darker than 99 % of the reference"),
    "bright": ("is brighter than 99 % of the reference", "are brighter than 99 % of the reference"),
    "stain": (
        "is stained more unusually than 99 % of the reference",
        "are stained more unusually than 99 % of the reference",
    ),
    "cut off": (
        "is cut off at the border of its image",
        "are cut off at the border of their image",
    ),
    "several nuclei": ("shows a second nucleus", "show a second nucleus"),
}
_SET: dict[Fault, str] = {
    "no nucleus": "more often without a detected nucleus",
    "blurred": "more blurred",
    "dark": "darker",
    "bright": "brighter",
    "stain": "more unusually stained",
    "cut off": "cropped closer",
    "several nuclei": "closer to its neighbours",
}


def describe_faults(quality: Quality) -> dict[Fault, str]:
    """Count the cells that have each fault, in a sentence.

    Parameters
    ----------
    quality : Quality

    Returns
    -------
    dict from fault to str
        Faults that no cell has are left out.
    """
    found = {}
    for fault, of in quality.faults.items():
        if count := int(of.sum()):
            words = _CELLS[fault][_ONE if count == 1 else _SEVERAL]
            found[fault] = f"{count:,} of {len(of):,} cells {words}."
    return found


def describe_shifts(shifts: Sequence[Shift]) -> list[str]:
    """Describe faults of the whole set and of whole slides.

    Parameters
    ----------
    shifts : sequence of Shift

    Returns
    -------
    list of str
        Sentences.
    """
    whole = [_SET[shift.fault] for shift in shifts if not shift.slide]
    told = []
    if whole:
        told.append(
            f"The typical cell of the query is {_joined(whole)} than 99 % of the reference. This "
            "is not a fault of single cells: each is compared with the others."
        )
    for slide in dict.fromkeys(shift.slide for shift in shifts if shift.slide):
        words = _joined([_SET[shift.fault] for shift in shifts if shift.slide == slide])
        told.append(f"Slide {slide} is {words} than the others.")
    return told


def _joined(words: Sequence[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def quality_table(result: RunResult) -> pd.DataFrame:
    """Make the table of quality: one row per file of the query.

    Parameters
    ----------
    result : RunResult

    Returns
    -------
    DataFrame
        file, sha256, slide; faults, joined by ``|``; then one column ``off:FAULT`` for each fault
        that is measured: how far off the cell is, in units of the limit beyond which it is a fault.
        Has no rows if no nuclei were searched for.
    """
    import pandas as pd

    query = result.query
    quality = judge_quality(result.framing, result.reference, query)
    measured = FAULTS[1:]
    columns = ["file", "sha256", "slide", "faults", *(f"off:{fault}" for fault in measured)]
    if quality is None:
        return pd.DataFrame(columns=columns)
    cell = query.cell_index
    has = np.stack([quality.faults[fault] for fault in FAULTS], axis=1)
    faults = ["|".join(np.array(FAULTS)[row]) for row in has]
    table = {
        "file": query.files,
        "sha256": query.sha256,
        "slide": query.slide or "",
        "faults": np.array(faults)[cell],
        **{f"off:{fault}": quality.severity[fault][cell].round(3) for fault in measured},
    }
    return pd.DataFrame(table, columns=columns).sort_values("file", ignore_index=True)


def add_quality(page: Page, result: RunResult, progress: Progress = silent) -> None:
    """Add the number of poor images, with the worst examples of each fault.

    Parameters
    ----------
    page : Page
    result : RunResult
    progress : callable
    """
    page.heading("Image quality")
    quality = judge_quality(result.framing, result.reference, result.query)
    if quality is None:
        page.text("Not measured: whole images were requested, so no nuclei were detected.")
        return
    for sentence in describe_shifts(quality.shifts):
        page.text(sentence)
    told = describe_faults(quality)
    if not told:
        page.text("No cell is conspicuous.")
    crops = result.framing.crops[QUERY]
    for done, (fault, sentence) in enumerate(told.items(), start=1):
        page.text(sentence)
        cells = quality.worst_first(fault)[:_MOST_PICTURES].tolist()
        page.add(page.pictures(crops, cells, fault))
        progress("pictures", done, len(told))
