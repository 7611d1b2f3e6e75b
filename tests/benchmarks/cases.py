"""Read awkward inputs of real laboratories: one line per case (read, needs a choice, or refused).

    python tests/benchmarks/cases.py [--cases ../shared/cases]

Images are read as a set without labels, tables as a reference, and zip files like uploads. The last
line counts the outcomes; a case that ends in an error without an explanation counts as broken.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from celltransfer_core.cli.doubts import describe_doubts
from celltransfer_core.data import read_dataset, unzip
from celltransfer_core.data.checks import check_image
from celltransfer_core.errors import CellTransferError
from celltransfer_core.outputs import read_matches

Outcome = tuple[str, str]

TYPES = ("monocyte", "neutrophil", "eosinophil", "Monozyt", "Übersegmentierter", "Eosinophiler")
"""Of the references that the matches were made for."""


def outcome_of(case: Callable[[], Outcome]) -> Outcome:
    """Tell how a case ended."""
    try:
        return case()
    except CellTransferError as error:
        return "refused", str(error)
    except Exception as error:
        return "broken", f"{type(error).__name__}: {error}"


def one_image(path: Path) -> Outcome:
    """Check one image file."""
    found = check_image(path.read_bytes())
    if found.problem:
        return "refused", found.problem
    if found.channels not in (0, 3):
        return "waits", f"{found.channels} channels: which are shown must be chosen"
    return "read", found.note or (f"{found.pages} pages" if found.pages > 1 else "")


def one_table(folder: Path) -> Outcome:
    """Read a folder with a table of labels."""
    found = read_dataset(folder, labelled=True, workers=1)
    counts = ", ".join(f"{name} {n}" for name, n in Counter(found.labels or ()).items())
    said = dict.fromkeys(remark.reason for remark in (*found.notes, *found.left_out))
    return "read", "; ".join([counts, *said])


def one_zip(path: Path) -> Outcome:
    """Unpack an archive as an upload does."""
    with path.open("rb") as file:
        entries = list(unzip(file))
    problems = dict.fromkeys(one.problem for one in entries if one.problem)
    names = [one.name for one in entries if not one.problem]
    if not names:
        return "refused", "; ".join(problems)
    return "read", "; ".join([f"{len(names)} files such as {names[0]!r}", *problems])


def one_matches(path: Path) -> Outcome:
    """Read confirmed matches."""
    found = read_matches(path, TYPES)
    return "read", ", ".join(f"{one.cluster} {one.type_name}" for one in found)


def two_sets(query: Path, reference: Path) -> Outcome:
    """Compare a query with a reference, as a run does before its work."""
    sets = [read_dataset(folder, workers=1) for folder in (reference, query)]
    said = describe_doubts(sets[0], sets[1], {})
    return ("told", " | ".join(said)) if said else ("read", "nothing is doubtful")


def all_cases(root: Path) -> Iterator[tuple[str, Callable[[], Outcome]]]:
    """List the cases of all folders that are there."""
    for kind, one in (
        ("odd-images", one_image),
        ("icc", one_image),
        ("excel-matches", one_matches),
    ):
        for path in sorted((root / kind).glob("*")):
            yield f"{kind}/{path.name}", lambda one=one, path=path: one(path)
    for path in sorted((root / "labels").glob("*")):
        yield f"labels/{path.name}", lambda path=path: one_table(path)
    for path in sorted((root / "zips").glob("*")):
        yield f"zips/{path.name}", lambda path=path: one_zip(path)
    plain = root / "leak-eval" / "reference"
    queries = [root / "leak-eval" / "query", root / "masks" / "query", root / "tiny"]
    queries += sorted(path for path in (root / "segmented").glob("*") if path.is_dir())
    for path in queries:
        name = str(path.relative_to(root))
        yield name, lambda path=path: two_sets(path, plain)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    near = Path(__file__).resolve().parents[3] / "shared" / "cases"
    parser.add_argument("--cases", type=Path, default=near)
    options = parser.parse_args()
    counts: Counter[str] = Counter()
    for name, case in all_cases(options.cases):
        how, said = outcome_of(case)
        counts[how] += 1
        print(f"{name}: {how}" + (f": {said[:180]}" if said else ""))
    print(f"{counts.total()} cases: " + ", ".join(f"{n} {how}" for how, n in counts.items()))


if __name__ == "__main__":
    main()
