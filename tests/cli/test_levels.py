"""Where the types stand, on the command line: asked in one line, answered with an option."""

import pytest
from PIL import Image

from celltransfer_core.cli.main import main
from celltransfer_core.cli.options import Parser
from celltransfer_core.cli.run import add_run
from celltransfer_core.cli.screen import Screen
from celltransfer_core.cli.sentences import describe_dataset
from celltransfer_core.cli.settings import read_reference
from celltransfer_core.data import read_dataset
from celltransfer_core.errors import DataError
from celltransfer_core.evaluation import true_labels
from celltransfer_core.vocabulary import and_more


@pytest.fixture
def unclear(tmp_path):
    """A folder of slides, each with its types, and files that are no images."""
    for number, name in enumerate(("s1/x/1.png", "s1/y/2.png", "s2/x/3.png")):
        path = tmp_path / "unclear" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (20, 20), (9 * number, 5, 5)).save(path)
    return tmp_path / "unclear"


def options(*arguments):
    parser = Parser(prog="x")
    add_run(parser)
    return parser.parse_args([*map(str, arguments), "--query", "q", "--out", "o", "--workers", "1"])


@pytest.mark.parametrize("command", ["run", "evaluate", "check"])
def test_the_command_line_stops_and_offers_the_option(unclear, tmp_path, capsys, command):
    query = [] if command == "check" else ["--query", str(unclear)]
    done = main(
        [command, "--reference", str(unclear), *query, "--out", str(tmp_path / "out"), "--quiet"]
    )
    assert done == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert "level 1 (s1, s2); level 2 (x, y); choose one with --types-at LEVEL" in line


@pytest.mark.parametrize(
    ("said", "types"),
    [
        (["2"], "xy"),
        (["1"], ("s1", "s2")),
        (["unclear=innermost"], "xy"),
        (["1", "unclear=2"], "xy"),
    ],
)
def test_the_level_that_was_said_is_read(unclear, said, types):
    given = [f"--types-at={one}" for one in said]
    reference = read_reference(options("--reference", unclear, *given), Screen(quiet=True))
    assert set(reference.labels) == set(types)


def test_a_level_of_no_set_is_said(unclear):
    with pytest.raises(DataError, match="--types-at other matches no set"):
        read_reference(options("--reference", unclear, "--types-at", "other=2"), Screen(quiet=True))


def test_the_types_of_a_query_to_evaluate_are_read_from_that_level_too(unclear):
    query = read_dataset(unclear)
    assert set(true_labels(query, 2)) == {"x", "y"}


def test_what_was_passed_over_is_counted_by_kind(unclear):
    for number in range(8):
        (unclear / "s1" / f"{number}.txt").write_text("x")
    (unclear / "a.gif").write_bytes(b"x")
    (unclear / "s2" / "x" / "broken.png").write_bytes(b"")
    said = describe_dataset("query", read_dataset(unclear))
    assert (
        "10 files passed over: 8 .txt (is no image by its name), 1 .gif (is a GIF image by its "
        "name; save it as PNG or TIFF), 1 .png (the file is empty)"
    ) in said
    assert "left out: s2/x/broken.png: the file is empty" in said
    assert "0.txt" not in said


def test_very_many_names_are_shortened():
    assert and_more(["a"] * 12).count("a") == 12
    assert and_more([f"t{number}" for number in range(300)]).endswith("t8 and 291 more")
