"""Numbers, dates and sentences for people who do not code."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Sequence

from tallymark.monitor.detect import Judged

__all__ = [
    "amount",
    "day_name",
    "instant",
    "moment",
    "money",
    "named_days",
    "number",
    "parse",
    "percent",
    "said",
]

_SYMBOLS = {"EUR": "€", "GBP": "£", "JPY": "¥", "USD": "$"}
_NAMES = {
    "aov": "Average order value",
    "bot_share": "The share of rows from bots",
    "cart_rate": "The share of sessions with an add to cart",
    "channel_share": "The mix of channels",
    "checkout_rate": "The share of carts that reach checkout",
    "conversion_rate": "The conversion rate",
    "device_share": "The mix of devices",
    "double_fired_share": "The share of double-fired page views",
    "identity_coverage": "The share of rows with a client id",
    "new_client_share": "The share of sessions of new clients",
    "no_channel_revenue_share": "The share of revenue without a channel",
    "orders": "The number of orders",
    "payload_coverage": "The share of payloads with the field",
    "purchase_rate": "The share of checkouts that become an order",
    "quarantined_share": "The share of quarantined rows",
    "referrer_coverage": "The share of landing views with a referrer",
    "repeated_share": "The share of repeated rows",
    "sessions": "The number of sessions",
    "rows_accepted": "The number of rows delivered",
}
_SMALL = 1000
_TIMES = 5.0  # times the usual, from which on nobody thinks in per cent
# An average that would be usual but for such a factor was written in another unit.
_UNITS = {
    100.0: "prices in cents?",
    1000.0: "a thousands separator read as a decimal point before, or lost now?",
    0.01: "prices divided by 100 twice?",
    0.001: "a thousands separator read as a decimal point?",
}


def number(value: float) -> str:
    """A count for reading: 3,541 or, when small and broken, 3.5."""
    if value < _SMALL and abs(value - round(value)) > 0.05:  # noqa: PLR2004 -- shown to one digit
        return f"{value:,.1f}"
    return f"{value:,.0f}"


def percent(share: float) -> str:
    """A share for reading, with as many digits as it needs."""
    value = 100.0 * share
    if value in {0.0, 100.0}:
        return f"{value:.0f} %"
    digits = 2 if abs(value) < 1 or 99 < value < 100 else 1  # noqa: PLR2004 -- near the ends
    return f"{value:.{digits}f} %"


def money(value: float, currency: str) -> str:
    """An amount for reading, in whole units: $20,408 or CHF 20,408."""
    symbol = _SYMBOLS.get(currency)
    sign = "-" if value < 0 else ""
    text = f"{abs(value):,.0f}"
    return f"{sign}{symbol}{text}" if symbol else f"{sign}{currency} {text}"


def amount(judged: Judged, value: float, currency: str) -> str:
    """A value of a judged metric in its own unit."""
    if judged.rule.method == "rate":
        return percent(value)
    if judged.rule.method == "money":
        return money(value, currency)
    return number(value)


def said(judged: Judged, currency: str) -> str:
    """The sentence of a statistical finding."""
    metric = judged.rule.metric or ""
    name = _NAMES.get(metric, metric.replace("_", " ").capitalize())
    if "kind" in judged.detail:
        name = f"{name} shifted: the share of {judged.detail['kind']}"
    elif ":" in judged.key:
        name = f"{name} {judged.key.partition(':')[2]}"
    now, usual, low, high = (
        amount(judged, value, currency)
        for value in (judged.observed, judged.expected, judged.low, judged.high)
    )
    over = f" over the last {judged.window} days" if judged.window > 1 else ""
    return (
        f"{name} was {now}{over}, {_moved(judged)} the usual {usual} ({low} to {high})"
        f"{_other_unit(judged)}"
    )


def _other_unit(judged: Judged) -> str:
    """In which unit an average was most likely written that is far from the usual."""
    if judged.rule.metric != "aov" or judged.expected <= 0:
        return ""
    for factor, told in _UNITS.items():
        if judged.low <= judged.observed / factor <= judged.high:
            return f": {told}"
    return ""


def _moved(judged: Judged) -> str:
    way = "above" if judged.points > 0 else "below"
    if judged.rule.method == "rate":
        return f"{abs(100 * judged.points):.1f} points {way}"
    if not math.isfinite(judged.change):
        return f"{way}"
    if judged.change >= _TIMES - 1:
        times = judged.observed / judged.expected
        return f"{times:,.{0 if times >= 10 else 1}f} times"  # noqa: PLR2004 -- one digit below
    return f"{abs(100 * judged.change):.0f} % {way}"


def instant(moment: dt.datetime) -> str:
    """ISO 8601 UTC, to the millisecond, as every report writes it."""
    return moment.isoformat(timespec="milliseconds") + "Z"


def parse(text: str) -> dt.datetime | None:
    """The moment of an ISO 8601 text, as naive UTC; None when it is none."""
    try:
        found = dt.datetime.fromisoformat(text)
    except ValueError:
        return None
    if found.tzinfo is None:
        return found
    return found.astimezone(dt.UTC).replace(tzinfo=None)


def moment(text: str) -> str:
    """A moment for reading: 27 Feb 00:00."""
    found = parse(text)
    return text if found is None else f"{found.day} {found:%b %H:%M}"


def day_name(date: dt.date) -> str:
    """A date for reading: Thu 27 Feb 2025."""
    return f"{date:%a} {date.day} {date:%b %Y}"


def named_days(dates: Sequence[str]) -> str:
    """Days as a short list, the latest of many."""
    shown = 7
    more = len(dates) - shown
    text = ", ".join(dates[-shown:])
    return text if more <= 0 else f"{text} and {more} earlier days"
