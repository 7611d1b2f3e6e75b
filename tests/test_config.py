import re
from dataclasses import asdict, fields, replace
from typing import Literal, get_args, get_origin, get_type_hints

import numpy as np
import pytest

from celltransfer_core.cli.main import main
from celltransfer_core.cli.options import Parser, add_method
from celltransfer_core.cli.settings import config_of
from celltransfer_core.clustering import Auto, Sigma
from celltransfer_core.config import (
    DEFAULT,
    PAPER,
    PRESETS,
    SETTINGS,
    Config,
    config_from,
    panel,
    setting,
)
from celltransfer_core.errors import DataError
from celltransfer_core.evaluation import Protocol, evaluate
from celltransfer_core.framing import Colour
from celltransfer_core.outputs import command_line
from celltransfer_core.pipeline import detect, identify, prepare
from celltransfer_core.runtime import Cache
from celltransfer_core.studies import Workspace, evaluation_path, stage_keys
from celltransfer_core.transport import Map, Solver

OTHER = {
    "encoders": (("colour",), ("shape",)),
    "network": "named",
    "framing": "none",
    "colour": "lab",
    "um_per_px": (0.1, 0.2),
    "clusters": "louvain",
    "n_clusters": 5,
    "cluster_encoder": ("shape",),
    "graph": "knn",
    "sigma": 0.5,
    "resolution": 1.0,
    "features": "raw",
    "naming": "scores",
    "filtering": "none",
    "keep": ("lymphocyte",),
    "must_find": ("lymphocyte",),
    "expect": ("lymphocyte",),
    "absent": ("monocyte",),
    "weights": "uniform",
    "sources": "equal",
    "alignment": "centre",
    "transport": "always",
    "alpha": 0.9,
    "mapping": "barycentric",
    "solver": "pot",
    "scale_blocks": False,
    "subset_size": 500,
    "draws": 5,
    "seed": 7,
    "classifier": "linear",
    "class_weight": "none",
    "transduction": "none",
    "vote_weights": "equal",
    "flag_error": 0.05,
    "flag_threshold": 0.3,
}
"""A value of every setting that is allowed and not the default."""

WRONG = {
    "encoders": (),
    "um_per_px": (0.0, 1.0),
    "n_clusters": 0,
    "sigma": 1.5,
    "resolution": 0.0,
    "alpha": 1.5,
    "subset_size": 9,
    "draws": 0,
    "flag_error": 1.1,
    "flag_threshold": -0.1,
    "seed": -1,
}

STAGES = ("embed", "clusters", "matches", "classify")
STAGE_OF = {
    **dict.fromkeys(("encoders", "network", "framing", "colour"), "embed"),
    **dict.fromkeys(("um_per_px", "cluster_encoder"), "embed"),
    **dict.fromkeys(("clusters", "n_clusters", "graph", "sigma", "resolution"), "clusters"),
    **dict.fromkeys(("features", "scale_blocks", "seed"), "clusters"),
    # Votes of cells name their clusters.
    **dict.fromkeys(("absent", "naming", "class_weight", "transduction"), "matches"),
    "sources": "embed",
    **dict.fromkeys(("filtering", "keep", "must_find", "expect"), "classify"),
    **dict.fromkeys(("weights", "subset_size", "draws"), "classify"),
    **dict.fromkeys(("alignment", "alpha", "mapping", "solver"), "classify"),
    "classifier": "classify",
    **dict.fromkeys(("transport", "vote_weights", "flag_error", "flag_threshold"), "none"),
}
"""First stage of a study that must be computed anew where a setting has changed, and transport
counts."""

PRINTED = {
    "network": "named",
    "framing": "none",
    "colour": "none",
    "clusters": "node-degree",
    "sigma": "paper",
    "features": "raw",
    "naming": "scores",
    "weights": "uniform",
    "sources": "equal",
    "transport": "always",
    "mapping": "barycentric",
    "class_weight": "none",
    "transduction": "none",
    "vote_weights": "prior",
    "scale_blocks": False,
}


@pytest.fixture(scope="module")
def workspace(drawn, tmp_path_factory):
    """Workspace with one study that has images, an answer on a cluster, and no results."""
    space = Workspace(tmp_path_factory.mktemp("settings"))
    study = space.create("Settings").id
    for role in ("reference", "query"):
        files = [
            (path.relative_to(drawn / role).as_posix(), path.read_bytes())
            for path in sorted((drawn / role).rglob("*.png"))
        ]
        space.receive(space.add_set(study, role, role).id, files)
    space.decide(study, "match", {"cells": ["a"], "type": "lymphocyte"}, "Ann")
    return space


def keys_with(workspace, **options):
    study = workspace.studies()[0]
    scale = options.pop("um_per_px", (None, None))
    for one in workspace.sets(study.id):
        workspace.change_set(one.id, um_per_px=scale[one.role == "query"])
    back = dict.fromkeys(workspace.study(study.id).options)
    workspace.change_options(study.id, **{**back, **options})
    path = evaluation_path(workspace, study.id)
    return {**stage_keys(workspace, study.id), "evaluate": path.name}


def test_every_setting_has_what_there_is_to_know_of_it():
    assert list(SETTINGS) == [field.name for field in fields(Config)]
    for name, one in SETTINGS.items():
        assert one.name == name
        assert one.default == getattr(DEFAULT, name)
        assert one.stages
        assert one.help
        assert one.allowed
        assert one.kind == "word" or one.limits or one.takes
        assert setting(name) is one
    with pytest.raises(KeyError):
        setting("nothing")


def test_choices_are_the_words_of_the_types():
    known = {"Sigma": Sigma, "Auto": Auto, "Colour": Colour, "Map": Map, "Solver": Solver}
    for name, hint in get_type_hints(Config, localns=known).items():
        options = hint if get_origin(hint) is Literal else None
        options = options or next((h for h in get_args(hint) if get_origin(h) is Literal), None)
        assert {*SETTINGS[name].choices} == {*get_args(options)}


def test_tables_of_this_file_are_whole():
    assert [*OTHER] == [*SETTINGS]
    assert {*STAGE_OF} == {*SETTINGS}
    assert DEFAULT.differing(replace(DEFAULT, **OTHER)) == asdict(DEFAULT)


def test_the_papers_preset_differs_by_the_papers_values_alone():
    assert PAPER.differing(DEFAULT) == PRINTED
    assert {name: one.paper for name, one in SETTINGS.items()} == asdict(PAPER)
    assert PRESETS == {"default": DEFAULT, "paper": PAPER}
    assert config_from("paper", alpha=0.9, sigma=None) == replace(PAPER, alpha=0.9)


@pytest.mark.parametrize("name", WRONG)
def test_an_error_names_the_option_and_what_it_takes(name):
    one = SETTINGS[name]
    expected = f"{one.option} cannot be {WRONG[name]}; it takes {one.allowed}."
    with pytest.raises(DataError, match=re.escape(expected)):
        replace(DEFAULT, **{name: WRONG[name]})


def test_every_limit_is_tried():
    assert {*WRONG} == {n for n, one in SETTINGS.items() if one.limits or one.kind == "voters"}


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("alpha", "0 to 1"),
        ("subset_size", "10 or more"),
        ("n_clusters", "auto, or 1 or more"),
        ("resolution", "above 0"),
        ("sigma", "auto, paper, or above 0 up to 1"),
        ("um_per_px", "two numbers above 0"),
        ("encoders", "one encoder at least"),
        ("clusters", "mixture, louvain, node-degree"),
        ("seed", "0 to 4294967295"),
    ],
)
def test_what_is_allowed_is_told(name, sentence):
    assert SETTINGS[name].allowed == sentence


@pytest.mark.parametrize("name", [n for n, one in SETTINGS.items() if one.choices])
def test_other_words_are_refused(name):
    with pytest.raises(DataError, match=f"^--{name.replace('_', '-')} cannot be other; it takes"):
        replace(DEFAULT, **{name: "other"})


@pytest.mark.parametrize("value", [float("nan"), None])
def test_no_number_is_no_limit_kept(value):
    with pytest.raises(DataError, match="--alpha"):
        replace(DEFAULT, alpha=value)


@pytest.mark.parametrize("name", OTHER)
def test_a_setting_changes_the_keys_of_its_stage_and_of_later_ones(workspace, name):
    before, after = keys_with(workspace), keys_with(workspace, **{name: OTHER[name]})
    stage = STAGE_OF[name]
    later = STAGES[STAGES.index(stage) :] if stage in STAGES else ()
    assert {one for one in STAGES if before[one] != after[one]} == {*later}
    # How voters are weighed decides the figures of an evaluation. Where cells are flagged does not,
    # nor which voters a study needs: it computes what its protocol names.
    decides = name not in {"flag_error", "flag_threshold", "transport"}
    assert (before["evaluate"] != after["evaluate"]) == decides


def test_alignment_decides_nothing_until_a_cluster_is_confirmed(workspace):
    workspace.undo(workspace.studies()[0].id, "match", "Ann")
    aligned = ("alignment", "alpha", "mapping", "solver")
    try:
        before = keys_with(workspace)
        assert before["classify"] == before["unaligned"]
        for name in aligned:
            after = keys_with(workspace, **{name: OTHER[name]})
            assert after["evaluate"] != before["evaluate"]
            assert {**after, "evaluate": before["evaluate"]} == before
        # Transport counts by other weights, or is asked for: then how it is made decides.
        for wanted in ({"transport": "always"}, {"vote_weights": "prior"}):
            first = keys_with(workspace, **wanted)
            assert first["unaligned"] == before["unaligned"] != first["classify"]
            keys = {
                keys_with(workspace, **wanted, **{name: OTHER[name]})["classify"]
                for name in aligned
            }
            assert len(keys) == len(aligned)
            assert first["classify"] not in keys
        taken_back = {"cells": ["a"], "type": None}
        workspace.decide_all(
            workspace.studies()[0].id,
            "match",
            [{"cells": ["a"], "type": "lymphocyte"}, taken_back],
            "Ann",
        )
        after = keys_with(workspace)
        assert after["classify"] == after["unaligned"]
    finally:
        workspace.decide(
            workspace.studies()[0].id, "match", {"cells": ["a"], "type": "lymphocyte"}, "Ann"
        )


def test_an_evaluation_that_goes_on_with_another_setting_is_measured_anew(
    reference, query, tmp_path
):
    protocol = Protocol(
        ot=("fgw",), filtering=("false",), methods=("knn",), subsets=2, low_label=()
    )
    truth = np.array([("eosinophil", "lymphocyte")[n % 3 > 0] for n in range(query.n_cells)])
    config = replace(DEFAULT, encoders=(("colour", "shape"),), framing="none", draws=1)

    def predictions(config, store):
        prepared = prepare(reference, query, config, cache=Cache(tmp_path / "cache"), workers=1)
        named = identify(prepared, detect(prepared))
        evaluate(prepared, named, truth, protocol, store=store, workers=1)
        return {path.name: path.read_bytes() for path in store.iterdir()}

    before = predictions(config, tmp_path / "kept")
    changed = replace(config, class_weight="none")
    both = predictions(changed, tmp_path / "kept")
    assert both == {**before, **predictions(changed, tmp_path / "new")}
    assert len(both) > len(before)
    flagged = replace(config, flag_threshold=0.1, vote_weights="equal", transport="always")
    assert predictions(flagged, tmp_path / "kept") == both


def test_every_setting_belongs_to_one_stage_first():
    stages = get_args(get_type_hints(Config.first_deciding)["stages"])
    found = [name for stage in stages for name in DEFAULT.first_deciding(stage)]
    assert sorted(found) == sorted(SETTINGS)


@pytest.mark.parametrize(
    ("stage", "names"),
    [
        (
            "clusters",
            "clusters features graph n_clusters resolution scale_blocks seed sigma",
        ),
        ("vote", "class_weight classifier features scale_blocks seed"),
        ("aligned voters", "transport"),
        ("aligned", "alignment alpha mapping solver"),
        ("weighing", "vote_weights"),
        ("flagging", "flag_error flag_threshold"),
    ],
)
def test_settings_that_decide_a_stage_directly(stage, names):
    assert sorted(DEFAULT.deciding(stage)) == names.split()


def words_of(name):
    return [SETTINGS[name].option, *SETTINGS[name].words(OTHER[name])]


@pytest.mark.parametrize("run", [True, False])
def test_every_setting_is_an_option_that_is_read_as_it_is_written(run):
    parser = Parser()
    parser.add_argument("--workers")
    add_method(parser, run=run)
    offered = [
        name
        for name, one in SETTINGS.items()
        if one.offered == "always" or (run and one.offered == "run")
    ]
    there = {option for action in parser._actions for option in action.option_strings}
    assert {one.option for one in SETTINGS.values()} & there == {
        SETTINGS[name].option for name in offered
    }
    words = [word for name in offered for word in words_of(name)]
    found = config_of(parser.parse_args(words))
    assert found == replace(DEFAULT, **{name: OTHER[name] for name in offered})
    assert config_of(parser.parse_args([])) == DEFAULT
    assert config_of(parser.parse_args(["--preset", "paper"])) == PAPER


def test_what_the_protocol_varies_and_what_the_preset_decides():
    offered = {name: one.offered for name, one in SETTINGS.items() if one.offered != "always"}
    assert offered.pop("scale_blocks") == "preset"
    assert {*offered.values()} == {"run"}
    assert [*offered] == [
        "filtering",
        "keep",
        "must_find",
        "alignment",
        "transport",
        "draws",
        "classifier",
        "transduction",
        "vote_weights",
        "flag_error",
        "flag_threshold",
    ]


@pytest.mark.parametrize("command", ["run", "evaluate", "benchmark"])
def test_help_tells_what_each_option_is_for(command, capsys):
    with pytest.raises(SystemExit):
        main([command, "--help"])
    shown = " ".join(capsys.readouterr().out.split("settings that are not given")[1].split())
    for one in SETTINGS.values():
        if one.offered == "always" or (command == "run" and one.offered == "run"):
            assert re.search(rf" {one.option} .{{0,60}}?{re.escape(one.help)}", shown)


def test_the_command_line_repeats_every_setting():
    config = replace(DEFAULT, **{**OTHER, "scale_blocks": True})
    written = command_line(config, clusters=None, matches=None).split("run", 1)[1]
    words = written.replace("\\\n", " ").split()
    parser = Parser()
    parser.add_argument("--workers")
    add_method(parser, run=True)
    assert config_of(parser.parse_known_args(words)[0]) == config


def test_panels_offer_what_the_pages_need():
    assert [one.name for one in panel("classify")] == [
        "naming",
        "alignment",
        "weights",
        "filtering",
        "features",
        "classifier",
        "class_weight",
        "transduction",
        "vote_weights",
        "transport",
        "draws",
        "sources",
    ]
    for one in panel("classify") + panel("clusters") + panel("data"):
        assert one.label
        assert one.choices or one.shown
        assert all(choice.label for choice in one.choices.values())
        # Pages tell that the first choice is the one that measured best.
        assert not one.choices or next(iter(one.choices)) == one.default
        if one.shown:
            assert all(one.limits.hold(value) for value in one.shown)
