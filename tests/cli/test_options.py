"""Names that options would read as something else: with commas, colons, a sign before them."""

import argparse
from pathlib import Path

import pytest

from celltransfer_core.cli.options import Parser, add_folders, names_given

NEEDED = ("--reference", "r", "--query", "q", "--out", "o")


def parsed(*more):
    parser = Parser(prog="x")
    add_folders(parser, query="cells", out="results")
    return parser.parse_args([*NEEDED, *more])


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("a,b", ("a", "b")),
        (" a , b c ,", ("a", "b c")),
        ('"neutrophil, banded",monocyte', ("neutrophil, banded", "monocyte")),
        ('x, "a, b", "say ""so"""', ("x", "a, b", 'say "so"')),
        ("-x,--y", ("-x", "--y")),
        ("", ()),
    ],
)
def test_names_are_quoted_as_in_csv(text, names):
    assert names_given(text) == names


def test_a_quotation_mark_that_is_not_closed_is_said():
    with pytest.raises(argparse.ArgumentTypeError, match="unclosed"):
        names_given('"a,b')


@pytest.mark.parametrize(
    ("text", "set_name", "types"),
    [
        ("site:a,b", "site", ("a", "b")),
        ("site A: 2:a", "site A: 2", ("a",)),
        ('site:"a:b","c, d"', "site", ("a:b", "c, d")),
        ('"x, y:z":a', "x, y:z", ("a",)),
        ("site, old:a", "site, old", ("a",)),
        ("-site:-a", "-site", ("-a",)),
    ],
)
def test_types_of_a_set(text, set_name, types):
    assert parsed(f"--types={text}").types == [(set_name, types)]


@pytest.mark.parametrize(
    ("text", "level"),
    [("2", ("", 2)), ("site=1", ("site", 1)), ("a=b=innermost", ("a=b", "innermost"))],
)
def test_levels_of_types(text, level):
    assert parsed("--types-at", text).types_at == [level]


@pytest.mark.parametrize("text", ["0", "two", "site=", "site=-1", "²", ""])
def test_a_level_that_is_none_is_said(text, capsys):
    with pytest.raises(SystemExit) as ended:
        parsed(f"--types-at={text}")
    assert ended.value.code == 2
    assert "is not a folder level: use 1, 2, … or innermost" in capsys.readouterr().err


def test_a_name_that_begins_with_a_sign_is_said_how_to_give(capsys):
    with pytest.raises(SystemExit):
        parsed("--types", "-site:a")
    assert "a value that begins with - is given as --types=-NAME" in capsys.readouterr().err
    assert parsed("--extra=-x").extra == [Path("-x")]
