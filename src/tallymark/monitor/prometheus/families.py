"""Every metric that is exported: name, what it means, unit and labels, in the order written.

All are gauges, because a warehouse can be corrected and built anew, so that none of its numbers
only ever grows; the two counters count what the exporter itself did. A day's number is that of the
latest delivered day, as it was known at the end of that day.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["BY_NAME", "FAMILIES", "SHOP", "Family"]

SHOP = "shop"  # the first label of every series


@dataclass(frozen=True, slots=True)
class Family:
    """One metric.

    Attributes:
        name: With its unit as its end, if it has one.
        help: A sentence; no quotes or backslashes, which two dialects would escape differently.
        unit: ``seconds`` or ``ratio``, as OpenMetrics states it.
        labels: Names of the labels after ``shop``.
        counter: Whether it counts what this process did.
    """

    name: str
    help: str
    unit: str = ""
    labels: tuple[str, ...] = ()
    counter: bool = False


def _ratio(name: str, text: str, *labels: str) -> Family:
    return Family(f"tallymark_{name}_ratio", text, "ratio", labels)


def _moment(name: str, text: str, *labels: str) -> Family:
    return Family(f"tallymark_{name}_timestamp_seconds", text, "seconds", labels)


def _number(name: str, text: str, *labels: str) -> Family:
    return Family(f"tallymark_{name}", text, "", labels)


_CURRENCY = "currency"
_INCIDENT = ("rule", "severity", "state")

FAMILIES: tuple[Family, ...] = (
    # ------------------------------------------------------------ the exporter and its warehouse
    _number("up", "1 if the warehouse could be read, else 0."),
    _number("build_info", "1; the labels say which version reads the warehouse.", "version"),
    _moment("last_run", "When the warehouse was last published or judged."),
    _moment("latest_day", "Start of the latest day that has a delivery."),
    _moment("last_event", "Time of the latest event, but not after the end of the latest day."),
    _number("dates_delivered", "Dates that have a delivery."),
    _number("dates_missing", "Dates without a delivery between the first and the latest."),
    # ------------------------------------------------------------ status
    _moment("judged_day", "Start of the latest day that the watch has judged."),
    _number("status", "Status of the judged day: 0 GREEN, 1 YELLOW, 2 RED."),
    _number("layer_status", "Status of a layer of the watch: 0 GREEN, 1 YELLOW, 2 RED.", "layer"),
    _number("incidents", "Incidents of the judged day.", "severity", "state"),
    _number("findings", "Findings of the judged day.", "layer", "severity"),
    _moment("incident_since", "When the oldest incident of a rule began.", *_INCIDENT),
    _number("incident_money_at_risk", "What the incidents of a rule put at risk, in the currency.",
            *_INCIDENT, _CURRENCY),
    _number("metric_judged", "1 if the watch judges the metric, 0 while it is still learning.",
            "metric"),
    _number("metric_expected", "What was expected of a judged metric.", "metric"),
    _number("metric_expected_low", "Below this are 2.5 % of normal days.", "metric"),
    _number("metric_expected_high", "Above this are 2.5 % of normal days.", "metric"),
    # ------------------------------------------------------------ sales and funnel
    _number("orders", "Counted orders."),
    _number("revenue", "Revenue of counted orders, in the currency.", _CURRENCY),
    _number("revenue_gross", "Revenue of all orders as delivered, in the currency.", _CURRENCY),
    _number("average_order_value", "Revenue by counted order, in the currency.", _CURRENCY),
    _number("odd_orders", "Orders that are tests, or share their transaction id.", "kind"),
    _number("sessions", "Sessions of people; programs and staff left out."),
    _number("funnel_sessions", "Sessions that reached a step.", "step"),
    _ratio("funnel_step", "Sessions that reached a step, of those at the step before.", "step"),
    _ratio("conversion", "Sessions with a counted order, of all sessions."),
    _ratio("new_client_sessions", "Sessions that are their clients' first, of all sessions."),
    # ------------------------------------------------------------ channels and devices
    _number("channel_sessions", "Sessions by channel.", "channel"),
    _number("channel_revenue", "Revenue credited to a channel by an attribution model.",
            "channel", "model", _CURRENCY),
    _ratio("no_channel_revenue", "Revenue without a known channel, by last click, of all."),
    _number("device_sessions", "Sessions by kind of device.", "device"),
    # ------------------------------------------------------------ coverage
    _number("events", "Events, those of programs included, exact repeats left out."),
    _number("page_views", "Page views of people; programs and staff left out."),
    _ratio("client_id_coverage", "Events that have a client id."),
    _ratio("referrer_coverage", "Landings that have a referrer."),
    _ratio("utm_coverage", "Sessions whose landing has a campaign tag."),
    _ratio("click_id_coverage", "Sessions whose landing has a click id."),
    _ratio("payload_coverage", "Payloads in which a field is filled.", "field"),
    _ratio("bot_events", "Events of programs."),
    _ratio("repeated_events", "Exact repeats of another event, by event; at most 1."),
    _ratio("double_fired_views", "Page views that came twice within a second."),
    # ------------------------------------------------------------ deliveries
    _number("deliveries", "Deliveries of the latest day by the verdict of the gate.", "verdict"),
    _number("delivery_score", "Lowest score of the latest day's deliveries, 0 to 100."),
    _number("delivery_rows_read", "Rows read of the latest day's deliveries."),
    _number("delivery_rows_accepted", "Rows accepted of them."),
    _number("delivery_rows_quarantined", "Rows of them kept in quarantine."),
    _number("delivery_rows_repeated", "Accepted rows that are exact repeats of another."),
    _ratio("quarantined_rows", "Rows kept in quarantine, of those read of the latest day."),
    _number("quarantine_rows", "Rows kept in quarantine, of all deliveries."),
    _number("refused_deliveries", "Deliveries refused whole, on days that have nothing else."),
    # ------------------------------------------------------------ what the exporter did
    Family("tallymark_exporter_reads", "Times the warehouse was read.", counter=True),
    Family("tallymark_exporter_read_failures", "Times it could not be read.", counter=True),
)  # fmt: skip

BY_NAME = {one.name: one for one in FAMILIES}
