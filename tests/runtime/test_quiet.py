import threading
import warnings

import pytest

from celltransfer_core.runtime.quiet import quiet


def test_threads_that_come_and_go_by_turns_hear_nothing_and_leave_nothing_behind():
    before = list(warnings.filters)
    inside, left, heard = threading.Event(), threading.Event(), []

    def other():
        with quiet():
            inside.set()
            left.wait(10)
            try:
                warnings.warn("of a library", stacklevel=1)
            except UserWarning as error:
                heard.append(error)

    thread = threading.Thread(target=other)
    with quiet():
        thread.start()
        inside.wait(10)
    left.set()
    thread.join(10)
    assert not heard
    assert list(warnings.filters) == before
    with pytest.warns(UserWarning, match="of ours"):
        warnings.warn("of ours", stacklevel=1)


def test_an_error_inside_puts_the_filters_back():
    before = list(warnings.filters)
    with pytest.raises(RuntimeError), quiet():
        raise RuntimeError
    assert list(warnings.filters) == before
