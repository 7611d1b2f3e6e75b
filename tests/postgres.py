"""A real PostgreSQL server for the tests, from Debian's package: no other one is touched."""

import os
import shutil
import subprocess
import tempfile
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path

DEBIANS = Path("/usr/lib/postgresql")
USER = "postgres"


def programs():
    """Return the folder of the newest server's programs; None where there is no server."""
    found = sorted(DEBIANS.glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    return found[-1].parent if found else None


def missing():
    """Say why no server can be started; an empty text where one can."""
    if find_spec("psycopg") is None:
        return "needs the extra postgres"
    if programs() is None:
        return "needs a PostgreSQL server: apt-get install postgresql"
    if os.geteuid() == 0:
        if shutil.which("runuser") is None:
            return "PostgreSQL does not run as root, and runuser is not there"
        import pwd

        with suppress(KeyError):
            pwd.getpwnam(USER)
            return ""
        return f"PostgreSQL does not run as root, and there is no user {USER}"
    return ""


def run(*command):
    before = ["runuser", "-u", USER, "--"] if os.geteuid() == 0 else []
    subprocess.run([*before, *map(str, command)], check=True, capture_output=True)


@contextmanager
def server():
    """Start a server that listens on a socket in a folder of its own; give that folder."""
    folder = Path(tempfile.mkdtemp(prefix="celltransfer-postgres-"))
    if os.geteuid() == 0:
        shutil.chown(folder, USER)
    bin_, data = programs(), folder / "data"
    try:
        run(bin_ / "initdb", "-D", data, "-U", USER, "-A", "trust", "-E", "UTF8", "--no-sync")
        options = f"-k {folder} -c listen_addresses='' -c max_connections=200 -c fsync=off"
        log = folder / "log"
        run(bin_ / "pg_ctl", "-D", data, "-l", log, "-w", "-t", "60", "-o", options, "start")
        try:
            yield folder
        finally:
            run(bin_ / "pg_ctl", "-D", data, "-m", "immediate", "stop")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def new_database(folder, name):
    """Make an empty database; return its address, as SQLAlchemy writes it.

    It is a schema of its own, which is made and removed in a moment.
    """
    address = f"{USER}@/postgres?host={folder}"
    import psycopg

    with psycopg.connect(f"postgresql://{address}", autocommit=True) as connection:
        connection.execute(f"CREATE SCHEMA {name}")
    return f"postgresql+psycopg://{address}&options=-csearch_path%3D{name}"
