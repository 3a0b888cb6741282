"""What the numbers say in words: the headline, the conclusion, what to do next, and the limits.

Every sentence follows from the numbers by a rule below; every amount carries its formula. Credit
is called credit: nothing here says that a channel caused a sale.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from itertools import islice

from tallymark.report.judgement import Judgement, Trouble
from tallymark.report.numbers import NO_CHANNEL, ChannelCredit, Numbers
from tallymark.report.text import (
    alternatives,
    count,
    day,
    moment,
    money,
    money_range,
    percent,
    percent_range,
    readable,
    shown,
)
from tallymark.results import Status
from tallymark.stats.resampling import smallest_visible_change

__all__ = ["Advice", "caveats", "conclusion", "headline", "no_channel_bound", "recommendations"]

MOST_ADVICE = 4
MOST_FIXES = 2
MANY_WITHOUT_CHANNEL = 0.2  # from this share of revenue on, evidence comes before budgets
MOST_WITHOUT_CHANNEL = 0.4  # from this share on, it is the headline
MANY_UNSEEN_CHECKOUTS = 0.2
FEW_ORDERS = 100
MOST_CHARACTERS = 110  # of the worst fault, in the conclusion
MOST_NAMED = 3  # days without data that a sentence names
_NO_BUDGET = frozenset({*NO_CHANNEL, "Direct", "Unassigned"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Advice:
    """One thing to do, the amount it concerns, and how that amount is made."""

    action: str
    amount: str
    basis: str


def headline(numbers: Numbers, judgement: Judgement, *, currency: str) -> str:
    """The page in one sentence."""
    orders = numbers.orders
    if orders is None or not orders.counted:
        return "No counted order: nothing can be said about revenue yet"
    share = numbers.no_channel_value
    blind = f"{percent(share)} of revenue has no known channel" if share is not None else ""
    if share is None or share < MOST_WITHOUT_CHANNEL:
        blind = ""
    if judgement.errors:
        return _alarm(judgement, blind, currency)
    if blind:
        return f"{blind}: do not move budget yet"
    told = f"{money(orders.revenue.value, currency, 'short')} from {count(orders.counted, 'order')}"
    if orders.counted < FEW_ORDERS:
        return f"{told}: too few to tell channels apart"
    return told + _trust(judgement)


def _sold(numbers: Numbers) -> str:
    """What a share of sales is of; refunds are no part of it."""
    counted = numbers.orders is not None and numbers.orders.revenue.value == numbers.no_channel_of
    return "it" if counted else "what was sold"


def _trust(judgement: Judgement) -> str:
    if judgement.status is None:
        return ", on data that nobody has judged"
    if judgement.status is Status.YELLOW:
        return ": usable with the limits below"
    return f", on data that passed {'the gate' if judgement.source == 'gate' else 'its checks'}"


def _alarm(judgement: Judgement, blind: str, currency: str) -> str:
    about_the_shop = judgement.errors[0].layer == "business"
    what = "Look into the shop first" if about_the_shop else "Fix tracking first"
    if blind:
        return f"{what}: {blind}"
    worst = max(trouble.money or Decimal(0) for trouble in judgement.errors)
    if worst > 0:
        return f"{what}: {money(worst, currency, 'short')} is at risk"
    return f"{what}: {count(len(judgement.errors), 'error is', 'errors are')} open"


def conclusion(numbers: Numbers, judgement: Judgement, *, currency: str) -> list[tuple[str, bool]]:
    """A few sentences as (words, whether they stand out)."""
    said: list[tuple[str, bool]] = []
    orders, sessions = numbers.orders, numbers.sessions
    if orders is not None:
        said += [
            ("Counted revenue was ", False),
            (money(orders.revenue.value, currency), True),
            (" from ", False),
            (count(orders.counted, "order"), True),
        ]
        if numbers.gaps:
            said.append((f" on {_with_data(numbers)}", False))
    if sessions is not None and sessions.conversion.value is not None:
        rate = sessions.conversion
        said += [
            ("; session conversion was " if said else "Session conversion was ", False),
            (percent(rate.value or 0.0), True),
        ]
        if rate.interval:
            said.append(
                (f" (95% interval {percent_range(rate.interval.low, rate.interval.high)})", False)
            )
    if said:
        said.append((". ", False))
    share = numbers.no_channel_value
    if share is not None:
        between = numbers.no_channel_share
        interval = f" ({percent_range(between.low, between.high)})" if between else ""
        if numbers.no_channel_orders is not None:
            interval = f" ({no_channel_bound(numbers)})"
        said += [
            (percent(share), True),
            (f" of {_sold(numbers)}{interval} has no known channel by last click", False),
            ("; what channels show below is credit, not cause. ", False),
        ]
    said += _state(judgement, numbers.last)
    return said or [("There is no data to conclude from.", False)]


def _state(judgement: Judgement, near: dt.date | None) -> list[tuple[str, bool]]:
    if judgement.source == "nobody":
        return [("Nobody has judged this data: read it with care.", False)]
    open_errors = judgement.errors
    if not open_errors:
        return [("No error is open in the data.", False)]
    worst = open_errors[0]
    what = _ended(shown(_briefly(worst.message), MOST_CHARACTERS))
    return [
        (count(len(open_errors), "error is", "errors are") + " open", True),
        (f"; the worst, since {moment(worst.since, near)}: {what}", False),
    ]


def _briefly(message: str) -> str:
    """A fault without its evidence."""
    return alternatives(readable(message))[-1]


def _with_data(numbers: Numbers) -> str:
    """``27 days; 14 Jan has no data and is in no number``."""
    known, gaps = count(numbers.days_with_data, "day"), numbers.gaps
    named = ", ".join(day(date) for date in gaps)
    if len(gaps) > MOST_NAMED:
        return f"{known}; {len(gaps):,} more have no data and are in no number"
    verbs = "has no data and is" if len(gaps) == 1 else "have no data and are"
    return f"{known}; {named} {verbs} in no number"


def no_channel_bound(numbers: Numbers) -> str:
    """What can be said where no order lacks a channel, or each does: ``95%: ≤ 2.5% of orders``."""
    low, high = numbers.no_channel_orders or (0.0, 1.0)
    if low > 0:
        return f"95%: ≥ {percent(low)} of orders"
    return f"95%: ≤ {percent(high)} of orders"


def _ended(sentence: str) -> str:
    return sentence if sentence.endswith((".", "…", "!", "?")) else f"{sentence}."


# ---------------------------------------------------------------- what to do next


def recommendations(numbers: Numbers, judgement: Judgement, *, currency: str) -> tuple[Advice, ...]:
    """At most :data:`MOST_ADVICE` things to do: mend what is broken, then what numbers suggest."""
    return tuple(islice(_advice(numbers, judgement, currency), MOST_ADVICE))


def _advice(numbers: Numbers, judgement: Judgement, currency: str) -> Iterator[Advice]:
    fixes = [trouble for trouble in judgement.troubles if trouble.fix]
    yield from (_mend(trouble, numbers, currency) for trouble in fixes[:MOST_FIXES])
    yield from _keep_collisions(numbers, currency)
    if not any("referrer" in trouble.id for trouble in judgement.troubles):
        yield from _restore_evidence(numbers, currency)
    yield from _checkout(numbers, currency)
    yield from _hold_out(numbers, currency)


def _mend(trouble: Trouble, numbers: Numbers, currency: str) -> Advice:
    amount = "no amount known"
    if trouble.money is not None and trouble.money <= 0:
        amount = "no loss so far"
    elif trouble.money is not None:
        amount = f"up to {money(trouble.money, currency, 'short')}"
    return Advice(
        action=trouble.fix,
        amount=amount,
        basis=trouble.formula
        or f"mends {trouble.severity}, open since {moment(trouble.since, numbers.last)}",
    )


def _keep_collisions(numbers: Numbers, currency: str) -> Iterator[Advice]:
    orders = numbers.orders
    if orders is None or not orders.collisions:
        return
    ours = orders.policies["ours"]
    lost = [
        ours - amount
        for name, amount in orders.policies.items()
        if name.startswith("keep") and ours > amount
    ]
    if lost:
        yield Advice(
            action="Keep every order of a repeated id: they are different customers",
            amount=money_range(min(lost), max(lost), currency),
            basis="revenue lost if repeated ids were cut to one order: ours − keep one",
        )


def _restore_evidence(numbers: Numbers, currency: str) -> Iterator[Advice]:
    share, amount = numbers.no_channel_value, numbers.no_channel
    if amount is None or share is None or share < MANY_WITHOUT_CHANNEL:
        return
    between = amount.interval
    yield Advice(
        action="Collect the referrer and tags on every landing page before moving budget",
        amount=(
            money_range(max(0.0, between.low), between.high, currency)
            if between
            else money(amount.value, currency, "short")
        ),
        basis="last-click revenue on Unknown or Unattributed, 95% bootstrap; credit, not gain",
    )


def _checkout(numbers: Numbers, currency: str) -> Iterator[Advice]:
    orders, sessions = numbers.orders, numbers.sessions
    if orders is None or sessions is None or not orders.counted:
        return
    if orders.unseen_checkout / orders.counted >= MANY_UNSEEN_CHECKOUTS:
        yield Advice(
            action="Record every checkout start before tuning the checkout",
            amount=money(orders.unseen_checkout_revenue, currency, "short"),
            basis=f"revenue of the {count(orders.unseen_checkout, 'order')} without a start seen",
        )
        return
    tries = sessions.purchase.denominator
    if orders.mean is not None and orders.mean.interval is not None and tries:
        point = Decimal(tries) / 100
        between = orders.mean.interval
        yield Advice(
            action="Test a change of the checkout",
            amount=money_range(float(point) * between.low, float(point) * between.high, currency),
            basis=f"worth of 1 point: 1% × {count(tries, 'checkout')} × order value; no forecast",
        )


def _hold_out(numbers: Numbers, currency: str) -> Iterator[Advice]:
    row = _disputed(numbers)
    if row is None or row.first is None or row.last is None:
        return
    low, high = sorted((row.first, row.last))
    yield Advice(
        action=f"Hold {shown(row.channel, 40)} out in a test before moving its budget",
        amount=money_range(low, high, currency),
        basis="its credit by first and by last click; a test alone shows what it causes",
    )


def _disputed(numbers: Numbers) -> ChannelCredit | None:
    """The channel with a budget on which the two models differ most."""
    rows = [
        row
        for row in numbers.channels
        if row.channel not in _NO_BUDGET and row.first is not None and row.last is not None
    ]
    if not rows:
        return None
    return max(
        rows, key=lambda row: (abs((row.first or 0) - (row.last or 0)), row.last, row.channel)
    )


# ---------------------------------------------------------------- what cannot be said


def caveats(numbers: Numbers, *, currency: str) -> list[tuple[str, str]]:
    """(name, sentence) of each limit of these numbers."""
    said = [_cause(numbers, currency)]
    more = (_direct(numbers, currency), _small(numbers), _places(numbers))
    said += [sentence for sentence in more if sentence]
    said.append(_outside(numbers))
    return said


def _cause(numbers: Numbers, currency: str) -> tuple[str, str]:
    row = _disputed(numbers)
    if row is None or row.first is None or row.last is None:
        return "Credit is not cause.", "Attribution says who was there, not what sold."
    words = (
        f"{shown(row.channel, 40)} gets {money(row.first, currency, 'short')} by first and "
        f"{money(row.last, currency, 'short')} by last click; neither says what would have sold "
        "without it."
    )
    return "Credit is not cause.", words


def _direct(numbers: Numbers, currency: str) -> tuple[str, str] | None:
    row = next((row for row in numbers.channels if row.channel == "Direct"), None)
    if row is None or row.last is None or numbers.orders is None:
        return None
    of = numbers.orders.revenue.value
    share = f" ({percent(float(row.last / of))})" if of > 0 else ""
    words = f"Direct takes {money(row.last, currency, 'short')}{share} of last-click credit"
    if numbers.referrer_coverage and numbers.referrer_coverage.value is not None:
        seen = f"{percent(numbers.referrer_coverage.value)} of landing views carry a referrer"
    elif numbers.sessions and numbers.sessions.with_referrer.value is not None:
        seen = f"{percent(numbers.sessions.with_referrer.value)} of sessions carry a referrer"
    else:
        seen = "how many landings carry a referrer is not known"
    return "Direct is what is left.", f"{words}; {seen}."


def _small(numbers: Numbers) -> tuple[str, str] | None:
    sessions = numbers.sessions
    if sessions is None or not sessions.total:
        return None
    rate = sessions.conversion
    change = smallest_visible_change(rate.numerator, rate.denominator)
    bought = f"{count(rate.numerator, 'session')} bought: a second period this long"
    if change >= 1:
        return "Small counts.", f"{bought} could not show even a doubling of conversion."
    words = f"{bought} shows a change of conversion only from ±{percent(change)} on (80% power)."
    return "Small counts.", words


def _places(numbers: Numbers) -> tuple[str, str] | None:
    """Why the funnel, which counts sessions, ends in another number than the orders."""
    orders, sessions = numbers.orders, numbers.sessions
    if orders is None or not orders.counted or sessions is None or not sessions.total:
        return None
    if orders.after_checkout == orders.counted == sessions.purchase.numerator:
        return None
    seen_in = count(sessions.purchase.numerator, "session")
    parts = [f"{orders.after_checkout:,} follow a checkout that was seen (in {seen_in})"]
    parts += [
        f"{number:,} {words}"
        for number, words in (
            (orders.without_checkout, "come from a session without one"),
            (orders.outside, "from bots or staff"),
            (orders.without_session, "from no session that is known"),
        )
        if number
    ]
    *first, last = parts
    told = f"{', '.join(first)} and {last}" if first else last
    return "The funnel counts sessions.", f"Of {count(orders.counted, 'order')}, {told}."


def _outside(numbers: Numbers) -> tuple[str, str]:
    parts = []
    if numbers.orders and numbers.orders.other_currencies:
        parts.append(
            f"{count(numbers.orders.other_currencies, 'order')} in other currencies added at face"
            " value"
        )
    if numbers.sessions and numbers.sessions.outside:
        parts.append(
            f"{count(numbers.sessions.outside, 'session')} of bots and internal traffic in no rate"
        )
    if numbers.identity_coverage and numbers.identity_coverage.value is not None:
        missing = 1 - numbers.identity_coverage.value
        parts.append(f"{percent(missing)} of rows lack a client id and belong to no session")
    if numbers.deliveries and numbers.deliveries.rows_quarantined:
        parts.append(
            count(numbers.deliveries.rows_quarantined, "row is", "rows are") + " in quarantine"
        )
    if numbers.identity_coverage is None:
        parts.append("coverage and quarantine are not in the exported tables")
    words = "; ".join(parts) or "nothing was set aside"
    return "Outside the numbers.", f"{words[0].upper()}{words[1:]}."
