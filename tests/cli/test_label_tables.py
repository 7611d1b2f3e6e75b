"""Options that say what a table of labels means."""

import argparse

import pytest

from celltransfer_core.cli.main import main
from celltransfer_core.cli.options import add_folders, add_new_types, add_work
from celltransfer_core.cli.screen import Screen
from celltransfer_core.cli.settings import read_reference
from celltransfer_core.data import read_dataset
from celltransfer_core.errors import DataError
from celltransfer_core.evaluation.truth import true_labels
from tests.studies.samples import png


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / "site A"
    made.mkdir()
    for number in range(4):
        (made / f"{number}.png").write_bytes(png(number))
    return made


def table(folder, header, *labels):
    rows = "".join(f"{n}.png,{label}\n" for n, label in enumerate(labels))
    (folder / "labels.csv").write_text(f"{header}\n{rows}")


def read(folder, *more):
    parser = argparse.ArgumentParser()
    add_new_types(add_folders(parser, query="", out=""))
    add_work(parser)
    parser.set_defaults(um_per_px=None)
    given = ["--reference", folder, "--query", folder, "--out", folder, *more]
    options = parser.parse_args([*map(str, given), "--quiet", "--workers", "1"])
    dataset = read_reference(options, Screen(quiet=True))
    return [label for _, label in sorted(zip(dataset.files, dataset.labels, strict=True))]


def test_columns_are_named_and_the_option_is_offered(folder, capsys):
    table(folder, "file,class,type", "a,x", "a,x", "b,x", "b,x")
    assert main(["check", "--reference", str(folder)]) == 2
    said = capsys.readouterr().err
    assert "may be the label: class, type (line 1)" in said
    assert "--label-columns file=NAME,label=NAME" in said
    for given in ("label=class", "site A:file=file,label=Class", "label=class,file=file"):
        assert read(folder, "--label-columns", given) == ["a", "a", "b", "b"]
    with pytest.raises(DataError, match="--label-columns elsewhere matches no set"):
        read(folder, "--label-columns", "elsewhere:label=class")


def test_a_column_may_have_a_comma_in_its_name(folder):
    (folder / "labels.csv").write_text('file,"Type, final = yes"\n0.png,a\n1.png,b\n')
    assert read(folder, "--label-columns", "file=file,label=Type, final = yes") == ["a", "b"]


@pytest.mark.parametrize("given", ["", "class", "file=", "kind=class", "file=,label=x"])
def test_other_words_for_columns_are_refused(folder, given, capsys):
    with pytest.raises(SystemExit):
        read(folder, f"--label-columns={given}")
    assert "does not have the form file=NAME,label=NAME" in capsys.readouterr().err


def test_labels_that_are_hardly_types_stop_unless_they_are_allowed(folder, capsys):
    table(folder, "file,label", "a", "nan", "b", "#REF!")
    assert main(["check", "--reference", str(folder)]) == 2
    said = capsys.readouterr().err
    assert "labels.csv, line 3: 1.png: its type reads nan, what programs write" in said
    assert "(2 files in all)" in said
    assert read(folder, "--new-types") == ["a", "nan", "b", "#REF!"]
    with pytest.raises(DataError, match=r"its type reads #REF!.*\(1 file in all\)"):
        read(folder, "--new-types", "NaN")
    # Whoever names types means them.
    assert read(folder, "--types", "site A:A,B") == ["a", "b"]
    assert read(folder, "--types", "site A:a,NAN") == ["a", "nan"]


def test_the_types_of_a_query_are_called_as_the_references(folder):
    table(folder, "file,label", "Mast  cell", "BLAST", "nan", "other")
    query = read_dataset(folder, workers=1)
    spelt = dict(zip(query.files, true_labels(query, types={"mast cell", "blast"}), strict=False))
    assert sorted(spelt.values()) == ["", "blast", "mast cell", "other"]
