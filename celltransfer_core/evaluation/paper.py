"""The paper's printed figures (Tables 1–23), for comparison, and their inconsistencies."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from celltransfer_core.about import ASSETS
from celltransfer_core.data.tables import read_table
from celltransfer_core.errors import DataError

TABLES = ASSETS / "benchmarks" / "paper_tables.csv"
"""One row per printed figure; not part of an installed package."""

TWINS = {3: 23, 4: 15, 5: 17, 6: 19}
"""Tables of section 5.2 and those of Appendix C that print the same figures again."""

SHARED_TYPES = "shared_types"
"""The one metric whose value is a list of types instead of a number."""

_COLUMNS = ("table", "reference", "query", "method", "ot", "filtering", "metric", "value", "std")
_MEAN = "mean"


@dataclass(frozen=True)
class Printed:
    """One printed figure, in percent."""

    table: int
    reference: str
    query: str
    """``*`` if the figure is a mean over pairs."""
    method: str
    """As in ``results.csv``; ``mean`` for a table's last row."""
    ot: str
    filtering: str
    metric: str
    value: float
    """NaN if the figure is a list of types."""
    std: float
    """NaN if none is printed."""
    text: str
    """As printed."""

    @property
    def key(self) -> tuple[str, str, str, str]:
        """Method, alignment, filtering and metric."""
        return self.method, self.ot, self.filtering, self.metric


def read_tables(path: Path = TABLES) -> tuple[Printed, ...]:
    """Read the printed figures.

    Parameters
    ----------
    path : Path

    Returns
    -------
    tuple of Printed

    Raises
    ------
    DataError
        If the file cannot be read, lacks a column, or a figure is not a number.
    """
    found = []
    for number, row in enumerate(read_table(path, _COLUMNS), start=2):
        text = row["value"]
        try:
            found.append(
                Printed(
                    table=int(row["table"]),
                    reference=row["reference"],
                    query=row["query"],
                    method=row["method"],
                    ot=row["ot"],
                    filtering=row["filtering"],
                    metric=row["metric"],
                    value=np.nan if row["metric"] == SHARED_TYPES else float(text),
                    std=float(row["std"]) if row["std"] else np.nan,
                    text=text,
                )
            )
        except ValueError as error:
            raise DataError(f"{path}, line {number}: {error}; write a number.") from error
    return tuple(found)


def printed(
    tables: Sequence[Printed], reference: str, query: str, table: int | None = None
) -> tuple[Printed, ...]:
    """Find what the paper prints for a pair.

    Parameters
    ----------
    tables : sequence of Printed
    reference, query : str
        Names of the sets, as in the tables; case is ignored.
    table : int, optional
        Number of the table, needed if a pair of names stands for several combinations of types.

    Returns
    -------
    tuple of Printed
        Accuracies and F1 scores, each once: if two tables print the same figure, the appendix's.
    """
    names = (reference.casefold(), query.casefold())
    found: dict[tuple[str, str, str, str], Printed] = {}
    for one in sorted(tables, key=lambda figure: figure.table):
        fits = (one.reference.casefold(), one.query.casefold()) == names
        wanted = fits if table is None else one.table == table
        if wanted and one.metric in {"accuracy", "f1"} and one.method != _MEAN:
            found[one.key] = one
    return tuple(found.values())


@dataclass(frozen=True)
class Inconsistency:
    """A printed figure that does not follow from others printed."""

    table: int
    method: str
    metric: str
    ot: str
    printed: float
    recomputed: float
    source: str
    """The figures it was computed from."""

    def __str__(self) -> str:
        return (
            f"Table {self.table}, {self.method}, {self.metric}"
            f"{f' ({self.ot})' if self.ot else ''}: {self.printed:g} is printed, "
            f"{self.recomputed:.2f} follows from {self.source}."
        )


def inconsistencies(
    tables: Sequence[Printed], tolerance: float = 0.0151
) -> tuple[Inconsistency, ...]:
    """Find differences, means and repeated figures that disagree with the table entries.

    Parameters
    ----------
    tables : sequence of Printed
    tolerance : float
        Discrepancy that rounding may explain, in percentage points: a printed difference of two
        figures with two decimals may be off by 0.015.

    Returns
    -------
    tuple of Inconsistency
        By table. Differences are compared with the entries next to them; the last row's mean with
        the table's differences (without the linear probe's, which agrees with what is printed;
        section 5.2 speaks of all rows); Table 7 with the means and deviations (of a sample or of a
        population, whichever is nearer) of Tables 3–6; Tables 3–6 with the same tables in the
        appendix; Table 8's ensemble with filtering with the means of Tables 9–23.
    """
    by_table: dict[int, dict[tuple[str, str, str], Printed]] = {}
    for one in tables:
        by_table.setdefault(one.table, {})[one.method, one.ot, one.metric] = one
    found: list[Inconsistency] = []

    def compare(one: Printed, recomputed: float, source: str, value: float | None = None) -> None:
        claimed = one.value if value is None else value
        if abs(claimed - recomputed) > tolerance:
            found.append(
                Inconsistency(
                    one.table, one.method, one.metric, one.ot, claimed, recomputed, source
                )
            )

    for number, cells in sorted(by_table.items()):
        for (method, _, metric), one in cells.items():
            if not metric.startswith("delta_"):
                continue
            plain = metric.removeprefix("delta_")
            if method == _MEAN:
                above = [
                    c.value
                    for (m, _, k), c in cells.items()
                    if k == metric and m not in {_MEAN, "ensemble-linear"}
                ]
                compare(one, float(np.mean(above)), "the differences above it")
            else:
                pair = [cells[method, ot, plain].value for ot in ("fgw-paper", "none")]
                compare(one, pair[0] - pair[1], "the cells beside it")
        twin = by_table.get(TWINS.get(number, -1), {})
        for key, one in cells.items():
            if key in twin and one.text != twin[key].text:
                compare(one, twin[key].value, f"Table {TWINS[number]}, which prints it again")
    for key, one in by_table.get(7, {}).items():
        parts = [by_table[n][key].value for n in TWINS if key in by_table.get(n, {})]
        if len(parts) < len(TWINS) or one.metric.startswith("delta_"):
            continue
        compare(one, float(np.mean(parts)), "Tables 3 to 6")
        if not np.isnan(one.std):
            spreads = [float(np.std(parts, ddof=ddof)) for ddof in (0, 1)]
            nearest = min(spreads, key=lambda spread: abs(spread - one.std))
            compare(one, nearest, "the spread of Tables 3 to 6", one.std)
    for one in tables:
        if (one.table, one.method, one.filtering) == (8, "ensemble", "true"):
            key = (one.method, one.ot, one.metric)
            parts = [cells[key].value for n, cells in by_table.items() if n > 8 and key in cells]
            if parts:
                compare(one, float(np.mean(parts)), f"{len(parts)} tables of the appendix")
    return tuple(sorted(found, key=lambda fault: fault.table))
