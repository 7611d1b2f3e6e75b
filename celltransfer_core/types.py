"""Type aliases for the arrays passed between stages."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

RGBImage: TypeAlias = NDArray[np.uint8]
"""One image, shape ``(height, width, 3)``, 0–255."""

Float32: TypeAlias = NDArray[np.float32]
Float64: TypeAlias = NDArray[np.float64]

Floats: TypeAlias = NDArray[np.floating[Any]]
"""Single or double precision."""

Ints: TypeAlias = NDArray[np.int64]
Bools: TypeAlias = NDArray[np.bool_]

Labels: TypeAlias = NDArray[Any]
"""One label per cell, shape ``(n,)``; strings, or whatever a caller of the estimators passes."""

Progress: TypeAlias = Callable[[str, int, int], None]
"""``progress(stage, done, total)``: called from the main thread as work advances."""


def silent(stage: str, done: int, total: int) -> None:
    """Report nothing: the default :data:`Progress`."""
