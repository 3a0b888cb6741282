"""Keys of JSON lines that come after the first ones.

Whoever leaves out empty values writes a key first where it first has a value: that a key is not in
the first lines proves nothing. So a name of the contract that is not among them is looked for in
the others before its column is called missing, or its other names all there are. And keys that the
contract does not know are looked for in the last lines: one may be a column's new name.
"""

from __future__ import annotations

import dataclasses
import io
import json
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from tallymark.contract import Contract
from tallymark.ingest.careful import MAX_LINE_BYTES
from tallymark.ingest.deliveries import Delivery
from tallymark.ingest.header import HEAD_BYTES, SAMPLE_ROWS, Head, in_order, sampled
from tallymark.ingest.unpack import pieces

__all__ = ["rows_with", "with_last_rows", "with_later_keys"]

_EMPTY = (None, "")


def with_later_keys(delivery: Delivery, head: Head, contract: Contract) -> Head:
    """The head with those names of the contract that only later lines have.

    Reads on for a column that is not there under any of its names, and for the other names of one
    that has several, until all are found.

    Raises:
        Broken: What is read on the way cannot be decompressed.
    """
    if delivery.format != "jsonl":
        return head
    there = set(head.columns)
    wanted = {
        name
        for one in contract.columns
        if there.isdisjoint(one.names) or len(one.names) > 1
        for name in one.names
    }
    return _completed(delivery, head, wanted - there) if wanted - there else head


def with_last_rows(delivery: Delivery, head: Head) -> Head:
    """The head with those of the last rows that have keys which the first ones have not.

    Raises:
        Broken: The delivery cannot be decompressed.
    """
    if delivery.format != "jsonl":
        return head
    known = set(head.columns)
    rows = [row for row in _last_rows(delivery) if not row.keys() <= known]
    if not rows:
        return head
    first = max(map(len, head.sample.values()), default=0)
    columns = list(head.columns)
    for row in rows:
        columns = in_order(columns, [key.encode(errors="replace").decode() for key in row])
    sample = {
        name: [
            *head.sample.get(name, [None] * first),
            *(sampled(row.get(name)) for row in rows),
        ]
        for name in columns
    }
    return dataclasses.replace(head, columns=columns, sample=sample)


def rows_with(delivery: Delivery, names: Sequence[str]) -> dict[str, tuple[int, int]]:
    """How many lines have a value under each of some keys, and the number of the first.

    Raises:
        Broken: The delivery cannot be decompressed.
    """
    keys = tuple(map(_spelled, names))
    found = dict.fromkeys(names, (0, 0))
    before = 0
    for block in _blocks(pieces(delivery)):
        lines = block.split(b"\n")
        if any(key in block for key in keys):
            for number, line in enumerate(lines, start=before + 1):
                row = _object(line) if any(key in line for key in keys) else {}
                for name in names:
                    if row.get(name) not in _EMPTY:
                        rows, first = found[name]
                        found[name] = (rows + 1, first or number)
        before += len(lines)
    return found


# ---------------------------------------------------------------- names of the contract


def _completed(delivery: Delivery, head: Head, wanted: Iterable[str]) -> Head:
    columns, sample = list(head.columns), {name: [*held] for name, held in head.sample.items()}
    left = {_spelled(name): name for name in sorted(wanted)}
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
            found.update(new)
        left = {key: name for key, name in left.items() if name not in found}
        if not left:
            break
    return dataclasses.replace(head, columns=columns, sample=sample)


def _spelled(name: str) -> bytes:
    return json.dumps(name, ensure_ascii=False).encode(errors="replace")


# ---------------------------------------------------------------- lines


def _last_rows(delivery: Delivery) -> list[dict[str, Any]]:
    """The last objects of a file that is longer than its head."""
    if delivery.compression is None:
        with delivery.path.open("rb") as stream:
            size = stream.seek(0, io.SEEK_END)
            stream.seek(max(0, size - HEAD_BYTES))
            end = stream.read()
    else:
        last: deque[bytes] = deque()
        size = kept = 0
        for piece in pieces(delivery):
            last.append(piece)
            size, kept = size + len(piece), kept + len(piece)
            while kept - len(last[0]) >= HEAD_BYTES:
                kept -= len(last.popleft())
        end = b"".join(last)
    lines = end.split(b"\n")[0 if len(end) == size else 1 :]  # the first may be half of one
    last_lines = [line for line in lines if line.strip()][-SAMPLE_ROWS:]
    return [row for line in last_lines if (row := _object(line))]


def _blocks(read: Iterable[bytes]) -> Iterator[bytes]:
    """Whole lines, many at once; a line that is too long comes as an empty one."""
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


def _objects(block: bytes, keys: tuple[bytes, ...]) -> Iterator[Mapping[str, Any]]:
    """The objects of the lines that hold one of some keys, or a text like it."""
    for line in block.split(b"\n"):
        if any(key in line for key in keys):
            yield _object(line)


def _object(line: bytes) -> dict[str, Any]:
    """The object of a line; empty if there is none."""
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        return {}
    return row if isinstance(row, dict) else {}
