"""Compile functions with numba; the modules that use it are imported only when needed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba

Function = TypeVar("Function", bound=Callable[..., Any])

# Input arrays contain no NaN.
_FAST = {"nnan", "nsz"}


def compiled(function: Function) -> Function:
    """Compile a function to machine code that releases the global interpreter lock.

    Parameters
    ----------
    function : callable
        Function in the subset of Python that numba supports; its arguments must not contain NaN.

    Returns
    -------
    callable
        Compiled at its first call with arguments of new types. The code is kept in ``__pycache__``
        and reused by later processes if that folder is writable.
    """
    try:
        return cast("Function", numba.njit(cache=True, nogil=True, fastmath=_FAST)(function))
    except RuntimeError:  # numba found no folder to keep compiled code in
        return cast("Function", numba.njit(nogil=True, fastmath=_FAST)(function))
