"""Random changes of a file's bytes."""

from __future__ import annotations

import numpy as np

MAX_KEPT = 64_000  # bytes of a file that mutations may grow to
NASTY = (b"\0", b"\xff" * 4, b"\x7f\xff\xff\xff", b"\0\0\0\0", b"\x80", b"%n", b"\r\n", b"\xfe")


def mutate(data: bytes, rng: np.random.Generator) -> bytes:
    """Flip, cut, repeat, insert or overwrite a few places."""
    changed = bytearray(data)
    for _ in range(int(rng.integers(1, 6))):
        at = int(rng.integers(len(changed) + 1)) if changed else 0
        if rng.random() < 0.5:  # headers lie at the beginning
            at = min(at, int(rng.integers(1, 80)))
        way = int(rng.integers(6))
        if way == 0 and at < len(changed):
            changed[at] ^= 1 << int(rng.integers(8))
        elif way == 1 and at < len(changed):
            changed[at] = int(rng.integers(256))
        elif way == 2 and rng.random() < 0.3:
            del changed[at:]
        elif way == 3:
            changed[at:at] = changed[at : at + int(rng.integers(1, 200))]
        elif way == 4:
            changed[at:at] = NASTY[int(rng.integers(len(NASTY)))]
        else:
            piece = NASTY[int(rng.integers(len(NASTY)))]
            changed[at : at + len(piece)] = piece
    return bytes(changed[:MAX_KEPT]) if len(data) <= MAX_KEPT else bytes(changed)
