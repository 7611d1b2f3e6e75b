"""Find images of a set that are masks of other images, by their names.

Segmentation programs write a mask next to each picture (``c1.png``, ``c1_cp_masks.png``), or into a
parallel folder (``images/c1.png``, ``masks/c1.png``). Not in the paper. Names are checked for these
patterns only, and never for the name of a type.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

IS_MASK = "is the mask of another image: it shows where the cell lies, not the cell"
"""Reason why a mask is left out."""

_WORD = r"(?:masks?|seg|segmentations?|outlines?|annotations?|labels?)"
_ENDING = re.compile(rf"(.+?)(?:[ _.-]cp)?[ _.-]{_WORD}", re.IGNORECASE)
_FOLDER = re.compile(rf"(?:.*[ _.-])?{_WORD}", re.IGNORECASE)


def named_as_masks(names: Iterable[str]) -> frozenset[str]:
    """Find the images that are masks of other images, by their names.

    Parameters
    ----------
    names : iterable of str
        Relative to the set's folder, with ``/``.

    Returns
    -------
    frozenset of str
        Names that end like masks or lie in a folder of masks, if the image itself exists.

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
