"""Texts of few different values, kept as numbers while sessions are sorted and written.

The channel of a session is one of some twenty texts. Sorting, keeping and writing them as texts
costs a fifth of what the table of sessions costs; an ``enum`` of DuckDB is the same to whoever
reads it, and a Parquet file made of it holds texts as any other.
"""

from __future__ import annotations

from tallymark.engine.base import identifier
from tallymark.engine.duckdb import DuckEngine

__all__ = ["coded"]

# Where each column of ``int_session_facts`` takes its texts from, and those its model adds itself.
_TEXTS: dict[str, tuple[str, str, tuple[str, ...]]] = {
    "source": ("dim_traffic", "source", ()),
    "medium": ("dim_traffic", "medium", ()),
    "campaign": ("dim_traffic", "campaign", ()),
    "channel": ("dim_traffic", "channel", ()),
    "channel_rule": ("dim_traffic", "rule", ("previous_channel",)),
    "device": ("dim_user_agents", "device", ("other",)),
    "browser": ("dim_user_agents", "browser", ("other",)),
    "os": ("dim_user_agents", "os", ("other",)),
}
# Of more texts than these the numbers are no cheaper than themselves.
_MOST = 10_000


def coded(engine: DuckEngine, sql: str) -> str:
    """The query of ``int_session_facts``, its texts of few values as enums.

    Their values stand in the order of the texts, so that sorting by either comes to the same.

    Args:
        engine: It holds the dimensions.
        sql: The query.
    """
    replaced = []
    for column, (table, origin, own) in _TEXTS.items():
        texts = engine.rows(
            f"select {origin} from (select {origin} from {table} where {origin} is not null "
            f"union select unnest(cast(? as varchar[]))) order by 1 limit {_MOST + 1}",
            [list(own)],
        )
        if not 0 < len(texts) <= _MOST:
            continue
        kind = identifier(f"text_{column}")
        engine.execute(
            f"create or replace type {kind} as enum (select unnest(cast(? as varchar[])))",
            [[row[0] for row in texts]],
        )
        replaced.append(f"cast({column} as {kind}) as {column}")
    return f"select * replace ({', '.join(replaced)}) from ({sql}\n)" if replaced else sql
