import json

import pytest

from celltransfer_core.errors import DataError
from celltransfer_core.web import ROOTS, import_roots, importable
from tests.studies.samples import png
from tests.web.asking import post, query_now


def ask_for(space, query, path):
    return post(space, query, json.dumps({"path": str(path)}).encode(), "/folder")


def test_no_folder_can_be_imported_unless_it_is_listed(space, study, query, tmp_path, monkeypatch):
    monkeypatch.delenv(ROOTS, raising=False)
    assert import_roots() == ()
    assert ask_for(space, query, tmp_path).status == 400


def test_a_listed_folder_is_imported(space, study, query, tmp_path, monkeypatch):
    monkeypatch.setenv(ROOTS, f"{tmp_path / 'none'}:{tmp_path}")
    (tmp_path / "set" / "a").mkdir(parents=True)
    for number in range(3):
        (tmp_path / "set" / "a" / f"{number}.png").write_bytes(png(number))
    (tmp_path / "set" / "metadata.csv").write_text("file,slide\na/0.png,S1\n")
    step, end = ask_for(space, query, tmp_path / "set").events
    assert (step["taken"], step["total"], end) == (4, 4, {"finished": True, "already": 0})
    assert space.dataset(query_now(space, study)).slide is not None
    (tmp_path / "set" / "a" / "9.png").write_bytes(png(9))
    step, end = ask_for(space, query, tmp_path / "set").events
    assert (step["taken"], end) == (1, {"finished": True, "already": 4})


def test_links_and_dots_do_not_lead_out_of_a_root(tmp_path, monkeypatch):
    root, outside = tmp_path / "root", tmp_path / "outside"
    root.mkdir()
    outside.mkdir()
    (root / "link").symlink_to(outside)
    monkeypatch.setenv(ROOTS, str(root))
    assert importable(f" {root}/ ") == root.resolve()
    for path in (outside, root / "link", root / ".." / "outside", root / "none", "\0", ""):
        with pytest.raises(DataError, match="may not be imported from"):
            importable(str(path))
    with pytest.raises(DataError):
        importable(f"{root}side")


def test_a_link_in_a_folder_does_not_lead_out(space, study, query, tmp_path, monkeypatch):
    root = tmp_path / "root"
    root.mkdir()
    (tmp_path / "secret.png").write_bytes(png(7))
    (root / "1.png").write_bytes(png(1))
    (root / "2.png").symlink_to(tmp_path / "secret.png")
    monkeypatch.setenv(ROOTS, str(root))
    (step, _) = ask_for(space, query, root).events
    assert step["taken"] == 1
    assert "outside" in step["refused"][0]["reason"]


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b"\xff"])
def test_a_path_that_cannot_be_read_is_refused(space, study, query, body):
    assert post(space, query, body, "/folder").status == 400
