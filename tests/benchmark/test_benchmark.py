import json

import pandas as pd
import pytest

from celltransfer_core.benchmark import (
    Pair,
    mean_table,
    options_of,
    pair_folder,
    read_pairs,
    run_pairs,
)
from celltransfer_core.cli.benchmark import pair_options
from celltransfer_core.cli.main import main
from celltransfer_core.cli.settings import config_and_protocol
from celltransfer_core.data import pool, read_dataset
from celltransfer_core.errors import DataError

FILE = """
[settings]
encoders = ["colour", "sam", "colour+sam"]
cluster-encoder = "dinobloom"
ot = ["none", "fgw"]
methods = ["knn", "ensemble"]
subsets = 2
identification-subsets = 1
low-label = "none"

[sets.ONE]
folder = "reference"

[sets.TWO]
folder = "query"

[sets.LOST]
folder = "lost"

[[pairs]]
name = "One to two"
reference = ["ONE"]
query = "TWO"

[[pairs]]
name = "Without neutrophils"
reference = ["ONE"]
query = "TWO"
types = {ONE = ["eosinophil", "lymphocyte"]}
settings = {seed = 5}

[[pairs]]
name = "Lost"
reference = ["LOST"]
query = "TWO"
"""


@pytest.fixture
def data(drawn, tmp_path):
    folder = tmp_path / "data"
    for file in sorted((drawn / "query").iterdir()):
        into = folder / "query" / ("lymphocyte" if int(file.stem) % 3 else "eosinophil")
        into.mkdir(parents=True, exist_ok=True)
        (into / file.name).write_bytes(file.read_bytes())
    (folder / "reference").symlink_to(drawn / "reference")
    (folder / "pairs.toml").write_text(FILE)
    return folder


def benchmark(data, out, *more):
    return main(["benchmark", str(data / "pairs.toml"), "--out", str(out), "--workers", "1", *more])


def test_pairs_a_missing_set_and_going_on(data, tmp_path, capsys):
    out = tmp_path / "out"
    assert benchmark(data, out) == 0
    said = capsys.readouterr().out
    assert "encoders not installed: sam, dinobloom; used: colour" in said
    assert "dinobloom is not installed" in said
    assert "skipped, not found: LOST" in said
    summary = pd.read_csv(out / "summary.csv", dtype={"filtering": str})
    assert list(summary.columns[:4]) == ["pair", "method", "ot", "filtering"]
    assert set(summary["pair"]) == {"One to two", "Without neutrophils"}
    assert set(summary["method"]) == {"knn:colour", "ensemble"}
    text = (out / "summary.md").read_text()
    assert "Lost: not found" in text
    assert "Mean of 2 pairs" in text
    assert "figure-1" in (out / "summary.html").read_text()
    seeds = [
        json.loads((out / name / "manifest.json").read_text())["seed"]
        for name in ("one-to-two", "without-neutrophils")
    ]
    assert seeds == [0, 5]
    before = (out / "summary.csv").read_bytes()
    assert benchmark(data, out) == 0
    assert "done before" in capsys.readouterr().out
    assert (out / "summary.csv").read_bytes() == before


def test_types_that_are_taken_decide(data, tmp_path):
    out = tmp_path / "out"
    assert benchmark(data, out, "--only", "Without neutrophils", "--quiet") == 0
    manifest = json.loads((out / "without-neutrophils" / "manifest.json").read_text())
    assert manifest["inputs"]["reference"]["cells"] == 28


def test_options_of_the_command_line_win(data, tmp_path):
    out = tmp_path / "out"
    assert benchmark(data, out, "--only", "One to two", "--ot", "centre", "--seed", "9") == 0
    table = pd.read_csv(out / "one-to-two" / "results.csv")
    assert set(table["ot"]) == {"centre"}
    assert json.loads((out / "one-to-two" / "manifest.json").read_text())["seed"] == 9


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("subsets = 2", "subset = 2", "unrecognized arguments: --subset"),
        ('ot = ["none", "fgw"]', 'ot = ["emd"]', "--ot cannot be 'emd'"),
        ("seed = 5", 'seed = "five"', "invalid int value"),
    ],
)
def test_wrong_settings_show_before_any_work(old, new, message, data, tmp_path, capsys):
    (data / "pairs.toml").write_text(FILE.replace(old, new))
    assert benchmark(data, tmp_path / "out") == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out" / "one-to-two").exists()


def test_what_cannot_be_measured(data, tmp_path, capsys):
    assert benchmark(data, tmp_path / "out", "--only", "Nothing") == 2
    assert "--only names 'Nothing'" in capsys.readouterr().err
    assert benchmark(data, tmp_path / "out", "--only", "Lost") == 2
    assert "give their folder with --data" in capsys.readouterr().err
    (data / "pairs.toml").write_text(FILE.replace('"colour", "sam", "colour+sam"', '"sam"'))
    assert benchmark(data, tmp_path / "out") == 2
    assert "2 pairs failed" in capsys.readouterr().err
    assert "is installed; name others" in (tmp_path / "out" / "summary.md").read_text()


def test_means_are_of_what_every_pair_has():
    rows = [("a", "ensemble", 50.0), ("b", "ensemble", 70.0), ("a", "knn:x", 10.0)]
    summary = pd.DataFrame(
        [
            {"pair": p, "method": m, "ot": "none", "filtering": "true", "accuracy": a, "f1": a}
            | {"balanced_accuracy": a}
            for p, m, a in rows
        ]
    )
    table = mean_table(summary)
    assert list(table["method"]) == ["ensemble"]
    assert table["accuracy"][0] == 60
    assert table["accuracy_std"][0] == pytest.approx(200**0.5)


def test_settings_as_options():
    pair = Pair("A → B", ("A",), "B", settings={"ot": ("none", "fgw"), "um-per-px": (0.1, 0.2)})
    assert options_of(pair, ["--seed", "1"]) == [
        *("--ot", "none,fgw", "--um-per-px", "0.1", "0.2", "--seed", "1")
    ]
    assert pair_folder(pair) == "a-b"


def test_sets_of_different_roots_are_pooled(data):
    sets = [read_dataset(data / name, labelled=True, workers=1) for name in ("reference", "query")]
    joined = pool(sets, [{}, {"eosinophil": ""}])
    assert joined.root == data
    assert joined.n_cells == 42 + 20
    kinds = {file.split("/")[0] for file in joined.files}
    assert kinds == {"reference", "query"}
    assert joined.read(0).ndim == 3
    with_types = dict(zip(joined.files, joined.labels, strict=True))
    assert all(with_types[file] == file.split("/")[1] for file in joined.files)


def test_the_papers_file_has_settings_that_evaluate_takes():
    file = read_pairs("assets/benchmarks/paper.toml")
    for pair in file.pairs:
        config, protocol = config_and_protocol(pair_options(options_of(pair, [])))
        assert config.weights == "uniform"
        assert len(config.encoders) == 14
        assert set(protocol.ot) <= {"none", "fgw-paper"}
    with pytest.raises(DataError, match="Settings of the pairs"):
        pair_options(["--nonsense"])


def test_a_pair_is_measured_again_once_an_image_of_it_was_replaced(data, tmp_path):
    file = read_pairs(data / "pairs.toml")
    measured = []

    def measure(pair, options, folder):
        measured.append(pair.name)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "results.csv").write_text("")

    def run():
        measured.clear()
        run_pairs(file, tmp_path / "out", [], measure, str)
        return list(measured)

    assert run() == ["One to two", "Without neutrophils"]
    assert run() == []
    image = next((data / "query").rglob("*.png"))
    content = bytearray(image.read_bytes())
    content[-1] ^= 1  # of the same size
    image.write_bytes(content)
    assert run() == ["One to two", "Without neutrophils"]
    assert run() == []
