"""Purchases against those of earlier days: fields, worth, sums, and ids seen before."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tallymark.check.counting import queries
from tallymark.check.counting.hourly import moment, unpacked
from tallymark.check.counting.sums import CENT, sign
from tallymark.check.past.habits import CHANCE, Counts, Day, Entry, Habit, Told, Window, onset
from tallymark.check.past.usual import as_usual, softens
from tallymark.check.rules import Hit
from tallymark.check.words import agreed, filled_before
from tallymark.config import CheckRule, Severity
from tallymark.contract import Payload

__all__ = ["Fields", "Ids", "Sums", "odd_orders"]

_ITEM = "[]."  # in the name of a field of an order's lines
_IMPOSSIBLE = 1e-6  # how unlikely an empty field must be before it is called lost
_SHOWN = 96
_HOUR_S = 3600
_MOST_ZERO = 0.2  # share of worthless orders from which on it is an error
_FEWEST_ZERO = 5
_TEACH = 20  # orders before it is decided what adds up to what
_MOST = 0.5  # of the orders must add up under a reading
_RUN = 0.9  # share of empty values inside, at least, and of filled ones outside, of a break


def _hour(number: int) -> str:
    return moment(number * _HOUR_S * 1000)


# ---------------------------------------------------------------- fields of the payload


@dataclass(slots=True)
class Fields:
    """Judges the payload's fields: filled before, and empty now, all day or from an hour on."""

    rules: Mapping[str, CheckRule]
    money_fields: frozenset[str]
    filled: dict[str, list[int]] = field(default_factory=dict)
    habits: dict[str, Habit] = field(default_factory=dict)
    lost_since: dict[str, str] = field(default_factory=dict)
    places: dict[bool, int] = field(default_factory=lambda: {False: 0, True: 0})

    def look(self, day: Day) -> Iterator[Told]:
        """Fields lost, wholly or in part."""
        for entry in day.entries:
            for name, (have, want) in _fields(entry, self.filled):
                # A field that is new was filled in none of the earlier purchases.
                before = self.filled.setdefault(name, [0, self.places[_ITEM in name]])
                if have == 0 and _impossible(before, want):
                    # A day on which the field is lost does not teach that empty is normal.
                    yield self._lost(name, entry, want)
                    continue
                self.lost_since.pop(name, None)
                told = self._partly(name, day.number, entry, have, want)
                if told is None:
                    before[0] += have
                    before[1] += want
                    self.habits.setdefault(name, Habit()).add(day.number, want - have, want)
                else:
                    yield told
            for of_item, number in _places(entry).items():
                self.places[of_item] += number

    def _lost(self, name: str, entry: Entry, want: int) -> Told:
        before = self.filled[name]
        since = self.lost_since.setdefault(name, entry["first_event_at"] or "")
        hit = Hit(
            subject=name[:_SHOWN],
            message=f"{name[:_SHOWN]} is empty in all {want} places of the purchases; "
            f"{filled_before(*before)}",
            severity=Severity.P1 if name in self.money_fields else None,
            evidence={"filled_before": before[0], "expected_before": before[1]},
            rows=want,
            share=1.0,
            query=queries.empty_places(entry["delivery"], name),
        )
        return Told("payload_field_lost", entry["delivery"], hit, since)

    def _partly(self, name: str, day: int, entry: Entry, have: int, want: int) -> Told | None:
        """A field of which too much is empty, or that is empty in a stretch of hours."""
        bad = want - have
        if not bad or not have:
            return None
        counts = _field_counts(entry, name, Counts(bad, want))
        habit = self.habits.get(name, Habit())
        usual = habit.usual(day)
        if usual is None:
            past = habit.recent(day)
            window = _broken_off(counts, sum(one[1] for one in past), sum(one[2] for one in past))
            return None if window is None else self._told(name, entry, counts, window, None)
        rule = self.rules.get("payload_field_partly_lost")
        floor = (rule.threshold if rule is not None else None) or 0.0
        if bad / want - usual < floor or habit.chance_of_more(day, bad, want) > CHANCE:
            return None
        return self._told(name, entry, counts, onset(counts, usual), usual)

    def _told(
        self, name: str, entry: Entry, counts: Counts, window: Window | None, usual: float | None
    ) -> Told:
        inside = window is not None and (window.starts_inside or window.ends_inside)
        bad, of = (counts.bad, counts.of)
        since = until = None
        if window is not None and inside:
            first = entry["orders"]["first_hour"]
            bad, of = window.bad, window.of
            since = _hour(first + window.first) if window.starts_inside else None
            until = _hour(first + window.last + 1) if window.ends_inside else None
        when = f" from {since[11:16]} UTC" if since else ""
        when += f" until {until[11:16]} UTC" if until else " on" if since else ""
        before = "" if usual is None else f"; earlier deliveries left {usual:.1%} of them empty"
        money = name in self.money_fields
        hit = Hit(
            subject=name[:_SHOWN],
            message=f"{name[:_SHOWN]} is empty in {bad:,} of {of:,} places ({bad / of:.0%}) of the "
            f"purchases{when}{before}",
            severity=Severity.P1 if money else None,
            evidence={
                "usual_share": None if usual is None else round(usual, 6),
                "share": round(bad / of, 6), "from": since, "until": until,
            },
            rows=bad,
            share=bad / counts.of,
            query=queries.empty_places(entry["delivery"], name, since, until),
        )  # fmt: skip
        return Told("payload_field_partly_lost", entry["delivery"], hit, since)


def _fields(entry: Entry, known: Mapping[str, object]) -> Iterator[tuple[str, tuple[int, int]]]:
    """Filled and expected places by field; a known field that no payload names is empty."""
    fields = entry["fields"]
    places = _places(entry)
    for name in sorted({*fields, *known} if fields else ()):
        have, want = fields.get(name, (0, places[_ITEM in name]))
        yield name, (have, want)


def _places(entry: Entry) -> dict[bool, int]:
    """In how many places a field can stand: of a purchase, and of a line of one."""
    places = {False: 0, True: 0}
    for name, (_, want) in entry["fields"].items():
        places[_ITEM in name] = max(places[_ITEM in name], want)
    return places


def _impossible(before: Sequence[int], want: int) -> bool:
    """Whether an empty field is beyond chance, given how often it was filled before."""
    have, total = before
    if not have or not want:
        return False
    # Laplace's rule keeps a short history from being taken for certainty.
    empty = (total - have + 1) / (total + 2)
    return bool(empty**want < _IMPOSSIBLE)


def _field_counts(entry: Entry, name: str, known: Counts) -> Counts:
    by_hour = (entry.get("orders") or {}).get("by_hour", {})
    if f"field:{name}" not in by_hour:
        return known
    wanted = "lines" if _ITEM in name else "orders"
    return Counts(known.bad, known.of, unpacked(by_hour[f"field:{name}"]),
                  unpacked(by_hour[wanted]))  # fmt: skip


def _broken_off(counts: Counts, past_bad: int, past_of: int) -> Window | None:
    """Hours in which a field is all but empty, on a day that fills it otherwise, beyond chance.

    A day or two before it, too few to judge by alone, count as further hours.
    """
    window = onset(counts, 1 - _RUN)
    if window is None or not window.of:
        return None
    rest = counts.of - window.of + past_of
    others = counts.bad - window.bad + past_bad
    if window.bad < _RUN * window.of or others > (1 - _RUN) * rest:
        return None
    # Where the stretch lies was chosen: each begin and each end is one more chance.
    chosen = len(counts.of_hour) ** 2 / 2
    empty = (others + 1) / (rest + 2)
    return window if chosen * empty**window.bad < _IMPOSSIBLE else None


# ---------------------------------------------------------------- worth


def odd_orders(
    day: Day, habits: dict[str, Habit], names: Payload, rules: Mapping[str, CheckRule]
) -> Iterator[Told]:
    """Purchases whose revenue is no number, or nothing although something was bought."""
    revenue, named = queries.number(names.revenue), queries.named_item(names.items, names.item_name)
    weight = _weight_of_zero(day, habits.setdefault("zero", Habit()), rules)
    for entry in day.entries:
        orders = entry.get("orders") or {}
        total = orders.get("orders", 0)
        if not total:
            continue
        if orders["not_a_number"]:
            query = _purchases(entry, f"{queries.filled(names.revenue)} and {revenue} is null")
            yield _odd(entry, "not_a_number", "order_revenue_not_a_number",
                       "state a revenue that is no number", None, query)  # fmt: skip
        if orders["zero"]:
            severity, usual_is = weight
            query = _purchases(entry, f"{revenue} = 0 and {named}")
            yield _odd(entry, "zero", "order_zero_revenue",
                       f"are worth nothing although an item is named{usual_is}",
                       severity, query)  # fmt: skip
        habit = habits.setdefault("test", Habit())
        usual, tests = habit.usual(day.number), orders["test"]
        more = usual is not None and tests / total - usual > _MOST_ZERO
        if more and habit.chance_of_more(day.number, tests, total) < CHANCE:
            query = _purchases(entry, f"{revenue} = 0 and not ({named})")
            yield _odd(entry, "test", "order_test_share",
                       f"have no worth and no named item: test orders; usual are {usual:.0%}",
                       None, query)  # fmt: skip
        else:
            habit.add(day.number, tests, total)


def _weight_of_zero(
    day: Day, habit: Habit, rules: Mapping[str, CheckRule]
) -> tuple[Severity | None, str]:
    """How bad it is that purchases of a day are worth nothing, and what is usual, if they are.

    Of all files of the day together: of an hour's two purchases, both may be presents.
    """
    told = [one["orders"] for one in day.entries if (one.get("orders") or {}).get("orders")]
    total, zero = (sum(one[name] for one in told) for name in ("orders", "zero"))
    if zero >= max(_FEWEST_ZERO, _MOST_ZERO * total):
        return Severity.P1, ""
    often = habit.usual_if(day.number, zero, total) if zero else None
    if total:
        habit.add(day.number, zero, total)
    if often is None or not softens(rules.get("order_zero_revenue")):
        return None, ""
    return Severity.P3, as_usual(often)


def _purchases(entry: Entry, condition: str) -> str:
    return queries.rows_of_events(entry["delivery"], queries.purchases(condition))


def _odd(
    entry: Entry, kind: str, check: str, says: str, severity: Severity | None, query: str | None
) -> Told:
    orders = entry["orders"]
    count, total = orders[kind], orders["orders"]
    by_hour = unpacked(orders["by_hour"].get(kind, ""))
    first = next((at for at, bad in enumerate(by_hour) if bad), None)
    before = unpacked(orders["by_hour"].get("orders", ""))[: first or 0]
    since = _hour(orders["first_hour"] + first) if first is not None and any(before) else None
    hit = Hit(
        message=f"{count:,} of {total:,} purchases {agreed(count, says)}",
        rows=count,
        share=count / total,
        severity=severity,
        evidence={"first_seen_in_hour": since},
        query=query,
    )
    return Told(check, entry["delivery"], hit, since)


# ---------------------------------------------------------------- revenue against items


@dataclass(slots=True)
class Sums:
    """Judges whether revenue and items add up, in the reading that is the shop's habit."""

    names: Payload = field(default_factory=Payload)
    fits: dict[str, list[int]] = field(default_factory=dict)  # reading: fits, orders
    said: bool = False

    def look(self, day: Day) -> Iterator[Told]:
        """Orders that do not add up; while no reading fits most orders, that alone, once."""
        for entry in day.entries:
            sums = (entry.get("orders") or {}).get("sums") or {"orders": 0, "fits": {}}
            if not sums["orders"]:
                continue
            reading, share, seen = self._habit(sums)
            if reading is None:
                if seen >= _TEACH and not self.said:
                    self.said = True
                    yield self._learning(entry, sums, seen)
                self._learn(sums)
                continue
            bad = sums["orders"] - sums["fits"].get(reading, 0)
            told = self._judge(entry, sums, reading, bad, share)
            if told is None:
                self._learn(sums)
            else:
                yield told

    def _learn(self, sums: Mapping[str, Any]) -> None:
        for reading in {*self.fits, *sums["fits"]}:
            known = self.fits.setdefault(reading, [0, 0])
            # A reading that a day does not list fits none of its orders better than the plain ones.
            known[0] += sums["fits"].get(reading, 0)
            known[1] += sums["orders"]

    def _habit(self, sums: Mapping[str, Any]) -> tuple[str | None, float, int]:
        """The reading that most orders follow, by the days before; at first by this day itself."""
        seen = max((orders for _, orders in self.fits.values()), default=0)
        own = seen < _TEACH
        known = {name: list(pair) for name, pair in self.fits.items()}
        if own:
            for name, fitting in sums["fits"].items():
                pair = known.setdefault(name, [0, 0])
                known[name] = [pair[0] + fitting, pair[1] + sums["orders"]]
            seen += sums["orders"]
        if seen < _TEACH:
            return None, 0.0, seen
        plain = {"unit": 0, "line": 1}
        order = sorted(known, key=lambda one: (-known[one][0], plain.get(one, 2), len(one), one))
        best = order[0] if order else None
        if best is None or known[best][0] <= _MOST * known[best][1]:
            return None, 0.0, seen
        return best, 1 - known[best][0] / known[best][1], seen

    def _judge(
        self, entry: Entry, sums: Mapping[str, Any], reading: str, bad: int, usual: float
    ) -> Told | None:
        total = sums["orders"]
        if not bad:
            return None
        taught = max((orders for _, orders in self.fits.values()), default=0) >= _TEACH
        habit = Habit([(at, round(usual * total), total) for at in (1, 2, 3)])
        usually = usual > 0.01 and taught  # noqa: PLR2004 -- one in a hundred never adds up
        if usually and habit.chance_of_more(4, bad, total) > CHANCE:
            return None
        hours = sums["misfits"].get(reading)
        since = _hour(hours[0]) if hours and hours[0] > entry["orders"]["first_hour"] else None
        hit = Hit(
            message=f"{bad:,} of {total:,} orders do not add up: revenue is not {_words(reading)}, "
            "as it is in this shop's other orders",
            rows=bad,
            share=bad / total,
            evidence={"reading": reading, "usual_share": round(usual, 6)},
            query=_sum_query(entry, reading, self.names),
        )
        return Told("order_revenue_mismatch", entry["delivery"], hit, since)

    def _learning(self, entry: Entry, sums: Mapping[str, Any], seen: int) -> Told:
        best = max(sums["fits"].values(), default=0)
        hit = Hit(
            subject="learning",
            message="learning: no way of adding up items, taxes, shipping and discounts makes the "
            f"revenue of most orders ({best} of {sums['orders']} at best), so none is checked",
            severity=Severity.P3,
            evidence={"orders_seen": seen, "fits": dict(sums["fits"])},
        )
        return Told("order_revenue_mismatch", entry["delivery"], hit)


def _words(reading: str) -> str:
    base, _, rest = reading.partition(" ")
    sums = "price x quantity of its items" if base == "unit" else "the prices of its lines"
    return f"the sum of {sums}{' ' if rest else ''}{rest}"


def _sum_query(entry: Entry, reading: str, names: Payload) -> str:
    base, *beside = re.split(r" [+-] ", reading)
    return queries.unsummed(
        entry["delivery"], names.model_dump(), base,
        [(name, sign(name) or 1) for name in beside], str(CENT),
    )  # fmt: skip


# ---------------------------------------------------------------- ids seen before

_SEEN = {
    "redelivered": (
        "order_redelivered_history", "redelivery", "status",
        "are orders of earlier deliveries again; each is counted once",
    ),
    "colliding": (
        "order_id_collision_history", "id_collision", "id_status",
        "have the transaction id of another customer's earlier order: all are real and all count",
    ),
    "conflicting": (
        "order_conflict_history", "conflict", "id_status",
        "have the id and customer of an earlier order but not its content; the latest counts",
    ),
}  # fmt: skip


@dataclass(slots=True)
class Ids:
    """Tells of transaction ids that earlier deliveries brought, with what chance would bring."""

    names: Payload = field(default_factory=Payload)
    spaces: dict[str, int] = field(default_factory=dict)

    def look(self, day: Day) -> Iterator[Told]:
        """Orders sent again, contradicted, or of one id with another customer's."""
        for entry in day.entries:
            own = (entry.get("orders") or {}).get("spaces", {})
            chance = sum(
                count * self.spaces.get(space, 0) / 10.0 ** int(space.partition(":")[0])
                for space, count in sorted(own.items())
            )
            for kind, found in (entry.get("seen") or {}).items():
                yield self._told(entry, kind, found, chance, alone=len(day.entries) == 1)
            for space, count in own.items():
                self.spaces[space] = self.spaces.get(space, 0) + count

    def _told(
        self, entry: Entry, kind: str, found: Mapping[str, int], chance: float, *, alone: bool
    ) -> Told:
        check, value, column, says = _SEEN[kind]
        key = entry["delivery"]
        total = entry["orders"]["orders"]
        count = found["orders"]
        by_chance = f" ({chance:.2f} expected by chance)" if kind == "colliding" else ""
        hit = Hit(
            message=f"{count:,} of {total:,} purchases {agreed(count, says)}{by_chance}",
            rows=count,
            share=count / total if total else None,
            evidence={"collisions_by_chance": round(chance, 4)} if by_chance else {},
            # Of several files of one day, the tables go by the time and the gate by the name.
            query=queries.rows_of_orders(
                key,
                f"{column} = '{value}' and "
                f"{queries.id_again(key, self.names.transaction_id, entry['date'])}",
            )
            if alone
            else None,
        )
        return Told(check, entry["delivery"], hit, moment(found["first"]))
