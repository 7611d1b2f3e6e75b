"""The signing key: made once by whoever comes first, whole, and refused when damaged."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest
from itsdangerous import URLSafeTimedSerializer

from celltransfer_core.errors import OutputError
from celltransfer_core.studies import Workspace
from celltransfer_core.studies.signing_key import KEY_FILE, signing_key
from celltransfer_core.web import image_url
from celltransfer_core.web.addresses import read_token
from tests.web.asking import ask

RACE = """
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from celltransfer_core.studies.signing_key import signing_key

for line in sys.stdin:
    folder = Path(line.strip())
    with ThreadPoolExecutor(4) as pool:
        print(*pool.map(signing_key, [folder] * 4), flush=True)
"""


def test_all_who_make_it_at_once_get_the_same_whole_key(tmp_path):
    folders = [tmp_path / str(number) for number in range(100)]
    for folder in folders:
        folder.mkdir()
    told = "".join(f"{folder}\n" for folder in folders)
    racers = [
        subprocess.Popen(
            [sys.executable, "-c", RACE],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).parents[2],
        )
        for _ in range(2)
    ]
    for racer in racers:
        racer.stdin.write(told)
        racer.stdin.flush()
    lines = [racer.communicate()[0].splitlines() for racer in racers]
    for one, other in zip(*lines, strict=True):
        keys = {*one.split(), *other.split()}
        assert len(keys) == 1
        assert len(keys.pop()) == 64
    for folder in folders:
        assert [path.name for path in folder.iterdir()] == [KEY_FILE]
        assert (folder / KEY_FILE).stat().st_mode & 0o077 == 0


def test_nobody_sees_a_key_before_it_is_whole(tmp_path, monkeypatch):
    seen = []
    write = os.fsync

    def look(handle):
        seen.append((tmp_path / KEY_FILE).exists())
        write(handle)

    monkeypatch.setattr(os, "fsync", look)
    signing_key(tmp_path)
    assert seen[0] is False
    assert len(seen) == 2  # the file, then its folder


@pytest.mark.parametrize("step", ["fsync", "link"])
def test_a_full_disk_leaves_no_key_and_says_so(tmp_path, monkeypatch, step):
    def full(*arguments, **options):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as disk:
        disk.setattr(os, step, full)
        with pytest.raises(OutputError, match=r"No space left on device.*free some space"):
            signing_key(tmp_path)
    assert list(tmp_path.iterdir()) == []
    assert len(signing_key(tmp_path)) == 64


def test_where_a_disk_knows_no_links_the_key_is_renamed_into_place(tmp_path, monkeypatch):
    def unknown(*arguments, **options):
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", unknown)
    assert signing_key(tmp_path) == signing_key(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [KEY_FILE]


@pytest.mark.parametrize("kept", ["", "a" * 40, "\0" * 64, "password"])
def test_a_damaged_key_opens_nothing_and_says_what_to_do(home, kept):
    space = Workspace()
    study = space.create("Cells").id
    (space.folder / KEY_FILE).write_text(kept)
    forged = URLSafeTimedSerializer(kept or "", salt="celltransfer image").dumps(study)
    with pytest.raises(OutputError, match=r"damaged.*from a backup; or delete it"):
        read_token(space, "image", forged)
    with pytest.raises(OutputError, match="damaged"):
        image_url(space, study, "0", size=40)
    answer = ask("GET", f"/ct/image/{study}/0?size=40&t={forged}")
    assert answer.status == 507
    assert "delete it" in answer.json["error"]
