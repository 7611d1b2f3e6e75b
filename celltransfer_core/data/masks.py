"""Names of the images of a set in, those that are masks of others by their name out.

Programs that find cells write a mask beside each picture (``c1.png``, ``c1_cp_masks.png``), or into
a folder beside theirs (``images/c1.png``, ``masks/c1.png``). Not in the paper. Names are looked at
for these endings alone: nothing that may name a type is.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

IS_MASK = "is the mask of another image: it shows where the cell lies, not the cell"
"""Why a mask is left out."""

_WORD = r"(?:masks?|seg|segmentations?|outlines?|annotations?|labels?)"
_ENDING = re.compile(rf"(.+?)(?:[ _.-]cp)?[ _.-]{_WORD}", re.IGNORECASE)
_FOLDER = re.compile(rf"(?:.*[ _.-])?{_WORD}", re.IGNORECASE)


def named_as_masks(names: Iterable[str]) -> frozenset[str]:
    """Find the images that are masks of others, by their names.

    Parameters
    ----------
    names : iterable of str
        Relative to the set's folder, with ``/``.

    Returns
    -------
    frozenset of str
        Those that end as masks do, or lie in a folder of masks, where the image itself is there.

    Examples
    --------
    >>> sorted(named_as_masks(["c1.png", "c1_mask.png", "c2_mask.png", "masks/c1.tif"]))
    ['c1_mask.png', 'masks/c1.tif']
    """
    parts = {name: _split(name) for name in names}
    plain = [(folder, stem) for folder, stem in parts.values() if not _is_mask(folder, stem)]
    here, anywhere = set(plain), {stem for _, stem in plain}
    found = set()
    for name, (folder, stem) in parts.items():
        ending = _ENDING.fullmatch(stem)
        of = ending[1] if ending else stem
        if (ending and (folder, of) in here) or (_in_folder(folder) and of in anywhere):
            found.add(name)
    return frozenset(found)


def _split(name: str) -> tuple[str, str]:
    folder, _, file = name.rpartition("/")
    return folder, file.rpartition(".")[0] or file


def _in_folder(folder: str) -> bool:
    return any(_FOLDER.fullmatch(part) for part in folder.split("/"))


def _is_mask(folder: str, stem: str) -> bool:
    return bool(_ENDING.fullmatch(stem)) or _in_folder(folder)
