"""A made shop with faults, and what a run made of it, for all tests of the command line."""

from __future__ import annotations

from pathlib import Path

import pytest

from tallymark.demo.shop import make_shop
from tallymark.project import Project

INCIDENTS = ("outage@4", "column_renamed@5", "column_gone@6")


@pytest.fixture(scope="session")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small shop of eight days whose client id is renamed and whose referrer goes; ``raw/``."""
    folder = tmp_path_factory.mktemp("shop")
    make_shop(folder, days=8, events_per_day=400, seed=1, incidents=INCIDENTS)
    return folder


@pytest.fixture(scope="session")
def ran(shop: Path) -> Path:
    """The folder that a run on the shop wrote; to be read, not written."""
    output = shop / "out"
    Project.open(shop, source=str(shop / "raw"), output=output).run()
    return output
