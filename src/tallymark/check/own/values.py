"""Measuring what the rules about values ask for: one query for all rows, few for the rest."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from tallymark.check.counting.facts import Facts
from tallymark.check.counting.queries import SOUND, rows_of
from tallymark.check.counting.repeats import all_differ
from tallymark.check.own.fields import TIME
from tallymark.check.own.parameters import above, limit_of
from tallymark.check.own.payload_schema import misfits
from tallymark.check.own.predicates import Compiled, Key, Predicate, event_names
from tallymark.check.past.event_names import unknown_severity
from tallymark.check.plugins import PluginError, Rows, called, load_plugin, plugin_names
from tallymark.check.rules import Hit, built_in
from tallymark.check.words import part
from tallymark.classify.hosts import (
    HostIndex,
    internal_host,
    load_payment_hosts,
    registrable_domain,
)
from tallymark.config import CheckRule, CheckRules, Severity, Shop
from tallymark.contract import Contract
from tallymark.engine.base import literal
from tallymark.engine.duckdb import DuckEngine
from tallymark.ingest.landing import Landed
from tallymark.ingest.landing_sql import Fault
from tallymark.ingest.payloads import MAX_DEPTH, depth_within

__all__ = ["with_values"]

_SHOWN = 10  # names in one sentence
_LONGEST = 60  # characters of a name
_MOST_HOSTS = 1000
_MOST_COUNTED = 50  # hosts that a query names
_EXTRA = "extra_"  # how columns of the shop's own are called in a landed file
_DEEP_PAGE, _DEEP_PAGES = 100, 50  # payloads looked at one by one, where they may be too deep
# A day of the delivery ends, somewhere on Earth, so much after it ends in UTC.
_LAST_ZONE = dt.timedelta(hours=14)


def with_values(
    engine: DuckEngine,
    facts: Facts,
    landed: Landed,
    compiled: Compiled,
    rules: CheckRules,
    contract: Contract,
    shop: Shop,
) -> Facts:
    """The facts with what the rules about values, and the plug-ins, find in the landed rows.

    Args:
        compiled: The rules as :func:`~tallymark.check.own.predicates.compile_rules` made them.
        shop: Whose own hosts count as known.
    """
    measuring = _Measuring(engine, facts, landed, compiled, contract, shop)
    return dataclasses.replace(facts, values=measuring.hits(rules))


class _Measuring:
    """One delivery, measured for the rules about values."""

    def __init__(
        self,
        engine: DuckEngine,
        facts: Facts,
        landed: Landed,
        compiled: Compiled,
        contract: Contract,
        shop: Shop,
    ) -> None:
        self.engine = engine
        self.facts = facts
        self.landed = landed
        self.compiled = compiled
        self.contract = contract
        self.shop = shop
        self.source = landed.source

    def hits(self, rules: CheckRules) -> Mapping[str, Sequence[Hit]]:
        """What each rule finds, by its id."""
        tests = [one for one in self.compiled.predicates if self._delivered(one)]
        tests += [
            one for rule in rules.rules if rule.enabled for one in self._later_than_the_day(rule)
        ]
        if self._sound:
            tests = [
                dataclasses.replace(one, bad=f"({one.bad} and {SOUND})")
                if one.rule.check == "event_unknown" else one for one in tests
            ]  # fmt: skip
        found: dict[str, list[Hit]] = {}
        for test, bad, of in self._counted(tests):
            if above(test.rule, bad, of):
                found.setdefault(test.rule.id, []).append(self._hit(test, bad, of))
        for place, key in enumerate(self.compiled.keys):
            # Where no two hashes are the same, no two keys are.
            alone = self.landed.light and all_differ(self.engine, self.landed, f"key_{place}")
            if self._delivered(key) and not alone:
                found.setdefault(key.rule.id, []).extend(self._repeated(key))
        for rule in rules.rules:
            if rule.enabled:
                found.setdefault(rule.id, []).extend(self._others(rule))
        return {rule: hits for rule, hits in found.items() if hits}

    def _delivered(self, test: Predicate | Key) -> bool:
        """Whether what a test reads was delivered: a missing column is a finding of its own.

        A rule that keeps rows out says so all the same.
        """
        if test.rule.action == "quarantine_rows":
            return True
        roles = self.facts.columns.roles
        for name in test.names:
            column = self.contract.by_name(name)
            if column is None:
                gone = roles.get("page_url" if name == "page_host" else "event_data") is None
            elif column.role is None:
                gone = self.facts.columns.delivered.get(column.name) is None
            else:
                gone = roles.get(column.role) is None
            if gone:
                return False
        return True

    # ------------------------------------------------------------ rows

    @property
    def _sound(self) -> str:
        """Where some rows are kept out: that a row is not; what is wrong with those is told."""
        some = 0 < self.facts.accepted < self.landed.rows
        return f" and {SOUND}" if some else ""

    def _counted(self, tests: Sequence[Predicate]) -> Iterator[tuple[Predicate, int, int]]:
        """How many rows are bad and how many are tested: one pass over what the tests read."""
        if not tests:
            return
        wanted: dict[str, int] = {}
        for test in tests:
            wanted.setdefault(test.counted, len(wanted))
            if test.of is not None:
                wanted.setdefault(test.of, len(wanted))
        if self.landed.light:
            landed = {sql: 1 << place for place, sql in enumerate(self.landed.asked.flags)}
            seen = [f"flags & {landed[sql]} > 0" if sql in landed else sql for sql in wanted]
        else:
            seen = list(wanted)
        counts = ", ".join(f"count(case when {sql} then 1 end)" for sql in seen)
        row = self.engine.rows(f"select {counts} from {self.source}")[0]
        for test in tests:
            of = self.landed.rows if test.of is None else int(row[wanted[test.of]])
            yield test, int(row[wanted[test.counted]]), of

    def _hit(self, test: Predicate, bad: int, of: int) -> Hit:
        rule = test.rule
        told = ""
        evidence = limit_of(rule)
        severity = None
        if rule.check == "event_unknown":
            told = f": {self._names('event_name', test.counted)}"
            severity = unknown_severity(bad / of, rule.severity)
        return Hit(
            severity=severity,
            subject=test.subject,
            message=f"in {bad:,} of {of:,} {_rows_of(rule)} ({part(bad / of)}) {test.reason}{told}",
            rows=bad,
            share=bad / of,
            evidence=evidence,
            query=self._query(test.test),
            where=f"({test.counted})",
        )

    def _query(self, condition: str) -> str:
        """What counts the rows again in the warehouse; columns of the shop's own are not there."""
        if _EXTRA in condition:
            return ""
        return rows_of(self.facts.delivery.key, condition.replace(TIME, "event_time"))

    def _names(self, column: str, condition: str) -> str:
        """The names that most bad rows have, and how many more names there are."""
        rows = self.engine.rows(
            f"select substr({column}, 1, {_LONGEST}) as name, count(*) as n, count(*) over () "
            f"from {self.source} where {condition} group by name order by n desc, name "
            f"limit {_SHOWN}"
        )
        said = ", ".join(f"{_plain(name)} ({count:,})" for name, count, _ in rows)
        more = rows[0][2] - len(rows) if rows else 0
        return f"{said} and {more:,} more name{'s' * (more > 1)}" if more else said

    def _later_than_the_day(self, rule: CheckRule) -> Iterator[Predicate]:
        """Times that lie after the delivery's own day wherever on Earth it is counted."""
        day = self.facts.delivery.date
        if rule.check != "time_future" or day is None:
            return
        end = dt.datetime.combine(day, dt.time()) + dt.timedelta(days=1) + _LAST_ZONE
        if self.facts.last is not None and self.facts.last < end.isoformat():
            return
        yield Predicate(
            rule=rule, subject="", of=None, names=("timestamp",),
            bad=f"({TIME} >= cast({literal(end.isoformat(sep=' '))} as timestamp))",
            reason=f"the time is later than {day} can be anywhere",
        )  # fmt: skip

    # ------------------------------------------------------------ what needs more than a row

    def _repeated(self, key: Key) -> Iterator[Hit]:
        there = [f"{column} is not null" for column in key.columns]
        of = f" and {key.of}" if key.of else ""
        listed = ", ".join(f"{column} as k{place}" for place, column in enumerate(key.columns))
        names = ", ".join(f"k{place}" for place in range(len(key.columns)))
        keyed = f"{listed} from {self.source} where {' and '.join(there)}{of}"
        if self.landed.light:
            place = self.compiled.keys.index(key)
            names = "k0"
            keyed = f"key_{place} as k0 from {self.source} where key_{place} is not null"
        rows, extra, values = self.engine.rows(
            "select cast(coalesce(sum(n), 0) as bigint), "
            "cast(coalesce(sum(case when n > 1 then n - 1 end), 0) as bigint), "
            "count(case when n > 1 then 1 end) from (select count(*) as n from "
            f"(select {keyed}) group by {names})"
        )[0]
        if above(key.rule, extra, rows):
            yield Hit(
                subject=key.subject,
                message=f"{extra:,} of {rows:,} {_rows_of(key.rule)} ({part(extra / rows)}) "
                f"repeat a {key.what} that came before; {values:,} came more than once",
                rows=int(extra),
                share=extra / rows,
                evidence={**limit_of(key.rule), "values": int(values)},
                query=self._beyond_first(key, " and ".join(there) + of),
            )

    def _beyond_first(self, key: Key, condition: str) -> str:
        """What counts the rows beyond the first of each key again in the warehouse."""
        columns = ", ".join(key.columns)
        if _EXTRA in columns + condition:
            return ""
        return (
            "select cast(coalesce(sum(n - 1), 0) as bigint) from (select count(*) as n from landed "
            f"where delivery = {literal(self.facts.delivery.key)} and {condition} "
            f"group by {columns})"
        )

    def _others(self, rule: CheckRule) -> Iterator[Hit]:
        if rule.check == "time_zone":
            yield from self._zones(rule)
        elif rule.check == "json_invalid":
            yield from self._no_json(rule)
        elif rule.check == "host_unknown":
            yield from self._strange_hosts(rule)
        elif rule.check == "payload_schema":
            yield from self._unfit(rule)
        elif not built_in(rule.check):
            yield from self._plugged(rule)

    def _zones(self, rule: CheckRule) -> Iterator[Hit]:
        """Times of one delivery that say their zone in different ways."""
        faults, rows = self.facts.faults, self.landed.rows - self.facts.faults[Fault.TIME]
        styles = {"an offset": faults[Fault.OFFSET], "no zone": faults[Fault.LOCAL]}
        styles["Z"] = rows - sum(styles.values())
        usual = max(sorted(styles), key=lambda style: styles[style])
        odd = rows - styles[usual]
        if not above(rule, odd, rows):
            return
        said = ", ".join(f"{count:,} with {style}" for style, count in styles.items() if count)
        yield Hit(
            message=f"times are written in more than one way: {said}"
            + ("; a time with no zone is read as UTC" if styles["no zone"] else ""),
            # Z and an offset both say which moment is meant.
            severity=None if styles["no zone"] else Severity.P3,
            rows=odd,
            share=odd / rows,
            evidence={**limit_of(rule), "styles": styles},
            query=rows_of(
                self.facts.delivery.key,
                f"faults & {Fault.TIME.value} = 0 and {_other_style(usual)}",
            ),
        )

    def _no_json(self, rule: CheckRule) -> Iterator[Hit]:
        broken, deep = self.facts.of(Fault.PAYLOAD), self._too_deep()
        rows, bad = self.landed.rows, broken + deep
        if above(rule, bad, rows):
            nested = f", {deep:,} of them nested deeper than {MAX_DEPTH} levels" if deep else ""
            yield Hit(
                message=f"in {bad:,} of {rows:,} rows ({part(bad / rows)}) the payload "
                f"is no JSON that can be read{nested}",
                rows=bad,
                share=bad / rows,
                evidence={**limit_of(rule), "no_json": broken, "too_deep": deep},
                query="" if deep else None,
                where=f"(faults & {Fault.PAYLOAD.value} > 0{self._sound})",
            )

    def _too_deep(self) -> int:
        """Payloads nested too deeply, of those that landing noted for their many brackets."""
        if not self.facts.faults[Fault.DEEP]:
            return 0
        found, line = 0, -1
        for _ in range(_DEEP_PAGES):
            rows = self.engine.rows(
                f"select line_number, payload from {self.source} "
                f"where faults & {Fault.DEEP.value} > 0 and faults & {Fault.PAYLOAD.value} = 0 "
                f"{self._sound} "
                f"and line_number > {line} order by line_number limit {_DEEP_PAGE}"
            )
            found += sum(1 for _, text in rows if not depth_within(text, MAX_DEPTH))
            if len(rows) < _DEEP_PAGE:
                break
            line = int(rows[-1][0])
        return found

    def _strange_hosts(self, rule: CheckRule) -> Iterator[Hit]:
        """Pages of hosts that are neither the shop's own nor a payment provider's."""
        hosts = self.engine.rows(
            f"select page_host, count(*) as n from {self.source} where page_host is not null "
            f"group by page_host order by n desc, page_host limit {_MOST_HOSTS}"
        )
        if not hosts:
            return
        rows = sum(count for _, count in hosts)
        named = {registrable_domain(one) for one in self.shop.own_hosts}
        own = named or {registrable_domain(hosts[0][0])}
        known = HostIndex(
            dict.fromkeys(
                (*load_payment_hosts(), *self.shop.payment_hosts, *self.shop.internal_hosts), True
            )
        )
        strange: Counter[str] = Counter()
        counted = []
        for host, count in hosts:
            domain = registrable_domain(host)
            if domain not in own and not internal_host(host) and known.lookup(host) is None:
                strange[domain] += count
                counted.append(host)
        odd = strange.total()
        if above(rule, odd, rows):
            told = ", ".join(f"{_plain(one)} ({n:,})" for one, n in strange.most_common(_SHOWN))
            yield Hit(
                message=f"{odd:,} of {rows:,} pages ({part(odd / rows)}) are of hosts that are "
                f"not the shop's: {told}",
                # Without a list of the shop's hosts this is a guess.
                severity=None if named else Severity.P3,
                rows=odd,
                share=odd / rows,
                evidence={**limit_of(rule), "own": sorted(own)},
                query=rows_of(
                    self.facts.delivery.key,
                    f"page_host in ({', '.join(map(literal, sorted(counted)))})",
                )
                if len(counted) <= _MOST_COUNTED
                else None,
            )

    def _unfit(self, rule: CheckRule) -> Iterator[Hit]:
        """Payloads that do not fit the schema of their event."""
        if self.facts.columns.roles.get("event_data") is None:
            return
        only = None if rule.event is None else event_names(rule.event, self.contract)
        for one in misfits(self.engine, self.source, self.contract, only):
            if not above(rule, one.rows, one.judged):
                continue
            looked = "" if one.judged == one.of else f" looked at (of {one.of:,})"
            said = ", ".join(f"{place} ({count:,})" for place, count in one.shown)
            yield Hit(
                subject=one.event[:_LONGEST],
                message=f"{one.rows:,} of {one.judged:,} payloads of {_plain(one.event)}{looked} "
                f"({part(one.rows / one.judged)}) do not fit their schema: {said}",
                rows=one.rows,
                share=one.rows / one.judged,
                evidence={**limit_of(rule), "looked_at": one.judged, "of": one.of,
                          "places": dict(one.shown)},
            )  # fmt: skip

    # ------------------------------------------------------------ plug-ins

    def _plugged(self, rule: CheckRule) -> Iterator[Hit]:
        """What a plug-in finds; one that fails is a finding of its own, and nothing else stops."""
        if rule.check not in plugin_names():
            return
        function, package = load_plugin(rule.check)
        rows = Rows(self.engine, self.facts, self.landed, self.compiled.extras)
        try:
            found = called(function, rows, rule, Hit)
        except PluginError as error:
            yield Hit(
                message=f"the plug-in {rule.check} of {package} failed and checked nothing: "
                f"{error.what}",
                severity=min(rule.severity, Severity.P1),
                action="warn",
                fix=f"mend {package}, or set `enabled: false` on the rule {rule.id}",
            )
            return
        finally:
            rows.close()
        for one in found:
            of = max(self.landed.rows, 1)
            if one.rows is None or rule.threshold is None or above(rule, one.rows, of):
                yield one


def _other_style(usual: str) -> str:
    """Of a time that can be read: that it is not written in the usual way."""
    flags = {"an offset": Fault.OFFSET, "no zone": Fault.LOCAL}
    if usual in flags:
        return f"faults & {flags[usual].value} = 0"
    return f"faults & {(Fault.OFFSET | Fault.LOCAL).value} > 0"


def _rows_of(rule: CheckRule) -> str:
    return f"{rule.event} events" if rule.event else "rows"


def _plain(name: str) -> str:
    """A name from outside, short and on one line."""
    shown = "".join(one if one.isprintable() else "?" for one in name[:_LONGEST])
    return f"'{shown}'"
