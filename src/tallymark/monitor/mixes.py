"""Shares of a whole, judged as one question: did the mix shift, today or over some days."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tallymark.config import MonitorRule
from tallymark.monitor.follow import Panel, Slot
from tallymark.monitor.slots import MIX, is_mix
from tallymark.monitor.tables import Tables
from tallymark.stats.dynamic import Family

__all__ = ["Mix", "mixes_of"]

Floats = NDArray[np.float64]


class Mix:
    """The kinds of a whole, each followed as a share of it.

    Args:
        rule: The rule that asks.
        names: The kinds.
        counts: Days x kinds.
        half_life: In days, of the shares.
        first_weekday: Of day 0.
    """

    def __init__(
        self,
        rule: MonitorRule,
        names: Sequence[str],
        counts: Floats,
        half_life: float,
        first_weekday: int,
    ) -> None:
        self.rule, self.names = rule, tuple(names)
        totals = counts.sum(axis=1)
        trials = np.where(totals > 0, totals, np.nan)
        one = np.ones(len(totals))
        slots = [
            Slot(rule, rule.id, np.where(totals > 0, column, np.nan), trials, column / trials, one)
            for column in counts.T
        ]
        self.panel = Panel(Family.RATE, slots, MIX, half_life, first_weekday)


def mixes_of(rules: Sequence[MonitorRule], tables: Tables, half_life: float) -> list[Mix]:
    """The mixes that rules ask for."""
    found = []
    for rule in rules:
        names = tables.segments.get((rule.metric or "", rule.segment), ())
        if is_mix(rule) and names:
            columns = [tables.series[(rule.metric or "", name)].numerator for name in names]
            kinds = [name.partition("=")[2] for name in names]
            counts = np.nan_to_num(np.column_stack(columns))
            found.append(Mix(rule, kinds, counts, half_life, tables.first.weekday()))
    return found
