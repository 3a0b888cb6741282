"""What the watch would see at this shop."""

from __future__ import annotations

from pathlib import Path

import click

from tallymark.cli.looking_back import show_backtest
from tallymark.cli.options import common, open_project, option, rules_of, say, warehouse_at
from tallymark.cli.stages import monitor

__all__: list[str] = []


@monitor.command()
@option("--starts", type=click.IntRange(1, 1000), default=6, show_default=True,
         help="From how many start days each fault is planted.")  # fmt: skip
@option(
    "--size",
    "sizes",
    type=click.FloatRange(0.01, 1.0),
    multiple=True,
    help="Part that is lost, such as 0.5; 0.2, 0.3, 0.5, 0.8 and 1 if none is given.",
)
@option(
    "--budget",
    "budgets",
    type=click.FloatRange(0.1, 365.0),
    multiple=True,
    help="False alarms a year to try; those of the rules if none is given.",
)
@option("--seed", type=click.IntRange(0), default=1, show_default=True, help="Seed.")
@warehouse_at
@rules_of("watch")
@common
def backtest(
    *,
    starts: int, sizes: tuple[float, ...], budgets: tuple[float, ...], seed: int,
    warehouse: Path | None, rules: Path | None, home: Path | None, config: Path | None,
    quiet: bool, as_json: bool,
) -> None:  # fmt: skip
    """Plant faults into your own history, and count how many are seen, and how soon."""
    project = open_project(home, config, quiet=quiet, warehouse=warehouse, rules=rules)
    with project.watch() as stage:
        result = stage.backtest(starts=starts, sizes=sizes, budgets=budgets, seed=seed)
    say(result, show_backtest, as_json=as_json, quiet=quiet)
