"""Results as tables and files."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import hmac
import io
import json
import platform
import re
import shlex
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from functools import cached_property
from importlib.metadata import PackageNotFoundError, version
from itertools import compress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from celltransfer_core import __version__
from celltransfer_core.datasets import Dataset, read_table
from celltransfer_core.errors import DataError, OutputError
from celltransfer_core.matching import QUERY, REFERENCE, Confirmation, Similarity
from celltransfer_core.pipeline import (
    PRESETS,
    Clusters,
    Config,
    Prepared,
    RunResult,
    voter_name,
)
from celltransfer_core.review import (
    ANSWERS,
    ARTEFACT,
    DISPUTED,
    FinalTypes,
    Review,
    final_types,
    random_sample,
)
from celltransfer_core.teaching import (
    KINDS,
    Calibration,
    Taught,
    calibrate,
    check_new_type,
    prediction_sets,
)
from celltransfer_core.types import Float64, Progress, silent

if TYPE_CHECKING:
    import pandas as pd

TableFormat = Literal["csv", "parquet", "h5ad"]

_LIBRARIES = (
    "faiss-cpu",
    "networkx",
    "numba",
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
        column ``vote:VOTER`` a voter and one ``share:TYPE`` a type with its part of the vote. Where
        people taught the vote, ensemble_type is what it was before; say:ensemble, say:cluster,
        say:neighbours, say:discriminant and say:typed are who decided, :attr:`Taught.say`;
        distance is that to the nearest cell that somebody named, and unknown marks those that are
        far from all; calibrated_confidence is empty as long as too few cells are typed, see
        :func:`celltransfer_core.teaching.calibrate`.
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
    taught = result.taught
    speakers = [voter.name for voter in result.voters] + ([*KINDS[1:]] if taught else [])
    for name, choices in zip(speakers, result.vote.choices, strict=True):
        columns[f"vote:{name}"] = names[choices][cell]
    weights = np.array([voter.weight for voter in result.voters])
    shares = (
        taught.probabilities
        if taught
        else np.einsum("v,vnt->nt", weights, np.stack([v.probabilities for v in result.voters]))
    )
    for number, name in enumerate(result.types):
        columns[f"share:{name}"] = shares[cell, number]
    if taught:
        columns["ensemble_type"] = names[taught.ensemble.winner][cell]
        for number, kind in enumerate(KINDS):
            columns[f"say:{kind}"] = taught.say[cell, number]
        columns["distance"] = taught.distance[cell]
        columns["unknown"] = taught.unknown[cell]
        found = calibrate(taught)
        columns["calibrated_confidence"] = (
            found.confidence[cell] if isinstance(found, Calibration) else np.nan
        )
    return pd.DataFrame(columns).sort_values("file", ignore_index=True)


def reviewed_table(result: RunResult, reviews: Sequence[Review]) -> pd.DataFrame:
    """Put what readers said beside what was predicted: one row a file of the query.

    Parameters
    ----------
    result : RunResult
    reviews : sequence of Review
        In the order they were made.

    Returns
    -------
    DataFrame
        The columns of :func:`predictions_table` as they are; then reviewed_type (empty where
        nobody answered), final_type, reviewed_by and reviewed_at, see
        :func:`celltransfer_core.review.final_types`. Where people taught the vote, not_ruled_out
        has the types that :func:`celltransfer_core.teaching.prediction_sets` leaves, with ``|``
        between them; types with too few cells in the random sample are always among them.
    """
    table = predictions_table(result)
    final = final_types(result.query.cells, result.predicted, reviews)
    cell = np.searchsorted(result.query.cells, table["sha256"].tolist())
    table["reviewed_type"] = final.reviewed[cell]
    table["final_type"] = final.final[cell]
    table["reviewed_by"] = final.reader[cell]
    table["reviewed_at"] = final.time[cell]
    if result.taught:
        drawn = random_sample(result.query.cells, reviews, seed=result.config.seed)
        sets = prediction_sets(result.taught, drawn)
        left = ["|".join(compress(result.types, held)) for held in sets.holds.tolist()]
        table["not_ruled_out"] = np.array(left)[cell]
    return table


def reviews_table(query: Dataset, reviews: Sequence[Review]) -> pd.DataFrame:
    """List every answer of every reader, also those that were changed later.

    Parameters
    ----------
    query : Dataset
    reviews : sequence of Review

    Returns
    -------
    DataFrame
        file, sha256, type, reader, time, blind; the oldest first. Answers on cells that are no
        longer there are left out.
    """
    import pandas as pd

    files = dict(zip(query.cells, query.first_file, strict=True))
    rows = [
        (files[r.cell], r.cell, r.answer, r.reader, r.time, r.blind)
        for r in reviews
        if r.cell in files
    ]
    return pd.DataFrame(rows, columns=["file", "sha256", "type", "reader", "time", "blind"])


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


def differential_table(result: RunResult, counted: Sequence[str] | None = None) -> pd.DataFrame:
    """Count the types on every slide.

    Parameters
    ----------
    result : RunResult
    counted : sequence of str, length m, optional
        What to count each query cell as, such as ``final_types(…).final``; what was predicted by
        default. Artefacts are no cells and not counted; what readers dispute has a row of its own.

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
    # Copies of an image are one cell.
    first = np.unique(query.cell_index, return_index=True)[1]
    slide = np.array(query.slide or [""] * len(query.files))[first]
    patient = np.array(query.patient or [""] * len(query.files))[first]
    types = np.array(result.predicted if counted is None else counted)
    real = types != ARTEFACT
    names = [*result.types, *sorted(set(types[real].tolist()) - set(result.types))]
    rows = []
    for one in np.unique(slide[real]):
        inside = real & (slide == one)
        total = int(inside.sum())
        owners = sorted(set(patient[inside].tolist()) - {""})
        for name in names:
            count = int((types[inside] == name).sum())
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
    columns = ["slide", "patient", "type", "cells", "percent", "low", "high"]
    return pd.DataFrame(rows, columns=columns)


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
    solves = result.solves
    scores = result.scores[QUERY]
    return {
        **inputs_manifest(result),
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
        **({"taught": _taught_manifest(result.taught, result.clusters)} if result.taught else {}),
        "voters": [
            {
                "voter": voter.name,
                "weight": _number(voter.weight),
                "reference_accuracy": _number(voter.accuracy),
                "mixing": _number(voter.mixing),
            }
            for voter in result.voters
        ],
        "versions": versions(),
    }


def _taught_manifest(taught: Taught, clusters: Clusters) -> dict[str, Any]:
    return {
        "clusters": len(taught.words.clusters),
        "cells": len(taught.words.cells),
        "weights_of_the_taught": dict(
            zip(KINDS[1:-1], (_number(value) for value in taught.weights[-3:]), strict=True)
        ),
        "unknown_above": _number(taught.unknown_above),
        "doubted_clusters": [int(clusters.names[position]) for position in taught.slips],
    }


def inputs_manifest(of: Prepared | RunResult) -> dict[str, Any]:
    """Describe what a run starts from: sets, options, framing, encoders.

    Parameters
    ----------
    of : Prepared or RunResult

    Returns
    -------
    dict
        JSON types alone; see :func:`manifest`.
    """
    config = asdict(of.config)
    config["encoders"] = [voter_name(voter) for voter in of.config.encoders]
    if of.config.cluster_encoder:
        config["cluster_encoder"] = voter_name(of.config.cluster_encoder)
    return {
        "celltransfer": __version__,
        "config": config,
        "seed": of.config.seed,
        "inputs": {
            REFERENCE: _describe(of.reference),
            QUERY: _describe(of.query),
            **{name: _describe(extra) for name, extra in of.extras.items()},
        },
        "framing": {
            "framed": of.framing.framed,
            "reason": of.framing.reason,
            "left_whole": {
                name: [
                    of.framing.crops[name].dataset.first_file[cell]
                    for cell in np.flatnonzero(~nuclei.found)
                ]
                for name, nuclei in of.framing.nuclei.items()
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
            for encoder in of.encoders
        ],
        "failures": [asdict(failure) for failure in of.failures],
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


def versions() -> dict[str, str]:
    """Tell the versions of Python and of the libraries that results depend on.

    Returns
    -------
    dict of str to str
    """
    found = {"python": platform.python_version()}
    for name in _LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def without_names(described: Mapping[str, Any]) -> dict[str, Any]:
    """Take names of files out of a manifest.

    Parameters
    ----------
    described : mapping
        From :func:`manifest`.

    Returns
    -------
    dict
        Lists of files are their lengths.
    """
    lists = ("left_out", "notes", "duplicates")
    inputs = {
        name: {key: len(value) if key in lists else value for key, value in one.items()}
        for name, one in described["inputs"].items()
    }
    whole = {name: len(files) for name, files in described["framing"]["left_whole"].items()}
    return {
        **described,
        "inputs": inputs,
        "framing": {**described["framing"], "left_whole": whole},
    }


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
    result: RunResult,
    folder: Path | str,
    table_format: TableFormat = "csv",
    reviews: Sequence[Review] = (),
) -> list[Path]:
    """Write everything a run found.

    Parameters
    ----------
    result : RunResult
        Taught by these reviews, if there are any.
    folder : path
        Made if need be. Each file is written beside its place and then moved, so that there is
        never half a file.
    table_format : {"csv", "parquet", "h5ad"}
        What the tables are written as beside CSV.
    reviews : sequence of Review
        In the order they were made. Where there are any, reviewed and final types stand in
        ``predictions.csv``, and ``reviews.csv`` lists who said what.

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
    outcome = Outcome(result, reviews)
    predictions = outcome.cells() if reviews else predictions_table(result)
    tables = {
        "predictions": predictions,
        "clusters": outcome.clusters(),
        "matches": outcome.matches(),
        "differential": outcome.differential() if reviews else differential_table(result),
    }
    if reviews:
        tables["reviews"] = outcome.answers()
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
            written.append(write_atomically(folder / f"{name}.parquet", parquet_bytes(table)))
    elif table_format == "h5ad":
        described = manifest(result)
        written.append(write_h5ad(predictions, described, folder / "predictions.h5ad"))
    return written


def write_h5ad(predictions: pd.DataFrame, described: Mapping[str, Any], path: Path) -> Path:
    """Write predictions as AnnData: shares of the vote in X, all else in obs.

    Parameters
    ----------
    predictions : DataFrame
        From :func:`predictions_table` or :func:`reviewed_table`.
    described : mapping
        The manifest, kept as JSON in ``uns``.
    path : Path

    Returns
    -------
    Path
        The same.

    Raises
    ------
    OutputError
        If the folder cannot be written to or the disk is full.
    """
    import anndata

    table = predictions.set_index("file")
    shares = [name for name in table.columns if name.startswith("share:")]
    annotated = anndata.AnnData(
        X=table[shares].to_numpy(np.float32),
        obs=table.drop(columns=shares),
        var={"type": [name.removeprefix("share:") for name in shares]},
    )
    annotated.var_names = [name.removeprefix("share:") for name in shares]
    annotated.uns["manifest"] = json.dumps(described, ensure_ascii=False)
    beside = path.with_name(f".{path.name}.part")

    def write(target: Path) -> None:
        annotated.write_h5ad(target)

    return _replace(path, beside, write)


def csv_bytes(table: pd.DataFrame, *, guarded: bool = False) -> bytes:
    """Write a table as CSV: UTF-8, six decimals, ``true`` and ``false``.

    Parameters
    ----------
    table : DataFrame
    guarded : bool
        For tables that people open: texts that a spreadsheet would take for a formula (they begin
        with ``=``, ``+``, ``-``, ``@``, a tab or a line's end) get an apostrophe in front.
        :func:`read_matches` and :func:`read_clusters` take it away again.

    Returns
    -------
    bytes
    """
    written = table.copy()
    if guarded:
        for name in written.select_dtypes(exclude=["number", "bool"]).columns:
            written[name] = [_guarded(str(value)) for value in written[name]]
    for name in written.select_dtypes(bool).columns:
        written[name] = written[name].map({True: "true", False: "false"})
    text: str = written.to_csv(index=False, float_format="%.6f", lineterminator="\n")
    return text.encode()


_FORMULA = re.compile(r"'*[=+\-@\t\r\n]")


def _guarded(text: str) -> str:
    return f"'{text}" if _FORMULA.match(text) else text


def _unguarded(text: str) -> str:
    return text[1:] if text.startswith("'") and _FORMULA.match(text) else text


def parquet_bytes(table: pd.DataFrame) -> bytes:
    """Write a table as Parquet.

    Parameters
    ----------
    table : DataFrame

    Returns
    -------
    bytes
    """
    buffer = io.BytesIO()
    table.to_parquet(buffer, index=False)
    return buffer.getvalue()


@dataclass(frozen=True)
class Pseudonyms:
    """Names that tell nothing, in place of those of files, slides and patients.

    They are keyed hashes: the same name has the same pseudonym in all that leaves a study, and
    without the key nobody finds out by trying names.
    """

    key: bytes

    @staticmethod
    def of_study(secret: str, study: str) -> Pseudonyms:
        """Make those of a study.

        Parameters
        ----------
        secret : str
            The workspace's.
        study : str
            Its id: another study has other pseudonyms for the same names.

        Returns
        -------
        Pseudonyms
        """
        return Pseudonyms(hmac.digest(secret.encode(), f"pseudonyms {study}".encode(), "sha256"))

    def of(self, kind: str, name: str) -> str:
        """Give a name's pseudonym.

        Parameters
        ----------
        kind : {"file", "slide", "patient", "sha256"}
        name : str

        Returns
        -------
        str
            Nothing for nothing.
        """
        if not name:
            return ""
        return f"{kind}-{hmac.new(self.key, f'{kind} {name}'.encode(), 'sha256').hexdigest()[:16]}"

    def dataset(self, query: Dataset) -> Dataset:
        """Replace the names in a set, so that no table made of it holds one.

        Parameters
        ----------
        query : Dataset

        Returns
        -------
        Dataset
            Its cells keep their hashes: see :meth:`hide`.
        """

        def every(kind: str, names: Sequence[str]) -> tuple[str, ...]:
            return tuple(self.of(kind, name) for name in names)

        return replace(
            query,
            files=every("file", query.files),
            slide=None if query.slide is None else every("slide", query.slide),
            patient=None if query.patient is None else every("patient", query.patient),
        )

    def hide(self, table: pd.DataFrame) -> pd.DataFrame:
        """Replace content hashes, by which whoever has an image could find it.

        Parameters
        ----------
        table : DataFrame
            With or without a column sha256.

        Returns
        -------
        DataFrame
        """
        if "sha256" not in table:
            return table
        return table.assign(sha256=[self.of("sha256", value) for value in table["sha256"]])

    def table(self, query: Dataset) -> pd.DataFrame:
        """List what stands for what; only for whoever owns the study.

        Parameters
        ----------
        query : Dataset

        Returns
        -------
        DataFrame
            kind, name, pseudonym.
        """
        import pandas as pd

        names = {
            "file": query.files,
            "sha256": query.cells,
            "slide": query.slide or (),
            "patient": query.patient or (),
        }
        rows = [
            (kind, name, self.of(kind, name))
            for kind, every in names.items()
            for name in sorted(set(every) - {""})
        ]
        return pd.DataFrame(rows, columns=["kind", "name", "pseudonym"])


@dataclass(frozen=True)
class Outcome:
    """What there is to take away of a study: what was predicted, and what readers said."""

    run: RunResult
    reviews: Sequence[Review]
    """In the order they were made."""
    pseudonyms: Pseudonyms | None = None
    """What every table goes by instead of names, if anything."""

    @cached_property
    def final(self) -> FinalTypes:
        """What stands for each query cell."""
        return final_types(self.run.query.cells, self.run.predicted, self.reviews)

    @cached_property
    def _named(self) -> RunResult:
        query = self.run.query
        return replace(self.run, query=self.pseudonyms.dataset(query) if self.pseudonyms else query)

    def _hide(self, table: pd.DataFrame) -> pd.DataFrame:
        return self.pseudonyms.hide(table) if self.pseudonyms else table

    @property
    def manifest(self) -> dict[str, Any]:
        """See :func:`manifest`."""
        told = manifest(self.run)
        return without_names(told) if self.pseudonyms else told

    def cells(self) -> pd.DataFrame:
        """Make the table of typed cells, see :func:`reviewed_table`.

        Returns
        -------
        DataFrame
        """
        return self._hide(reviewed_table(self._named, self.reviews))

    def answers(self) -> pd.DataFrame:
        """List every answer, see :func:`reviews_table`.

        Returns
        -------
        DataFrame
        """
        return self._hide(reviews_table(self._named.query, self.reviews))

    def matches(self) -> pd.DataFrame:
        """Make the table of matches, see :func:`matches_table`.

        Returns
        -------
        DataFrame
        """
        return matches_table(self.run)

    def clusters(self) -> pd.DataFrame:
        """Make the table of clusters, see :func:`clusters_table`.

        Returns
        -------
        DataFrame
        """
        return clusters_table(self._named)

    def differential(self) -> pd.DataFrame:
        """Count the types on every slide before and after review.

        Returns
        -------
        DataFrame
            As :func:`differential_table`; first a column count, ``predicted`` or ``reviewed``.
        """
        import pandas as pd

        tables = {
            "predicted": differential_table(self._named),
            "reviewed": differential_table(self._named, self.final.final.tolist()),
        }
        for name, table in tables.items():
            table.insert(0, "count", name)
        return pd.concat(tables.values(), ignore_index=True)


def write_images(
    query: Dataset,
    types: Sequence[str],
    path: Path,
    *,
    pseudonyms: Pseudonyms | None = None,
    progress: Progress = silent,
) -> Path:
    """Write every image to a zip, one folder a type.

    Parameters
    ----------
    query : Dataset
    types : sequence of str, length m
        Of every cell, such as ``final_types(…).final``.
    path : Path
        Of the zip. It is written as it grows, so that memory does not.
    pseudonyms : Pseudonyms, optional
        Names of files by default, with a part of their content's hash: two folders may hold files
        of one name.
    progress : callable

    Returns
    -------
    Path
        The same.

    Raises
    ------
    ImageError
        If an image is gone.
    OutputError
        If the folder cannot be written to or the disk is full.

    Notes
    -----
    Images are decoded and written anew as 8-bit RGB PNG, first page alone, at their own size: what
    else the files held (names, places, devices, comments) stays behind. Names are reduced to
    letters that every system takes and never hold a folder.
    """
    folders = _folders(types)
    files: list[list[str]] = [[] for _ in range(query.n_cells)]
    for file, cell in zip(query.files, query.cell_index.tolist(), strict=True):
        files[cell].append(file)

    def name_of(file: str, cell: int) -> str:
        if pseudonyms:
            return pseudonyms.of("file", file)
        # Copies of one image may share their last part too.
        told = hashlib.sha256(f"{query.cells[cell]} {file}".encode()).hexdigest()[:8]
        return f"{_safe(Path(file).stem)}-{told}"

    def write(beside: Path) -> None:
        with zipfile.ZipFile(beside, "w") as archive:
            for cell in range(query.n_cells):
                png = _png(query, cell)
                for file in files[cell]:
                    # Without a time of its own: the same images give the same bytes.
                    entry = zipfile.ZipInfo(f"{folders[types[cell]]}/{name_of(file, cell)}.png")
                    entry.external_attr = 0o644 << 16
                    archive.writestr(entry, png)
                progress("images", cell + 1, query.n_cells)

    return _replace(path, path.with_name(f".{path.name}.part"), write)


def _png(query: Dataset, cell: int) -> bytes:
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(query.read(cell)).save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()


def _folders(types: Sequence[str]) -> dict[str, str]:
    """Name a folder for each type; two types never share one, not even without case."""
    folders: dict[str, str] = {}
    taken: set[str] = set()
    for name in sorted({str(name) for name in types}):
        folder, number = _safe(name), 2
        while folder.casefold() in taken:
            folder, number = f"{_safe(name)}-{number}", number + 1
        taken.add(folder.casefold())
        folders[name] = folder
    return folders


def _safe(name: str) -> str:
    return re.sub(r"[^\w .+-]", "_", name).strip(" .")[:80] or "unnamed"


def command_line(
    config: Config,
    *,
    extras: Sequence[str] = (),
    clusters: str | None = "clusters.csv",
    matches: str | None = "matches.csv",
    reviews: str | None = None,
) -> str:
    """Write the command that gives the same predictions.

    Parameters
    ----------
    config : Config
    extras : sequence of str
        Folders of further sets.
    clusters, matches, reviews : str, optional
        Files that pin the clusters, what people confirmed of them, and what they said of cells.

    Returns
    -------
    str
        For a POSIX shell, quoted, over several lines. It expects the folders ``reference`` and
        ``query``.
    """

    def changed(preset: Config) -> dict[str, Any]:
        every = {field.name: getattr(config, field.name) for field in fields(config)}
        return {name: value for name, value in every.items() if value != getattr(preset, name)}

    # Whether blocks are scaled is the preset's alone.
    preset = min(
        PRESETS,
        key=lambda name: (
            "scale_blocks" in changed(PRESETS[name]),
            len(changed(PRESETS[name])),
        ),
    )
    words: list[tuple[str, ...]] = [("--reference", "reference"), ("--query", "query")]
    words += [("--extra", folder) for folder in extras]
    words += [("--out", "results"), ("--preset", preset)]
    for name, value in changed(PRESETS[preset]).items():
        if name == "scale_blocks" or value is None:
            continue
        if name == "encoders":
            value = ",".join(voter_name(voter) for voter in value)
        elif name == "cluster_encoder":
            value = voter_name(value)
        several = value if isinstance(value, tuple) else (value,)
        words.append((f"--{name.replace('_', '-')}", *(str(one) for one in several)))
    words += [("--clusters-from", clusters)] if clusters else []
    words += [("--matches", matches)] if matches else []
    words += [("--reviews", reviews)] if reviews else []
    options = [" ".join(shlex.quote(word) for word in option) for option in words]
    return " \\\n    ".join(["python -m celltransfer_core run", *options])


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
            cluster,
            _unguarded(row["matched_type"]),
            _unguarded(row.get("by", "")),
            int(cells) if cells.isdigit() else None,
        )
    return tuple(words.values())


def read_answers(path: Path, query: Dataset, types: Sequence[str]) -> tuple[Review, ...]:
    """Read what readers said of cells from a file like ``reviews.csv``.

    Parameters
    ----------
    path : Path
        Columns file, sha256, type, reader and time, and blind if there is one; the oldest answer
        first. A cell is found by its hash, or by its file where that is empty.
    query : Dataset
    types : sequence of str
        Of the reference; a type that is none of them, and no answer, is new.

    Returns
    -------
    tuple of Review

    Raises
    ------
    DataError
        If a column or a value is wrong, or a cell is not of this query.
    """
    import datetime as dt

    cells, by_file = set(query.cells), dict(zip(query.files, query.sha256, strict=True))
    reviews = []
    for number, row in enumerate(
        read_table(path, ("file", "sha256", "type", "reader", "time")), start=2
    ):
        file, said = _unguarded(row["file"]), _unguarded(row["type"])
        cell = row["sha256"] or by_file.get(file, "")
        if cell not in cells:
            raise DataError(
                f"{path}, line {number}: {file or cell!r} is not in the query; was the file made "
                "for another one?"
            )
        if by_file.get(file, cell) != cell:
            raise DataError(f"{path}, line {number}: {file} is another image now; look again.")
        reader = _unguarded(row["reader"]).strip()
        if not reader or not reader.isprintable():
            raise DataError(f"{path}, line {number}: it does not say who the reader is.")
        try:
            dt.datetime.fromisoformat(row["time"])
        except ValueError:
            raise DataError(
                f"{path}, line {number}: {row['time']!r} is no time (as 2026-01-31T12:00:00)."
            ) from None
        blind = row.get("blind", "").lower()
        if blind not in {"true", "false", ""}:
            raise DataError(f"{path}, line {number}: blind is {blind!r}; write true or false.")
        if said not in types and said not in {*ANSWERS} - {DISPUTED}:
            try:
                said = check_new_type(said)
            except DataError as error:
                raise DataError(f"{path}, line {number}: {error}") from None
        reviews.append(Review(cell, said, reader, row["time"], blind == "true"))
    return tuple(reviews)


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
    rows = {_unguarded(row["file"]): row for row in read_table(path, ("file", "cluster"))}
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
