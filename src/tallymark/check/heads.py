"""What the first kilobytes of a delivery prove against it, before it is hashed or read whole.

A delivery that its first megabyte refuses is known by those bytes and its size: the verdict rests
on nothing else, so hashing ten gigabytes would only make it late. See decision 0013.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tallymark.check.columns import Mapping_
from tallymark.check.facts import Facts, OrderFacts
from tallymark.config import CheckRules
from tallymark.engine.digest import new_digest
from tallymark.ingest.deliveries import Delivery
from tallymark.ingest.landing_sql import Fault
from tallymark.ingest.unpack import HEAD_RAW

__all__ = ["HeadVersion", "column_rules", "facts_of_columns", "head_version"]

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
