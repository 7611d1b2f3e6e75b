import threading
from contextlib import suppress

from celltransfer_core.runtime.room import Room


def test_who_needs_more_than_is_left_waits():
    room, inside = Room(100), threading.Event()

    def take():
        with room.take(60):
            inside.set()

    with room.take(30), room.take(30):
        waiting = threading.Thread(target=take)
        waiting.start()
        assert not inside.wait(0.1)
    assert inside.wait(5)
    waiting.join()


def test_who_needs_more_than_there_is_has_it_alone():
    room, inside = Room(100), threading.Event()

    def take():
        with room.take(1):
            inside.set()

    with room.take(10_000):
        waiting = threading.Thread(target=take)
        waiting.start()
        assert not inside.wait(0.1)
    assert inside.wait(5)
    waiting.join()


def test_room_is_given_back_after_an_error():
    room = Room(1)
    for _ in range(2):
        with suppress(ZeroDivisionError), room.take(1):
            1 / 0  # noqa: B018
