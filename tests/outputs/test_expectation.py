"""Words and fields of the accuracy to expect."""

import json

import pytest

from celltransfer_core.cli.sentences import describe_run
from celltransfer_core.outputs import describe_expected, describe_poor, expected_fields
from celltransfer_core.outputs.manifests import manifest
from celltransfer_core.people import Expected
from celltransfer_core.pipeline import expected_accuracy
from tests.outputs.samples import of_three_encoders


def expected(value=0.83, low=0.72, high=0.9, poor=0.1, draws=0, wanted=(18, 37)):
    return Expected(value, low, high, poor, draws, wanted)


@pytest.mark.parametrize(
    ("wanted", "told"),
    [
        ((18, 37), "About 15 to 40 more answers are needed for 90 %."),
        ((0, 7), "Up to 10 more answers are needed for 90 %."),
        ((0, 0), "This is probably above 90 % already."),
        (
            (12, 51),
            "At least 10 more answers are needed for 90 %; a closer estimate is not possible.",
        ),
        (None, "How many answers are needed for 90 % cannot be estimated: more than 50."),
    ],
)
def test_the_range_comes_first_then_the_answers_that_are_wanted(wanted, told):
    said = describe_expected(expected(wanted=wanted))
    assert said.startswith(
        "Expected accuracy: 72 to 90 % of the cells typed correctly; best estimate 83 %."
    )
    assert said.endswith(told)


def test_what_it_rests_on_and_a_wide_range_are_told():
    assert "will give a better estimate. Cells of types that the reference" in describe_expected(
        expected()
    )
    assert "is based on 24 answers on randomly drawn cells and on" in describe_expected(
        expected(draws=24)
    )
    assert "is based on 1 answer on randomly drawn cells and on" in describe_expected(
        expected(draws=1)
    )
    assert "The range is wide" in describe_expected(expected(low=0.4))
    assert "The range is wide" not in describe_expected(expected())


def test_a_warning_says_what_to_do_and_only_where_it_is_due():
    assert describe_poor(expected()) == describe_poor(None) == describe_expected(None) == ""
    warned = describe_poor(expected(poor=0.6))
    assert warned.startswith(
        "Fewer than 70 % of the cells may be typed correctly. Confirm the clusters"
    )


def test_a_run_tells_it_last_and_its_manifest_has_the_figures(result):
    result = of_three_encoders(result, (0, 1, 1, 0))
    found = expected_accuracy(result)
    last = describe_run(result).splitlines()[-2:]
    assert describe_expected(found) in last
    described = manifest(result)["expected_accuracy"]
    assert described == json.loads(json.dumps(expected_fields(found)))
    assert described["low"] < described["best_guess"] < described["high"]
    assert expected_fields(None) is None
