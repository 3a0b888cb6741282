from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest

from tallymark.config import MonitorRules, load
from tallymark.engine.duckdb import DuckEngine
from tallymark.engine.warehouse import Warehouse
from tallymark.errors import WarehouseError
from tallymark.monitor.exports import derive
from tallymark.monitor.report import as_json
from tallymark.monitor.watch import Watch

RULES = load(MonitorRules, None, "rules/monitor.yml")
SESSIONS = (
    "session_id,session_date,channel,device,add_to_carts,checkouts_started,orders,is_new_client,"
    "is_bot,is_internal"
)


def folder(root: Path, days: int, per_day: int = 40, buyers: int = 6) -> Path:
    """A folder with nothing but the three exported tables."""
    sessions, orders, credit = [SESSIONS], ["order_id,order_date,revenue,is_counted"], []
    credit.append("order_id,model,channel,revenue")
    for number in range(days):
        date = dt.date(2031, 5, 5) + dt.timedelta(days=number)
        for visit in range(per_day):
            bought = int(visit < buyers)
            channel = "Direct" if visit % 2 else "Email"
            sessions.append(f"s{number}-{visit},{date},{channel},mobile,{int(visit < 12)},"
                            f"{int(visit < 8)},{bought},{visit % 3 == 0},false,false")  # fmt: skip
            if bought:
                key = f"o{number}-{visit}"
                orders.append(f"{key},{date},25.50,true")
                channel = "Unattributed" if visit == 0 else channel
                credit += [f"{key},last_click,{channel},25.50", f"{key},first_click,Email,25.50"]
        sessions.append(f"b{number},{date},Direct,desktop,0,0,0,true,true,false")
        orders.append(f"t{number},{date},0,false")
    for name, rows in (("sessions", sessions), ("orders", orders), ("attribution", credit)):
        (root / f"fct_{name}.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    return root


def test_metrics_of_exports_follow_their_definitions(tmp_path: Path) -> None:
    """Bots and uncounted orders are out; rates have their numerator inside their denominator."""
    found = {
        (metric, segment): (value, numerator, denominator)
        for _, metric, segment, value, numerator, denominator in derive(
            Warehouse(folder(tmp_path, 1)).open()
        )
    }
    assert found[("sessions", "all")] == (40, 40, None)
    assert found[("orders", "all")] == (6, 6, None)
    assert found[("revenue", "all")] == (153, 153, None)
    assert found[("aov", "all")] == (25.5, 153, 6)
    assert found[("conversion_rate", "all")] == (0.15, 6, 40)
    assert found[("cart_rate", "all")] == (0.3, 12, 40)
    assert found[("checkout_rate", "all")] == (pytest.approx(8 / 12), 8, 12)
    assert found[("purchase_rate", "all")] == (0.75, 6, 8)
    assert found[("new_client_share", "all")] == (0.35, 14, 40)
    assert found[("channel_share", "channel=Email")] == (0.5, 20, 40)
    assert found[("device_share", "device=mobile")] == (1, 40, 40)
    assert found[("no_channel_revenue_share", "all")] == (pytest.approx(1 / 6), 25.5, 153)
    assert found[("attributed_revenue", "model=first_click;channel=Email")] == (153, 153, None)


def test_a_folder_of_exports_can_be_watched(tmp_path: Path) -> None:
    """Statistics work without a ledger, and a note says what could not be checked."""
    watch = Watch(Warehouse(folder(tmp_path, 8)).open(), RULES)
    result = watch.judge(watch.days()[-1])
    assert len(watch.days()) == 8
    assert result.metrics["sessions"]["state"] == "judged"
    assert result.status == "GREEN"
    assert any("only exported tables" in note for note in result.notes)
    assert as_json(result) == as_json(watch.judge(watch.days()[-1]))


def test_exports_know_when_the_expected_day_is_not_there(tmp_path: Path) -> None:
    """Freshness by data time works on exports too."""
    watch = Watch(Warehouse(folder(tmp_path, 5)).open(), RULES)
    late = watch.judge(dt.date(2031, 5, 9), expected_run_date=dt.date(2031, 5, 12))
    assert late.findings[0].id == "delivery_missing"


def test_an_empty_engine_is_refused() -> None:
    """Without metrics and without exports there is nothing to watch."""
    with pytest.raises(WarehouseError, match="metrics_daily"):
        Watch(DuckEngine(), RULES)
