"""The line of each landed row, however many threads landed the file, and whichever version did."""

from __future__ import annotations

from pathlib import Path

import pytest

from tallymark.engine.base import literal
from tallymark.engine.duckdb import DuckEngine
from tallymark.ingest import landing
from tallymark.ingest.deliveries import find_deliveries
from tallymark.ingest.extra import Asked
from tallymark.ingest.header import read_head
from tallymark.ingest.landing import land
from tallymark.ingest.landing_sql import landed_view, rows_of
from tests.ingest.making import CONTRACT, as_csv, deliver, event, land_rows, queried, roles_of

_LARGE = (
    "select 'c' || i as client_id, 'https://shop.example/' || i as page_url, "
    "'2031-05-05T12:00:00.000Z' as timestamp, 'page_viewed' as event_name, '' as referrer, "
    "'' as event_data, case when i % 3 = 0 then 'A' else 'B' || i end as user_agent "
    "from range(300000) as numbers(i)"
)


@pytest.mark.parametrize("light", [False, True])
@pytest.mark.parametrize("ending", ["csv", "jsonl", "parquet"])
def test_line_numbers_hold_in_a_large_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ending: str, *, light: bool
) -> None:
    """Rows are numbered in file order however many threads read them, a piece each."""
    monkeypatch.setattr(landing, "MAX_LINE_BYTES", 1 << 20)
    monkeypatch.setattr(landing, "_QUOTING", landing._QUOTING.replace("16777216", "1048576"))
    assert "buffer_size = 1048576" in landing._QUOTING
    path = tmp_path / f"2031-05-05.{ending}"
    form = {"jsonl": "json"}.get(ending, ending)
    queried(f"copy ({_LARGE}) to {literal(path.as_posix())} (format {form})")
    (delivery,) = find_deliveries(tmp_path)
    engine = DuckEngine(threads=4)
    head = read_head(delivery)
    landed = land(
        engine, delivery, head, mapping=roles_of(head), contract=CONTRACT, timezone="UTC",
        scratch=tmp_path, asked=Asked(light=light),
    )  # fmt: skip
    header = 1 if ending == "csv" else 0
    number = "cast(substr(user_agent, 2) as bigint)"
    off = engine.rows(
        "select count(*), count(distinct line_number) from (select line_number, "
        f"case when user_agent <> 'A' then {number} else line_number - {1 + header} end as i "
        f"from {landed.source}) where line_number = i + {1 + header}"
    )
    assert (landed.careful, off) == (None, [(300_000, 300_000)])
    engine.close()


def test_files_of_older_versions_hold_the_lines_themselves(tmp_path: Path) -> None:
    """Their deliveries may be gone, so that they are never landed again; both are read at once."""
    rows = [event(client_id=f"c-{number}") for number in range(3)]
    _, landed = land_rows(deliver(tmp_path, as_csv(rows)))
    older = tmp_path / "older.parquet"
    queried(f"copy (select * from {rows_of([landed.path])}) to {literal(older.as_posix())}")
    assert queried(f"select min(line_number) from {literal(older.as_posix())}") == [(2,)]
    for paths in ([landed.path, older], [older, landed.path]):
        asked = f"select line_number, count(*) from {rows_of(paths)} group by 1 order by 1"
        assert queried(asked) == [(2, 2), (3, 2), (4, 2)]
        ids = f"select count(distinct event_id), count(*) from ({landed_view(paths, {})})"
        assert queried(ids) == [(3, 6)]
