"""The key with which a workspace signs its addresses, stored in the workspace's folder.

It is created once, written completely or not at all, and never used if it is damaged: with an empty
or short key, anybody could sign addresses.
"""

from __future__ import annotations

import errno
import os
import re
import secrets
from contextlib import suppress
from pathlib import Path

from celltransfer_core.errors import OutputError
from celltransfer_core.runtime.files import sync_folder

KEY_FILE = "secret.key"
"""Name of the file in the workspace's folder."""

_BYTES = 32
_NO_LINKS = {errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS}


def signing_key(folder: Path) -> str:
    """Return the key of a workspace; create it if there is none.

    If several processes ask for it at the same time, all get the same key.

    Parameters
    ----------
    folder : Path
        Folder of the workspace.

    Returns
    -------
    str
        64 hexadecimal digits.

    Raises
    ------
    OutputError
        If the key cannot be read or written, or is incomplete.
    """
    path = folder / KEY_FILE
    try:
        if not path.exists():
            _make(path)
        key = path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError as error:
        raise OutputError(
            f"The signing key {path} cannot be read or written ({error.strerror or error}); free "
            "some space, or check that the folder is writable, and try again."
        ) from error
    if not re.fullmatch(f"[0-9a-f]{{{2 * _BYTES}}}", key):
        raise OutputError(
            f"The signing key {path} is damaged ({len(key)} characters, not {2 * _BYTES} "
            "hexadecimal ones), so it cannot be used. Restore it from a backup; or delete it, and "
            "a new one is created: open pages must then be reloaded, and pseudonyms in new "
            "exports differ from those in earlier ones."
        )
    return key


def _make(path: Path) -> None:
    """Write a key beside its place, then move it there unless another process was first."""
    beside = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        handle = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(secrets.token_hex(_BYTES))
            file.flush()
            os.fsync(file.fileno())
        with suppress(FileExistsError):
            _take_place(beside, path)
        sync_folder(path.parent)
    finally:
        with suppress(OSError):
            beside.unlink()


def _take_place(beside: Path, path: Path) -> None:
    """Give a file a name that does not exist yet."""
    try:
        path.hardlink_to(beside)
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        if path.exists():
            return
        beside.rename(path)  # some file systems have no links, as on memory sticks
