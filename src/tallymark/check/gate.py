"""The gate: judge each delivery, keep bad rows and bad deliveries out, remember the verdict."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime as dt
import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import duckdb

from tallymark.check.counting.broken_lines import refuse_encoding
from tallymark.check.counting.facts import Facts, measure
from tallymark.check.counting.samples import looker
from tallymark.check.header.column_words import shown
from tallymark.check.header.columns import READ_OTHERWISE, Mapping_
from tallymark.check.header.halfway import dated, mapped
from tallymark.check.heads import (
    HeadVersion,
    column_rules,
    facts_of_columns,
    head_version,
    refuse_no_header,
)
from tallymark.check.own.predicates import compile_rules
from tallymark.check.own.values import with_values
from tallymark.check.past.days import Clock
from tallymark.check.past.header_history import forms_of
from tallymark.check.past.memory import arrived, recalled, remembered
from tallymark.check.past.out_of_reach import tell_out_of_reach
from tallymark.check.past.seen import keys_are_hurt
from tallymark.check.plugins import versions
from tallymark.check.quarantined.quarantine import Quarantine, Refusal, hopeless
from tallymark.check.quarantined.settle import NOTHING, Settlement, Settlements
from tallymark.check.rules import Hit, built_in, finding, judge
from tallymark.check.score import score_of
from tallymark.check.steady import PAUSE, TRIES, Changed, Witness
from tallymark.check.verdicts import (
    as_dict,
    as_kept,
    nothing_read,
    refusals_of,
    strictest,
    verdict_of,
)
from tallymark.config import CheckRule, CheckRules, Config, Severity, fingerprint
from tallymark.contract import Contract
from tallymark.engine.digest import file_digest, new_digest
from tallymark.engine.duckdb import DuckEngine
from tallymark.engine.room import disk_full, no_room
from tallymark.engine.warehouse import Warehouse
from tallymark.errors import InputError
from tallymark.ingest.deliveries import Delivery
from tallymark.ingest.extra import Asked
from tallymark.ingest.header import Broken, Head, read_head
from tallymark.ingest.landing import Landed, RowsWanted, land, may_be_fast
from tallymark.ingest.later import with_later_keys
from tallymark.ingest.scan import Text, scan
from tallymark.results import (
    Finding,
    Layer,
    Verdict,
)

__all__ = ["Gate"]


LANDING_VERSION = "9"  # raised whenever the same bytes would land differently
Entry = dict[str, Any]


class Gate:
    """Judges deliveries under one contract, one set of rules and one configuration.

    Args:
        warehouse: Where sound rows land and verdicts are kept; None judges without keeping.
        quarantine: Where rejected rows and deliveries are written.
        scratch: A folder for unfinished work, emptied by its owner.
        settlements: What people decided about the quarantine.
        now: The time it is, where deliveries may come late; without it nothing asks a clock.
        say: Hears what could not be judged again, if these are all deliveries that there are.
    """

    def __init__(  # noqa: PLR0913 -- a judge knows the law, the books and the clock
        self,
        *,
        config: Config,
        contract: Contract,
        rules: CheckRules,
        engine: DuckEngine,
        warehouse: Warehouse | None,
        quarantine: Quarantine,
        scratch: Path,
        program: str,
        settlements: Settlements | None = None,
        now: dt.datetime | None = None,
        say: Callable[[str], None] | None = None,
    ) -> None:
        self.say = say
        self.clock = Clock(config.shop.timezone, now)
        self.config = config
        self.settlements = settlements
        self.contract = contract
        self.rules = rules
        self.engine = engine
        self.warehouse = warehouse
        self.quarantine = quarantine
        self.scratch = scratch
        self.fingerprint = fingerprint(
            contract, rules, config.on_rename, config.shop, config.engine.max_unpacked, program,
            LANDING_VERSION, duckdb.__version__, *versions(rule.check for rule in rules.rules),
        )  # fmt: skip
        self.compiled = compile_rules(rules, contract)

    def judge_all(
        self,
        deliveries: Sequence[Delivery],
        *,
        threads: int,
        progress: Callable[[Entry], None] | None = None,
    ) -> tuple[list[Entry], int]:
        """Judge what is new or changed; returns every known entry and how many were judged now."""
        known = {entry["delivery"]: entry for entry in self._known()}
        before = dict(known)
        judged = 0
        if _as_many_as(threads, [one for one in deliveries if one.key not in known]):
            # One thread to a delivery: those of one query wait for each other now and then.
            self.engine.execute("set global threads = 1")
        with ThreadPoolExecutor(max_workers=max(1, threads)) as pool:
            limit = self.config.engine.unpacked_bytes
            work = [
                pool.submit(
                    self._judge_once, dataclasses.replace(one, max_unpacked=limit),
                    known.get(one.key),
                )
                for one in deliveries
            ]  # fmt: skip
            for task in work:
                entry, new = task.result()
                entry = arrived(entry, before.get(entry["delivery"]), before, self.clock.now)
                if new:
                    judged += 1
                    entry["left_open"] = self.quarantine.open_mark(entry["delivery"])
                    if self.warehouse is not None:
                        self.warehouse.record(entry)
                known[entry["delivery"]] = entry
                if progress is not None:
                    progress(entry)
        self.engine.execute(f"set global threads = {max(1, threads)}")
        self.quarantine.tidy()
        if self.warehouse is not None and self.say is not None:
            there = {one.key for one in deliveries}
            out_of_reach = [
                key for key, one in known.items()
                if key not in there and one["fingerprint"] != self._fingerprint(key, one["version"])
            ]  # fmt: skip
            tell_out_of_reach(self.warehouse.root, self.fingerprint, out_of_reach, self.say)
        entries = sorted(known.values(), key=lambda one: (one["date"] or "", one["delivery"]))
        return recalled(entries, self._keys), judged

    @property
    def _keys(self) -> Path:
        """Where the hashes of transaction ids lie."""
        root = self.scratch if self.warehouse is None else self.warehouse.root / "ledger"
        return root / "orders"

    def _known(self) -> list[Entry]:
        return self.warehouse.deliveries() if self.warehouse is not None else []

    def _judge_once(self, delivery: Delivery, known: Entry | None) -> tuple[Entry, bool]:
        for _ in range(TRIES):
            try:
                return self._judge_whole(delivery, known)
            except Changed:
                time.sleep(PAUSE)
        return self._never_still(delivery), True

    def _judge_whole(self, delivery: Delivery, known: Entry | None) -> tuple[Entry, bool]:
        """Judge a delivery that stays as it is; Changed if it does not."""
        try:
            witness = Witness(delivery.path)
            first = head_version(delivery.path)
            if known is not None and self._still_good(known, first.text):
                return known, False
            # What passed before most likely is what it was: then hashing it is all there is to do.
            sound = known is not None and self._passed(known)
            seen = None if sound else self._from_head(delivery, first, witness)
            if isinstance(seen, dict):
                return seen, True
            text = None
            if first.whole:
                version = first.text
            elif seen is not None and known is None and may_be_fast(delivery, seen[0]):
                # What nobody has seen before is read whole: both are told in one reading.
                digest = new_digest()
                text = scan(delivery.path, seen[0], digest.update)
                version = digest.hexdigest()
            else:
                version = file_digest(delivery.path)
            witness.version = version
        except OSError as error:
            raise self._in_the_way(delivery, error) from error
        if known is not None and self._still_good(known, version):
            return known, False
        engine = self.engine.cursor()
        try:
            seen = seen or self._from_head(delivery, first, witness)
            if isinstance(seen, dict):
                return seen, True
            return as_kept(self._judge(engine, delivery, version, witness, *seen, text)), True
        except (duckdb.Error, Broken):
            witness.sure()  # if the file shrank under its reader, that is the reason
            raise
        except OSError as error:
            witness.sure()
            raise self._in_the_way(delivery, error) from error
        finally:
            engine.close()

    def _in_the_way(self, delivery: Delivery, error: OSError) -> Exception:
        """What keeps a delivery from being judged: itself, or where something is written to."""
        root = self.warehouse.root if self.warehouse is not None else self.scratch
        if no_room(error):
            return disk_full(error, root, self.quarantine.root, self.quarantine.root.parent)
        named = error.filename if isinstance(error.filename, (str, os.PathLike)) else delivery.path
        if any(Path(named).is_relative_to(place) for place in (root, self.quarantine.root)):
            return OSError(error.errno, error.strerror, named)
        return _unreadable(delivery, error)

    def _passed(self, known: Entry) -> bool:
        """Whether a delivery was read whole, under the settings of today."""
        fresh = self._fingerprint(known["delivery"], known["version"])
        return bool(known["rows_read"] and known["fingerprint"] == fresh)

    def _from_head(
        self, delivery: Delivery, first: HeadVersion, witness: Witness
    ) -> Entry | tuple[Head, Mapping_]:
        """The verdict that the first kilobytes prove against a delivery, or what is in them."""
        base = self._base(delivery, first.text)
        witness.version = first.text if first.whole else None
        try:
            head = with_later_keys(delivery, read_head(delivery), self.contract)
            head, columns = mapped(delivery, head, self.contract)
            refuse_no_header(delivery, head, self.contract)
            _refuse_repeated(columns)
        except Broken as broken:
            return as_kept(self._refused(delivery, base, broken, witness))
        if first.whole or delivery.format != "csv":
            return head, columns  # counting rows takes no time, or no head proves what is missing
        weighed = [
            (rule, dataclasses.replace(one, rows=None))
            for rule, one in judge(facts_of_columns(delivery, columns), column_rules(self.rules))
        ]
        refusals = refusals_of(weighed, stop_on_rename=self.config.on_rename == "stop")
        # What a decision can still let in is read whole: it is to be about known bytes.
        if not any(one.hopeless for one in refusals):
            return head, columns
        decided = self._decided(delivery.key, first.text)
        weighed = decided.weighed(weighed)
        found = [one for _, one in weighed]
        self.quarantine.keep_delivery(
            delivery, first.text, found, refusals, sure=witness.sure,
            settled={one.rule for one in refusals} <= decided.discarded,
        )  # fmt: skip
        stops = any(rule.action == "stop" for rule, _ in weighed)
        return as_kept(
            {
                **nothing_read(base),
                "verdict": Verdict.STOP if stops else Verdict.QUARANTINE,
                "columns": list(head.columns),
                "findings": [as_dict(one) for one in found],
            }
        )

    def _never_still(self, delivery: Delivery) -> Entry:
        """The verdict on a file that somebody keeps writing to; it has no version."""
        base = self._base(delivery, "changing")
        said = f"it changed each of the {TRIES} times it was read; somebody is writing to it"
        return as_kept(self._refused(delivery, base, Broken("file_changing", said), copy=False))

    def _decided(self, key: str, version: str) -> Settlement:
        return self.settlements.of(key, version) if self.settlements is not None else NOTHING

    def _fingerprint(self, key: str, version: str) -> str:
        """Of all that a verdict rests on: the gate's, and what was decided about this version."""
        decided = self._decided(key, version).text
        return fingerprint(self.fingerprint, decided) if decided else self.fingerprint

    def _still_good(self, known: Entry, version: str) -> bool:
        fresh = self._fingerprint(known["delivery"], version)
        if known["version"] != version or known["fingerprint"] != fresh:
            return False
        if keys_are_hurt(self._keys, known):
            return False
        if not self.quarantine.remembers(known["delivery"], known):
            return False
        if self.warehouse is None or known["file"] is None:
            return True
        return (self.warehouse.root / str(known["file"])).is_file()

    def _base(self, delivery: Delivery, version: str) -> Entry:
        return {
            "delivery": delivery.key,
            "date": str(delivery.date) if delivery.date else None,
            "version": version,
            "fingerprint": self._fingerprint(delivery.key, version),
            "contract_version": self.contract.version,
        }

    def _judge(
        self,
        engine: DuckEngine,
        delivery: Delivery,
        version: str,
        witness: Witness,
        head: Head,
        columns: Mapping_,
        text: Text | None,
    ) -> Entry:
        base = self._base(delivery, version)
        decided = self._decided(delivery.key, version)
        asked = self.compiled.asked(columns.delivered, decided.released)
        asked = dataclasses.replace(asked, beside=columns.beside)
        # Where nobody keeps the rows, counting them is enough, unless there is more to be asked.
        uncounted = any(not built_in(rule.check) for rule in self.rules.rules)
        kept = self.warehouse is not None
        lightly = None
        if not (kept or uncounted or decided != NOTHING):
            lightly = self.compiled.lightly(asked)

        def landed(asked: Asked) -> Landed:
            found = land(
                engine, delivery, head, mapping=columns.roles, contract=self.contract,
                timezone=self.config.shop.timezone, scratch=self.scratch, asked=asked, text=text,
            )  # fmt: skip
            refuse_encoding(found)
            return found

        try:
            if lightly is not None:
                with contextlib.suppress(duckdb.BinderException, RowsWanted):
                    light = landed(lightly)
                    return self._measured(engine, delivery, base, head, columns, light, witness)
            whole = landed(asked)
        except Broken as broken:
            return self._refused(delivery, base, broken, witness)
        return self._measured(engine, delivery, base, head, columns, whole, witness)

    def _measured(
        self,
        engine: DuckEngine,
        delivery: Delivery,
        base: Entry,
        head: Head,
        columns: Mapping_,
        landed: Landed,
        witness: Witness,
    ) -> Entry:
        """Count, judge and conclude."""
        columns = dated(engine, columns, landed)
        decided = self._decided(delivery.key, base["version"])
        landed, pardons = decided.pardoned(engine, landed)
        facts = measure(engine, delivery, columns, landed, self.contract)
        if landed.light and facts.accepted < facts.rows:
            raise RowsWanted
        facts = with_values(
            engine, facts, landed, self.compiled, self.rules, self.contract, self.config.shop
        )
        facts = dataclasses.replace(facts, cut=head.cut)
        memory = remembered(
            engine, base, head, columns, landed, facts, self.contract, self.config.shop, self._keys
        )
        look = looker(engine, landed, self.contract.payload, columns.roles)
        weighed = decided.weighed(judge(facts, self.rules, look))
        entry = self._concluded(engine, delivery, base, head, landed, facts, weighed, witness)
        entry["findings"] += [as_dict(decided.dated(one, entry)) for one in pardons]
        return {**entry, **memory}

    def _refused(
        self,
        delivery: Delivery,
        base: Entry,
        broken: Broken,
        witness: Witness | None = None,
        *,
        copy: bool = True,
    ) -> Entry:
        rule = next((rule for rule in self.rules.rules if rule.check == broken.check), None)
        if rule is None:
            rule = CheckRule(id=broken.check, check=broken.check, severity=Severity.P0)
        day = str(delivery.date) if delivery.date else None
        one = dataclasses.replace(
            finding(rule, Hit(message=f"{delivery.key}: {broken.message}")),
            since=f"{day}T00:00:00.000Z" if day else "",
            date=day,
            delivery=delivery.key,
            layer=Layer.HEALTH,
        )
        decided = self._decided(delivery.key, base["version"])
        ((_, one),) = decided.weighed([(rule, one)])
        why = Refusal(rule=rule.id, why=one.message, since=one.since, hopeless=hopeless(rule.check))
        self.quarantine.keep_delivery(
            delivery, base["version"], [one], [why], settled=rule.id in decided.discarded,
            sure=witness.sure if witness is not None else None, copy=copy,
        )  # fmt: skip
        return {**nothing_read(base), "findings": [as_dict(one)]}

    def _concluded(
        self,
        engine: DuckEngine,
        delivery: Delivery,
        base: Entry,
        head: Head,
        landed: Landed,
        facts: Facts,
        weighed: Sequence[tuple[CheckRule, Finding]],
        witness: Witness,
    ) -> Entry:
        found = [one for _, one in weighed]
        decided = self._decided(delivery.key, base["version"])
        renames = self.config.on_rename == "stop" and not any(
            decided.releases(rule.id) for rule, _ in weighed if rule.check in READ_OTHERWISE
        )
        action = strictest(weighed, facts, stop_on_rename=renames)
        whole = action in {"stop", "quarantine_delivery"}
        accepted = 0 if whole else facts.accepted
        rejected = facts.rows - accepted
        if whole:
            refusals = refusals_of(weighed, stop_on_rename=renames)
            self.quarantine.keep_delivery(
                delivery, base["version"], found, refusals, sure=witness.sure,
                settled={one.rule for one in refusals} <= decided.discarded,
            )  # fmt: skip
        elif rejected:
            self.quarantine.keep_rows(
                engine, delivery, base["version"], head, landed, settled=decided.discarded,
                since={key: one.since for rule, one in weighed for key in (rule.check, rule.id)},
                sure=witness.sure,
            )  # fmt: skip
        else:
            witness.sure()
            self.quarantine.nothing(delivery)
        file: str | None = None
        if self.warehouse is not None and not whole:
            kept = self.warehouse.keep("landed", landed.path)
            file = kept.relative_to(self.warehouse.root).as_posix()
        else:
            landed.path.unlink()
        return {
            **base,
            "date": base["date"] or facts.main_day,
            "file": file,
            "verdict": verdict_of(action, found, rejected),
            "score": 0 if whole else score_of(found, rejected / facts.rows if facts.rows else 0.0),
            "rows_read": facts.rows,
            "rows_accepted": accepted,
            "rows_quarantined": rejected,
            "rows_repeated": 0 if whole else facts.repeated,
            "columns": list(head.columns),
            "first_event_at": facts.first,
            "last_event_at": facts.last,
            "fields": {} if whole else {k: list(v) for k, v in facts.orders.fields.items()},
            "forms": forms_of(self.contract, facts.columns, head),
            "careful": landed.careful,
            "findings": [as_dict(one) for one in found],
        }


def _as_many_as(threads: int, deliveries: Sequence[Delivery]) -> bool:
    """Whether deliveries keep so many threads busy until the end, a thread to each."""
    sizes = [one.path.stat().st_size for one in deliveries if one.path.is_file()]
    return len(sizes) > threads and max(sizes) * threads <= sum(sizes)


def _refuse_repeated(columns: Mapping_) -> None:
    if columns.repeated:
        name = shown(columns.repeated[0])
        raise Broken("file_kind", f"the header names column {name} more than once")


def _unreadable(delivery: Delivery, error: OSError) -> InputError:
    return InputError(
        f"cannot be read: {error.strerror}",
        where=str(delivery.path),
        fix="see to its permissions, or leave it out of --input",
    )
