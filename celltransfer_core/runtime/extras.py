"""Packages that the light installation leaves out: the name of an extra in, what is missing out.

Whatever needs one says so in one sentence, with the command that brings it. ``pyproject.toml``
lists the extras' packages under the names that pip knows.
"""

from __future__ import annotations

from importlib.util import find_spec
from types import MappingProxyType

from celltransfer_core.errors import CellTransferError

EXTRAS = MappingProxyType(
    {
        "encoders": (
            *("huggingface_hub", "onnxscript", "open_clip", "safetensors", "timm", "torch"),
            *("torchvision", "transformers"),
        ),
        "train": ("onnx", "onnxscript", "torch"),
        "formats": ("anndata", "pi_heif", "pydicom"),
        "cluster": ("distributed",),
        "postgres": ("psycopg",),
    }
)
"""By extra, the modules that it brings, as they are imported."""


def missing(extra: str, *modules: str) -> tuple[str, ...]:
    """List what is not installed of an extra, without importing anything.

    Parameters
    ----------
    extra : {"encoders", "train", "formats", "cluster", "postgres"}
    *modules : str
        Those to look for; all of the extra by default.

    Returns
    -------
    tuple of str
        Names of modules.
    """
    return tuple(name for name in modules or EXTRAS[extra] if find_spec(name) is None)


def how_to_install(extra: str) -> str:
    """Return the command that brings an extra.

    Parameters
    ----------
    extra : str

    Returns
    -------
    str

    Examples
    --------
    >>> how_to_install("formats")
    'pip install "celltransfer[formats]"'
    """
    return f'pip install "celltransfer[{extra}]"'


def need(
    extra: str, what: str, kind: type[CellTransferError] = CellTransferError, *modules: str
) -> None:
    """Say in one sentence what is not installed and how to get it, if there is such a thing.

    Parameters
    ----------
    extra : {"encoders", "train", "formats", "cluster", "postgres"}
    what : str
        What needs it, the beginning of the sentence.
    kind : type
        Of the error.
    *modules : str
        Those that are needed; all of the extra by default.

    Raises
    ------
    CellTransferError
        Of the given kind, if something is missing.
    """
    if gone := missing(extra, *modules):
        raise kind(
            f"{what} needs packages that are not installed ({', '.join(gone)}). Install them with: "
            f"{how_to_install(extra)}"
        )
