"""Shops made once for all tests of the simulator, and plain readers of their files."""

from __future__ import annotations

import csv
import functools
from collections.abc import Callable
from pathlib import Path

import pytest

from tallymark.demo.shop import Truth, make_shop

DAYS = 9
EVENTS = 1500
SEED = 11

Rows = dict[str, list[dict[str, str]]]


@pytest.fixture(scope="session")
def clean(tmp_path_factory: pytest.TempPathFactory) -> Truth:
    """A shop without incidents."""
    folder = tmp_path_factory.mktemp("clean")
    return make_shop(folder, days=DAYS, events_per_day=EVENTS, seed=SEED)


@pytest.fixture(scope="session")
def broken(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Truth]:
    """Make the same shop with incidents; asked for the same again, the same is handed out."""

    @functools.cache
    def make(*incidents: str) -> Truth:
        folder = tmp_path_factory.mktemp("broken")
        return make_shop(folder, days=DAYS, events_per_day=EVENTS, seed=SEED, incidents=incidents)

    return make


@pytest.fixture(scope="session")
def rows_of() -> Callable[[Truth], Rows]:
    """Read the files of a shop with the csv module: rows by file name."""

    def read(truth: Truth) -> Rows:
        return {path.name: read_csv(path) for path in truth.files}

    return read


@pytest.fixture(scope="session")
def table_of() -> Callable[[Truth, str], list[dict[str, str]]]:
    """Read one of the tables of a shop's truth."""

    def read(truth: Truth, name: str) -> list[dict[str, str]]:
        return read_csv(truth.directory / "truth" / f"{name}.csv")

    return read


def read_csv(path: Path) -> list[dict[str, str]]:
    """Rows of a CSV file; a row with too few or too many cells fails."""
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, strict=True))
