"""What an order is worth: which amount of its payload counts, and in which currency."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import ROUND_HALF_UP, Decimal

from tallymark.config import Config
from tallymark.contract import Payload
from tallymark.engine.currency import digits_of
from tallymark.errors import ConfigError
from tallymark.ingest.payloads import LARGEST, Order, currency_code

__all__ = ["TEN_THOUSANDTHS", "Money", "currency_of", "mixed", "unit_of"]

TEN_THOUSANDTHS = 10_000  # of DECIMAL(18,4)


def unit_of(currency: str) -> int:
    """The smallest unit of a currency in ten-thousandths.

    Example:
        >>> unit_of("EUR"), unit_of("JPY"), unit_of("KWD")
        (100, 10000, 10)
    """
    return TEN_THOUSANDTHS // int(10 ** digits_of(currency))


def currency_of(order: Order) -> str | None:
    """The currency that a payload states, as ISO 4217 writes it; None if it states none."""
    return currency_code(order.currency)


def mixed(orders: Sequence[Order], config: Config) -> None:
    """Refuse orders in several currencies of which one has no rate: they cannot be added up.

    Orders all in one currency are taken as they are, and so is one that states none.

    Raises:
        ConfigError: Naming the currencies and the setting.
    """
    stated = {currency_of(order) for order in orders if order.revenue} - {None}
    codes = sorted(code for code in stated if code is not None)
    ours = config.shop.currency
    rates = config.orders.currency_rates
    missing = [code for code in codes if code != ours and code not in rates]
    if len(codes) > 1 and missing:
        raise ConfigError(
            f"orders come in {_listed(codes)}, and orders.currency_rates has no rate for "
            f"{_listed(missing)}, so their revenue cannot be added up",
            where="tallymark.yml",
            fix=f"say there how many {ours} one unit is worth, such as "
            f"currency_rates: {{{missing[0]}: 1.1}}; shop.currency names your own",
        )


def _listed(codes: Sequence[str]) -> str:
    return " and ".join([part for part in (", ".join(codes[:-1]), codes[-1]) if part])


class Money:
    """Amounts of orders under the shop's policy and in its currency.

    Args:
        config: Its ``orders`` and ``shop.currency``.
        names: The keys of a payload.
    """

    def __init__(self, *, config: Config, names: Payload) -> None:
        self._names = names
        self._policy = config.orders.revenue
        self._ours = config.shop.currency
        self._rates = config.orders.currency_rates
        unit = Decimal(unit_of(self._ours)) / TEN_THOUSANDTHS
        self._unit = unit.quantize(unit.normalize())

    def currency(self, order: Order) -> str | None:
        """The currency of what :meth:`amount` gives; None if the payload states none."""
        stated = currency_of(order)
        return self._ours if stated in self._rates else stated

    def amount(self, order: Order) -> Decimal | None:
        """What an order brought or a refund took back, never below zero; None if it is not said."""
        if order.revenue is None:
            return None
        return self.converted(self._counted(order.revenue.copy_abs(), order), order)

    def _counted(self, total: Decimal, order: Order) -> Decimal:
        """The part of an amount that the policy counts; all of it where the parts are absurd."""
        if self._policy == "total":
            return total
        names, parts = self._names, dict(order.amounts)
        subtotal = parts.get(names.subtotal)
        if self._policy == "subtotal" and subtotal is not None:
            rest = subtotal.copy_abs()
        else:
            taken = {
                "subtotal": (names.tax, names.shipping),
                "without_tax": (names.tax,),
                "without_shipping": (names.shipping,),
            }[self._policy]
            zero = Decimal(0)
            rest = total - sum((parts.get(name, zero).copy_abs() for name in taken), zero)
        return rest if 0 <= rest <= total else total

    def converted(self, amount: Decimal | None, order: Order) -> Decimal | None:
        """An amount of an order in the shop's currency, to its unit; None if it is absurd."""
        stated = currency_of(order)
        if amount is None or stated is None or stated == self._ours or stated not in self._rates:
            return amount
        product = amount * self._rates[stated]
        return product.quantize(self._unit, ROUND_HALF_UP) if product.copy_abs() < LARGEST else None
