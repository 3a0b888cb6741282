"""Credit: journeys worked by hand for each model, and any journeys against a plain reading."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Mapping, Sequence
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any, get_args

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tallymark.build.builder import Builder
from tallymark.config import CreditModel
from tallymark.errors import ConfigError
from tests.build.shop import BOT, HOME, HOUR, Event, Shop, order, stamp, view

DAY = 24 * HOUR
WEEK = 7 * DAY
EMAIL = f"{HOME}?utm_source=newsletter&utm_medium=email"
ADS = f"{HOME}?gclid=1"
SHARING = ("linear", "position_based", "time_decay")
CENT = Decimal("0.01")


def _shop(folder: Path, events: Sequence[Event], settings: str = "") -> Shop:
    shop = Shop(folder)
    (folder / "tallymark.yml").write_text(f"generations: 1\n{settings}", encoding="utf-8")
    shop.deliver("export.csv", events)
    shop.build()
    return shop


def _credit(shop: Shop, model: str, number: str = "L-1") -> list[tuple[Any, ...]]:
    """Channel, weight in billionths and revenue of each touch of an order."""
    return shop.rows(
        "select channel, cast(cast(weight as decimal(38, 9)) * 1000000000 as bigint), c.revenue "
        "from fct_attribution as c "
        "inner join fct_orders as o on c.order_id = o.order_id "
        f"where transaction_id = '{number}' and model = '{model}' order by touch_number"
    )


def _money(*amounts: str) -> list[Decimal]:
    return [Decimal(one) for one in amounts]


# ---------------------------------------------------------------- by hand

# Ann: Email a week before, to the millisecond; ads 3.5 days before; directly, in which she buys.
ANN = [
    view(0, url=EMAIL),
    view(WEEK // 2, url=ADS),
    view(WEEK - 1000),
    order(WEEK, revenue="10.00"),
]
# Bob: one more, directly at the end of day 3; his order comes a millisecond too late for the first.
BOB = [
    view(0, "bob", url=EMAIL),
    view(3 * DAY, "bob", url=ADS),
    view(4 * DAY, "bob", referrer="https://www.google.com/"),
    view(WEEK + 1, "bob"),
    order(WEEK + 1, "bob", number="L-2", revenue="10.00"),
]
CAT = [view(WEEK, "cat", url=EMAIL), order(WEEK, "cat", number="L-3", revenue="0.01")]
DAN = [view(WEEK, "dan"), order(WEEK, "dan", number="L-4"), view(WEEK + HOUR, "dan", url=EMAIL)]
EVE = [order(WEEK, "", number="L-5", revenue="9.99")]
# Fay never came by a channel that is known.
FAY = [view(WEEK - DAY, "fay"), view(WEEK, "fay"), order(WEEK, "fay", number="L-6", revenue="0.03")]


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    """All journeys, built once."""
    return _shop(tmp_path_factory.mktemp("shop"), [*ANN, *BOB, *CAT, *DAN, *EVE, *FAY])


@pytest.mark.parametrize(
    ("model", "number", "channels", "weights", "revenue"),
    [
        ("first_click", "L-1", ["Email"], [10**9], ["10"]),
        ("last_click", "L-1", ["Direct"], [10**9], ["10"]),
        ("last_non_direct", "L-1", ["Paid Search"], [10**9], ["10"]),
        # A third is 3.33, and what is left goes to the last: equal remainders, the later first.
        (
            "linear", "L-1", ["Email", "Paid Search", "Direct"],
            [333_333_333, 333_333_333, 333_333_334], ["3.33", "3.33", "3.34"],
        ),
        (
            "position_based", "L-1", ["Email", "Paid Search", "Direct"],
            [400_000_000, 200_000_000, 400_000_000], ["4", "2", "4"],
        ),
        # 1 for the last touch; a second less than 3.5 and 7 days older, 2 ** -0.5 and 2 ** -1.
        (
            "time_decay", "L-1", ["Email", "Paid Search", "Direct"],
            [226_541_037, 320_377_407, 453_081_556], ["2.27", "3.20", "4.53"],
        ),
        ("first_click", "L-2", ["Paid Search"], [10**9], ["10"]),
        ("last_click", "L-2", ["Direct"], [10**9], ["10"]),
        ("last_non_direct", "L-2", ["Organic Search"], [10**9], ["10"]),
        (
            "linear", "L-2", ["Paid Search", "Organic Search", "Direct"],
            [333_333_333, 333_333_333, 333_333_334], ["3.33", "3.33", "3.34"],
        ),
        *((model, "L-3", ["Email"], [10**9], ["0.01"]) for model in get_args(CreditModel)),
        *((model, "L-4", ["Direct"], [10**9], ["20"]) for model in get_args(CreditModel)),
        *((model, "L-5", ["Unattributed"], [10**9], ["9.99"]) for model in get_args(CreditModel)),
        ("last_non_direct", "L-6", ["Direct"], [10**9], ["0.03"]),
        ("linear", "L-6", ["Direct", "Direct"], [5 * 10**8, 5 * 10**8], ["0.01", "0.02"]),
        ("position_based", "L-6", ["Direct", "Direct"], [5 * 10**8, 5 * 10**8], ["0.01", "0.02"]),
    ],
)  # fmt: skip
def test_journeys_by_hand(
    shop: Shop, model: str, number: str, channels: list[str], weights: list[int], revenue: list[str]
) -> None:
    """What each model gives to whom, to the billionth and to the cent."""
    found = _credit(shop, model, number)
    assert [row[0] for row in found] == channels
    assert [row[1] for row in found] == weights
    assert [row[2] for row in found] == _money(*revenue)


def test_every_model_reconciles(shop: Shop) -> None:
    """Each has its own row: counted revenue went in, all of it came out."""
    counted = shop.values("select sum(revenue) from fct_orders where is_counted")[0]
    assert dict(
        shop.rows(
            "select step, amount_out from reconciliation where step like 'attribution %' "
            "and amount_in = amount_out and explained = 0"
        )
    ) == {f"attribution {model}": counted for model in get_args(CreditModel)}


@pytest.mark.parametrize(
    ("credit", "expected"),
    [
        (
            "lookback_days: 6, models: [last_click, first_click, linear]",
            {"linear": [("Paid Search", "5"), ("Direct", "5")], "time_decay": []},
        ),
        (
            "exclude_channels: [Direct]",
            {
                "last_click": [("Paid Search", "10")],
                "linear": [("Email", "5"), ("Paid Search", "5")],
            },
        ),
        (
            "exclude_channels: [Direct, Email, Paid Search]",
            {"last_click": [("Unattributed", "10")], "time_decay": [("Unattributed", "10")]},
        ),
        (
            "max_touches: 2, position_first: 30, position_last: 10",
            {
                "linear": [("Email", "5"), ("Direct", "5")],
                "last_non_direct": [("Paid Search", "10")],
                "position_based": [("Email", "7.5"), ("Direct", "2.5")],
            },
        ),
        # In time_decay each touch is a half-life apart, but for a second.
        (
            "position_first: 30, position_last: 10, half_life_days: 3.5",
            {
                "position_based": [("Email", "3"), ("Paid Search", "6"), ("Direct", "1")],
                "time_decay": [("Email", "1.43"), ("Paid Search", "2.86"), ("Direct", "5.71")],
            },
        ),
    ],
)
def test_settings_of_credit(
    tmp_path: Path, credit: str, expected: dict[str, list[tuple[str, str]]]
) -> None:
    """Look-back, models, exclusions, the cap, weights and half-life do what they say."""
    shop = _shop(tmp_path, ANN, f"attribution: {{{credit}}}\n")
    for model, touches in expected.items():
        found = [(row[0], row[2]) for row in _credit(shop, model)]
        assert found == [(channel, Decimal(amount)) for channel, amount in touches]


def test_bots_and_staff_can_be_excluded(tmp_path: Path) -> None:
    """Their orders count as before; their sessions are no touches."""
    staging = "https://staging.lamps.example/"
    events = [
        view(0, "bot", agent=BOT), order(1, "bot", number="bot", agent=BOT),
        view(0, "staff", url=staging), order(1, "staff", number="staff"),
    ]  # fmt: skip
    shop = _shop(tmp_path, events, "attribution: {exclude_bots: true, exclude_internal: true}\n")
    for number in ("bot", "staff"):
        assert _credit(shop, "linear", number)[0][0] == "Unattributed"
    assert shop.values("select count(*) from fct_orders where is_counted") == [2]


@pytest.mark.parametrize(
    ("currency", "expected"),
    [
        ("JPY", {"100": ["33", "33", "34"]}),
        (
            "EUR",
            {
                # What is less than a unit stays with the touch that is served first.
                "10.0056": ["3.33", "3.33", "3.3456"],
                # So large that the billionth which the last touch weighs more can be seen.
                "9999999999.99": ["3333333330", "3333333330", "3333333339.99"],
            },
        ),
    ],
)
def test_credit_is_in_units_of_the_currency(
    tmp_path: Path, currency: str, expected: dict[str, list[str]]
) -> None:
    """A yen has no hundredth."""
    events = [
        Event(one.at, revenue, one.name, one.url, data=one.data.replace("EUR", currency))
        for revenue in expected
        for one in (*ANN[:3], order(WEEK, number=revenue, revenue=revenue))
    ]
    shop = _shop(tmp_path, events, f"shop: {{currency: {currency}}}\n")
    for revenue, amounts in expected.items():
        linear = [row[2] for row in _credit(shop, "linear", revenue)]
        assert sum(linear) == Decimal(revenue)
        assert linear == _money(*amounts)


def test_a_hostile_client_costs_no_more_than_the_cap(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows grow with orders, not with orders x touches, and every cent is credited."""
    made: dict[str, int] = {}
    validate = Builder._validate

    def look(self: Builder, *given: Any) -> Any:
        made.update(self.engine.rows("select model, count(*) from int_shared_credit group by 1"))
        return validate(self, *given)

    monkeypatch.setattr(Builder, "_validate", look)
    visits = [view(at * HOUR, url=EMAIL if at % 2 else HOME) for at in range(150)]
    bought = [order(149 * HOUR + at, number=f"L-{at}", revenue="0.07") for at in range(100)]
    shop = _shop(tmp_path, [*visits, *bought], "attribution: {max_touches: 5}\n")
    assert made == dict.fromkeys(SHARING, 500)
    totals = shop.rows("select model, sum(revenue), sum(weight) from fct_attribution group by 1")
    assert sorted(totals) == [(one, Decimal(7), 100) for one in sorted(get_args(CreditModel))]
    linear = "select distinct touch_at from fct_attribution where model = 'linear' order by 1"
    assert len(shop.values(linear)) == 5  # the first one, and four of the last
    assert shop.values(linear)[0] == stamp(0)


@pytest.mark.parametrize(
    ("credit", "words"),
    [
        ("models: [last_click]", "first_click is missing"),
        ("models: [first_click, last_click, shapley]", "shapley"),
        ("exclude_channels: [direct]", "did you mean 'Direct'?"),
        ("{position_first: 70, position_last: 40}", "1 to 100 percent together"),
        ("{position_first: 0, position_last: 0}", "1 to 100 percent together"),
        ("max_touches: 1", "max_touches"),
        ("half_life_days: 0", "half_life_days"),
    ],
)
def test_settings_that_make_no_sense_are_refused(tmp_path: Path, credit: str, words: str) -> None:
    """With the place in the file, and in words."""
    text = credit if credit.startswith("{") else f"{{{credit}}}"
    with pytest.raises(ConfigError) as caught:
        _shop(tmp_path, ANN, f"attribution: {text}\n")
    assert words in str(caught.value)
    assert "tallymark.yml:2" in str(caught.value)


# ---------------------------------------------------------------- any journeys

Journey = tuple[tuple[int, ...], tuple[tuple[int, str], ...]]
moments = st.integers(0, 30).map(lambda number: number * 12 * HOUR)
amounts = st.one_of(
    st.integers(1, 500_000).map(lambda cents: str(Decimal(cents) * CENT)),
    st.sampled_from(["0.01", "0.03", "12.3456", "1000000000", "0.0001"]),
)
journeys = st.lists(
    st.tuples(
        st.lists(moments, max_size=9, unique=True).map(tuple),
        st.lists(st.tuples(moments, amounts), min_size=1, max_size=3, unique_by=lambda o: o[0])
        .map(tuple),
    ),
    min_size=8,
    max_size=25,
)  # fmt: skip
# An example is two builds: shrinking one that fails would take minutes.
unhurried: dict[str, Any] = {
    "phases": [Phase.explicit, Phase.reuse, Phase.generate],
    "suppress_health_check": [HealthCheck.too_slow, HealthCheck.data_too_large],
}


def _events(found: Sequence[Journey]) -> list[Event]:
    return [
        event
        for number, (visits, orders) in enumerate(found)
        for event in (
            *(view(at, f"c{number}", url=EMAIL) for at in visits),
            # An hour later is a session of its own: no visit is at an odd hour.
            *(
                order(at + HOUR, f"c{number}", number=f"L-{number}-{at}", revenue=amount)
                for at, amount in orders
            ),
        )
    ]


def _expected(found: Sequence[Journey]) -> dict[tuple[str, str], dict[int, tuple[float, Decimal]]]:
    """By order and model: the weight and the revenue of each touch that is credited."""
    answer = {}
    for number, (visits, orders) in enumerate(found):
        starts = sorted({*visits, *(at + HOUR for at, _ in orders)})
        for at, amount in orders:
            touches = [one for one in starts if 0 <= at + HOUR - one <= WEEK]
            for model, weights in _weights(touches, set(visits)).items():
                answer[(f"L-{number}-{at}", model)] = {
                    touch: (float(weight), Decimal(amount)) for touch, weight in weights.items()
                }
    return answer


def _weights(touches: list[int], known: set[int]) -> Mapping[str, Mapping[int, Fraction | float]]:
    """The weights as the models are defined, without rounding."""
    last, count = touches[-1], len(touches)
    decay = [2 ** (-(last - one) / WEEK) for one in touches]
    middle = Fraction(20, 100 * (count - 2)) if count > 2 else Fraction(0)
    ends = Fraction(1, 2) if count == 2 else Fraction(40, 100)
    return {
        "first_click": {touches[0]: Fraction(1)},
        "last_click": {last: Fraction(1)},
        "last_non_direct": {
            max((one for one in touches if one in known), default=last): Fraction(1)
        },
        "linear": dict.fromkeys(touches, Fraction(1, count)),
        "position_based": {last: Fraction(1)} if count == 1 else {
            **dict.fromkeys(touches, middle), touches[0]: ends, last: ends,
        },
        "time_decay": {
            one: weight / math.fsum(decay) for one, weight in zip(touches, decay, strict=True)
        },
    }  # fmt: skip


def _bytes(shop: Shop) -> dict[str, list[bytes]]:
    """The exports; sessions that begin together stand in the order of their rows."""
    return {name: sorted(text.splitlines()) for name, text in shop.exports().items()}


@settings(max_examples=2, **unhurried)
@given(found=journeys, data=st.data())
def test_some_journeys_are_credited_as_defined(found: list[Journey], data: st.DataObject) -> None:
    """Weights are those of the definitions and sum to 1, revenue to the cent, in any row order."""
    _is_credited_as_defined(found, data)


@pytest.mark.slow
@settings(max_examples=40, **unhurried)
@given(found=journeys, data=st.data())
def test_any_journeys_are_credited_as_defined(found: list[Journey], data: st.DataObject) -> None:
    """The same for a thousand journeys."""
    _is_credited_as_defined(found, data)


def _is_credited_as_defined(found: list[Journey], data: st.DataObject) -> None:
    events = _events(found)
    with tempfile.TemporaryDirectory() as name:
        shop = _shop(Path(name) / "one", events)
        rows = shop.rows(
            "select transaction_id, model, epoch_ms(touch_at), weight, c.revenue, o.revenue "
            "from fct_attribution as c inner join fct_orders as o on c.order_id = o.order_id"
        )
        first = _bytes(shop)
        other = Shop(Path(name) / "two")
        other.deliver("export.csv", data.draw(st.permutations(events)))
        other.build()
        assert _bytes(other) == first
    origin = 1_935_705_600_000  # 2031-05-05
    expected = _expected(found)
    credited: dict[tuple[str, str], dict[int, tuple[Decimal, Decimal]]] = {}
    for number, model, touch, weight, revenue, _ in rows:
        credited.setdefault((number, model), {})[touch - origin] = (weight, revenue)
    assert set(credited) == set(expected)
    for key, touches in credited.items():
        assert set(touches) == set(expected[key])
        total = next(amount for _, amount in expected[key].values())
        assert sum(weight for weight, _ in touches.values()) == 1
        assert sum(revenue for _, revenue in touches.values()) == total
        for touch, (weight, revenue) in touches.items():
            assert float(weight) == pytest.approx(expected[key][touch][0], abs=len(touches) * 1e-9)
            assert abs(revenue - total * weight) < CENT + total % CENT
