"""The validations beside compiled SQL: each finds the fault it is for, and nothing else is found.

A fault is planted into the finished tables, as if a step before had made it; the tables that
follow from it are made anew, the validations run, and the sound tables put back.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tallymark.build.compiling import Compiled
from tallymark.engine.render import Dialect
from tests.build.shop import HOUR, MINUTE, Shop, order, view
from tests.engines.others import Other, load, on_duckdb, on_fakesnow, on_spark, statements

Run = Callable[[Path], AbstractContextManager[Other]]


@dataclass(frozen=True, slots=True)
class Fault:
    """One row or value changed.

    Attributes:
        table: Where.
        change: By column, what stands in it then; other columns stay.
        where: In which rows.
        lost: Whether the rows are left out instead.
        twice: Whether the rows come twice instead.
        then: Tables that are made anew after it.
    """

    table: str
    change: Mapping[str, str]
    where: str
    lost: bool = False
    twice: bool = False
    then: tuple[str, ...] = ()

    def select(self, columns: list[str]) -> str:
        """The table with the fault, out of the sound one."""
        if self.lost:
            return f"SELECT {', '.join(columns)} FROM sound WHERE NOT ({self.where})"
        if self.twice:
            rows = f"SELECT {', '.join(columns)} FROM sound"
            return f"{rows} UNION ALL {rows} WHERE {self.where}"
        listed = ", ".join(
            f"CASE WHEN {self.where} THEN {self.change[one]} ELSE {one} END AS {one}"
            if one in self.change
            else one
            for one in columns
        )
        return f"SELECT {listed} FROM sound"


NINE = {
    "row_conservation", "session_boundaries", "unique_grain", "order_identity", "revenue",
    "credit", "windows", "references", "freshness",
}  # fmt: skip
ANN_FIRST = "client_id = 'ann' AND session_start = (SELECT MIN(session_start) FROM sound)"
SOLD = "transaction_id = 'L-1' AND status = 'kept'"
FIRST_CLICK = "model = 'first_click' AND channel <> 'Unattributed'"
LATE = "(SELECT MAX(touch_at) FROM sound)"
# By kind of validation: the faults that it must find.
FAULTS: Mapping[str, tuple[Fault, ...]] = {
    "row_conservation": (
        Fault("fct_sessions", {}, ANN_FIRST, lost=True, then=("reconciliation",)),
        Fault("fct_orders", {}, "status = 'superseded'", lost=True, then=("reconciliation",)),
        Fault("fct_attribution", {}, FIRST_CLICK, lost=True, then=("reconciliation",)),
    ),
    "session_boundaries": (
        Fault("fct_sessions", {"session_end": "(SELECT MAX(session_start) FROM sound)"}, ANN_FIRST),
    ),
    "unique_grain": (
        Fault("fct_sessions", {}, ANN_FIRST, twice=True),
        Fault("fct_orders", {}, SOLD, twice=True),
        Fault("fct_attribution", {}, FIRST_CLICK, twice=True),
    ),
    "order_identity": (
        Fault("fct_orders", {"is_counted": "FALSE"}, SOLD),
        Fault("fct_orders", {"status": "'bought'"}, SOLD),
        Fault("fct_orders", {"revenue": "-revenue"}, "status = 'refund'"),
    ),
    "revenue": (
        Fault("fct_sessions", {"revenue": "revenue + 1"}, ANN_FIRST),
        Fault("fct_sessions", {"orders": "orders + 1"}, ANN_FIRST),
        Fault("fct_sessions", {"revenue": "NULL"}, ANN_FIRST),
        Fault("fct_sessions", {"orders": "NULL"}, ANN_FIRST),
    ),
    "credit": (
        Fault("fct_attribution", {"revenue": "revenue + 1"}, FIRST_CLICK),
        Fault("fct_attribution", {"revenue": "NULL"}, FIRST_CLICK),
        Fault("fct_attribution", {"weight": "weight / 2"}, FIRST_CLICK),
        Fault("fct_attribution", {"weight": "NULL"}, FIRST_CLICK),
        Fault("fct_attribution", {}, FIRST_CLICK, lost=True),
        Fault("fct_attribution", {"touch_number": "7"}, FIRST_CLICK),
    ),
    "windows": (
        Fault("fct_attribution", {"touch_at": "(SELECT MIN(touch_at) FROM sound)"},
              f"touch_at = {LATE}"),
        Fault("fct_attribution", {"touch_at": LATE}, f"touch_at < {LATE}"),
    ),
    "references": (
        Fault("fct_orders", {"session_id": "'nowhere'"}, SOLD),
        Fault("fct_attribution", {"session_id": "'nowhere'"}, FIRST_CLICK),
        Fault("fct_attribution", {"order_id": "'nowhere'"}, FIRST_CLICK),
    ),
    "freshness": (Fault("landed", {}, "delivery LIKE '%0505%'", lost=True),),
}  # fmt: skip


DAY = 24 * HOUR


def _shop(folder: Path) -> Shop:
    """Three deliveries: sessions, a conflict, orders with a touch, one after ten days, a refund."""
    shop = Shop(folder)
    shop.deliver(
        0,
        [view(0), view(2 * HOUR), order(2 * HOUR + 1), view(5 * HOUR), view(0, "bob"),
         order(MINUTE, "bob", number="L-2"), order(2 * MINUTE, "bob", number="L-2", revenue=30)],
    )  # fmt: skip
    shop.deliver(9, [view(9 * DAY + HOUR), order(9 * DAY + HOUR + 1, number="L-3")])
    refund = view(10 * DAY, "bob", name="refund", data='{"transaction_id": "L-2"}')
    shop.deliver(10, [refund])
    return shop


class Made:
    """Compiled tables of a shop on an engine, which take a fault and give it back."""

    def __init__(self, other: Other, shop: Shop, compiled: Compiled) -> None:
        self.other = other
        paths = [path for path in compiled.files if path.endswith(".sql")]
        texts = {path: (compiled.output / path).read_text(encoding="utf-8") for path in paths}
        self.texts = {path.split("_", 1)[1].removesuffix(".sql"): texts[path] for path in paths}
        self._run("setup")
        load(other, shop.raw, compiled.output / "seeds" / "seed_user_agents.csv")
        for name in self.texts:
            if name != "setup" and not name.startswith("validate_"):
                self._run(name)
        self.checks = [name for name in self.texts if name.startswith("validate_")]

    def found(self) -> set[str]:
        """The validations that find a row; what ``validate_all`` says of all must agree."""
        *checks, together = self.checks
        said = {str(row[0]) for row in self._rows(together)}
        alone = {name.removeprefix("validate_") for name in checks if self._rows(name)}
        assert {one for one in said if not one.startswith("test ")} == alone
        return said

    @contextmanager
    def planted(self, fault: Fault) -> Iterator[None]:
        """The tables with a fault."""
        columns = self.other.columns(fault.table)
        self.other.run("DROP TABLE IF EXISTS sound")
        self.other.run(f"CREATE TABLE sound AS SELECT {', '.join(columns)} FROM {fault.table}")
        kind = "VIEW" if " VIEW " in self.texts[fault.table].split(" AS\n", 1)[0] else "TABLE"
        self.other.run(f"DROP {kind} {fault.table}")
        self.other.run(f"CREATE TABLE {fault.table} AS {fault.select(columns)}")
        for name in fault.then:
            self._run(name)
        yield
        self.other.run(f"DROP TABLE {fault.table}")
        for name in (fault.table, *fault.then):
            self._run(name)

    def _run(self, name: str) -> None:
        for one in statements(self.texts[name]):
            self.other.run(one.rstrip(";"))

    def _rows(self, name: str) -> list[tuple[object, ...]]:
        (sql,) = statements(self.texts[name])
        return self.other.rows(sql.rstrip(";"))


def _validate(engine: Dialect, run: Run, folder: Path) -> None:
    shop = _shop(folder)
    project = shop.project()
    project.build()
    compiled = project.compile(engine, shop.home / "sql")
    with run(folder) as other:
        made = Made(other, shop, compiled)
        assert made.found() <= INEXACT[engine]
        missed = []
        for kind, faults in FAULTS.items():
            for fault in faults:
                with made.planted(fault):
                    if kind not in (found := made.found()):
                        missed.append((kind, fault, found))
        assert missed == []
        assert made.found() <= INEXACT[engine]


# The emulator sums money as floats, so that credit may seem not to add up.
INEXACT: Mapping[Dialect, set[str]] = {
    "duckdb": set(), "spark": set(), "snowflake": {"credit", "revenue", "row_conservation"},
}  # fmt: skip


def test_each_validation_finds_its_fault(tmp_path: Path) -> None:
    """Each of the nine kinds finds every fault planted for it, and none on sound tables."""
    assert set(FAULTS) == NINE
    _validate("duckdb", on_duckdb, tmp_path)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("engine", "run"), [("snowflake", on_fakesnow), ("spark", on_spark)])
def test_each_validation_finds_its_fault_elsewhere(
    engine: Dialect, run: Run, tmp_path: Path
) -> None:
    """The same on the emulator of Snowflake and on a local Spark, where installed."""
    _validate(engine, run, tmp_path)
