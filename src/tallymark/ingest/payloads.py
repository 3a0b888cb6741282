"""What a purchase's payload says: parsed once per distinct text, with bounded depth and size."""

from __future__ import annotations

import functools
import hashlib
import json
import re
from collections.abc import Iterable, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any, NamedTuple

from tallymark.contract import Payload

__all__ = [
    "LARGEST",
    "Item",
    "Order",
    "currency_code",
    "customer_of",
    "depth_within",
    "parse_order",
]

_CODE = re.compile(r"[A-Z]{3}")
MAX_BYTES = 262_144
MAX_DEPTH = 32
MAX_NAME = 64  # characters of a field's name
MAX_AMOUNTS = 64  # further fields of a payload that are looked at for numbers
CACHED = 16_384  # the gate and the build read the same payloads; about 2 kB each
LARGEST = Decimal(10) ** 10  # no amount: sums of thousands of them still fit into DECIMAL(18,4)
_PLACES = Decimal("0.0001")
_EMPTY: tuple[object, ...] = ("", [])
_ONE, _NONE = (1, 1), (0, 1)  # of one field: values filled, values expected


# Named tuples: of a day's thousands, a frozen dataclass takes three times as long to make.
class Item(NamedTuple):
    """One line of an order; None where the payload does not say."""

    item_id: str | None
    item_name: str | None
    quantity: Decimal | None
    price: Decimal | None


class Order(NamedTuple):
    """A purchase's payload.

    Attributes:
        content: Hash of the canonical payload: equal content, equal hash, whatever the key order.
        customer: Hash of the e-mail, so that customers can be told apart and not recognised.
        valid: Whether the payload was a JSON object within bounds.
        fields: For each expected field, (values filled, values expected).
        amounts: The other numbers at its top level, by name: taxes, shipping, discounts.
    """

    transaction_id: str | None
    revenue: Decimal | None
    currency: str | None
    customer: str | None
    items: tuple[Item, ...]
    content: str
    valid: bool
    fields: dict[str, tuple[int, int]]
    amounts: tuple[tuple[str, Decimal], ...] = ()


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", errors="surrogatepass")).hexdigest()[:32]


def depth_within(text: str, limit: int) -> bool:
    """Whether brackets outside strings nest no deeper than ``limit``."""
    depth = 0
    inside = escaped = False
    for char in text:
        if inside:
            if escaped:
                escaped = False
            elif char == "\\":
                escaped = True
            elif char == '"':
                inside = False
        elif char == '"':
            inside = True
        elif char in "[{":
            depth += 1
            if depth > limit:
                return False
        elif char in "]}":
            depth -= 1
    return True


def _refuse_constant(name: str) -> None:
    msg = f"{name} is not JSON"
    raise ValueError(msg)


# Made once: json.loads makes one for each text.
_DECODER = json.JSONDecoder(parse_float=Decimal, parse_int=Decimal, parse_constant=_refuse_constant)


def _loaded(text: str | None) -> dict[str, Any] | None:
    if text is None or len(text) > MAX_BYTES:
        return None
    # Brackets bound the depth; only suspicious texts pay for the exact count.
    if text.count("[") + text.count("{") > MAX_DEPTH and not depth_within(text, MAX_DEPTH):
        return None
    try:
        tree = _DECODER.decode(text)
    except (ValueError, RecursionError, InvalidOperation):
        return None
    return tree if isinstance(tree, dict) else None


def currency_code(text: str | None) -> str | None:
    """A currency as ISO 4217 writes it; None if the text is none.

    >>> currency_code(" eur "), currency_code("euro")
    ('EUR', None)
    """
    code = (text or "").strip().upper()
    return code if _CODE.fullmatch(code) else None


def _text(value: object) -> str | None:
    """A text that every engine takes: half a surrogate pair becomes a question mark."""
    if isinstance(value, str) and value.isascii():
        return value.strip() or None
    if value is None or isinstance(value, (dict, list)):
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value).encode(errors="replace").decode().strip() or None


def _customer(tree: dict[str, Any], names: Payload) -> str | None:
    """The hash of an e-mail; only a text can be one."""
    email = tree.get(names.email)
    told = email.strip().lower() if isinstance(email, str) else ""
    return _digest(told) if told else None


def _number(value: object) -> Decimal | None:
    if isinstance(value, str):
        # Decimal takes underscores, as Python's own numbers have them.
        if "_" in value:
            return None
        try:
            value = Decimal(value.strip())
        except InvalidOperation:
            return None
    # copy_abs, unlike abs, rounds nothing and so cannot overflow.
    if not isinstance(value, Decimal) or not value.is_finite() or value.copy_abs() >= LARGEST:
        return None
    return value.quantize(_PLACES)


@functools.lru_cache(maxsize=CACHED)  # equal numbers share an entry, as they are written alike
def _canonical(value: object) -> str:
    """A number by what it is worth: 10, 10.0 and 1e1 are written alike."""
    if not isinstance(value, Decimal):
        return str(value)
    text, _, power = str(value).partition("E")
    whole, _, after = text.removeprefix("-").partition(".")
    written = f"{whole}{after}".lstrip("0")
    bare = written.rstrip("0")
    if not bare:
        return "0"
    sign = "-" if text[0] == "-" else ""
    return f"{sign}{bare}e{int(power or 0) - len(after) + len(written) - len(bare)}"


def customer_of(text: str | None, names: Payload) -> str | None:
    """The hash of a payload's e-mail alone: what :func:`parse_order` calls ``customer``."""
    tree = _loaded(text)
    return _customer(tree, names) if tree is not None else None


# What was read from a text holds no circle.
_ENCODER = json.JSONEncoder(
    sort_keys=True, default=_canonical, ensure_ascii=False, check_circular=False
)


@functools.lru_cache(maxsize=CACHED)
def parse_order(text: str | None, names: Payload) -> Order:
    """Read one payload; whatever it holds, an :class:`Order` comes back."""
    tree = _loaded(text)
    if tree is None:
        return Order(
            transaction_id=None, revenue=None, currency=None, customer=None, items=(),
            content=_digest(text or ""), valid=False, fields={},
        )  # fmt: skip
    listed = tree.get(names.items)
    lines = [line for line in listed if isinstance(line, dict)] if isinstance(listed, list) else []
    items = tuple(
        Item(
            item_id=_text(line.get(names.item_id)),
            item_name=_text(line.get(names.item_name)),
            quantity=_number(line.get(names.quantity)),
            price=_number(line.get(names.item_price)),
        )
        for line in lines
    )
    return Order(
        transaction_id=_text(tree.get(names.transaction_id)),
        revenue=_number(tree.get(names.revenue)),
        currency=_text(tree.get(names.currency)),
        customer=_customer(tree, names),
        items=items,
        content=_digest(_ENCODER.encode(tree)),
        valid=True,
        fields=_fields(tree, lines, names),
        amounts=_amounts(tree, names),
    )


def _amounts(tree: dict[str, Any], names: Payload) -> tuple[tuple[str, Decimal], ...]:
    own = (names.transaction_id, names.revenue, names.email, names.items)
    others = _named(name for name in tree if name not in own)
    found = ((name, _number(tree[name])) for name in sorted(others)[:MAX_AMOUNTS])
    return tuple((name, number) for name, number in found if number is not None)


def _named(keys: Iterable[str]) -> set[str]:
    return {key for key in keys if len(key) <= MAX_NAME and key.isprintable()}


@functools.lru_cache(maxsize=64)  # payloads of a shop have a few shapes
def _followed(
    keys: tuple[str, ...], expected: tuple[str, ...], prefix: str
) -> list[tuple[str, str]]:
    """The keys to follow, sorted, each with the name that it has among all fields."""
    return [(key, prefix + key) for key in sorted(_named(keys).union(expected))]


def _filled(value: object) -> bool:
    """Whether a field has a value; a number, which is slow to compare with texts, always is one."""
    return value is not None and (value.__class__ is Decimal or value not in _EMPTY)


def _fields(
    tree: dict[str, Any], lines: Sequence[dict[str, Any]], names: Payload
) -> dict[str, tuple[int, int]]:
    """Every field the payload has or should have, dotted; items as ``items[].name``.

    Names that are too long to be one, or that UTF-8 cannot say, are left out.
    """
    found: dict[str, tuple[int, int]] = {}
    expected = (names.transaction_id, names.revenue, names.email, names.items)
    for key, name in _followed(tuple(tree), expected, ""):
        found[name] = _ONE if _filled(tree.get(key)) else _NONE
    shapes = {tuple(line) for line in lines}
    keys = shapes.pop() if len(shapes) == 1 else tuple(sorted(set().union(*shapes)))
    expected = (names.item_id, names.item_name, names.quantity, names.item_price)
    followed = _followed(keys, expected, f"{names.items}[].")
    if len(lines) == 1:
        line = lines[0]
        for key, name in followed:
            found[name] = _ONE if _filled(line.get(key)) else _NONE
        return found
    for key, name in followed:
        found[name] = (sum([_filled(line.get(key)) for line in lines]), len(lines))
    return found
