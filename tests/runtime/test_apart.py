import os
import time
from functools import partial
from pathlib import Path

import pytest

from celltransfer_core.errors import CellTransferError, DataError
from celltransfer_core.runtime.apart import EndedError, run_apart
from celltransfer_core.runtime.system import LIMITS_MEMORY

ENOUGH = {"seconds": 60.0, "memory": 2_000_000_000}


def refuse():
    raise DataError("It is not good enough: make a better one.")


def wait_in_a_child(noted):
    child = os.fork()
    if child == 0:
        time.sleep(60)
    noted.write_text(str(child))
    time.sleep(60)


def fill():
    return bytearray(3_000_000_000)


def test_work_is_done_elsewhere(tmp_path):
    run_apart(partial((tmp_path / "done").write_text, "x"), **ENOUGH)
    assert (tmp_path / "done").read_text() == "x"


def test_the_reason_of_the_work_itself_is_told():
    with pytest.raises(CellTransferError, match=r"^It is not good enough: make a better one\.$"):
        run_apart(refuse, **ENOUGH)


def test_what_takes_too_long_ends_with_all_that_it_started(tmp_path):
    noted = tmp_path / "child"
    with pytest.raises(EndedError, match="took over 3 s"):
        run_apart(partial(wait_in_a_child, noted), seconds=3.0, memory=ENOUGH["memory"])
    child = int(noted.read_text())
    for _ in range(100):  # its new parent takes a moment to bury it
        try:
            state = Path(f"/proc/{child}/stat").read_text().rpartition(")")[2].split()[0]
        except FileNotFoundError:
            return
        if state == "Z":
            return
        time.sleep(0.05)
    pytest.fail("the child lives")


@pytest.mark.skipif(not LIMITS_MEMORY, reason="this system cannot limit memory")
def test_what_takes_too_much_memory_ends():
    with pytest.raises(EndedError, match=r"needed more than 2\.0 GB of memory"):
        run_apart(fill, **ENOUGH)


def test_what_ends_its_process_is_told():
    with pytest.raises(EndedError, match=r"ended its process \(Aborted\)"):
        run_apart(os.abort, **ENOUGH)
    with pytest.raises(EndedError, match=r"ended its process \(exit code 7\)"):
        run_apart(partial(os._exit, 7), **ENOUGH)
