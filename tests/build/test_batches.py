"""Sessions made some days at a time: the tables are those of one batch, byte for byte."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tallymark.build import batches as module
from tallymark.build.batches import Span, batches
from tallymark.engine.duckdb import DuckEngine
from tests.build.shop import HOME, HOUR, MINUTE, Event, Shop, order, view

DAY = 24 * HOUR
DAYS = 9


def _events(seed: int) -> list[list[Event]]:
    """Deliveries of days with visits from here and there, some of them rows of other days."""
    chance = random.Random(seed)  # noqa: S311 -- a test's data
    urls = (HOME, f"{HOME}?utm_source=news&utm_medium=email", f"{HOME}p/1?gclid=x#a")
    made: list[list[Event]] = [[] for _ in range(DAYS)]
    for _ in range(160):
        at = chance.randrange(DAYS * DAY)
        late = at // DAY - (chance.random() < 0.1)
        client = f"client{chance.randrange(12)}"
        made[max(0, late)].append(view(at, client, url=chance.choice(urls)))
        if chance.random() < 0.2:
            made[at // DAY].append(order(at + MINUTE, client, number=f"L-{at}"))
    return made


@pytest.mark.parametrize("seed", [1, 2])
def test_batches_change_no_byte(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int) -> None:
    """Nor a row of what is kept beside the exports, nor what was known on each day."""
    shops = []
    for name, together in (("one", 10**9), ("many", 10)):
        monkeypatch.setattr(module, "_TOGETHER", together)
        shop = Shop(tmp_path / name)
        for day, events in enumerate(_events(seed)):
            shop.deliver(day, events)
        shop.build()
        shops.append(shop)
    one, many = shops
    assert one.exports() == many.exports()
    for table in ("metrics_daily", "metrics_hourly", "int_client_days", "fct_order_items"):
        asked = f"select * from {table} order by all"
        assert one.rows(asked) == many.rows(asked)


@settings(max_examples=40, deadline=None)
@given(st.dictionaries(st.integers(0, 40), st.integers(1, 9), max_size=12), st.integers(1, 12))
def test_each_session_is_in_one_batch(days: dict[int, int], together: int) -> None:
    """Spans leave no gap, do not overlap, and none is much too small."""
    engine = DuckEngine(threads=1)
    starts = [day * DAY + number for day, count in days.items() for number in range(count)]
    engine.values("int_sessions", {"session_start_ms": ("bigint", starts)})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_TOGETHER", together)
        spans = list(batches(engine))
    held = [
        sorted(
            row[0]
            for row in engine.rows(
                f"select session_start_ms from int_sessions where {span.holds('session_start_ms')}"
            )
        )
        for span in spans
    ]
    engine.close()
    assert [one for batch in held for one in batch] == sorted(starts)
    assert len(spans) == 1 or min(map(len, held)) >= together


def test_a_small_shop_is_one_batch() -> None:
    """Then nothing is asked of the time."""
    engine = DuckEngine(threads=1)
    engine.values("int_sessions", {"session_start_ms": ("bigint", [1, 2, DAY])})
    assert batches(engine) == [Span()]
    assert Span().holds("x") == "true"
    engine.close()
