"""A portable classifier as one file: a zip of arrays and a manifest; checked before it is used.

Files are not trusted: no code from them is run, no entry is unpacked that is longer than declared,
and every number is checked. A file contains no images, file names, readers or embeddings of cells.
"""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from celltransfer_core.about import RESEARCH_USE, __version__
from celltransfer_core.classify.taught_types import TypeCentres
from celltransfer_core.data.dataset import PixelScale
from celltransfer_core.encoders.references import EncoderReference
from celltransfer_core.errors import DataError
from celltransfer_core.outputs.formats import json_bytes
from celltransfer_core.pipeline.portable import CellClassifier
from celltransfer_core.pipeline.slide_drift import FIGURES, Figure, Usual
from celltransfer_core.pipeline.view import View
from celltransfer_core.runtime.files import write_whole
from celltransfer_core.types import Floats

FORMAT, VERSION = "celltransfer classifier", 1
"""Version of the format; files of a later version are refused."""

MANIFEST = "manifest.json"

MAX_FILE = 64_000_000
"""Limit in bytes: 16 million numbers, more than any encoder needs."""

MAX_MANIFEST, MAX_TYPES, MAX_ENCODERS, MAX_DIM = 1_000_000, 1000, 50, 65_536

_MOST_FIELD = 100  # extents of a nucleus
_WIDTHS: Mapping[Figure, int] = {"stain": 2, "light": 1, "unknown cells": 1}
_END = b"PK\x05\x06"  # end of a zip's directory: the last 22 bytes without a comment
_LARGE = b"PK\x06\x07"  # precedes it in the zip64 format
_INTERCEPT, _CENTRES, _METRIC = "intercept.npy", "centres.npy", "metric.npy"


def write_model(model: CellClassifier, path: Path) -> Path:
    """Write a classifier.

    Parameters
    ----------
    model : CellClassifier
        Fitted.
    path : Path

    Returns
    -------
    Path
        The same. The same classifier gives the same bytes.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    arrays: dict[str, Floats] = {
        **{_weights(n): weights for n, weights in enumerate(model.weights_)},
        _INTERCEPT: np.asarray(model.intercept_, dtype=np.float64),
        _CENTRES: model.centres_.odds,
        _METRIC: model.centres_.metric,
    }
    packed = {name: _npy(array) for name, array in arrays.items()}
    described = {
        "format": FORMAT,
        "version": VERSION,
        "celltransfer": __version__,
        "use": RESEARCH_USE,
        "types": model.classes_.tolist(),
        "encoders": [asdict(one) for one in model.encoders_],
        "view": asdict(model.view_),
        "taught": model.taught_,
        "usual": {figure: asdict(usual) for figure, usual in model.usual_.items()},
        "arrays": {name: hashlib.sha256(data).hexdigest() for name, data in packed.items()},
    }

    def write(beside: Path) -> None:
        with zipfile.ZipFile(beside, "w") as archive:
            for name, data in {MANIFEST: json_bytes(described), **packed}.items():
                entry = zipfile.ZipInfo(name)  # no time is stored
                entry.external_attr = 0o644 << 16
                archive.writestr(entry, data)

    return write_whole(path, write)


def read_model(path: Path | str, *, workers: int | None = None) -> CellClassifier:
    """Read a classifier, and check everything in it.

    Parameters
    ----------
    path : Path
    workers : int, optional
        See :class:`~celltransfer_core.pipeline.portable.CellClassifier`.

    Returns
    -------
    CellClassifier
        Ready to predict. Its encoders are loaded when it predicts.

    Raises
    ------
    DataError
        If the file cannot be read, is not a classifier, has a later version, or contains anything
        invalid.
    """
    path = Path(path)

    def refuse(why: str) -> NoReturn:
        raise DataError(f"{path} cannot be used as a classifier: {why}.")

    entries = _entries(path, refuse)
    described = _manifest(entries.pop(MANIFEST, b""), refuse)
    try:
        types = _types(described["types"])
        encoders = _encoders(described["encoders"])
        view, taught = _view(described["view"]), _taught(described["taught"])
        usual = _usual(described["usual"], len(types))
        hashes = {str(name): str(value) for name, value in described["arrays"].items()}
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        refuse(f"its manifest is not valid ({error!r})")
    shapes: dict[str, tuple[int, ...]] = {
        _weights(n): (one.dim, len(types)) for n, one in enumerate(encoders)
    }
    shapes[_INTERCEPT] = (len(types),)
    shapes[_CENTRES] = shapes[_METRIC] = (len(types), len(types))
    if not shapes.keys() == entries.keys() == hashes.keys():
        refuse("it does not contain the arrays that its encoders need")
    for name, data in entries.items():
        if hashlib.sha256(data).hexdigest() != hashes[name]:
            refuse(f"{name} is damaged; copy the file again")
    exact = (_INTERCEPT, _CENTRES, _METRIC)
    kinds = {name: np.float64 if name in exact else np.float32 for name in shapes}
    arrays = {
        name: _array(entries[name], shape, np.dtype(kinds[name]), name, refuse)
        for name, shape in shapes.items()
    }
    model = CellClassifier(workers)
    model.classes_ = np.array(types)
    model.encoders_, model.view_, model.taught_ = encoders, view, taught
    model.weights_ = tuple(arrays[_weights(n)] for n in range(len(encoders)))
    model.intercept_ = arrays[_INTERCEPT]
    model.centres_, model.usual_ = TypeCentres(arrays[_CENTRES], arrays[_METRIC]), usual
    return model


def _weights(number: int) -> str:
    return f"weights-{number}.npy"


def _npy(array: Floats) -> bytes:
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, np.ascontiguousarray(array), (1, 0), allow_pickle=False)
    return buffer.getvalue()


def _entries(path: Path, refuse: Callable[[str], NoReturn]) -> dict[str, bytes]:
    """Read the entries of the zip; all are stored uncompressed, so that nothing can expand."""
    try:
        size = path.stat().st_size
        if size > MAX_FILE:
            refuse(f"it has {size:,} bytes, more than {MAX_FILE:,}")
        data = path.read_bytes()
    except OSError as error:
        refuse(error.strerror or str(error))
    most = MAX_ENCODERS + 4
    end, before = data[-22:], data[-42:-38]
    if end[:4] != _END or before == _LARGE or int.from_bytes(end[10:12], "little") > most:
        refuse("it was not written by export --model")
    found: dict[str, bytes] = {}
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            for entry in archive.infolist():
                packed = entry.compress_type != zipfile.ZIP_STORED or entry.flag_bits & 1
                if packed or entry.file_size != entry.compress_size or entry.file_size > size:
                    refuse("its entries are compressed, which export --model never does")
                if entry.filename in found or len(found) > most:
                    refuse("it contains an entry twice, or too many entries")
                found[entry.filename] = archive.read(entry)
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError, EOFError) as error:
        refuse(f"it is damaged ({error}); copy it again")
    return found


def _manifest(data: bytes, refuse: Callable[[str], NoReturn]) -> Mapping[str, Any]:
    if not 0 < len(data) <= MAX_MANIFEST:
        refuse("its manifest is missing or too long")
    try:
        described = json.loads(data)
    except (ValueError, RecursionError) as error:
        refuse(f"its manifest cannot be read ({error})")
    if not isinstance(described, dict) or described.get("format") != FORMAT:
        refuse("it was not written by export --model")
    if described.get("version") != VERSION:
        refuse(
            f"it is of version {described.get('version')!r}, and this CellTransfer ({__version__}) "
            f"reads version {VERSION}; update CellTransfer, or export the classifier again"
        )
    return described


def _types(told: Any) -> list[str]:
    types = [one for one in told if isinstance(one, str) and one.strip() and one.isprintable()]
    if len(types) != len(told) or not 2 <= len(types) <= MAX_TYPES or sorted({*types}) != types:
        raise ValueError("types")
    return types


def _encoders(told: Any) -> tuple[EncoderReference, ...]:
    found = tuple(EncoderReference(**one) for one in told)
    texts = [text for one in found for text in (one.id, one.version, one.fingerprint)]
    if not all(isinstance(text, str) and text.isprintable() for text in texts):
        raise ValueError("encoders")
    dims = [one.dim for one in found]
    if not all(type(dim) is int and 0 < dim <= MAX_DIM for dim in dims):
        raise ValueError("dim")
    if not 0 < len({one.id for one in found}) == len(found) <= MAX_ENCODERS:
        raise ValueError("encoders")
    return found


def _view(told: Any) -> View:
    white, colours = told["white"], told["colours"]
    if white is not None:
        white = tuple(_whole(one, 255) for one in white)
        _check(len(white) == 3, "white")
    if colours is not None:
        colours = tuple(tuple(_number(one) for one in row) for row in colours)
        _check([len(row) for row in colours] == [3] * 4, "colours")
        _check(min(colours[1] + colours[3]) >= 0, "colours")
    scales = tuple(_scale(one) for one in told["scales"])
    _check(0 < len(scales) <= MAX_ENCODERS, "scales")
    _check(all(type(told[name]) is bool for name in ("framed", "in_um")), "framed")
    _check(0 < _number(told["field"]) < _MOST_FIELD, "field")
    return View(told["framed"], _number(told["field"]), told["in_um"], white, colours, scales)


def _scale(told: Any) -> PixelScale:
    intensity, channels, background = (told[n] for n in ("intensity", "channels", "background"))
    if intensity is not None:
        intensity = tuple(_number(one) for one in intensity)
        _check(len(intensity) == 2 and intensity[0] < intensity[1], "intensity")
    if channels is not None:
        channels = tuple(_whole(one, 1000) for one in channels)
        _check(len(channels) in (1, 3) and min(channels) > 0, "channels")
    if background is not None:
        background = tuple(_whole(one, 255) for one in background)
        _check(len(background) == 3, "background")
    _check(isinstance(told["numbers"], str) and told["um_per_px"] is None, "numbers")
    return PixelScale(intensity, None, told["numbers"], channels, background)


def _taught(told: Any) -> dict[str, Any]:
    """Check the description of how a classifier was trained."""
    for name in ("answers", "clusters"):
        _whole(told[name], 10**9)
    for of in ("reference", "query"):
        _whole(told[of]["cells"], 10**9)
        for name, count in told[of]["types"].items():
            _check(name.isprintable(), "types")
            _whole(count, 10**9)
    _share(told["agreement"])
    if told["accuracy"] is not None:
        for name in ("value", "low", "high"):
            _share(told["accuracy"][name])
        _whole(told["accuracy"]["drawn_cells"], 10**9)
    return dict(told)


def _usual(told: Any, types: int) -> dict[Figure, Usual]:
    """Check the baseline that drift of later slides is measured against."""
    _check({*told} <= {*FIGURES}, "usual")
    found = {}
    for figure in (one for one in FIGURES if one in told):
        one, width = told[figure], _WIDTHS.get(figure, types)
        mean, spread, slides = (
            tuple(_number(number) for number in one[name])
            for name in ("mean", "spread", "of_slides")
        )
        _check(len(mean) == len(spread) == width and min(spread) > 0, "usual")
        far = _number(one["of_cells"])
        _check(min((far, *slides)) >= 0, "usual")
        found[figure] = Usual(mean, spread, far, slides)
    return found


def _share(told: Any) -> None:
    _check(0 <= _number(told) <= 1, "share")


def _check(right: bool, what: str) -> None:
    if not right:
        raise ValueError(what)


def _number(told: Any) -> float:
    _check(type(told) in (int, float) and abs(told) < 1e9, "number")  # this also rejects NaN
    return float(told)


def _whole(told: Any, most: int) -> int:
    _check(type(told) is int and 0 <= told <= most, "whole number")
    return int(told)


def _array(
    data: bytes,
    shape: tuple[int, ...],
    kind: np.dtype[Any],
    name: str,
    refuse: Callable[[str], NoReturn],
) -> Any:
    """Read an array of a known shape; its header is checked before memory is allocated."""
    file = io.BytesIO(data)
    try:
        if np.lib.format.read_magic(file) != (1, 0):
            refuse(f"{name} is an array of another version")
        found, by_columns, told = np.lib.format.read_array_header_1_0(file)
    except ValueError as error:
        refuse(f"{name} is not an array ({error})")
    rest = data[file.tell() :]
    if (found, by_columns, told) != (shape, False, kind) or len(rest) != kind.itemsize * np.prod(
        shape
    ):
        refuse(f"{name} is not {kind} of shape {shape}")
    array = np.frombuffer(rest, kind).reshape(shape)
    if not np.isfinite(array).all():
        refuse(f"{name} contains values that are not numbers (NaN or infinite)")
    return array
