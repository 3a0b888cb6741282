"""The named parameters of the models (``:gap_ms``), out of the configuration."""

from __future__ import annotations

from tallymark.build.credit import credit_parameters
from tallymark.build.sessions import session_parameters
from tallymark.config import Config
from tallymark.engine.base import literal

__all__ = ["model_parameters"]

MS_PER_DAY = 86_400_000


def model_parameters(config: Config, run: str = "") -> dict[str, str]:
    """Every parameter, as SQL.

    Args:
        config: The configuration.
        run: The name of the run; only ``reconciliation`` holds it.
    """
    return {
        **session_parameters(config),
        "lookback_ms": str(config.attribution.lookback_days * MS_PER_DAY),
        "currency": literal(config.shop.currency),
        "run": literal(run),
        **credit_parameters(config),
    }
