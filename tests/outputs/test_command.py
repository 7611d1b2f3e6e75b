import argparse
import shlex
from dataclasses import replace

import pytest

from celltransfer_core.cli.main import main
from celltransfer_core.cli.options import add_method, add_new_types, add_settings
from celltransfer_core.cli.settings import config_of
from celltransfer_core.config import DEFAULT, PAPER
from celltransfer_core.matching import Confirmation
from celltransfer_core.outputs import (
    StudyTables,
    clusters_table,
    command_line,
    csv_bytes,
    matches_table,
    reviewed_table,
    reviews_table,
    shown_channels,
)
from celltransfer_core.pipeline import run
from celltransfer_core.runtime import Cache
from celltransfer_core.vocabulary import ARTEFACT


def test_the_command_line_gives_the_same_predictions(drawn, result, tmp_path, monkeypatch, answer):
    number = int(result.clusters.names[0])
    config = replace(result.config, resolution=1.7, flag_threshold=0.65)
    confirmation = Confirmation(number, result.types[0], "Ann")
    reviews = [
        answer(0, "=blast"),
        answer(1, result.types[0], minute=1),
        answer(2, ARTEFACT, "Ben", 2),
    ]
    updated = run(
        result.reference,
        result.query,
        config,
        confirmations=[confirmation],
        reviews=reviews,
        clusters=result.clusters,
        cache=Cache(tmp_path / "c"),
        workers=1,
    )
    monkeypatch.chdir(tmp_path)
    for role in ("reference", "query"):
        (tmp_path / role).symlink_to(drawn / role)
    for name, table in (
        ("clusters", clusters_table(updated)),
        ("matches", matches_table(updated)),
        ("reviews", reviews_table(updated.query, reviews)),
    ):
        (tmp_path / f"{name}.csv").write_bytes(csv_bytes(table))
    new = StudyTables(updated, reviews).new_types
    line = command_line(config, reviews="reviews.csv", new_types=new)
    arguments = shlex.split(line.replace("\\\n", ""))
    assert arguments[:3] == ["python", "-m", "celltransfer_core"]
    assert "--resolution" in arguments
    assert "--alpha" not in arguments
    assert main([*arguments[3:], "--quiet", "--workers", "1"]) == 0
    assert (tmp_path / "results" / "predictions.csv").read_bytes() == csv_bytes(
        reviewed_table(updated, reviews)
    )
    assert "=blast" in updated.types
    assert (tmp_path / "results" / "reviews.csv").read_bytes() == csv_bytes(
        reviews_table(updated.query, reviews)
    )


def test_a_command_line_is_quoted():
    text = command_line(
        replace(PAPER, um_per_px=(0.1, 0.25), encoders=(("a", "b"), ("c",)), keep=("a b", "c")),
        extras={"$(rm x); 'y'": None, "more": 0.3},
        clusters=None,
        matches=None,
    )
    arguments = shlex.split(text.replace("\\\n", ""))
    assert arguments[arguments.index("--extra") + 1] == "$(rm x); 'y'"
    assert arguments[arguments.index("--encoders") + 1] == "a+b,c"
    assert arguments[arguments.index("--um-per-px-of") + 1] == "more=0.3"
    at = arguments.index("--um-per-px")
    assert arguments[at + 1 : at + 3] == ["0.1", "0.25"]
    at = arguments.index("--keep")
    assert arguments[at + 1 : at + 3] == ["a b", "c"]
    assert arguments[arguments.index("--preset") + 1] == "paper"
    assert "--framing" not in arguments


def test_types_that_begin_with_a_sign_are_read_again():
    for keep in (("-x", "a, b", "y"), ("a", "b")):
        arguments = shlex.split(command_line(replace(DEFAULT, keep=keep)).replace("\\\n", ""))
        parser = argparse.ArgumentParser()
        add_settings(parser.add_argument_group(), ["keep"])
        assert tuple(parser.parse_known_args(arguments)[0].keep) == keep


def test_expecting_types_rules_out_no_others_where_nobody_did():
    assert "--sample any" in command_line(replace(DEFAULT, expect=("a",)))
    assert "--sample" not in command_line(replace(DEFAULT, expect=("a",), absent=("b",)))


def test_new_types_with_commas_and_signs_are_read_again():
    names = ("-x", "plasma cell, atypical", '"quoted"', "=1")
    arguments = shlex.split(command_line(DEFAULT, new_types=names).replace("\\\n", ""))
    parser = argparse.ArgumentParser()
    add_new_types(parser.add_argument_group())
    assert parser.parse_known_args(arguments)[0].new_types == names
    assert parser.parse_args([]).new_types == ()
    assert parser.parse_args(["--new-types"]).new_types is True


def test_channels_that_were_chosen_are_in_the_command(result):
    scale = replace(result.query.scales[0], channels=(4, 1, 2))
    seen = replace(result, query=replace(result.query, scales=(scale,)))
    assert shown_channels(result) == {}
    line = command_line(seen.config, channels=shown_channels(seen))
    assert "--channels query=4,1,2" in line


@pytest.mark.parametrize("network", ["auto", "named"])
def test_encoders_that_are_named_vote_unless_the_network_may_fit(network):
    config = replace(DEFAULT, encoders=(("colour",),), network=network)
    arguments = shlex.split(command_line(config).replace("\\\n", ""))
    parser = argparse.ArgumentParser()
    parser.add_argument("--workers")
    add_method(parser, run=True)
    assert config_of(parser.parse_known_args(arguments)[0]) == config
    alone = config_of(parser.parse_args(["--encoders", "colour"]))
    assert alone.network == "named"
