"""Split a set whose file names begin with their field into two parts without common fields.

    python tests/benchmarks/fields.py --data sipakmed --out split

Reads a folder of labelled cells, ``TYPE/FIELD_CELL.jpg``, and writes ``split/reference`` and
``split/query``, with a quarter of the cells. Fields overlap where a slide was photographed twice;
fields that share a cell (two thumbnails with a correlation of 0.99) stay in the same part.
"""

from __future__ import annotations

import argparse
import hashlib
import shutil
from pathlib import Path

import numpy as np
from PIL import Image
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

_SIDE, _SAME = 12, 0.99  # px of the small pictures; correlation of two of one cell
_QUERY = 4  # every fourth group of fields


def main() -> None:
    """Split a set by field."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, metavar="DIR")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR")
    options = parser.parse_args()
    files = sorted(path for path in options.data.glob("*/*") if path.is_file())
    counts = {"reference": 0, "query": 0}
    for file, side in zip(files, _sides(files), strict=True):
        to = options.out / side / file.parent.name
        to.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, to / file.name)
        counts[side] += 1
    print(", ".join(f"{side} {count:,} cells" for side, count in counts.items()))


def _sides(files: list[Path]) -> list[str]:
    fields = [f"{file.parent.name}/{file.stem.partition('_')[0]}" for file in files]
    names, of = np.unique(fields, return_inverse=True)
    first, second = np.nonzero(_likeness(files) > _SAME)
    pairs = coo_array((np.ones(len(first)), (of[first], of[second])), shape=(len(names),) * 2)
    _, groups = connected_components(pairs, directed=False)
    heads = [names[np.flatnonzero(groups == group)[0]] for group in range(groups.max() + 1)]
    drawn = [int(hashlib.sha256(head.encode()).hexdigest(), 16) % _QUERY == 0 for head in heads]
    return ["query" if drawn[groups[field]] else "reference" for field in of]


def _likeness(files: list[Path]) -> np.ndarray:
    rows = []
    for file in files:
        with Image.open(file) as image:
            small = image.convert("RGB").resize((_SIDE, _SIDE), Image.Resampling.BOX)
        values = np.asarray(small, dtype=np.float32).ravel()
        values -= values.mean()
        rows.append(values / max(float(np.linalg.norm(values)), 1e-6))
    table = np.stack(rows)
    return table @ table.T


if __name__ == "__main__":
    main()
