import json
from dataclasses import replace

import pandas as pd

from celltransfer_core.outputs import (
    Pseudonyms,
    cells_table,
    csv_bytes,
    drift_page,
    drift_table,
    manifest,
    reviewed_table,
    with_batches,
    without_names,
)
from celltransfer_core.pipeline import CellClassifier, SlideDrift
from celltransfer_core.vocabulary import ARTEFACT


def test_pseudonyms_stand_for_every_name(result, answer):
    n = len(result.query.files)
    query = replace(result.query, slide=("s;1",) * n, patient=("",) * (n - 1) + ("Jo",))
    named = replace(result, query=query)
    hidden = Pseudonyms.of_study("secret", "study")
    private = replace(named, query=hidden.dataset(query))
    table = hidden.hide(reviewed_table(private, [answer(0, ARTEFACT)]))
    known = hidden.table(query)
    names = dict(zip(known["pseudonym"], known["name"], strict=True))
    assert len(names) == len(known) == n + result.query.n_cells + 2
    real = reviewed_table(named, [answer(0, ARTEFACT)])
    back = table.assign(
        **{
            kind: table[kind].map({**names, "": ""})
            for kind in ("file", "sha256", "slide", "patient")
        }
    ).sort_values("file", ignore_index=True)
    pd.testing.assert_frame_equal(back, real, check_dtype=False)
    assert set(hidden.table(query)["pseudonym"]).isdisjoint(
        Pseudonyms.of_study("secret", "other").table(query)["pseudonym"]
    )
    text = csv_bytes(table).decode() + json.dumps(without_names(manifest(named)))
    assert not any(name in text for name in (*query.files, *query.cells, "s;1"))


def test_batches_get_the_pseudonyms_of_the_study_and_one_of_their_own(result):
    n = len(result.query.files)
    slides = ("Jo 2",) * 10 + ("Jo 1",) * 10 + ("",) * (n - 20)
    query = replace(result.query, slide=slides, patient=("Jo",) * n)
    drift = tuple(SlideDrift("light", name, 10, 1.0, 2.0) for name in ("Jo 1", "Jo 2", ""))
    found = CellClassifier().fit(result).type_batch(query)
    batches = {"Slide of Jo": replace(found, drift=drift), "July": found}
    hidden = Pseudonyms(b"key")
    private = hidden.batches(batches)
    assert list(private) == [hidden.of("batch", name) for name in batches]
    told = drift_table(private)["slide"][:3].tolist()
    assert told == [*sorted([hidden.of("slide", "Jo 1"), hidden.of("slide", "Jo 2")]), ""]
    own = replace(result, query=hidden.dataset(query))
    table = with_batches(hidden.hide(cells_table(own, ())), batches, hidden)
    plain = with_batches(cells_table(replace(result, query=query), ()), batches)
    # A batch of the study's own cells: the same file, slide, patient and hash, the same pseudonym.
    for kind in ("file", "slide", "patient", "sha256"):
        old, new = (set(table[kind][(table["batch"] == "") == own]) for own in (True, False))
        assert old == new == {hidden.of(kind, name) for name in plain[kind]}, kind
    said = csv_bytes(table).decode() + csv_bytes(drift_table(private)).decode()
    said += drift_page("x", private).split("</script>", 1)[1]  # the library names the months
    names = (*query.files, *query.cells, "Jo 1", "Jo 2", "Slide of Jo", "July")
    assert not any(name in said for name in names)
    known = hidden.table(query, batches)
    assert set(known["name"][known["kind"] == "batch"]) == {*batches}
    assert not known.duplicated().any()
    assert set(table["slide"]) | set(table["batch"]) <= {"", *known["pseudonym"]}
    assert csv_bytes(hidden.table(query)) == csv_bytes(known[known["kind"] != "batch"])
