"""The executive summary: one page that says what happened, how sure it is, and what to do."""

from __future__ import annotations

import dataclasses
import datetime as dt
import functools
import importlib.resources
import json
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tallymark.config import Config
from tallymark.engine.currency import currency_until
from tallymark.engine.warehouse import Warehouse, write_atomically
from tallymark.errors import TallymarkError, UsageError
from tallymark.report import charts
from tallymark.report.advice import (
    caveats,
    conclusion,
    headline,
    no_channel_bound,
    recommendations,
)
from tallymark.report.judgement import Judgement, Trouble, read
from tallymark.report.numbers import Numbers, Orders, compute
from tallymark.report.text import (
    alternatives,
    count,
    day,
    moment,
    money,
    money_range,
    percent,
    percent_range,
    period,
    readable,
    shown,
    symbol,
)
from tallymark.results import ReportResult, Status
from tallymark.version import __version__

if TYPE_CHECKING:
    import typst

__all__ = ["FILE", "write_report"]

FILE = "executive-summary.pdf"
MOST_TROUBLES = 4
_EPOCH = dt.date(1970, 1, 1)  # the date of a document about no data
_BADGES = {
    Status.GREEN: "GREEN: no error open",
    Status.YELLOW: "YELLOW: usable with limits",
    Status.RED: "RED: errors are open",
}
_DASH = "–"


def write_report(
    warehouse: Warehouse, output: Path, *, config: Config, date: dt.date | None = None
) -> ReportResult:
    """Write ``executive-summary.pdf`` into ``output``, whole or not at all.

    The same warehouse gives the same bytes: nothing of the page depends on the clock, the time
    zone or the fonts of the machine.

    Args:
        warehouse: A whole warehouse, or a folder that holds only exported ``fct_*`` tables: then
            the page leaves out what those cannot tell, and says so.
        output: The folder to write to; made if it is not there.
        config: Whose currency, name and definitions the page prints.
        date: Leave out what is dated after this day; None means all.

    Returns:
        The path and every number the page states.

    Raises:
        WarehouseError: Nothing to read there.
        UsageError: There is nothing up to ``date``.
        TallymarkError: The page cannot be set, or its font is not there.
    """
    engine = warehouse.open(memory_limit=config.engine.memory_limit, threads=config.engine.threads)
    try:
        own = config.shop.currency
        currency = currency_until(engine, own, date)
        config = config.model_copy(
            update={"shop": config.shop.model_copy(update={"currency": currency})}
        )
        numbers = compute(engine, currency=currency, through=date, own=own)
        judgement = read(warehouse, engine, through=date)
    finally:
        engine.close()
    if date is not None and numbers.first is None:
        raise UsageError(
            f"there is nothing to report up to {date.isoformat()}", fix="ask for a later day"
        )
    pdf = _render(_page(numbers, judgement, config), numbers.last or date or _EPOCH)
    path = output / FILE
    try:
        write_atomically(path, pdf)
    except OSError as error:
        raise TallymarkError(
            f"the report cannot be written: {error.strerror}",
            where=str(path),
            fix="choose a folder that can be written with --output",
        ) from error
    return ReportResult(paths=(path,), numbers=_stated(numbers, judgement))


def _stated(numbers: Numbers, judgement: Judgement) -> dict[str, Any]:
    stated = dataclasses.asdict(numbers)
    stated["no_channel_revenue_share"] = numbers.no_channel_value
    stated["status"] = judgement.status.value if judgement.status else None
    stated["judged_day"] = judgement.day
    return stated


# ---------------------------------------------------------------- the page as data


def _page(numbers: Numbers, judgement: Judgement, config: Config) -> dict[str, Any]:
    currency = config.shop.currency
    last = numbers.last or _EPOCH
    return {
        "title": headline(numbers, judgement, currency=currency),
        "author": shown(config.shop.name, 60),
        "date": [last.year, last.month, last.day],
        "status": judgement.status.value if judgement.status else "NONE",
        "badge": _badge(judgement),
        "subtitle": _subtitle(numbers, judgement, config),
        "conclusion": [list(part) for part in conclusion(numbers, judgement, currency=currency)],
        "tiles": _tiles(numbers, judgement, currency),
        "charts": [_drawn(chart) for chart in _charts(numbers, judgement, currency)],
        "broke": _broke(judgement, numbers.last, currency),
        "advice": [
            {
                "action": [_capital(said) for said in _said(one.action, 240)],
                "amount": one.amount,
                "basis": _said(one.basis, 240),
            }
            for one in recommendations(numbers, judgement, currency=currency)
        ],
        "caveats": [list(one) for one in caveats(numbers, currency=currency)],
        "policies": _policies(numbers.orders, currency),
        "aside": _aside(numbers.orders),
        "definitions": _definitions(config),
        "footer": _footer(numbers),
    }


def _badge(judgement: Judgement) -> str:
    if judgement.status is None:
        return "NOT MONITORED"
    if judgement.source == "gate":
        return f"{judgement.status}: by the gate alone"
    return _BADGES[judgement.status]


def _subtitle(numbers: Numbers, judgement: Judgement, config: Config) -> str:
    if numbers.first is None or numbers.last is None:
        when = "no data yet"
    else:
        span = (numbers.last - numbers.first).days + 1
        length = count(span, "day")
        if numbers.days_with_data != span:
            length = f"{numbers.days_with_data:,} of {span:,} days with data"
        when = f"{period(numbers.first, numbers.last)} ({length}, {config.shop.timezone})"
    parts = [shown(config.shop.name, 60), when]
    if judgement.day:
        parts.append(f"data judged on {moment(judgement.day)}")
    return "  ·  ".join(parts)


def _charts(numbers: Numbers, judgement: Judgement, currency: str) -> list[charts.Chart]:
    return [
        charts.daily_revenue(
            numbers, judgement.bad_days, currency=currency, judged=bool(judgement.judged_days)
        ),
        charts.funnel(numbers),
        charts.credit(numbers, currency=currency),
        charts.coverage(numbers) or charts.conversion(numbers),
    ]


def _drawn(chart: charts.Chart) -> dict[str, Any]:
    return {
        "title": chart.title,
        "subtitle": chart.subtitle,
        "alt": chart.alt,
        "legend": [list(entry) for entry in chart.legend],
        "svg": charts.svg(chart),
    }


def _tile(label: str, value: str, *captions: str, tone: str = "") -> dict[str, Any]:
    return {"label": label, "value": value, "captions": list(captions), "tone": tone}


def _tiles(numbers: Numbers, judgement: Judgement, currency: str) -> list[dict[str, Any]]:
    return [
        *_order_tiles(numbers.orders, currency),
        _conversion_tile(numbers),
        _no_channel_tile(numbers, currency),
        _data_tile(numbers, judgement),
    ]


def _order_tiles(orders: Orders | None, currency: str) -> list[dict[str, Any]]:
    if orders is None:
        return [
            _tile(label, _DASH, "fct_orders is not here")
            for label in ("Counted revenue", "Counted orders", "Order value")
        ]
    chance = orders.revenue.interval
    mean = orders.mean
    return [
        _tile(
            "Counted revenue",
            money(orders.revenue.value, currency, "short"),
            *(
                ("by chance alone, 95%", money_range(max(0.0, chance.low), chance.high, currency))
                if chance
                else ("too few for an interval",)
            ),
        ),
        _tile(
            "Counted orders",
            f"{orders.counted:,}",
            f"{sum(orders.set_aside.values()):,} set aside",
            f"{orders.collisions:,} share an id" if orders.collisions else "no id shared",
        ),
        _tile(
            "Order value",
            money(mean.value, currency) if mean else _DASH,
            *(
                (
                    "95% bootstrap",
                    " to ".join(money(end, currency) for end in mean.interval),
                )
                if mean and mean.interval
                else ("too few for an interval",)
            ),
        ),
    ]


def _conversion_tile(numbers: Numbers) -> dict[str, Any]:
    if numbers.sessions is None:
        return _tile("Session conversion", _DASH, "fct_sessions is not here")
    rate = numbers.sessions.conversion
    if rate.value is None or rate.interval is None:
        return _tile("Session conversion", _DASH, "no session of a person")
    return _tile(
        "Session conversion",
        percent(rate.value),
        f"95%: {percent_range(rate.interval.low, rate.interval.high)}",
        f"{rate.numerator:,} of {rate.denominator:,}",
    )


def _no_channel_tile(numbers: Numbers, currency: str) -> dict[str, Any]:
    share = numbers.no_channel_value
    if share is None or numbers.no_channel is None:
        return _tile("No known channel", _DASH, "no last-click credit here")
    between = numbers.no_channel_share
    sure = "too few for an interval"
    if between:
        sure = f"95%: {percent_range(between.low, between.high)}"
    elif numbers.no_channel_orders:
        sure = no_channel_bound(numbers)
    return _tile(
        "No known channel",
        percent(share),
        sure,
        f"{money(numbers.no_channel.value, currency, 'short')}, last click",
    )


def _data_tile(numbers: Numbers, judgement: Judgement) -> dict[str, Any]:
    status = judgement.status.value if judgement.status else "NONE"
    value = status if judgement.status else _DASH
    deliveries = numbers.deliveries
    if deliveries is None:
        return _tile(
            "Data status", value, "no judgement and no", "score in these tables", tone=status
        )
    when = f" ({moment(deliveries.lowest_date, numbers.last)})" if deliveries.lowest_date else ""
    return _tile(
        "Data status",
        value,
        f"delivery score {deliveries.latest_score}/100",
        f"lowest {deliveries.lowest_score}{when}",
        tone=status,
    )


def _broke(judgement: Judgement, near: dt.date | None, currency: str) -> dict[str, Any]:
    title = "What broke, and what it puts at risk"
    if judgement.source == "nobody":
        return {
            "title": title,
            "rows": [],
            "note": "Not monitored: these tables carry no judgement. Run the checks and the watch"
            " over the deliveries to know what broke.",
        }
    shown_troubles = judgement.troubles[:MOST_TROUBLES]
    more = len(judgement.troubles) - len(shown_troubles)
    note = ""
    if not shown_troubles:
        where = f" on {moment(judgement.day)}" if judgement.day else ""
        note = f"Nothing is open{where}."
    elif more:
        note = f"and {more} more in the monitoring report, none of them worse"
    return {
        "title": title,
        "rows": [_trouble(one, near, currency) for one in shown_troubles],
        "note": note,
    }


def _trouble(one: Trouble, near: dt.date | None, currency: str) -> dict[str, Any]:
    return {
        "since": moment(one.since, near),
        "severity": one.severity.value,
        "fault": [_capital(said) for said in _said(readable(one.message), 300)],
        "money": _DASH if one.money is None else money(one.money, currency, "short"),
        "formula": _said(one.formula, 160) if one.formula else ["no amount can be derived"],
        "state": shown(one.state, 40),
    }


def _said(text: str, limit: int) -> list[str]:
    """The text and shorter ones that say the same; the page takes the first that fits."""
    return [shown(said, limit) for said in alternatives(text)]


def _capital(sentence: str) -> str:
    first = sentence.split(" ", maxsplit=1)[0]  # a name such as client_id stays as it is
    return sentence[:1].upper() + sentence[1:] if first.isalpha() else sentence


def _policies(orders: Orders | None, currency: str) -> list[list[str]]:
    if orders is None:
        return []
    ours = orders.policies["ours"]
    names = {"all": "All rows"}
    rows = [["Policy", f"Revenue, {currency}", "Against ours"]]
    for name, amount in orders.policies.items():
        gap = amount - ours
        against = _DASH if name == "ours" else ("+" if gap > 0 else "") + _plain(gap, currency)
        rows.append([names.get(name, name.capitalize()), _plain(amount, currency), against])
    return rows


def _plain(amount: Decimal, currency: str) -> str:
    return money(amount, currency, "exact").replace(symbol(currency), "")


def _aside(orders: Orders | None) -> str:
    if orders is None or not orders.set_aside:
        return ""
    parts = (f"{shown(status, 20)} {number:,}" for status, number in orders.set_aside.items())
    return "Rows set aside: " + ", ".join(parts)


def _definitions(config: Config) -> str:
    return (
        f"Session: a gap of more than {config.sessions.gap_minutes} minutes starts a new one; bots "
        "and internal traffic are outside. Session conversion: sessions with a counted order ÷ "
        "sessions. Counted: orders kept and dated refunds; tests, redeliveries and superseded "
        "orders are set aside. Credit: touches up to "
        f"{config.attribution.lookback_days} × 24 h before the order. No known channel: last-click "
        "credit on Unknown or Unattributed. Intervals are 95%: Wilson for shares, seeded bootstrap "
        "of orders for money; “by chance alone”: the same demand again, orders arriving at random; "
        "where no order (or each) lacks a channel, the exact one-sided bound on the share of "
        "orders (Clopper-Pearson). Cart → checkout: of the sessions with a cart or a checkout, as "
        "a checkout can begin without a cart that was seen. Usual range: median day ± 1.96 × the "
        "larger of that chance and the robust spread of days; days without data are in none."
    )


def _footer(numbers: Numbers) -> list[str]:
    through = f"Data through {day(numbers.last, year=True)}" if numbers.last else "No data"
    return [through, f"Tallymark {__version__}"]


# ---------------------------------------------------------------- setting the page


@functools.cache
def _fonts() -> typst.Fonts:
    import typst  # noqa: PLC0415 -- numbers and charts alone need no typesetter

    folder = importlib.resources.files("tallymark").joinpath("templates/fonts")
    return typst.Fonts(
        include_system_fonts=False, include_embedded_fonts=False, font_paths=[str(folder)]
    )


def _render(page: dict[str, Any], date: dt.date, *, dots: float | None = None) -> bytes:
    """The page as PDF/UA-1, dated by its data; or as PNG, with so many dots to the inch.

    Raises:
        TallymarkError: It cannot be set, or with a warning (such as a font that is not there).
    """
    import typst  # noqa: PLC0415 -- as above

    template = importlib.resources.files("tallymark").joinpath("templates/executive-summary.typ")
    midnight = dt.datetime.combine(date, dt.time(), dt.UTC)
    form: dict[str, Any] = {"format": "png", "ppi": dots} if dots else {"pdf_standards": ["ua-1"]}
    try:
        pages, warnings = typst.compile_with_warnings(
            template.read_bytes(),
            font_paths=_fonts(),
            sys_inputs={"page": json.dumps(page, ensure_ascii=False)},
            timestamp=int(midnight.timestamp()),
            **form,
        )
    except (typst.TypstError, OSError) as error:
        raise TallymarkError(
            f"the page cannot be set: {str(error).splitlines()[0]}",
            where="executive-summary.typ",
            fix="report this with the command you ran; the tables are not affected",
        ) from error
    if warnings:
        raise TallymarkError(
            f"the page cannot be set as designed: {warnings[0]}",
            where="executive-summary.typ",
            fix="install Tallymark again; its fonts are part of it",
        )
    if not isinstance(pages, bytes):
        raise TallymarkError("the page came out as more than one file", where=FILE)
    return pages
