"""The quarantine: what was kept out, with the reason and the original bytes; never deleted.

``rows/`` holds the rows that were kept out of each delivery, ``deliveries/`` a note on each
delivery that was refused whole, ``files/`` the bytes of those, named by their content. What is
settled, or no longer kept out, moves to ``history/``; nothing is taken away.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from tallymark.check.quarantined.rowfile import RowFile, drop_abandoned, read_records
from tallymark.engine.base import NO_FOLDERS, exact, literal
from tallymark.engine.digest import file_digest
from tallymark.engine.duckdb import DuckEngine
from tallymark.engine.warehouse import write_atomically
from tallymark.ingest.careful import originals
from tallymark.ingest.deliveries import ENDINGS, Delivery
from tallymark.ingest.extra import Asked
from tallymark.ingest.header import Head
from tallymark.ingest.landing import Landed
from tallymark.ingest.landing_sql import REJECTED, Fault
from tallymark.ingest.unpack import open_text
from tallymark.results import Finding, to_json

__all__ = ["KEEP_UP_TO", "ROW_FAULTS", "Quarantine", "Refusal", "Row", "hopeless"]

KEEP_UP_TO = 256 * 1024 * 1024  # bytes of one refused delivery; of a larger one only a note is kept
_REASONS = {
    Fault.TIME: ("time_unparseable", "the time cannot be read"),
    Fault.EVENT_NAME: ("event_name_missing", "the event has no name"),
}
ROW_FAULTS = {rule: fault for fault, (rule, _) in _REASONS.items()}
_BROKEN = "broken_row"
_LONGEST = 100
_CHUNK = 1 << 20
_UNSAFE = re.compile(r"[^A-Za-z0-9._=-]+")
# What no decision can let in, and why, as a sentence.
_HOPELESS = {
    "time_unparseable": "a row whose time cannot be read belongs to no day and no session; numbers "
    "since 1970 are read once the contract names their `format`",
    _BROKEN: "a line that is no row has no values that could be taken",
    "timestamp": "without a time column no row belongs to any day",
    "event_name": "without an event column no row says what happened",
}
_UNREADABLE = "nothing in it can be read, so there is nothing to let in"
Note = dict[str, Any]
Sure = Callable[[], None]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One row that was kept out; ``original`` is its bytes up to the end of its line."""

    line: int
    rule: str
    reason: str
    original: bytes


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """Why a whole delivery is kept out.

    Attributes:
        rule: The id of the rule that refused it.
        why: The sentence of its finding.
        since: When that began, ISO 8601 UTC.
        hopeless: Why no decision can let the delivery in; empty if one can.
    """

    rule: str
    why: str
    since: str
    hopeless: str = ""


def hopeless(check: str, roles: Sequence[str] = ()) -> str:
    """Why what a check keeps out can never be let in; empty if a decision can do it.

    Args:
        check: The name of the check.
        roles: The roles that no column plays, where the check is about those.
    """
    if check.startswith("file_") and check != "file_day":
        return _UNREADABLE
    return next((_HOPELESS[one] for one in (check, *roles) if one in _HOPELESS), "")


class Quarantine:
    """A folder of rejected rows (``rows/``) and rejected deliveries (``deliveries/``).

    Args:
        root: The folder; made when there is something to keep.
        keep_up_to: Bytes of the largest refused delivery of which a copy is kept.
    """

    def __init__(self, root: Path, *, keep_up_to: int = KEEP_UP_TO) -> None:
        self.root = root
        self.keep_up_to = keep_up_to

    # ------------------------------------------------------------ places

    def _name(self, key: str) -> str:
        """A file name for a key; no two keys share one."""
        name = _UNSAFE.sub("_", key.replace("/", "__"))
        if name == key and len(name) <= _LONGEST:
            return name
        return f"{name[:_LONGEST]}-{hashlib.sha256(key.encode()).hexdigest()[:8]}"

    def _open_files(self, key: str) -> dict[str, Path]:
        """What there may be of a delivery that is not settled, by its name in the history."""
        name = self._name(key)
        return {
            "rows.csv": self.root / "rows" / f"{name}.csv",
            "rows.json": self.root / "rows" / f"{name}.json",
            "delivery.json": self.root / "deliveries" / f"{name}.json",
        }

    def _past(self, key: str) -> Path:
        return self.root / "history" / self._name(key)

    def _aside(self, key: str, ending: str) -> Path:
        place = self.root / ".unfinished" / f"{os.getpid()}-{self._name(key)}{ending}"
        place.parent.mkdir(parents=True, exist_ok=True)
        return place

    # ------------------------------------------------------------ reading

    def notes(self) -> list[Note]:
        """What is kept out and not settled, a note each, by delivery."""
        found = [
            self._read(path)
            for folder in ("rows", "deliveries")
            for path in (self.root / folder).glob("*.json")
        ]
        return sorted((one for one in found if one), key=lambda one: str(one["delivery"]))

    def note(self, key: str) -> Note | None:
        """The note on what is kept out of a delivery and not settled, or None."""
        files = self._open_files(key)
        found = self._read(files["delivery.json"]) or self._read(files["rows.json"])
        return found or None

    def _read(self, path: Path) -> Note:
        """A note; an empty one if there is none. One that is damaged is written anew some day."""
        try:
            note = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return note if isinstance(note, dict) and isinstance(note.get("delivery"), str) else {}

    def read_rows(self, key: str, rule: str | None = None) -> Iterator[Row]:
        """The rows that are kept out of a delivery, in their order, with their original bytes.

        Args:
            key: The delivery.
            rule: Only what this rule keeps out.
        """
        path = self._open_files(key)["rows.csv"]
        if not path.is_file():
            return
        with path.open("rb") as stream:
            for line, name, reason, original in read_records(stream):
                if rule is None or name == rule:
                    yield Row(line=line, rule=name, reason=reason, original=original)

    def remembers(self, key: str, verdict: Mapping[str, Any]) -> bool:
        """Whether what is open of a delivery is what its verdict left here."""
        return bool(verdict.get("left_open", "") == self.open_mark(key))

    def open_mark(self, key: str) -> str:
        """A fingerprint of what is kept out of a delivery and not settled; empty if nothing is.

        Somebody may have judged it meanwhile by other rules, or other bytes of its name.
        """
        there = [path for path in self._open_files(key).values() if path.is_file()]
        # The note on rows has the hash of the rows.
        told = [one.name + (_digest(one) if one.suffix == ".json" else "") for one in there]
        return hashlib.sha256("\0".join(told).encode()).hexdigest()[:16] if told else ""

    def past(self, key: str) -> list[Path]:
        """The folders of what was kept out of a delivery once, and is not any more, or settled."""
        return sorted(self._past(key).glob("*"))

    def kept_copy(self, note: Mapping[str, Any]) -> Path | None:
        """The bytes of a delivery that was refused whole, if they are kept."""
        path = self.root / str(note["file"]) if note.get("file") else None
        return path if path is not None and path.is_file() else None

    # ------------------------------------------------------------ writing

    def nothing(self, delivery: Delivery) -> None:
        """The current version of a delivery has nothing to keep out; what an old one had goes."""
        self._retire(delivery.key)

    def _retire(self, key: str, *, but: frozenset[str] = frozenset()) -> None:
        """Move what is kept out of a delivery to the history, but for some files.

        The note goes last: while it is there, a run that was killed is finished by the next.
        """
        gone = {name: path for name, path in self._open_files(key).items() if name not in but}
        # A check beside a run retires the same files: what it has moved is where it belongs.
        held = {name: text for name, path in gone.items() if (text := _digest(path))}
        if not held:
            return
        noted = gone["delivery.json"] if "delivery.json" in held else gone.get("rows.json")
        version = str(self._read(noted).get("version", "unknown")) if noted else "unknown"
        mark = hashlib.sha256("".join(held[name] for name in sorted(held)).encode()).hexdigest()
        place = self._past(key) / f"{version[:16]}-{mark[:8]}"
        place.mkdir(parents=True, exist_ok=True)
        for name in ("rows.csv", "rows.json", "delivery.json"):
            if name in held:
                with contextlib.suppress(FileNotFoundError):
                    gone[name].replace(place / name)

    def keep_delivery(
        self,
        delivery: Delivery,
        version: str,
        findings: Sequence[Finding],
        refusals: Sequence[Refusal] = (),
        *,
        settled: bool = False,
        sure: Sure | None = None,
        copy: bool = True,
    ) -> None:
        """Keep a delivery that was refused whole: a note, and its bytes if they are not too many.

        Args:
            delivery: The delivery.
            version: The hash of its bytes.
            findings: What is wrong with it.
            refusals: Which of that kept it out.
            settled: Somebody decided that it is to stay out: it goes to the history at once.
            sure: Raises if the file has changed; asked before anything becomes visible.
            copy: Whether the bytes are worth keeping.
        """
        name, kept = self._copied(delivery) if copy else (None, "only this note")
        if sure is not None:
            sure()
        note = {
            "delivery": delivery.key,
            "date": str(delivery.date) if delivery.date else None,
            "version": version,
            "bytes": delivery.path.stat().st_size,
            "file": name,
            "kept": kept,
            "refusals": list(refusals),
            "findings": list(findings),
        }
        text = to_json(note).encode(errors="replace")
        place = self._open_files(delivery.key)["delivery.json"]
        if settled:
            self._retire(delivery.key)
            past = self._past(delivery.key) / f"{version[:16]}-settled"
            write_atomically(past / "delivery.json", text)
            return
        there = _holds(place, text.decode())
        self._retire(delivery.key, but=frozenset({"delivery.json"} if there else ()))
        write_atomically(place, text)

    def _copied(self, delivery: Delivery) -> tuple[str | None, str]:
        """Copy a delivery, named by its content; where to, or None, and what is to be said of it.

        It is no link: whoever writes a corrected file over the old one would change both.
        """
        size = delivery.path.stat().st_size
        if size > self.keep_up_to:
            return None, (
                f"only this note: the file has {size:,} bytes, and copies are kept of up to "
                f"{self.keep_up_to:,}; it stays where it was delivered"
            )
        ending = max((one for one in ENDINGS if delivery.path.name.lower().endswith(one)), key=len)
        aside = self._aside(delivery.key, ".copy")
        try:
            digest = hashlib.sha256()
            with delivery.path.open("rb") as source, aside.open("wb") as target:
                while chunk := source.read(_CHUNK):
                    digest.update(chunk)
                    target.write(chunk)
            name = f"files/{digest.hexdigest()[:32]}{ending}"
            place = self.root / name
            place.parent.mkdir(parents=True, exist_ok=True)
            aside.replace(place)
        finally:
            aside.unlink(missing_ok=True)
        return name, "a copy of the delivered bytes"

    def keep_rows(
        self,
        engine: DuckEngine,
        delivery: Delivery,
        version: str,
        head: Head,
        landed: Landed,
        *,
        since: Mapping[str, str] | None = None,
        settled: frozenset[str] = frozenset(),
        sure: Sure | None = None,
    ) -> None:
        """Write the rejected rows of a delivery: line number, rule, reason, original bytes.

        Args:
            engine: The engine.
            delivery: The delivery.
            version: The hash of its bytes.
            head: What its first kilobytes told.
            landed: What came of reading it.
            since: When what a rule found began, by rule.
            settled: Rules whose rows somebody decided to leave out: these go to the history.
            sure: Raises if the file has changed; asked before anything becomes visible.
        """
        noted = {
            "delivery": delivery.key,
            "date": str(delivery.date) if delivery.date else None,
            "version": version,
        }
        rows = self._rejected(engine, delivery, head, landed)
        self._put_rows(noted, rows, since=since or {}, settled=settled, sure=sure)

    def settle(self, key: str, rules: frozenset[str]) -> None:
        """Move to the history what some rules keep out of a delivery that is not there any more."""
        note = self.note(key)
        if note is None:
            return
        if "rules" not in note:
            self._retire(key)
            return
        noted = {name: note[name] for name in ("delivery", "date", "version")}
        since = {one["rule"]: one["since"] for one in note["rules"]}
        self._put_rows(noted, self.read_rows(key), since=since, settled=rules)

    def _put_rows(
        self,
        noted: Mapping[str, Any],
        rows: Iterator[Row],
        *,
        since: Mapping[str, str],
        settled: frozenset[str],
        sure: Sure | None = None,
    ) -> None:
        """Write rows to their places, open or settled, and a note beside them."""
        key = str(noted["delivery"])
        opened = RowFile(self._aside(key, ".csv"), key)
        done = RowFile(self._aside(key, ".settled.csv"), key)
        try:
            for row in rows:
                sink = done if row.rule in settled else opened
                sink.add(row.line, row.rule, row.reason, row.original)
            for sink in (opened, done):
                sink.close()
            if sure is not None:
                sure()
            if done.rules:
                past = self._past(key) / f"{str(noted['version'])[:16]}-settled-{done.digest[:8]}"
                write_atomically(past / "rows.json", _row_note(noted, done, since))
                done.path.replace(past / "rows.csv")
            files = self._open_files(key)
            if not opened.rules:
                self._retire(key)
                return
            text = _row_note(noted, opened, since)
            same = _holds(files["rows.csv"], opened.digest) and _holds(files["rows.json"], text)
            self._retire(key, but=frozenset({"rows.csv", "rows.json"} if same else ()))
            files["rows.csv"].parent.mkdir(parents=True, exist_ok=True)
            opened.path.replace(files["rows.csv"])
            write_atomically(files["rows.json"], text)
        finally:
            for sink in (opened, done):
                sink.discard()

    def tidy(self) -> None:
        """Take away the folder of unfinished files, once nobody writes there any more."""
        with contextlib.suppress(OSError):
            drop_abandoned(self.root / ".unfinished")
            (self.root / ".unfinished").rmdir()
            self.root.rmdir()

    def _rejected(
        self, engine: DuckEngine, delivery: Delivery, head: Head, landed: Landed
    ) -> Iterator[Row]:
        """The rows of a delivery that are kept out, in the order of their lines."""
        bad = iter(landed.bad_lines)
        following = next(bad, None)
        for row in self._faulty(engine, delivery, head, landed):
            while following is not None and following[0] < row.line:
                yield _bad(*following)
                following = next(bad, None)
            yield row
        while following is not None:
            yield _bad(*following)
            following = next(bad, None)

    def _faulty(
        self, engine: DuckEngine, delivery: Delivery, head: Head, landed: Landed
    ) -> Iterator[Row]:
        """Landed rows that carry a fault, with their bytes as they were delivered."""
        source = landed.source
        faults = dict(
            engine.rows(
                f"select line_number, faults from {source} where faults & {REJECTED.value} > 0 "
                "order by line_number"
            )
        )
        if not faults:
            return
        tests = _failed(engine, source, landed.asked)
        texts = (
            _parquet_rows(engine, delivery, source)
            if delivery.format == "parquet"
            else _text_rows(delivery, head, faults)
        )
        for line, original in texts:
            fault = next((one for one in _REASONS if faults[line] & one), None)
            rule, reason = tests[line] if fault is None else _REASONS[fault]
            yield Row(line=line, rule=rule, reason=reason, original=original)


def _failed(engine: DuckEngine, source: str, asked: Asked) -> dict[int, tuple[str, str]]:
    """Rule and reason of the rows that a rule about values keeps out: its first, in their order."""
    if not asked.rejecting:
        return {}
    found = engine.rows(
        f"select line_number, {asked.first} from {source} where faults & {Fault.RULE.value} > 0"
    )
    tests = [(one.rule, one.reason) for one in asked.rejecting]
    return {line: tests[place] for line, place in found}


def _text_rows(
    delivery: Delivery, head: Head, wanted: Mapping[int, int]
) -> Iterator[tuple[int, bytes]]:
    """The bytes of some rows; a row that cannot be found again is there without its bytes."""
    left = dict.fromkeys(wanted)
    with open_text(delivery) as stream:
        for line, original in originals(stream, delivery.format, head, wanted):
            del left[line]
            yield line, original
    for line in left:
        yield line, b""


def _parquet_rows(
    engine: DuckEngine, delivery: Delivery, rejected: str
) -> Iterator[tuple[int, bytes]]:
    """Rows of a Parquet file have no bytes of their own: their values, as JSON."""
    found = engine.rows(
        "select line, cast(to_json(row) as varchar) from (select row_number() over () as line, "
        f"delivered as row from read_parquet({literal(exact(delivery.path))}, {NO_FOLDERS}) "
        "as delivered) "
        f"where line in (select line_number from {rejected} where faults & {REJECTED.value} > 0) "
        "order by line"
    )
    for line, text in found:
        yield int(line), str(text).encode()


def _bad(line: int, reason: str, text: str) -> Row:
    original = text.encode("utf-8", errors="surrogateescape")
    return Row(line=line, rule=_BROKEN, reason=reason, original=original)


def _row_note(about: Mapping[str, Any], rows: RowFile, since: Mapping[str, str]) -> str:
    rules = [
        {
            "rule": rule, "rows": told.rows, "why": told.why, "since": since.get(rule, ""),
            "hopeless": hopeless(rule),
        }
        for rule, told in sorted(rows.rules.items())
    ]  # fmt: skip
    return to_json({**about, "rows": rows.count, "sha256": rows.digest, "rules": rules})


def _digest(path: Path) -> str:
    """The hash of a file; empty if there is none, or another process has just moved it."""
    try:
        return file_digest(path) if path.is_file() else ""
    except FileNotFoundError:
        return ""


def _holds(path: Path, expected: str) -> bool:
    """Whether a file is there and has a text, or a hash, as its content."""
    try:
        if path.suffix == ".csv":
            with path.open("rb") as stream:
                return hashlib.file_digest(stream, "sha256").hexdigest() == expected
        return path.read_bytes() == expected.encode()
    except FileNotFoundError:
        return False
