"""A made shop whose last day has an open incident, and what a run made of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tallymark.config import Config, Exports, Shop
from tallymark.demo.shop import make_shop
from tallymark.engine.warehouse import Warehouse
from tallymark.project import Project

HOSTILE = 'Lamps "A\\B"\n& {Söhne}'  # quotes, a backslash, a line break, braces
DAYS = 8


@pytest.fixture(scope="session")
def config() -> Config:
    """Settings of the shop, with a name that breaks whatever does not escape it."""
    shop = Shop(name=HOSTILE, currency="EUR")
    return Config(shop=shop, exports=Exports(prometheus="textfile/tallymark.prom"))


@pytest.fixture(scope="session")
def output(tmp_path_factory: pytest.TempPathFactory, config: Config) -> Path:
    """The folder of a run over eight days, on the last of which the client id is renamed."""
    home = tmp_path_factory.mktemp("prometheus")
    make_shop(home, days=DAYS, events_per_day=800, seed=2, incidents=("column_renamed@8",))
    project = Project.open(home, source=str(home / "raw"), output=home)
    project.config = config
    project.run(skip=frozenset({"report"}))
    return home


@pytest.fixture
def warehouse(output: Path) -> Warehouse:
    """Its warehouse; to be read, not written."""
    return Warehouse(output / "warehouse")
