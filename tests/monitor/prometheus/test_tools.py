"""What Prometheus itself says, with Debian's packages; skipped where they are not installed."""

from __future__ import annotations

import json
import shutil
import socket
import sys
import urllib.parse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from tallymark.config import Config, MonitorRules, load
from tallymark.monitor.prometheus.alerts import JOB, prometheus_files
from tallymark.monitor.prometheus.exporter import Exporter
from tallymark.monitor.prometheus.grafana import dashboard
from tallymark.monitor.prometheus.text import clean
from tests.monitor.prometheus.conftest import HOSTILE
from tests.monitor.prometheus.tools import fetch, promtool, running, tool

HERE = Path(__file__).parent
RULES = load(MonitorRules, None, "rules/monitor.yml")


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port


def _placed(folder: Path) -> Path:
    """The files of prometheus/ in a folder."""
    for name, text in prometheus_files(RULES).items():
        (folder / name).write_text(text, encoding="utf-8")
    return folder


def test_promtool_accepts_the_textfile(output: Path) -> None:
    """Its lint has nothing to say about what a run left."""
    text = (output / "textfile" / "tallymark.prom").read_text(encoding="utf-8")
    assert promtool("check", "metrics", text=text) == ""


def test_promtool_accepts_rules_and_example(tmp_path: Path) -> None:
    """The rules parse, and the example configuration finds them."""
    assert "SUCCESS" in promtool("check", "rules", "tallymark.rules.yml", home=_placed(tmp_path))
    assert "SUCCESS" in promtool("check", "config", "prometheus.yml", home=tmp_path)


def test_alerts_fire_when_they_should_and_not_before(tmp_path: Path) -> None:
    """Prometheus' own test of the rules, over made series."""
    shutil.copyfile(HERE / "rules_test.yml", _placed(tmp_path) / "rules_test.yml")
    assert "SUCCESS" in promtool("test", "rules", "rules_test.yml", home=tmp_path)


# ---------------------------------------------------------------- a Prometheus of this machine


@pytest.fixture(scope="module")
def api(output: Path, config: Config, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a Prometheus that scrapes the command's own endpoint."""
    program = tool("prometheus")
    home = tmp_path_factory.mktemp("scraping")
    (home / "tallymark.yml").write_text(
        json.dumps({"shop": {"name": config.shop.name, "currency": "EUR"}}), encoding="utf-8"
    )
    ours, theirs = _free_port(), _free_port()
    settings = YAML(typ="safe").load(prometheus_files(RULES)["prometheus.yml"])
    settings["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
    settings["scrape_configs"][0]["static_configs"][0]["targets"] = [f"127.0.0.1:{ours}"]
    place = _placed(tmp_path_factory.mktemp("prometheus-home"))
    (place / "prometheus.yml").write_text(json.dumps(settings), encoding="utf-8")
    serve = (sys.executable, "-m", "tallymark", "export", "prometheus", "--project", home,
             "--warehouse", output / "warehouse", "--serve", f"127.0.0.1:{ours}")  # fmt: skip
    scrape = (program, "--config.file=prometheus.yml", "--storage.tsdb.path=data",
              f"--web.listen-address=127.0.0.1:{theirs}", "--log.level=warn")  # fmt: skip
    with running(*serve, home=home), running(*scrape, home=place):
        base = f"http://127.0.0.1:{theirs}/api/v1"
        fetch(f"{base}/query?query=tallymark_up", until='"1"')
        yield base


def _ask(api: str, expr: str) -> list[dict[str, Any]]:
    """The series that a query gives now."""
    said = json.loads(fetch(f"{api}/query?{urllib.parse.urlencode({'query': expr})}"))
    assert said["status"] == "success"
    found: list[dict[str, Any]] = said["data"]["result"]
    return found


def _filled(expr: str) -> str:
    """A query with the dashboard's variables as Grafana fills them in."""
    shop = clean(HOSTILE).replace("\\", "\\\\").replace('"', '\\"')
    return expr.replace("$shop", shop).replace("$model", "last_click")


def test_every_panel_has_data(api: str) -> None:
    """Each query of the dashboard gives at least one series of a real scrape."""
    shown: dict[str, Any] = json.loads(json.dumps(dashboard(RULES)))
    silent = [
        f"{panel['title']}: {target['expr']}"
        for panel in shown["panels"]
        for target in panel.get("targets", ())
        if not _ask(api, _filled(target["expr"]))
    ]
    assert not silent
    assert [one["value"][1] for one in _ask(api, _filled('tallymark_status{shop="$shop"}'))] == [
        "2"
    ]


def test_variables_have_their_values(api: str) -> None:
    """The shop is listed under its name, and each attribution model."""
    shops = json.loads(fetch(f"{api}/label/shop/values"))["data"]
    models = json.loads(fetch(f"{api}/label/model/values"))["data"]
    assert shops == [clean(HOSTILE)]
    assert {"first_click", "last_click"} <= set(models)


def test_prometheus_reads_help_and_unit_of_what_is_served(api: str) -> None:
    """It asked for OpenMetrics, and knows the metadata; the endpoint is healthy."""
    told = json.loads(fetch(f"{api}/targets/metadata?limit=1000"))["data"]
    found = {one["metric"]: one for one in told}
    assert found["tallymark_conversion_ratio"]["unit"] == "ratio"
    assert found["tallymark_last_run_timestamp_seconds"]["unit"] == "seconds"
    assert found["tallymark_exporter_reads"]["type"] == "counter"
    targets = json.loads(fetch(f"{api}/targets"))["data"]["activeTargets"]
    assert [(one["labels"]["job"], one["health"]) for one in targets] == [(JOB, "up")]


def test_the_p0_alert_fires(api: str) -> None:
    """The renamed column of the last day is an alert of the shop; no rule has an error."""
    fetch(f"{api}/query?query=ALERTS", until="TallymarkIncidentP0")
    firing = {one["metric"]["alertname"]: one["metric"] for one in _ask(api, "ALERTS")}
    assert firing["TallymarkIncidentP0"]["shop"] == clean(HOSTILE)
    assert firing["TallymarkIncidentP0"]["severity"] == "critical"
    groups = json.loads(fetch(f"{api}/rules"))["data"]["groups"]
    assert {rule["health"] for group in groups for rule in group["rules"]} <= {"ok", "unknown"}


def test_node_exporter_reads_the_textfile(output: Path, config: Config, tmp_path: Path) -> None:
    """The textfile collector gives out every series, under the same names, without an error."""
    folder, port = tmp_path / "textfile", _free_port()
    exporter = Exporter(output / "warehouse", config)
    exporter.write(folder / "tallymark.prom")
    words = (tool("prometheus-node-exporter"), "--collector.disable-defaults",
             "--collector.textfile", f"--collector.textfile.directory={folder}",
             f"--web.listen-address=127.0.0.1:{port}")  # fmt: skip
    with running(*words, home=tmp_path):
        text = fetch(f"http://127.0.0.1:{port}/metrics", until="tallymark_up")
    assert "node_textfile_scrape_error 0" in text
    ours = (folder / "tallymark.prom").read_text(encoding="utf-8").splitlines()
    lines = [one for one in ours if not one.startswith("#")]
    assert len([one for one in text.splitlines() if one.startswith("tallymark_")]) == len(lines)
