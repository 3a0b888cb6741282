from __future__ import annotations

import dataclasses
import datetime as dt
import json
import re
from collections.abc import Iterator
from decimal import Decimal
from typing import Any
from xml.etree import ElementTree as ET

import pytest
import typst

from tallymark.engine.warehouse import Warehouse
from tallymark.errors import TallymarkError
from tallymark.report import charts, summary
from tallymark.report.charts import frame
from tallymark.report.charts.frame import Chart
from tallymark.report.days import Day
from tallymark.report.numbers import ChannelCredit, Numbers, Rate, compute

Counts = tuple[int, int]
TITLES = {"daily_revenue": "usual range", "funnel": "narrowest step", "credit": "no known channel"}


@pytest.fixture(scope="module")
def numbers(full: Warehouse) -> Numbers:
    """The numbers of the plausible shop."""
    engine = full.open(threads=1)
    found = compute(engine, currency="EUR", through=None)
    engine.close()
    return found


def _all(numbers: Numbers) -> dict[str, Chart | None]:
    bad = frozenset({dt.date(2026, 3, 23), dt.date(2026, 3, 24)})
    return {
        "daily_revenue": charts.daily_revenue(numbers, bad, currency="EUR", judged=True),
        "funnel": charts.funnel(numbers),
        "credit": charts.credit(numbers, currency="EUR"),
        "coverage": charts.coverage(numbers),
        "conversion": charts.conversion(numbers),
    }


def test_each_chart_draws_and_says_what_it_shows(numbers: Numbers) -> None:
    """Vega-Lite takes each specification, the same each time, and each chart says it in words."""
    for name, chart in _all(numbers).items():
        assert chart is not None
        assert chart.alt
        assert TITLES.get(name, "") in chart.title
        json.dumps(chart.spec, allow_nan=False)
        drawn = charts.svg(chart)
        assert drawn is not None
        assert drawn == charts.svg(chart)
        root = ET.fromstring(drawn)  # noqa: S314 -- drawn here
        assert (root.get("width"), root.get("height")) == ("244", "98"), "nothing is cut off"


def test_drawing_does_not_follow_the_time_zone(
    numbers: Numbers, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Dates stand in UTC on every machine."""
    chart = charts.coverage(numbers)
    assert chart is not None
    here = charts.svg(chart)
    monkeypatch.setenv("TZ", "Pacific/Auckland")
    assert charts.svg(chart) == here
    assert here is not None
    assert ">2 Mar<" in here


def test_credit_shows_few_channels_and_hides_no_money(numbers: Numbers) -> None:
    """Small channels are one row together; Unknown stays; hostile names are harmless."""
    rows = tuple(
        ChannelCredit(channel=f"<b>{n}'\"\\ {'x' * 80}", first=Decimal(n), last=Decimal(30 - n))
        for n in range(20)
    )
    none = ChannelCredit(channel="Unknown", first=Decimal(5), last=Decimal(7))
    chart = charts.credit(dataclasses.replace(numbers, channels=(*rows, none)), currency="USD")
    assert chart.spec is not None
    drawn = chart.spec["layer"][0]["data"]["values"]
    assert [row["channel"] for row in drawn][-2:] == ["13 other channels", "Unknown"]
    assert sum(row["last"] for row in drawn) == sum(30 - n for n in range(20)) + 7
    svg = charts.svg(chart)
    assert svg is not None
    ET.fromstring(svg)  # noqa: S314 -- drawn here


def _without(numbers: Numbers, *gone: dt.date) -> Numbers:
    """The numbers of the shop if some days had not been delivered."""
    return dataclasses.replace(
        numbers,
        days=tuple(one for one in numbers.days if one.date not in gone),
        coverage=tuple(one for one in numbers.coverage if one.date not in gone),
        gaps=gone,
    )


def _data(chart: Chart, key: str) -> list[dict[str, Any]]:
    """The rows of the layer whose rows have that key."""
    assert chart.spec is not None
    found = [layer["data"]["values"] for layer in chart.spec["layer"]]
    return next(rows for rows in found if key in rows[0])


def test_a_day_without_data_is_a_gap(numbers: Numbers) -> None:
    """It has no value, ends the line, is marked, and is no day of the usual range or outside it."""
    gone = dt.date(2026, 3, 10)
    whole = charts.daily_revenue(numbers, frozenset(), currency="EUR", judged=True)
    chart = charts.daily_revenue(
        _without(numbers, gone), frozenset({gone}), currency="EUR", judged=True
    )
    revenue = {row["date"]: row["revenue"] for row in _data(chart, "revenue")}
    assert len(revenue) == 28
    assert [date for date, value in revenue.items() if value is None] == ["2026-03-10T00:00:00Z"]
    assert "of 28 days" in whole.title
    assert "of 27 days with data" in chart.title
    assert chart.legend[1:] == (
        ("■", "error open, 1 day", "#d98b84"),
        ("■", "no data", "#b4bcc8"),
    )
    assert "no data" not in str(whole.legend)
    assert "27 days with data and 1 without, from €" in chart.alt
    assert "from €0" not in chart.alt
    svg = charts.svg(chart)
    assert svg is not None
    lines = re.findall(r'aria-roledescription="line mark"[^>]* d="([^"]+)"', svg)
    assert [line.count("M") for line in lines] == [2], "one line before it, one after"


def test_a_day_delivered_without_an_order_is_zero(numbers: Numbers) -> None:
    """What is known to be nothing is drawn as nothing."""
    nothing = dataclasses.replace(numbers.days[8], revenue=Decimal(0), orders=0, squares=0.0)
    days = (*numbers.days[:8], nothing, *numbers.days[9:])
    chart = charts.daily_revenue(
        dataclasses.replace(numbers, days=days), frozenset(), currency="EUR", judged=True
    )
    assert _data(chart, "revenue")[8]["revenue"] == 0
    assert "no data" not in str(chart.legend)


def test_coverage_is_not_drawn_across_a_gap(numbers: Numbers) -> None:
    """Neither line says anything of a day without data."""
    chart = charts.coverage(_without(numbers, dt.date(2026, 3, 10)))
    assert chart is not None
    rows = [row for row in _data(chart, "share") if row["date"].startswith("2026-03-10")]
    assert [row["share"] for row in rows] == [None, None]
    assert "of 27 days" in chart.title


def test_a_day_alone_between_gaps_is_seen(numbers: Numbers) -> None:
    """Where days have no dots, those beside a gap have one: a line needs two days."""
    day = numbers.days[0]
    many = tuple(
        dataclasses.replace(day, date=day.date + dt.timedelta(days=n))
        for n in range(80) if n not in {40, 42}
    )  # fmt: skip
    chart = charts.daily_revenue(
        dataclasses.replace(numbers, days=many), frozenset(), currency="EUR", judged=True
    )
    edges = [row["date"][:10] for row in _data(chart, "revenue") if row.get("edge")]
    assert edges == ["2026-04-10", "2026-04-12", "2026-04-14"]


@pytest.mark.parametrize(
    ("cart", "checkout", "purchase", "title"),
    [
        ((0, 90), (0, 0), (0, 0), "Carts and checkouts were not recorded"),
        ((0, 90), (9, 9), (3, 9), "The narrowest step: 33% of checkouts end in an order"),
        ((9, 90), (0, 9), (0, 0), "The narrowest step: 10% of sessions reach a cart"),
    ],
)
def test_a_step_that_nobody_reached_was_not_recorded(
    numbers: Numbers, cart: Counts, checkout: Counts, purchase: Counts, title: str
) -> None:
    """Whoever bought was there all the same: it is no step to mend."""
    assert numbers.sessions is not None
    sessions = dataclasses.replace(
        numbers.sessions, cart=Rate.of(*cart), checkout=Rate.of(*checkout),
        purchase=Rate.of(*purchase), conversion=Rate.of(3, 90),
    )  # fmt: skip
    assert charts.funnel(dataclasses.replace(numbers, sessions=sessions)).title == title
    looked = dataclasses.replace(
        sessions, cart=Rate.of(0, 90), checkout=Rate.of(0, 0), purchase=Rate.of(0, 0),
        conversion=Rate.of(0, 90),
    )  # fmt: skip
    chart = charts.funnel(dataclasses.replace(numbers, sessions=looked))
    assert chart.title == "The narrowest step: 0% of sessions reach a cart"


def test_the_funnel_says_of_which_sessions(numbers: Numbers) -> None:
    """The base of the second step is not the result of the first, and the chart says what it is."""
    chart = charts.funnel(numbers)
    steps = {row["step"]: row["counts"] for row in _data(chart, "counts")}
    assert list(steps)[1] == "Cart* → checkout"
    assert "* with a cart or a checkout" in chart.subtitle


def test_usual_range_needs_a_week() -> None:
    """Below seven days there is no usual range; a flat week has the spread of chance alone."""
    days = [
        Day(
            date=dt.date(2026, 1, n),
            revenue=Decimal(100),
            orders=1,
            squares=2_500.0,
            sessions=50,
            converted=2,
        )
        for n in range(1, 8)
    ]
    assert charts.usual_range(days[:6]) is None
    found = charts.usual_range(days)
    assert found == pytest.approx((100 - 1.96 * 50, 100 + 1.96 * 50))


def test_a_broken_specification_is_an_error_of_ours() -> None:
    """What cannot be drawn is told with the chart's name."""
    broken = Chart(title="broken", subtitle="", alt="", spec={"mark": {"type": "no such mark"}})
    with pytest.raises(TallymarkError, match="broken: a chart cannot be drawn"):
        charts.svg(broken)


def _texts(node: Any, x: float = 0.0) -> Iterator[tuple[float, dict[str, Any]]]:
    """(left end of the frame it stands in, mark) of each text of a scene graph."""
    if isinstance(node, list):
        for child in node:
            yield from _texts(child, x)
    elif isinstance(node, dict):
        if "text" in node:
            yield x, node
        inside = x + (node.get("x", 0) if "items" in node else 0)
        for child in node.values():
            yield from _texts(child, inside)


def _widths(texts: list[dict[str, Any]]) -> list[float]:
    """The widths of texts as the typesetter sets them, in points."""
    source = (
        '#set text(font: "Inter", fallback: false)\n'
        "#let all = json(bytes(sys.inputs.texts))\n"
        "#context [#metadata(all.map(one => measure(text(size: one.at(0) * 1pt, "
        "weight: one.at(1), one.at(2))).width.pt())) <widths>]"
    )
    asked = [[one["fontSize"], int(one.get("fontWeight", 400)), one["text"]] for one in texts]
    found = typst.query(
        source.encode(),
        "<widths>",
        field="value",
        one=True,
        font_paths=summary._fonts(),
        sys_inputs={"texts": json.dumps(asked)},
    )
    return [float(width) for width in json.loads(found)]


@pytest.mark.parametrize("large", [False, True])
def test_no_word_of_a_chart_is_cut(numbers: Numbers, *, large: bool) -> None:
    """Every text of every chart lies inside its frame, also with long names and large amounts."""
    if large:
        rate = Rate.of(1_214_567, 9_876_543)
        assert numbers.sessions is not None
        numbers = dataclasses.replace(
            numbers,
            sessions=dataclasses.replace(numbers.sessions, conversion=rate, purchase=rate),
            channels=tuple(
                ChannelCredit(channel="W" * 40, first=Decimal(n), last=Decimal(-n))
                for n in (999_949_999, 123_456_789)
            ),
        )
    for chart in _all(numbers).values():
        assert chart is not None
        scene = frame._converter().vegalite_to_scenegraph(chart.spec, vl_version=frame.VEGA_LITE)
        texts = list(_texts(scene["scenegraph"], scene["origin"][0]))
        assert len(texts) > 5
        for (x, text), width in zip(texts, _widths([text for _, text in texts]), strict=True):
            share = {"left": 0.0, "center": 0.5, "right": 1.0}[text.get("align", "left")]
            left = x + text.get("x", 0) - share * min(width, text.get("limit", width))
            assert left > -1, text
            assert left + min(width, text.get("limit", width)) < frame.WIDTH + 1, text
