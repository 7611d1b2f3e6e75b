"""Versions of the libraries that results depend on, for manifests and for comparing workers."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version

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


def versions() -> dict[str, str]:
    """Return the versions of Python and of the libraries that results depend on.

    Returns
    -------
    dict of str to str
        By name; libraries that are not installed are left out.
    """
    found = {"python": platform.python_version()}
    for name in _LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
