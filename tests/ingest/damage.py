"""Single damages of a CSV file, made from a seed, with what an ideal reader makes of each.

A case is a sound file in which one row (or the place between two rows) was damaged. It knows the
rows that were not touched, by line and value, and the bytes that are no row any more, by line.

What counts as damage is decided by construction, not by looking at what the reader did:

- A touched row that a strict parser of RFC 4180 (:mod:`tests.ingest.strict`, independent of the
  product's) still reads as a row of the right width *is a row*: a comma inside quotes, a letter
  more in a name. Such a case is ``still_a_row``; its untouched rows must be exact, the touched row
  may be accepted with the values that it has or kept out, and it is not among the cases that the
  share of ideal outcomes is taken of. A stray quote inside an unquoted value is *not* a row by
  RFC 4180.
- A row cut off inside its last value has the right width too; it is ``still_a_row``. So is the
  greater part of a row with a line break inside its first or last value: it cannot be told from a
  whole row with a stray line beside it. The smaller part must be kept out.
- A byte-order mark inside quotes is a character of the value; outside quotes it is damage.
- A damage that changes no row (an empty line, another line end) leaves every row good.
- Two rows glued together, or a row and a stray piece before it on the same line, are one damaged
  line: where one ends and the other begins is a guess.
"""

from __future__ import annotations

import datetime as dt
import json
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from tests.ingest.strict import parsed

__all__ = ["CLASSES", "NAMES", "Case", "cases", "damaged_header"]

NAMES = (
    "client_id", "page_url", "referrer", "timestamp", "event_name", "event_data", "user_agent",
)  # fmt: skip
_AGENTS = (
    "Mozilla/5.0 (X11; Linux x86_64) Gecko/20100101 Firefox/140.0",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 19_0 like Mac OS X) AppleWebKit/605.1.15",
    "Bot/1.0; (+https://bot.example/é)",
)
_TIME = 3
BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True)
class Case:
    """One damaged file and its ideal reading.

    Attributes:
        kind: The class of damage.
        good: Values of the untouched rows by line number, as delivered.
        bad: The bytes that are no row, by the number of the line at which they begin.
        lines: The bytes of the untouched rows by line number.
        still_a_row: The touched row by line and value, where it is a sound row of another meaning.
        refused: Whether nothing at all may be accepted, since the header is what was damaged.
    """

    kind: str
    content: bytes
    good: Mapping[int, tuple[str, ...]]
    bad: Mapping[int, bytes]
    lines: Mapping[int, bytes]
    still_a_row: Mapping[int, tuple[str, ...]] = field(default_factory=dict)
    refused: bool = False


@dataclass
class _Part:
    """Some bytes of a file: a row that is good, one that is touched, or lines that are no rows."""

    text: bytes
    end: bytes
    good: bool = True
    lines_apart: bool = False  # each line of it is a thing of its own


@dataclass
class _File:
    header: _Part
    parts: list[_Part]
    delimiter: str
    end: bytes

    @property
    def comma(self) -> bytes:
        return self.delimiter.encode()


# ---------------------------------------------------------------- sound files


def _sound(chance: random.Random) -> _File:
    """A file of 6 to 20 rows in one of the manners in which sound files are written."""
    delimiter = chance.choice(",,,;\t|")
    end = chance.choice([b"\n", b"\n", b"\r\n"])
    every = chance.random() < 0.2
    multi = chance.random() < 0.3
    rows = [_row(chance, number, multi=multi) for number in range(chance.randint(6, 20))]

    def written(values: tuple[str, ...]) -> bytes:
        cells = []
        for value in values:
            quote = every or any(mark in value for mark in f'"\r\n{delimiter}')
            cells.append('"' + value.replace('"', '""') + '"' if quote else value)
        return delimiter.join(cells).encode()

    parts = [_Part(written(row), end) for row in rows]
    if chance.random() < 0.2:
        parts[-1].end = b""
    return _File(_Part(written(NAMES), end), parts, delimiter, end)


def _row(chance: random.Random, number: int, *, multi: bool) -> tuple[str, ...]:
    moment = dt.datetime(2031, 5, 5, 8, tzinfo=dt.UTC) + dt.timedelta(seconds=37 * number)
    payload = ""
    if chance.random() < 0.5:
        note = chance.choice(["plain", "a, b; c|d", "é ü 漢", 'said "yes"', "tab\there"])
        if multi and chance.random() < 0.6:
            note += chance.choice(["\nsecond line", "\n\nthird", "\nx, y"])
        payload = json.dumps({"note": "?", "n": number}).replace("?", note.replace('"', '\\"'))
    return (
        f"c-{chance.randrange(10**6):06}",
        f"https://shop.example/p/{number}?q={chance.choice(['a', 'a,b', 'é'])}",
        chance.choice(["", "https://other.example/"]),
        moment.strftime("%Y-%m-%dT%H:%M:%S.000Z"),
        chance.choice(["page_viewed", "product_added_to_cart", "checkout_completed"]),
        payload,
        chance.choice([*_AGENTS, ""]),
    )


# ---------------------------------------------------------------- damages

Damage = Callable[[random.Random, _File, int], None]
CLASSES: dict[str, Damage] = {}


def _class(function: Damage) -> Damage:
    CLASSES[function.__name__.strip("_")] = function
    return function


def _touch(part: _Part, text: bytes) -> None:
    part.text, part.good = text, False


def _insert(chance: random.Random, part: _Part, piece: bytes, at: int | None = None) -> None:
    place = chance.randint(0, len(part.text)) if at is None else at
    _touch(part, part.text[:place] + piece + part.text[place:])


def _outside(part: _Part, mark: bytes) -> list[int]:
    """Where a mark stands outside quotes."""
    places, inside = [], False
    for at in range(len(part.text)):
        byte = part.text[at : at + 1]
        inside ^= byte == b'"'
        if byte == mark and not inside:
            places.append(at)
    return places


def _edges(file: _File, part: _Part) -> list[tuple[int, int]]:
    """Where each cell begins and ends."""
    commas = _outside(part, file.comma)
    return list(zip([0, *(at + 1 for at in commas)], [*commas, len(part.text)], strict=True))


def _unquoted(chance: random.Random, file: _File, part: _Part) -> int:
    """A place strictly inside an unquoted cell."""
    inside = [
        at
        for begin, end in _edges(file, part)
        if part.text[begin : begin + 1] != b'"'
        for at in range(begin + 1, end)
        if part.text[at] & 0xC0 != 0x80  # not within a character
    ]
    return chance.choice(inside) if inside else len(part.text)


@_class
def _quote_within(chance: random.Random, file: _File, row: int) -> None:
    part = file.parts[row]
    _insert(chance, part, b'"', _unquoted(chance, file, part))


@_class
def _quote_anywhere(chance: random.Random, file: _File, row: int) -> None:
    _insert(chance, file.parts[row], b'"')


@_class
def _quote_at_start(chance: random.Random, file: _File, row: int) -> None:
    part = file.parts[row]
    _insert(chance, part, b'"', chance.choice(_edges(file, part))[0])


@_class
def _quote_at_end(chance: random.Random, file: _File, row: int) -> None:
    part = file.parts[row]
    _insert(chance, part, b'"', chance.choice(_edges(file, part))[1])


@_class
def _quote_lost(chance: random.Random, file: _File, row: int) -> None:
    part = file.parts[row]
    places = [at for at in range(len(part.text)) if part.text[at : at + 1] == b'"']
    if places:
        at = chance.choice(places)
        _touch(part, part.text[:at] + part.text[at + 1 :])
    else:
        _insert(chance, part, b'"', chance.choice(_edges(file, part))[0])


@_class
def _quote_opens_last(chance: random.Random, file: _File, row: int) -> None:
    part = file.parts[row]
    _insert(chance, part, b'"', _edges(file, part)[-1][0])


@_class
def _delimiter_extra(chance: random.Random, file: _File, row: int) -> None:
    part = file.parts[row]
    begin, end = chance.choice(_edges(file, part))
    at = chance.choice([begin, end])
    _insert(chance, part, file.comma, at)


@_class
def _delimiter_within(chance: random.Random, file: _File, row: int) -> None:
    part = file.parts[row]
    _insert(chance, part, file.comma, _unquoted(chance, file, part))


@_class
def _delimiter_lost(chance: random.Random, file: _File, row: int) -> None:
    part = file.parts[row]
    at = chance.choice(_outside(part, file.comma))
    _touch(part, part.text[:at] + part.text[at + 1 :])


@_class
def _delimiter_other(chance: random.Random, file: _File, row: int) -> None:
    part = file.parts[row]
    other = chance.choice([mark for mark in (b",", b";", b"\t", b"|") if mark != file.comma])
    places = _outside(part, file.comma)
    chosen = set(places if chance.random() < 0.5 else [chance.choice(places)])
    marks = [other if at in chosen else part.text[at : at + 1] for at in range(len(part.text))]
    _touch(part, b"".join(marks))


@_class
def _newline_lost(chance: random.Random, file: _File, row: int) -> None:
    row = min(row, len(file.parts) - 2)
    first, second = file.parts[row : row + 2]
    mark = chance.choice([b"", b"\r", b" "])
    glued = _Part(first.text + mark + second.text, second.end, good=False)
    file.parts[row : row + 2] = [glued]


@_class
def _newline_more(chance: random.Random, file: _File, row: int) -> None:
    blank = [_Part(b"", chance.choice([b"\n", b"\r\n"])) for _ in range(chance.randint(1, 3))]
    file.parts[row:row] = blank


@_class
def _newline_other(_chance: random.Random, file: _File, row: int) -> None:
    part = file.parts[row]
    if part.end:
        part.end = b"\r\n" if part.end == b"\n" else b"\n"


@_class
def _newline_within(chance: random.Random, file: _File, row: int) -> None:
    part = file.parts[row]
    at = _unquoted(chance, file, part)
    if at == len(part.text):
        at = chance.choice(_outside(part, file.comma))
    _insert(chance, part, chance.choice([b"\n", b"\r\n", b"\r"]), at)


@_class
def _newline_at_cell(chance: random.Random, file: _File, row: int) -> None:
    part = file.parts[row]
    _insert(chance, part, file.end, chance.choice(_outside(part, file.comma)))


@_class
def _byte_latin(chance: random.Random, file: _File, row: int) -> None:
    part = file.parts[row]
    _insert(chance, part, chance.choice([b"\xe9", b"\xfc", b"\xa0"]),
            _unquoted(chance, file, part))  # fmt: skip


@_class
def _byte_invalid(chance: random.Random, file: _File, row: int) -> None:
    pieces = [b"\xff", b"\xc0\x80", b"\xed\xa0\x80", b"\xf5\x80\x80\x80", b"\x80", b"\xe2\x82"]
    _insert(chance, file.parts[row], chance.choice(pieces))


@_class
def _utf16_row(_chance: random.Random, file: _File, row: int) -> None:
    part = file.parts[row]
    _touch(part, part.text.decode().replace("\n", " ").encode("utf-16-le"))


@_class
def _utf16_fragment(chance: random.Random, file: _File, row: int) -> None:
    _insert(chance, file.parts[row], "\ufeffshop".encode(chance.choice(["utf-16-le", "utf-16-be"])))


@_class
def _bom_before_row(chance: random.Random, file: _File, row: int) -> None:
    _insert(chance, file.parts[row], BOM, 0)


@_class
def _bom_within(chance: random.Random, file: _File, row: int) -> None:
    part = file.parts[row]
    _insert(chance, part, BOM, _unquoted(chance, file, part))


@_class
def _nul(chance: random.Random, file: _File, row: int) -> None:
    _insert(chance, file.parts[row], b"\0" * chance.choice([1, 1, 7, 512]))


@_class
def _field_more(chance: random.Random, file: _File, row: int) -> None:
    part = file.parts[row]
    extra = chance.choice([b"more", b'"mo""re"', b'"a\nb"', b"1" + file.comma + b"2"])
    _insert(chance, part, file.comma + extra, chance.choice(_edges(file, part))[1])


@_class
def _field_more_empty(chance: random.Random, file: _File, row: int) -> None:
    part = file.parts[row]
    _insert(chance, part, file.comma * chance.randint(1, 3) + chance.choice([b"", b'""']),
            len(part.text))  # fmt: skip


@_class
def _field_lost(chance: random.Random, file: _File, row: int) -> None:
    part = file.parts[row]
    edges = _edges(file, part)
    begin, end = chance.choice(edges)
    text = part.text[: max(0, begin - 1)] + part.text[end:]
    _touch(part, text[1:] if begin == 0 else text)


@_class
def _half_a_row(chance: random.Random, file: _File, row: int) -> None:
    part = file.parts[row]
    _touch(part, part.text[: chance.randint(1, _edges(file, part)[-1][0] - 1)])


@_class
def _truncated(chance: random.Random, file: _File, row: int) -> None:
    part = file.parts[row]
    cut = chance.randint(0, len(part.text))
    del file.parts[row + 1 :]
    if cut == 0:
        del file.parts[row]
    elif cut < len(part.text):
        _touch(part, part.text[:cut])
        part.end = b""
    else:
        part.end = b""


@_class
def _header_again(_chance: random.Random, file: _File, row: int) -> None:
    file.parts.insert(row, _Part(file.header.text, file.end, good=False))


@_class
def _second_table(chance: random.Random, file: _File, row: int) -> None:
    names = chance.choice([["day", "visits"], ["a", "b", "c", "d"], ["sku", "n", "x", *"abcdef"]])
    lines = [names] + [[f"v{n}{at}" for at in range(len(names))] for n in range(len(file.parts))]
    text = file.end.join(file.comma.join(cell.encode() for cell in line) for line in lines)
    file.parts[row:] = [_Part(text, file.end, good=False, lines_apart=True)]
    if row:
        file.parts[row - 1].end = file.end


@_class
def _garbage(chance: random.Random, file: _File, row: int) -> None:
    size = chance.randint(1, 60)
    text = bytes(chance.randrange(256) for _ in range(size))
    if chance.random() < 0.5:
        text = bytes(chance.choice(b"abc XYZ 0123 ,;:#-=\"'") for _ in range(size))
    text = text.translate(None, b"\r\n").strip() or b"#"
    file.parts.insert(row, _Part(text, file.end, good=False))


@_class
def _repeated_piece(chance: random.Random, file: _File, row: int) -> None:
    part = file.parts[row]
    piece = part.text[: chance.randint(1, len(part.text) - 1)]
    if chance.random() < 0.5:
        file.parts.insert(row, _Part(piece, file.end, good=False))
    else:
        _touch(part, piece + part.text)


# ---------------------------------------------------------------- cases


def cases(seed: int, per_class: int, kinds: Sequence[str] = ()) -> Iterator[Case]:
    """So many cases of every class, or of some; the same seed gives the same bytes."""
    for name in kinds or CLASSES:
        for number in range(per_class):
            chance = random.Random(f"{seed} {name} {number}")  # noqa: S311 -- no secret
            file = _sound(chance)
            # The first rows decide what the file is; not the very first, so that one is left.
            CLASSES[name](chance, file, chance.randrange(1, len(file.parts)))
            yield _case(name, file)


def _case(kind: str, file: _File) -> Case:
    good: dict[int, tuple[str, ...]] = {}
    lines: dict[int, bytes] = {}
    still: dict[int, tuple[str, ...]] = {}
    bad: dict[int, bytes] = {}
    number = 1 + file.header.text.count(b"\n") + 1
    content = [file.header.text, file.header.end]
    for part in file.parts:
        values = parsed(part.text, file.delimiter)
        whole = values is not None and len(values) == len(NAMES)
        if part.good and values is not None and whole:
            good[number], lines[number] = tuple(values), part.text
        elif not part.good and part.lines_apart:
            for at, line in enumerate(part.text.split(file.end)):
                bad[number + at] = line
        elif not part.good and values is not None and whole and _told(values[_TIME]):
            still[number] = tuple(values)
        elif not part.good and (rest := _row_and_rest(part.text, file.delimiter)):
            for at, line in rest.items():
                found = parsed(line, file.delimiter)
                if found is not None and len(found) == len(NAMES):
                    still[number + at] = tuple(found)
                else:
                    bad[number + at] = line
        elif not part.good and part.text.strip():
            bad[number] = part.text
        content += [part.text, part.end]
        number += part.text.count(b"\n") + part.end.count(b"\n")
    return Case(kind, b"".join(content), good, bad, lines, still)


def _row_and_rest(text: bytes, delimiter: str) -> dict[int, bytes]:
    """A record broken in two of which one part is a row of the right width; else nothing."""
    for at in (at for at in range(len(text)) if text[at : at + 1] == b"\n"):
        parts = {0: text[:at].removesuffix(b"\r"), text.count(b"\n", 0, at) + 1: text[at + 1 :]}
        if any(len(parsed(part, delimiter) or []) == len(NAMES) for part in parts.values()):
            return parts
    return {}


def _told(stamp: str) -> bool:
    """Whether a text may still be taken for a time."""
    return stamp[:4].strip().isdigit()


def damaged_header(chance: random.Random) -> Case:
    """A file cut off inside its header: there is nothing in it to keep."""
    file = _sound(chance)
    text = file.header.text[: chance.randrange(1, len(file.header.text))]
    return Case("header_cut", text, {}, {}, {}, refused=True)
