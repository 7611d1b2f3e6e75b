"""Results of stages as plain text and numbers, which are safe to read from any source.

A result (records, tuples, mappings, arrays) is written as a JSON document and the concatenated
bytes of its arrays, and can be read back. A pickle may run any code when it is read; this format
creates only records of the results' own classes, whose images are in one given folder.
"""

from __future__ import annotations

import base64
import math
import re
import sys
from collections.abc import Collection, Mapping
from dataclasses import dataclass, fields, is_dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

import numpy as np

from celltransfer_core.data.dataset import Dataset
from celltransfer_core.errors import DataError
from celltransfer_core.evaluation.result import Evaluation
from celltransfer_core.pipeline.clusters import Clusters
from celltransfer_core.pipeline.maps import CellMap
from celltransfer_core.pipeline.reference_check import ReferenceCheck
from celltransfer_core.pipeline.result import Named, Prepared, RunResult
from celltransfer_core.pipeline.typed_batch import TypedBatch

RESULTS = (
    *(Prepared, Clusters, Named, RunResult, CellMap, Evaluation, ReferenceCheck),
    TypedBatch,
)
"""Classes of the results of stages."""

_KINDS = "biufU"  # kinds of NumPy data types that arrays may have
_IMAGES = "images"  # stands for the folder of images


@dataclass(frozen=True)
class PlainResult:
    """A result in the form in which it is written to a file."""

    nodes: list[Any]
    """JSON values. Each holds plain values and indices of earlier nodes; the last is the result."""
    arrays: bytes
    """Bytes of all arrays, in the order of their nodes."""


def to_plain(result: object) -> PlainResult:
    """Convert a result to plain data.

    Parameters
    ----------
    result : object
        One of :data:`RESULTS`, whose images are named by content hash.

    Returns
    -------
    PlainResult
        Shared parts stay shared.

    Raises
    ------
    TypeError
        If it holds a value that cannot be part of a result.
    """
    nodes, arrays = list[Any](), list[bytes]()
    known: dict[int, int] = {}

    def leaf(value: Any) -> Any:
        if value is None or isinstance(value, bool | int | str):
            return value
        if isinstance(value, float):
            return value if math.isfinite(value) else {"float": str(value)}
        if id(value) not in known:
            nodes.append(node(value))
            known[id(value)] = len(nodes) - 1
        return {"at": known[id(value)]}

    def node(value: Any) -> Any:
        if isinstance(value, bytes):
            return ["bytes", base64.b64encode(value).decode()]
        if isinstance(value, np.ndarray):
            order: Literal["C", "F"] = (
                "F" if value.flags.f_contiguous and not value.flags.c_contiguous else "C"
            )
            if value.dtype.kind not in _KINDS:
                raise TypeError(f"No result holds arrays of {value.dtype}.")
            arrays.append(value.tobytes(order))
            return ["array", value.dtype.str, list(value.shape), order]
        if isinstance(value, tuple):
            return ["tuple", [leaf(one) for one in value]]
        if isinstance(value, Mapping):
            return ["mapping", [[leaf(name), leaf(one)] for name, one in value.items()]]
        if is_dataclass(value) and type(value).__name__ in _records():
            return [
                type(value).__name__,
                {f.name: leaf(_own(value, f.name)) for f in fields(value)},
            ]
        raise TypeError(f"No result holds a {type(value).__name__}.")

    def _own(value: Any, name: str) -> Any:
        if isinstance(value, Dataset) and name == "root":
            if not value.by_hash:
                raise TypeError("Images of a study lie by content hash.")
            return _IMAGES
        return getattr(value, name)

    leaf(result)
    return PlainResult(nodes, b"".join(arrays))


def from_plain(plain: PlainResult, images: Path, known: Collection[str]) -> Any:
    """Rebuild a result from plain data.

    Parameters
    ----------
    plain : PlainResult
        Plain data from any source.
    images : Path
        The folder of the images, which are named by content hash.
    known : collection of str
        Hashes of the images that the result may refer to.

    Returns
    -------
    object
        One of :data:`RESULTS`.

    Raises
    ------
    DataError
        If it is not a result of this version.
    """
    made, place = list[Any](), 0

    def value_of(leaf: Any) -> Any:
        if not isinstance(leaf, dict):
            if isinstance(leaf, list):
                raise TypeError("a list among plain values")
            return leaf
        ((kind, given),) = leaf.items()
        return float(given) if kind == "float" else made[range(len(made))[given]]

    def array(dtype: str, shape: list[int], order: Any) -> Any:
        nonlocal place
        kind = np.dtype(dtype)
        if kind.kind not in _KINDS or min(shape, default=0) < 0:
            raise TypeError(f"an array of {dtype}")
        end = place + math.prod(shape) * kind.itemsize
        found = np.frombuffer(plain.arrays[place:end], kind) if end > place else np.empty(0, kind)
        place = end
        return found.reshape(shape, order=order).copy(order)

    def record(name: str, given: Mapping[str, Any]) -> Any:
        kind = _records()[name]
        values = {field: value_of(one) for field, one in given.items()}
        if kind is Dataset:
            if values.pop("root") != _IMAGES or not values["by_hash"]:
                raise TypeError("images that lie elsewhere")
            if not {*values["sha256"]} <= {*known}:
                raise ValueError("images that the study has not")
            return Dataset(root=images, **values)
        return kind(**values)

    try:
        for kind, *given in plain.nodes:
            if kind == "bytes":
                made.append(base64.b64decode(given[0], validate=True))
            elif kind == "array":
                made.append(array(*given))
            elif kind == "tuple":
                made.append(tuple(value_of(one) for one in given[0]))
            elif kind == "mapping":
                made.append({value_of(name): value_of(one) for name, one in given[0]})
            else:
                made.append(record(kind, given[0]))
        found = made[-1]
    except (TypeError, ValueError, LookupError, AttributeError, MemoryError, DataError) as error:
        raise DataError(f"A result cannot be read ({error}).") from error
    if place != len(plain.arrays) or not isinstance(found, RESULTS):
        raise DataError("A result cannot be read (it holds something else).")
    return found


@cache
def _records() -> Mapping[str, type[Any]]:
    """Find the classes of which results consist, by name: those that their fields mention."""
    found: dict[str, type[Any]] = {}
    waiting: list[type[Any]] = [*RESULTS]
    while waiting:
        kind = waiting.pop()
        if kind.__name__ in found:
            continue
        found[kind.__name__] = kind
        there = vars(sys.modules[kind.__module__])
        named = [there.get(word) for f in fields(kind) for word in re.findall(r"\w+", str(f.type))]
        waiting += [one for one in named if isinstance(one, type) and is_dataclass(one)]
    return found
