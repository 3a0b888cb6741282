from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from tallymark.config import MonitorRules, Severity, load
from tallymark.monitor.prometheus.alerts import prometheus_files, quarantine_limits
from tallymark.monitor.prometheus.families import BY_NAME, SHOP
from tallymark.monitor.prometheus.grafana import dashboard, grafana_files
from tallymark.monitor.prometheus.panels import COLUMNS
from tests.cli.calling import call, contents

ROOT = Path(__file__).resolve().parents[3]
RULES = load(MonitorRules, None, "rules/monitor.yml")
SHOWN: dict[str, Any] = json.loads(json.dumps(dashboard(RULES)))
PANELS = [one for one in SHOWN["panels"] if one["type"] != "row"]
# What Grafana 13 knows of each kind of panel: its types, @grafana/schema 13.2, read by a person.
OPTIONS = {
    "stat": {"reduceOptions", "colorMode", "graphMode", "justifyMode", "orientation", "textMode"},
    "bargauge": {"reduceOptions", "displayMode", "orientation", "showUnfilled", "valueMode"},
    "timeseries": {"legend", "tooltip"},
    "table": {"showHeader", "cellHeight"},
}
UNITS = {"short", "none", "percentunit", "s", "time:YYYY-MM-DD", "dateTimeAsIso"}
ROWS = ("Status", "Revenue", "Funnel", "Channel mix", "Coverage", "Incidents", "Deliveries")

every_panel = pytest.mark.parametrize("panel", PANELS, ids=lambda one: one["title"])


def names(expr: str) -> set[str]:
    """The metrics that a query names."""
    return set(re.findall(r"\btallymark_\w+", expr))


def labels(expr: str) -> Iterator[tuple[str, set[str]]]:
    """Each metric that a query selects, with the labels it selects by."""
    for name, inside in re.findall(r"\b(tallymark_\w+)\{(.*?)\}", expr):
        yield name, set(re.findall(r"(\w+)(?:=~|!=|!~|=)", inside))


def test_the_rows_are_there_in_their_order() -> None:
    """Each row is followed by its panels; ids are used once."""
    assert tuple(one["title"] for one in SHOWN["panels"] if one["type"] == "row") == ROWS
    ids = [one["id"] for one in SHOWN["panels"]]
    assert len(ids) == len(set(ids))
    assert SHOWN["schemaVersion"] == 42


def test_panels_lie_side_by_side_and_fill_the_grid() -> None:
    """No panel lies over another or beyond the edge."""
    taken: set[tuple[int, int]] = set()
    for one in SHOWN["panels"]:
        at = one["gridPos"]
        cells = {
            (x, y)
            for x in range(at["x"], at["x"] + at["w"])
            for y in range(at["y"], at["y"] + at["h"])
        }
        assert not taken & cells, one["title"]
        assert at["x"] + at["w"] <= COLUMNS
        taken |= cells


@every_panel
def test_a_panel_says_what_it_shows(panel: dict[str, Any]) -> None:
    """Title, description, unit and thresholds; only what Grafana knows of its kind."""
    assert panel["title"]
    assert panel["description"].endswith((".", "?"))
    assert set(panel["options"]) <= OPTIONS[panel["type"]]
    defaults = panel["fieldConfig"]["defaults"]
    assert defaults["unit"] in UNITS
    steps = defaults["thresholds"]["steps"]
    limits = [one["value"] for one in steps]
    assert limits[0] is None
    assert limits[1:] == sorted(limits[1:])
    if "decimals" in defaults:
        assert defaults["decimals"] >= 0


@every_panel
def test_a_panel_asks_for_metrics_that_exist(panel: dict[str, Any]) -> None:
    """Each query names known metrics, of the chosen shop, by labels that they have."""
    letters = [one["refId"] for one in panel["targets"]]
    assert letters == sorted(set(letters))
    for one in panel["targets"]:
        assert one["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
        assert names(one["expr"]) <= set(BY_NAME)
        selected = list(labels(one["expr"]))
        assert {name for name, _ in selected} == names(one["expr"])
        for name, by in selected:
            assert SHOP in by
            assert by <= {SHOP, *BY_NAME[name].labels}
        filled = re.findall(r"\{\{(\w+)\}\}", one["legendFormat"])
        known = {SHOP}.union(*(BY_NAME[name].labels for name in names(one["expr"])))
        assert set(filled) <= known
        assert one["instant"] != one["range"]


def test_the_variables_are_defined_and_used() -> None:
    """Data source, shop and attribution model; queries use no other."""
    defined = {one["name"] for one in SHOWN["templating"]["list"]}
    text = json.dumps([one["targets"] for one in PANELS])
    used = set(re.findall(r"\$\{?(\w+)\}?", text))
    assert used == defined == {"datasource", "shop", "model"}


def test_every_metric_is_on_the_dashboard_but_those_of_the_exporter() -> None:
    """What is exported is shown, but for what only an alert needs."""
    shown = set().union(*(names(target["expr"]) for one in PANELS for target in one["targets"]))
    alone = {"build_info", "latest_day_timestamp_seconds", "dates_delivered", "revenue_gross",
             "events", "page_views", "exporter_reads", "exporter_read_failures"}  # fmt: skip
    assert set(BY_NAME) - shown == {f"tallymark_{one}" for one in alone}


def test_links_lead_to_the_page_that_is_named() -> None:
    """The dashboard, the first row and the table of incidents link to where people read."""
    page = "https://lamps.example/morning/"
    shown = json.loads(json.dumps(dashboard(RULES, page=page)))
    assert page in [one["url"] for one in shown["links"]]
    linked = [one["title"] for one in shown["panels"] if one.get("links")]
    assert {"Status", "Incidents"} <= set(linked)
    assert not [one for one in PANELS if one.get("links")]


def test_limits_are_those_of_the_watch() -> None:
    """Alerts and lines of quarantined rows follow the shop's own rules."""
    assert quarantine_limits(RULES) == {Severity.P1: 0.1, Severity.P2: 0.01}
    changed = tuple(
        one.model_copy(update={"threshold": 0.25}) if one.id == "quarantined_rows_many" else one
        for one in RULES.rules
        if one.id != "quarantined_rows"
    )
    rules = RULES.model_copy(update={"rules": changed})
    assert quarantine_limits(rules) == {Severity.P1: 0.25}
    text = prometheus_files(rules)["tallymark.rules.yml"]
    assert "tallymark_quarantined_rows_ratio > 0.25" in text
    assert "TallymarkRowsQuarantinedP2" not in text
    panel = next(
        one
        for one in json.loads(json.dumps(dashboard(rules)))["panels"]
        if one["title"] == "Rows in quarantine"
    )
    steps = panel["fieldConfig"]["defaults"]["thresholds"]["steps"]
    assert [one["value"] for one in steps] == [None, 0.25]
    none = RULES.model_copy(update={"rules": ()})
    assert "Quarantined" not in prometheus_files(none)["tallymark.rules.yml"]
    assert dashboard(none)


def test_alerts_say_what_and_what_to_do() -> None:
    """Every alert has a weight, a summary, a description, and metrics that exist."""
    tree = YAML(typ="safe").load(prometheus_files(RULES)["tallymark.rules.yml"])
    alerts = [one for group in tree["groups"] for one in group["rules"] if "alert" in one]
    assert len({one["alert"] for one in alerts}) == len(alerts)
    for one in alerts:
        assert one["labels"]["severity"] in {"critical", "warning"}
        assert one["annotations"]["summary"]
        assert one["annotations"]["description"].endswith(".")
        assert names(one["expr"]) <= set(BY_NAME)


def test_the_repositorys_copies_are_what_the_commands_write(tmp_path: Path) -> None:
    """The folders grafana/ and prometheus/ are made; `make docs` makes them anew."""
    grafana = call("export", "grafana", "--output", tmp_path / "g", "--project", tmp_path)
    rules = call("export", "rules", "--output", tmp_path / "p", "--project", tmp_path, "--json")
    assert grafana.code == rules.code == 0
    assert len(grafana.out.splitlines()) == len(grafana_files(RULES))
    assert len(rules.data) == len(prometheus_files(RULES))
    assert contents(tmp_path / "g") == contents(ROOT / "grafana")
    assert contents(tmp_path / "p") == contents(ROOT / "prometheus")
