"""How long a delivery with a broken header takes to be refused: 10 kB against 10 GB.

The large files are sparse (plain text) or one small gzip member repeated; both sizes are judged
by ``tallymark check`` in fresh processes, in turns, medians. A file whose head refuses it is
neither hashed nor read on, so the difference should be nothing but noise.

    .venv/bin/python bench/header.py
    .venv/bin/python bench/header.py --gigabytes 10 --runs 5
"""

from __future__ import annotations

import argparse
import gzip
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

SMALL = 10_000
LIMIT = 1.0  # seconds that a large file may take longer
BROKEN = b"clnt,pg,rfr,tmstmp,evnt,dt,gnt\n"
ROW = b"c-1,https://shop.example/,,2031-05-05T10:00:00Z,page_viewed,,agent\n"
GIGA = 10**9
REFUSED = 1  # the exit code of a check that found an error


def plain(path: Path, size: int) -> None:
    """A header without a known column, rows, and a hole."""
    path.write_bytes(BROKEN + ROW * (SMALL // len(ROW)))
    os.truncate(path, size)


def repeated(path: Path, size: int) -> None:
    """The same as gzip: a member with the header, then one member of rows over and over."""
    member = gzip.compress(ROW * (SMALL // len(ROW)), mtime=0)
    block = member * (10**7 // len(member))
    with path.open("wb") as stream:
        stream.write(gzip.compress(BROKEN, mtime=0) + member)
        while size > SMALL and stream.tell() + len(block) < size:
            stream.write(block)


def html(path: Path, size: int) -> None:
    """An error page, and a hole."""
    path.write_bytes(b"<html>" + b"x" * SMALL)
    os.truncate(path, size)


KINDS: dict[str, tuple[str, Callable[[Path, int], None]]] = {
    "unknown columns": ("csv", plain),
    "an error page": ("csv", html),
    "unknown columns, gzip": ("csv.gz", repeated),
}


def refused(folder: Path) -> float:
    """Seconds until `check` has refused the one delivery of a folder, from process start."""
    with tempfile.TemporaryDirectory() as output:
        started = time.perf_counter()
        done = subprocess.run(
            [sys.executable, "-m", "tallymark", "check", "--input", str(folder / "raw"),
             "--output", output], capture_output=True, text=True, check=False,
        )  # fmt: skip
        took = time.perf_counter() - started
    if done.returncode != REFUSED:
        sys.exit(f"not refused, exit code {done.returncode}:\n{done.stdout}{done.stderr}")
    return took


def main() -> None:
    """Make the files, judge them in turns, print the table; exit code 1 beyond the limit."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--gigabytes", type=float, default=10.0)
    parser.add_argument("--packed", type=float, default=0.5, help="gigabytes of the gzip file")
    parser.add_argument("--runs", type=int, default=3)
    given = parser.parse_args()
    worst = 0.0
    print(f"{'broken by':<24}{'10 kB, s':>10}{'large, s':>10}{'size, GB':>10}{'difference':>12}")
    for name, (ending, make) in KINDS.items():
        gigabytes = given.packed if ending.endswith("gz") else given.gigabytes
        with tempfile.TemporaryDirectory() as scratch:
            folders = [Path(scratch) / size for size in ("small", "large")]
            for folder, size in zip(folders, (SMALL, int(gigabytes * GIGA)), strict=True):
                (folder / "raw").mkdir(parents=True)
                make(folder / "raw" / f"2031-05-05.{ending}", size)
            times = [[refused(folder) for folder in folders] for _ in range(given.runs)]
        small, large = (statistics.median(column) for column in zip(*times, strict=True))
        worst = max(worst, large - small)
        print(f"{name:<24}{small:>10.2f}{large:>10.2f}{gigabytes:>10.1f}{large - small:>+12.2f}")
    sys.exit(0 if worst <= LIMIT else 1)


if __name__ == "__main__":
    main()
