"""Keys of JSON lines that come after the first ones.

Whoever leaves out empty values writes a key first where it first has a value: that a key is not in
the first lines proves nothing. So a column of the contract that is not among them is looked for
in the others, by its name alone, before it is called missing.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Iterator, Mapping

from tallymark.contract import Contract
from tallymark.ingest.careful import MAX_LINE_BYTES
from tallymark.ingest.deliveries import Delivery
from tallymark.ingest.header import SAMPLE_ROWS, Head, in_order, sampled
from tallymark.ingest.unpack import pieces

__all__ = ["with_later_keys"]


def with_later_keys(delivery: Delivery, head: Head, contract: Contract) -> Head:
    """The head with those columns of the contract that only later lines have.

    Reads on only where a column is not there under any of its names, and until all are found.

    Raises:
        Broken: What is read on the way cannot be decompressed.
    """
    if delivery.format != "jsonl":
        return head
    there = set(head.columns)
    wanted = {
        name: one.name
        for one in contract.columns
        if there.isdisjoint(one.names)
        for name in one.names
    }
    return _completed(delivery, head, wanted) if wanted else head


def _completed(delivery: Delivery, head: Head, wanted: Mapping[str, str]) -> Head:
    columns, sample = list(head.columns), {name: [*held] for name, held in head.sample.items()}
    left = {_spelled(name): name for name in wanted}
    for block in _blocks(pieces(delivery)):
        if not any(key in block for key in left):
            continue
        found: set[str] = set()
        for row in _objects(block, tuple(left)):
            new = [name for name in left.values() if name in row]
            columns = in_order(columns, [key for key in row if key in new or key in columns])
            for name in new:
                held = sample.setdefault(name, [])
                if len(held) < SAMPLE_ROWS:
                    held.append(sampled(row[name]))
            found.update(wanted[name] for name in new)
        left = {key: name for key, name in left.items() if wanted[name] not in found}
        if not left:
            break
    return dataclasses.replace(head, columns=columns, sample=sample)


def _spelled(name: str) -> bytes:
    return json.dumps(name, ensure_ascii=False).encode(errors="replace")


def _blocks(read: Iterable[bytes]) -> Iterator[bytes]:
    """Whole lines, many at once; of a line that is too long no part is looked at."""
    rest: list[bytes] = []
    size = 0
    for piece in read:
        before, end, behind = piece.rpartition(b"\n")
        if end:
            yield b"".join([*(rest if size <= MAX_LINE_BYTES else ()), before])
            rest, size = [], 0
        if size <= MAX_LINE_BYTES:
            rest.append(behind)
        size += len(behind)
    if size <= MAX_LINE_BYTES:
        yield b"".join(rest)


def _objects(block: bytes, keys: tuple[bytes, ...]) -> Iterator[dict[str, object]]:
    """The objects of the lines that hold one of some keys, or a text like it."""
    for line in block.split(b"\n"):
        if any(key in line for key in keys):
            try:
                row = json.loads(line)
            except (ValueError, RecursionError):
                continue
            if isinstance(row, dict):
                yield row
