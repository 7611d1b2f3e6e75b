import subprocess
import sys

import pytest

from celltransfer_core.cli.main import main
from celltransfer_core.cli.settings import with_types
from celltransfer_core.config import DEFAULT, config_from, find_sample, sample_kinds
from celltransfer_core.config.samples import SAMPLES_FILE
from celltransfer_core.errors import DataError

PBC = (
    "basophil",
    "eosinophil",
    "erythroblast",
    "ig",
    "lymphocyte",
    "monocyte",
    "neutrophil",
    "platelet",
)


def test_blood_of_adults_lacks_immature_cells():
    blood = find_sample("blood")
    states = blood.states_of(PBC)
    assert [name for name in PBC if states[name] == "absent"] == ["erythroblast", "ig"]
    assert states["platelet"] == states["basophil"] == "possible"
    assert states["neutrophil"] == "expected"
    assert blood.intervals_of(PBC)["neutrophil"] == (40, 80)
    assert set(find_sample("any").states_of(PBC).values()) == {"possible"}


def test_types_are_known_by_other_names():
    blood = find_sample("blood")
    names = ["Segmented_Neutrophils", "NRBC", "cells of mine"]
    assert [*blood.states_of(names).values()] == ["expected", "absent", "possible"]
    assert blood.intervals_of(["seg", "PMN", "monocytes"]) == {"monocytes": (2, 10)}


def test_every_interval_has_a_source_and_expects_what_any_hundred_cells_have():
    for sample in sample_kinds().values():
        assert sample.source or not sample.percent
        for name, (low, _) in sample.percent.items():
            assert sample.states[name] != "absent"
            assert sample.states[name] != "expected" or low >= 1


def test_a_file_of_the_users_adds_kinds_and_replaces_some(home):
    home.mkdir(exist_ok=True)
    (home / "samples.toml").write_text(
        '[names]\nneutrophil = ["my neutro"]\n[kind.mine]\ntitle = "Mine"\nabsent = ["PMN"]\n'
        '[kind.blood]\ntitle = "Ours"\n'
    )
    assert find_sample("mine").states_of(["my neutro"]) == {"my neutro": "absent"}
    assert sample_kinds()["blood"].title == "Ours"


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("[kind.mine\n", "is not valid TOML"),
        ("[kinds.mine]\n", "'kinds'; it may contain"),
        ("[kind.mine]\nabsent = []\n", "needs a title"),
        ('[kind.mine]\ntitle = "M"\nabsent = "ig"\n', "has absent that is not a list of types"),
        ('[kind.mine]\ntitle = "M"\nlikely = []\n', "contains 'likely'"),
        ('[kind.mine]\ntitle = "M"\nabsent = ["ig"]\nexpected = ["IG"]\n', "names 'ig' twice"),
        ('[kind.mine]\ntitle = "M"\npercent = {ig = [5, 2]}\n', "no interval within 0 to 100"),
        ('[names]\nig = "x"\n', "must be a list of other names"),
    ],
)
def test_a_bad_file_is_told_with_what_is_wrong(home, written, said):
    home.mkdir(exist_ok=True)
    (home / SAMPLES_FILE.name).write_text(written)
    with pytest.raises(DataError) as caught:
        sample_kinds()
    assert said in str(caught.value)
    assert str(home) in str(caught.value)


def test_options_overrule_the_kind_of_sample():
    told = config_from("default", expect=("ig",), absent=("platelet",), must_find=("erythroblast",))
    config = with_types(told, PBC, "blood")
    assert config.absent == ("platelet",)
    assert config.expect == ("ig", "eosinophil", "lymphocyte", "monocyte", "neutrophil")
    alone = with_types(config_from("default", expect=("ig",)), PBC, "any")
    assert (alone.expect, alone.absent) == (("ig",), ())
    assert with_types(DEFAULT, PBC, None) == DEFAULT


def test_an_unknown_kind_ends_with_the_list(drawn, tmp_path, capsys):
    sets = ["--reference", str(drawn / "reference"), "--query", str(drawn / "query")]
    assert main(["run", *sets, "--out", str(tmp_path / "out"), "--sample", "urine"]) == 2
    said = capsys.readouterr().err
    assert "no kind of sample 'urine'" in said
    assert "marrow (Bone marrow)" in said


def test_kinds_are_listed_without_numpy():
    code = (
        "import sys; from celltransfer_core.config.samples import sample_kinds; sample_kinds();"
        "sys.exit('numpy' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
