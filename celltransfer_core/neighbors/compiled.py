"""Compile functions with numba; the modules that use it are imported only where they are needed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba

Function = TypeVar("Function", bound=Callable[..., Any])

# The arrays that come in hold no NaN.
_FAST = {"nnan", "nsz"}


def compiled(function: Function) -> Function:
    """Compile a function to machine code that holds no global interpreter lock.

    Parameters
    ----------
    function : callable
        In the part of Python that numba knows; it must be given no NaN.

    Returns
    -------
    callable
        Compiled at its first call with arguments of new types. The code is kept in
        ``__pycache__`` and used again by later processes where that folder can be written.
    """
    try:
        return cast("Function", numba.njit(cache=True, nogil=True, fastmath=_FAST)(function))
    except RuntimeError:  # numba found no folder to keep compiled code in
        return cast("Function", numba.njit(nogil=True, fastmath=_FAST)(function))
