"""Imported by Python itself where this folder is on its path: notes whom a process would ask.

Looking a name up, and connecting or sending to anything but this machine, is written to the file
that OUTSIDE names, and goes on. Code that is not Python is not seen; `tests/outside.py` sees it.
"""

import os
import sys

HERE = ("localhost", "127.", "::1", "::ffff:127.", "0.0.0.0")  # noqa: S104
ASKS = ("socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr")
SENDS = ("socket.connect", "socket.sendto", "socket.sendmsg")


def note(event, arguments):
    if event in ASKS:
        host = arguments[0]
    elif event in SENDS and isinstance(arguments[1], tuple):
        host = arguments[1][0]
    else:
        return
    host = host.decode() if isinstance(host, bytes) else str(host or "")
    if host and not host.startswith(HERE):
        with open(os.environ["OUTSIDE"], "a", encoding="utf-8") as file:  # noqa: PTH123
            file.write(f"{event} {arguments[:2]}\n")


if os.environ.get("OUTSIDE"):
    sys.addaudithook(note)
