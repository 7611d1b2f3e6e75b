import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from celltransfer_core.people import wait_for_blind
from celltransfer_core.pipeline import shorten_hashes, votes_of_cell
from celltransfer_core.studies import (
    FILTER,
    bring_up_to,
    filter_payloads,
    load_current,
    load_run,
    saved_filters,
)
from celltransfer_core.types import silent

from .conftest import PAGES


def text_of(app):
    kinds = ("title", "header", "markdown", "caption", "info", "warning", "error")
    return " ".join(element.value for kind in kinds for element in app.get(kind))


def button(app, name):
    return next(one for one in app.button if name in (one.key, one.label))


def widget(app, kind, key):
    return next(one for one in app.get(kind) if one.key == key)


@pytest.fixture
def at(home):
    """Open the Cells page at an address: ``at(study, type=["blast"])``."""

    def opened(study, **address):
        app = AppTest.from_file(str(PAGES / "main.py"), default_timeout=60)
        app.query_params["study"] = study.id
        for name, value in address.items():
            app.query_params[name] = value
        app.session_state["reader"] = "Ann"
        return app.switch_page("cells.py").run()

    return opened


def gallery(app):
    """Return the cells that the gallery shows, in their order."""
    return app.session_state["cells order kept"][1].tolist()


def waiting(run, reviews=()):
    return wait_for_blind(run.query.cells, reviews, seed=run.config.seed)


def address(app):
    return {name: app.query_params[name] for name in app.query_params if name != "study"}


def open_to_all(run):
    """Return the first cell that is not of the blind sample."""
    return int(np.flatnonzero(~waiting(run))[0])


def test_all_cells_are_shown_but_those_that_wait_for_a_blind_answer(finished, at):
    space, study = finished
    run = load_run(space, study.id)
    blind = waiting(run)
    app = at(study)
    assert not app.exception
    cells = gallery(app)
    assert sorted(cells) == np.flatnonzero(~blind).tolist()
    assert (np.diff(run.vote.agreement[cells]) >= 0).all()
    assert f"**{len(cells)} of {run.query.n_cells} cells**" in text_of(app)
    assert f"{blind.sum()} cells of the blind sample are reserved for the Review page" in text_of(
        app
    )
    widget(app, "toggle", "cells blind").set_value(True).run()
    assert sorted(gallery(app)) == [*range(run.query.n_cells)]
    assert address(app) == {"blind": "1"}


def test_a_cell_of_the_blind_sample_is_opened_without_its_prediction(finished, at):
    space, study = finished
    run = load_run(space, study.id)
    cell = int(np.flatnonzero(waiting(run))[0])
    app = at(study, cell=run.query.cells[cell][:16])
    assert "its prediction is hidden until then" in text_of(app)
    assert "Not among the cells shown" in text_of(app)
    assert "Agreement **" not in text_of(app)
    assert not app.dataframe
    app = at(study, cell=run.query.cells[cell][:16], blind="1")
    assert f"Agreement **{run.vote.agreement[cell]:.2f}**" in text_of(app)


def test_filters_narrow_and_stand_in_the_address(finished, at):
    space, study = finished
    run = load_run(space, study.id)
    shown = ~waiting(run)
    app = at(study)
    for name in run.types:
        widget(app, "multiselect", "cells types").set_value([name]).run()
        assert not app.exception
        assert set(gallery(app)) == {*np.flatnonzero(shown & (np.array(run.predicted) == name))}
        assert address(app) == {"type": name}
    widget(app, "slider", "cells agreement").set_value((0.0, 0.0)).run()
    assert "No cell matches all filters" in text_of(app)
    assert address(app) == {"type": run.types[-1], "agreement": "0-0"}
    button(app, "cells chip 1").click().run()  # the agreement's
    assert address(app) == {"type": run.types[-1]}
    widget(app, "toggle", "cells flagged").set_value(True).run()
    button(app, "cells clear").click().run()
    assert not app.exception
    assert not address(app)
    assert sorted(gallery(app)) == np.flatnonzero(shown).tolist()


def test_an_address_arrives_with_its_filters_and_they_outlast_a_look_at_another_page(finished, at):
    space, study = finished
    run = load_run(space, study.id)
    app = at(study, type=[run.types[0], "gone"], slide="slide-1", sort="most agreement")
    assert not app.exception
    assert widget(app, "multiselect", "cells types").value == [run.types[0], "gone"]
    assert widget(app, "radio", "cells order").value == "most agreement"
    cells = gallery(app)
    assert cells
    assert {run.predicted[cell] for cell in cells} == {run.types[0]}
    assert (np.diff(run.vote.agreement[cells]) <= 0).all()
    before = address(app)
    app.switch_page("help.py").run()
    del app.query_params["type"], app.query_params["slide"], app.query_params["sort"]
    app.switch_page("cells.py").run()
    assert address(app) == before
    assert gallery(app) == cells
    # On the page itself an address without filters, such as Back's, shows all cells.
    del app.query_params["type"], app.query_params["slide"], app.query_params["sort"]
    app.run()
    assert not address(app)
    assert len(gallery(app)) == (~waiting(run)).sum()


def test_the_open_cell_has_an_address_and_steps_follow_the_order(finished, at):
    space, study = finished
    run = load_run(space, study.id)
    app = at(study, sort="most agreement")
    cells = gallery(app)
    app.query_params["cell"] = run.query.cells[cells[0]][:16]
    app.run()
    assert f"1 of {len(cells)}" in text_of(app)
    assert button(app, "cells Previous").disabled
    for cell in cells[1:3]:
        button(app, "cells Next").click().run()
        assert address(app)["cell"] == run.query.cells[cell][:16]
    button(app, "cells Previous").click().run()
    assert address(app)["cell"] == run.query.cells[cells[1]][:16]
    button(app, "cells close").click().run()
    assert "cell" not in address(app)


def test_every_voters_word_is_told(finished, at):
    space, study = finished
    run = load_run(space, study.id)
    cell = open_to_all(run)
    app = at(study, cell=run.query.cells[cell])
    assert not app.exception
    table = app.dataframe[0].value
    said = votes_of_cell(run, cell)
    assert table["Vote"].tolist() == [one.type_name for one in said]
    assert table["Voter"].tolist()[-1] == "fitted to the query"
    assert "counts as much as all voters without transport together" in text_of(app)
    np.testing.assert_allclose(table["Share of the vote"], [one.share for one in said])
    assert text_of(app).count(" nearest: ") == 1
    assert "it has no weight until a cluster is confirmed" in text_of(app)
    assert "Voters with a weight of 0" not in text_of(app)


def test_neighbours_of_one_voter_alone(transported, at):
    space, study = transported
    run = load_run(space, study.id)
    app = at(study, cell=run.query.cells[open_to_all(run)])
    who = widget(app, "selectbox", "cells who")
    assert who.options == ["every voter together", "shape+colour", "shape"]
    who.set_value("shape").run()
    assert not app.exception
    assert text_of(app).count(" nearest: ") == 2


def test_neighbours_are_those_of_voters_that_look_at_reference_cells(finished, at):
    space, study = finished
    space.change_options(study.id, cluster_encoder=("colour",))  # no voter has it alone
    bring_up_to(space, study.id, "classify", silent)
    run = load_run(space, study.id)
    assert run.voters[-1].encoders == ("colour",)
    app = at(study, cell=run.query.cells[open_to_all(run)])
    assert not app.exception
    who = widget(app, "selectbox", "cells who")
    assert who.options == ["every voter together", "shape+colour", "shape"]


def test_every_voters_word_is_told_after_answers_too(finished, at):
    space, study = finished
    cells = space.pooled(study.id, "query").cells
    given = {"cells": shorten_hashes(cells), "type": "blast", "cluster": 0, "new": True}
    space.decide(study.id, "match", given, "Ann")
    run = load_current(space, study.id).run
    cell = open_to_all(run)
    app = at(study, cell=cells[cell])
    assert not app.exception
    table = app.dataframe[0].value
    assert table["Share of the vote"].sum() == pytest.approx(1)
    said = table["Vote"] == run.predicted[cell]
    agreement = table["Share of the vote"][said].sum()
    assert agreement == pytest.approx(run.vote.agreement[cell], abs=1e-6)
    assert "its cluster's confirmed type" in table["Voter"].tolist()
    assert "Your confirmations" in text_of(app)
    assert "Who decided: " in text_of(app)
    assert load_run(space, study.id) is None


def test_neighbours_are_grouped_by_the_set_they_come_from(finished, at, drawn):
    space, study = finished
    cells = sorted((drawn / "reference" / "lymphocyte").glob("*.png"))
    for name, some in (("Second <set>", cells[::2]), ("Third", cells[1::2])):
        added = space.add_set(study.id, "reference", name)
        space.receive(added.id, [(f"lymphocyte/{p.name}", p.read_bytes()) for p in some])
    first = space.sets(study.id, "reference")[0]
    space.change_set(first.id, name="First", mapping={"lymphocyte": ""})
    app = at(study)
    assert not app.exception
    said = text_of(app)
    assert "out of date" in said
    assert "Below is the last result" in said
    bring_up_to(space, study.id, "classify", silent)
    run = load_run(space, study.id)
    assert run.reference.sources == ("First", "Second <set>", "Third")
    app.query_params["cell"] = run.query.cells[run.predicted.index("lymphocyte")]
    app.query_params["blind"] = "1"
    app.run()
    assert not app.exception
    assert "From Third" in text_of(app)
    assert r"From Second \<set\>" in text_of(app)


def test_a_files_name_is_shown_and_searched_on_demand_only(finished, at):
    space, study = finished
    query = space.pooled(study.id, "query")
    cell = open_to_all(load_run(space, study.id))
    app = at(study, cell=query.cells[cell])
    assert not set(query.files) & {text.value for text in app.text}
    assert not [one for one in app.text_input if one.key == "cells file"]
    widget(app, "toggle", "cells names").set_value(True).run()
    told = {text.value for text in app.text}
    assert query.first_file[cell] in told
    assert any(text.startswith("slide slide-") for text in told)
    widget(app, "toggle", "cells by name").set_value(True).run()
    widget(app, "text_input", "cells file").set_value(query.first_file[cell].upper()).run()
    assert gallery(app) == [cell]


def test_the_map_is_drawn_on_demand_and_a_lasso_stands_in_the_address(finished, at):
    from parts.filters import pack_cells

    space, study = finished
    run = load_run(space, study.id)
    app = at(study)
    assert not app.get("plotly_chart")
    widget(app, "toggle", "cells map").set_value(True).run()
    assert not app.exception
    assert len(app.get("plotly_chart")) == 1
    some = np.flatnonzero(~waiting(run))[::3].tolist()
    app = at(study, only=pack_cells(some, run.query.n_cells))
    assert sorted(gallery(app)) == some
    assert not gallery(at(study, only=pack_cells(some[:1], 7)))  # of another set of cells


def test_a_pinned_cell_puts_the_most_alike_first(finished, at):
    space, study = finished
    run = load_run(space, study.id)
    cell = open_to_all(run)
    app = at(study, pin=run.query.cells[cell][:16], sort="like the pinned")
    unit = run.features / np.linalg.norm(run.features, axis=1, keepdims=True)
    cells = gallery(app)
    assert cells[0] == cell
    assert (np.diff((unit @ unit[cell])[cells]) <= 1e-6).all()
    button(app, "cells chip 0").click().run()
    assert not address(app)


def test_what_an_address_asks_for_and_the_query_lacks_is_told(finished, at):
    app = at(finished[1], pin="f" * 16, cell="zz", only="3.abc", fault="[a](b)")
    assert not app.exception
    told = " ".join(one.value for one in app.warning)
    assert "The pinned cell is not in this query" in told
    assert "The cell in this address is not in this query" in told
    assert "The cells selected in this address are from another query" in told
    chips = [one.label for one in app.button if (one.key or "").startswith("cells chip")]
    assert "fault \\[a\\]\\(b\\)" in chips


def test_filters_are_saved_shared_renamed_and_deleted(finished, at):
    space, study = finished
    app = at(study, flagged="1", agreement="0-0.5")
    widget(app, "text_input", "cells filter name").set_value("Ann's doubts")
    button(app, "Save").click().run()
    assert not app.exception
    kept = {"flagged": ["1"], "agreement": ["0-0.5"]}
    assert saved_filters(space, study.id) == {"Ann's doubts": kept}
    assert not app.toast
    app = at(study, flagged="1")
    widget(app, "text_input", "cells filter name").set_value("Ann's doubts")
    button(app, "Save").click().run()
    assert "already existed" in app.toast[0].value
    assert saved_filters(space, study.id) == {"Ann's doubts": {"flagged": ["1"]}}
    theirs = filter_payloads({}, "Ben's", {"reviewed": ["no"]})
    space.decide_all(study.id, FILTER, theirs, "Ben")
    app.run()
    button(app, "cells open Ben's").click().run()
    assert address(app) == {"reviewed": "no"}
    widget(app, "selectbox", "cells filter chosen").set_value("Ben's").run()
    widget(app, "text_input", "cells filter renamed").set_value("Ann's doubts")
    button(app, "Rename").click().run()
    assert "Another filter has the name" in text_of(app)
    widget(app, "text_input", "cells filter renamed").set_value("To do")
    button(app, "Rename").click().run()
    assert list(saved_filters(space, study.id)) == ["Ann's doubts", "To do"]
    widget(app, "selectbox", "cells filter chosen").set_value("To do").run()
    button(app, "Delete").click().run()
    assert list(saved_filters(space, study.id)) == ["Ann's doubts"]


def test_the_address_to_send_is_shown(finished, at):
    app = at(finished[1], flagged="1", cluster="0")
    assert app.code[0].value.endswith(f"?study={finished[1].id}&cluster=0&flagged=1")


def answering():
    """Give the cells in the session's state an answer, as the gallery does."""
    import streamlit as st

    from celltransfer_core.studies import load_current
    from parts.filters import view_of
    from parts.here import Here, open_workspace
    from parts.many_cells import give, show_what_went_wrong
    from parts.shown_cells import shown_cells

    state = st.session_state
    space = open_workspace()
    here = Here(space, space.study(state["study"]), state["reader"])
    current = load_current(space, here.id)
    view = view_of(here)
    shown = shown_cells(here, current.run, current.reviews, view, present=True)
    give(shown, state["cells to answer"], state["answer"])
    show_what_went_wrong(here)


def answer(study, cells, name, reader="Ann"):
    app = AppTest.from_function(answering, default_timeout=60)
    for key, value in {"study": study.id, "reader": reader, "answer": name}.items():
        app.session_state[key] = value
    app.session_state["cells to answer"] = cells
    app.run()
    assert not app.exception
    return app


def given(space, study):
    return {one.cell: one.answer for one in load_current(space, study.id).reviews}


def test_one_key_answers_for_all_that_are_picked_but_not_for_the_blind_sample(finished):
    space, study = finished
    run = load_run(space, study.id)
    blind = np.flatnonzero(waiting(run))[:2].tolist()
    some = np.flatnonzero(~waiting(run))[:3].tolist()
    app = answer(study, [*blind, *some], "plasma cell")
    assert given(space, study) == {run.query.cells[cell]: "plasma cell" for cell in some}
    assert "2 selected cells of the blind sample stayed unanswered" in text_of(app)
    reviews = load_current(space, study.id).reviews
    assert not any(one.blind for one in reviews)
    assert np.flatnonzero(waiting(run, reviews)).tolist() == np.flatnonzero(waiting(run)).tolist()
    assert len(space.undo(study.id, "review", "Ann")) == 3  # at one stroke
    assert not given(space, study)


def test_cells_are_accepted_as_they_are_predicted(finished):
    space, study = finished
    run = load_run(space, study.id)
    some = np.flatnonzero(~waiting(run))[:6].tolist()
    answer(study, some, "as predicted")
    assert given(space, study) == {run.query.cells[cell]: run.predicted[cell] for cell in some}


def test_the_key_that_pins_answers_nothing(finished):
    space, study = finished
    run = load_run(space, study.id)
    app = answer(study, [open_to_all(run)], "pin")
    assert app.query_params["pin"] == run.query.cells[open_to_all(run)][:16]
    assert not given(space, study)


def test_answers_move_no_cell_until_it_is_asked_for_and_counts_follow(finished, at):
    _, study = finished
    app = at(study, sort="last answered")
    before = gallery(app)
    last = before[-1]
    answer(study, [last], "plasma cell")
    app.run()
    assert not app.exception
    assert gallery(app) == before
    assert "plasma cell" in " ".join(one.proto.body for one in app.get("html"))
    button(app, "cells sort again").click().run()
    assert gallery(app)[0] == last
    widget(app, "button_group", "cells reviewed").set_value("no").run()
    assert gallery(app)
    assert last not in gallery(app)


def test_a_signed_study_can_be_looked_at_whole(finished, at):
    space, study = finished
    space.sign(study.id, "Ann")
    app = at(study)
    assert not app.exception
    assert len(gallery(app)) == load_run(space, study.id).query.n_cells
    assert "cells blind" not in {one.key for one in app.toggle}
    assert button(app, "Save").disabled


def test_a_scale_bar_needs_a_scale(finished, at):
    space, study = finished
    cell = load_run(space, study.id).query.cells[0]
    assert "o scale bar" in text_of(at(study, cell=cell))
    space.change_set(space.sets(study.id, "query")[0].id, um_per_px=0.1)
    said = text_of(at(study, cell=cell))
    assert "o scale bar" not in said
    assert "Nucleus diameter" in said


def test_a_stale_result_stays_in_sight(finished, at):
    space, study = finished
    space.change_options(study.id, draws=2)
    app = at(study)
    assert not app.exception
    assert "Below is the last result" in text_of(app)
    assert "following" not in {one.key for one in app.button}
