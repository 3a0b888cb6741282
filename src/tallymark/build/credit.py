"""What the models of orders and credit are given of the shop's settings."""

from __future__ import annotations

import math

from tallymark.build.money import unit_of
from tallymark.config import Config
from tallymark.engine.base import literal

__all__ = ["credit_parameters"]

_MS_PER_DAY = 86_400_000
_WHOLE = 1_000_000_000  # of a weight, in billionths


def credit_parameters(config: Config) -> dict[str, str]:
    """The named parameters of ``int_touches``, ``int_shared_credit`` and ``int_credit``.

    A touch weighs ``2 ** (-age / half-life)`` in ``time_decay``, which is Google's: "half-life is
    1 week" (Google Ads API, AttributionModel); 40/20/40 of ``position_based`` is from there too.
    """
    credit = config.attribution
    first, last = credit.position_first, credit.position_last
    # No channel is called nothing, and no engine takes an empty list.
    channels = credit.exclude_channels or ("",)
    decay = math.log(2) / (credit.half_life_days * _MS_PER_DAY)
    return {
        "models": ", ".join(literal(model) for model in sorted(credit.models)),
        "excluded_channels": ", ".join(literal(one) for one in sorted(set(channels))),
        "exclude_bots": "true" if credit.exclude_bots else "false",
        "exclude_internal": "true" if credit.exclude_internal else "false",
        "max_touches": str(credit.max_touches),
        "first_of_two": str(first * _WHOLE // (first + last)),
        "first_of_many": str(first * _WHOLE // 100),
        "all_between": str((100 - first - last) * _WHOLE // 100),
        "decay_per_ms": f"{decay:.17e}",
        "unit": str(unit_of(config.shop.currency)),
    }
