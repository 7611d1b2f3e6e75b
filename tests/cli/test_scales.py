import json
import shutil

import pytest

from celltransfer_core.cli.main import main


@pytest.fixture
def sets(drawn, tmp_path):
    """Two references, a query and an extra set, all drawn."""
    for number, name in enumerate(("one", "two")):
        for path in sorted((drawn / "reference").glob("*/*.png")):
            if int(path.stem) % 2 == number:
                to = tmp_path / name / path.parent.name / path.name
                to.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(path, to)
    shutil.copytree(drawn / "query", tmp_path / "query")
    shutil.copytree(drawn / "query", tmp_path / "more")
    return tmp_path


def inputs(sets, out, *options):
    arguments = ["run", "--reference", sets / "one", "--reference", sets / "two"]
    arguments += ["--query", sets / "query", "--extra", sets / "more", "--out", sets / out]
    arguments += ["--encoders", "colour", "--draws", "1", "--alignment", "none", "--quiet"]
    assert main([*map(str, arguments), *options, "--workers", "1"]) == 0
    described = json.loads((sets / out / "manifest.json").read_text())
    scales = {
        name: [(one["source"], one["um_per_px"]) for one in value.get("scales", [])]
        for name, value in described["inputs"].items()
    }
    return scales, (sets / out / "predictions.csv").read_bytes()


def test_each_set_may_have_a_pixel_size_of_its_own(sets):
    both, first = inputs(sets, "a", "--um-per-px", "0.1", "0.2")
    assert both == {
        "reference": [("one", 0.1), ("two", 0.1)],
        "query": [("", 0.2)],
        "more": [],
    }
    of = [f"--um-per-px-of={name}" for name in ("one=0.1", "two=0.1", "query=0.2")]
    same, second = inputs(sets, "b", *of)
    assert same == both
    assert first == second
    over = ["--um-per-px", "0.1", "0.2", "--um-per-px-of", f"{sets / 'two'}=0.3"]
    own, _ = inputs(sets, "c", *over, "--um-per-px-of", "more=0.4")
    assert own == {
        "reference": [("one", 0.1), ("two", 0.3)],
        "query": [("", 0.2)],
        "more": [("", 0.4)],
    }
