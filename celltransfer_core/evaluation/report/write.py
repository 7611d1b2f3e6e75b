"""An evaluation as files: tables for programs and for people, figures, manifest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from celltransfer_core.evaluation.paper import Printed
from celltransfer_core.evaluation.report.html import results_html
from celltransfer_core.evaluation.report.markdown import results_markdown
from celltransfer_core.evaluation.report.tables import (
    calibration_table,
    curves_table,
    ensemble_predictions_table,
    identification_table,
    low_label_table,
    reader_table,
    results_table,
)
from celltransfer_core.evaluation.result import Evaluation
from celltransfer_core.outputs.formats import csv_bytes, json_bytes
from celltransfer_core.outputs.manifests import inputs_manifest
from celltransfer_core.runtime.files import write_atomically
from celltransfer_core.runtime.versions import versions


def write_evaluation(
    evaluation: Evaluation, folder: Path, printed: Sequence[Printed] = ()
) -> list[Path]:
    """Write everything that was measured.

    Parameters
    ----------
    evaluation : Evaluation
    folder : Path
    printed : sequence of Printed
        The paper's figures for this pair.

    Returns
    -------
    list of Path
        ``results.csv`` first.

    Raises
    ------
    OutputError
        If the folder cannot be written to or the disk is full.
    """
    reading = evaluation.reading
    tables = {
        "results": results_table(evaluation),
        "predictions": ensemble_predictions_table(evaluation),
        "identification": identification_table(evaluation),
        "low_label": low_label_table(evaluation),
        "agreement": curves_table(evaluation),
        **(
            {"reader": reader_table(reading), "reader_calibration": calibration_table(reading)}
            if reading
            else {}
        ),
    }
    written = [
        write_atomically(folder / f"{name}.csv", csv_bytes(table))
        for name, table in tables.items()
        if len(table)
    ]
    contents = {
        "results.md": results_markdown(evaluation, printed).encode(),
        "results.html": results_html(evaluation).encode(),
        "manifest.json": json_bytes(_manifest(evaluation)),
    }
    return written + [write_atomically(folder / name, data) for name, data in contents.items()]


def _manifest(evaluation: Evaluation) -> dict[str, Any]:
    return {
        **inputs_manifest(evaluation.prepared),
        "protocol": asdict(evaluation.protocol),
        "notes": list(evaluation.notes),
        "versions": versions(),
    }
