import json
from dataclasses import replace

import pandas as pd

from celltransfer_core.outputs import (
    Pseudonyms,
    csv_bytes,
    manifest,
    reviewed_table,
    without_names,
)
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
