import json

import numpy as np
import pytest
from PIL import Image

from celltransfer_core.cli.main import main
from celltransfer_core.cli.per_set import chosen_channels
from celltransfer_core.errors import DataError
from tests.data.encoded import tiff

FAST = ("--encoders", "colour", "--draws", "1", "--alignment", "none", "--quiet", "--workers", "1")


def test_channels_of_all_sets_or_of_one(tmp_path):
    folders = [(tmp_path / name).resolve() for name in "abq"]
    given = [("q", (2,)), ("", (1, 2, 3))]
    chosen = chosen_channels(given, folders)
    assert [chosen[folder] for folder in folders] == [(1, 2, 3), (1, 2, 3), (2,)]
    with pytest.raises(DataError, match="--channels other matches no set"):
        chosen_channels([("other", (2,))], folders)


def test_a_run_shows_the_channels_that_were_chosen(drawn, tmp_path, capsys):
    for number, path in enumerate(sorted((drawn / "query").rglob("*.png"))[:24]):
        colours = np.moveaxis(np.asarray(Image.open(path).convert("RGB")), -1, 0)
        four = np.concatenate([255 - colours[:1], colours])
        to = tmp_path / "query" / f"{number}.tif"
        to.parent.mkdir(exist_ok=True)
        to.write_bytes(tiff(four, imagej=True, metadata={"axes": "CYX"}))
    command = ["run", "--reference", str(drawn / "reference"), "--query", str(tmp_path / "query")]
    command += ["--out", str(tmp_path / "out"), *FAST]
    assert main(command) == 2
    assert "has 4 channels; choose one" in capsys.readouterr().err
    assert main([*command, "--channels", "query=2,3,4"]) == 0
    inputs = json.loads((tmp_path / "out/manifest.json").read_text())["inputs"]
    assert inputs["query"]["scales"][0]["channels"] == [2, 3, 4]
    assert "scales" not in inputs["reference"]
    with pytest.raises(SystemExit) as stopped:
        main([*command, "--channels", "2,3"])
    assert stopped.value.code == 2
    assert "neither one channel nor three" in capsys.readouterr().err
