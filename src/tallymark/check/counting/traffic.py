"""Who came and when, inside one delivery: a few narrow aggregates over its landed rows.

Everything is counted by the hour, so that what begins inside a day can be dated; what is a lot is
decided later, against the shop's other days (:mod:`tallymark.check.past.history`).
"""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tallymark.check.counting.hourly import packed
from tallymark.check.counting.repeats import DOUBLE_MS, Close
from tallymark.classify.agents import Agent, classify_agents
from tallymark.classify.hosts import HostIndex, internal_host
from tallymark.config import Shop
from tallymark.contract import Contract, InternalMarks
from tallymark.engine.base import literal
from tallymark.engine.duckdb import DuckEngine
from tallymark.ingest.landing import Landed
from tallymark.ingest.landing_sql import CLIENT_KEY, REJECTED, Fault, marked

__all__ = ["Traffic", "measure_traffic"]

HOURS = 24
_DAY_SHARE = 0.01  # of the rows; a day with fewer has stray late events, and is not followed
_MOST_DAYS = 62
_AGENTS = 5000  # distinct user agents classified, the commonest first; a hostile file has millions
_HOSTS = 1000
_CACHED = 16_384
_ACTS = frozenset({"add_to_cart", "checkout_start", "purchase", "email"})  # steps one must do
_NAMES = 3  # bots and hosts that a finding names
_NAME_LENGTH = 64
_DOUBLES_FEW = 0.004  # share of double-fired events below which nobody counts them exactly
# Of events fired twice, the part that is surely seen in one slot of DOUBLE_MS: those up to half a
# slot apart. A second tag fires within milliseconds, and nearly all of those are seen.
_SEEN_AT_ONCE = 0.5
_CLIENTS_READ = 10_000  # rows above which only some are asked which client is busy
_EVERY = 16
_BUSY = 200  # events of one client and hour, below which nobody looks closer
_CLIENTS = 20
_KEPT_CLIENTS = 5
_MINUTE_MS = 60_000

Hour = tuple[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Traffic:
    """Counts over the accepted rows of a delivery.

    Attributes:
        days: The days it holds, ISO 8601, in the shop's time zone; stray late events left out.
        zone: That time zone.
        hours: Rows by hour: 24 numbers for each of the days.
        first: The first event of each hour, in milliseconds; None in an empty hour.
        last: The last one.
        shares: By measure, (rows it is true of, rows it could be true of), late events included.
        by_hour: By measure, how many of them fall into each hour; measures that are never true
            are left out.
        of: Rows by hour that a measure could be true of, where those are not all rows.
        busy: The busiest clients: (events in their busiest hour, that hour's index, all events).
        bots: The commonest bots and their rows.
        actors: By step that people do, a cart or a checkout: the commonest bots that did it.
        hosts: The commonest internal hosts and their rows.
    """

    days: Sequence[str] = ()
    zone: str = "UTC"
    hours: Sequence[int] = ()
    first: Sequence[int | None] = ()
    last: Sequence[int | None] = ()
    shares: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    by_hour: Mapping[str, Sequence[int]] = field(default_factory=dict)
    of: Mapping[str, Sequence[int]] = field(default_factory=dict)
    busy: Sequence[tuple[int, int, int]] = ()
    bots: Sequence[tuple[str, int]] = ()
    actors: Mapping[str, Sequence[tuple[str, int]]] = field(default_factory=dict)
    hosts: Sequence[tuple[str, int]] = ()

    def as_entry(self) -> dict[str, Any]:
        """What the ledger keeps of it: small, plain, and without any client's id."""
        return {
            "days": list(self.days),
            "zone": self.zone,
            "hours": packed(self.hours),
            "first": packed(self.first),
            "last": packed(self.last),
            "shares": {name: list(pair) for name, pair in self.shares.items()},
            "by_hour": {name: packed(counts) for name, counts in self.by_hour.items()},
            "of": {name: packed(counts) for name, counts in self.of.items()},
            "busy": [list(one) for one in self.busy],
            "bots": [list(one) for one in self.bots],
            "actors": {step: [list(one) for one in told] for step, told in self.actors.items()},
            "hosts": [list(one) for one in self.hosts],
        }


def measure_traffic(
    engine: DuckEngine,
    landed: Landed,
    roles: Mapping[str, str | None],
    contract: Contract,
    shop: Shop,
    close: Close,
    groups: Sequence[tuple[Any, ...]],
) -> Traffic:
    """Count who came when.

    Args:
        landed: The landed delivery.
        roles: For each role of the contract, the delivered column that plays it, or None.
        contract: Marks of internal traffic.
        shop: Time zone and internal hosts.
        close: Events that may have fired twice.
        groups: The accepted rows: (day, hour, faults, step, rows, first and last millisecond,
            filled referrers, filled payloads).
    """
    return _Measuring(engine, landed, roles, contract, shop, close, groups).measure()


class _Measuring:
    """One delivery being counted."""

    def __init__(
        self,
        engine: DuckEngine,
        landed: Landed,
        roles: Mapping[str, str | None],
        contract: Contract,
        shop: Shop,
        close: Close,
        groups: Sequence[tuple[Any, ...]],
    ) -> None:
        self.close = close
        self.groups = groups
        self.known: Counter[str] = Counter()  # events with a client, by step of the funnel
        self.engine = engine
        self.source = landed.source
        self.light = landed.light
        self.sound = f"faults & {REJECTED.value} = 0"
        self.roles = {role for role, column in roles.items() if column is not None}
        self.contract = contract
        self.shop = contract.merged_into(shop)
        self.rows = 0
        self.actors: dict[str, list[tuple[str, int]]] = {}
        self.places: dict[Hour, int] = {}
        self.shares: dict[str, tuple[int, int]] = {}
        self.by_hour: dict[str, list[int]] = {}
        self.of: dict[str, list[int]] = {}

    def measure(self) -> Traffic:
        """All counts."""
        groups = self.groups
        self.rows = sum(row[4] for row in groups)
        if not self.rows:
            return Traffic(zone=self.shop.timezone)
        days = self._days(groups)
        hours, first, last = self._clock(groups)
        self._columns(groups)
        bots, hosts = self._strangers()
        self._doubles()
        self.by_hour = {name: counts for name, counts in self.by_hour.items() if any(counts)}
        self.of = {name: counts for name, counts in self.of.items()
                   if name in self.by_hour and counts != hours}  # fmt: skip
        return Traffic(
            days=days, zone=self.shop.timezone, hours=hours, first=first, last=last,
            shares=dict(sorted(self.shares.items())), by_hour=dict(sorted(self.by_hour.items())),
            of=dict(sorted(self.of.items())), busy=self._busy(), bots=bots,
            actors=self.actors, hosts=hosts,
        )  # fmt: skip

    def _days(self, groups: Sequence[tuple[Any, ...]]) -> list[str]:
        found: Counter[str] = Counter()
        for row in groups:
            found[str(row[0])] += row[4]
        held = sorted(day for day, rows in found.items() if rows >= _DAY_SHARE * self.rows)
        days = held[:_MOST_DAYS]
        self.places = {
            (day, hour): index * HOURS + hour
            for index, day in enumerate(days)
            for hour in range(HOURS)
        }
        return days

    def _at(self, row: Sequence[Any]) -> int | None:
        return self.places.get((str(row[0]), int(row[1])))

    def _clock(
        self, groups: Sequence[tuple[Any, ...]]
    ) -> tuple[list[int], list[int | None], list[int | None]]:
        hours = [0] * len(self.places)
        first: list[int | None] = [None] * len(self.places)
        last: list[int | None] = [None] * len(self.places)
        for row in groups:
            at = self._at(row)
            if at is not None:
                hours[at] += row[4]
                known, latest = first[at], last[at]
                first[at] = row[5] if known is None else min(known, row[5])
                last[at] = row[6] if latest is None else max(latest, row[6])
        return hours, first, last

    def _note(self, name: str, at: int | None, bad: int, of: int) -> None:
        """Count rows of a measure, and those it could be true of, in all and in their hour."""
        before = self.shares.get(name, (0, 0))
        self.shares[name] = (before[0] + bad, before[1] + of)
        if at is None:
            return
        if bad:
            self.by_hour.setdefault(name, [0] * len(self.places))[at] += bad
        if of:
            self.of.setdefault(name, [0] * len(self.places))[at] += of

    def _columns(self, groups: Sequence[tuple[Any, ...]]) -> None:
        """Empty values of each column, and of the client ids beyond page views."""
        flags = {"client_id": Fault.CLIENT, "page_url": Fault.PAGE, "user_agent": Fault.AGENT}
        for row in groups:
            at, faults, step, count = self._at(row), row[2], row[3], row[4]
            if step != "purchase" and not faults & Fault.CLIENT:
                self.known[step] += count
            for role, fault in flags.items():
                if role in self.roles:
                    self._note(role, at, count if faults & fault else 0, count)
            if "user_agent" in self.roles and step in _ACTS:
                self._note(f"bot:{step}", at, 0, count)
            if "client_id" in self.roles and step != "page_view":
                self._note("client_id:deep", at, count if faults & Fault.CLIENT else 0, count)
            # Rows that were added without an id have no referrer either; ids are judged by
            # themselves.
            if "referrer" in self.roles and not (
                "client_id" in self.roles and faults & Fault.CLIENT
            ):
                self._note("referrer", at, count - row[7], count)
            if "event_data" in self.roles and step != "purchase":
                self._note(f"event_data:{step}", at, count - row[8], count)

    def _strangers(self) -> tuple[list[tuple[str, int]], list[tuple[str, int]]]:
        """Rows of bots and of the shop's own people, and the commonest names of either.

        Bots and testers send no referrer, so that column is judged without their rows.
        """
        agents, bots, bot_names = self._agents()
        conditions = {"bot": _in("user_agent", bots)}
        hosts, host_names = self._hosts()
        marks = self.contract.internal
        own = [agent for agent in agents if any(mark in agent for mark in marks.user_agents)]
        inside = [_in("page_host", hosts), _in("user_agent", own)]
        if marks.url_parameters:  # the same question that flags events in the tables
            inside.append(marked(InternalMarks(url_parameters=marks.url_parameters)))
        conditions["internal"] = " or ".join(f"({one})" for one in inside if one)
        told = {name: text for name, text in conditions.items() if text}
        for name in ("bot", "internal") if "user_agent" in self.roles else ("internal",):
            self._note(name, None, 0, self.rows)
        if told:
            known = f"faults & {Fault.CLIENT.value} = 0" if "client_id" in self.roles else "true"
            here = f"{known} and {'has_referrer' if self.light else 'referrer is not null'}"
            counts = ", ".join(
                f"count(case when {told.get(name) or 'false'} then 1 end)" for name in conditions
            )
            for row in self.engine.rows(
                f"select event_date, event_hour, step, {counts}, "
                f"count(case when {known} then 1 end), count(case when {here} then 1 end) "
                f"from {self.source} where {self.sound} and ({' or '.join(told.values())}) "
                "group by all"
            ):
                self._apart(row)
        if any(bad for name, (bad, _) in self.shares.items() if name.startswith("bot:")):
            self.actors = self._acting(conditions["bot"])
        return bot_names, host_names

    def _acting(self, is_bot: str) -> dict[str, list[tuple[str, int]]]:
        """The commonest of the bots that did what people do, by what they did."""
        names: dict[str, Counter[str]] = {}
        for step, agent, count in self.engine.rows(
            f"select step, user_agent, count(*) from {self.source} where {self.sound} and "
            f"({is_bot}) and step in ({', '.join(map(literal, sorted(_ACTS)))}) group by all"
        ):
            names.setdefault(step, Counter())[_bot_name(agent)] += count
        return {step: _commonest(told) for step, told in sorted(names.items())}

    def _apart(self, row: Sequence[Any]) -> None:
        """Count an hour's rows of bots and testers, and take them out of the referrer's counts."""
        at, step, count = self._at(row), row[2], row[5]
        for name, bad in (("bot", row[3]), ("internal", row[4])):
            if bad:
                self._note(name, at, bad, 0)
        if row[3] and step in _ACTS:
            self._note(f"bot:{step}", at, row[3], 0)
        if "referrer" in self.roles:
            self._note("referrer", at, row[6] - count, -count)

    def _agents(self) -> tuple[list[str], list[str], list[tuple[str, int]]]:
        """The user agents, commonest first, which of them are bots, and the commonest bots."""
        if "user_agent" not in self.roles:
            return [], [], []
        counted = self.engine.rows(
            f"select user_agent, count(*) as n from {self.source} where {self.sound} "
            f"and user_agent is not null group by user_agent order by n desc, user_agent "
            f"limit {_AGENTS}"
        )
        names: Counter[str] = Counter()
        bots = []
        for agent, count in counted:
            if _classified(agent).is_bot:
                bots.append(agent)
                names[_bot_name(agent)] += count
        return [agent for agent, _ in counted], bots, _commonest(names)

    def _hosts(self) -> tuple[list[str], list[tuple[str, int]]]:
        """The internal hosts among the pages'."""
        counted = self.engine.rows(
            f"select page_host, count(*) as n from {self.source} where {self.sound} "
            f"and page_host is not null group by page_host order by n desc, page_host "
            f"limit {_HOSTS}"
        )
        configured = HostIndex(dict.fromkeys(self.shop.internal_hosts, True))
        found = [(host, count) for host, count in counted
                 if configured.lookup(host) or internal_host(host)]  # fmt: skip
        names: Counter[str] = Counter()
        for host, count in found:
            names[host[:_NAME_LENGTH]] += count
        return [host for host, _ in found], _commonest(names)

    def _doubles(self) -> None:
        """Events fired twice; where there may be many, exactly and by the hour.

        Pages are long texts: they are only asked for where, without them, there would be many.
        """
        few = _DOUBLES_FEW * _SEEN_AT_ONCE
        if any(self.close.doubles.get(kind, 0) > few * of for kind, of in self.known.items()):
            for row in self._twice():
                self._note(f"double:{row[2]}", self._at(row), row[4], row[3])
            return
        for kind, of in self.known.items():
            self._note(f"double:{kind}", None, self.close.doubles.get(kind, 0), of)

    def _twice(self) -> list[tuple[Any, ...]]:
        """By hour and step of the funnel: events, and those that follow one alike at once."""
        return self.engine.rows(
            "select event_date, event_hour, step, count(*), "
            f"count(case when apart between 1 and {DOUBLE_MS - 1} then 1 end) from ("
            "select event_date, event_hour, step, event_ms - lag(event_ms) over (partition by "
            "client_id, event_name, page_url order by event_ms) as apart "
            f"from {self.source} where {self.sound} and client_id is not null "
            "and step <> 'purchase') group by all"
        )

    def _busy(self) -> list[tuple[int, int, int]]:
        """The clients with most events in one hour; found among some rows, counted in all."""
        step = _EVERY if self.rows > _CLIENTS_READ else 1
        some = f" and line_number % {step} = 0" if step > 1 else ""
        key = "client_key" if self.light else CLIENT_KEY
        asked = self.engine.rows(
            f"select {key} as client, count(*) as n from {self.source} where {self.sound} "
            f"and faults & {Fault.CLIENT.value} = 0{some} group by client having count(*) >= "
            f"{_BUSY // (2 * step) if step > 1 else _BUSY} order by n desc, client "
            f"limit {_CLIENTS}"
        )
        if not asked:
            return []
        counted = self.engine.rows(
            f"select {key} as client, event_date, event_hour, count(*) from {self.source} "
            f"where {self.sound} and faults & {Fault.CLIENT.value} = 0 "
            f"and {key} in (select unnest(cast(? as bigint[]))) "
            "group by all",
            [[row[0] for row in asked]],
        )
        peaks: dict[int, tuple[int, int]] = {}
        totals: Counter[int] = Counter()
        for client, day, hour, count in counted:
            totals[client] += count
            at = self.places.get((str(day), int(hour)))
            if at is not None:
                peaks[client] = max(peaks.get(client, (0, 0)), (count, -at))
        found = [(count, -at, totals[client]) for client, (count, at) in peaks.items()]
        return sorted((one for one in found if one[0] >= _BUSY), reverse=True)[:_KEPT_CLIENTS]


@functools.lru_cache(maxsize=_CACHED)
def _classified(agent: str) -> Agent:
    return classify_agents([agent])[0]


def _bot_name(agent: str) -> str:
    return (_classified(agent).bot_name or "bot")[:_NAME_LENGTH]


def _in(column: str, values: Sequence[str]) -> str:
    """SQL that asks whether a column is one of some values; nothing for none."""
    return f"{column} in ({', '.join(map(literal, values))})" if values else ""


def _commonest(names: Counter[str]) -> list[tuple[str, int]]:
    return sorted(names.items(), key=lambda one: (-one[1], one[0]))[:_NAMES]
