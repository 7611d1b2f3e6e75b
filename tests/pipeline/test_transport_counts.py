from dataclasses import replace

import numpy as np
import pytest

from celltransfer_core.cli.sentences import describe_run
from celltransfer_core.config import DEFAULT, PAPER
from celltransfer_core.matching import Confirmation
from celltransfer_core.outputs import (
    About,
    manifest,
    missing_transport,
    predictions_table,
    report_html,
)
from celltransfer_core.people import Review
from celltransfer_core.pipeline import (
    DISCRIMINANT,
    detect,
    estimate_run,
    identify,
    prepare,
    recount,
    run,
    transfer,
    transport_counts,
    votes,
)
from tests.pipeline.samples import FAST

NEEDED = replace(FAST, transport="needed")


def same(one, other):
    """Compare two arrays, or two records of arrays, by their bits."""
    one, other = (value if isinstance(value, dict) else vars(value) for value in (one, other))
    assert one.keys() == other.keys()
    for name in one:
        np.testing.assert_array_equal(one[name], other[name], err_msg=name)


def votes_of(vote, rows):
    """Take some voters' first choices out of a vote."""
    return {**vars(vote), "choices": vote.choices[rows]}


@pytest.fixture(scope="module")
def needed(reference, query, store):
    return run(reference, query, NEEDED, cache=store, workers=1)


@pytest.mark.parametrize(
    ("config", "confirmed", "counts"),
    [
        (DEFAULT, 0.0, False),
        (DEFAULT, 0.01, True),
        (replace(DEFAULT, transport="always"), 0.0, True),
        (replace(DEFAULT, vote_weights="prior"), 0.0, True),
        (replace(DEFAULT, vote_weights="equal"), 0.0, True),
        (replace(DEFAULT, alignment="none", transport="always"), 1.0, False),
        (replace(DEFAULT, alignment="centre", transport="always"), 1.0, False),
        (replace(DEFAULT, alignment="centre", features="raw"), 0.0, False),
        (replace(DEFAULT, alignment="centre", features="raw"), 0.5, True),
        (PAPER, 0.0, True),
    ],
)
def test_when_transport_counts(config, confirmed, counts):
    assert transport_counts(config, confirmed) == counts
    plan = estimate_run(config, 2, 500, 700, confirmed=confirmed)
    fitted = config.transduction == "discriminant"
    assert plan.voters == (4 if counts else 2) + fitted
    assert (plan.transports > 0) == (counts and config.alignment == "fgw")
    assert (plan.seconds > plan.first) == counts


def test_nothing_is_transported_before_a_cluster_is_confirmed(
    needed, reference, query, store, monkeypatch
):
    monkeypatch.setattr(votes, "align", None)  # nothing may ask for it
    found = run(reference, query, NEEDED, cache=store, workers=1)
    assert [voter.alignment for voter in found.voters] == ["centre", "centre", DISCRIMINANT]
    assert not found.aligned
    assert found.solves == ()
    assert sum(voter.weight for voter in found.voters) == 1


def test_the_vote_is_that_of_voters_without_weight_to_the_bit(needed, result):
    assert [voter.weight for voter in result.voters] == [0.25, 0, 0.25, 0, 0.5]
    same(votes_of(needed.vote, slice(None)), votes_of(result.vote, slice(None, None, 2)))
    for mine, other in zip(needed.voters, result.voters[::2], strict=True):
        same(mine, other)
    columns = list(predictions_table(needed))
    table = predictions_table(result)
    assert table[columns].equals(predictions_table(needed))
    assert {*table} - {*columns} == {"vote:shape+colour:fgw", "vote:colour:fgw"}


def test_so_is_the_vote_that_answers_updated(needed, result, reference, query, store):
    reviews = [
        Review(query.cells[cell], name, "Ann", "2026-01-01T00:00:00+00:00", blind=False)
        for cell, name in enumerate(["lymphocyte", "eosinophil", "new type", "neutrophil"])
    ]
    mine, other = (
        run(reference, query, config, reviews=reviews, cache=store, workers=1)
        for config in (NEEDED, FAST)
    )
    assert mine.types == (*needed.types, "neutrophil", "new type")
    rows = [0, 2, 4, -4, -3, -2, -1]
    same(votes_of(mine.vote, slice(None)), votes_of(other.vote, rows))
    for name in ("probabilities", "distance", "name_posteriors", "cell_weights"):
        np.testing.assert_array_equal(getattr(mine.updated, name), getattr(other.updated, name))
    np.testing.assert_array_equal(mine.updated.voter_weights, other.updated.voter_weights[rows])


def test_confirmed_clusters_and_other_weights_bring_transport(reference, query, store):
    confirmations = [Confirmation(0, "eosinophil")]
    found, always = (
        run(reference, query, config, confirmations=confirmations, cache=store, workers=1)
        for config in (NEEDED, FAST)
    )
    assert found.aligned
    same(found.vote, always.vote)
    equal = replace(NEEDED, vote_weights="equal")
    assert run(reference, query, equal, cache=store, workers=1).aligned


def test_a_first_result_is_that_of_a_run_without_transport(needed, reference, query, store):
    config = replace(NEEDED, vote_weights="equal")
    prepared = prepare(reference, query, config, cache=store, workers=1)
    named = identify(prepared, detect(prepared, store))
    firsts = []
    found = transfer(prepared, named, cache=store, workers=1, first=firsts.append)
    (first,) = firsts
    assert (first.aligned, found.aligned) == (False, True)
    same(first.vote, needed.vote)
    same(found.vote, run(reference, query, config, cache=store, workers=1).vote)
    quiet = replace(prepared, config=NEEDED)
    same(transfer(quiet, named, cache=store, workers=1, first=firsts.append).vote, needed.vote)
    assert len(firsts) == 1  # the only result is no first one


def test_settings_of_voters_that_are_not_there_are_those_of_now(needed, result):
    other = replace(NEEDED, alpha=0.2, mapping="barycentric", flag_threshold=0.9)
    assert needed.configured(other) == other
    assert result.configured(other) == replace(FAST, transport="needed", flag_threshold=0.9)
    assert needed.configured(replace(other, draws=7)).draws == FAST.draws
    assert recount(needed, other).config == other


def test_outputs_say_why_there_is_no_transport(needed, result):
    why = "Transport was not computed: it has no weight until a cluster is confirmed."
    assert f"{why} Use --transport always to compute it anyway." in describe_run(needed)
    assert "--transport" not in describe_run(result)
    assert missing_transport(result) == ""
    counted = replace(needed, config=replace(NEEDED, vote_weights="equal"))
    assert "made without" in missing_transport(counted)
    none = replace(needed, config=replace(NEEDED, alignment="none"))
    assert "The selected alignment adds no voters" in missing_transport(none)
    assert "--transport" not in describe_run(none)
    assert manifest(needed)["alignment"]["solves"] == 0
    assert manifest(needed)["config"]["transport"] == "needed"
    assert why in report_html(needed, (), About("Drawn"))
    assert "Transport was not computed" not in report_html(result, (), About("Drawn"))
