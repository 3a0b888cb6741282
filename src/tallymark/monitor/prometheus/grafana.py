"""The dashboard, and the files by which Grafana finds it and Prometheus."""

from __future__ import annotations

import json

from tallymark.config import MonitorRules, Severity
from tallymark.monitor.prometheus.alerts import STALE_HOURS, quarantine_limits
from tallymark.monitor.prometheus.panels import (
    COUNT,
    DAY,
    MONEY,
    PAGE,
    RATIO,
    SECONDS,
    STATUS,
    Panel,
    Query,
    Unit,
    laid_out,
    link,
    steps,
)
from tallymark.yamltext import yaml_text

__all__ = ["UID", "dashboard", "grafana_files"]

UID = "tallymark"
_SCHEMA = 42  # the last version of the classic model; Grafana 12 and 13 read it as it is
_DATASOURCE = "tallymark-prometheus"
_FOLDER = "/var/lib/grafana/dashboards/tallymark"
_SHOP = 'shop="$shop"'
_HOUR = 3600
_HALF_DAY = 12 * _HOUR  # noon is the same date for every reader within twelve hours of the shop
_LEVELS = steps(1, 2)
_NONE = steps(1)


def _of(metric: str, more: str = "") -> str:
    """A metric of the chosen shop.

    >>> _of("orders")
    'tallymark_orders{shop="$shop"}'
    """
    return f"tallymark_{metric}{{{_SHOP}{f',{more}' if more else ''}}}"


def _expected(metric: str, shown: str, legend: str) -> tuple[Query, ...]:
    """A metric with what was expected of it: the middle, and the band of 95 % of normal days."""
    which = f'metric="{metric}"'
    return (
        Query(_of(shown), legend),
        Query(_of("metric_expected", which), "expected"),
        Query(_of("metric_expected_low", which), "low", "low"),
        Query(_of("metric_expected_high", which), "high", "high"),
    )


def _status() -> list[Panel]:
    limits = tuple(hours * _HOUR for hours in STALE_HOURS)
    return [
        Panel(title="Status", kind="stat", width=4, height=5, unit=STATUS, limits=_LEVELS,
              about="RED with an open P0 or P1, YELLOW with an open P2, else GREEN.",
              queries=(Query(_of("status"), "{{shop}}"),)),
        Panel(title="Layers", kind="stat", width=8, height=5, unit=STATUS, limits=_LEVELS,
              about="Health: is the data there? Quality: is it sound? Business: is the shop well?",
              queries=(Query(_of("layer_status"), "{{layer}}"),)),
        Panel(title="Open P0 and P1", kind="stat", width=3, height=5, unit=COUNT, limits=_NONE,
              about="Incidents that make numbers or decisions wrong.",
              queries=(Query(f"sum({_of('incidents', _OPEN_ERRORS)})", "open"),)),
        Panel(title="Day", kind="stat", width=3, height=5, unit=DAY,
              about="The latest day that was judged; the numbers are those of the latest delivery.",
              queries=(
                  Query(f"({_of('judged_day_timestamp_seconds')} + {_HALF_DAY}) * 1000", "day"),
              )),
        Panel(title="Newest event", kind="stat", width=3, height=5, unit=SECONDS,
              limits=steps(*limits),
              about="How old the newest event is. A day's events come the next morning, so that "
              "up to a day and a half is usual.",
              queries=(Query(f"time() - {_of('last_event_timestamp_seconds')}", "age"),)),
        Panel(title="Last run", kind="stat", width=3, height=5, unit=SECONDS,
              about="How long ago the warehouse was published or judged.",
              queries=(Query(f"time() - {_of('last_run_timestamp_seconds')}", "age"),)),
    ]  # fmt: skip


_OPEN_ERRORS = 'state="open",severity=~"P0|P1"'
_BAND = "Shaded: 95 % of normal days. No band while the watch is still learning."


def _revenue() -> list[Panel]:
    usual = _of("metric_expected", 'metric="revenue"')
    change = f"sum by (shop) ({_of('revenue')}) / sum by (shop) ({usual}) - 1"
    return [
        Panel(title="Revenue", kind="timeseries", width=12, unit=MONEY,
              about=f"Revenue of counted orders, in the shop's currency. {_BAND}",
              queries=_expected("revenue", "revenue", "{{currency}}")),
        Panel(title="Orders", kind="timeseries", width=12, unit=COUNT,
              about=f"Counted orders. {_BAND}", queries=_expected("orders", "orders", "orders")),
        Panel(title="Revenue against expected", kind="stat", width=4, unit=_CHANGE,
              about="How far revenue is above or below what was expected of the day.",
              queries=(Query(change, "change"),)),
        Panel(title="Average order value", kind="timeseries", width=10, unit=MONEY,
              about=f"Revenue by counted order. {_BAND}",
              queries=_expected("aov", "average_order_value", "{{currency}}")),
        Panel(title="Odd orders", kind="timeseries", width=10, unit=COUNT,
              about="Tests, orders delivered again, and ids that two customers or contents share.",
              queries=(Query(_of("odd_orders"), "{{kind}}"),)),
    ]  # fmt: skip


_CHANGE = Unit("percentunit", 0)
_FUNNEL = ("session", "cart", "checkout", "order")


def _funnel() -> list[Panel]:
    return [
        Panel(title="Sessions that reached a step", kind="bargauge", width=8, unit=COUNT,
              about="Sessions, those with a cart, with a checkout, and with a counted order.",
              queries=tuple(
                  Query(_of("funnel_sessions", f'step="{step}"'), step) for step in _FUNNEL
              )),
        Panel(title="Step by step", kind="timeseries", width=8, unit=RATIO,
              about="Cart: of all sessions. Checkout: of those with a cart or checkout. Purchase: "
              "of those with a checkout.",
              queries=(Query(_of("funnel_step_ratio"), "{{step}}"),)),
        Panel(title="Conversion", kind="timeseries", width=8, unit=Unit("percentunit", 2, 0),
              about=f"Sessions with a counted order, of all sessions. {_BAND}",
              queries=_expected("conversion_rate", "conversion_ratio", "conversion")),
        Panel(title="Sessions", kind="timeseries", width=12, unit=COUNT,
              about=f"Sessions of people; programs and staff left out. {_BAND}",
              queries=_expected("sessions", "sessions", "sessions")),
        Panel(title="Sessions of new clients", kind="timeseries", width=12, unit=RATIO,
              about="A sudden rise often means that returning visitors are not recognised.",
              queries=(Query(_of("new_client_sessions_ratio"), "new clients"),)),
    ]  # fmt: skip


def _channels() -> list[Panel]:
    credited = _of("channel_revenue", 'model="$model"')
    return [
        Panel(title="Sessions by channel", kind="timeseries", width=12, unit=COUNT,
              stacked="percent", about="Each channel's share of the sessions.",
              queries=(Query(_of("channel_sessions"), "{{channel}}"),)),
        Panel(title="Revenue by channel", kind="bargauge", width=12, unit=MONEY,
              about="Revenue of the latest day credited to each channel by the chosen model.",
              queries=(Query(f"sort_desc({credited})", "{{channel}}"),)),
        Panel(title="Revenue without a channel", kind="timeseries", width=12, unit=RATIO,
              about="By last click: credited to Unknown, or to nobody.",
              queries=(Query(_of("no_channel_revenue_ratio"), "without a channel"),)),
        Panel(title="Sessions by device", kind="timeseries", width=12, unit=COUNT,
              stacked="percent", about="Each kind of device's share of the sessions.",
              queries=(Query(_of("device_sessions"), "{{device}}"),)),
    ]  # fmt: skip


def _coverage() -> list[Panel]:
    kinds = {"client_id": "client id", "referrer": "referrer", "utm": "UTM", "click_id": "click id"}
    return [
        Panel(title="Coverage", kind="timeseries", width=10, unit=RATIO,
              about="Events with a client id; landings with a referrer; sessions with a campaign "
              "tag, or a click id.",
              queries=tuple(
                  Query(_of(f"{name}_coverage_ratio"), legend) for name, legend in kinds.items()
              )),
        Panel(title="Payload fields", kind="bargauge", width=7, unit=RATIO,
              limits=steps(0.9, 0.99, rising=False),
              about="In how many payloads of the latest day each field is filled.",
              queries=(Query(_of("payload_coverage_ratio"), "{{field}}"),)),
        Panel(title="Programs and repeats", kind="timeseries", width=7,
              unit=Unit("percentunit", 1, 0),
              about="Events of programs, exact repeats, and page views that came twice.",
              queries=(
                  Query(_of("bot_events_ratio"), "programs"),
                  Query(_of("repeated_events_ratio"), "repeats"),
                  Query(_of("double_fired_views_ratio"), "double views"),
              )),
    ]  # fmt: skip


_SINCE = "Value #A"
_MONEY_AT_RISK = "Value #B"
_NAMES = {
    "severity": "Severity",
    "rule": "Rule",
    "state": "State",
    _SINCE: "Since",
    _MONEY_AT_RISK: "Money at risk",
    "currency": "Currency",
}


def _incidents() -> list[Panel]:
    since = f"{_of('incident_since_timestamp_seconds')} * 1000"
    counts = _of("incidents", 'state="open"')
    at_risk = _of("incident_money_at_risk", 'state="open"')
    return [
        Panel(title="Incidents", kind="table", width=12, unit=Unit("none"), columns=_NAMES,
              units={"Since": Unit("dateTimeAsIso"), "Money at risk": MONEY},
              about="Of the latest judged day, by rule. Cause and fix are in the report.",
              queries=(
                  Query(f"max by (severity, rule, state) ({since})", ""),
                  Query("sum by (severity, rule, state, currency) "
                        f"({_of('incident_money_at_risk')})", ""),
              )),
        Panel(title="Open incidents", kind="timeseries", width=8, unit=COUNT, stacked="normal",
              about="Incidents nobody has acknowledged, muted or resolved.",
              queries=(Query(f"sum by (severity) ({counts})", "{{severity}}"),)),
        Panel(title="Money at risk", kind="stat", width=4, unit=MONEY,
              about="What the open incidents put at risk together, in the shop's currency, as far "
              "as a formula applies.",
              queries=(Query(f"sum({at_risk}) or 0 * sum({_of('up')})", "at risk"),)),
        Panel(title="Findings by layer", kind="timeseries", width=12, unit=COUNT, stacked="normal",
              about="All findings of the judged day, information included.",
              queries=(Query(f"sum by (layer) ({_of('findings')})", "{{layer}}"),)),
        Panel(title="Metrics still learning", kind="stat", width=12, unit=COUNT,
              about="Metrics with too little history to be judged by statistics.",
              queries=(Query(f"count({_of('metric_judged')}) - sum({_of('metric_judged')})",
                             "learning"),)),
    ]  # fmt: skip


def _deliveries(limits: dict[Severity, float]) -> list[Panel]:
    kinds = ("read", "accepted", "quarantined", "repeated")
    share = steps(*sorted(limits.values())[:2]) if limits else steps(1.0)
    return [
        Panel(title="Rows of the latest day", kind="timeseries", width=12, unit=COUNT,
              about="Rows read, accepted, kept in quarantine, and exact repeats.",
              queries=tuple(Query(_of(f"delivery_rows_{one}"), one) for one in kinds)),
        Panel(title="Rows in quarantine", kind="timeseries", width=6, limits=share,
              unit=Unit("percentunit", 2, 0),
              about="Of the rows read of the latest day. Lines: where the watch warns.",
              queries=(Query(_of("quarantined_rows_ratio"), "in quarantine"),)),
        Panel(title="Verdicts", kind="bargauge", width=6, unit=COUNT,
              about="The gate's verdicts on the latest day's deliveries.",
              queries=(Query(_of("deliveries"), "{{verdict}}"),)),
        Panel(title="Lowest score", kind="stat", width=6, height=5, unit=Unit("none", 0, 0, 100),
              limits=steps(80, 95, rising=False),
              about="The gate's score of the latest day's worst delivery, 0 to 100.",
              queries=(Query(_of("delivery_score"), "score"),)),
        Panel(title="Dates without a delivery", kind="stat", width=6, height=5, unit=COUNT,
              limits=_NONE, about="Between the first delivery and the latest.",
              queries=(Query(_of("dates_missing"), "missing"),)),
        Panel(title="Deliveries refused", kind="stat", width=6, height=5, unit=COUNT, limits=_NONE,
              about="Refused whole, on days that have nothing else, and not decided on.",
              queries=(Query(_of("refused_deliveries"), "refused"),)),
        Panel(title="Rows in quarantine, ever", kind="stat", width=6, height=5, unit=COUNT,
              about="Of all deliveries of the warehouse.",
              queries=(Query(_of("quarantine_rows"), "rows"),)),
    ]  # fmt: skip


def dashboard(rules: MonitorRules, *, page: str = "") -> dict[str, object]:
    """The dashboard as Grafana's classic JSON model.

    Args:
        rules: The rules of the watch, whose limits are drawn.
        page: Where people read the report; linked, if it is given.
    """
    rows = (
        ("Status", _status()),
        ("Revenue", _revenue()),
        ("Funnel", _funnel()),
        ("Channel mix", _channels()),
        ("Coverage", _coverage()),
        ("Incidents", _incidents()),
        ("Deliveries", _deliveries(quarantine_limits(rules))),
    )
    links = [link("Alerts", "/alerting/list", "bolt")]
    if page:
        links.append(link(PAGE, page, "external link"))
    return {
        "uid": UID,
        "title": "Tallymark",
        "description": "Whether this morning's numbers can be trusted, and the numbers.",
        "tags": ["tallymark"],
        "schemaVersion": _SCHEMA,
        "version": 1,
        "editable": True,
        "graphTooltip": 1,
        "timezone": "browser",
        "refresh": "5m",
        "time": {"from": "now-30d", "to": "now"},
        "timepicker": {},
        "annotations": {"list": []},
        "links": links,
        "templating": {"list": _variables()},
        "panels": laid_out(rows, page=page),
    }


def _variables() -> list[dict[str, object]]:
    return [
        {"name": "datasource", "label": "Prometheus", "type": "datasource", "query": "prometheus",
         "refresh": 1, "hide": 0, "includeAll": False, "multi": False},
        _labels("shop", "Shop", "tallymark_up", "shop"),
        {**_labels("model", "Attribution", "tallymark_channel_revenue", "model"),
         "current": {"selected": True, "text": "last_click", "value": "last_click"}},
    ]  # fmt: skip


def _labels(name: str, label: str, metric: str, of: str) -> dict[str, object]:
    """A variable with the values of a label; asked again whenever the dashboard is opened."""
    query = f"label_values({metric}, {of})"
    return {
        "name": name, "label": label, "type": "query",
        "datasource": {"type": "prometheus", "uid": "${datasource}"},
        "query": {"qryType": 1, "query": query, "refId": f"variable-{name}"},
        "refresh": 1, "sort": 1, "hide": 0, "includeAll": False, "multi": False,
    }  # fmt: skip


def grafana_files(rules: MonitorRules, *, page: str = "") -> dict[str, str]:
    """The files of the folder ``grafana/``: path below it, and text.

    Args:
        rules: The rules of the watch.
        page: Where people read the report; linked, if it is given.
    """
    source: dict[str, object] = {
        "apiVersion": 1,
        "datasources": [
            {"name": "Prometheus", "uid": _DATASOURCE, "type": "prometheus", "access": "proxy",
             "url": "http://localhost:9090", "jsonData": {"timeInterval": "1m"}}
        ],
    }  # fmt: skip
    provider: dict[str, object] = {
        "apiVersion": 1,
        "providers": [
            {"name": "Tallymark", "folder": "Tallymark", "type": "file", "allowUiUpdates": False,
             "options": {"path": _FOLDER}}
        ],
    }  # fmt: skip
    shown = json.dumps(dashboard(rules, page=page), indent=2, ensure_ascii=False)
    return {
        "dashboards/tallymark.json": f"{shown}\n",
        "provisioning/dashboards/tallymark.yml": yaml_text(provider),
        "provisioning/datasources/tallymark.yml": yaml_text(source),
    }
