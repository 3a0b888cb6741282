"""Texts of few values as enums: for readers they are the texts they were."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tallymark.build.coded import coded
from tallymark.engine.duckdb import DuckEngine

_FACTS = (
    "select dim_traffic.*, dim_traffic.rule as channel_rule, coalesce(device, 'other') as device, "
    "coalesce(browser, 'other') as browser, coalesce(os, 'other') as os "
    "from dim_traffic left join dim_user_agents on agent_id = traffic_key"
)


@pytest.fixture
def engine() -> Iterator[DuckEngine]:
    """An engine with dimensions whose texts are in no order, some of them hostile."""
    made = DuckEngine(threads=1)
    made.values(
        "dim_traffic",
        {
            "traffic_key": ("bigint", [1, 2, 3]),
            "source": ("varchar", ["z'); drop table dim_traffic --", "Ä", "a"]),
            "medium": ("varchar", ["cpc", None, ""]),
            "campaign": ("varchar", [None, None, None]),
            "channel": ("varchar", ["Referral", "Direct", "Paid Search"]),
            "rule": ("varchar", ["c", "b", "a"]),
        },
    )
    made.values(
        "dim_user_agents",
        {
            "agent_id": ("bigint", [1]),
            "device": ("varchar", ["mobile"]),
            "browser": ("varchar", ["Safari"]),
            "os": ("varchar", ["iOS"]),
        },
    )
    yield made
    made.close()


def test_the_same_rows_in_the_same_order(engine: DuckEngine) -> None:
    """Whatever the texts are, also those that the query adds itself."""
    for key in ("source", "medium", "campaign", "channel", "device"):
        order = f"order by {key} nulls first, traffic_key"
        plain = engine.rows(f"select * from ({_FACTS}) {order}")
        assert engine.rows(f"select * from ({coded(engine, _FACTS)}) {order}") == plain


def test_texts_of_few_values_are_enums(engine: DuckEngine) -> None:
    """Nothing else is, and a column without any text stays what it is."""
    engine.execute(f"create table made as {coded(engine, _FACTS)}")
    kinds = {name: kind.partition("(")[0] for name, kind in engine.columns("made")}
    assert kinds["channel"] == kinds["source"] == kinds["device"] == "ENUM"
    assert kinds["campaign"] == "VARCHAR"
    assert kinds["traffic_key"] == "BIGINT"


def test_texts_of_many_values_stay_texts(engine: DuckEngine) -> None:
    """A shop may send a campaign a visit."""
    engine.execute(
        "create or replace table dim_traffic as select i as traffic_key, 's' as source, "
        "'m' as medium, 'c' || i as campaign, 'Direct' as channel, 'direct' as rule "
        "from range(10001) as numbers(i)"
    )
    engine.execute(f"create table made as {coded(engine, _FACTS)}")
    assert dict(engine.columns("made"))["campaign"] == "VARCHAR"


def test_a_published_file_holds_plain_texts(engine: DuckEngine, tmp_path: Path) -> None:
    """Readers of Parquet that know no enums read texts."""
    path = tmp_path / "made.parquet"
    engine.write(coded(engine, _FACTS), path)
    told = engine.rows(
        "select converted_type from parquet_schema(?) where name = 'channel'", [path.as_posix()]
    )
    assert told == [("UTF8",)]
