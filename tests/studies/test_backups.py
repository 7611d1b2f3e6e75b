import datetime as dt
import os
import sqlite3
import subprocess
import sys
import zipfile
from contextlib import closing
from pathlib import Path

import pytest

from celltransfer_core.cli.main import main
from celltransfer_core.errors import OutputError
from celltransfer_core.studies import Workspace, backups as backups_module, database
from celltransfer_core.studies.backups import backups, check_whole, restore
from celltransfer_core.studies.migration import REVISION

DATA = Path(__file__).parents[1] / "data"


class Clock(dt.datetime):
    """A clock that stands at a day."""

    day = dt.datetime(2026, 5, 1, 12, tzinfo=dt.UTC)

    @classmethod
    def now(cls, tz=None):  # noqa: ARG003
        return cls.day


@pytest.fixture
def go_to(monkeypatch):
    """Set the clock to a day of May."""
    monkeypatch.setattr(backups_module.dt, "datetime", Clock)

    def set_day(day):
        monkeypatch.setattr(Clock, "day", dt.datetime(2026, 5, day, 12, tzinfo=dt.UTC))
        monkeypatch.setattr(database, "now", lambda: Clock.day.isoformat(timespec="milliseconds"))

    return set_day


@pytest.fixture
def kept(space, study, go_to):
    """File of a workspace's database, whose study is older than the days of the tests."""
    file = space.folder / "studies.sqlite"
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute("UPDATE studies SET created = '2026-04-30T10:00:00.000+00:00'")
    go_to(1)
    return file


def names(file):
    return [path.stem.removeprefix("studies-") for path in backups(file)]


def closed(space):
    """Close all connections, so that the file holds all and may be changed."""
    database._open_engine(space.url, False).dispose()
    database._open_engine.cache_clear()


def test_before_the_first_change_of_each_day_there_is_a_copy(space, study, kept, go_to):
    for day in range(1, 9):
        go_to(day)
        space.decide(study.id, "review", {"day": day}, "Ann")
        space.decide(study.id, "review", {"day": day}, "Ann")
    assert names(kept) == [f"2026-05-0{day}" for day in (8, 7, 6, 5, 4)]
    check_whole(backups(kept)[0])
    with closing(sqlite3.connect(backups(kept)[0])) as copy:
        assert copy.execute("SELECT count(*) FROM decisions").fetchone() == (14,)
    assert {path.name for path in kept.parent.glob("backups/*")} == {p.name for p in backups(kept)}
    assert backups(kept)[0].stat().st_mode & 0o077 == 0


def test_what_is_of_today_alone_is_not_copied(space, study):
    space.decide(study.id, "review", {}, "Ann")
    assert backups(space.folder / "studies.sqlite") == []


def test_no_room_for_a_copy_keeps_nobody_from_work(space, study, kept, monkeypatch):
    monkeypatch.setattr(
        backups_module.shutil,
        "disk_usage",
        lambda _: backups_module.shutil._ntuple_diskusage(9, 9, 9),
    )
    space.decide(study.id, "review", {}, "Ann")
    assert backups(kept) == []
    monkeypatch.undo()


def test_a_copy_that_cannot_be_written_keeps_nobody_from_work(space, study, kept):
    (kept.parent / "backups").write_text("in the way")
    space.decide(study.id, "review", {}, "Ann")
    assert space.count_decisions(study.id, "review") == 1


def garble(file, text):
    """Change a text of a database to bytes that are none."""
    data = file.read_bytes()
    assert text in data
    file.write_bytes(data.replace(text, bytes(byte ^ 255 for byte in text)))


def spoil_pages(file):
    data = bytearray(file.read_bytes())
    for page in range(1, len(data) // 4096):
        data[4096 * page : 4096 * page + 8] = b"\xff" * 8
    file.write_bytes(data)


SPOILT = {
    "truncated": lambda file: file.write_bytes(file.read_bytes()[:9000]),
    "no database": lambda file: file.write_bytes(b"no database" * 1000),
    "pages": spoil_pages,
    "schema": lambda file: garble(file, b"CREATE TABLE studies"),
    "texts": lambda file: garble(file, b"Slides of May"),
    "payloads": lambda file: garble(file, b'"reader"'),
}


@pytest.mark.parametrize("how", SPOILT)
def test_a_damaged_database_names_the_last_backup_and_is_put_back(space, study, kept, go_to, how):
    space.decide(study.id, "review", {"reader": "Ann"}, "Ann")
    go_to(2)
    space.decide(study.id, "review", {"reader": "Bob"}, "Bob")
    closed(space)
    SPOILT[how](kept)
    last = kept.parent / "backups" / "studies-2026-05-02.sqlite"

    def read():
        again = Workspace(space.folder)
        return again.study(study.id), again.decisions(study.id)

    with pytest.raises(OutputError) as said:
        read()
    sentence = str(said.value)
    assert "database is damaged" in sentence
    assert f"The last backup is {last}" in sentence
    assert "celltransfer_core restore" in sentence
    assert "\n" not in sentence
    database._open_engine.cache_clear()
    assert main(["restore"]) == 0
    again = Workspace(space.folder)
    assert again.study(study.id).name == study.name
    assert [one.who for one in again.decisions(study.id)] == ["Ann"]
    assert len(list((kept.parent / "backups").glob("replaced-*/studies.sqlite"))) == 1


def test_a_damaged_copy_takes_no_sound_ones_place(space, study, kept, go_to, capsys):
    space.decide(study.id, "review", {}, "Ann")
    closed(space)
    whole = kept.read_bytes()
    spoil_pages(kept)
    go_to(2)
    with pytest.raises(OutputError, match="damaged"):
        Workspace(space.folder)
    with pytest.raises(backups_module.DamagedError):
        backups_module.back_up(kept)
    assert names(kept) == ["2026-05-01"]
    kept.write_bytes(whole)
    assert backups_module.back_up(kept) is not None
    spoil_pages(backups(kept)[0])
    assert main(["restore"]) == 0  # the latest that can be read
    assert "studies-2026-05-01.sqlite has replaced" in capsys.readouterr().out


def test_without_a_backup_that_is_said_and_nothing_is_changed(space, study, capsys):
    closed(space)
    file = space.folder / "studies.sqlite"
    assert main(["restore"]) == 2
    assert "contains no readable backup; nothing was changed" in capsys.readouterr().err
    spoil_pages(file)
    with pytest.raises(OutputError, match=r"damaged.*There is no backup in .*backups yet"):
        Workspace(space.folder)


def test_a_database_that_is_open_elsewhere_is_not_replaced(space, study, kept):
    pytest.importorskip("fcntl")
    space.decide(study.id, "review", {}, "Ann")
    closed(space)
    code = (
        "import sys, sqlite3; c = sqlite3.connect(sys.argv[1]); "
        "print(c.execute('SELECT count(*) FROM studies').fetchone(), flush=True); input()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(kept)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=os.environ,
    ) as app:
        app.stdout.readline()
        with pytest.raises(OutputError, match="open in a running app or job; stop it first"):
            restore(kept)
        app.communicate(b"\n")
    assert restore(kept)[0] == backups(kept)[0]


def test_what_was_erased_is_in_no_backup(space, study, kept, go_to):
    gone = space.create("Never to be seen again")
    go_to(2)
    space.rename(study.id, "June")
    assert b"Never to be seen again" in backups(kept)[0].read_bytes()
    with closing(sqlite3.connect(kept)) as connection, connection:
        connection.execute(
            "UPDATE studies SET deleted = '2026-04-30T10:00:00.000+00:00' WHERE id = ?", [gone.id]
        )
    assert space.sweep().studies == 1
    assert names(kept) == ["2026-05-02"]
    assert b"Never to be seen again" not in backups(kept)[0].read_bytes()


@pytest.fixture
def earlier(home):
    """File of a database that an earlier version made."""
    with zipfile.ZipFile(DATA / "workspace-0.1.0.zip") as archive:
        archive.extract("studies.sqlite", home)
    return home / "studies.sqlite"


def dump(file):
    with closing(sqlite3.connect(file)) as connection:
        return [*connection.iterdump()]


def test_before_the_tables_change_there_is_a_copy_that_stays(earlier, go_to, caplog):
    before = dump(earlier)
    go_to(1)
    space = Workspace()
    (copy,) = backups(earlier)
    assert copy.name == f"studies-2026-05-01T120000-before-{REVISION}.sqlite"
    (line,) = (one.getMessage() for one in caplog.records)
    assert f"was changed for version {REVISION}" in line
    assert str(copy) in line
    assert dump(copy) == before != dump(earlier)
    assert copy.stat().st_mode & 0o077 == 0
    study = next(one for one in space.studies() if not one.signed)
    with closing(sqlite3.connect(earlier)) as connection, connection:
        connection.execute("UPDATE studies SET created = '2026-04-30T10:00:00.000+00:00'")
    for day in range(1, 9):
        go_to(day)
        space.rename(study.id, f"Day {day}")
    assert backups(earlier)[-1] == copy
    assert len(backups(earlier)) == backups_module.KEPT + 1
    closed(space)
    assert main(["restore", "--backup", str(copy)]) == 0
    assert dump(earlier) == before
    assert study.name in {one.name for one in Workspace().studies()}


def test_without_a_copy_the_tables_stay_as_they_are(earlier):
    before = dump(earlier)
    (earlier.parent / "backups").write_text("in the way")
    with pytest.raises(OutputError, match=r"backup cannot be written .* Nothing was changed"):
        Workspace()
    assert dump(earlier) == before
    (earlier.parent / "backups").unlink()
    assert len(Workspace().studies()) == 2
