"""Packages that the light installation leaves out, grouped by extra.

Features that need a missing package raise an error of one sentence, with the command that installs
it. ``pyproject.toml`` lists the extras' packages under the names that pip uses.
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
"""Modules of each extra, by their import names."""


def missing(extra: str, *modules: str) -> tuple[str, ...]:
    """List the modules of an extra that are not installed, without importing anything.

    Parameters
    ----------
    extra : {"encoders", "train", "formats", "cluster", "postgres"}
    *modules : str
        Modules to check; all of the extra by default.

    Returns
    -------
    tuple of str
        Names of the missing modules.
    """
    return tuple(name for name in modules or EXTRAS[extra] if find_spec(name) is None)


def how_to_install(extra: str) -> str:
    """Return the command that installs an extra.

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
    """Raise an error that says what is not installed and how to get it, if anything is missing.

    Parameters
    ----------
    extra : {"encoders", "train", "formats", "cluster", "postgres"}
    what : str
        Feature that needs it, as the beginning of the message.
    kind : type
        Class of the error.
    *modules : str
        Modules that are needed; all of the extra by default.

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
