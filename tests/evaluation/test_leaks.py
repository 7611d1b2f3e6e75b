from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from celltransfer_core.cli.doubts import describe_doubts
from celltransfer_core.config import DEFAULT
from celltransfer_core.data import read_dataset
from celltransfer_core.errors import DataError
from celltransfer_core.evaluation import Protocol, evaluate, simulate_reader
from celltransfer_core.pipeline import detect, identify, prepare
from celltransfer_core.runtime import Cache

CONFIG = replace(DEFAULT, encoders=(("colour",),), framing="none", draws=2, seed=3)
QUICK = Protocol(
    ot=("none",),
    filtering=("false",),
    methods=("ensemble", "majority", "ceiling"),
    subsets=2,
    identification_subsets=0,
    low_label=(),
)
COPIED = {"eosinophil": 10, "lymphocyte": 10, "neutrophil": 4}


def set_of(files, folder):
    for name, (source, how) in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if how == "same":
            path.write_bytes(source.read_bytes())
        else:
            Image.open(source).save(path.with_suffix(".jpg"), quality=80)
    return read_dataset(folder, workers=1)


@pytest.fixture(scope="module")
def leaky(drawn, reference, tmp_path_factory):
    """A query of 54 cells, 24 of them from the reference: 12 as they are, 12 saved anew."""
    folder = tmp_path_factory.mktemp("leaky")
    files = {}
    for number, path in enumerate(sorted((drawn / "query").iterdir())):
        files[f"{'lymphocyte' if number % 3 else 'eosinophil'}/{path.name}"] = path, "same"
    for name, count in COPIED.items():
        for number in range(count):
            how = "same" if number % 2 else "saved anew"
            source = drawn / "reference" / name / f"{number}.png"
            files[f"{name}/copy{number}.png"] = source, how
    query = set_of(files, folder)
    cache = Cache(tmp_path_factory.mktemp("cache"))
    prepared = prepare(reference, query, CONFIG, cache=cache, workers=1)
    truth = np.array([file.split("/")[0] for file in query.first_file])
    copied = np.array(["copy" in file for file in query.first_file])
    named = identify(prepared, detect(prepared))
    return SimpleNamespace(prepared=prepared, named=named, truth=truth, copied=copied)


def measured(leaky, **how):
    protocol = replace(QUICK, **how)
    return evaluate(leaky.prepared, leaky.named, leaky.truth, protocol, workers=1)


def test_cells_of_the_reference_are_left_out_of_the_figures(leaky):
    found = measured(leaky)
    np.testing.assert_array_equal(found.leaked, leaky.copied)
    assert len(found.scored) == 30
    assert not leaky.copied[found.scored].any()
    said = " ".join(found.notes)
    assert "24 of 54 query cells are also in the reference (12 byte for byte, 12 ne" in said
    assert "they are left out of the figures" in said
    majority = next(row for row in found.rows if row.method == "majority")
    assert majority.accuracy == pytest.approx(100 * 20 / 30)


def test_they_count_where_that_is_asked_for(leaky):
    found = measured(leaky, keep_shared=True)
    assert not found.leaked.any()
    assert leaky.copied[found.scored].sum() == COPIED["eosinophil"] + COPIED["lymphocyte"]
    assert "They are counted, as requested" in " ".join(found.notes)


def test_types_stay_that_are_rare_without_them(leaky):
    few = np.flatnonzero((leaky.truth == "eosinophil") & ~leaky.copied)[2:]
    truth = leaky.truth.copy()
    truth[few] = ""
    found = evaluate(leaky.prepared, leaky.named, truth, QUICK, workers=1)
    assert sorted(set(found.truth.tolist())) == ["", "eosinophil", "lymphocyte"]
    assert {"eosinophil", "lymphocyte"} == found.rows[0].recall.keys()


def test_nothing_is_measured_where_all_cells_are_known(leaky):
    truth = np.where(leaky.copied, leaky.truth, "")
    with pytest.raises(DataError, match=r"also in the reference .* or --keep-shared"):
        evaluate(leaky.prepared, leaky.named, truth, QUICK, workers=1)


def test_a_readers_figures_leave_them_out_too(leaky):
    truth = np.where(leaky.copied, "neutrophil", leaky.truth)  # so that they would show
    reading = simulate_reader(
        leaky.prepared, leaky.named, truth, repeats=1, answers=1, left_out=leaky.copied, workers=1
    )
    kept = simulate_reader(leaky.prepared, leaky.named, truth, repeats=1, answers=1, workers=1)
    first, all_cells = reading.points[0], kept.points[0]
    assert first.accuracy_untyped > all_cells.accuracy_untyped


def test_the_command_line_counts_them_before_work_begins(leaky, reference):
    lines = describe_doubts(reference, leaky.prepared.query, {})
    (line,) = [one for one in lines if "also in the reference" in one]
    assert line.startswith("24 of 54 query cells are also in the reference (12 byte for byte, 12")
    assert "and 21 more" in line
    assert describe_doubts(reference, reference, {})[0].startswith("42 of 42 query cells")


def test_sets_that_share_nothing_need_no_line(reference, query):
    assert describe_doubts(reference, query, {"more": query}) == []
