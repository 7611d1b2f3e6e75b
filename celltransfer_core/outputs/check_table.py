"""Table of a checked reference: one row per file, the most doubtful first.

Turns a :class:`~celltransfer_core.pipeline.reference_check.ReferenceCheck`, with people's decisions
if there are any, into a DataFrame.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from celltransfer_core.data.dataset import Dataset
from celltransfer_core.data.pooling import CONTRADICTION
from celltransfer_core.pipeline.reference_check import ReferenceCheck

if TYPE_CHECKING:
    import pandas as pd


class Mended(NamedTuple):
    """What a person decided about one cell's label."""

    label: str
    """Empty to leave the cell out."""
    by: str
    at: str
    """UTC, ISO 8601."""


def check_table(found: ReferenceCheck, mended: Mapping[str, Mended] | None = None) -> pd.DataFrame:
    """Make the table of a checked reference.

    Parameters
    ----------
    found : ReferenceCheck
    mended : mapping from hash to Mended, optional
        What people decided.

    Returns
    -------
    DataFrame
        file, label, proposed (the likeliest type), score (0 to 1, cells from ½ on should be looked
        at), reason (``duplicate``, ``label``, an image fault such as ``blurred``, ``outlier``;
        several joined by ``|``, empty for none), probability of the proposed type, alike (labels of
        the most similar cells, joined by ``|``, the nearest first), nearest (file of the nearest),
        sha256. Files with the same content under several types come first, without a proposal. With
        ``mended`` also decided (``left out``, or the label that counts), decided_by and decided_at,
        empty where nobody decided.
    """
    import pandas as pd

    reference, labels = found.reference, found.reference.cell_labels
    likeliest = found.probabilities.max(axis=1)
    files = np.argsort(np.argsort(found.order)[reference.cell_index], kind="stable")
    rows: list[dict[str, object]] = [
        {
            "file": remark.file,
            "label": remark.reason.removeprefix(CONTRADICTION).strip(),
            "score": 1.0,
            "reason": "duplicate",
        }
        for remark in found.contradictions
    ]
    for file in files.tolist():
        cell = int(reference.cell_index[file])
        near = found.neighbours[cell].tolist()
        row = {
            "file": reference.files[file],
            "label": labels[cell],
            "proposed": found.proposed[cell],
            "score": found.score[cell],
            "reason": "|".join(found.reasons[cell]),
            "probability": likeliest[cell],
            "alike": "|".join(labels[near].tolist()),
            "nearest": reference.first_file[near[0]],
            "sha256": reference.cells[cell],
        }
        said = (mended or {}).get(reference.cells[cell])
        if said:
            row |= {"decided": said.label or "left out", "decided_by": said.by}
            row |= {"decided_at": said.at}
        rows.append(row)
    columns = ["file", "label", "proposed", "score", "reason", "probability", "alike", "nearest"]
    columns += ["sha256"] + ["decided", "decided_by", "decided_at"] * (mended is not None)
    table = pd.DataFrame(rows, columns=columns)
    texts = [name for name in columns if name not in ("score", "probability")]
    return table.fillna(dict.fromkeys(texts, ""))


def labels_table(reference: Dataset) -> pd.DataFrame:
    """Make a ``labels.csv`` of a reference in its current state.

    Parameters
    ----------
    reference : Dataset
        A single set with types.

    Returns
    -------
    DataFrame
        file and label; slide and patient where they are known. Placed next to the images, it gives
        their types in place of the folder names.
    """
    import pandas as pd

    known = {"slide": reference.slide, "patient": reference.patient}
    columns = {"file": reference.files, "label": reference.labels}
    columns |= {name: values for name, values in known.items() if values is not None}
    return pd.DataFrame(columns).sort_values("file", ignore_index=True)
