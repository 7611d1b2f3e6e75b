"""Results as tables and files."""

from __future__ import annotations

import contextlib
import errno
import io
import json
import platform
from collections.abc import Callable
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from celltransfer_core import __version__
from celltransfer_core.datasets import Dataset, read_table
from celltransfer_core.errors import DataError, OutputError
from celltransfer_core.matching import QUERY, REFERENCE, Confirmation, Similarity
from celltransfer_core.pipeline import Clusters, RunResult, voter_name
from celltransfer_core.types import Float64

if TYPE_CHECKING:
    import pandas as pd

TableFormat = Literal["csv", "parquet", "h5ad"]

_LIBRARIES = (
    "faiss-cpu",
    "networkx",
    "numpy",
    "onnxruntime",
    "pillow",
    "POT",
    "scikit-image",
    "scikit-learn",
    "scipy",
)


def predictions_table(result: RunResult) -> pd.DataFrame:
    """Make the table of predictions: one row a file of the query.

    Parameters
    ----------
    result : RunResult

    Returns
    -------
    DataFrame
        file, predicted_type, agreement, confidence, flagged, cluster, matched_type; then sha256,
        slide, patient, framed, nucleus_extent (px, or µm where the pixel size is known), one
        column ``vote:VOTER`` a voter and one ``share:TYPE`` a type with its part of the vote.
    """
    import pandas as pd

    query = result.query
    cell = query.cell_index
    crops = result.framing.crops[QUERY]
    framed = result.framing.framed
    names = np.array(result.types)
    columns: dict[str, object] = {
        "file": query.files,
        "predicted_type": names[result.vote.winner][cell],
        "agreement": result.vote.agreement[cell],
        "confidence": result.vote.confidence[cell],
        "flagged": result.flagged[cell],
        "cluster": result.clusters.names[result.clusters.labels][cell],
        "matched_type": np.array(result.matched)[cell],
        "sha256": query.sha256,
        "slide": query.slide or "",
        "patient": query.patient or "",
        "framed": (
            result.framing.nuclei[QUERY].found[cell] if framed else np.zeros(len(cell), dtype=bool)
        ),
        "nucleus_extent": crops.extents[cell],
    }
    for voter, choices in zip(result.voters, result.vote.choices, strict=True):
        columns[f"vote:{voter.name}"] = names[choices][cell]
    weights = np.array([voter.weight for voter in result.voters])
    shares = np.einsum("v,vnt->nt", weights, np.stack([v.probabilities for v in result.voters]))
    for number, name in enumerate(result.types):
        columns[f"share:{name}"] = shares[cell, number]
    return pd.DataFrame(columns).sort_values("file", ignore_index=True)


def clusters_table(result: RunResult) -> pd.DataFrame:
    """Make the table of clusters: one row a file of the query.

    Parameters
    ----------
    result : RunResult

    Returns
    -------
    DataFrame
        file, cluster, centrality.
    """
    import pandas as pd

    cell = result.query.cell_index
    clusters = result.clusters
    return pd.DataFrame(
        {
            "file": result.query.files,
            "cluster": clusters.names[clusters.labels][cell],
            "centrality": clusters.centrality[cell],
        }
    ).sort_values("file", ignore_index=True)


def matches_table(result: RunResult) -> pd.DataFrame:
    """Make the table of matches: one row a cluster.

    Parameters
    ----------
    result : RunResult

    Returns
    -------
    DataFrame
        cluster, cells, matched_type, score, runner_up, runner_up_score, tsne_type, reason,
        confirmed, by. Change matched_type (a type, or "none"), set confirmed to true, and hand
        the file back with ``--matches``.
    """
    import pandas as pd

    table = pd.DataFrame([asdict(match) for match in result.matches])
    table["cluster"] = result.clusters.names
    table["confirmed"] = table["confirmed"].map({True: "true", False: "false"})
    return table


def differential_table(result: RunResult) -> pd.DataFrame:
    """Count the types on every slide.

    Parameters
    ----------
    result : RunResult

    Returns
    -------
    DataFrame
        slide, patient, type, cells, percent, low, high: percent of the slide's cells with its 95 %
        Wilson interval, which speaks of how few cells were counted, not of wrong types. One group
        with an empty slide where no table names slides.
    """
    import pandas as pd
    from scipy.stats import binomtest

    query = result.query
    names = np.array(result.types)
    # Copies of an image are one cell.
    first = np.unique(query.cell_index, return_index=True)[1]
    slide = np.array(query.slide or [""] * len(query.files))[first]
    patient = np.array(query.patient or [""] * len(query.files))[first]
    predicted = names[result.vote.winner]
    rows = []
    for one in np.unique(slide):
        inside = slide == one
        total = int(inside.sum())
        owners = sorted(set(patient[inside].tolist()) - {""})
        for name in result.types:
            count = int((predicted[inside] == name).sum())
            interval = binomtest(count, total).proportion_ci(method="wilson")
            rows.append(
                {
                    "slide": one,
                    "patient": ";".join(owners),
                    "type": name,
                    "cells": count,
                    "percent": 100 * count / total,
                    "low": 100 * interval.low,
                    "high": 100 * interval.high,
                }
            )
    return pd.DataFrame(rows)


def manifest(result: RunResult) -> dict[str, Any]:
    """Describe a run so that it can be repeated and checked.

    Parameters
    ----------
    result : RunResult

    Returns
    -------
    dict
        JSON types alone; holds no time and no folder, so that the same inputs give the same bytes.
    """
    config = asdict(result.config)
    config["encoders"] = [voter_name(voter) for voter in result.config.encoders]
    if result.config.cluster_encoder:
        config["cluster_encoder"] = voter_name(result.config.cluster_encoder)
    solves = result.solves
    scores = result.scores[QUERY]
    return {
        "celltransfer": __version__,
        "config": config,
        "seed": result.config.seed,
        "inputs": {
            REFERENCE: _describe(result.reference),
            QUERY: _describe(result.query),
            **{name: _describe(extra) for name, extra in result.extras.items()},
        },
        "framing": {
            "framed": result.framing.framed,
            "reason": result.framing.reason,
            "left_whole": {
                name: [
                    result.framing.crops[name].dataset.first_file[cell]
                    for cell in np.flatnonzero(~nuclei.found)
                ]
                for name, nuclei in result.framing.nuclei.items()
            },
        },
        "encoders": [
            {
                "id": encoder.id,
                "version": encoder.version,
                "dim": encoder.dim,
                "licence": encoder.licence,
                "trained_on": encoder.trained_on,
            }
            for encoder in result.encoders
        ],
        "failures": [asdict(failure) for failure in result.failures],
        "clusters": {
            "method": result.clusters.method,
            "sigma": _number(result.clusters.sigma),
            "found": len(result.clusters.names),
            "density": [_number(value) for value in result.clusters.density],
        },
        "matching": {
            "signal_to_noise": dict(
                zip(scores.encoders, (_number(value) for value in scores.snr), strict=True)
            ),
            "encoders_used": [
                name for name, kept in zip(scores.encoders, scores.kept, strict=True) if kept
            ],
            "confirmed": sum(match.confirmed for match in result.matches),
        },
        "filtered_types": dict(result.filtered),
        "kept_types": list(result.types),
        "expected_proportions": [_number(value) for value in result.proportions],
        "alignment": {
            "parts": result.parts,
            "solves": len(solves),
            "iterations_most": max((solve.log.iterations for solve in solves), default=0),
            "marginal_error_most": _number(
                max((solve.log.marginal_error for solve in solves), default=0.0)
            ),
            "remarks": [
                {"voter": s.voter, "part": s.part, "draw": s.draw, "remark": remark}
                for s in solves
                for remark in s.log.remarks
            ],
        },
        "voters": [
            {
                "voter": voter.name,
                "weight": _number(voter.weight),
                "reference_accuracy": _number(voter.accuracy),
                "mixing": _number(voter.mixing),
            }
            for voter in result.voters
        ],
        "versions": {"python": platform.python_version(), **_versions()},
    }


def _describe(dataset: Dataset) -> dict[str, Any]:
    described: dict[str, Any] = {
        "fingerprint": dataset.fingerprint,
        "files": len(dataset.files),
        "cells": dataset.n_cells,
        "left_out": [asdict(remark) for remark in dataset.left_out],
        "notes": [asdict(remark) for remark in dataset.notes],
        "duplicates": [list(group) for group in dataset.duplicates],
    }
    if dataset.labels is not None:
        names, counts = np.unique(dataset.cell_labels, return_counts=True)
        described["types"] = dict(zip(names.tolist(), counts.tolist(), strict=True))
    return described


def _number(value: float) -> float | None:
    # Rounded as the tables are; JSON has no NaN.
    return round(float(value), 6) if np.isfinite(value) else None


def _versions() -> dict[str, str]:
    found = {}
    for name in _LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def similarity_arrays(result: RunResult) -> dict[str, Any]:
    """Collect what Figs 4, 9, 10 and 11 show.

    Parameters
    ----------
    result : RunResult

    Returns
    -------
    dict from name to ndarray
        ``SET/cosine`` (eq. 18), ``SET/snr``, ``SET/kept``, ``SET/mean_row``, ``SET/mean_col``,
        ``SET/count_row``, ``SET/count_col``, ``SET/score_row``, ``SET/score_col`` (eq. 21),
        ``SET/p`` (eq. 23) for the query, the reference and every extra set, with ``encoders``,
        ``types`` and ``clusters`` to name their axes; ``plane/…`` for Fig. 4.
    """
    arrays: dict[str, Any] = {
        "encoders": np.array(result.scores[QUERY].encoders),
        "types": np.array(result.scores[QUERY].types),
        "clusters": result.clusters.names,
        "plane/position": result.plane.position,
        "plane/set": np.array(result.plane.set_name),
        "plane/cluster": result.plane.cluster,
        "plane/type": np.array(result.plane.type_name),
        "plane/p": result.plane.p,
    }
    fields = (
        "cosine",
        "snr",
        "kept",
        "mean_row",
        "mean_col",
        "count_row",
        "count_col",
        "score_row",
        "score_col",
        "p",
    )
    score: Similarity
    for name, score in result.scores.items():
        for field in fields:
            arrays[f"{name}/{field}"] = getattr(score, field)
    return arrays


def neighbour_arrays(result: RunResult) -> dict[str, Any]:
    """Collect the nearest reference cells of each query cell, for every voter.

    Parameters
    ----------
    result : RunResult

    Returns
    -------
    dict from name to ndarray
        ``VOTER/index`` and ``VOTER/distance``, shape (m, 10): positions in ``reference_files``, −1
        where there are fewer; rows as in ``query_files``.
    """
    arrays: dict[str, Any] = {
        "reference_files": np.array(result.reference.first_file),
        "query_files": np.array(result.query.first_file),
    }
    for voter in result.voters:
        arrays[f"{voter.name}/index"] = voter.neighbours.astype(np.int32)
        arrays[f"{voter.name}/distance"] = voter.distances
    return arrays


def write_run(
    result: RunResult, folder: Path | str, table_format: TableFormat = "csv"
) -> list[Path]:
    """Write everything a run found.

    Parameters
    ----------
    result : RunResult
    folder : path
        Made if need be. Each file is written beside its place and then moved, so that there is
        never half a file.
    table_format : {"csv", "parquet", "h5ad"}
        What the tables are written as beside CSV.

    Returns
    -------
    list of Path
        The files, ``predictions.csv`` first.

    Raises
    ------
    OutputError
        If the folder cannot be written to or the disk is full.
    """
    folder = Path(folder)
    predictions = predictions_table(result)
    tables = {
        "predictions": predictions,
        "clusters": clusters_table(result),
        "matches": matches_table(result),
        "differential": differential_table(result),
    }
    written = [
        write_atomically(folder / f"{name}.csv", csv_bytes(table)) for name, table in tables.items()
    ]
    text = json.dumps(manifest(result), indent=1, ensure_ascii=False, sort_keys=False) + "\n"
    written.append(write_atomically(folder / "manifest.json", text.encode()))
    for name, arrays in (
        ("similarity.npz", similarity_arrays(result)),
        ("neighbours.npz", neighbour_arrays(result)),
    ):
        buffer = io.BytesIO()
        np.savez_compressed(buffer, **arrays)
        written.append(write_atomically(folder / name, buffer.getvalue()))
    if table_format == "parquet":
        for name, table in tables.items():
            buffer = io.BytesIO()
            table.to_parquet(buffer, index=False)
            written.append(write_atomically(folder / f"{name}.parquet", buffer.getvalue()))
    elif table_format == "h5ad":
        written.append(_write_h5ad(result, predictions, folder / "predictions.h5ad"))
    return written


def _write_h5ad(result: RunResult, predictions: pd.DataFrame, path: Path) -> Path:
    import anndata

    table = predictions.set_index("file")
    shares = [name for name in table.columns if name.startswith("share:")]
    annotated = anndata.AnnData(
        X=table[shares].to_numpy(np.float32),
        obs=table.drop(columns=shares),
        var={"type": [name.removeprefix("share:") for name in shares]},
    )
    annotated.var_names = [name.removeprefix("share:") for name in shares]
    annotated.uns["manifest"] = json.dumps(manifest(result), ensure_ascii=False)
    beside = path.with_name(f".{path.name}.part")

    def write(target: Path) -> None:
        annotated.write_h5ad(target)

    return _replace(path, beside, write)


def csv_bytes(table: pd.DataFrame) -> bytes:
    """Write a table as CSV: UTF-8, six decimals, ``true`` and ``false``.

    Parameters
    ----------
    table : DataFrame

    Returns
    -------
    bytes
    """
    written = table.copy()
    for name in written.select_dtypes(bool).columns:
        written[name] = written[name].map({True: "true", False: "false"})
    text: str = written.to_csv(index=False, float_format="%.6f", lineterminator="\n")
    return text.encode()


def write_atomically(path: Path, data: bytes) -> Path:
    """Write a file whole or not at all.

    Parameters
    ----------
    path : Path
    data : bytes

    Returns
    -------
    Path
        The same.

    Raises
    ------
    OutputError
        If the folder cannot be written to or the disk is full.
    """

    def write(beside: Path) -> None:
        beside.write_bytes(data)

    return _replace(path, path.with_name(f".{path.name}.part"), write)


def _replace(path: Path, beside: Path, write: Callable[[Path], None]) -> Path:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write(beside)
        beside.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            beside.unlink(missing_ok=True)
        full = error.errno in {errno.ENOSPC, errno.EDQUOT}
        raise OutputError(
            f"Cannot write {path} ({error.strerror}); "
            + ("free some space" if full else "give another folder with --out")
            + " and run again: what was computed is kept."
        ) from error
    return path


def check_writable(folder: Path) -> None:
    """Find out before the work whether its results can be written.

    Parameters
    ----------
    folder : Path

    Raises
    ------
    OutputError
    """
    write_atomically(folder / ".writable", b"").unlink()


def read_matches(path: Path) -> tuple[Confirmation, ...]:
    """Read what a person confirmed from a file like ``matches.csv``.

    Parameters
    ----------
    path : Path
        Columns cluster, matched_type and confirmed; only rows with ``confirmed=true`` count.

    Returns
    -------
    tuple of Confirmation

    Raises
    ------
    DataError
        If a column or a value is wrong.
    """
    words: dict[int, Confirmation] = {}
    for row in read_table(path, ("cluster", "matched_type", "confirmed")):
        confirmed = row.get("confirmed", "").lower()
        if confirmed not in {"true", "false", ""}:
            raise DataError(f"{path}: confirmed is {confirmed!r}; write true or false.")
        if confirmed != "true":
            continue
        try:
            cluster = int(row["cluster"])
        except ValueError:
            raise DataError(f"{path}: {row['cluster']!r} is no cluster number.") from None
        if cluster in words:
            raise DataError(f"{path} confirms cluster {cluster} twice; keep one row.")
        if not row.get("matched_type"):
            raise DataError(f"{path}: cluster {cluster} is confirmed without a matched_type.")
        cells = row.get("cells", "")
        words[cluster] = Confirmation(
            cluster, row["matched_type"], row.get("by", ""), int(cells) if cells.isdigit() else None
        )
    return tuple(words.values())


def read_clusters(path: Path, query: Dataset) -> Clusters:
    """Read clusters from a file like ``clusters.csv``.

    Parameters
    ----------
    path : Path
        Columns file and cluster, and centrality if there is one.
    query : Dataset

    Returns
    -------
    Clusters
        They keep the numbers they have in the file.

    Raises
    ------
    DataError
        If a column or a value is wrong, or a cell has no cluster or two.
    """
    rows = {row["file"]: row for row in read_table(path, ("file", "cluster"))}
    numbers = np.full(query.n_cells, -1, dtype=np.int64)
    centrality: Float64 = np.ones(query.n_cells)
    for file, cell in zip(query.files, query.cell_index, strict=True):
        row = rows.get(file)
        if row is None:
            continue
        try:
            number = int(row["cluster"])
            centre = float(row.get("centrality") or 1.0)
        except ValueError:
            raise DataError(f"{path}: the row of {file} holds no number.") from None
        if number < 0:
            raise DataError(f"{path}: cluster numbers start at 0; {file} has {number}.")
        if numbers[cell] not in (-1, number):
            raise DataError(f"{path} puts copies of {file} into two clusters; give them one.")
        numbers[cell], centrality[cell] = number, centre
    missing = np.flatnonzero(numbers < 0)
    if len(missing):
        raise DataError(
            f"{path} has no cluster for {len(missing)} of {query.n_cells} cells "
            f"(such as {query.first_file[missing[0]]}); it was made for another query."
        )
    names, labels = np.unique(numbers, return_inverse=True)
    return Clusters(
        method="file",
        labels=labels.astype(np.int64),
        centrality=centrality,
        density=np.full(len(names), np.nan),
        names=names,
        sigma=float("nan"),
    )
