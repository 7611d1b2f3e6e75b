"""Read thousands of malicious files: images, zip files, tables and encoders.

    python tests/benchmarks/hostile.py [--files 10000] [--seed 0]

Each is read as in the app, in a separate process under supervision. A case passes if the file is
read correctly (valid files: all their cells) or refused with one of CellTransfer's error messages,
within 5 s of processor time (5 min of wall-clock time) and with at most 1 GB of additional memory.
All other outcomes are listed by kind. Needs Linux. The last line is the headline.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import resource
import select
import subprocess
import sys
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import numpy as np

from celltransfer_core.errors import CellTransferError

MAX_SECONDS = 5.0
"""Of processor time, so that what else a machine does changes nothing."""

MAX_WAIT = 300.0
"""Seconds by the clock."""

MAX_MB = 1000.0
CEILING = 6_000_000_000
"""Bytes of addresses that a reader may take on top of its own: it protects the machine."""

GOOD = ("read", "refused")


def read_image(data, folder):
    """Decode an image as uploads and thumbnails do."""
    from celltransfer_core.data import decode

    image = decode(data)
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        raise AssertionError(f"{image.dtype} of {image.shape}")


def read_zip(data, folder):
    """Unpack a zip as uploads do, an entry at a time, and check its images."""
    from celltransfer_core.data import check_image, unzip

    for entry in unzip(io.BytesIO(data)):
        check_image(entry.data)
        if entry.problem and entry.data:
            raise AssertionError("a problem, and data")
        entry.name.encode()


def read_table(data, folder):
    """Read a table of labels as uploads and folders do."""
    from celltransfer_core.data.label_tables import LabelTables, read_table_texts

    (folder / "labels.csv").write_bytes(data)
    tables = LabelTables(read_table_texts(folder), "set", labelled=True)
    names = [f"a/{n}.png" for n in range(40)]
    tables.types(names)
    tables.notes(names)
    tables.column("slide", names)


def read_encoder(data, folder):
    """Load a model and encode two images."""
    from celltransfer_core.encoders import onnx

    onnx.MAX_SECONDS = MAX_SECONDS / 2  # what ends a loop without an end; minutes in the app
    for name, part in zip(("m.onnx", "m.json"), data, strict=True):
        (folder / name).write_bytes(part)
    encoder = onnx.OnnxEncoder("m", folder / "m.onnx")
    images = [np.full((20, 30, 3), shade, np.uint8) for shade in (50, 200)]
    rows = encoder.encode(images, np.full(2, np.nan, np.float32))
    if rows.shape != (2, encoder.spec.dim):
        raise AssertionError(f"rows of {rows.shape}")


READERS = {"image": read_image, "zip": read_zip, "table": read_table, "encoder": read_encoder}


def _megabytes(field):
    text = Path("/proc/self/status").read_text()
    return int(text.split(f"{field}:")[1].split()[0]) / 1000


def attempt(family, kind, data, folder):
    """Read one file in this process; return the outcome, MB and seconds that it took."""
    Path("/proc/self/clear_refs").write_text("5")  # the peak of memory begins anew
    before, started = _megabytes("VmRSS"), time.process_time()
    try:
        READERS[family](data, folder)
        outcome = "read"
    except CellTransferError as error:
        outcome = "refused"
        if kind.endswith("as it was"):
            outcome = f"refused though whole: {error}"[:100]
    except Exception as error:
        outcome = f"{type(error).__name__}: {error}".split("\n")[0][:100]
    return outcome, _megabytes("VmHWM") - before, time.process_time() - started


def serve(numbers, seed, bombs):
    """Read files one after another, and write a line before and after each: the watched process."""
    from tests.benchmarks.hostile_files import make

    # Libraries may print on the standard output.
    lines = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    with TemporaryDirectory() as name:
        folder = Path(name)
        for family in READERS:  # what is imported late is no file's memory
            with suppress(CellTransferError):
                READERS[family]((b"", b"") if family == "encoder" else b"x", folder)
        taken = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (taken + CEILING, taken + CEILING))
        for number in numbers:
            family, kind, data = make(seed, number, bombs)
            print(json.dumps([number, family, kind]), file=lines, flush=True)
            found = attempt(family, kind, data, folder)
            print(json.dumps([number, *found]), file=lines, flush=True)


class Reader:
    """The watched process."""

    def __init__(self, numbers, seed, folder):
        command = [sys.executable, __file__, "--serve", f"{numbers[0]},{numbers[-1] + 1}"]
        self.process = subprocess.Popen(
            [*command, "--seed", str(seed), "--bombs", folder],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd=Path(__file__).parents[2],
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )
        self.waiting = b""

    def line(self, seconds):
        """Return the next line; None once the time is over, an empty list where it ended."""
        until = time.monotonic() + seconds
        while b"\n" not in self.waiting:
            left = until - time.monotonic()
            if left <= 0 or not select.select([self.process.stdout], [], [], left)[0]:
                return None
            piece = os.read(self.process.stdout.fileno(), 65536)
            if not piece:
                return []
            self.waiting += piece
        line, self.waiting = self.waiting.split(b"\n", 1)
        return json.loads(line)

    def end(self):
        """End it, and tell how it ended by itself."""
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(0.5)
        self.process.kill()
        self.process.stdout.close()
        return self.process.wait()


def watch(files, seed, folder):
    """Give number, family, kind, outcome, MB and seconds of each file; bombs lie in a folder."""
    number = 0
    while number < files:
        reader = Reader(range(number, files), seed, folder)
        while number < files:
            head = reader.line(600)  # to start, or to draw the file
            if not head:
                raise RuntimeError(f"file {number} could not be drawn ({reader.end()})")
            number, family, kind = head
            found = reader.line(MAX_WAIT)
            if found:
                outcome, grown, seconds = found[1:]
                if outcome in GOOD and grown > MAX_MB:
                    outcome = f"takes {grown:,.0f} MB"
                elif outcome in GOOD and seconds > MAX_SECONDS:
                    outcome = f"over {MAX_SECONDS:g} s"
                yield number, family, kind, outcome, grown, seconds
                number += 1
                continue
            over = found is None
            code = reader.end()
            outcome = f"over {MAX_WAIT:g} s" if over else f"died ({code})"
            yield number, family, kind, outcome, float("nan"), MAX_WAIT if over else 0.0
            number += 1
            break
        else:
            reader.end()


def report(found):
    """Print a table by family, then what did not survive by its kind; return the numbers."""
    tried, survived = Counter(), Counter()
    slowest, largest, faults = {}, {}, {}
    for number, family, kind, outcome, grown, seconds in found:
        tried[family] += 1
        survived[family] += outcome in GOOD
        slowest[family] = max(slowest.get(family, 0.0), seconds)
        largest[family] = max(largest.get(family, 0.0), grown)
        if outcome not in GOOD:
            faults.setdefault((family, kind, outcome), []).append(number)
    print(f"{'kind':10} {'tried':>7} {'survived':>9} {'slowest s':>10} {'most MB':>8}")
    for family in sorted(tried):
        print(
            f"{family:10} {tried[family]:7,} {survived[family]:9,} {slowest[family]:10.2f} "
            f"{largest[family]:8,.0f}"
        )
    for (family, kind, outcome), numbers in sorted(faults.items()):
        print(f"  {family}: {kind}: {outcome} ({len(numbers)} times; such as file {numbers[0]})")
    return sum(survived.values()), sum(tried.values())


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--files", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--serve", help=argparse.SUPPRESS)
    parser.add_argument("--bombs", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        first, last = map(int, options.serve.split(","))
        serve(range(first, last), options.seed, options.bombs)
        return
    with TemporaryDirectory() as folder:
        survived, tried = report(watch(options.files, options.seed, folder))
    print(f"survived {survived:,} of {tried:,}")


if __name__ == "__main__":
    main()
