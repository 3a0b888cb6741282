"""What the first kilobytes of a delivery prove against it, before it is hashed or read whole.

A delivery that its first megabyte refuses is known by those bytes and its size: the verdict rests
on nothing else, so hashing ten gigabytes would only make it late. See decision 0013.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from tallymark.check.counting.facts import Facts, OrderFacts
from tallymark.check.header.columns import Mapping_
from tallymark.check.header.shapes import value_like
from tallymark.config import CheckRules
from tallymark.contract import Contract
from tallymark.engine.digest import new_digest
from tallymark.ingest.deliveries import Delivery
from tallymark.ingest.header import Broken, Head
from tallymark.ingest.landing_sql import Fault
from tallymark.ingest.unpack import HEAD_RAW

__all__ = [
    "HeadVersion", "column_rules", "facts_of_columns", "head_version", "refuse_no_header",
]  # fmt: skip

_VALUES = 2  # values in the place of names from which on they are not taken for names
_NAMES = 3  # names of columns in one line, from which on it is the header
_TAIL = 65_536  # a Parquet file says at its end what it holds


@dataclass(frozen=True, slots=True)
class HeadVersion:
    """A version told from the first and last bytes; ``whole`` if those are all there are."""

    text: str
    whole: bool


def head_version(path: Path) -> HeadVersion:
    """The version of a file, as far as its head decides about it.

    Of a small file it is the hash of its bytes, as of any that is read whole; of a larger one
    ``head-<hash of its first megabyte and last 64 kB>-<size>``.

    Raises:
        OSError: It cannot be read.
    """
    digest = new_digest()
    with path.open("rb") as stream:
        digest.update(stream.read(HEAD_RAW))
        size = path.stat().st_size
        if size <= HEAD_RAW:
            return HeadVersion(digest.hexdigest(), whole=True)
        stream.seek(max(HEAD_RAW, size - _TAIL))
        digest.update(stream.read(_TAIL))
    return HeadVersion(f"head-{digest.hexdigest()[:32]}-{size}", whole=False)


def refuse_no_header(delivery: Delivery, head: Head, contract: Contract) -> None:
    """Refuse a CSV file that begins with something else: that must not be taken for names.

    Raises:
        Broken: No name is known, and what stands there are values such as no column is called, or
            one of the next lines is the header.
    """
    if delivery.format != "csv" or any(contract.by_name(name) for name in head.columns):
        return
    held = [what for name in head.columns if (what := value_like(name)) is not None]
    if len(held) >= _VALUES and "a time" in held:
        told = " and ".join(dict.fromkeys(held))
        raise Broken("file_header_missing", f"it has no header: its first line holds {told}, so "
                     "it is a row and names no column")  # fmt: skip
    for number, line in enumerate(head.after, start=head.header_lines + 1):
        names = {name.strip('" \ufeff\r\n') for name in re.split(r"[,;\t|]", line)}
        if sum(contract.by_name(name) is not None for name in names) >= _NAMES:
            raise Broken("file_header_missing", f"line {number} is its header, and what stands "
                         "before names no column")  # fmt: skip


def column_rules(rules: CheckRules) -> CheckRules:
    """The rules that look at columns alone."""
    return rules.model_copy(
        update={"rules": tuple(one for one in rules.rules if one.check.startswith("column_"))}
    )


def facts_of_columns(delivery: Delivery, columns: Mapping_) -> Facts:
    """What is known of a delivery of which only the head was read."""
    return Facts(
        delivery=delivery, columns=columns, rows=0, accepted=0, bad_lines=0, repeated=0,
        faults=dict.fromkeys(Fault, 0), first=None, last=None, main_day=None, orders=OrderFacts(),
    )  # fmt: skip
