"""Alerting rules for Prometheus, and an example of how it finds the metrics, as YAML."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tallymark.config import MonitorRules, Severity
from tallymark.monitor.prometheus.server import HOST, PORT
from tallymark.yamltext import yaml_text

__all__ = ["JOB", "QUARANTINE", "STALE_HOURS", "prometheus_files", "quarantine_limits"]

JOB = "tallymark"
# A day's events come with the delivery of the next morning, so that sound data is up to 24 hours
# and a delivery's delay old: 36 hours leave half a day for that, 60 that and a whole day missed.
STALE_HOURS = (36, 60)
_RUN_HOURS = 26  # a run a day, and two hours for it
QUARANTINE = "quarantined_share"
_HEAD = "# Made by `tallymark export rules`; change the rules of the watch, or copy this file.\n"
_WEIGHT = {Severity.P0: "critical", Severity.P1: "critical", Severity.P2: "warning"}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Alert:
    """One alerting rule."""

    name: str
    expr: str
    hold: str  # how long it must be true, in Prometheus' words
    weight: str
    summary: str
    description: str

    def as_rule(self) -> dict[str, object]:
        return {
            "alert": self.name,
            "expr": self.expr,
            "for": self.hold,
            "labels": {"severity": self.weight},
            "annotations": {"summary": self.summary, "description": self.description},
        }


def quarantine_limits(rules: MonitorRules) -> dict[Severity, float]:
    """From which share of quarantined rows on the watch warns, by severity, gravest first."""
    found: dict[Severity, float] = {}
    for rule in rules.rules:
        watched = rule.enabled and rule.metric == QUARANTINE and rule.method == "deterministic"
        if watched and rule.threshold is not None and rule.severity in _WEIGHT:
            found[rule.severity] = min(rule.threshold, found.get(rule.severity, rule.threshold))
    return dict(sorted(found.items()))


def prometheus_files(rules: MonitorRules) -> dict[str, str]:
    """The files of the folder ``prometheus/``: name and text.

    Args:
        rules: The rules of the watch, whose limits the alerts share.
    """
    groups = [
        {"name": "tallymark", "rules": [_age(), *(one.as_rule() for one in _alerts(rules))]},
        {"name": "tallymark-textfile", "rules": [one.as_rule() for one in _TEXTFILE]},
    ]
    return {
        "tallymark.rules.yml": f"{_HEAD}{yaml_text({'groups': groups})}",
        "prometheus.yml": _scrape(),
    }


def _age() -> Mapping[str, object]:
    return {
        "record": "tallymark:data_age:seconds",
        "expr": "time() - tallymark_last_event_timestamp_seconds",
    }


def _alerts(rules: MonitorRules) -> Sequence[_Alert]:
    return [*_incidents(), *_data(), *_quarantined(rules), *_exporter()]


def _incidents() -> list[_Alert]:
    meanings = {
        Severity.P0: ("revenue or attribution cannot be used", "Do not use today's numbers."),
        Severity.P1: ("a decision would be wrong today", "Read the report before deciding."),
        Severity.P2: ("something changed more than it does by chance", "Look at it this week."),
    }
    return [
        _Alert(
            name=f"TallymarkIncident{severity}",
            expr=f'sum by (shop) (tallymark_incidents{{severity="{severity}",state="open"}}) > 0',
            hold="0m",
            weight=_WEIGHT[severity],
            summary=f"{{{{ $labels.shop }}}}: {meaning}",
            description=f"{{{{ $value }}}} open {severity} incidents. {what} Cause, money at risk "
            "and fix are in reports/monitoring_report.md.",
        )
        for severity, (meaning, what) in meanings.items()
    ]


def _data() -> list[_Alert]:
    stale = [
        _Alert(
            name=name,
            expr=f"tallymark:data_age:seconds > {hours * 3600}",
            hold="10m",
            weight=weight,
            summary=f"{{{{ $labels.shop }}}}: no event of the last {hours} hours",
            description="The newest event is {{ $value | humanizeDuration }} old. Ask for the "
            "delivery that is missing, then run `tallymark run`.",
        )
        for name, hours, weight in zip(
            ("TallymarkDataStale", "TallymarkDataVeryStale"),
            STALE_HOURS,
            ("warning", "critical"),
            strict=True,
        )
    ]
    return [
        *stale,
        _Alert(
            name="TallymarkRunStale",
            expr=f"time() - tallymark_last_run_timestamp_seconds > {_RUN_HOURS * 3600}",
            hold="10m",
            weight="warning",
            summary="{{ $labels.shop }}: no run for more than a day",
            description="The warehouse was last published {{ $value | humanizeDuration }} ago. "
            "See why the scheduled `tallymark run` did not come to its end.",
        ),
        _Alert(
            name="TallymarkNotJudged",
            expr="tallymark_latest_day_timestamp_seconds > tallymark_judged_day_timestamp_seconds "
            "or tallymark_latest_day_timestamp_seconds unless on (shop) "
            "tallymark_judged_day_timestamp_seconds",
            hold="1h",
            weight="warning",
            summary="{{ $labels.shop }}: the latest day was built and not judged",
            description="Its status and incidents are those of an earlier day, or of none. Run "
            "`tallymark monitor`.",
        ),
        _Alert(
            name="TallymarkDeliveryRefused",
            expr="tallymark_refused_deliveries > 0",
            hold="0m",
            weight="critical",
            summary="{{ $labels.shop }}: a delivery was refused whole",
            description="{{ $value }} deliveries are in no number. `tallymark quarantine list` "
            "says why; deliver again, or decide to leave them out.",
        ),
    ]


def _quarantined(rules: MonitorRules) -> list[_Alert]:
    limits = quarantine_limits(rules)
    return [
        _Alert(
            name=f"TallymarkRowsQuarantined{severity}",
            expr=f"tallymark_quarantined_rows_ratio > {limit:g}",
            hold="0m",
            weight=_WEIGHT[severity],
            summary=f"{{{{ $labels.shop }}}}: over {100 * limit:g} % of the rows are in quarantine",
            description="{{ $value | humanizePercentage }} of the rows of the latest day are in "
            "no number. The reasons are in the folder quarantine/.",
        )
        for severity, limit in limits.items()
    ]


def _exporter() -> list[_Alert]:
    return [
        _Alert(
            name="TallymarkWarehouseUnreadable",
            expr="tallymark_up == 0",
            hold="5m",
            weight="critical",
            summary="{{ $labels.shop }}: the warehouse cannot be read",
            description="The exporter runs, but there is no warehouse where it looks, or one that "
            "it cannot read. `tallymark export prometheus` says which.",
        ),
        _Alert(
            name="TallymarkScrapeFailed",
            expr=f'up{{job="{JOB}"}} == 0',
            hold="5m",
            weight="critical",
            summary="{{ $labels.instance }} does not answer",
            description="Start `tallymark export prometheus --serve` again.",
        ),
        _Alert(
            name="TallymarkAbsent",
            expr="absent(tallymark_up)",
            hold="15m",
            weight="critical",
            summary="Nothing is known of any shop",
            description="Prometheus has no metric of Tallymark: neither the endpoint nor the "
            "textfile is scraped.",
        ),
    ]


_TEXTFILE = (
    _Alert(
        name="TallymarkTextfileStale",
        expr=f'time() - node_textfile_mtime_seconds{{file=~".*tallymark.*"}} > {_RUN_HOURS * 3600}',
        hold="10m",
        weight="warning",
        summary="{{ $labels.instance }}: {{ $labels.file }} is old",
        description="It was last written {{ $value | humanizeDuration }} ago.",
    ),
    _Alert(
        name="TallymarkTextfileUnreadable",
        expr="node_textfile_scrape_error == 1 and on (instance) tallymark_up",
        hold="10m",
        weight="warning",
        summary="{{ $labels.instance }}: a textfile cannot be read",
        description="node_exporter could not read one of the files in its textfile folder.",
    ),
)


def _scrape() -> str:
    """How Prometheus finds the endpoint and the rules."""
    tree: dict[str, object] = {
        "global": {"scrape_interval": "1m", "evaluation_interval": "1m"},
        "rule_files": ["tallymark.rules.yml"],
        "scrape_configs": [{"job_name": JOB, "static_configs": [{"targets": [f"{HOST}:{PORT}"]}]}],
    }
    head = (
        "# An example; copy what you need into your own prometheus.yml.\n"
        f"# The target is `tallymark export prometheus --serve {HOST}:{PORT}`. With a textfile, "
        "scrape\n# node_exporter --collector.textfile.directory=FOLDER in its place.\n"
    )
    return head + yaml_text(tree)
