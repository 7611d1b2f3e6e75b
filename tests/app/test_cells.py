import numpy as np
import pytest

from celltransfer_core.pipeline import find_cells, shorten_hashes, votes_of_cell
from celltransfer_core.studies import bring_up_to, load_current, load_run
from celltransfer_core.types import silent


def text_of(app):
    kinds = ("title", "header", "markdown", "caption", "info", "warning", "error")
    return " ".join(element.value for kind in kinds for element in app.get(kind))


def button(app, name):
    return next(one for one in app.button if name in (one.key, one.label))


def widget(app, kind, key):
    return next(one for one in app.get(kind) if one.key == key)


def shown(app, space, study):
    return load_run(space, study.id).query.cells.index(app.session_state["cell"])


def test_the_least_certain_cell_is_shown_first_with_every_voters_word(finished, open_page):
    space, study = finished
    app = open_page("cells", study.id)
    assert not app.exception
    run = load_run(space, study.id)
    cell = shown(app, space, study)
    assert run.vote.agreement[cell] == run.vote.agreement.min()
    assert f"**{run.query.n_cells} of {run.query.n_cells} cells**" in text_of(app)
    table = app.dataframe[0].value
    said = votes_of_cell(run, cell)
    assert table["Says"].tolist() == [one.type_name for one in said]
    np.testing.assert_allclose(table["Share of the vote"], [one.share for one in said])


def test_filters_narrow_and_a_cell_that_is_left_out_is_not_shown(finished, open_page):
    space, study = finished
    run = load_run(space, study.id)
    app = open_page("cells", study.id)
    for name in run.types:
        widget(app, "multiselect", "cells types").set_value([name]).run()
        assert not app.exception
        wanted = find_cells(run, types=[name])
        if len(wanted):
            assert f"**{len(wanted)} of {run.query.n_cells} cells**" in text_of(app)
            assert shown(app, space, study) in wanted
        else:
            assert "No cell fits all of this" in text_of(app)


def test_nothing_left_is_said(finished, open_page):
    _, study = finished
    app = open_page("cells", study.id)
    widget(app, "slider", "cells divided").set_value(100)
    widget(app, "slider", "cells agreement").set_value((0.0, 0.0)).run()
    assert not app.exception
    assert "No cell fits all of this" in text_of(app)


def test_steps_follow_the_order(finished, open_page):
    space, study = finished
    run = load_run(space, study.id)
    app = open_page("cells", study.id)
    widget(app, "selectbox", "cells order").set_value("most agreement").run()
    app.session_state["cell"] = run.query.cells[find_cells(run, order="most agreement")[0]]
    app.run()
    seen = []
    for _ in range(3):
        seen.append(shown(app, space, study))
        button(app, "cells Next").click().run()
    assert seen == find_cells(run, order="most agreement")[:3].tolist()
    button(app, "cells Previous").click().run()
    assert shown(app, space, study) == seen[-1]
    assert f"3 of {run.query.n_cells}" in text_of(app)


def test_neighbours_of_one_voter_alone(transported, open_page):
    _, study = transported
    app = open_page("cells", study.id)
    who = widget(app, "selectbox", "cells who")
    assert who.options == ["every voter together", "shape+colour", "shape"]
    who.set_value("shape").run()
    assert not app.exception
    assert text_of(app).count(" nearest: ") == 2


def test_without_transport_the_page_says_why(finished, open_page):
    app = open_page("cells", finished[1].id)
    assert text_of(app).count(" nearest: ") == 1
    assert "it weighs nothing until a cluster is confirmed" in text_of(app)
    assert "A weight of 0" not in text_of(app)


def test_every_voters_word_is_told_after_answers_too(finished, open_page):
    space, study = finished
    cells = space.pooled(study.id, "query").cells
    given = {"cells": shorten_hashes(cells), "type": "blast", "cluster": 0, "new": True}
    space.decide(study.id, "match", given, "Ann")
    app = open_page("cells", study.id, cell=cells[0])
    assert not app.exception
    table = app.dataframe[0].value
    run = load_current(space, study.id).run
    assert table["Share of the vote"].sum() == pytest.approx(1)
    said = table["Says"] == run.predicted[0]
    assert table["Share of the vote"][said].sum() == pytest.approx(run.vote.agreement[0], abs=1e-6)
    assert "its cluster's confirmed type" in table["Voter"].tolist()


def test_neighbours_are_grouped_by_the_set_they_come_from(finished, open_page, drawn):
    space, study = finished
    cells = sorted((drawn / "reference" / "lymphocyte").glob("*.png"))
    for name, some in (("Second <set>", cells[::2]), ("Third", cells[1::2])):
        added = space.add_set(study.id, "reference", name)
        space.receive(added.id, [(f"lymphocyte/{p.name}", p.read_bytes()) for p in some])
    first = space.sets(study.id, "reference")[0]
    space.change_set(first.id, name="First", mapping={"lymphocyte": ""})
    app = open_page("cells", study.id)
    assert not app.exception
    said = text_of(app)
    assert "out of date" in said
    assert "Below is the last result" in said
    bring_up_to(space, study.id, "classify", silent)
    run = load_run(space, study.id)
    assert run.reference.sources == ("First", "Second <set>", "Third")
    app.session_state["cell"] = run.query.cells[run.predicted.index("lymphocyte")]
    app.run()
    assert not app.exception
    assert "From Third" in text_of(app)
    assert r"From Second \<set\>" in text_of(app)


def test_a_files_name_is_shown_on_demand_only(finished, open_page):
    space, study = finished
    names = set(space.pooled(study.id, "query").files)
    app = open_page("cells", study.id)
    assert not names & {text.value for text in app.text}
    widget(app, "toggle", "cells names").set_value(True).run()
    told = {text.value for text in app.text}
    assert names & told
    assert any(text.startswith("slide slide-") for text in told)


def test_the_map_is_drawn_on_demand_only(finished, open_page):
    _, study = finished
    app = open_page("cells", study.id)
    assert not app.get("plotly_chart")
    widget(app, "toggle", "cells map").set_value(True).run()
    assert not app.exception
    assert len(app.get("plotly_chart")) == 1


def test_a_scale_bar_needs_a_scale(finished, open_page):
    space, study = finished
    assert "no scale bar" in text_of(open_page("cells", study.id))
    space.change_set(space.sets(study.id, "query")[0].id, um_per_px=0.1)
    said = text_of(open_page("cells", study.id))
    assert "no scale bar" not in said
    assert "µm across" in said


def test_a_confirmed_cluster_counts_without_a_new_transport(finished, open_page):
    space, study = finished
    cells = shorten_hashes(space.pooled(study.id, "query").cells)
    space.decide(study.id, "match", {"cells": cells, "type": "lymphocyte", "cluster": 0}, "Ann")
    app = open_page("cells", study.id)
    assert not app.exception
    assert "What you confirmed" in text_of(app)
    assert "Who decided: " in text_of(app)
    assert load_run(space, study.id) is None


def test_a_stale_result_stays_in_sight(finished, open_page):
    space, study = finished
    space.change_options(study.id, draws=2)
    app = open_page("cells", study.id)
    assert not app.exception
    assert "Below is the last result" in text_of(app)
    assert "following" not in {one.key for one in app.button}
