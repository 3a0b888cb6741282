"""The quarantine: what was kept out, with the reason and the original bytes; never deleted."""

from __future__ import annotations

import csv
import hashlib
import io
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from tallymark.engine.base import path_list
from tallymark.engine.duckdb import DuckEngine
from tallymark.engine.warehouse import write_atomically
from tallymark.ingest.careful import original_texts
from tallymark.ingest.deliveries import Delivery
from tallymark.ingest.header import Head
from tallymark.ingest.landing import Landed
from tallymark.ingest.landing_sql import REJECTED, Fault
from tallymark.ingest.unpack import open_text
from tallymark.results import Finding, to_json

__all__ = ["Quarantine"]

_REASONS = {
    Fault.TIME: ("time_unparseable", "the time cannot be read"),
    Fault.EVENT_NAME: ("event_name_missing", "the event has no name"),
}
_LONGEST = 100
_UNSAFE = re.compile(r"[^A-Za-z0-9._=-]+")


class Quarantine:
    """A folder of rejected rows (``rows/``) and rejected deliveries (``deliveries/``)."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def _name(self, delivery: Delivery) -> str:
        """A file name for a key; no two keys share one."""
        name = _UNSAFE.sub("_", delivery.key.replace("/", "__"))
        if name == delivery.key and len(name) <= _LONGEST:
            return name
        return f"{name[:_LONGEST]}-{hashlib.sha256(delivery.key.encode()).hexdigest()[:8]}"

    def _rows_path(self, delivery: Delivery) -> Path:
        return self.root / "rows" / f"{self._name(delivery)}.csv"

    def _delivery_path(self, delivery: Delivery) -> Path:
        return self.root / "deliveries" / f"{self._name(delivery)}.json"

    def nothing(self, delivery: Delivery) -> None:
        """The current version of a delivery has nothing to keep out; what an old one had goes."""
        self._rows_path(delivery).unlink(missing_ok=True)
        self._delivery_path(delivery).unlink(missing_ok=True)

    def keep_delivery(self, delivery: Delivery, version: str, findings: Sequence[Finding]) -> None:
        """Note that a whole delivery was refused; the file itself stays where it was delivered."""
        note = {
            "delivery": delivery.key,
            "date": str(delivery.date) if delivery.date else None,
            "version": version,
            "bytes": delivery.path.stat().st_size,
            "findings": list(findings),
        }
        write_atomically(self._delivery_path(delivery), to_json(note))
        self._rows_path(delivery).unlink(missing_ok=True)

    def keep_rows(self, engine: DuckEngine, delivery: Delivery, head: Head, landed: Landed) -> None:
        """Write the rejected rows of a delivery: line number, rule, reason, original text."""
        rejected: dict[int, tuple[str, str]] = {}
        for number, faults in engine.rows(
            f"select line_number, faults from read_parquet({path_list([landed.path])}) "
            f"where faults & {REJECTED.value} > 0 order by line_number"
        ):
            fault = next(one for one in _REASONS if faults & one)
            rejected[int(number)] = _REASONS[fault]
        originals: Mapping[int, str] = {}
        if rejected and delivery.format != "parquet":
            with open_text(delivery) as stream:
                originals = original_texts(stream, delivery.format, head, rejected)
        rows = [
            (number, rule, reason, originals.get(number, ""))
            for number, (rule, reason) in rejected.items()
        ]
        rows += [(number, "broken_row", reason, text) for number, reason, text in landed.bad_lines]
        text = io.StringIO(newline="")
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(["delivery", "line_number", "rule", "reason", "original"])
        for row in sorted(rows):
            writer.writerow([delivery.key, *row])
        write_atomically(
            self._rows_path(delivery), text.getvalue().encode("utf-8", errors="surrogateescape")
        )
        self._delivery_path(delivery).unlink(missing_ok=True)
